package script

import (
	"encoding/json"
	"time"

	"github.com/dop251/goja"
)

// Kind is what a Node is.
type Kind string

// The kinds of node.
const (
	// Complete: the script has nothing more to ask. The person may be signed in, if the flow's own rules say so.
	Complete Kind = "complete"
	// Step asks the person to do a configured step.
	Step Kind = "step"
	// Prompt asks the person something else.
	Prompt Kind = "prompt"
	// Exchange is a call to a server elsewhere.
	Exchange Kind = "http"
	// Fail ends the login with an error for the application.
	Fail Kind = "fail"
	// ErrorPage ends it with one for the person.
	ErrorPage Kind = "sendError"

	// deferred is a host's function with handlers: it is called when its turn comes.
	deferred Kind = "call"
)

// Node is one thing that the script has asked for.
type Node struct {
	// ID says which it is: its place among those the script has asked for, and a digest of what it is.
	ID   string `json:"id"`
	Kind Kind   `json:"kind"`

	// Step is the number of the configured step, from 1; Options are those that the script admits, all when it is empty; Params what
	// it says to each.
	Step    int      `json:"step,omitempty"`
	Options []Option `json:"options,omitempty"`
	Params  Params   `json:"params,omitzero"`
	// ForceAuth says that what the session has proven does not do.
	ForceAuth bool `json:"forceAuth,omitempty"`
	// SubjectStep and AttributeStep say that this is the step whose person signs in, and whose attributes count.
	SubjectStep   bool `json:"subjectStep,omitempty"`
	AttributeStep bool `json:"attributeStep,omitempty"`
	// Retries says that the script has an onFail of its own: the step is not simply asked again.
	Retries bool `json:"retries,omitempty"`

	// Template and Data are those of a Prompt.
	Template string         `json:"template,omitempty"`
	Data     map[string]any `json:"data,omitempty"`

	// Request is what an Exchange sends.
	Request *Request `json:"request,omitempty"`

	// Failure is the end of a Fail, URL and Query that of an ErrorPage; a URL of "" is the page of the flow.
	Failure Failure           `json:"failure,omitzero"`
	URL     string            `json:"url,omitempty"`
	Query   map[string]string `json:"query,omitempty"`

	call     string
	args     []any
	handlers map[Result]goja.Callable
}

// Params are authenticatorParams.
type Params struct {
	Common    map[string]string            `json:"common,omitempty"`
	Local     map[string]map[string]string `json:"local,omitempty"`
	Federated map[string]map[string]string `json:"federated,omitempty"`
}

// For are the parameters of one option: the common ones, and its own over them.
func (p Params) For(o Option) map[string]string {
	all := map[string]string{}
	for _, from := range []map[string]string{p.Common, p.Local[o.Authenticator], p.Federated[o.IDP]} {
		for name, value := range from {
			all[name] = value
		}
	}
	return all
}

// Failure is what fail(…) tells the application.
type Failure struct {
	Code    string `json:"errorCode,omitempty"`
	Message string `json:"errorMessage,omitempty"`
	URI     string `json:"errorURI,omitempty"`
}

// Request is a call to a server elsewhere.
type Request struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
	// Form says that the body is to be sent as a form.
	Form bool `json:"form,omitempty"`
	Auth Auth `json:"auth,omitzero"`
	// Timeout is how long to wait for an answer; zero is the limit of the Engine.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// Auth is an authConfig: how to be known to the server.
type Auth struct {
	// Type is "basic", "apikey", "clientcredential" or "bearer"; "" is none.
	Type string `json:"type,omitempty"`
	// Properties are those of the type. They hold secrets.
	Properties map[string]string `json:"properties,omitempty"`
}

// name gives the node its ID.
func (n *Node) name(ordinal int) {
	n.ID = itoa(ordinal) + "." + digest([]any{n, n.call, n.args})
}
