package script

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/fetch"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/store"
)

// The limits of a call elsewhere.
const (
	dialTime  = 3 * time.Second // to connect
	readTime  = 3 * time.Second // until the answer is there
	tries     = 3               // of which the later ones after a 5xx or no answer
	maxAnswer = 8 << 10         // bytes that a script sees of an answer

	// exchangeFact is where the answer waits for the script.
	exchangeFact = "script.exchange"
	// longestCall is how long a call may be under way, with the token that it needs.
	longestCall = (tries + 1) * (dialTime + readTime)
	// exchangeLife is how long it is known that a call was made: longer than a flow lives.
	exchangeLife = 2 * time.Hour
)

// ExchangerConfig is the wiring of an Exchanger.
type ExchangerConfig struct {
	// DB keeps what was sent, so that no call is made twice. Required.
	DB *store.DB
	// Domains are the hosts that scripts may call: "api.example.com", or "*.example.com" for all below a domain. Empty lets none be
	// called.
	Domains []string
	// RootCAs are trusted to name servers; nil are those of the system.
	RootCAs *x509.CertPool
	// InsecureNetworks may be called although they are not public, and by plain http: an intranet, a test's loopback.
	InsecureNetworks []netip.Prefix
	// PerSecond is how many calls go to one host in a second, and five times as many after a pause; zero is 200. What is above that waits, with
	// the sign-in that needs it (503).
	PerSecond int
}

// Exchanger makes the calls of httpGet and httpPost: 3 seconds to connect and 3 to answer, tried again twice when the server fails
// or does not answer; never after a 4xx. It is safe for concurrent use.
type Exchanger struct {
	db      *store.DB
	domains []string
	client  *fetch.Client
	calls   *store.Collection[exchangeCall]
}

// exchangeKind holds calls that were made, and what they were answered. Its loss costs that a call may be made twice.
var exchangeKind = store.Kind{Name: "script.exchange", Ephemeral: true}

// exchangeCall is written before a call is made, and again with its answer.
type exchangeCall struct {
	store.Meta
	Began  time.Time    `json:"began"`
	Answer store.Sealed `json:"answer,omitempty"`
}

// exchanged is what came of a call.
type exchanged struct {
	Node   string `json:"node"`
	Result Result `json:"result"`
	Data   any    `json:"data,omitempty"`
}

// NewExchanger checks the configuration and returns an Exchanger.
func NewExchanger(config ExchangerConfig) (*Exchanger, error) {
	if config.DB == nil {
		return nil, errors.New("script: ExchangerConfig.DB is required")
	}
	dialer := &net.Dialer{Timeout: dialTime}
	client, err := fetch.New(fetch.Config{
		Now: config.DB.Now, RootCAs: config.RootCAs, Timeout: dialTime + readTime, InsecureNetworks: config.InsecureNetworks,
		PerSecond: cmp.Or(config.PerSecond, 200), // the host has listed whom scripts may call
		Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", to.String())
		},
	})
	if err != nil {
		return nil, fmt.Errorf("script: %w", err)
	}
	return &Exchanger{
		db: config.DB, domains: slices.Clone(config.Domains), client: client,
		calls: store.NewCollection(config.DB, store.Type[exchangeCall]{Kind: exchangeKind}),
	}, nil
}

// permits reports whether scripts may call a URL.
func (x *Exchanger) permits(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if x == nil || err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return slices.ContainsFunc(x.domains, func(domain string) bool {
		domain = strings.ToLower(domain)
		if below, ok := strings.CutPrefix(domain, "*"); ok {
			return strings.HasSuffix(host, below)
		}
		return host == domain
	})
}

// act is the step of a flow that makes a call.
func (x *Exchanger) act(ctx context.Context, s *flow.State) (flow.Verdict, error) {
	n, err := nodeOf(s)
	if err != nil {
		return flow.Verdict{}, err
	}
	e := exchanged{Node: n.ID, Result: Failed, Data: map[string]any{"error": "this server may not be called"}}
	if n.Request != nil && x.permits(n.Request.URL) {
		if e, err = x.once(ctx, s, n); err != nil {
			return flow.Verdict{}, err
		}
	}
	text, err := json.Marshal(e)
	if err != nil {
		return flow.Verdict{}, err
	}
	return flow.Verdict{Outcome: flow.Proceed, Facts: map[string]string{exchangeFact: string(text)}}, nil
}

// once makes a call that has not been made yet. What was begun and never answered is not begun again.
func (x *Exchanger) once(ctx context.Context, s *flow.State, n Node) (exchanged, error) {
	intent := &exchangeCall{
		Meta: store.Meta{ID: secret.Hash(s.Flow + "\x00" + n.ID), Expires: s.Now.Add(exchangeLife)}, Began: s.Now,
	}
	b := x.db.Batch()
	x.calls.Insert(b, intent)
	if err := b.Apply(ctx); store.ConflictOn(err, exchangeKind) != nil {
		return x.answered(ctx, s, intent.Ref(), n)
	} else if err != nil {
		return exchanged{}, err
	}
	// Whoever hangs up meanwhile does not undo the call, and must not turn its answer into none.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestCall)
	defer cancel()
	e, err := x.send(ctx, n)
	if err != nil {
		b = x.db.Batch()
		x.calls.Delete(b, intent)
		return exchanged{}, errors.Join(err, b.Apply(ctx))
	}
	text, err := json.Marshal(e)
	if err != nil {
		return exchanged{}, err
	}
	begun, err := x.calls.Get(ctx, intent.Ref())
	if errors.Is(err, store.ErrNotFound) {
		return e, nil // an ephemeral store has lost it
	}
	if err != nil {
		return exchanged{}, err
	}
	begun.Answer = x.db.Seal(exchangeKind, begun.Ref(), "answer", text)
	b = x.db.Batch()
	x.calls.Replace(b, begun)
	return e, b.Apply(ctx)
}

// errUnderWay says that another request of the flow makes the call just now.
var errUnderWay = errors.New("script: the call is being made")

// answered is what came of a call that was made before.
func (x *Exchanger) answered(ctx context.Context, s *flow.State, ref store.Ref, n Node) (e exchanged, err error) {
	begun, err := x.calls.Get(ctx, ref)
	if err != nil {
		return exchanged{}, err
	}
	switch {
	case begun.Answer != "":
	case s.Now.Sub(begun.Began) < longestCall:
		// An answer that was sent twice must not choose between what the server says and onTimeout, which may let people in.
		return exchanged{}, errUnderWay
	default:
		return exchanged{Node: n.ID, Result: TimedOut}, nil
	}
	text, err := x.db.Unseal(exchangeKind, ref, "answer", begun.Answer)
	if err != nil {
		return exchanged{}, err
	}
	return e, json.Unmarshal(text, &e)
}

// send makes a call. Its error is that none was made, as there are too many just now: that is no answer for a script.
func (x *Exchanger) send(ctx context.Context, n Node) (exchanged, error) {
	failed := exchanged{Node: n.ID, Result: Failed, Data: map[string]any{"error": "the server did not answer"}}
	q, err := x.request(ctx, n.Request)
	if errors.Is(err, fetch.ErrBusy) {
		return exchanged{}, err
	}
	if err != nil {
		return failed, nil
	}
	for try := 1; ; try++ {
		answer, err := x.client.Exchange(ctx, q)
		switch {
		case errors.Is(err, fetch.ErrBusy) && try == 1:
			return exchanged{}, err
		case err == nil && answer.Status < 300 && answer.Status >= 200:
			return exchanged{Node: n.ID, Result: Succeeded, Data: parsedAnswer(answer.Body)}, nil
		case err == nil && answer.Status < 500:
			return exchanged{Node: n.ID, Result: Failed, Data: map[string]any{"status": answer.Status, "error": parsedAnswer(answer.Body)}}, nil
		case err != nil && !errors.Is(err, fetch.ErrFailed), try == tries:
			if timeout := net.Error(nil); errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
				failed.Result = TimedOut
			} else if err == nil {
				failed.Data = map[string]any{"status": answer.Status}
			}
			return failed, nil
		}
	}
}

// request is a call as it is sent.
func (x *Exchanger) request(ctx context.Context, r *Request) (fetch.Request, error) {
	q := fetch.Request{Method: r.Method, URL: r.URL, Header: http.Header{"Accept": {"application/json"}}, Body: r.Body}
	for name, value := range r.Headers {
		q.Header.Set(name, value)
	}
	if r.Method == http.MethodPost && q.Header.Get("Content-Type") == "" {
		q.Header.Set("Content-Type", "application/json")
	}
	if strings.HasPrefix(q.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		q.Body = form(r.Body)
	}
	p := r.Auth.Properties
	switch r.Auth.Type {
	case "basic":
		q.Header.Set("Authorization", basic(p["username"], p["password"]))
	case "apikey":
		q.Header.Set(p["headerName"], p["apiKey"])
	case "bearer":
		q.Header.Set("Authorization", "Bearer "+p["token"])
	case "clientcredential":
		token, err := x.token(ctx, p)
		if err != nil {
			return q, err
		}
		q.Header.Set("Authorization", "Bearer "+token)
	}
	return q, nil
}

func basic(name, pass string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+pass))
}

// form is a JSON object as a form.
func form(body []byte) []byte {
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return body
	}
	values := url.Values{}
	for name, value := range fields {
		values.Set(name, spelt(value))
	}
	return []byte(values.Encode())
}

// token gets an access token by client credentials (RFC 6749 §4.4).
func (x *Exchanger) token(ctx context.Context, p map[string]string) (string, error) {
	if !x.permits(p["tokenEndpoint"]) {
		return "", errors.New("script: this server may not be called")
	}
	values := url.Values{"grant_type": {"client_credentials"}}
	if p["scope"] != "" {
		values.Set("scope", p["scope"])
	}
	answer, err := x.client.Exchange(ctx, fetch.Request{
		Method: http.MethodPost, URL: p["tokenEndpoint"], Body: []byte(values.Encode()), Header: http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"},
			"Authorization": {basic(url.QueryEscape(p["consumerKey"]), url.QueryEscape(p["consumerSecret"]))},
		},
	})
	if err != nil {
		return "", err
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if answer.Status != http.StatusOK || strictjson.Unmarshal(answer.Body, &token) != nil || token.AccessToken == "" {
		return "", errors.New("script: no token")
	}
	return token.AccessToken, nil
}

// parsedAnswer is an answer as the script sees it: JSON, or a text.
func parsedAnswer(body []byte) any {
	if len(body) == 0 || len(body) > maxAnswer {
		return map[string]any{}
	}
	var data any
	if err := strictjson.Unmarshal(body, &data); err != nil {
		return string(body)
	}
	return data
}
