package script

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/signet-idp/signet/store"
)

// The bounds of what one login remembers.
const (
	// maxJournal bounds the entries of a journal, maxFresh how many of them one run may add, and maxOutcomes the steps of one login.
	maxJournal  = 400
	maxFresh    = 100
	maxOutcomes = 60
	// MaxMemory bounds a Memory as JSON, in bytes.
	MaxMemory = 44 << 10
)

// ErrDiverged: a run did not repeat what the ones before it did: another script, another version of the interpreter, or a Memory that
// belongs elsewhere. The login fails closed.
var ErrDiverged = errors.New("script: the replay went another way")

// Memory is what a login keeps between two runs of its script: what the person has done, and everything that the script was told.
// It is data; whoever keeps it seals it, as what people typed may be in it. The zero value is a login that begins.
type Memory struct {
	// Program is the hash of the script that the login began with.
	Program string `json:"program,omitempty"`
	// Seed makes the script's random numbers, and Began is its time at first.
	Seed  []byte    `json:"seed,omitempty"`
	Began time.Time `json:"began,omitzero"`
	// Outcomes are what came of the script's nodes, in order.
	Outcomes []Outcome `json:"outcomes,omitempty"`
	// Journal are the calls that crossed from the script into Go, in order.
	Journal []Entry `json:"journal,omitempty"`
}

// Outcome is what came of a Node.
type Outcome struct {
	// Node is the Node.ID that it answers.
	Node string `json:"node"`
	// Result says which callback runs.
	Result Result `json:"result"`
	// Data is the callback's second argument: what encoding/json decodes.
	Data any `json:"data,omitempty"`
	// Person is who a step has found, or who failed at it; nil is nobody.
	Person *Person `json:"person,omitempty"`
	// Option is how the step was done.
	Option Option `json:"option,omitzero"`
	// Params are what the person sent with it, as context.request.params.
	Params map[string][]string `json:"params,omitempty"`
	// Time is when.
	Time time.Time `json:"time"`
	// At is how long the journal was when it came in. Memory.Add sets it.
	At int `json:"at"`

	people bool // see Entry.People
}

// Result is how a Node ended.
type Result string

// The results.
const (
	Succeeded Result = "success"
	Failed    Result = "fail"
	TimedOut  Result = "timeout"
)

// Add records what came of the node that the last run has ended with.
func (m *Memory) Add(o Outcome) {
	o.At = len(m.Journal)
	m.Outcomes = append(m.Outcomes[:len(m.Outcomes):len(m.Outcomes)], o)
}

// Entry is one call from the script into Go.
type Entry struct {
	// Name is what was called, and Digest that of its arguments.
	Name   string `json:"n"`
	Digest string `json:"d,omitempty"`
	// Value is what it returned, or Refused why it did not.
	Value   json.RawMessage `json:"v,omitempty"`
	Refused string          `json:"r,omitempty"`
	// People says that Value is a Person or a list of them. Nothing within a value can say so: it may come from anywhere.
	People bool `json:"p,omitempty"`
}

// Person is a person as scripts know them: who it is. What they are like is asked for.
type Person struct {
	// Subject is whose account it is; zero for somebody of an upstream provider who has none.
	Subject store.Ref `json:"subject,omitzero"`
	// Username and Identifier are how the person is called, and the name that was typed.
	Username   string `json:"username,omitempty"`
	Identifier string `json:"identifier,omitempty"`
	// Store is the user store, "" for the default one; Organization where the account lives.
	Store        string `json:"store,omitempty"`
	Organization string `json:"organization,omitempty"`
	// IDP is the upstream provider that vouches for the person; "" is none. Remote are its claims.
	IDP    string            `json:"idp,omitempty"`
	Remote map[string]string `json:"remote,omitempty"`
}

// key tells people apart: by their account, or, where they have none or nobody has proven it, by how they are called and where.
func (p *Person) key() string {
	if !p.Subject.IsZero() {
		return digest([]any{p.Subject})
	}
	return digest([]any{p.IDP, p.Organization, p.Username})
}

// Option is one way to do a step: an authenticator of ours, or an upstream provider.
type Option struct {
	Authenticator string `json:"authenticator,omitempty"`
	IDP           string `json:"idp,omitempty"`
}

// digest names the arguments of a call.
func digest(args []any) string {
	if len(args) == 0 {
		return ""
	}
	text, err := json.Marshal(args)
	if err != nil {
		text = fmt.Append(nil, args...)
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}
