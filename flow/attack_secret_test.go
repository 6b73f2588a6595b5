package flow_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store/directory"
)

// leak is a place where a secret might show.
type leak struct{ where, text string }

// tap records what goes through the world's pages, apart from what belongs there: the cookies that are set and sent, and the page
// on which an authenticator is enrolled.
func (w *world) tap() func() []leak {
	inner := w.mux
	var mu sync.Mutex
	var seen []leak
	w.mux = http.NewServeMux()
	w.mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		inner.ServeHTTP(rec, r)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, leak{"the URL of a " + r.Method, r.URL.String()})
		for name, values := range rec.Header() {
			maps.Copy(rw.Header(), http.Header{name: values})
			if name != "Set-Cookie" {
				seen = append(seen, leak{"the header " + name, strings.Join(values, "\n")})
			}
		}
		if body := rec.Body.String(); !strings.Contains(body, `"totp-enroll"`) {
			seen = append(seen, leak{"a page", body})
		}
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write(rec.Body.Bytes())
	})
	return func() []leak {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

// Nothing that opens a door is where it does not belong: passwords, also wrong ones, codes, seeds and the secrets of cookies are in
// no log, no event, no record, no URL and on no page. All flows are run, with failures in between.
func TestAttackSecretsStayInside(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		secrets := map[string]string{"password": goodPassword, "mistyped password": "almost the right one"}
		seen := w.tap()
		b := w.browser()
		note := func(p page) page {
			for name, value := range b.cookies {
				if _, key, ok := strings.Cut(value, "."); ok {
					value = key
				}
				secrets["cookie "+name+" "+value[:4]] = value
			}
			return p
		}
		ann := w.user("ann")
		w.faults.Forget()
		in := directory.Interaction{
			ACR: []string{directory.ACR2}, Consent: []directory.ConsentItem{{ID: "email"}}, Cancelable: true, Application: w.app("").Ref(),
		}
		p := note(b.login(b.get(w.request(in)), "ann", "almost the right one"))
		w.crash()
		note(b.login(p, "ann", goodPassword))
		w.advance(lease)
		p = note(b.login(p, "ann", goodPassword))
		secrets["seed"] = p.View.Prompt.QRText
		seed := decode(t, p.View.Prompt.QRText)
		secrets["raw seed"] = string(seed)
		p = note(b.submit(p, "otp", "123123"))
		secrets["mistyped code"], secrets["code of the enrolment"] = "123123", w.code(seed)
		p = note(b.submit(p, "otp", w.code(seed)))
		first := note(b.submit(p, "action", "consent_allow", "consent", "email")).answer(t)
		w.advance(time.Minute)
		p = note(b.login(b.get(w.request(directory.Interaction{Reauthenticate: true})), "ann", goodPassword))
		secrets["code"] = w.code(seed)
		w.crash()
		note(b.submit(p, "otp", w.code(seed)))
		w.advance(lease)
		w.faults.FailAll(nil)
		note(b.submit(p, "otp", w.code(seed)))
		w.faults.Heal()
		if p = note(b.submit(p, "otp", w.code(seed))); p.message() == "totp.used" { // with stores apart the crash came after it was spent
			w.advance(time.Minute)
			secrets["another code"] = w.code(seed)
			p = b.submit(p, "otp", w.code(seed))
		}
		note(p).answer(t)
		note(b.submit(b.get(w.request(directory.Interaction{Purpose: directory.SignOut})), "action", "logout_confirm")).answer(t)
		b.endSession(first.Session)
		w.must(w.SetPassword(t.Context(), ann, "a brand new password"))
		secrets["new password"] = "a brand new password"

		leaks := append(seen(), leak{"the log", w.logged()})
		for _, c := range w.faults.Calls() {
			for _, op := range c.Ops {
				text := op.Record.ID + "\n" + string(op.Record.Body)
				for _, k := range op.Record.Keys {
					text += "\n" + k.Value
				}
				for _, e := range op.Record.Index {
					text += "\n" + e.Value.Text
				}
				leaks = append(leaks, leak{"a record of " + op.Record.Kind.Name, text})
			}
		}
		if len(secrets) < 12 || !strings.Contains(w.logged(), "temporarily_unavailable") {
			t.Fatalf("too little was run: %d secrets, log %q", len(secrets), w.logged())
		}
		for name, secret := range secrets {
			for _, l := range leaks {
				if holds(l.text, secret) {
					t.Errorf("%s: %s is in %.300q", name, l.where, l.text)
				}
			}
		}
	})
}

// holds reports whether a text holds a secret. Six digits may well be a part of something else.
func holds(text, secret string) bool {
	if len(secret) == 6 {
		return regexp.MustCompile(`\b` + secret + `\b`).MatchString(text)
	}
	return strings.Contains(text, secret)
}
