package me

import (
	"errors"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// pending is what was begun and waits for the proof that completes it: a TOTP authenticator, or a passkey. There is one of each kind for what
// a token belongs to: nobody completes, or sees, what another session has begun. It is durable, so that it goes in the step that completes it.
type pending struct {
	store.Meta
	Subject store.Ref `json:"subject"`
	// Request is the hash of the id by which the answer names it; "" for one that is not named.
	Request string       `json:"request,omitempty"`
	Kept    store.Sealed `json:"kept"`
}

var (
	pendingKind = store.Kind{Name: "me.pending"}
	pendingType = store.Type[pending]{Kind: pendingKind}
)

// pendingLife is how long somebody has to complete what they have begun.
const pendingLife = 10 * time.Minute

// What may be pending.
const (
	pendingTOTP    = "totp"
	pendingPasskey = "passkey"
)

func (c *call) pendingRef(what string) store.Ref {
	return store.Ref{Org: c.ref.Org, ID: secret.Hash("me.pending\x00" + what + "\x00" + c.ref.ID + "\x00" + c.Holder.Org + "\x00" + c.Holder.ID)}
}

// begin notes what is kept until the answer comes, in the place of anything that was begun before.
func (a *API) begin(c *call, what, request string, kept []byte) error {
	return again(func() error {
		ref := c.pendingRef(what)
		p := &pending{Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Subject: c.ref, Kept: a.DB.Seal(pendingKind, ref, "kept", kept)}
		if request != "" {
			p.Request = secret.Hash(request)
		}
		b := a.DB.Batch()
		p.Expires = b.Now().Add(pendingLife)
		old, err := a.pending.Get(c.ctx(), ref)
		switch {
		case err == nil:
			p.Version = old.Version
			a.pending.Replace(b, p)
		case errors.Is(err, store.ErrNotFound):
			a.pending.Insert(b, p)
		default:
			return err
		}
		return b.Apply(c.ctx())
	})
}

// begun returns what was begun, and what is kept of it, or store.ErrNotFound.
func (a *API) begun(c *call, what string) (*pending, []byte, error) {
	p, err := a.pending.Get(c.ctx(), c.pendingRef(what))
	if err != nil {
		return nil, nil, err
	}
	kept, err := a.DB.Unseal(pendingKind, p.Ref(), "kept", p.Kept)
	return p, kept, err
}
