package oidc

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// BackchannelAuthentication is the grant of a client that asks for a person who is elsewhere (CIBA Core).
const BackchannelAuthentication GrantType = "urn:openid:params:grant-type:ciba"

// CIBA turns on client-initiated backchannel authentication (OpenID Connect CIBA Core 1.0): a till, or a person at a telephone,
// names somebody; the host tells them on a device of theirs, and they decide there. Clients need BackchannelAuthentication among
// their GrantTypes and must authenticate; one with a Client.BackChannelRequestSigningAlg must sign its requests (§7.1.1).
type CIBA struct {
	// Notify tells the person, on a device that is known to be theirs, that a request waits for them: by a message with its URL, or
	// in an app that answers with Provider.ApproveCIBA and DenyCIBA. It is called on the client's request and must be quick;
	// after an error the client is answered 503. Required.
	Notify func(ctx context.Context, request CIBARequest) error
	// Person finds whom a hint means; an error that wraps store.ErrNotFound is nobody. Nil finds a login_hint as sign-in does, and takes
	// no login_hint_token; an id_token_hint is always read here, and never asked of it.
	Person func(ctx context.Context, hint CIBAHint) (*directory.Subject, error)
	// UserCode judges the code by which a person shows the client that they are there (CIBA Core §7.1). Wrong codes count as wrong
	// passwords do, and a locked account takes none. Nil takes no codes.
	UserCode func(ctx context.Context, subject *directory.Subject, code string) (bool, error)
	// RequireBindingMessage refuses requests without a binding_message, by which the person tells them from others. Clients of the profile
	// FAPICIBA always need one, or authorization details (FAPI-CIBA §5.2.2).
	RequireBindingMessage bool
	// Lifetime is how long a person has to decide, unless the client asks for another time up to MaxLifetime; zero is 2 minutes, and
	// 10 minutes; the most is an hour.
	Lifetime, MaxLifetime time.Duration
	// Interval is how long a client must wait between two polls, in whole seconds; zero is 2 seconds, the most is a minute.
	Interval time.Duration
	// PerPerson is how often one person may be asked; zero is 10 times in 5 minutes.
	PerPerson directory.Limit
	// Ping and Push let clients be called when the person has decided, and be given their tokens so. Both need Features.Consumers
	// among the Consumers of the store, and Provider.Maintain. Push hands tokens to whoever answers at the client's endpoint, and
	// FAPI forbids it.
	Ping, Push bool
}

// CIBAHint is how a client names a person; one of the two is set.
type CIBAHint struct {
	// Client is who asks.
	Client Client
	// Login is login_hint, Token is login_hint_token (CIBA Core §7.1).
	Login, Token string
}

// CIBARequest is what a person is told of a request.
type CIBARequest struct {
	// ID names the request for Provider.ApproveCIBA and DenyCIBA. It is no secret.
	ID string
	// URL is the page on which the person decides, after signing in. Whoever else has it decides nothing.
	URL string
	// Subject is the person.
	Subject *directory.Subject
	// ClientID and ApplicationName say who asks, Scopes for what, ACR how sure it wants to be.
	ClientID, ApplicationName string
	Scopes, ACR               []string
	// Details are the authorization details that it asks for (RFC 9396), as it has sent them.
	Details []json.RawMessage
	// BindingMessage stands on the client's side too; "" is none.
	BindingMessage string
	// Expires is when it is too late.
	Expires time.Time
}

// The delivery modes (CIBA Core §5).
const (
	deliverPoll = "poll"
	deliverPing = "ping"
	deliverPush = "push"
)

// cibaGrant is the feature at work.
type cibaGrant struct {
	*decoupling
	settings CIBA
}

// The paths of CIBA below the issuer: the endpoint takes a client's post, and shows a person the page.
const (
	pathCIBA       = "/oauth2/ciba"
	pathCIBAResume = "/oauth2/ciba/resume"
)

func (f CIBA) part(p *Provider) (part, error) {
	g := &cibaGrant{
		decoupling: p.decouple(BackchannelAuthentication, cibaKind, pathCIBAResume,
			invalidGrant("the auth_req_id is wrong, used, or another client's")),
	}
	err := f.fill(p)
	g.settings, p.ciba = f, g
	made := part{
		features: []string{"CIBA"},
		check:    f.checkClient(p),
		grants:   map[GrantType]exchange{BackchannelAuthentication: g.exchangeAuthReqID},
		routes:   g.routes(),
		describe: func(m *metadata) {
			m.CIBAEndpoint, m.CIBADeliveryModes, m.CIBAUserCode = p.site.URL(pathCIBA), f.modes(), f.UserCode != nil
			for _, alg := range p.config.Profile.narrow(jose.Supported()) {
				m.CIBAAlgs = append(m.CIBAAlgs, string(alg))
			}
		},
	}
	if f.Ping || f.Push {
		made.maintain = g.deliver
	}
	return made, err
}

func (f *CIBA) fill(p *Provider) error {
	problems := []error{fillDurations("CIBA", []duration{
		{"Lifetime", &f.Lifetime, 2 * time.Minute, time.Second, time.Hour},
		{"MaxLifetime", &f.MaxLifetime, 10 * time.Minute, time.Second, time.Hour},
		{"Interval", &f.Interval, 2 * time.Second, time.Second, longestInterval},
	})}
	if f.Notify == nil {
		problems = append(problems, errors.New("oidc: Features.CIBA.Notify is required: nobody would be asked (CIBA Core §7.2)"))
	}
	if f.Lifetime > f.MaxLifetime {
		problems = append(problems, errors.New("oidc: Features.CIBA.Lifetime is longer than MaxLifetime"))
	}
	if f.PerPerson == (directory.Limit{}) {
		f.PerPerson = directory.Limit{Count: 10, Per: 5 * time.Minute}
	}
	if f.PerPerson.Count < 1 || f.PerPerson.Per < time.Second {
		problems = append(problems, errors.New("oidc: Features.CIBA.PerPerson must allow at least one request in a second or more"))
	}
	if (f.Ping || f.Push) && !p.db.Consumes(cibaConsumer) {
		problems = append(problems, errors.New("oidc: Features.CIBA.Ping and Push need Features.Consumers among store.Config.Consumers"))
	}
	return errors.Join(problems...)
}

// modes are the delivery modes that clients may be registered for.
func (f *CIBA) modes() []string {
	modes := []string{deliverPoll}
	if f.Ping {
		modes = append(modes, deliverPing)
	}
	if f.Push {
		modes = append(modes, deliverPush)
	}
	return modes
}

// checkClient judges the settings of CIBA Core §4.
func (f CIBA) checkClient(p *Provider) func(c *Client, bad report) {
	return func(c *Client, bad report) {
		if !c.allows(BackchannelAuthentication) {
			return
		}
		if c.Public() {
			bad("grant_types", "%s needs a client that authenticates (CIBA Core §7.1)", BackchannelAuthentication)
		}
		if !slices.Contains(f.modes(), c.delivery()) {
			bad("backchannel_token_delivery_mode", "%q is not supported", c.TokenDeliveryMode)
		}
		if c.BackChannelUserCode && f.UserCode == nil {
			bad("backchannel_user_code_parameter", "needs Features.CIBA.UserCode")
		}
		if alg := c.BackChannelRequestSigningAlg; alg != "" && (!slices.Contains(jose.Supported(), jose.Algorithm(alg)) || !c.hasKeys()) {
			bad("backchannel_authentication_request_signing_alg", "must be an algorithm of key pairs, and the client needs keys (CIBA Core §4)")
		}
		if c.delivery() == deliverPoll {
			return
		}
		if err := p.fetch.Check(c.ClientNotificationEndpoint); err != nil {
			bad("backchannel_client_notification_endpoint", "cannot be called: %v", err)
		}
	}
}

// delivery is how the client hears of decisions.
func (c *Client) delivery() string {
	if c.TokenDeliveryMode == "" {
		return deliverPoll
	}
	return c.TokenDeliveryMode
}

// cibaResponse is the acknowledgement of CIBA Core §7.3. A client that is pushed to does not poll.
type cibaResponse struct {
	AuthReqID string `json:"auth_req_id"`
	ExpiresIn int64  `json:"expires_in"`
	Interval  int64  `json:"interval,omitempty"`
}

// authorize begins a client's request (CIBA Core §7.2).
func (g *cibaGrant) authorize(ctx context.Context, r tokenRequest) (*cibaResponse, error) {
	c := r.client
	if c.Public() || !c.allows(BackchannelAuthentication) {
		return nil, &Error{Code: "unauthorized_client", Description: "the client is not registered for CIBA", Status: 400}
	}
	form, object, err := g.signed(ctx, r.form, c)
	if err != nil {
		return nil, err
	}
	q, err := g.parse(ctx, form, c)
	if err != nil {
		return nil, err
	}
	if err := g.parseRights(ctx, q, c, form); err != nil {
		return nil, err
	}
	if refusal := g.demandContext(q, c); refusal != nil {
		return nil, refusal
	}
	app, err := g.livingApplication(ctx, c)
	if errors.Is(err, errBroken) {
		return nil, &Error{Code: "unauthorized_client", Description: "the application is disabled", Status: 400}
	}
	if err != nil {
		return nil, err
	}
	subject, err := g.person(ctx, form, c)
	if err != nil {
		return nil, err
	}
	if err := g.spendObject(ctx, object, c); err != nil {
		return nil, err
	}
	if err := g.checkUserCode(ctx, form, c, subject); err != nil {
		return nil, err
	}
	q.Subject, q.Method, q.Bound = subject.Ref(), r.method, r.proven
	own := secret.New()
	q.SecretHash = own.Hash()
	id := authReqIDText(q.Grant, own.Reveal())
	if err := g.sealNotify(q, id, form.Value("client_notification_token")); err != nil {
		return nil, err
	}
	if err := g.insert(ctx, q); err != nil {
		return nil, err
	}
	if err := g.settings.Notify(ctx, g.told(q, app, subject, form.Value("binding_message"))); err != nil {
		return nil, unavailable(fmt.Errorf("oidc: CIBA.Notify: %w", err))
	}
	response := &cibaResponse{AuthReqID: id, ExpiresIn: int64(q.Deadline.Sub(g.db.Now()) / time.Second)}
	if q.Delivery != deliverPush {
		response.Interval = int64(q.Interval / time.Second)
	}
	return response, nil
}

// told is what the host tells the person.
func (g *cibaGrant) told(q *decoupled, app *directory.Application, subject *directory.Subject, message string) CIBARequest {
	id := grantLocator(q.Ref())
	return CIBARequest{
		ID: id, URL: g.site.URL(pathCIBA) + "?id=" + id, Subject: subject, ClientID: q.ClientID, ApplicationName: app.Name,
		Scopes: slices.Clone(q.Scopes), ACR: slices.Clone(q.ACR), Details: slices.Clone(q.Details), BindingMessage: message, Expires: q.Deadline,
	}
}

// parse reads what does not depend on the person (CIBA Core §7.1).
func (g *cibaGrant) parse(ctx context.Context, form web.Form, c *Client) (*decoupled, error) {
	scopes, refusal := g.parseScopes(ctx, form, c)
	if refusal != nil {
		return nil, refusal
	}
	if !slices.Contains(scopes, scopeOpenID) {
		return nil, invalidScope("scope must contain openid")
	}
	lifetime, err := g.lifetime(form.Value("requested_expiry"))
	if err != nil {
		return nil, err
	}
	item, err := g.item(form.Value("binding_message"))
	if err != nil {
		return nil, err
	}
	token := form.Value("client_notification_token")
	switch {
	case c.delivery() == deliverPoll:
	case token == "":
		return nil, invalidRequest("client_notification_token is missing")
	case len(token) > maxPresented || !isBearerText(token):
		return nil, invalidRequest("client_notification_token is not a bearer token (RFC 6750 section 2.1)")
	}
	now, grant := g.db.Now(), store.Ref{Org: c.Org, ID: store.NewID()}
	return &decoupled{
		Meta:  store.Meta{Org: grant.Org, ID: grant.ID, Expires: now.Add(tenure(lifetime))},
		Grant: grant, ClientID: c.ClientID, Scopes: scopes, ACR: strings.Fields(form.Value("acr_values")), Item: item,
		Deadline: now.Add(lifetime), Interval: g.settings.Interval, Delivery: c.delivery(),
	}, nil
}

// isBearerText reports whether a text is the b64token of RFC 6750 §2.1.
func isBearerText(s string) bool {
	s = strings.TrimRight(s, "=")
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r > '~' || !isUnreserved(string(r)) && r != '+' && r != '/'
	})
}

// lifetime is how long the request lives: what the client asks for, within bounds (CIBA Core §7.1).
func (g *cibaGrant) lifetime(requested string) (time.Duration, error) {
	if requested == "" {
		return g.settings.Lifetime, nil
	}
	if !isDigits(requested) || strings.Trim(requested, "0") == "" {
		return 0, invalidRequest("requested_expiry is not a positive number of seconds")
	}
	seconds, err := strconv.ParseInt(requested, 10, 64)
	if limit := int64(g.settings.MaxLifetime / time.Second); err != nil || seconds > limit { // more than fits is more than enough
		seconds = limit
	}
	return time.Duration(seconds) * time.Second, nil
}

// maxBindingMessage is how many characters a person can compare (CIBA Core §7.1: "relatively short").
const maxBindingMessage = 100

// item is what the person is asked besides scopes.
func (g *cibaGrant) item(message string) (directory.ConsentItem, error) {
	item := directory.ConsentItem{ID: cibaItem, Title: "approval.ciba|Sign in elsewhere", Mandatory: true}
	unfit := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case message == "":
		return item, nil
	case utf8.RuneCountInString(message) > maxBindingMessage || strings.ContainsFunc(message, unfit):
		return item, &Error{Code: "invalid_binding_message", Description: "binding_message must be at most 100 printable characters", Status: 400}
	}
	item.Title, item.Params = "approval.ciba.message|{message}", map[string]string{"message": message}
	return item, nil
}

// demandContext refuses a request that the person cannot tell from others, where that is demanded: of every client, or of one of the
// profile, to which authorization details are as good (FAPI-CIBA §5.2.2-2).
func (g *cibaGrant) demandContext(q *decoupled, c *Client) *Error {
	profiled := slices.Contains(g.profilesOf(c), FAPICIBA) && len(q.Details) == 0
	if q.Item.Params != nil || !g.settings.RequireBindingMessage && !profiled {
		return nil
	}
	return &Error{Code: "invalid_binding_message", Description: "binding_message is missing", Status: 400}
}

// cibaItem is the consent item that is the request itself; its space keeps it apart from every scope.
const cibaItem = "ciba request"

var errNobody = &Error{Code: "unknown_user_id", Description: "the hint names nobody", Status: 400}

// person finds whom the client means: by one hint and no more (CIBA Core §7.1).
func (g *cibaGrant) person(ctx context.Context, form web.Form, c *Client) (*directory.Subject, error) {
	hints := 0
	for _, name := range []string{"login_hint", "login_hint_token", "id_token_hint"} {
		if form.Has(name) {
			hints++
		}
	}
	if hints != 1 {
		return nil, invalidRequest("there must be one of login_hint, login_hint_token and id_token_hint")
	}
	find := g.settings.Person
	if find == nil {
		find = g.findByLogin
	}
	var subject *directory.Subject
	var err error
	switch {
	case form.Has("id_token_hint"):
		subject, err = g.findByIDToken(ctx, form.Value("id_token_hint"), c)
	case form.Has("login_hint_token") && g.settings.Person == nil:
		return nil, invalidRequest("login_hint_token is not supported")
	default:
		subject, err = find(ctx, CIBAHint{Client: *c.clone(), Login: form.Value("login_hint"), Token: form.Value("login_hint_token")})
	}
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, errBroken):
		return nil, errNobody
	case err != nil:
		return nil, asError(err)
	case subject.Status != directory.Active:
		return nil, errNobody
	}
	return subject, nil
}

func (g *cibaGrant) findByLogin(ctx context.Context, hint CIBAHint) (*directory.Subject, error) {
	if len(hint.Login) > maxHint {
		return nil, store.ErrNotFound
	}
	user, err := g.config.Directory.FindUser(ctx, hint.Client.Org, hint.Login)
	if err != nil {
		return nil, err
	}
	return g.config.Directory.SubjectOf(ctx, user)
}

// findByIDToken reads an ID token that this client was given before, expired or not.
func (g *cibaGrant) findByIDToken(ctx context.Context, token string, c *Client) (*directory.Subject, error) {
	hint, err := g.openHint(ctx, token)
	if isTokenFault(err) || errors.Is(err, errBroken) || err == nil && !slices.Contains(hint.Audience, c.ClientID) {
		return nil, invalidRequest("id_token_hint is not an ID token that this client was issued").because(err)
	}
	if err != nil {
		return nil, err
	}
	id, err := g.hintedSubject(ctx, hint)
	if err != nil {
		return nil, err
	}
	return g.config.Directory.Subjects.Get(ctx, store.Ref{Org: c.Org, ID: id})
}

// checkUserCode judges the code under the lock of the account's password: guesses here are guesses there.
func (g *cibaGrant) checkUserCode(ctx context.Context, form web.Form, c *Client, subject *directory.Subject) error {
	code := form.Value("user_code")
	switch {
	case !c.BackChannelUserCode && code == "":
		return nil
	case !c.BackChannelUserCode || g.settings.UserCode == nil:
		return invalidRequest("the client is not registered for user_code")
	case code == "":
		return &Error{Code: "missing_user_code", Description: "user_code is missing", Status: 400}
	}
	for attempt := 0; ; attempt++ {
		right, err := g.judgeUserCode(ctx, subject, c.Org, code)
		if attempt < maxAttempts && store.ConflictOn(err, g.config.Directory.Locks.Kind()) != nil {
			continue // another attempt at the account was faster
		}
		if err != nil {
			return asError(err)
		}
		if !right {
			return &Error{Code: "invalid_user_code", Description: "user_code is wrong", Status: 400}
		}
		return nil
	}
}

func (g *cibaGrant) judgeUserCode(ctx context.Context, subject *directory.Subject, org, code string) (bool, error) {
	locks := g.config.Directory.Locks
	attempt, err := locks.Weigh(ctx, directory.AttemptKey{Org: org, Account: locks.Account(subject, org, ""), Factor: "password"})
	if err != nil {
		return false, err
	}
	right, err := g.settings.UserCode(ctx, subject, code) // also for a locked account, so that nothing tells it
	if err != nil {
		return false, err
	}
	right = right && attempt.Admitted()
	b := g.db.Batch()
	if right {
		err = locks.Succeed(ctx, b, attempt)
	} else {
		err = locks.Fail(ctx, b, attempt)
	}
	if err != nil {
		return false, err
	}
	return right, b.Apply(ctx)
}

// promptsKind counts the requests that a person is asked about. It is durable, as what bounds guessing is.
var promptsKind = store.Kind{Name: "oidc.ciba.prompts"}

// insert writes the request, unless the person is asked too often: whoever is asked often enough allows it in the end.
func (g *cibaGrant) insert(ctx context.Context, q *decoupled) error {
	limit := g.settings.PerPerson
	b := g.db.Batch()
	prompts := b.Add(promptsKind, q.Subject, 1, b.Now().Add(limit.Per))
	g.requests.Insert(b, q)
	if err := b.Apply(ctx); err != nil {
		return err
	}
	if *prompts > limit.Count {
		return &Error{
			Code: "slow_down", Description: "this person is asked too often, try again in a while",
			Status: 429, RetryAfter: limit.Per,
		}
	}
	return nil
}

// exchangeAuthReqID answers a poll (CIBA Core §10.1).
func (g *cibaGrant) exchangeAuthReqID(ctx context.Context, r tokenRequest) (*tokenResponse, error) {
	switch {
	case r.client.delivery() == deliverPush: // CIBA Core §11
		return nil, &Error{Code: "unauthorized_client", Description: "the client is registered to be pushed its tokens", Status: 400}
	case !r.form.Has("auth_req_id"):
		return nil, invalidRequest("auth_req_id is missing")
	}
	v, ok := parseAuthReqID(r.form.Value("auth_req_id"))
	if !ok {
		return nil, g.wrong
	}
	return g.exchange(ctx, r, v)
}

// authReqIDPrefix stands before an auth_req_id, "sgcr_<grant>.<secret>", which may hold letters, digits and "-._" alone (CIBA Core
// §7.3): the organization, where it is not the root, follows in base64url.
const authReqIDPrefix = "sgcr_"

func authReqIDText(grant store.Ref, own string) string {
	text := authReqIDPrefix + grant.ID + "." + own
	if grant.Org != "" {
		text += "." + base64.RawURLEncoding.EncodeToString([]byte(grant.Org))
	}
	return text
}

func parseAuthReqID(text string) (awaited, bool) {
	rest, ok := strings.CutPrefix(text, authReqIDPrefix)
	id, rest, both := strings.Cut(rest, ".")
	own, encoded, _ := strings.Cut(rest, ".")
	org, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	ref := store.Ref{Org: string(org), ID: id}
	ok = ok && both && err == nil && len(text) <= maxPresented && id != "" && len(own) == newLength &&
		isUnreserved(strings.TrimPrefix(text, authReqIDPrefix)) && parseLocator(grantLocator(ref)) == ref && authReqIDText(ref, own) == text
	return awaited{ref, ref, own}, ok
}

// ErrCIBAOff says that Features.CIBA is nil.
var ErrCIBAOff = errors.New("oidc: Features.CIBA is off")

// ApproveCIBA records that the person has allowed a request outside of the page, in an app of the host's: id is CIBARequest.ID, or the
// auth_req_id. The evidence is what they have proven there, all of it of that person and none of it empty; a zero Subject and Time are
// that person's, and now. Scopes are what they have allowed; nil is all that was asked. Whoever approves has
// allowed the details. It returns an error that wraps store.ErrNotFound for a
// request that is not there, and an *Error for one that is finished or expired.
func (p *Provider) ApproveCIBA(ctx context.Context, id string, evidence []directory.Evidence, scopes []string) error {
	return p.decideCIBA(ctx, id, func(g *cibaGrant, q *decoupled) error {
		return g.approveFor(ctx, q, evidence, scopes)
	})
}

// DenyCIBA records that the person has refused a request outside of the page; see ApproveCIBA.
func (p *Provider) DenyCIBA(ctx context.Context, id string) error {
	return p.decideCIBA(ctx, id, func(g *cibaGrant, q *decoupled) error { return g.refuseRequest(ctx, q) })
}

func (p *Provider) decideCIBA(ctx context.Context, id string, decide func(*cibaGrant, *decoupled) error) error {
	g := p.ciba
	if g == nil {
		return ErrCIBAOff
	}
	ref := parseLocator(id)
	if v, ok := parseAuthReqID(id); ok {
		ref = v.request
	}
	for attempt := 0; ; attempt++ {
		q, err := g.requests.Get(ctx, ref)
		if err != nil {
			return err
		}
		if !q.pending(g.db.Now()) {
			return errFinished
		}
		err = decide(g, q)
		if attempt < maxAttempts && g.movedMeanwhile(err) {
			continue
		}
		return err
	}
}

// approveFor records what the host says that the person has allowed.
func (g *cibaGrant) approveFor(ctx context.Context, q *decoupled, evidence []directory.Evidence, scopes []string) error {
	c, err := g.Clients.find(ctx, q.ClientID)
	if err != nil {
		return err
	}
	app, err := g.livingApplication(ctx, c)
	if err != nil {
		return err
	}
	subject, err := g.config.Directory.Subjects.Get(ctx, q.Subject)
	if err == nil && subject.Status != directory.Active {
		err = errBroken
	}
	if err != nil {
		return err
	}
	evidence = slices.Clone(evidence)
	for i := range evidence {
		evidence[i].Subject = cmp.Or(evidence[i].Subject, subject.ID)
		if evidence[i].Time.IsZero() {
			evidence[i].Time = g.db.Now()
		}
	}
	result := &directory.Result{
		Subject: subject.Ref(), SubjectVersion: subject.Version, SubjectEpoch: subject.Epoch, Evidence: evidence,
	}
	if err := q.request().judge(result); err != nil {
		return err
	}
	consent, err := g.consentOf(ctx, subject.Ref(), q.ClientID, "")
	if err != nil {
		return err
	}
	request, err := g.requestFor(ctx, q, app, subject.Ref())
	if err != nil {
		return err
	}
	named, err := g.vocabulary(ctx, request.Org)
	if err != nil {
		return err
	}
	items, err := g.consentItems(ctx, request, named)
	if err != nil {
		return err
	}
	if scopes == nil {
		scopes = q.Scopes
	}
	consent.decide(items, scopes, g.db.Now())
	for _, detail := range q.Details {
		consent.approved = append(consent.approved, detailID(detail))
	}
	return g.approve(ctx, q, app, result, consent, len(items) > 0 && !app.SkipConsent)
}
