package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// logoutKind holds logout requests while the person is asked. Losing them loses a question.
var logoutKind = store.Kind{Name: "oidc.logout", Ephemeral: true}

var logoutType = store.Type[logoutRequest]{Kind: logoutKind}

// logoutRequest is a logout from its validated request to its end (OpenID Connect RP-Initiated Logout 1.0 §2).
type logoutRequest struct {
	store.Meta
	ClientID    string `json:"client_id,omitempty"`
	RedirectURI string `json:"post_logout_redirect_uri,omitempty"`
	State       string `json:"state,omitempty"`
	// Session is the one that id_token_hint names: whoever holds that token need not be asked.
	Session   string   `json:"session,omitempty"`
	UILocales []string `json:"ui_locales,omitempty"`
	// Browser is whom the request belongs to.
	Browser binding `json:"browser,omitempty"`
}

// idTokenHint is what is believed of an ID token of ours that comes back.
type idTokenHint struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	SID      string   `json:"sid"`
}

// openHint verifies an ID token that we issued, expired or not. Only the type of ID tokens is taken, so that no other JWT
// of ours passes for one.
func (p *Provider) openHint(ctx context.Context, token string) (*idTokenHint, error) {
	unverified, err := jose.Parse(token)
	if err != nil {
		return nil, err
	}
	var payload []byte
	if unverified.Header().Alg == jose.HS256 {
		payload, err = p.openOwnHint(ctx, unverified)
	} else {
		payload, err = p.keys.verify(ctx, token, "JWT")
	}
	if err != nil {
		return nil, err
	}
	var hint idTokenHint
	if json.Unmarshal(payload, &hint) != nil || hint.Issuer != p.site.Issuer() || hint.Subject == "" || len(hint.Audience) == 0 {
		return nil, errBroken
	}
	return &hint, nil
}

// beginLogout validates a logout request whole. Every error is for the person: a redirect URI that is not proven to be the
// client's is never followed.
func (p *Provider) beginLogout(ctx context.Context, form web.Form, bad error) (*logoutRequest, *Error) {
	if bad != nil {
		return nil, formError(bad)
	}
	q := &logoutRequest{
		Meta:     store.Meta{ID: store.NewID(), Expires: p.db.Now().Add(requestLifetime)},
		ClientID: form.Value("client_id"), RedirectURI: form.Value("post_logout_redirect_uri"), State: form.Value("state"),
		UILocales: strings.Fields(form.Value("ui_locales")),
	}
	if form.Has("id_token_hint") {
		if refusal := p.believeHint(ctx, q, form.Value("id_token_hint")); refusal != nil {
			return nil, refusal
		}
	}
	if q.ClientID == "" {
		if q.RedirectURI != "" {
			return nil, invalidRequest("post_logout_redirect_uri needs id_token_hint or client_id")
		}
		return q, nil
	}
	c, err := p.Clients.find(ctx, q.ClientID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &Error{Code: "invalid_client", Description: "the client is not known", Status: 400}
	}
	if err != nil {
		return nil, asError(err)
	}
	if q.RedirectURI != "" && !matchRedirectURI(c.PostLogoutRedirectURIs, q.RedirectURI) {
		return nil, invalidRequest("post_logout_redirect_uri is not registered for the client")
	}
	return q, nil
}

func (p *Provider) believeHint(ctx context.Context, q *logoutRequest, token string) *Error {
	hint, err := p.openHint(ctx, token)
	if isTokenFault(err) || errors.Is(err, errBroken) {
		return invalidRequest("id_token_hint is not an ID token of this issuer").because(err)
	}
	if err != nil {
		return unavailable(err)
	}
	if q.ClientID == "" {
		q.ClientID = hint.Audience[0]
	}
	if !slices.Contains(hint.Audience, q.ClientID) {
		return invalidRequest("id_token_hint was issued to another client")
	}
	if q.Session, err = p.hintedSession(ctx, hint); err != nil {
		return unavailable(err)
	}
	return nil
}

// interaction is what the logout asks of the flow engine.
func (q *logoutRequest) interaction(resume, clientName string) directory.Interaction {
	in := directory.Interaction{
		ID: q.ID, Resume: resume, Purpose: directory.SignOut, ApplicationName: clientName, Locales: q.UILocales, Cancelable: true,
	}
	if q.Session != "" {
		in.Session = store.Ref{Org: q.Org, ID: q.Session}
	}
	if q.RedirectURI != "" {
		in.RedirectOrigins = []string{formAction(q.RedirectURI)}
	}
	return in
}

// revokeGrantsIn revokes the grants that live in a session that has ended. Nothing can be minted below it any more, so what
// is left to do may be done twice.
func (p *Provider) revokeGrantsIn(ctx context.Context, session store.Ref) error {
	query := store.Query{Org: session.Org, Filter: store.Equals("session", store.Text(session.ID))}
	for g, err := range p.grants.All(ctx, query) {
		if err != nil {
			return err
		}
		if err := p.revokeGrant(ctx, g.Ref(), "logout"); err != nil {
			return err
		}
	}
	return nil
}

// logoutReturn is where the browser goes after logout, with the state that the client gave; "" is to no client.
func (q *logoutRequest) logoutReturn() string {
	if q.State == "" || q.RedirectURI == "" {
		return q.RedirectURI
	}
	return withQuery(q.RedirectURI, map[string][]string{"state": {q.State}})
}
