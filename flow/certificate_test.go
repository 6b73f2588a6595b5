package flow_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// alone is a placement for tests of what no store has a say in.
func alone() storetest.Placement { return storetest.Placement{Name: "together", Driver: memory.New()} }

// A certificate that was enrolled says who somebody is, by one factor; a second one is asked for as ever, and another person's is not theirs.
func TestCertificateBeginsASignIn(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w, ca := certified(t, p)
		ann, bob := w.user("ann"), w.user("bob")
		card := ca.issue("Ann")
		bound := w.bind(ann, card)
		seed := w.totp(bob)
		other := ca.issue("Bob")
		w.bind(bob, other)

		b := w.browser()
		result := b.certify(b.get(w.request(directory.Interaction{})), "method_x509", card).answer(t)
		if result.Subject.ID != ann.ID || assess(result).ACR != directory.ACR1 || !slices.Equal(assess(result).AMR, []string{"swk"}) ||
			!assess(result).PhishingResistant {
			t.Errorf("got %+v", result)
		}
		if again := b.get(w.request(directory.Interaction{})).answer(t); again.Subject.ID != ann.ID {
			t.Errorf("the session is of %+v", again.Subject)
		}

		b = w.browser()
		page := b.certify(b.get(w.request(directory.Interaction{})), "method_x509", other)
		if page.step() != "totp" {
			t.Fatalf("who has an app is not asked for it: %v", page)
		}
		result = b.submit(page, "otp", w.code(seed)).answer(t)
		if result.Subject.ID != bob.ID || assess(result).ACR != directory.ACR1 { // two things that somebody has
			t.Errorf("got %+v", result)
		}

		w.must(w.Credentials.Delete(t.Context(), bound))
		b = w.browser()
		if page = b.certify(b.get(w.request(directory.Interaction{})), "method_x509", card); page.message() != "x509.unknown" {
			t.Errorf("a certificate that was removed: %v", page)
		}
	})
}

// After a password it is a second factor, of the same person alone.
func TestCertificateAsASecondFactor(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w, ca := certified(t, p)
		ann, bob := w.user("ann"), w.user("bob")
		card, other := ca.issue("Ann"), ca.issue("Bob")
		w.bind(ann, card)
		w.bind(bob, other)
		b := w.browser()
		page := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword)
		if page.step() != "x509" {
			t.Fatalf("got %v", page)
		}
		if page = b.certify(page, "x509", other); page.message() != "x509.other" || page.Result != nil {
			t.Fatalf("with the certificate of another: %v", page)
		}
		if page = b.certify(page, "x509"); page.message() != "x509.missing" {
			t.Fatalf("without a certificate: %v", page)
		}
		result := b.certify(page, "x509", card).answer(t)
		if result.Subject.ID != ann.ID || assess(result).ACR != directory.ACR2 || !slices.Equal(assess(result).AMR, []string{"pwd", "swk", "mfa"}) {
			t.Errorf("got %+v", result)
		}
	})
}

// Where a second factor is demanded of who has none, a certificate is enrolled on the spot; one that is somebody's is not enrolled again.
func TestCertificateIsEnrolled(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w, ca := certified(t, p)
		ann, bob := w.user("ann"), w.user("bob")
		app := w.app(directory.SecondFactorRequired)
		card := ca.issue("Ann")
		w.bind(bob, ca.issue("Bob"))
		taken := ca.issue("Bob's other")
		w.bind(bob, taken)
		b := w.browser()
		page := b.login(b.get(w.request(directory.Interaction{Application: app.Ref()})), "ann", goodPassword)
		if page.step() != "x509-enroll" {
			t.Fatalf("got %v", page)
		}
		if page = b.certify(page, "x509-enroll", taken); page.message() != "x509.other" {
			t.Fatalf("with the certificate of another: %v", page)
		}
		result := b.certify(page, "x509-enroll", card).answer(t)
		if result.Subject.ID != ann.ID || assess(result).ACR != directory.ACR2 {
			t.Errorf("got %+v", result)
		}
		b = w.browser()
		if r := b.certify(b.get(w.request(directory.Interaction{})), "method_x509", card).answer(t); r.Subject.ID != ann.ID {
			t.Errorf("the certificate is %+v's", r.Subject)
		}
		for i := range directory.MaxCertificates {
			if i > 0 {
				w.bind(ann, ca.issue("more"))
			}
		}
		err := w.Credentials.AddCertificate(t.Context(), w.db.Batch(), w.Credentials.NewCertificate(ann.Ref(), "", flow.CertificateOf(ca.issue("last"))))
		if len(directory.Problems(err)) != 1 {
			t.Errorf("one too many: %v", err)
		}
	})
}

// Whoever enrols certificates at once in several browsers has one more for each that there is room for, and is told of the rest; and one that is
// theirs by another browser is as good as one that is new.
func TestAttackCertificatesEnrolledAtOnce(t *testing.T) {
	t.Parallel()
	for name, scene := range map[string]struct {
		had  int
		same bool
		want int
	}{
		"different":              {0, false, 3},
		"no room but for one":    {directory.MaxCertificates - 1, false, 1},
		"one and the same":       {0, true, 3},
		"the same, the last one": {directory.MaxCertificates - 1, true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
				w, ca := certified(t, p)
				ann := w.user("ann")
				app := w.app(directory.SecondFactorRequired)
				browsers, ways, card := make([]*browser, 3), make([]string, 3), ca.issue("Ann")
				for i := range browsers {
					b := w.browser()
					page := b.login(b.get(w.request(directory.Interaction{Application: app.Ref()})), "ann", goodPassword)
					if !scene.same {
						card = ca.issue("Ann")
					}
					browsers[i], ways[i] = b, b.carry(b.submit(page, "action", "x509-enroll"), present(card))
				}
				for range scene.had {
					w.bind(ann, ca.issue("more"))
				}
				var wg sync.WaitGroup
				pages := make([]page, len(ways))
				for i, way := range ways {
					wg.Go(func() { pages[i] = browsers[i].get(way) })
				}
				wg.Wait()
				signedIn := 0
				for _, page := range pages {
					switch {
					case page.Result != nil && page.Result.Refusal == "":
						signedIn++
					case page.message() != "x509-enroll.full":
						t.Errorf("got %v", page)
					}
				}
				if signedIn != scene.want {
					t.Errorf("%d are signed in, want %d", signedIn, scene.want)
				}
			})
		})
	}
}

// A name in the certificate says whose it is, where all issuers are known to write names of this directory.
func TestCertificateNames(t *testing.T) {
	t.Parallel()
	mailed := func(addresses ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.EmailAddresses = addresses }
	}
	for _, test := range []struct {
		name  string
		part  flow.CertificateName
		issue func(t *testing.T, ca *authority) *x509.Certificate
		want  string // the message; "" is success
	}{
		{"common name", flow.CertificateCommonName, func(_ *testing.T, ca *authority) *x509.Certificate { return ca.issue("ann") }, ""},
		{"common name of nobody", flow.CertificateCommonName, func(_ *testing.T, ca *authority) *x509.Certificate { return ca.issue("eve") }, "x509.unknown"},
		{"common name that is an address", flow.CertificateCommonName, func(_ *testing.T, ca *authority) *x509.Certificate { return ca.issue("ann@example.com") }, "x509.unknown"},
		{"names are not asked for", "", func(_ *testing.T, ca *authority) *x509.Certificate { return ca.issue("ann") }, "x509.unknown"},
		{"address", flow.CertificateEmail, func(_ *testing.T, ca *authority) *x509.Certificate { return ca.issue("x", mailed("ann@example.com")) }, ""},
		{"address that was not verified", flow.CertificateEmail, func(_ *testing.T, ca *authority) *x509.Certificate { return ca.issue("x", mailed("bob@example.com")) }, "x509.unknown"},
		{"two addresses", flow.CertificateEmail, func(_ *testing.T, ca *authority) *x509.Certificate {
			return ca.issue("x", mailed("ann@example.com", "bob@example.com"))
		}, "x509.unknown"},
		{"principal name", flow.CertificateUPN, func(t *testing.T, ca *authority) *x509.Certificate { return ca.issue("x", upn(t, "ann")) }, ""},
		{"two principal names", flow.CertificateUPN, func(t *testing.T, ca *authority) *x509.Certificate { return ca.issue("x", upn(t, "ann", "bob")) }, "x509.unknown"},
		{"principal name cut short", flow.CertificateUPN, func(t *testing.T, ca *authority) *x509.Certificate {
			return ca.issue("x", upn(t, "ann\x00@example.org"))
		}, "x509.unknown"},
		{"no principal name", flow.CertificateUPN, func(_ *testing.T, ca *authority) *x509.Certificate { return ca.issue("ann") }, "x509.unknown"},
		{"user id", flow.CertificateUserID, func(_ *testing.T, ca *authority) *x509.Certificate { return ca.issue("ann") }, "x509.unknown"},
		{"serial number", flow.CertificateSerialNumber, func(_ *testing.T, ca *authority) *x509.Certificate {
			return ca.issue("x", func(c *x509.Certificate) { c.Subject.SerialNumber = "ann" })
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, ca := certified(t, alone(), func(c *flow.Certificates) { c.Name = test.part })
			ann := &directory.User{Username: "ann", Email: "ann@example.com", EmailVerified: true}
			w.must(w.CreateUser(t.Context(), ann, goodPassword))
			w.user("bob")
			b := w.browser()
			page := b.certify(b.get(w.request(directory.Interaction{})), "method_x509", test.issue(t, ca))
			switch {
			case test.want != "" && page.message() != test.want:
				t.Errorf("got %v", page)
			case test.want == "" && page.answer(t).Subject.ID != ann.ID:
				t.Errorf("got %v", page)
			}
		})
	}
}

// Policies are kept to, and a card that asks for a PIN is two factors.
func TestCertificatePolicies(t *testing.T) {
	t.Parallel()
	oid := func(text string) x509.OID {
		o, err := x509.ParseOID(text)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	staff, pinned := oid("1.3.6.1.4.1.99999.1"), oid("1.3.6.1.4.1.99999.2")
	w, ca := certified(t, alone(), func(c *flow.Certificates) {
		c.Policies, c.CardPolicies = []x509.OID{staff, pinned}, []x509.OID{pinned}
	})
	ann := w.user("ann")
	of := func(policies ...x509.OID) *x509.Certificate {
		cert := ca.issue("Ann", func(c *x509.Certificate) { c.Policies = policies })
		w.bind(ann, cert)
		return cert
	}
	sign := func(cert *x509.Certificate) page {
		b := w.browser()
		return b.certify(b.get(w.request(directory.Interaction{})), "method_x509", cert)
	}
	if page := sign(of()); page.message() != "x509.refused" {
		t.Errorf("without a policy: %v", page)
	}
	if page := sign(of(oid("1.3.6.1.4.1.99999.3"))); page.message() != "x509.refused" {
		t.Errorf("of another policy: %v", page)
	}
	if r := sign(of(staff)).answer(t); assess(r).ACR != directory.ACR1 {
		t.Errorf("got %+v", assess(r))
	}
	if r := sign(of(staff, pinned)).answer(t); assess(r).ACR != directory.ACR2 || !slices.Equal(assess(r).AMR, []string{"hwk", "sc", "pin", "mfa"}) {
		t.Errorf("got %+v", assess(r))
	}
}

// What is missing is told by New, all at once.
func TestCertificatesWithoutWhatTheyNeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, alone())
	config := w.config
	config.Certificates = &flow.Certificates{Header: "X-Cert", Name: "shoe-size", URL: "cards.example.com"}
	_, err := flow.New(config)
	for _, want := range []string{"Roots", "Revoked", "Header", "shoe-size", "URL"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in %v", want, err)
		}
	}
	config.Certificates = &flow.Certificates{Roots: x509.NewCertPool(), InsecureIgnoreRevocation: true, URL: "https://cards.example.com"}
	config.Plans = map[string]flow.Plan{"login": flow.Login("x509")}
	if _, err := flow.New(config); err != nil {
		t.Error(err)
	}
}

// Programs have no page to leave: a login of certificates alone is refused them when it begins, and another does not offer it.
func TestCertificateForPrograms(t *testing.T) {
	t.Parallel()
	w, _ := certified(t, alone())
	for _, plan := range []flow.Plan{flow.Login("x509"), flow.Login("password", "x509")} {
		config := w.config
		config.Plans = map[string]flow.Plan{"login": plan}
		engine, err := flow.New(config)
		w.must(err)
		w.engine = engine
		said := w.program(directory.Interaction{}).say(nil)
		if only := len(plan.Steps()[0].Options) == 1; only && (said.Status != http.StatusNotImplemented || said.Code != "ABA-60006") ||
			!only && (said.Status != http.StatusOK || len(said.NextStep.Authenticators) != 1) {
			t.Errorf("got %d %s", said.Status, said.Text)
		}
	}
}

// A store that fails anywhere on the way back is 503, and signs nobody in; afterwards the same person gets in.
func TestFailingStoreWithACertificate(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		w, ca := certified(t, alone())
		ann, card := w.user("ann"), ca.issue("Ann")
		w.bind(ann, card)
		b := w.browser()
		back := b.carry(b.submit(b.get(w.request(directory.Interaction{})), "action", "method_x509"), present(card))
		w.faults.FailCall(n, nil)
		page := b.get(back)
		reached := !w.faults.Waits()
		w.faults.Heal()
		if reached && page.Result == nil && page.Status != 503 {
			t.Errorf("call %d: %v", n, page)
		}
		if r := b.get(w.request(directory.Interaction{})); r.Result == nil {
			b.certify(r, "method_x509", card).answer(t)
		}
		if !reached {
			break
		}
	}
}

// Whether a chain was revoked is asked of who knows, and who cannot say refuses.
func TestAttackRevokedCertificate(t *testing.T) {
	t.Parallel()
	var verdict error
	var asked []*x509.Certificate
	w, ca := certified(t, alone(), func(c *flow.Certificates) {
		c.InsecureIgnoreRevocation = false
		c.Revoked = func(_ context.Context, chain []*x509.Certificate) error { asked = chain; return verdict }
	})
	card := ca.issue("Ann")
	w.bind(w.user("ann"), card)
	for _, test := range []struct {
		err  error
		want string
	}{{flow.ErrCertificateRevoked, "x509.refused"}, {errors.New("no answer"), "x509.unchecked"}, {nil, ""}} {
		verdict = test.err
		b := w.browser()
		page := b.certify(b.get(w.request(directory.Interaction{})), "method_x509", card)
		if page.message() != test.want || (page.Result != nil) != (test.want == "") {
			t.Errorf("%v: %v", test.err, page)
		}
		if len(asked) != 2 || !asked[0].Equal(card) || !asked[1].Equal(ca.cert) {
			t.Errorf("asked about %d certificates", len(asked))
		}
	}
}
