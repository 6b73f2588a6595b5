package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// profile is one configuration of Signet, below a path of its own.
type profile struct {
	name, about string
	configure   func(*signet.Config)
}

var profiles = []profile{
	{"op", "Basic, Implicit, Hybrid, Form Post, Config, Dynamic, third-party-initiated login, logout in all forms, session management", func(c *signet.Config) {
		c.OIDC = oidc.Features{
			Legacy: &oidc.Legacy{ResponseTypes: []string{
				"token", "id_token", "id_token token", "code token", "code id_token", "code id_token token", "none",
			}},
			JAR:  &oidc.JAR{ByReference: true, InsecureMerge: true, InsecureUnsigned: true},
			JARM: &oidc.JARM{}, PAR: &oidc.PAR{}, WebMessage: &oidc.WebMessage{},
			ClientAssertions: &oidc.ClientAssertions{SharedSecrets: true}, MutualTLS: &oidc.MutualTLS{}, DPoP: &oidc.DPoP{},
			Device: &oidc.Device{}, TokenExchange: &oidc.TokenExchange{},
			Registration: &oidc.Registration{Open: true, Policy: suite}, WebFinger: &oidc.WebFinger{},
			PairwiseSubjects: &oidc.PairwiseSubjects{}, SignedUserInfo: &oidc.SignedUserInfo{}, Encryption: &oidc.Encryption{}, SecretSignatures: &oidc.SecretSignatures{},
			BackChannelLogout: &oidc.BackChannelLogout{}, FrontChannelLogout: &oidc.FrontChannelLogout{}, SessionManagement: &oidc.SessionManagement{},
		}
	}},
	{"fapi1", "FAPI 1.0 Advanced, with JARM or code id_token", func(c *signet.Config) {
		c.Profile = oidc.FAPI1Advanced
		c.OIDC.Legacy, c.OIDC.MutualTLS = &oidc.Legacy{ResponseTypes: []string{"code id_token"}}, &oidc.MutualTLS{}
	}},
	{"fapi2", "FAPI 2.0 Security Profile, with DPoP or mutual TLS", func(c *signet.Config) {
		c.Profile = oidc.FAPI2Security
		c.OIDC.DPoP, c.OIDC.MutualTLS = &oidc.DPoP{}, &oidc.MutualTLS{}
	}},
	{"fapi2ms", "FAPI 2.0 Message Signing", func(c *signet.Config) {
		c.Profile = oidc.FAPI2MessageSigning
		c.OIDC.DPoP, c.OIDC.MutualTLS, c.OIDC.SignedIntrospection = &oidc.DPoP{}, &oidc.MutualTLS{}, &oidc.SignedIntrospection{}
	}},
	{"ciba", "FAPI-CIBA, poll and ping", func(c *signet.Config) {
		c.Profile, c.OIDC.MutualTLS = oidc.FAPICIBA, &oidc.MutualTLS{}
		// Nobody is told: the suite answers for the person.
		c.OIDC.CIBA = &oidc.CIBA{
			Ping: true, Notify: func(context.Context, oidc.CIBARequest) error { return nil },
			PerPerson: directory.Limit{Count: 10_000, Per: time.Minute},
		}
	}},
	{"mcp", "Model Context Protocol", func(c *signet.Config) {
		c.Profile = oidc.MCP
		c.OIDC.Registration = &oidc.Registration{Open: true}
	}},
}

// provider is a profile that is served.
type provider struct {
	profile
	issuer string
	idp    *signet.Provider
}

// house is all of them.
type house struct{ providers []*provider }

// furnish makes a provider for each profile, with its person and clients. Everything is in memory: a test begins anew.
func furnish(ctx context.Context, o options, logger *slog.Logger) (*house, error) {
	clients, err := readClients(o.clients)
	if err != nil {
		return nil, err
	}
	h := &house{}
	for _, of := range profiles {
		p, err := of.open(ctx, o, logger)
		if err == nil {
			h.providers = append(h.providers, p)
			err = p.register(ctx, clients)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", of.name, err), h.close())
		}
	}
	return h, nil
}

func (of profile) open(ctx context.Context, o options, logger *slog.Logger) (*provider, error) {
	keys, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		return nil, err
	}
	config := signet.Config{Issuer: o.base + "/" + of.name, Store: memory.New(), Keys: keys, Logger: logger}
	config.Throttle.Off = []directory.Throttled{ // a suite is one address that never sleeps
		directory.ThrottlePassword, directory.ThrottleFlow, directory.ThrottleRequest, directory.ThrottleEmbedded,
	}
	config.ImageOrigins = []string{"https:"} // the suite looks for the logo that it registers
	config.Outbound.InsecureNetworks, config.Outbound.RootCAs = o.networks, o.roots
	of.configure(&config)
	if m := config.OIDC.MutualTLS; m != nil {
		m.Roots = o.issuers
		if o.mtlsBase != "" {
			m.Aliases = o.mtlsBase + "/" + of.name
		}
	}
	idp, err := signet.New(config)
	if err != nil {
		return nil, err
	}
	return &provider{of, config.Issuer, idp}, addPerson(ctx, idp)
}

func (h *house) close() error {
	var problems []error
	for _, p := range h.providers {
		problems = append(problems, p.idp.Close())
	}
	return errors.Join(problems...)
}

// handler serves the providers, and what only a test may do.
func (h *house) handler() http.Handler {
	mux := http.NewServeMux()
	for _, p := range h.providers {
		p.idp.Mount(mux)
		mux.HandleFunc("POST /test/"+p.name+"/rotate-keys", p.rotateKeys)
		mux.HandleFunc("POST /test/"+p.name+"/ciba", p.answerCIBA)
		mux.HandleFunc("GET /test/"+p.name+"/ciba", p.answerCIBA) // the suite calls it so
		mux.HandleFunc("GET /test/"+p.name+"/initiate", p.initiate)
	}
	return mux
}

// rotateKeys replaces the signing keys at once: a test of clients that read key sets again (oidcc-server-rotate-keys).
func (p *provider) rotateKeys(w http.ResponseWriter, r *http.Request) {
	if err := p.idp.OIDC.RotateKeysNow(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// initiate sends the browser to the client, as a portal does that knows it (OpenID Connect Core §4).
func (p *provider) initiate(w http.ResponseWriter, r *http.Request) {
	client, err := p.idp.Clients.Find(r.Context(), r.FormValue("client_id"))
	var at string
	if err == nil {
		at, err = p.idp.OIDC.InitiateLogin(client, r.FormValue("target_link_uri"), r.FormValue("login_hint"))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, at, http.StatusSeeOther)
}

// answerCIBA answers for the person whom a back channel asks: auth_req_id, and action allow or deny.
func (p *provider) answerCIBA(w http.ResponseWriter, r *http.Request) {
	err := p.decide(r.Context(), r.FormValue("auth_req_id"), r.FormValue("action"))
	switch {
	case errors.Is(err, store.ErrNotFound):
		http.Error(w, "there is no such request", http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (p *provider) decide(ctx context.Context, authReqID, action string) error {
	switch action {
	case "deny":
		return p.idp.OIDC.DenyCIBA(ctx, authReqID)
	case "allow":
	default:
		return fmt.Errorf("action is allow or deny, not %q", action)
	}
	person, err := p.idp.Directory.FindUser(ctx, "", personName)
	if err != nil {
		return err
	}
	proven := []directory.Evidence{{Method: "password", AMR: []string{"pwd"}, Subject: person.ID, Time: time.Now()}}
	return p.idp.OIDC.ApproveCIBA(ctx, authReqID, proven, nil)
}
