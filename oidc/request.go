package oidc

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// requestKind holds authorization requests, from the moment they are validated until their code has expired. Losing them
// loses the sign-ins that are under way, and codes that were not redeemed yet; nothing can be used twice because of it,
// since the gate of a code is the durable Insert of its Grant.
var requestKind = store.Kind{Name: "oidc.request", Ephemeral: true}

var requestType = store.Type[authorizationRequest]{Kind: requestKind}

// maxHint is how long a login_hint may be to be shown: as long as a user name.
const maxHint = 256

// requestLifetime is how long a person has for signing in.
const requestLifetime = 40 * time.Minute

// authorizationRequest is one sign-in from its validated request to its code. Its ID is the id of the Grant that redeeming
// the code will create.
type authorizationRequest struct {
	store.Meta
	ClientID      string         `json:"client_id"`
	RedirectURI   string         `json:"redirect_uri"`
	ResponseType  string         `json:"response_type"`
	ResponseMode  string         `json:"response_mode"`
	State         string         `json:"state,omitempty"`
	Scopes        []string       `json:"scopes,omitempty"`
	Nonce         string         `json:"nonce,omitempty"`
	Challenge     string         `json:"code_challenge,omitempty"`
	Prompt        []string       `json:"prompt,omitempty"`
	MaxAge        *time.Duration `json:"max_age,omitempty"`
	ACR           []string       `json:"acr_values,omitempty"`
	EssentialACR  bool           `json:"essential_acr,omitempty"`
	LoginHint     string         `json:"login_hint,omitempty"`
	HintSubject   string         `json:"hint_subject,omitempty"`
	UILocales     []string       `json:"ui_locales,omitempty"`
	ClaimsLocales []string       `json:"claims_locales,omitempty"`
	Claims        *claimsRequest `json:"claims,omitempty"`
	// UserAssertion is what the client has got at the end of a flow about the person's account, to sign them in by; "" is none.
	UserAssertion store.Sealed `json:"user_assertion,omitempty"`
	// RequestedSubject is whom the person wants to act as (Impersonation).
	RequestedSubject string `json:"requested_subject,omitempty"`
	// RequestedActor is the id of the agent that is to act for the person (Agents); "" is none.
	RequestedActor string `json:"requested_actor,omitempty"`
	// JKT is the thumbprint of the DPoP key that the code is bound to (RFC 9449 §10); "" is none.
	JKT       string   `json:"dpop_jkt,omitempty"`
	Resources []string `json:"resources,omitempty"`
	// Details are authorization details (RFC 9396); once the request is answered, those that were granted.
	Details []json.RawMessage `json:"authorization_details,omitempty"`
	// Browser is whom the request belongs to.
	Browser binding `json:"browser,omitempty"`
	// Restart is the request as it came, for a fresh start from an expired page. It is sealed because an id_token_hint
	// may be in it.
	Restart store.Sealed `json:"restart,omitempty"`

	// Pushed is set for a request that its client has pushed.
	Pushed *pushing `json:"pushed,omitempty"`

	// Answer is set when the sign-in is complete and a code was handed out.
	Answer *codeAnswer `json:"answer,omitempty"`

	// application is the client's, as it was read with this call; nil was not.
	application *directory.Application
	// native is what a program has brought with this call (Direct).
	native *directory.Native
	// alone says that it is an agent that has signed in with this call (Agents).
	alone bool
	// actorEpoch is that of the agent that is to act, as it was read with this call.
	actorEpoch int64
}

// codeAnswer is what a code stands for.
type codeAnswer struct {
	CodeHash         string               `json:"code_hash"`
	Expires          time.Time            `json:"expires"`
	Subject          store.Ref            `json:"subject"`
	SubjectEpoch     int64                `json:"subject_epoch"`
	Session          store.Ref            `json:"session,omitzero"`
	SessionEpoch     int64                `json:"session_epoch,omitempty"`
	Application      store.Ref            `json:"application"`
	ApplicationEpoch int64                `json:"application_epoch"`
	ConsentEpoch     int64                `json:"consent_epoch,omitempty"`
	Evidence         []directory.Evidence `json:"evidence"`
	ACR              string               `json:"acr,omitempty"` // directory.Result.ACR
	// SignInClaims are directory.Result.Claims.
	SignInClaims directory.SignInClaims `json:"sign_in_claims,omitempty"`
	ActorEpoch   int64                  `json:"actor_epoch,omitempty"`
	Scopes       []string               `json:"scopes"`
	Claims       *claimsRequest         `json:"claims,omitempty"`
}

func (q *authorizationRequest) openID() bool { return slices.Contains(q.Scopes, scopeOpenID) }

func (q *authorizationRequest) prompts(p string) bool { return slices.Contains(q.Prompt, p) }

// The values of prompt (OpenID Connect Core §3.1.2.1).
const (
	promptNone          = "none"
	promptLogin         = "login"
	promptConsent       = "consent"
	promptSelectAccount = "select_account"
)

// unsupportedParameters are those whose silent neglect would change what the client means (OpenID Connect Core §6, §7.2.1).
var unsupportedParameters = [...]struct{ name, code string }{
	{"registration", "registration_not_supported"},
}

// parse fills in what the parameters say, once client and redirect URI are proven. Its errors may be sent there.
// Grantable says which scopes the client may have.
func (q *authorizationRequest) parse(form web.Form, c *Client, grantable func([]string) ([]string, *Error)) *Error {
	for _, p := range unsupportedParameters {
		if form.Has(p.name) {
			return &Error{Code: p.code, Description: "the parameter " + p.name + " is not supported"}
		}
	}
	if err := q.parseScope(form, grantable); err != nil {
		return err
	}
	q.Nonce = form.Value("nonce")
	if err := q.checkIDToken(); err != nil {
		return err
	}
	if hint := form.Value("login_hint"); len(hint) <= maxHint { // longer is nobody's name, and not worth keeping
		q.LoginHint = hint
	}
	q.ACR = strings.Fields(form.Value("acr_values"))
	q.UILocales = strings.Fields(form.Value("ui_locales"))
	q.ClaimsLocales = parseClaimsLocales(form.Value("claims_locales"))
	if err := q.parseChallenge(form, c); err != nil {
		return err
	}
	for _, parse := range []func(web.Form) *Error{q.parseMaxAge, q.parseClaims} {
		if err := parse(form); err != nil {
			return err
		}
	}
	q.Claims.keep(c.mayAskClaim)
	q.applyDefaults(c)
	return q.checkSize()
}

// checkIDToken judges what an ID token that travels through the browser needs (OpenID Connect Core §3.2.2.1, §3.3.2.11).
func (q *authorizationRequest) checkIDToken() *Error {
	switch {
	case !responds(q.ResponseType, responseIDToken):
		return nil
	case !q.openID():
		return invalidRequest("an ID token needs the scope openid")
	case q.Nonce == "":
		return invalidRequest("nonce is required for an ID token in the response")
	}
	return nil
}

// parseChallenge reads what protects the code, where there will be one.
func (q *authorizationRequest) parseChallenge(form web.Form, c *Client) *Error {
	if !responds(q.ResponseType, responseCode) {
		return nil
	}
	q.Challenge = form.Value("code_challenge")
	guarded := q.Nonce != "" && q.openID() // without an ID token no nonce comes back
	optional := c.InsecureOptionalPKCE && (guarded || c.InsecureOptionalNonce)
	return checkChallenge(q.Challenge, form.Value("code_challenge_method"), optional)
}

// What a request may hold, in bytes, so that one that nobody has proven anything for costs little to keep: values that the
// provider gives back, and all of it as a query.
const (
	maxState   = 4 << 10
	maxNonce   = 512
	maxRequest = 16 << 10
)

func (q *authorizationRequest) checkSize() *Error {
	switch {
	case len(q.State) > maxState:
		q.State = "" // too long to be given back either
		return invalidRequest("state is longer than 4096 bytes")
	case len(q.Nonce) > maxNonce:
		return invalidRequest("nonce is longer than 512 bytes")
	}
	return nil
}

// parseScope keeps the scopes that the client may have. Unknown ones are left out, as RFC 6749 §3.3 permits, and the
// answer's scope says so; a request of which nothing is left is an error.
func (q *authorizationRequest) parseScope(form web.Form, grantable func([]string) ([]string, *Error)) *Error {
	asked, refusal := scopesOf(form)
	if refusal != nil {
		return refusal
	}
	if !responds(q.ResponseType, responseCode) { // OpenID Connect Core §11: nobody redeems anything for a refresh token
		asked = slices.DeleteFunc(asked, func(s string) bool { return s == scopeOffline })
	}
	if q.Scopes, refusal = grantable(asked); refusal != nil {
		return refusal
	}
	if len(q.Scopes) == 0 && !form.Has("authorization_details") { // those are judged by themselves (RFC 9396 §3)
		return errNoScope()
	}
	return nil
}

func errNoScope() *Error { return invalidScope("the client may not have any of the requested scopes") }

func (p *Provider) parsePrompt(q *authorizationRequest, form web.Form) *Error {
	q.Prompt = strings.Fields(form.Value("prompt"))
	known := []string{promptNone, promptLogin, promptConsent, promptSelectAccount}
	if p.config.Features.CreateAccount != nil {
		known = append(known, promptCreate)
	}
	for _, value := range q.Prompt {
		if !slices.Contains(known, value) {
			return invalidRequest("prompt has an unknown value")
		}
	}
	if q.prompts(promptNone) && len(q.Prompt) > 1 {
		return invalidRequest("prompt none stands alone")
	}
	return nil
}

func (q *authorizationRequest) parseMaxAge(form web.Form) *Error {
	text := form.Value("max_age")
	if text == "" {
		return nil
	}
	if !isDigits(text) {
		return invalidRequest("max_age is not a number of seconds")
	}
	age := longestAge
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil && seconds < uint64(longestAge/time.Second) {
		age = time.Duration(seconds) * time.Second
	}
	q.MaxAge = &age
	return nil
}

// longestAge is a century: more is no limit, and must not overflow.
const longestAge = 100 * 365 * 24 * time.Hour

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// parseClaims reads the claims parameter and what in it is a condition on the sign-in (OpenID Connect Core §5.5).
func (q *authorizationRequest) parseClaims(form web.Form) *Error {
	text := form.Value("claims")
	if text == "" {
		return nil
	}
	if !q.openID() {
		return invalidRequest("claims needs the scope openid")
	}
	claims, err := parseClaimsRequest(text)
	if err != nil {
		return invalidRequest("claims is not well-formed").because(err)
	}
	q.Claims = claims
	if acr, ok := claims.IDToken["acr"]; ok && len(acr.texts()) > 0 {
		q.ACR, q.EssentialACR = acr.texts(), acr.Essential
	}
	for _, section := range []map[string]claimRequest{claims.IDToken, claims.UserInfo} {
		if sub := section["sub"].texts(); len(sub) > 0 {
			if len(sub) > 1 || q.HintSubject != "" && q.HintSubject != sub[0] {
				return invalidRequest("claims asks for more than one subject")
			}
			q.HintSubject = sub[0]
		}
	}
	return nil
}

// interaction is what the request asks of the flow engine.
func (q *authorizationRequest) interaction(app *directory.Application, resume string) directory.Interaction {
	return directory.Interaction{
		ID: q.interactionID(), Resume: resume, Purpose: directory.SignIn,
		Application: app.Ref(), ApplicationName: app.Name, ApplicationLinks: app.Links(), Organization: q.Org,
		Passive:        q.prompts(promptNone),
		Reauthenticate: q.prompts(promptLogin),
		SelectAccount:  q.prompts(promptSelectAccount),
		CreateAccount:  q.prompts(promptCreate),
		MaxAge:         q.MaxAge,
		ACR:            q.ACR, EssentialACR: q.EssentialACR,
		Hint: q.LoginHint, HintSubject: q.HintSubject,
		Locales:         q.UILocales,
		RedirectOrigins: []string{formAction(q.RedirectURI)},
		Cancelable:      true,
	}
}
