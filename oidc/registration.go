package oidc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Registration lets clients register themselves (RFC 7591, OpenID Connect Dynamic Client Registration 1.0), and read, change and
// delete their registration (RFC 7592). The zero value asks for an initial access token; see Provider.InitialAccess.
//
// A client gets what it asks for as far as it is on offer: settings of features that are off, and scopes and grant types beyond Scopes
// and GrantTypes, are left out, and the answer says what is left (RFC 7591 §2). What remains must be valid, or all of it is refused.
type Registration struct {
	// Open lets anybody register, at the rate at which one address may begin sign-ins (directory.ThrottlePolicy.Flow). Whoever asks
	// a person for consent may then be anybody; the consent page shows where the person is sent, whatever the client calls
	// itself.
	Open bool
	// Scopes are what a client may register for besides the standard ones of OpenID Connect. A client that names no scope gets the
	// standard ones.
	Scopes []string
	// GrantTypes are what a client may register for, as far as the Provider has them; nil are those in which a person
	// decides: authorization_code, refresh_token, implicit, the device grant and CIBA.
	GrantTypes []GrantType
	// RequireSoftwareStatement refuses who brings no software statement of one of the StatementIssuers (RFC 7591 §2.3). Where it is not
	// required, one that is brought must be good all the same.
	RequireSoftwareStatement bool
	// StatementIssuers are who may vouch for software. Empty is nobody.
	StatementIssuers []StatementIssuer
	// Policy sees every registration, and every change of one, before it is written. It may narrow the Client and the Application,
	// or refuse with an *Error, as of code "invalid_client_metadata"; any other error is a failure (503). Nil is none. It is
	// called by many goroutines at once, and may be called again for the same registration.
	Policy func(ctx context.Context, draft *RegistrationDraft) error
	// KeepToken leaves the registration access token as it is when a registration is changed. Otherwise each change gives a new one,
	// and a client that loses the answer can no longer manage its registration (RFC 7592 §3).
	KeepToken bool
	// WSO2 also takes the members that WSO2 Identity Server and Asgardeo add (ext_application_owner and its kin), and finds a registration by
	// GET with client_name, for the client's own registration access token. Lifetimes are taken up to those of the Config, PKCE stays
	// mandatory, and an id and a secret from elsewhere are taken from whoever has an initial access token.
	WSO2 bool
}

// StatementIssuer vouches for software by statements that it signs (RFC 7591 §2.3).
type StatementIssuer struct {
	// Issuer is the "iss" of its statements.
	Issuer string
	// JWKS is its key set (RFC 7517 §5); JWKSURI is where it publishes it, https. One of the two is required.
	JWKS    json.RawMessage
	JWKSURI string
}

// RegistrationDraft is a registration in the making, as Registration.Policy sees it.
type RegistrationDraft struct {
	// Client and Application are what will be written. The policy may change all of them but ids and digests.
	Client      *Client
	Application *directory.Application
	// Existing is the client before a change; nil for a new one.
	Existing *Client
	// InitialAccess is whose token lets the client register; nil when nobody's, and for a change.
	InitialAccess *InitialAccess
	// Statement are the claims of the software statement; nil when there is none.
	Statement map[string]json.RawMessage

	// wso2 are WSO2's members; nil without Registration.WSO2. secret is what is to be the client's, or "".
	wso2   *wso2Members
	secret secret.Text
}

// personalGrants are those in which a person decides.
var personalGrants = []GrantType{
	AuthorizationCode, RefreshToken, "implicit", "urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba",
}

// registrar is the feature at work.
type registrar struct {
	*Provider
	settings Registration
	// issuers are the StatementIssuers.
	issuers map[string]*trustedIssuer
}

// pathRegister is the registration endpoint below the issuer; a registration lies below it.
const pathRegister = "/oauth2/register"

func (f Registration) part(p *Provider) (part, error) {
	r := &registrar{Provider: p, settings: f, issuers: map[string]*trustedIssuer{}}
	if r.settings.GrantTypes == nil {
		r.settings.GrantTypes = personalGrants
	}
	var problems []error
	for _, s := range f.Scopes {
		if !validScope(s) {
			problems = append(problems, fmt.Errorf("oidc: Features.Registration.Scopes: %q is not a scope token (RFC 6749 §3.3)", s))
		}
	}
	for _, s := range f.StatementIssuers {
		bad := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("oidc: Features.Registration.StatementIssuers: %q: %w", s.Issuer, fmt.Errorf(format, args...)))
		}
		if s.Issuer == "" {
			bad("Issuer is required")
		}
		issuer := &trustedIssuer{TrustedIssuer: TrustedIssuer{Issuer: s.Issuer, JWKS: s.JWKS, JWKSURI: s.JWKSURI}, algorithms: jose.Supported()}
		issuer.readKeys(p, bad)
		r.issuers[s.Issuer] = issuer
	}
	if f.RequireSoftwareStatement && len(f.StatementIssuers) == 0 {
		problems = append(problems, errors.New("oidc: Features.Registration.RequireSoftwareStatement needs StatementIssuers"))
	}
	return part{
		routes:   r.routes(),
		describe: func(m *metadata) { m.RegistrationEndpoint = p.site.URL(pathRegister) },
	}, errors.Join(problems...)
}

// registration is what a client is told about its registration (RFC 7591 §3.2.1, RFC 7592 §3).
type registration struct {
	client      *Client
	application *directory.Application
	// secret is told when it was made just now; it cannot be read later. token manages the registration.
	secret, token string
}

// register makes a client of a metadata document (RFC 7591 §3.1).
func (r *registrar) register(ctx context.Context, accessToken string, document []byte) (*registration, error) {
	for attempt := 0; ; attempt++ {
		access, err := r.mayRegister(ctx, accessToken)
		if err != nil {
			return nil, err
		}
		made, err := r.create(ctx, access, document)
		if attempt < maxAttempts && store.ConflictOn(err, initialAccessKind) != nil { // used at the same moment: it may still be good
			continue
		}
		return made, err
	}
}

// mayRegister returns what an initial access token stands for; nil where none is needed.
func (r *registrar) mayRegister(ctx context.Context, accessToken string) (*InitialAccess, error) {
	if accessToken == "" {
		if r.settings.Open {
			return nil, nil
		}
		return nil, errNoToken
	}
	access, err := r.InitialAccess.find(ctx, accessToken)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errInitialAccess
	}
	return access, err
}

var (
	errInitialAccess = &Error{
		Code: "invalid_token", Description: "the initial access token is wrong, expired or used up", Status: 401, challenge: "Bearer",
	}
	// RFC 7592 §2: the same whether the client or the token is not there.
	errRegistrationAccess = &Error{
		Code: "invalid_token", Description: "the registration access token is wrong, or its client is gone", Status: 401, challenge: "Bearer",
	}
)

func (r *registrar) create(ctx context.Context, access *InitialAccess, document []byte) (*registration, error) {
	m, draft, err := r.read(ctx, document)
	if err != nil {
		return nil, err
	}
	c := &Client{Created: r.db.Now()}
	if access != nil {
		c.Org, draft.InitialAccess = access.Org, access
	}
	draft.Client, draft.Application = c, &directory.Application{Meta: store.Meta{Org: c.Org}}
	if draft.wso2 != nil {
		if err := draft.wso2.own(draft); err != nil {
			return nil, registrationError(err)
		}
	}
	if err := r.revise(ctx, draft, m); err != nil {
		return nil, err
	}
	token := secret.New()
	c.RegistrationHash = token.Hash()
	made := &registration{client: c, application: draft.Application, token: registrationPrefix + token.Reveal()}
	if draft.secret != "" && usesSecret(c.AuthMethod) {
		c.setSecret(draft.secret)
		made.secret = draft.secret.Reveal()
	} else {
		made.secret = c.renewSecret()
	}
	b := r.db.Batch()
	if access != nil {
		r.InitialAccess.use(b, access)
	}
	if err := r.Clients.insert(ctx, b, draft.Application, c); err != nil {
		return nil, refusedMetadata(err)
	}
	err = b.Apply(ctx)
	if store.ConflictOn(err, clientKind) != nil || store.ConflictOn(err, r.Clients.names.Kind()) != nil { // an id that was chosen elsewhere
		return nil, registrationError(&InvalidClientError{"ext_param_client_id", "is taken, or was"})
	}
	return made, err
}

// read understands a document, and what its software statement says instead of it (RFC 7591 §3.1.1).
func (r *registrar) read(ctx context.Context, document []byte) (*clientMetadata, *RegistrationDraft, error) {
	members, err := readMetadata(document)
	if err != nil {
		return nil, nil, registrationError(err)
	}
	statement, refusal := r.readStatement(ctx, members)
	if refusal != nil {
		return nil, nil, refusal
	}
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool { // what the statement calls the client, it is called in every language
		base, _, translated := strings.Cut(name, "#")
		_, said := statement[base]
		return translated && said
	})
	maps.Copy(members, statement)
	m, err := interpretMetadata(members)
	if err != nil {
		return nil, nil, registrationError(err)
	}
	if statement != nil {
		_ = json.Unmarshal(members["software_statement"], &m.client.SoftwareStatement) // was a string a moment ago
	}
	draft := &RegistrationDraft{Statement: statement}
	if r.settings.WSO2 {
		if draft.wso2, err = readWSO2(members); err == nil {
			err = draft.wso2.makePublic(&m.client)
		}
		if err != nil {
			return nil, nil, registrationError(err)
		}
	}
	return m, draft, nil
}

// readStatement verifies the software statement; nil is none (RFC 7591 §2.3).
func (r *registrar) readStatement(ctx context.Context, members map[string]json.RawMessage) (map[string]json.RawMessage, *Error) {
	raw, ok := members["software_statement"]
	if !ok {
		if r.settings.RequireSoftwareStatement {
			return nil, invalidStatement("a software statement is required", nil)
		}
		return nil, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, invalidStatement("the software statement is not a JWT", err)
	}
	unverified, err := jose.Parse(text)
	if err != nil {
		return nil, invalidStatement("the software statement is not a JWT", err)
	}
	var said struct {
		Issuer string `json:"iss"`
		jose.Times
	}
	if err := json.Unmarshal(unverified.Payload(), &said); err != nil {
		return nil, invalidStatement("the software statement is not a JWT", err)
	}
	issuer := r.issuers[said.Issuer]
	if issuer == nil {
		return nil, &Error{Code: "unapproved_software_statement", Description: "the issuer of the software statement is not known here", Status: 400}
	}
	err = issuer.verify(ctx, r.Provider, unverified, nil)
	now := r.db.Now()
	switch {
	case errors.Is(err, errForeign):
		return nil, invalidStatement("the software statement is not signed by its issuer", err)
	case err != nil: // the keys cannot be had
		return nil, asError(err)
	case !said.Exp.IsZero() && !now.Before(said.Exp.Time), !said.Nbf.IsZero() && now.Before(said.Nbf.Time):
		return nil, invalidStatement("the software statement has expired, or does not hold yet", nil)
	}
	claims, err := readMetadata(unverified.Payload())
	if err != nil {
		return nil, invalidStatement("the software statement is not one JSON object", err)
	}
	delete(claims, "software_statement")
	return claims, nil
}

func invalidStatement(description string, cause error) *Error {
	return &Error{Code: "invalid_software_statement", Description: description, Status: 400, cause: cause}
}

// revise makes the draft say what the metadata says, as far as that is on offer, and lets the policy see it.
func (r *registrar) revise(ctx context.Context, draft *RegistrationDraft, m *clientMetadata) error {
	c := draft.Client
	if err := r.narrow(&m.client); err != nil {
		return registrationError(err)
	}
	c.adopt(m)
	c.SoftwareStatement = m.client.SoftwareStatement
	r.Clients.rules.fill(c, c.Created)
	m.entitle(draft.Application, c)
	if draft.wso2 != nil {
		draft.wso2.apply(r.Provider, draft)
	}
	if r.settings.Policy == nil {
		return nil
	}
	if err := r.settings.Policy(ctx, draft); err != nil {
		return asError(err)
	}
	return nil
}

// narrow leaves out what is not on offer. Asking for scopes or grants of which nothing is left is an error: none at all would mean
// more than was asked for.
func (r *registrar) narrow(c *Client) error {
	r.Clients.rules.leaveOut(c)
	c.ApplicationType = cmp.Or(c.ApplicationType, webApplication) // OpenID Connect Registration §2
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []GrantType{AuthorizationCode} // RFC 7591 §2
	}
	c.GrantTypes = slices.DeleteFunc(c.GrantTypes, func(g GrantType) bool {
		return !slices.Contains(r.settings.GrantTypes, g) || !slices.Contains(r.Clients.rules.grants, g)
	})
	var problems []error
	if len(c.GrantTypes) == 0 {
		problems = append(problems, &InvalidClientError{"grant_types", "has none that a client may register for"})
	}
	scopes, err := permittedScopes(c.Scopes, r.settings.Scopes)
	c.Scopes = scopes
	return errors.Join(append(problems, err)...)
}

// permittedScopes are those of the scopes that a client may name by itself: the standard ones, and further ones.
func permittedScopes(named, further []string) ([]string, error) {
	permitted := slices.DeleteFunc(slices.Clone(named), func(s string) bool { return !isStandardScope(s) && !slices.Contains(further, s) })
	if len(named) > 0 && len(permitted) == 0 {
		return nil, &InvalidClientError{"scope", "has none that is for such a client"}
	}
	return permitted, nil
}

// manage returns the client whose registration the token manages, as it stands in the store.
func (r *registrar) manage(ctx context.Context, clientID, token string) (*registration, error) {
	c, err := r.Clients.read(ctx, clientID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	hash := nobodysHash
	if err == nil && c.RegistrationHash != "" {
		hash = c.RegistrationHash
	}
	if matches := secret.Matches(hash, cutPrefix(registrationPrefix, token)); !matches || err != nil {
		return nil, errRegistrationAccess
	}
	app, err := r.config.Directory.Applications.Get(ctx, c.Application)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errRegistrationAccess
	}
	if err != nil {
		return nil, err
	}
	if app.Status != directory.Active {
		return nil, &Error{Code: "access_denied", Description: "the application is disabled", Status: 403}
	}
	return &registration{client: c, application: app, token: token}, nil
}

// update replaces a registration (RFC 7592 §2.2): what the document does not say is as if it had never been said.
func (r *registrar) update(ctx context.Context, clientID, token string, document []byte) (*registration, error) {
	for attempt := 0; ; attempt++ {
		held, err := r.manage(ctx, clientID, token)
		if err != nil {
			return nil, err
		}
		made, err := r.replace(ctx, held, document)
		moved := store.ConflictOn(err, clientKind) != nil || store.ConflictOn(err, r.config.Directory.Applications.Kind()) != nil
		if attempt < maxAttempts && moved { // changed at the same moment, perhaps with a new token
			continue
		}
		return made, err
	}
}

func (r *registrar) replace(ctx context.Context, held *registration, document []byte) (*registration, error) {
	if refusal := held.checkUpdate(document); refusal != nil {
		return nil, refusal
	}
	m, draft, err := r.read(ctx, document)
	if err != nil {
		return nil, err
	}
	c, app := held.client.clone(), *held.application
	draft.Client, draft.Application, draft.Existing = c, &app, held.client
	if err := r.revise(ctx, draft, m); err != nil {
		return nil, err
	}
	made := &registration{client: c, application: &app, token: held.token}
	if usesSecret(c.AuthMethod) != usesSecret(held.client.AuthMethod) || c.signsBySecret() && held.client.SealedSecret == "" {
		made.secret = c.renewSecret()
	}
	if !r.settings.KeepToken {
		fresh := secret.New()
		c.RegistrationHash, made.token = fresh.Hash(), registrationPrefix+fresh.Reveal()
	}
	b := r.db.Batch()
	if err := r.config.Directory.Applications.Update(b, &app); err != nil {
		return nil, refusedMetadata(err)
	}
	if err := r.Clients.replace(ctx, b, c); err != nil {
		return nil, refusedMetadata(err)
	}
	return made, b.Apply(ctx)
}

// checkUpdate holds what an update must say and must not (RFC 7592 §2.2).
func (held *registration) checkUpdate(document []byte) *Error {
	members, err := readMetadata(document)
	if err != nil {
		return registrationError(err)
	}
	var clientID, clientSecret string
	if json.Unmarshal(members["client_id"], &clientID) != nil || clientID != held.client.ClientID {
		return invalidRequest("client_id must be that of the client")
	}
	for _, name := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
		if _, ok := members[name]; ok {
			return invalidRequest(name + " must not stand in an update")
		}
	}
	if raw, ok := members["client_secret"]; ok {
		if json.Unmarshal(raw, &clientSecret) != nil || !secret.Matches(cmp.Or(held.client.SecretHash, nobodysHash), clientSecret) {
			return invalidRequest("client_secret is not that of the client")
		}
	}
	return nil
}

// remove deletes a registration (RFC 7592 §2.3). Its application goes with it, and all that was issued to it, unless the operator has
// made it the application of another client too: then it stays, and what was issued to it ends all the same.
func (r *registrar) remove(ctx context.Context, clientID, token string) error {
	for attempt := 0; ; attempt++ {
		held, err := r.manage(ctx, clientID, token)
		if err != nil {
			return err
		}
		err = r.delete(ctx, held)
		moved := store.ConflictOn(err, clientKind) != nil || store.ConflictOn(err, r.config.Directory.Applications.Kind()) != nil
		if attempt < maxAttempts && moved {
			continue
		}
		return err
	}
}

func (r *registrar) delete(ctx context.Context, held *registration) error {
	app := held.application
	others, err := r.Clients.List(ctx, store.Query{Within: store.Everywhere, Filter: store.Equals("application", store.Text(app.ID)), Limit: 2})
	if err != nil {
		return err
	}
	b := r.db.Batch()
	r.Clients.remove(b, held.client)
	if len(others.Items) < 2 {
		r.config.Directory.Applications.Remove(b, app)
	} else {
		app.Epoch++
		if err := r.config.Directory.Applications.Update(b, app); err != nil {
			return err
		}
	}
	return b.Apply(ctx)
}

// document is what the client is told (RFC 7591 §3.2.1, RFC 7592 §3).
func (r *registrar) document(made *registration) map[string]any {
	c := made.client
	document := describeClient(c, made.application).members()
	if r.settings.WSO2 {
		maps.Copy(document, wso2Document(r.Provider, made))
	}
	document["client_id"] = c.ClientID
	document["client_id_issued_at"] = c.Created.Unix()
	document["registration_client_uri"] = r.site.URL(pathRegister + "/" + url.PathEscape(c.ClientID))
	document["registration_access_token"] = made.token
	if c.SoftwareStatement != "" {
		document["software_statement"] = c.SoftwareStatement // RFC 7591 §3.2.1: as it came
	}
	if _, said := document["response_types"]; !said && c.allows(AuthorizationCode) {
		document["response_types"] = []string{"code"}
	}
	if made.secret != "" {
		document["client_secret"] = made.secret
		document["client_secret_expires_at"] = 0 // never
	}
	return document
}

// refusedMetadata is the answer to metadata that was understood and breaks a rule of the Provider's.
func refusedMetadata(err error) error {
	if invalid, ok := errors.AsType[*directory.InvalidError](err); ok {
		return &Error{Code: "invalid_client_metadata", Description: "what people are shown is not valid", Status: 400, cause: invalid}
	}
	return registrationError(err)
}
