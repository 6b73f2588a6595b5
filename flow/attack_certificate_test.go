package flow_test

import (
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

// clientCert is the header of RFC 9440 that a proxy writes.
func clientCert(cert *x509.Certificate, from string) func(*http.Request) {
	return func(r *http.Request) {
		r.RemoteAddr = from
		r.Header.Set("Client-Cert", ":"+base64.StdEncoding.EncodeToString(cert.Raw)+":")
	}
}

// A certificate is public: whoever writes one into a header is not its holder, unless they are a listed proxy; and the certificate of a
// proxy's own connection is nobody's.
func TestAttackCertificateInAHeader(t *testing.T) {
	t.Parallel()
	w, ca := certified(t, alone(), func(c *flow.Certificates) { c.Proxies = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")} })
	ann, card := w.user("ann"), ca.issue("Ann")
	w.bind(ann, card)
	b := w.browser()
	begin := func() page { return b.submit(b.get(w.request(directory.Interaction{})), "action", "method_x509") }
	for _, from := range []string{"192.0.2.1:1", "10.2.0.1:1", "[::1]:1", "nonsense"} {
		forwarded := func(r *http.Request) {
			r.Header.Set("X-Forwarded-For", "10.1.0.1")
			r.Header.Set("Forwarded", "for=10.1.0.1")
		}
		if page := b.get(b.carry(begin(), clientCert(card, from), forwarded)); page.Result != nil || page.message() != "x509.missing" {
			t.Errorf("from %s: %v", from, page)
		}
	}
	own := func(r *http.Request) { r.RemoteAddr = "10.1.0.1:1"; present(card)(r) }
	if page := b.get(b.carry(begin(), own)); page.Result != nil || page.message() != "x509.missing" {
		t.Errorf("the proxy's own: %v", page)
	}
	twice := func(r *http.Request) {
		clientCert(card, "10.1.0.1:1")(r)
		r.Header.Add("Client-Cert", r.Header.Get("Client-Cert"))
	}
	if page := b.get(b.carry(begin(), twice)); page.Result != nil || page.message() != "x509.refused" {
		t.Errorf("twice: %v", page)
	}
	if r := b.get(b.carry(begin(), clientCert(card, "10.1.0.1:1"))).answer(t); r.Subject.ID != ann.ID {
		t.Errorf("got %+v", r)
	}
}

// Certificates that nobody here has issued, that are not in force, or that were issued for something else.
func TestAttackForeignCertificate(t *testing.T) {
	t.Parallel()
	w, ca := certified(t, alone(), func(c *flow.Certificates) { c.Name = flow.CertificateCommonName })
	w.user("ann")
	foreign := newAuthority(t, "Root")
	between := func(a *authority, edit func(*x509.Certificate)) *authority {
		template := &x509.Certificate{BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign}
		template.Subject.CommonName = "Between"
		edit(template)
		b := &authority{T: t}
		b.cert, b.key = a.sign(template, a)
		return b
	}
	good := between(ca, func(*x509.Certificate) {})
	holder := between(ca, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature })
	elsewhere := between(foreign, func(*x509.Certificate) {})
	dated := func(from, to int) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = w.Now().AddDate(0, 0, from), w.Now().AddDate(0, 0, to)
		}
	}
	self := &authority{T: t}
	template := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	template.Subject.CommonName = "ann"
	alone, _ := self.sign(template, nil)
	for name, chain := range map[string][]*x509.Certificate{
		"another root of the same name":     {foreign.issue("ann")},
		"with our root beside it":           {foreign.issue("ann"), ca.cert},
		"another root, sent along":          {elsewhere.issue("ann"), elsewhere.cert, foreign.cert},
		"signed by itself":                  {alone},
		"expired":                           {ca.issue("ann", dated(-10, -1))},
		"not yet in force":                  {ca.issue("ann", dated(1, 10))},
		"for servers":                       {ca.issue("ann", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })},
		"for nothing that is said":          {ca.issue("ann", func(c *x509.Certificate) { c.ExtKeyUsage = nil })},
		"for anything":                      {ca.issue("ann", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} })},
		"issued by who may not issue":       {holder.issue("ann"), holder.cert},
		"the intermediate is not sent":      {good.issue("ann")},
		"a root's own":                      {ca.cert},
		"an intermediate's own":             {good.cert},
		"ours behind that of somebody else": {foreign.issue("ann"), ca.issue("ann")},
	} {
		b := w.browser()
		page := b.certify(b.get(w.request(directory.Interaction{})), "method_x509", chain...)
		if page.Result != nil || page.message() != "x509.refused" {
			t.Errorf("%s: %v", name, page)
		}
	}
	b := w.browser()
	b.certify(b.get(w.request(directory.Interaction{})), "method_x509", good.issue("ann"), good.cert).answer(t)
}

// What was seen of a certificate is for the flow and the one departure for which it was shown: another browser, another flow, a later
// departure, an altered one and an old one get nothing.
func TestAttackCertificateOfAnotherFlow(t *testing.T) {
	t.Parallel()
	w, ca := certified(t, alone())
	ann, card := w.user("ann"), ca.issue("Ann")
	w.bind(ann, card)
	leave := func(b *browser) page {
		return b.submit(b.get(w.request(directory.Interaction{})), "action", "method_x509")
	}
	parts := func(path string) url.Values {
		_, query, _ := strings.Cut(path, "?")
		values, err := url.ParseQuery(query)
		w.must(err)
		return values
	}
	const callback = "/t/flow/callback/x509?"

	victim, attacker := w.browser(), w.browser()
	out := leave(attacker)
	back := victim.carry(out, present(card)) // a link to the attacker's flow, which the victim's browser follows
	if page := victim.get(back); page.Failure == nil || page.Failure.Code != "flow_foreign" {
		t.Errorf("in the victim's browser: %v", page)
	}
	seen := parts(victim.carry(leave(victim), present(card)))
	for name, query := range map[string]func(own page, mine string) url.Values{
		"the victim's in a flow of the attacker's": func(_ page, mine string) url.Values {
			return url.Values{"state": {mine}, "certificate": seen["certificate"]}
		},
		"the victim's as it is": func(page, string) url.Values { return seen },
		"nothing":               func(_ page, mine string) url.Values { return url.Values{"state": {mine}} },
		"something": func(_ page, mine string) url.Values {
			return url.Values{"state": {mine}, "certificate": {"v1.x.AAAA"}}
		},
		"another state": func(own page, mine string) url.Values {
			good := parts(attacker.carry(own, present(card)))
			return url.Values{"state": {mine + "x"}, "certificate": good["certificate"]}
		},
	} {
		own := leave(attacker)
		mine := parts(local(attacker, attacker.out(own))).Get("state")
		if page := attacker.get(callback + query(own, mine).Encode()); page.Result != nil {
			t.Errorf("%s: %v", name, page)
		}
	}

	b := w.browser()
	first := leave(b)
	old := b.carry(first, present(card))
	if page := b.get(b.carry(first, present())); page.message() != "x509.missing" { // taken once
		t.Fatalf("got %v", page)
	}
	if page := b.get(old); page.Result != nil {
		t.Errorf("the departure before: %v", page)
	}
	second := leave(b)
	late := b.carry(second, present(card))
	w.advance(3 * time.Minute)
	if page := b.get(late); page.message() != "x509.stale" {
		t.Errorf("late: %v", page)
	}
	third := leave(b)
	right := b.carry(third, present(card))
	b.get(right).answer(t)
	if page := b.get(strings.Replace(right, "callback/x509", "callback/up", 1)); page.Result != nil && page.Result.Subject.ID != ann.ID {
		t.Errorf("at another callback: %v", page)
	}
}

// Where certificates are shown, nothing is written, and the browser is sent nowhere but to our own callback.
func TestAttackPlaceOfCertificates(t *testing.T) {
	t.Parallel()
	w, ca := certified(t, alone(), func(c *flow.Certificates) { c.URL = "https://cards.example.com/t" })
	ann, card := w.user("ann"), ca.issue("Ann")
	w.bind(ann, card)
	b := w.browser()
	out := b.submit(b.get(w.request(directory.Interaction{})), "action", "method_x509")
	if to := b.out(out); !strings.HasPrefix(to, "https://cards.example.com/t/login/certificate?state=") {
		t.Errorf("sent to %q", to)
	}
	w.faults.Forget()
	for _, query := range []string{"", "?state=", "?state=" + strings.Repeat("x", 200), "?state=a&state=b"} {
		if page := b.do(http.MethodGet, "/t/login/certificate"+query, nil, present(card)); page.Failure == nil || page.Status != http.StatusBadRequest {
			t.Errorf("%q: %v", query, page)
		}
	}
	page := b.do(http.MethodGet, "/t/login/certificate?state=%0d%0aSet-Cookie:x%26redirect=https://evil.example", nil, present(card))
	if !strings.HasPrefix(page.Location, "https://id.example.com/t/flow/callback/x509?") || strings.ContainsAny(page.Location, "\r\n") {
		t.Errorf("sent to %q", page.Location)
	}
	if calls := w.faults.Calls(); len(calls) > 0 || len(page.Header.Values("Set-Cookie")) > 0 {
		t.Errorf("a look at a certificate: %v %v", calls, page.Header)
	}
	b.get(b.carry(out, present(card))).answer(t)
}

// A person who was disabled, or deleted, does not get in by their certificate.
func TestAttackCertificateOfADisabledPerson(t *testing.T) {
	t.Parallel()
	w, ca := certified(t, alone(), func(c *flow.Certificates) { c.Name = flow.CertificateCommonName })
	ann, card, named := w.user("ann"), ca.issue("card"), ca.issue("ann")
	w.bind(ann, card)
	b := w.browser()
	begin := func() page { return b.get(w.request(directory.Interaction{Reauthenticate: true})) }
	b.certify(begin(), "method_x509", card).answer(t)
	user, err := w.FindUser(t.Context(), "", "ann")
	w.must(err)
	user.Disabled = true
	w.must(w.ReplaceUser(t.Context(), user))
	for _, cert := range []*x509.Certificate{card, named} {
		if page := b.certify(begin(), "method_x509", cert); page.message() != "x509.disabled" {
			t.Errorf("disabled: %v", page)
		}
	}
	w.must(w.DeleteUser(t.Context(), user))
	for _, cert := range []*x509.Certificate{card, named} {
		if page := b.certify(begin(), "method_x509", cert); page.message() != "x509.unknown" {
			t.Errorf("deleted: %v", page)
		}
	}
}
