package directory

import (
	"errors"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// Agent is a program that acts by itself, as an assistant does: an identity of its own, beside people and applications. Its ID is that of
// its Subject, of the kind AgentKind, which groups and roles take as they take people; disabling that (Subjects.Disable) ends what was
// issued to the agent and to people's clients in its name, and refuses it anything more.
type Agent struct {
	store.Meta
	// DisplayName is what people are told when they are asked to let it act for them: 1 to 120 characters.
	DisplayName string `json:"displayName"`
	Description string `json:"description,omitempty"`
	// Owner is the person who answers for it; zero is nobody in particular. That they are gone one day changes nothing.
	Owner store.Ref `json:"owner,omitzero"`
	// SecretHash is the digest of its secret, SecretSince when that was made.
	SecretHash  string    `json:"secretHash"`
	SecretSince time.Time `json:"secretSince"`
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
}

// AgentStore is what stands where a Subject names its user store: no user store has that name.
const AgentStore = "AGENT"

// ByAgentSecret is the Method of a proof by the secret of an Agent: one factor.
const ByAgentSecret = "agent"

// ErrAgent says that nobody is who an id and a secret would prove: there is no such agent, the secret is another, or the agent is
// disabled. A failing store is another error.
var ErrAgent = errors.New("directory: the id or the secret of the agent is wrong")

// AgentID is the id of the agent that a login may mean: "AGENT/id", or an id alone, which is a UUID; "" is none. It reads nothing: that
// there is such an agent is not said.
func AgentID(login string) string {
	if rest, ok := strings.CutPrefix(login, AgentStore+"/"); ok {
		login = rest
	}
	if !isUUID(login) {
		return ""
	}
	return login
}

// isUUID accepts the text of a UUID in small letters (RFC 9562 §4).
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch dash := i == 8 || i == 13 || i == 18 || i == 23; {
		case dash != (s[i] == '-'):
			return false
		case !dash && !strings.Contains("0123456789abcdef", s[i:i+1]):
			return false
		}
	}
	return true
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (a *Agent) Validate() error {
	var v validation
	v.required("displayName", a.DisplayName, 120)
	v.text("description", a.Description, 1024)
	return v.err()
}

// renewSecret gives the agent another secret.
func (a *Agent) renewSecret(now time.Time) secret.Text {
	fresh := secret.New()
	a.SecretHash, a.SecretSince = fresh.Hash(), now
	return fresh
}

func (a *Agent) event(kind string) store.Event {
	return store.Event{Meta: store.Meta{Org: a.Org}, Type: kind, Subject: a.ID, Data: details("store", AgentStore)}
}
