package script

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store"
)

// Links are the accounts at providers upstream that are linked with people here; federated.Connections are some.
type Links interface {
	// Linked returns whom an account at a provider belongs to, or store.ErrNotFound.
	Linked(ctx context.Context, issuer, externalID string) (store.Ref, error)
	// LinkProven links the account with which somebody has come in a flow with the person of the flow, and UnlinkProven undoes that. They decide
	// whether what was proven in the flow is enough, and may be repeated.
	LinkProven(ctx context.Context, s *flow.State) (bool, error)
	UnlinkProven(ctx context.Context, s *flow.State) (bool, error)
}

// from is who has come back from a provider in the flow, if that is who the first argument is; nil otherwise.
func (p *people) from(c *Call) (*Person, *flow.Upstream, error) {
	who, err := c.Person(0)
	if err != nil {
		return nil, nil, err
	}
	if c.Login.Flow == nil || p.Links == nil || who.IDP == "" {
		return who, nil, nil
	}
	from, err := c.Login.Flow.Upstream()
	if err != nil || from == nil || from.Issuer != who.IDP {
		return who, nil, err
	}
	if who.Subject.IsZero() && who.Username != from.ExternalID || !who.Subject.IsZero() && who.Subject != c.Login.Flow.Subject {
		return who, nil, nil
	}
	return who, from, nil
}

// associated is getAssociatedLocalUser(federatedUser): whose account here it is.
func (p *people) associated(ctx context.Context, c *Call) (any, error) {
	who, from, err := p.from(c)
	if err != nil {
		return nil, err
	}
	local := *who
	switch {
	case from != nil:
		local.Subject, err = p.Links.Linked(ctx, from.Issuer, from.ExternalID)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	case who.Subject.IsZero():
		return nil, nil
	}
	user, err := p.user(ctx, &local)
	if err != nil || user == nil || user.Disabled {
		return nil, err
	}
	return p.person(user), nil
}

// associate is doAssociationWithLocalUser(federatedUser, username, tenantDomain, userStoreDomain). The name must be that of the person who has
// signed in here in this flow.
func (p *people) associate(ctx context.Context, c *Call) (any, error) {
	_, from, err := p.from(c)
	if err != nil {
		return nil, err
	}
	name, err := c.Text(1)
	if err != nil {
		return nil, err
	}
	if from == nil || c.Login.Flow.Subject.IsZero() {
		return false, nil
	}
	user, err := p.user(ctx, &Person{Subject: c.Login.Flow.Subject})
	if err != nil || user == nil {
		return false, err
	}
	if _, bare, ok := strings.Cut(name, "/"); ok && !strings.EqualFold(name, user.Username) {
		name = bare // behind the name of a user store
	}
	if !strings.EqualFold(name, user.Username) {
		return false, nil
	}
	return p.Links.LinkProven(ctx, c.Login.Flow)
}

// dissociate is removeAssociatedLocalUser(federatedUser).
func (p *people) dissociate(ctx context.Context, c *Call) (any, error) {
	_, from, err := p.from(c)
	if err != nil || from == nil {
		return false, err
	}
	return p.Links.UnlinkProven(ctx, c.Login.Flow)
}

// The issuers of Microsoft's provider: of everybody, and of the people who belong to no organization.
const (
	microsoft          = "https://login.microsoftonline.com/"
	microsoftConsumers = microsoft + "9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
)

// microsoftVerified is checkMicrosoftEmailVerification(context): whether somebody has come from Microsoft in this flow with an address that is
// theirs, as the token says: the address of an organization, where it is among those that were verified, or whose owner stands for it.
func (p *people) microsoftVerified(_ context.Context, c *Call) (any, error) {
	if c.Login.Flow == nil {
		return false, nil
	}
	from, err := c.Login.Flow.Upstream()
	if err != nil || from == nil || from.Email == "" || !strings.HasPrefix(from.Issuer, microsoft) {
		return false, err
	}
	var verified []string
	if json.Unmarshal([]byte(from.Claims["verified_primary_email"]), &verified) != nil {
		verified = nil
	}
	return from.EmailVerified || from.Issuer == microsoftConsumers || slices.Contains(verified, from.Email), nil
}
