package directory

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/signet-idp/signet/store"
)

// PasswordExpiryPolicy is how long a password is good. NIST SP 800-63B-4 §3.1.1.2 advises against any such rule; it is for those whom
// another one obliges.
type PasswordExpiryPolicy struct {
	// Days is how long; zero is for ever.
	Days int `json:"days"`
	// Rules go before it: the first that fits a person holds.
	Rules []PasswordExpiryRule `json:"rules,omitempty"`
	// RulesOnly lets the passwords of people whom no rule fits be good for ever.
	RulesOnly bool `json:"rulesOnly,omitempty"`
}

// PasswordExpiryRule is how long the passwords of some people are good.
type PasswordExpiryRule struct {
	// Days is how long; zero is for ever.
	Days int `json:"days"`
	// Groups and Roles are ids, up to five together: the rule fits whoever has all of them, or, with Not, none.
	Groups []string `json:"groups,omitempty"`
	Roles  []string `json:"roles,omitempty"`
	Not    bool     `json:"not,omitempty"`
}

const maxPasswordDays = 3650

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p PasswordExpiryPolicy) Validate() error {
	var v validation
	v.count("days", p.Days, 0, maxPasswordDays)
	if len(p.Rules) > 32 {
		v.add("rules", "must be at most 32")
	}
	for _, r := range p.Rules {
		v.count("rules.days", r.Days, 0, maxPasswordDays)
		v.count("rules.groups", len(r.Groups)+len(r.Roles), 1, 5)
	}
	return v.err()
}

// on reports whether any password can expire.
func (p PasswordExpiryPolicy) on() bool {
	return p.Days > 0 && !p.RulesOnly || slices.ContainsFunc(p.Rules, func(r PasswordExpiryRule) bool { return r.Days > 0 })
}

// PasswordExpires returns when the password of a person is good no more, by the policy of their organization; the zero time is never.
// People in stores apart from the DB, and those without a password, have none that expires.
func (d *Directory) PasswordExpires(ctx context.Context, u *User) (time.Time, error) {
	policy, err := Resolve(ctx, d.Settings, d.Settings.PasswordExpiry, u.Org, "")
	if err != nil || !policy.on() || !d.Capabilities(u).InBatch {
		return time.Time{}, err
	}
	credential, err := d.Credentials.Get(ctx, passwordRef(u.Ref()))
	if errors.Is(err, store.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	days, err := d.passwordDays(ctx, policy, u.Ref())
	if err != nil || days == 0 {
		return time.Time{}, err
	}
	return credential.Created.Add(time.Duration(days) * day), nil
}

// PasswordExpired reports whether the password of a person has expired: a flow lets whoever has just proven it go no further before
// there is a new one (RenewPassword).
func (d *Directory) PasswordExpired(ctx context.Context, u *User) (bool, error) {
	expires, err := d.PasswordExpires(ctx, u)
	return err == nil && !expires.IsZero() && !d.db.Now().Before(expires), err
}

// ExpiredPassword is somebody whose password has expired.
type ExpiredPassword struct {
	User *User
	// Since is when it did.
	Since time.Time
}

// ExpiredPasswords walks through the people of an organization whose passwords have expired, by id. It reads everybody.
func (d *Directory) ExpiredPasswords(ctx context.Context, org string) iter.Seq2[ExpiredPassword, error] {
	return func(yield func(ExpiredPassword, error) bool) {
		policy, err := Resolve(ctx, d.Settings, d.Settings.PasswordExpiry, org, "")
		local := d.localUsers()
		if err == nil && (!policy.on() || local == nil) {
			return
		}
		if err != nil {
			yield(ExpiredPassword{}, err)
			return
		}
		for u, err := range local.all.All(ctx, store.Query{Org: org}) {
			var since time.Time
			if err == nil {
				since, err = d.PasswordExpires(ctx, u)
			}
			if err != nil {
				yield(ExpiredPassword{}, err)
				return
			}
			if !since.IsZero() && !d.db.Now().Before(since) && !yield(ExpiredPassword{User: u, Since: since}, nil) {
				return
			}
		}
	}
}

// passwordDays is how long the password of a subject is good.
func (d *Directory) passwordDays(ctx context.Context, policy PasswordExpiryPolicy, subject store.Ref) (int, error) {
	if len(policy.Rules) > 0 {
		has, err := d.affiliations(ctx, subject)
		if err != nil {
			return 0, err
		}
		for _, r := range policy.Rules {
			if r.fits(has) {
				return r.Days, nil
			}
		}
	}
	if policy.RulesOnly {
		return 0, nil
	}
	return policy.Days, nil
}

func (r PasswordExpiryRule) fits(has map[string]bool) bool {
	for _, id := range r.Groups {
		if has["group|"+id] == r.Not {
			return false
		}
	}
	for _, id := range r.Roles {
		if has["role|"+id] == r.Not {
			return false
		}
	}
	return true
}

// affiliations are the groups and roles of a subject.
func (d *Directory) affiliations(ctx context.Context, subject store.Ref) (map[string]bool, error) {
	has := map[string]bool{}
	for g, err := range d.Groups.GroupsOf(ctx, subject) {
		if err != nil {
			return nil, err
		}
		has["group|"+g.ID] = true
	}
	roles, err := d.Roles.RolesOf(ctx, subject)
	for _, r := range roles {
		has["role|"+r.ID] = true
	}
	return has, err
}
