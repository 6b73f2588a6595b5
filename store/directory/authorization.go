package directory

import (
	"time"

	"github.com/signet-idp/signet/store"
)

// Authorization is what a person has allowed an application, as a protocol has asked for it.
type Authorization struct {
	// ID is how the protocol calls the application, as by its client_id.
	ID string `json:"id"`
	// Application is zero for one that is no more.
	Application store.Ref `json:"application,omitzero"`
	// Name is how pages call it; it is the ID for one that is no more.
	Name  string           `json:"name"`
	Links ApplicationLinks `json:"links,omitzero"`
	// Granted is what it may, in the words in which it was asked for.
	Granted []ConsentItem `json:"granted,omitempty"`
	// Decided is when that was last answered.
	Decided time.Time `json:"decided"`
}
