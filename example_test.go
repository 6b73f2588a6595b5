package signet_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing/fstest"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// newProvider is signet.New over memory, with what an example sets besides.
func newProvider(config signet.Config) (*signet.Provider, error) {
	keys, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		return nil, err
	}
	config.Issuer, config.Store, config.Keys = "http://localhost:8080", memory.New(), keys
	return signet.New(config)
}

// signIn begins a session for a person, as the pages do.
func signIn(ctx context.Context, idp *signet.Provider, ann *directory.User, device string) error {
	subject, err := idp.Directory.SubjectOf(ctx, ann)
	if err != nil {
		return err
	}
	batch := idp.DB.Batch()
	_, _, err = idp.Directory.Sessions.Begin(ctx, batch, directory.NewSession{
		Subject: subject, UserAgent: device,
		Evidence: []directory.Evidence{{Method: "password", AMR: []string{"pwd"}, Subject: subject.ID, Time: batch.Now()}},
	})
	if err != nil {
		return err
	}
	return batch.Apply(ctx)
}

// A page "where you are signed in", and what an administrator does about a lost device or account.
func Example_sessions() {
	if err := exampleSessions(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// phone
	// laptop
	// left: 1
	// after revoking: 0
}

func exampleSessions(ctx context.Context) error {
	idp, err := newProvider(signet.Config{})
	if err != nil {
		return err
	}
	ann := &directory.User{Username: "ann"}
	if err := idp.Directory.CreateUser(ctx, ann, "correct horse battery"); err != nil {
		return err
	}
	if err := errors.Join(signIn(ctx, idp, ann, "phone"), signIn(ctx, idp, ann, "laptop")); err != nil {
		return err
	}

	subject, err := idp.Directory.SubjectOf(ctx, ann)
	if err != nil {
		return err
	}
	sessions, err := idp.Directory.Sessions.ListBySubject(ctx, subject)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		fmt.Println(s.UserAgent) // also Address, Created, and Sessions.Seen
	}
	// The phone is lost: its session ends, and every token that came of it.
	if err := idp.Directory.Sessions.End(ctx, sessions[0].Ref(), "lost"); err != nil {
		return err
	}
	sessions, err = idp.Directory.Sessions.ListBySubject(ctx, subject)
	if err != nil {
		return err
	}
	fmt.Println("left:", len(sessions))

	// The account is lost: everything that was ever issued to it ends. Disable also keeps the person out until Enable.
	if err := idp.Directory.Subjects.Revoke(ctx, subject.Ref()); err != nil {
		return err
	}
	if subject, err = idp.Directory.SubjectOf(ctx, ann); err != nil {
		return err
	}
	working := 0
	if sessions, err = idp.Directory.Sessions.ListBySubject(ctx, subject); err != nil {
		return err
	}
	for _, s := range sessions {
		ok, err := idp.Directory.Sessions.SignsIn(ctx, s)
		if err != nil {
			return err
		}
		if ok {
			working++
		}
	}
	fmt.Println("after revoking:", working)
	return nil
}

// Further ways to show who one is, each turned on by its pointer. A way without means to send what it sends is an error of New.
func Example_factors() {
	mail, sms := nobody{}, nobody{}
	_, err := newProvider(signet.Config{
		Messages: &notify.Senders{Email: mail, SMS: sms, From: "no-reply@example.com"},
		Passkeys: &flow.Passkeys{Offer: true},
		Factors: signet.Factors{
			TOTP:         &mfa.TOTP{},
			SMSCode:      &mfa.OneTimeCode{Length: 8, Lifetime: 2 * time.Minute},
			BackupCodes:  &mfa.BackupCodes{},
			MagicLink:    &mfa.MagicLink{},
			TrustDevices: true,
		},
	})
	fmt.Println(err)
	_, err = newProvider(signet.Config{Factors: signet.Factors{EmailCode: &mfa.OneTimeCode{}}})
	fmt.Println(err)
	// Output:
	// <nil>
	// signet: plans: Config.Factors.EmailCode needs Config.Messages.Email
}

// nobody stands for the services that carry messages.
type nobody struct{}

func (nobody) SendEmail(context.Context, notify.Mail) error { return nil }
func (nobody) SendSMS(context.Context, notify.Text) error   { return nil }

// An application that asks everybody for a second factor: who has none sets up an authenticator app on the spot. A person
// who has lost theirs gets a new one when the old one is removed.
func Example_secondFactor() {
	if err := exampleSecondFactor(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: removed: 1
}

func exampleSecondFactor(ctx context.Context) error {
	idp, err := newProvider(signet.Config{})
	if err != nil {
		return err
	}
	bank := &directory.Application{Name: "Bank", SecondFactor: directory.SecondFactorRequired}
	if err := idp.Directory.Applications.Create(ctx, bank); err != nil {
		return err
	}
	_, err = idp.Clients.Create(ctx, bank.Name, &oidc.Client{
		ClientID: "bank", Application: bank.Ref(), RedirectURIs: []string{"https://bank.example.com/callback"},
	})
	if err != nil {
		return err
	}

	ann := &directory.User{Username: "ann"}
	if err := idp.Directory.CreateUser(ctx, ann, "correct horse battery"); err != nil {
		return err
	}
	// People from another system bring their authenticator along: the seed it was set up with.
	subject, batch := idp.Directory.SubjectRef(ann), idp.DB.Batch()
	err = idp.Directory.Credentials.EnrollTOTP(ctx, batch, subject, "imported", []byte("12345678901234567890"), 0)
	if err != nil {
		return err
	}
	if err := batch.Apply(ctx); err != nil {
		return err
	}

	credentials, err := idp.Directory.Credentials.List(ctx, subject)
	if err != nil {
		return err
	}
	removed := 0
	for _, c := range credentials {
		if c.Type != directory.TOTPCredential {
			continue
		}
		if err := idp.Directory.Credentials.Delete(ctx, c); err != nil {
			return err
		}
		removed++
	}
	fmt.Println("removed:", removed)
	return nil
}

// The look of one application, changed while the program runs. Without an application it is that of all; Config.Branding
// holds where nothing is set. The other settings (Session, Lock, Throttle, Password) are of all applications. They are set
// whole: a value begins from what holds.
func Example_settings() {
	if err := exampleSettings(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Bank by Acme
	// 1h0m0s of 720h0m0s
}

func exampleSettings(ctx context.Context) error {
	idp, err := newProvider(signet.Config{Branding: directory.Branding{Name: "Acme"}})
	if err != nil {
		return err
	}
	bank := &directory.Application{Name: "Bank"}
	if err := idp.Directory.Applications.Create(ctx, bank); err != nil {
		return err
	}
	settings := idp.Directory.Settings
	err = directory.Set(ctx, settings, settings.Branding, "", bank.ID, directory.Branding{
		Name: "Bank by Acme", Logo: "/static/bank.svg",
		Light: map[string]string{"accent": "#0b5fff"}, Dark: map[string]string{"accent": "#8ab4ff"},
		PrivacyURL: "https://bank.example.com/privacy",
	})
	if err != nil {
		return err
	}
	look, err := directory.Resolve(ctx, settings, settings.Branding, "", bank.ID)
	if err != nil {
		return err
	}
	fmt.Println(look.Name)

	policy, err := directory.Resolve(ctx, settings, settings.Session, "", "")
	if err != nil {
		return err
	}
	policy.Idle = time.Hour
	if err := directory.Set(ctx, settings, settings.Session, "", "", policy); err != nil {
		return err
	}
	fmt.Println(policy.Idle, "of", policy.Max)
	return nil
}

// Texts in a language that Signet does not bring, the name of a scope of the host's own, and a block of HTML at the foot of
// every page. All may come from an embed.FS; pages.MessageIDs lists what there is to translate.
func Example_pages() {
	idp, err := newProvider(signet.Config{
		DefaultLocale: "it",
		Locales: fstest.MapFS{"it.json": {Data: []byte(`{
			"password.title": "Accedi a {application}", "password.login": "Accedi",
			"scope.orders.read": "I tuoi acquisti"
		}`)}},
		Templates: fstest.MapFS{"layout.html": {Data: []byte(`{{define "footer"}}<footer>Acme S.p.A., Torino</footer>{{end}}`)}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	idp.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/login?flow=expired", nil))
	fmt.Println(strings.Contains(w.Body.String(), "Acme S.p.A., Torino"))
	// Output: true
}

// The roles of a person in every access token, and no tokens for those who have none. The hook runs before anything is
// consumed, so that what fails here can be tried again.
func Example_tokenHook() {
	var people *directory.Directory
	roles := func(ctx context.Context, draft *oidc.TokenDraft) error {
		if draft.Type != oidc.AccessTokenType || draft.Subject == nil {
			return nil // an ID token, or a machine
		}
		held, err := people.Roles.RolesOf(ctx, draft.Subject.Ref())
		if err != nil {
			return err // 503, with the cause in the log
		}
		if len(held) == 0 {
			return &oidc.Error{Code: "access_denied", Description: "no role at all", Status: http.StatusForbidden}
		}
		names := make([]string, len(held))
		for i, role := range held {
			names[i] = role.Name
		}
		draft.Claims["roles"] = names
		return nil
	}
	idp, err := newProvider(signet.Config{TokenHook: roles})
	if err != nil {
		fmt.Println(err)
		return
	}
	people = idp.Directory
}

// kms stands for a key service: its keys sign where they are, as crypto.Signer.
type kms struct {
	current map[string]string // by algorithm, the id of the key that signs
	keys    map[string]map[string]crypto.Signer
}

// Signer implements oidc.Keys.
func (k kms) Signer(_ context.Context, algorithm string) (id string, key crypto.Signer, err error) {
	id = k.current[algorithm]
	if key = k.keys[algorithm][id]; key == nil {
		return "", nil, fmt.Errorf("kms: no key for %s", algorithm)
	}
	return id, key, nil
}

// Public implements oidc.Keys: also the keys that signed before, for as long as their tokens live, and those that will next.
func (k kms) Public(_ context.Context, algorithm string) (map[string]crypto.PublicKey, error) {
	public := map[string]crypto.PublicKey{}
	for id, key := range k.keys[algorithm] {
		public[id] = key.Public()
	}
	return public, nil
}

// Signing keys that never leave a key service. They must be there for every algorithm of oidc.Algorithms; rotating them is
// the service's business then.
func Example_keyService() {
	_, err := newProvider(signet.Config{SigningKeys: kms{}})
	fmt.Println(err, oidc.Algorithms())
	// Output: <nil> [RS256 PS256 ES256]
}

// What has happened to an account, newest first: an audit trail of 90 days.
func Example_events() {
	if err := exampleEvents(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: user.created true
}

func exampleEvents(ctx context.Context) error {
	idp, err := newProvider(signet.Config{})
	if err != nil {
		return err
	}
	ann := &directory.User{Username: "ann"}
	if err := idp.Directory.CreateUser(ctx, ann, "correct horse battery"); err != nil {
		return err
	}
	page, err := idp.DB.Events(ctx, store.Query{
		Filter: store.And{store.Equals("subject", store.Text(ann.ID)), store.Equals("type", store.Text("user.created"))},
		Sort:   "time", Descending: true,
	})
	if err != nil {
		return err
	}
	for _, e := range page.Items {
		fmt.Println(e.Type, e.Subject == ann.ID)
	}
	return nil
}
