package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/keyring"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// world is a provider with the people, clients and tokens that are measured with.
type world struct {
	provider *signet.Provider
	store    *recorder
	// driver is the recorder, together with what keeps the ephemeral kinds beside it.
	driver store.Driver
	// keys gives floors the keys that the provider signs with.
	keys    *keyring.Ring
	issuer  string
	clients map[string]*client
	people  []person
	// factored and keyed are people with an authenticator app, and with a passkey, as many as were needed so far.
	factored []factored
	keyed    []person
	// tokens are what the first person has of each client.
	tokens map[string]tokens
	// redeemed is the authorization request of the first person that a code of webJWT was made of.
	redeemed store.Record
	// waiting is the request of a device that nobody has decided yet.
	waiting store.Record
	// holder has the keys of the clients that sign.
	holder holder
}

// client is a registered client with its secret.
type client struct {
	*oidc.Client
	secret string
}

// tokens are an answer of the token endpoint.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
}

// The names of the clients: four for people, which differ in their access tokens, in what they have signed (FAPI 2.0) and in whether
// passkeys are asked for, four for themselves, a device, and an app that needs no browser.
const (
	webJWT     = "web-jwt"
	webOpaque  = "web-opaque"
	webFAPI    = "web-fapi"
	webPasskey = "web-passkey"
	ownRS256   = "own-rs256"
	ownES256   = "own-es256"
	ownOpaque  = "own-opaque"
	ownSigned  = "own-signed"
	device     = "device"
	ownApp     = "own-app"
)

const (
	callback = "https://app.example.com/callback"
	password = "correct horse battery staple"
)

// config is the wiring of every provider here: what a host writes, and besides that hashes at test cost, and no bound on
// what an address may try, in as many windows of time as by default.
func config(driver store.Driver, ephemeral store.Ephemeral, issuer, folder string) (signet.Config, error) {
	ring, err := store.OpenKeyFile(filepath.Join(folder, "keyring"))
	if err != nil {
		return signet.Config{}, err
	}
	const boundless = math.MaxInt64
	return signet.Config{
		Issuer: issuer, Store: driver, Ephemeral: ephemeral, Keys: ring,
		PasswordCost: signet.PasswordCost{Memory: 64, Passes: 1, Threads: 1},
		Throttle: directory.ThrottlePolicy{
			Password: []directory.Limit{{Count: boundless, Per: time.Minute}, {Count: boundless, Per: 24 * time.Hour}},
		},
		Tokens: signet.TokenLifetimes{Code: 10 * time.Minute, Access: 24 * time.Hour},
		OIDC: oidc.Features{
			PAR: &oidc.PAR{}, ClientAssertions: &oidc.ClientAssertions{}, DPoP: &oidc.DPoP{ProofLifetime: 10 * time.Minute},
			TokenExchange: &oidc.TokenExchange{}, Device: &oidc.Device{Lifetime: time.Hour}, SignedIntrospection: &oidc.SignedIntrospection{},
			Direct: &oidc.Direct{},
		},
	}, nil
}

// listen opens a loopback port.
func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

// newWorld makes the provider and everything in it. It serves the provider on a port of its own, which is the issuer's.
func newWorld(ctx context.Context, opened *opened, folder string, people int) (*world, net.Listener, error) {
	port, err := listen()
	if err != nil {
		return nil, nil, err
	}
	w := &world{
		store: &recorder{Driver: opened.driver}, issuer: "http://" + port.Addr().String(),
		clients: map[string]*client{}, tokens: map[string]tokens{},
	}
	var ephemeral store.Ephemeral
	if w.driver = w.store; opened.ephemeral != nil {
		beside := &ephemeralRecorder{Store: opened.ephemeral, durable: w.store}
		ephemeral, w.driver = beside, parted{w.store, beside}
	}
	wiring, err := config(w.store, ephemeral, w.issuer, folder)
	if err != nil {
		return nil, port, err
	}
	if err := w.offerPasskeys(&wiring); err != nil {
		return nil, port, err
	}
	if w.provider, err = signet.New(wiring); err != nil {
		return nil, port, err
	}
	if err := w.provider.Ready(ctx); err != nil {
		return nil, port, err
	}
	if w.keys, err = keyring.New(keyring.Config{DB: w.provider.DB, Algorithms: oidc.Algorithms()}); err != nil {
		return nil, port, err
	}
	serve(port, w.provider)
	if err := w.register(ctx); err != nil {
		return nil, port, err
	}
	for i := range people {
		if err := w.settle(ctx, i); err != nil {
			return nil, port, err
		}
	}
	if w.redeemed, err = w.request(); err != nil {
		return nil, port, err
	}
	w.waiting, err = w.deviceRequest()
	return w, port, err
}

// register makes the clients.
func (w *world) register(ctx context.Context) (err error) {
	if w.holder, err = newHolder(); err != nil {
		return err
	}
	keys, err := jose.Set([]jose.PublicKey{w.holder.public()})
	if err != nil {
		return err
	}
	own, scopes := []oidc.GrantType{oidc.ClientCredentials}, []string{"read", "write"}
	for _, c := range []*oidc.Client{
		{ClientID: webJWT, RedirectURIs: []string{callback}, GrantTypes: []oidc.GrantType{oidc.AuthorizationCode, oidc.RefreshToken, oidc.TokenExchangeGrant}},
		{ClientID: webOpaque, RedirectURIs: []string{callback}, AccessTokenFormat: oidc.Opaque},
		{ClientID: webPasskey, RedirectURIs: []string{callback}},
		{
			ClientID: webFAPI, RedirectURIs: []string{callback}, AccessTokenAlg: "ES256", IDTokenAlg: "ES256",
			AuthMethod: oidc.PrivateKeyJWT, JWKS: keys, RequirePAR: true, DPoPBoundTokens: true,
		},
		{ClientID: ownRS256, GrantTypes: own, Scopes: scopes},
		{ClientID: ownES256, GrantTypes: own, Scopes: scopes, AccessTokenAlg: "ES256"},
		{ClientID: ownOpaque, GrantTypes: own, Scopes: scopes, AccessTokenFormat: oidc.Opaque},
		{ClientID: ownSigned, GrantTypes: own, Scopes: scopes, AccessTokenAlg: "ES256", AuthMethod: oidc.PrivateKeyJWT, JWKS: keys},
		{ClientID: device, GrantTypes: []oidc.GrantType{oidc.DeviceCode}, Scopes: scopes},
	} {
		value, err := w.provider.Clients.Create(ctx, c.ClientID, c)
		if err != nil {
			return err
		}
		w.clients[c.ClientID] = &client{c, value}
	}
	return w.registerApp(ctx)
}

// registerApp makes the client that signs people in by itself, which nobody is asked about.
func (w *world) registerApp(ctx context.Context) error {
	app := &directory.Application{Name: ownApp, SkipConsent: true}
	if err := w.provider.Directory.Applications.Create(ctx, app); err != nil {
		return err
	}
	c := &oidc.Client{ClientID: ownApp, Application: app.Ref(), RedirectURIs: []string{callback}, DirectAuthentication: true}
	value, err := w.provider.Clients.Create(ctx, ownApp, c)
	w.clients[ownApp] = &client{c, value}
	return err
}

// serve answers on a port until it is closed.
func serve(port net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(port) }()
}

// settle adds a person, who signs in once to each client of theirs: then consent is remembered and the browser known.
func (w *world) settle(ctx context.Context, number int) error {
	p := person{Username: fmt.Sprintf("person-%d", number), Password: password}
	u := &directory.User{
		Username: p.Username, Name: "Ann Example", GivenName: "Ann", FamilyName: "Example", Locale: "en",
		Email: p.Username + "@example.com", EmailVerified: true,
	}
	if err := w.provider.Directory.CreateUser(ctx, u, p.Password); err != nil {
		return err
	}
	for _, name := range []string{webJWT, webOpaque} {
		l := w.login(name, p)
		if err := w.enter(l, l); err != nil {
			return err
		}
		p.Device = l.device()
	}
	signed, err := w.pairs(1)
	if err != nil {
		return err
	}
	l := &pushedLogin{login: *w.login(webFAPI, p), signed: queue(signed)}
	if err := w.enter(&l.login, l); err != nil {
		return err
	}
	p.Device = l.device()
	w.people = append(w.people, p)
	return nil
}

// enter goes on somebody's first journey to a client, and keeps the tokens of the first person.
func (w *world) enter(l *login, j journey) error {
	if err := w.walk(j, w.issuer); err != nil {
		return fmt.Errorf("first sign-in: %w", err)
	}
	if _, have := w.tokens[l.ClientID]; have {
		return nil
	}
	var t tokens
	err := json.Unmarshal([]byte(l.tokens), &t)
	w.tokens[l.ClientID] = t
	return err
}

// login is the journey of a person to a client.
func (w *world) login(name string, p person) *login {
	return &login{work: &work{Basic: w.basic(name), ClientID: name, RedirectURI: callback}, person: p}
}

// walk goes on a journey once, over a connection of its own to the server at a URL.
func (w *world) walk(j journey, url string) error {
	c, err := dial(strings.TrimPrefix(url, "http://"), strings.TrimPrefix(w.issuer, "http://"))
	if err != nil {
		return err
	}
	defer c.close()
	return j.once(c)
}

// basic is the Authorization header of a client.
func (w *world) basic(name string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+w.clients[name].secret))
}

// codes makes authorization codes of webJWT for the first person: copies, under new ids and secrets, of the request that a
// sign-in left behind.
func (w *world) codes(ctx context.Context, n int) ([]string, error) {
	var body map[string]json.RawMessage
	var answer map[string]any
	if err := errors.Join(json.Unmarshal(w.redeemed.Body, &body), json.Unmarshal(body["answer"], &answer)); err != nil {
		return nil, err
	}
	var codes []string
	var ops []store.Op
	for range n {
		key, own := rand.Text(), w.redeemed
		own.ID, own.Version, own.Expires = store.NewID(), 0, now().Add(10*time.Minute)
		answer["code_hash"], answer["expires"] = secret.Hash(key), own.Expires
		var err error
		if body["answer"], err = json.Marshal(answer); err != nil {
			return nil, err
		}
		if own.Body, err = json.Marshal(body); err != nil {
			return nil, err
		}
		ops, codes = append(ops, store.Insert(own)), append(codes, "sgac_"+own.ID+"."+key)
	}
	_, err := w.driver.Apply(ctx, now(), ops...)
	return codes, err
}

// request is the authorization request of a sign-in that a code was made of.
func (w *world) request() (store.Record, error) {
	t, err := w.tape(func(url string) error { return w.walk(w.login(webJWT, w.people[0]), url) })
	if err != nil {
		return store.Record{}, err
	}
	for _, step := range t.steps {
		for _, c := range step.calls {
			for _, op := range c.ops {
				if op.Record.Kind.Name == "oidc.request" && op.Verb == store.VerbReplace {
					return op.Record, nil
				}
			}
		}
	}
	return store.Record{}, errors.New("a sign-in left no request behind")
}

// tape records what do asks the server at the URL that it gets. It does it once before, so that what may be cached is.
func (w *world) tape(do func(url string) error) (*tape, error) {
	if err := do(w.issuer); err != nil {
		return nil, err
	}
	return w.listen(do)
}

// listen is tape for what can be done but once.
func (w *world) listen(do func(url string) error) (*tape, error) {
	port, err := listen()
	if err != nil {
		return nil, err
	}
	defer func() { _ = port.Close() }()
	serve(port, w.store.listening(w.provider))
	return w.store.record(func() error { return do("http://" + port.Addr().String()) })
}

// refreshTokens makes refresh tokens of webJWT for the first person.
func (w *world) refreshTokens(ctx context.Context, n int) ([]string, error) {
	codes, err := w.codes(ctx, n)
	if err != nil {
		return nil, err
	}
	c, err := dial(strings.TrimPrefix(w.issuer, "http://"), strings.TrimPrefix(w.issuer, "http://"))
	if err != nil {
		return nil, err
	}
	defer c.close()
	asking, all := &work{Basic: w.basic(webJWT), RedirectURI: callback}, make([]string, n)
	for i, code := range codes {
		a, err := asking.token(c, asking.codeForm(code))
		if err != nil {
			return nil, err
		}
		all[i] = between(string(a.body), `"refresh_token":"`, `"`)
	}
	return all, nil
}
