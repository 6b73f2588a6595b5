package oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// DeviceCode is the grant of a device without a browser (RFC 8628).
const DeviceCode GrantType = "urn:ietf:params:oauth:grant-type:device_code"

// Device turns on the device grant (RFC 8628): a television or a command line shows a short code, and the person enters it on
// the page /oauth2/device of any browser, signs in there, sees which client asks from where, and allows it. Clients need
// DeviceCode among their GrantTypes.
//
// A code is eight of twenty letters (RFC 8628 §6.1): 34 bits, of which one address may try 60 a minute and 1,000 a day, as of
// passwords (directory.ThrottlePolicy.Password), and one browser ten in ten minutes. What a device is given does not live in the
// session of the browser in which it was allowed: it ends with the consent, the account or the application.
type Device struct {
	// Lifetime is how long a person has to allow it; zero is 10 minutes, the most is an hour.
	Lifetime time.Duration
	// Interval is how long a device must wait between two polls, in whole seconds; zero is 5 seconds, the most is a minute.
	Interval time.Duration
	// Place is how a person is told where a request comes from: a town, say. It is called when a device asks and must be quick; an
	// error is a failure (503). Nil, and "", are the address.
	Place func(ctx context.Context, address netip.Addr) (string, error)
}

// deviceGrant is the feature at work.
type deviceGrant struct {
	*decoupling
	settings Device
}

// The paths of the device grant below the issuer.
const (
	pathDeviceAuthorization = "/oauth2/device_authorization"
	pathDevice              = "/oauth2/device"
	pathDeviceResume        = "/oauth2/device/resume"
)

func (f Device) part(p *Provider) (part, error) {
	err := fillDurations("Device", []duration{
		{"Lifetime", &f.Lifetime, 10 * time.Minute, time.Second, time.Hour},
		{"Interval", &f.Interval, 5 * time.Second, time.Second, longestInterval},
	})
	g := &deviceGrant{
		settings: f,
		decoupling: p.decouple(DeviceCode, deviceKind, pathDeviceResume,
			invalidGrant("the device code is wrong, used, or another client's")),
	}
	return part{
		features: []string{"device grant"},
		grants:   map[GrantType]exchange{DeviceCode: g.exchangeDeviceCode},
		routes:   g.routes(),
		describe: func(m *metadata) { m.DeviceEndpoint = p.site.URL(pathDeviceAuthorization) },
	}, err
}

// duration is a setting of a feature with its default and bounds.
type duration struct {
	field                  string
	value                  *time.Duration
	otherwise, least, most time.Duration
}

// fillDurations sets what was left zero and judges what was not.
func fillDurations(feature string, settings []duration) error {
	var problems []error
	for _, s := range settings {
		switch {
		case *s.value == 0:
			*s.value = s.otherwise
		case *s.value < s.least || *s.value > s.most || *s.value%time.Second != 0:
			problems = append(problems, fmt.Errorf("oidc: Features.%s.%s must be whole seconds from %v to %v", feature, s.field, s.least, s.most))
		}
	}
	return errors.Join(problems...)
}

// deviceResponse is the answer of RFC 8628 §3.2.
type deviceResponse struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int64  `json:"expires_in"`
	Interval                int64  `json:"interval"`
}

// authorize begins a device's request (RFC 8628 §3.1).
func (g *deviceGrant) authorize(ctx context.Context, c *Client, form web.Form, address netip.Addr) (*deviceResponse, error) {
	if !c.allows(DeviceCode) {
		return nil, &Error{Code: "unauthorized_client", Description: "the client is not registered for the device grant", Status: 400}
	}
	scopes, refusal := g.parseScopes(ctx, form, c)
	if refusal != nil {
		return nil, refusal
	}
	if _, err := g.livingApplication(ctx, c); errors.Is(err, errBroken) {
		return nil, &Error{Code: "unauthorized_client", Description: "the application is disabled", Status: 400}
	} else if err != nil {
		return nil, err
	}
	place, err := g.place(ctx, address)
	if err != nil {
		return nil, unavailable(err)
	}
	now, own := g.db.Now(), secret.New()
	q := &decoupled{
		Meta:  store.Meta{Expires: now.Add(tenure(g.settings.Lifetime))},
		Grant: store.Ref{Org: c.Org, ID: store.NewID()}, ClientID: c.ClientID, SecretHash: own.Hash(), Scopes: scopes,
		ACR:      strings.Fields(form.Value("acr_values")),
		Deadline: now.Add(g.settings.Lifetime), Interval: g.settings.Interval, Next: now.Add(g.settings.Interval),
	}
	if err := g.parseRights(ctx, q, c, form); err != nil {
		return nil, err
	}
	userCode, err := g.insert(ctx, q, place)
	if err != nil {
		return nil, err
	}
	page := g.site.URL(pathDevice)
	return &deviceResponse{
		DeviceCode: deviceCodeText(q.Grant, q.ID, own.Reveal()), UserCode: userCode,
		VerificationURI: page, VerificationURIComplete: page + "?user_code=" + userCode,
		ExpiresIn: int64(g.settings.Lifetime / time.Second), Interval: int64(g.settings.Interval / time.Second),
	}, nil
}

// place is how the person is told where the request comes from. They may be a victim who was sent the code (RFC 8628 §5.4).
func (g *deviceGrant) place(ctx context.Context, address netip.Addr) (string, error) {
	if g.settings.Place != nil {
		if place, err := g.settings.Place(ctx, address); place != "" || err != nil {
			return place, err
		}
	}
	return address.String(), nil
}

// insert writes the request under a user code that no other has at the moment.
func (g *deviceGrant) insert(ctx context.Context, q *decoupled, place string) (userCode string, err error) {
	for range maxAttempts {
		code := newUserCode()
		userCode = code[:userCodeHalf] + "-" + code[userCodeHalf:]
		q.ID = g.codeIDs(code)[0]
		q.Item = directory.ConsentItem{
			ID: deviceItem, Title: "approval.device|Connect a device", Params: map[string]string{"place": place, "code": userCode}, Mandatory: true,
		}
		b := g.db.Batch()
		g.requests.Insert(b, q)
		if err = b.Apply(ctx); store.ConflictOn(err, g.requests.Kind()) == nil {
			break
		}
	}
	return userCode, err
}

// deviceItem is the consent item that is the device itself; its space keeps it apart from every scope.
const deviceItem = "device request"

// codeIDs are the ids under which the request of a user code may lie: one for each key of the ring, the working one first.
func (g *deviceGrant) codeIDs(code string) []string {
	ids := g.db.Keys().MACs("oidc.device", "user_code", code)
	for i, mac := range ids {
		ids[i] = secret.Hash(mac)
	}
	return ids
}

// find returns the request of a user code that somebody typed, while it waits for a decision; nil when there is none.
func (g *deviceGrant) find(ctx context.Context, typed string) (*decoupled, error) {
	code, ok := parseUserCode(typed)
	if !ok {
		return nil, nil
	}
	for _, id := range g.codeIDs(code) {
		q, err := g.requests.Get(ctx, store.Ref{ID: id})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if q.pending(g.db.Now()) {
			return q, nil
		}
	}
	return nil, nil
}

// exchangeDeviceCode answers a poll (RFC 8628 §3.4).
func (g *deviceGrant) exchangeDeviceCode(ctx context.Context, r tokenRequest) (*tokenResponse, error) {
	if !r.form.Has("device_code") {
		return nil, invalidRequest("device_code is missing")
	}
	v, ok := parseDeviceCode(r.form.Value("device_code"))
	if !ok {
		return nil, g.wrong
	}
	return g.exchange(ctx, r, v)
}

// devicePrefix stands before a device code: "sgdc_<grant>.<request>.<secret>".
const devicePrefix = "sgdc_"

func deviceCodeText(grant store.Ref, request, own string) string {
	return locate(devicePrefix, grant) + "." + request + "." + own
}

func parseDeviceCode(text string) (awaited, bool) {
	grant, rest, ok := cutLocated(devicePrefix, text)
	request, own, both := strings.Cut(rest, ".")
	ok = ok && both && len(request) == newLength && len(own) == newLength && isUnreserved(request+own)
	return awaited{store.Ref{ID: request}, grant, own}, ok
}

const (
	// userCodeAlphabet has no vowels, so that no words come out, and no digits, so that it is typed on one keyboard (RFC 8628 §6.1).
	userCodeAlphabet = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeHalf     = 4
	userCodeLength   = 2 * userCodeHalf
	// maxTyped is how much somebody may type as a user code.
	maxTyped = 64
)

// newUserCode draws a user code, each letter as likely as any other.
func newUserCode() string {
	const fair = 256 - 256%len(userCodeAlphabet)
	code := make([]byte, 0, userCodeLength)
	for len(code) < userCodeLength {
		var drawn [2 * userCodeLength]byte
		_, _ = rand.Read(drawn[:]) // never fails: crypto/rand ends the program instead
		for _, b := range drawn {
			if int(b) < fair && len(code) < userCodeLength {
				code = append(code, userCodeAlphabet[int(b)%len(userCodeAlphabet)])
			}
		}
	}
	return string(code)
}

// parseUserCode reads what a person typed: case does not matter, nor does anything but letters and digits (RFC 8628 §6.1).
func parseUserCode(typed string) (code string, ok bool) {
	if len(typed) > maxTyped {
		return "", false
	}
	code = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r > '~':
			return r
		}
		return -1
	}, typed)
	return code, len(code) == userCodeLength && strings.Trim(code, userCodeAlphabet) == ""
}

// triesKind counts the user codes that a browser has tried. It is durable, as what bounds guessing is.
var triesKind = store.Kind{Name: "oidc.device.tries"}

// How many user codes one browser may try.
const (
	maxTries    = 10
	triesWindow = 10 * time.Minute
)

// try counts that a user code is tried, from an address and in a browser (RFC 8628 §5.1), and returns how long to wait when there were
// too many.
func (g *deviceGrant) try(ctx context.Context, browser binding, address netip.Addr) (wait time.Duration, err error) {
	b := g.db.Batch()
	pass, err := g.config.Directory.Throttle.Begin(ctx, b, "", directory.ThrottlePassword, address.String())
	if err != nil {
		return 0, err
	}
	tries := b.Add(triesKind, store.Ref{ID: string(browser)}, 1, b.Now().Add(triesWindow))
	if err := b.Apply(ctx); err != nil {
		return 0, err
	}
	if *tries > maxTries {
		wait = triesWindow
	}
	if !pass.Admitted() {
		wait = max(wait, pass.RetryAfter())
	}
	return wait, nil
}
