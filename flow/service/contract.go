package service

import (
	"cmp"
	"context"
	"net/url"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// The words of the contract.
const (
	actionType = "AUTHENTICATION"
	redirectOp = "redirect"

	success    = "SUCCESS"
	incomplete = "INCOMPLETE"
	failed     = "FAILED"

	local     = "LOCAL"
	federated = "FEDERATED"
)

// named is a thing with an id and a name.
type named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// question is what a service is asked.
type question struct {
	ActionType        string      `json:"actionType"`
	FlowID            string      `json:"flowId"`
	RequestID         string      `json:"requestId"`
	Event             event       `json:"event"`
	AllowedOperations []operation `json:"allowedOperations"`
}

type event struct {
	Tenant             named    `json:"tenant"`
	Application        named    `json:"application"`
	CurrentStepIndex   int      `json:"currentStepIndex"`
	AuthenticatedSteps []done   `json:"authenticatedSteps"`
	User               *person  `json:"user,omitempty"`
	UserStore          *named   `json:"userStore,omitempty"`
	Organization       *named   `json:"organization,omitempty"`
	Request            *request `json:"request,omitempty"`
}

type done struct {
	Index int    `json:"index"`
	Name  string `json:"name"`
}

type person struct {
	ID     string `json:"id"`
	Sub    string `json:"sub"`
	Source string `json:"userIdentitySource"`
}

type request struct {
	Parameters []parameter `json:"additionalParameters"`
}

type parameter struct {
	Name  string   `json:"name"`
	Value []string `json:"value"`
}

type operation struct {
	Op  string `json:"op"`
	URL string `json:"url,omitempty"`
}

// answer is what a service may say. Members that are not listed are not looked at.
type answer struct {
	ActionStatus string `json:"actionStatus"`
	Data         *struct {
		User *User `json:"user"`
	} `json:"data"`
	Operations         []operation `json:"operations"`
	FailureReason      string      `json:"failureReason"`
	FailureDescription string      `json:"failureDescription"`
	ErrorMessage       string      `json:"errorMessage"`
	ErrorDescription   string      `json:"errorDescription"`
}

// User is whom a service has confirmed.
type User struct {
	// ID is the id of a person of the directory, or of the service's own.
	ID string `json:"id"`
	// Claims say more about them.
	Claims []Claim `json:"claims"`
	// UserStore is where they live, if the service has said so.
	UserStore *Store `json:"userStore"`
}

// Claim is an attribute; its Value is text, or what else JSON has.
type Claim struct {
	URI   string `json:"uri"`
	Value any    `json:"value"`
}

// Store names a user store.
type Store struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (a *answer) user() *User {
	if a.Data == nil {
		return nil
	}
	return a.Data.User
}

// Claim returns the text of an attribute by its URI; "" is none.
func (u *User) Claim(uri string) string {
	for _, c := range u.Claims {
		if text, ok := c.Value.(string); ok && c.URI == uri {
			return text
		}
	}
	return ""
}

// question is what the service is asked in a state of the flow, in which the person has come with parameters.
func (p *Step) question(ctx context.Context, s *flow.State, flowID string, with url.Values) (question, error) {
	app, err := s.Application(ctx)
	if err != nil {
		return question{}, err
	}
	e := event{
		Tenant: p.tenant, Application: named{s.Request.Application.ID, cmp.Or(s.Request.ApplicationName, app.Name)},
		CurrentStepIndex: len(s.Evidence) + 1, AuthenticatedSteps: []done{},
	}
	source := local
	for i, proof := range s.Evidence {
		e.AuthenticatedSteps = append(e.AuthenticatedSteps, done{i + 1, proof.Method})
		if proof.Method == directory.Federated {
			source = federated
		}
	}
	if org := s.Request.Organization; org != "" {
		e.Organization = &named{org, org}
	}
	if !s.Subject.IsZero() {
		user, err := s.User(ctx)
		if err != nil {
			return question{}, err
		}
		where := cmp.Or(user.Store, directory.DefaultStore)
		e.User, e.UserStore = &person{s.Subject.ID, s.Subject.ID, source}, &named{where, where}
	}
	for _, name := range p.parameters {
		if values := with[name]; len(values) > 0 {
			if e.Request == nil {
				e.Request = &request{}
			}
			e.Request.Parameters = append(e.Request.Parameters, parameter{name, values})
		}
	}
	return question{
		ActionType: actionType, FlowID: flowID, RequestID: store.NewID(), Event: e, AllowedOperations: []operation{{Op: redirectOp}},
	}, nil
}
