package me

import (
	"context"
	"net/http"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Guard finds out who calls. It is safe for concurrent use.
type Guard interface {
	// Caller returns the person whom the token of a request speaks for. It reads every link of the chain that the token hangs on, and takes
	// none of a client that acts for itself or by which somebody acts for another, for somebody else, without the proof of what it is bound
	// to, or without the scope. A request that it does not let pass has been answered (RFC 6750 §3), and the Caller is nil.
	Caller(w http.ResponseWriter, r *http.Request, scope string) *Caller
	// AskAgain answers a request of somebody who has to sign in once more, or more strongly (RFC 9470 §3).
	AskAgain(w http.ResponseWriter, r *http.Request, maxAge time.Duration, acr string)
}

// Caller is the person whom a token speaks for.
type Caller struct {
	Subject *directory.Subject
	// Holder is what the token belongs to: the person's session, or the grant of one that is in none.
	Holder store.Ref
	// Session is the person's, nil for a token that is in none.
	Session *directory.Session
	// AuthTime is when the person was authenticated, the zero time when nobody here knows; ACR says how well.
	AuthTime time.Time
	ACR      string
	// ACRTime is since when all was shown that the ACR rests on, the zero time when nobody here knows.
	ACRTime time.Time
}

// proof is what a change of how somebody signs in demands of them: "" is nothing in particular. Who has enrolled a second factor has to
// have shown two, or whoever knows but the password would take the second away.
func (a *API) proof(ctx context.Context, caller *Caller) (acr string, err error) {
	if a.ACR == directory.ACR2 {
		return a.ACR, nil
	}
	best, err := a.Directory.BestACR(ctx, caller.Subject)
	if best == directory.ACR1 { // which every sign-in is
		best = a.ACR
	}
	return best, err
}

// shown reports whether the caller has signed in just now, and as is demanded. A second factor is as fresh as the first: whoever has but the
// browser of somebody and their password would do with that of hours ago.
func (a *API) shown(caller *Caller, acr string) bool {
	fresh := func(t time.Time) bool { return !t.IsZero() && a.DB.Now().Before(t.Add(a.MaxAge)) }
	if !fresh(caller.AuthTime) || acr == "" {
		return fresh(caller.AuthTime)
	}
	return directory.Assurance{ACR: caller.ACR}.Satisfies(acr) && (acr == directory.ACR1 || fresh(caller.ACRTime))
}

// hold adds to a batch that it stands or falls with what the token rests on: the person, and their session.
func (a *API) hold(b *store.Batch, c *call) error {
	return a.Directory.Hold(c.ctx(), b, c.Subject, c.Session)
}
