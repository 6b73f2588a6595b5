package signet

import (
	"net/http"
	"strings"
	"time"

	"github.com/signet-idp/signet/flow/me"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/oidc"
)

// buildMe makes the API by which people look after their account from applications.
func (p *Provider) buildMe() (err error) {
	factors := p.config.Factors.orDefault()
	p.me, err = me.New(me.Config{
		Settings: *p.config.Me, DB: p.DB, Directory: p.Directory, Issuer: p.config.Issuer, TrustedProxies: p.config.TrustedProxies, Guard: guard{p.OIDC}, Applications: p.OIDC,
		Connections: p.Connections, Passkeys: p.flow.PasskeyEnrolment(), Push: p.pushes(),
		TOTP: p.authenticatorApp(factors.TOTP), BackupCodes: factors.BackupCodes, Logger: p.log,
	})
	return err
}

// authenticatorApp gives an authenticator app its name: that of the flow's.
func (p *Provider) authenticatorApp(totp *mfa.TOTP) *mfa.TOTP {
	if totp == nil || totp.Issuer != "" {
		return totp
	}
	own := *totp
	if own.Issuer = authenticatorName(p.config.Branding.Name); own.Issuer == "" {
		own.Issuer = strings.ReplaceAll(host(p.config.Issuer), ":", ".")
	}
	return &own
}

// guard is the protocol's judgment of tokens, as package me asks for it.
type guard struct{ provider *oidc.Provider }

// Caller implements me.Guard.
func (g guard) Caller(w http.ResponseWriter, r *http.Request, scope string) *me.Caller {
	c := g.provider.Caller(w, r, scope)
	if c == nil {
		return nil
	}
	observeCaller(r.Context(), c.ClientID, c.Subject.ID)
	holder := c.Grant
	if c.Session != nil {
		holder = c.Session.Ref()
	}
	return &me.Caller{Subject: c.Subject, Holder: holder, Session: c.Session, AuthTime: c.AuthTime, ACR: c.ACR, ACRTime: c.ACRTime}
}

// AskAgain implements me.Guard.
func (g guard) AskAgain(w http.ResponseWriter, r *http.Request, maxAge time.Duration, acr string) {
	g.provider.AskAgain(w, r, oidc.Reauthentication{MaxAge: maxAge, ACR: acr})
}

// meRoutes are those of the API, callable by scripts of the origins that may call the token endpoint; none without Config.Me.
func (p *Provider) meRoutes() (routes []web.Route) {
	if p.me == nil {
		return nil
	}
	for _, r := range p.me.Routes() {
		routes = append(routes, p.shared(r.Path, r.Methods, p.observed(r.Handler)))
	}
	return routes
}
