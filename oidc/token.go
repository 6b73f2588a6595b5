package oidc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// tokenRequest is a token request of a client that has proven who it is.
type tokenRequest struct {
	form   web.Form
	client *Client
	method AuthMethod
	// proven is what the sender has proven to hold; see bound.
	proven confirmation
	// browser is the one that it comes from, where tokens are bound to one; "" is none.
	browser binding
	// address is where it comes from.
	address netip.Addr
}

// tokenResponse is the answer of RFC 6749 §5.1.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
	// Details are those of the access token (RFC 9396 §7).
	Details json.RawMessage `json:"authorization_details,omitempty"`
	// IssuedTokenType says what AccessToken is, after an exchange (RFC 8693 §2.2.1).
	IssuedTokenType string `json:"issued_token_type,omitempty"`
}

// exchange answers a token request.
func (p *Provider) exchange(ctx context.Context, r tokenRequest) (*tokenResponse, error) {
	asked := GrantType(r.form.Value("grant_type"))
	exchange, served := p.grantTypes[asked]
	switch {
	case asked == "":
		return nil, invalidRequest("grant_type is missing")
	case !served:
		return nil, &Error{Code: "unsupported_grant_type", Description: "this grant_type is not supported", Status: 400}
	case !r.client.allows(asked):
		return nil, &Error{Code: "unauthorized_client", Description: "the client is not registered for this grant_type", Status: 400}
	}
	return exchange(ctx, r)
}

// TokenDraft is a token in the making, as a hook sees it.
type TokenDraft struct {
	Type   TokenType
	Client Client
	// Subject is whom the token is about; nil for a client acting for itself.
	Subject *directory.Subject
	Scopes  []string
	// Claims are added to the token; those of an ID token begin with what the claims parameter has asked for. A claim that
	// the protocol gives a meaning makes the step fail (503).
	Claims map[string]any
}

// TokenType tells the tokens that a hook sees apart.
type TokenType string

// The token types.
const (
	AccessTokenType TokenType = "access_token"
	IDTokenType     TokenType = "id_token"
)

// TokenHook adds claims to a token, or refuses it. It runs before anything is consumed or written: when it fails, the
// client may try again with the same code or refresh token. An *Error is sent as it is; any other error is a failure (503).
type TokenHook func(ctx context.Context, draft *TokenDraft) error

// ScopeDraft is what scopes are about to be granted, as a hook sees it.
type ScopeDraft struct {
	Client Client
	// Subject is whom the scopes are for; zero is the client itself, and where nobody has signed in yet, whoever it may turn out to be.
	Subject store.Ref
	// Resources are what they are for (RFC 8707); none are all that they can be for.
	Resources []string
	// Scopes are those that client and person may have by their registration, grants and roles. What the hook removes is not granted; what it
	// adds counts for nothing.
	Scopes []string
}

// ScopeHook is the host's say about scopes, beside what applications were granted at APIs and what roles permit. It is asked when a request
// arrives, again when it is known for whom, and whenever tokens are made or renewed: what it removes then is left out of them, and a
// request of which nothing is left is refused (invalid_scope). An *Error is sent as it is; any other error is a failure (503). It is
// called concurrently.
type ScopeHook func(ctx context.Context, draft *ScopeDraft) error

// issue is a set of tokens in the making: drafted, then written with the batch that consumes, then signed.
type issue struct {
	client *Client
	chain  *chain // nil for a client acting for itself
	app    *directory.Application
	scopes []string
	nonce  string
	// form is the token request, which may name less than was granted; none for tokens that nobody asked for there.
	form web.Form
	// bound is what the access token is bound to.
	bound confirmation
	// tie is what else the token of a client is bound to that has no grant.
	tie tie
	// format is the form of the access token; "" is the client's.
	format TokenFormat
	// until is when the access token must have expired; zero leaves it to the client's lifetime.
	until time.Time
	// front is set for an authorization response, which may have one token without the other.
	front *frontChannel

	access  accessClaims
	opaque  secret.Text
	id      *idClaims
	refresh string
	// accessExtra and idExtra are further claims: a JSON object, or nothing.
	accessExtra, idExtra json.RawMessage
	accessKey, idKey     signingKey
	idSealing            sealing
}

// accessClaims is the payload of a JWT access token (RFC 9068 §2.2) and the stored form of an opaque one.
type accessClaims struct {
	Issuer   string     `json:"iss"`
	Subject  string     `json:"sub"`
	Audience audience   `json:"aud"`
	Expires  int64      `json:"exp"`
	Issued   int64      `json:"iat"`
	JTI      string     `json:"jti"`
	ClientID string     `json:"client_id"`
	Scope    scopeClaim `json:"scope,omitzero"`
	AuthTime int64      `json:"auth_time,omitempty"`
	ACR      string     `json:"acr,omitempty"`
	AMR      []string   `json:"amr,omitempty"`
	// Confirmation is what its bearer must prove to hold (RFC 7800 §3.1).
	Confirmation *confirmation `json:"cnf,omitempty"`
	// BindingType and BindingRef are what else it is bound to (TokenBinding).
	BindingType string `json:"binding_type,omitempty"`
	BindingRef  string `json:"binding_ref,omitempty"`
	// Actor is who acts for the subject, MayAct who may come to (RFC 8693 §4.1, §4.4): JSON objects.
	Actor  json.RawMessage `json:"act,omitempty"`
	MayAct json.RawMessage `json:"may_act,omitempty"`
	// Details are what the token is good for beyond its scope (RFC 9396 §9.1): a JSON array.
	Details json.RawMessage `json:"authorization_details,omitempty"`
	// Grant lets our own endpoints find the chain that the token hangs on.
	Grant string `json:"gid,omitempty"`
	// Epoch is the application's, for a token without a grant.
	Epoch *int64 `json:"aep,omitempty"`
}

// The names of the private claims of an access token.
const (
	claimGrant = "gid"
	claimEpoch = "aep"
)

// idClaims is the payload of an ID token (OpenID Connect Core §2).
type idClaims struct {
	Issuer          string   `json:"iss"`
	Subject         string   `json:"sub"`
	Audience        audience `json:"aud"`
	Expires         int64    `json:"exp"`
	Issued          int64    `json:"iat"`
	AuthTime        int64    `json:"auth_time,omitempty"`
	Nonce           string   `json:"nonce,omitempty"`
	ACR             string   `json:"acr,omitempty"`
	AMR             []string `json:"amr,omitempty"`
	AuthorizedParty string   `json:"azp,omitempty"`
	SID             string   `json:"sid,omitempty"`
	// Actor is who acts for the subject (RFC 8693 §4.1): nobody takes them for the person.
	Actor           json.RawMessage `json:"act,omitempty"`
	AccessTokenHash string          `json:"at_hash,omitempty"`
	CodeHash        string          `json:"c_hash,omitempty"`
	StateHash       string          `json:"s_hash,omitempty"`
	// RefreshTokenHash and AuthReqID bind a token that is pushed to its request (CIBA Core §10.3.1).
	RefreshTokenHash string `json:"urn:openid:params:jwt:claim:rt_hash,omitempty"`
	AuthReqID        string `json:"urn:openid:params:jwt:claim:auth_req_id,omitempty"`
}

// audience is a JSON string when it has one member (RFC 7519 §4.1.3).
type audience []string

// MarshalJSON implements json.Marshaler.
func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*a = audience{""}
		return json.Unmarshal(data, &(*a)[0])
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// draft fills in the tokens and lets the hook see them.
func (p *Provider) draft(ctx context.Context, t *issue) error {
	now, usual := p.db.Now(), p.accessLifetime(t.client)
	if t.chain == nil {
		usual = p.ownTokenLifetime(t.client)
	}
	aim, err := p.targetOf(ctx, t)
	if err != nil {
		return err
	}
	t.access = accessClaims{
		Issuer: p.site.Issuer(), Subject: t.client.ClientID, Audience: p.audience(aim.audience, t.scopes),
		Expires: now.Add(aim.lifetime(usual)).Unix(), Issued: now.Unix(), JTI: secret.Short().Reveal(),
		ClientID: t.client.ClientID, Confirmation: t.bound.claim(),
	}
	t.access.Scope.text = strings.Join(aim.scopes(t.scopes), " ")
	t.access.Scope.listed = t.client.ScopeAsArray && t.access.Scope.text != ""
	if t.access.Details, err = p.detailsOf(ctx, t); err != nil {
		return err
	}
	if t.chain == nil {
		t.access.Epoch = &t.app.Epoch
		t.access.BindingType, t.access.BindingRef = t.tie.Type, t.tie.Ref
	} else {
		g := t.chain.grant
		t.access.BindingType, t.access.BindingRef = g.Tie.Type, g.Tie.Ref
		if t.access.Subject, err = p.subjectFor(ctx, t.client, g.Subject.ID); err != nil {
			return err
		}
		t.access.Grant = grantLocator(g.Ref())
		t.access.AuthTime, t.access.ACR, t.access.AMR = g.authTime(), g.ACR, g.AMR
		if t.access.Actor, err = p.actorClaim(ctx, t.client, g.Actor); err != nil {
			return err
		}
		if len(g.Audience) > 0 {
			t.access.Audience = g.Audience
		}
	}
	if until := t.until.Unix(); !t.until.IsZero() && until < t.access.Expires {
		t.access.Expires = until
	}
	if t.front.hasAccess() {
		if err := p.draftAccessToken(ctx, t, aim); err != nil {
			return err
		}
	}
	if t.chain == nil || t.chain.grant.NoIDToken || !t.front.hasID() || !slices.Contains(t.scopes, scopeOpenID) {
		return nil
	}
	return p.draftIDToken(ctx, t, now)
}

func (p *Provider) draftAccessToken(ctx context.Context, t *issue, aim target) (err error) {
	if cmp.Or(t.format, aim.format(t.client)) == Opaque {
		t.opaque = secret.New()
	} else if t.accessKey, err = p.keys.signer(ctx, t.client.AccessTokenAlg); err != nil {
		return err
	}
	claims, err := p.accessTokenClaims(ctx, t, aim)
	if err != nil {
		return err
	}
	t.accessExtra, err = p.runHook(ctx, t, AccessTokenType, p.addWSO2Claims(t, claims))
	return err
}

func (p *Provider) draftIDToken(ctx context.Context, t *issue, now time.Time) error {
	g := t.chain.grant
	t.id = &idClaims{
		Issuer: p.site.Issuer(), Subject: t.access.Subject, Audience: t.client.idTokenAudience(),
		Expires: now.Add(p.idLifetime(t.client)).Unix(), Issued: now.Unix(),
		AuthTime: g.authTime(), Nonce: t.nonce, ACR: g.ACR, AMR: g.AMR, AuthorizedParty: t.client.ClientID, Actor: t.access.Actor,
	}
	named, err := p.vocabulary(ctx, g.Org)
	if err != nil {
		return err
	}
	claims, err := p.personal(ctx, t.chain.subject, g.SignInClaims, g.Claims.wanted(idTokenSection, t.front.claimScopes(t.scopes), named), g.ClaimsLocales...)
	if errors.Is(err, errBroken) {
		return invalidGrant("the account is gone")
	}
	if err != nil {
		return err
	}
	if t.id.SID, err = p.sessionFor(ctx, t.client, g.SID); err != nil {
		return err
	}
	if t.idKey, err = p.signerFor(ctx, t.client, t.client.IDTokenAlg); err != nil {
		return err
	}
	if t.idSealing, err = p.sealing(ctx, t.client, t.client.IDTokenEncryptedResponseAlg, t.client.IDTokenEncryptedResponseEnc); err != nil {
		return err
	}
	t.idExtra, err = p.runHook(ctx, t, IDTokenType, claims)
	return err
}

// runHook returns the claims to add to a token, encoded: what cannot be encoded must fail before anything is consumed.
func (p *Provider) runHook(ctx context.Context, t *issue, typ TokenType, claims map[string]any) (json.RawMessage, error) {
	if p.config.TokenHook == nil {
		return encodeClaims(claims)
	}
	if claims == nil {
		claims = map[string]any{}
	}
	draft := &TokenDraft{Type: typ, Client: *t.client.clone(), Scopes: slices.Clone(t.scopes), Claims: claims}
	if t.chain != nil {
		subject := *t.chain.subject
		draft.Subject = &subject
	}
	if err := p.config.TokenHook(ctx, draft); err != nil {
		if refusal, ok := errors.AsType[*Error](err); ok {
			return nil, refusal
		}
		return nil, unavailable(err)
	}
	for name := range draft.Claims {
		if isProtocolClaim(name) {
			return nil, unavailable(errors.New("oidc: the token hook set the protocol's own claim " + name))
		}
	}
	return encodeClaims(draft.Claims)
}

func encodeClaims(claims map[string]any) (json.RawMessage, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	encoded, err := json.Marshal(claims)
	if err != nil {
		return nil, unavailable(err)
	}
	return encoded, nil
}

// write adds to the batch what must be remembered of the tokens.
func (p *Provider) write(b *store.Batch, t *issue) {
	if t.opaque == "" {
		return
	}
	p.tokens.Insert(b, &accessToken{
		Meta:   store.Meta{Org: t.client.Org, ID: t.opaque.Hash(), Expires: time.Unix(t.access.Expires, 0)},
		Claims: t.access, Extra: t.accessExtra,
	})
}

// sign makes the answer. It comes after the batch: nothing that was signed can fail to be remembered.
func (t *issue) sign() (*tokenResponse, error) {
	r := &tokenResponse{
		TokenType: t.bound.tokenType(), ExpiresIn: t.access.Expires - t.access.Issued,
		RefreshToken: t.refresh, Scope: t.access.Scope.text, Details: t.access.Details,
	}
	var err error
	if t.opaque != "" {
		r.AccessToken = locate(accessPrefix, store.Ref{Org: t.client.Org, ID: t.opaque.Reveal()})
	} else if t.front.hasAccess() {
		if r.AccessToken, err = signClaims(t.accessKey, "at+jwt", t.access, t.accessExtra); err != nil {
			return nil, unavailable(err)
		}
	}
	if t.id == nil {
		return r, nil
	}
	if r.AccessToken != "" {
		if t.id.AccessTokenHash, err = jose.HalfHash(t.idKey.algorithm, r.AccessToken); err != nil {
			return nil, unavailable(err)
		}
	}
	if err := t.front.hash(t.id, t.idKey.algorithm); err != nil {
		return nil, unavailable(err)
	}
	signed, err := signClaims(t.idKey, "JWT", t.id, t.idExtra)
	if err != nil {
		return nil, unavailable(err)
	}
	if r.IDToken, err = t.idSealing.token(signed); err != nil {
		return nil, unavailable(err)
	}
	return r, nil
}

func signClaims(key signingKey, typ string, claims any, extra json.RawMessage) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	if len(extra) > 0 {
		payload = append(append(payload[:len(payload)-1], ','), extra[1:]...)
	}
	return key.sign(typ, payload)
}

// accessTokenClaims are the claims of the person that stand in an access token, whatever scopes were asked for.
func (p *Provider) accessTokenClaims(ctx context.Context, t *issue, aim target) (map[string]any, error) {
	if t.chain == nil {
		return nil, nil
	}
	claims, err := p.personal(ctx, t.chain.subject, t.chain.grant.SignInClaims, aim.claims(t.client))
	if errors.Is(err, errBroken) {
		return nil, invalidGrant("the account is gone")
	}
	return claims, err
}

// idTokenAudience is whom an ID token is for: the client first, and whom else it is registered for.
func (c *Client) idTokenAudience() audience {
	aud := audience{c.ClientID}
	for _, other := range c.IDTokenAudience {
		if !slices.Contains(aud, other) {
			aud = append(aud, other)
		}
	}
	return aud
}

// audience is whom an access token is for: the APIs, and ourselves where the token opens the userinfo endpoint.
func (p *Provider) audience(apis []string, scopes []string) audience {
	if len(apis) == 0 {
		return audience{p.site.Issuer()}
	}
	aud := slices.Clone(apis)
	if slices.Contains(scopes, scopeOpenID) && !slices.Contains(aud, p.site.Issuer()) {
		aud = append(aud, p.site.Issuer())
	}
	return aud
}

func (p *Provider) accessLifetime(c *Client) time.Duration {
	return lifetime(c.AccessTokenLifetime, p.config.AccessTokenLifetime)
}

// ownTokenLifetime is that of tokens that the client has for itself.
func (p *Provider) ownTokenLifetime(c *Client) time.Duration {
	return lifetime(c.OwnTokenLifetime, p.accessLifetime(c))
}

func (p *Provider) idLifetime(c *Client) time.Duration {
	return lifetime(c.IDTokenLifetime, p.config.IDTokenLifetime)
}

func (p *Provider) refreshLifetime(c *Client) time.Duration {
	return lifetime(c.RefreshTokenLifetime, p.config.RefreshTokenLifetime)
}

func lifetime(seconds int64, otherwise time.Duration) time.Duration {
	if seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	return otherwise
}
