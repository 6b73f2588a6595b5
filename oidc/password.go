package oidc

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// PasswordGrant is the grant type of RFC 6749 §4.3.2; it is served where Legacy.Password is set.
const PasswordGrant GrantType = "password"

// Whoever types a name and a password here gets one answer, whatever was wrong with them.
var errPassword = invalidGrant("the username or the password is wrong, or the account cannot be used this way")

const (
	// maxClashes bounds how often an attempt begins again because another at the same account was faster.
	maxClashes = 200
	// patience is how often it does before one that is not admitted leaves writing to the others.
	patience = 3
	// maxRounds bounds how often an attempt waits, by doing the work in vain, for others that are being judged.
	maxRounds = 4
)

// passwordGuess is one attempt at an account. It is counted as the attempts at sign-in are, and together with them.
type passwordGuess struct {
	user    *directory.User // nil for a name that nobody has
	ref     store.Ref       // of the subject, or of nobody
	subject *directory.Subject
	key     directory.AttemptKey
	attempt *directory.Attempt
	pass    *directory.Pass
	clashes int
}

// exchangePassword redeems a person's own password (RFC 6749 §4.3.2).
func (p *Provider) exchangePassword(ctx context.Context, r tokenRequest) (*tokenResponse, error) {
	if !r.form.Has("username") || !r.form.Has("password") {
		return nil, invalidRequest("username or password is missing")
	}
	scopes, refusal := p.personScopes(ctx, r)
	if refusal != nil {
		return nil, refusal
	}
	g, err := p.guessPassword(ctx, r)
	if err != nil {
		return nil, err
	}
	right, err := p.judgePassword(ctx, r, g)
	if err != nil {
		return nil, errors.Join(err, p.settlePassword(ctx, g, p.config.Directory.Locks.Abort))
	}
	if !right {
		return nil, p.blamePassword(ctx, r, g)
	}
	return p.mintByPassword(ctx, r, g, scopes)
}

// personScopes are those that a client may have of a person who is not asked.
func (p *Provider) personScopes(ctx context.Context, r tokenRequest) ([]string, *Error) {
	scopes, refusal := p.scopesForTheAsking(ctx, r)
	if refusal == nil && r.client.mayAsk(scopeOffline) && slices.Contains(strings.Fields(r.form.Value("scope")), scopeOffline) {
		scopes = append(scopes, scopeOffline)
	}
	return scopes, refusal
}

// guessPassword finds out whose account it is, and counts the attempt before anything is judged. Who is not found costs as much.
func (p *Provider) guessPassword(ctx context.Context, r tokenRequest) (*passwordGuess, error) {
	d, org, name := p.config.Directory, r.client.Org, r.form.Value("username")
	g := &passwordGuess{ref: store.Ref{Org: org, ID: store.NewID()}}
	user, err := d.FindUser(ctx, org, name)
	switch {
	case err == nil:
		g.user, g.ref = user, d.SubjectRef(user)
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	g.subject, err = absentAsNil(d.Subjects.Get(ctx, g.ref))
	if err != nil {
		return nil, err
	}
	if g.subject == nil && user != nil { // of a store apart, and here for the first time
		g.subject = &directory.Subject{Meta: store.Meta{Org: g.ref.Org, ID: g.ref.ID}, Status: directory.Active}
	}
	g.key = directory.AttemptKey{Org: org, Account: d.Locks.Account(g.subject, org, name), Factor: "password"}
	if err := p.countPassword(ctx, r, g, true); err != nil {
		return nil, err
	}
	if !g.pass.Admitted() {
		wait := &Error{
			Code: "slow_down", Description: "too many attempts come from this address, try again in a while", Status: 429, RetryAfter: g.pass.RetryAfter(),
		}
		return nil, errors.Join(wait, p.settlePassword(ctx, g, d.Locks.Abort))
	}
	return g, nil
}

// countPassword counts the attempt in one step, and again as long as another at the account is faster.
func (p *Provider) countPassword(ctx context.Context, r tokenRequest, g *passwordGuess, throttled bool) error {
	d := p.config.Directory
	return p.insist(g, func(b *store.Batch) (err error) {
		if g.clashes > patience {
			g.attempt, err = d.Locks.Weigh(ctx, g.key)
		}
		if err == nil && !g.yields() {
			g.attempt, err = d.Locks.Begin(ctx, b, g.key)
		}
		if err == nil && throttled {
			g.pass, err = d.Throttle.Begin(ctx, b, r.client.Org, directory.ThrottlePassword, r.address.String())
		}
		if err != nil {
			return err
		}
		return b.Apply(ctx)
	})
}

// yields reports whether an attempt that is not admitted, and would merely write that it was made, leaves that to the others.
func (g *passwordGuess) yields() bool { return g.clashes > patience && !g.attempt.Admitted() }

func (p *Provider) insist(g *passwordGuess, step func(b *store.Batch) error) error {
	var err error
	for range maxClashes {
		if err = step(p.db.Batch()); store.ConflictOn(err, p.config.Directory.Locks.Kind()) == nil {
			return err
		}
		g.clashes++
	}
	return err
}

// judgePassword reports whether the password is right. It hashes before it looks at anything else, and the password of an account that
// cannot be used this way is not even compared with its own: neither the answer nor the time tells.
func (p *Provider) judgePassword(ctx context.Context, r tokenRequest, g *passwordGuess) (bool, error) {
	d, password := p.config.Directory, r.form.Value("password")
	usable, err := p.usableByPassword(ctx, r.client, g)
	if err != nil {
		return false, err
	}
	for round := 1; ; round++ {
		user := g.user
		if !usable || !g.attempt.Admitted() {
			user = nil
		}
		right, err := d.Users.VerifyPassword(ctx, user, password)
		if _, refused := errors.AsType[*directory.AccountError](err); refused {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if g.user == nil && g.attempt.Admitted() {
			return p.adoptByPassword(ctx, r, g)
		}
		if g.attempt.Admitted() || !g.attempt.Crowded() || round == maxRounds {
			if right = right && user != nil && g.attempt.Admitted(); right { // one that has expired is renewed on a page
				expired, err := d.PasswordExpired(ctx, user)
				return !expired, err
			}
			return false, nil
		}
		if err := p.countPassword(ctx, r, g, false); err != nil { // others were being judged, and may be by now
			return false, err
		}
	}
}

// usableByPassword reports whether a password alone signs in to the account here.
func (p *Provider) usableByPassword(ctx context.Context, c *Client, g *passwordGuess) (bool, error) {
	d := p.config.Directory
	app, err := p.livingApplication(ctx, c)
	if errors.Is(err, errBroken) || err == nil && app.SecondFactor == directory.SecondFactorRequired {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	credentials, err := d.Credentials.List(ctx, g.ref) // also of nobody, so that nothing tells who there is
	if err != nil {
		return false, err
	}
	for _, credential := range credentials {
		if credential.Type != directory.PasswordCredential && app.SecondFactor != directory.SecondFactorNever {
			return false, nil
		}
	}
	return g.user != nil && g.subject != nil && !g.user.Disabled && g.subject.Status == directory.Active, nil
}

// adoptByPassword asks the system that people come from about a name that nobody here has (directory.Config.Verifier).
func (p *Provider) adoptByPassword(ctx context.Context, r tokenRequest, g *passwordGuess) (bool, error) {
	d := p.config.Directory
	user, err := d.Adopt(ctx, r.client.Org, r.form.Value("username"), r.form.Value("password"))
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if g.subject, err = d.SubjectOf(ctx, user); err != nil {
		return false, err
	}
	usable, err := p.usableByPassword(ctx, r.client, &passwordGuess{user: user, ref: g.subject.Ref(), subject: g.subject})
	g.user = user
	return usable, err
}

// settlePassword settles an attempt that yields no tokens.
func (p *Provider) settlePassword(ctx context.Context, g *passwordGuess, settle func(context.Context, *store.Batch, *directory.Attempt) error) error {
	if g.yields() {
		return nil
	}
	return p.insist(g, func(b *store.Batch) error {
		if err := settle(ctx, b, g.attempt); err != nil {
			return err
		}
		return b.Apply(ctx)
	})
}

// blamePassword counts a wrong guess, and tells the Observer as sign-in does.
func (p *Provider) blamePassword(ctx context.Context, r tokenRequest, g *passwordGuess) error {
	if err := p.settlePassword(ctx, g, p.config.Directory.Locks.Fail); err != nil {
		return err
	}
	o := directory.Observation{Type: "attempt.failed", ClientID: r.client.ClientID, Code: "password.wrong", Address: web.Group(r.address)}
	if !g.attempt.Admitted() {
		o.Type = "attempt.locked"
	}
	if g.subject != nil {
		o.Subject = g.subject.ID
	}
	p.observe(ctx, o)
	return errPassword
}

// mintByPassword makes the Grant, in the step that settles the attempt.
func (p *Provider) mintByPassword(ctx context.Context, r tokenRequest, g *passwordGuess, scopes []string) (*tokenResponse, error) {
	d := p.config.Directory
	subject, err := d.SubjectOf(ctx, g.user)
	if err != nil {
		return nil, err
	}
	now := p.db.Now()
	assurance := directory.Assess([]directory.Evidence{{Method: "password", AMR: []string{"pwd"}, Subject: subject.ID, Time: now}})
	for n := 0; ; n++ {
		grant, err := p.grantFor(ctx, r.client, subject)
		if err != nil {
			return nil, err
		}
		grant.Type, grant.Scopes = PasswordGrant, scopes
		grant.AuthTime, grant.ACR, grant.AMR, grant.ACRTime = assurance.AuthTime, assurance.ACR, assurance.AMR, now
		response, err := p.mint(ctx, minting{
			request: r, grant: grant, refresh: true,
			consume: func(ctx context.Context, b *store.Batch, _ *issue) error { return d.Locks.Succeed(ctx, b, g.attempt) },
		})
		if n < maxClashes && (p.parentMoved(err) || store.ConflictOn(err, d.Locks.Kind()) != nil) {
			continue
		}
		if err != nil {
			return nil, errors.Join(err, p.settlePassword(ctx, g, d.Locks.Abort))
		}
		if failed := d.Rehash(ctx, d.RehashOf(g.user)); failed != nil {
			p.config.Logger.WarnContext(ctx, "a hash that is outdated stands", slog.String("cause", failed.Error()))
		}
		return response, nil
	}
}
