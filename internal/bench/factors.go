package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/authenticator"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// The rows of sign-ins with more than a password. As that of the password alone they end with the code, and have what they cost beyond
// their floors as the target.
const (
	appRow     = "sign-in with app"
	passkeyRow = "sign-in with passkey"
)

// relyingParty are the settings of passkeys. An address is no domain, so the browser is said to be at another name of this machine.
var relyingParty = mfa.Passkeys{RPID: "localhost", Origins: []string{"http://localhost"}}

// offerPasskeys has the page of name and password ask for a passkey too, at one client alone: at the others it stays what it is without.
func (w *world) offerPasskeys(c *signet.Config) error {
	const passkey = "passkey"
	steps := slices.Clone(flow.Login("password", passkey).Steps())
	steps[0].Offer = func(_ context.Context, s *flow.State, options []string) ([]string, error) {
		if s.Request.Application == w.clients[webPasskey].Application {
			return options, nil
		}
		return []string{"password"}, nil
	}
	plan, err := flow.Compile(steps...)
	c.Passkeys, c.Plans = &flow.Passkeys{RelyingParty: relyingParty}, map[string]flow.Plan{"login": plan}
	return err
}

// factored is somebody who signs in with an authenticator app.
type factored struct {
	Person person
	Seed   []byte
}

// factoredLogin is a sign-in with a password and the code of an app. Nobody's code counts twice, so each is by somebody else.
type factoredLogin struct {
	login
	people <-chan factored
}

func (l *factoredLogin) once(c *connection) error {
	next, ok := <-l.people
	if !ok {
		return errNoMore
	}
	l.person, l.code = next.Person, showing(next.Seed)
	return l.login.once(c)
}

// showing is what an app shows.
func showing(seed []byte) func() string {
	return func() string {
		code, _ := mfa.TOTP{}.Code(seed, time.Now()) // a wrong one ends the journey
		return code
	}
}

// appLogins has somebody else sign in each time, all of whom have spent no code.
func appLogins(ctx context.Context, w *world, _, count int) (work, error) {
	for len(w.factored) < count {
		p, seed, err := w.guarded(ctx)
		if err != nil {
			return work{}, err
		}
		w.factored = append(w.factored, factored{p, seed})
	}
	for _, one := range w.factored[:count] {
		if err := w.enrol(ctx, one.Person.Username, one.Seed); err != nil {
			return work{}, err
		}
	}
	return work{Factored: w.factored[:count], Unredeemed: true, ClientID: webJWT, RedirectURI: callback}, nil
}

// enrol gives somebody an app that has shown nothing yet.
func (w *world) enrol(ctx context.Context, username string, seed []byte) error {
	dir, b := w.provider.Directory, w.provider.DB.Batch()
	u, err := dir.FindUser(ctx, "", username)
	if err != nil {
		return err
	}
	return errors.Join(dir.Credentials.EnrollTOTP(ctx, b, dir.SubjectRef(u), "", seed, 0), b.Apply(ctx))
}

// appSignIn: the cookies that bind a browser in the six requests of one, the password, and the code. What verifying the password reads is
// taken off the tape.
func appSignIn(ctx context.Context, w *world, t *tape) ([][]func() error, error) {
	if len(t.steps) != 6 {
		return nil, fmt.Errorf("a sign-in with an app has %d requests", len(t.steps))
	}
	one := w.factored[0]
	verifying, err := w.passwordOf(ctx, one.Person.Username, t.steps[2])
	if err != nil {
		return nil, err
	}
	at := time.Now()
	code, err := mfa.TOTP{}.Code(one.Seed, at)
	if err != nil {
		return nil, err
	}
	judging := func() error { _, err := mfa.TOTP{}.Verify(one.Seed, code, 0, at); return err }
	cookie := matching(secret.New().Reveal())
	return [][]func() error{nil, {cookie}, {cookie, cookie, verifying}, {cookie}, {cookie, judging}, {cookie, cookie}}, nil
}

// passkeyLogins sign in with passkeys, each person on a connection of their own.
func passkeyLogins(ctx context.Context, w *world, connections, _ int) (work, error) {
	for len(w.keyed) < connections {
		p, err := w.withPasskey(ctx)
		if err != nil {
			return work{}, err
		}
		w.keyed = append(w.keyed, p)
	}
	return work{Login: w.keyed[:connections], Unredeemed: true, ClientID: webPasskey, RedirectURI: callback}, nil
}

// withPasskey adds a person who signs in with a passkey, as they have once: consent is remembered and the browser known. The passkey counts
// nothing, as those that are on several devices.
func (w *world) withPasskey(ctx context.Context) (person, error) {
	dir := w.provider.Directory
	u := &directory.User{Username: "keyed-" + store.NewID()}
	if err := dir.CreateUser(ctx, u, password); err != nil {
		return person{}, err
	}
	p := person{Username: u.Username, Passkey: authenticator.New(relyingParty.Origins[0])}
	p.Passkey.Counts = 0
	if err := w.registerPasskey(ctx, u, p.Passkey); err != nil {
		return person{}, err
	}
	l := w.login(webPasskey, p)
	if err := w.walk(l, w.issuer); err != nil {
		return person{}, fmt.Errorf("first sign-in with a passkey: %w", err)
	}
	p.Device = l.device()
	return p, nil
}

// registerPasskey makes somebody a passkey.
func (w *world) registerPasskey(ctx context.Context, u *directory.User, key *authenticator.Authenticator) error {
	rp, err := mfa.NewRelyingParty(relyingParty)
	if err != nil {
		return err
	}
	dir := w.provider.Directory
	name, err := dir.Credentials.PasskeyUser(ctx, dir.SubjectRef(u), relyingParty.RPID)
	if err != nil {
		return err
	}
	begun, err := rp.BeginRegistration(mfa.Registration{UserHandle: name.Handle, Username: u.Username}, now())
	if err != nil {
		return err
	}
	answer, err := key.Create(begun.Options)
	if err != nil {
		return err
	}
	made, err := rp.FinishRegistration(begun.Session, answer, now())
	if err != nil {
		return err
	}
	b := w.provider.DB.Batch()
	return errors.Join(dir.Credentials.AddPasskey(ctx, b, name, dir.Credentials.NewPasskey(dir.SubjectRef(u), "bench", directory.Passkey{
		ID: made.ID, RPID: made.RPID, UserHandle: made.UserHandle, PublicKey: made.PublicKey, Algorithm: made.Algorithm, Counter: made.Counter,
		BackupEligible: made.BackupEligible, BackedUp: made.BackedUp, UserVerified: made.UserVerified, Discoverable: made.Discoverable,
		Transports: made.Transports, AAGUID: made.AAGUID,
	})), b.Apply(ctx))
}

// passkeySignIn: the cookies that bind a browser in the four requests of one, and the signature of the passkey.
func passkeySignIn(_ context.Context, _ *world, t *tape) ([][]func() error, error) {
	if len(t.steps) != 4 {
		return nil, fmt.Errorf("a sign-in with a passkey has %d requests", len(t.steps))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(t.steps[2].form))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return nil, err
	}
	verifying := func() error {
		if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
			return errors.New("a passkey has signed something else")
		}
		return nil
	}
	cookie := matching(secret.New().Reveal())
	return [][]func() error{nil, {cookie}, {cookie, cookie, verifying}, {cookie, cookie}}, nil
}
