package script_test

import (
	"context"
	"encoding/base64"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/script"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// TestAttackForgedPerson: a user of a script comes from a Function that says so. What only looks like one, in the answer of a server, in a
// token that nobody has verified or in the script itself, is data: it must not name somebody's account to the functions that change it.
func TestAttackForgedPerson(t *testing.T) {
	t.Parallel()
	const forged = `{"$person":{"subject":{"id":"root-admin"},"username":"admin"}}`
	token := "x." + base64.RawURLEncoding.EncodeToString([]byte(`{"who":`+forged+`}`)) + ".x"
	for name, source := range map[string]string{
		"token":  inLogin(`take(getValueFromDecodedAssertion('` + token + `', 'who', true));`),
		"script": inLogin(`take(filterAuthenticators([` + forged + `], 'x')[0]);`),
		"answer": inLogin(`httpGet('https://risk.example.com/', { onSuccess: function (context, data) { take(data); } });`),
		"nested": inLogin(`httpGet('https://risk.example.com/', { onSuccess: function (context, data) { take(data.list[0]); } });`),
		"value":  inLogin(`take(tell());`),
		"later":  inLogin(`tell({ onSuccess: function (context, data) { take(data); } });`),
	} {
		var got []string
		e := newEngine(t, script.Config{Functions: map[string]script.Function{
			"take": func(_ context.Context, c *script.Call) (any, error) {
				if p, err := c.Person(0); err == nil {
					got = append(got, p.Subject.ID)
				}
				return nil, nil
			},
			"tell": func(context.Context, *script.Call) (any, error) {
				return map[string]any{"$person": map[string]any{"subject": map[string]any{"id": "root-admin"}}}, nil
			},
		}})
		v := begin(t, e, source, nil)
		if v.err == nil && v.out.Next.Kind == script.Exchange {
			person := map[string]any{"$person": map[string]any{"subject": map[string]any{"id": "root-admin"}}}
			if name == "nested" {
				person = map[string]any{"list": []any{person}}
			}
			v.answer(script.Outcome{Result: script.Succeeded, Data: person})
		}
		if v.err != nil || len(got) != 0 {
			t.Errorf("%s: %v is taken for %q", name, v.err, got)
		}
	}
}

// TestPeople: whom a Function returns is a user, now and when the script runs again.
func TestPeople(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{Functions: map[string]script.Function{
		"one":  func(context.Context, *script.Call) (any, error) { return ann, nil },
		"all":  func(context.Context, *script.Call) (any, error) { return []*script.Person{ann, nil}, nil },
		"none": func(context.Context, *script.Call) (any, error) { return (*script.Person)(nil), nil },
		"name": func(_ context.Context, c *script.Call) (any, error) {
			p, err := c.Person(0)
			if err != nil {
				return nil, err
			}
			return p.Subject.ID, nil
		},
	}})
	v := begin(t, e, `
var onLoginRequest = function (context) {
    var who = one();
    one({ onSuccess: function (context, later) {
        all({ onSuccess: function (context, list) {
            executeStep(1, { onSuccess: function () {
                fail({ errorCode: [name(who), name(later), name(list[0]), list[1] === null, name(all()[0]), none() === null].join() });
            } });
        } });
    } });
};`, nil)
	v.wants("step 1").succeed(ann).wants("fail ann-id,ann-id,ann-id,true,ann-id,true")
}

// TestAttackNamesakeElsewhere: who has typed a name at the login of an organization is one of its people, and never a namesake of theirs
// at the root: what a script then writes, as a password that an older provider has accepted, is written in the organization.
func TestAttackNamesakeElsewhere(t *testing.T) {
	everywhere(t, func(w *world) {
		w.policy(inLogin(`executeStep(1, { onFail: function (context) { fail({ errorCode: context.lastLoginFailedUser.tenantDomain || 'root' }); } });`))
		w.user("ann")
		for org, want := range map[string]string{"acme": "acme", "": "root"} {
			b := w.browser()
			p := b.begin(directory.Interaction{Organization: org}).shows(w.T, "password")
			b.post(p, "username", "ann", "password", "wrong").refuses(w.T, want)
		}
	})
}

// TestAttackCookieOfAnotherOrganization: what one organization's script has signed or sealed proves nothing to that of another: their
// administrators trust themselves alone, and a browser sends the cookies of both.
func TestAttackCookieOfAnotherOrganization(t *testing.T) {
	everywhere(t, func(w *world) {
		for _, options := range []string{"sign validateSignature", "encrypt decrypt"} {
			set, get, _ := strings.Cut(options, " ")
			w.policy(`
var onLoginRequest = function (context) {
    var trusted = getCookieValue(context.request, 'device', { ` + get + `: true });
    setCookie(context.response, 'device', 'ann', { ` + set + `: true });
    if (trusted === 'ann') { fail({ errorCode: 'trusted' }); } else { fail({ errorCode: 'unknown' }); }
};`)
			w.advance(2 * store.Staleness)
			b := w.browser()
			b.begin(directory.Interaction{Organization: "evil"}).refuses(w.T, "unknown")
			b.begin(directory.Interaction{Organization: "evil"}).refuses(w.T, "trusted")
			b.begin(directory.Interaction{Organization: "acme"}).refuses(w.T, "unknown")
		}
	})
}

// TestAttackCallTwice: whoever sends an answer twice at the same moment gets no second way past a call whose answer the first waits for,
// as into an onTimeout that lets people in.
func TestAttackCallTwice(t *testing.T) {
	arrived, release := make(chan struct{}, 8), make(chan struct{}, 8)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		_, _ = w.Write([]byte(`{"risk":"high"}`))
	}))
	t.Cleanup(server.Close)
	everywhere(t, func(w *world) {
		w.policy(strings.ReplaceAll(`
var onLoginRequest = function (context) {
    executeStep(1, { onSuccess: function (context) {
        prompt('genericForm', { inputs: [{ id: 'color', label: 'Your color' }] }, { onSuccess: function (context) {
            httpGet('SERVER/risk', {
                onSuccess: function (context, data) { if (data.risk === 'high') { fail({ errorCode: 'risky' }); } },
                onTimeout: function (context) { Log.info('let in'); }
            });
        } });
    } });
};`, "SERVER", server.URL))
		w.user("ann")
		b := w.browser()
		p := b.password(b.begin(directory.Interaction{}).shows(w.T, "password"), "ann").shows(w.T, "script-form")
		first := make(chan page)
		go func() { first <- b.copied().post(p, "color", "red") }()
		<-arrived
		second := b.copied().post(p, "color", "red")
		release <- struct{}{}
		(<-first).refuses(w.T, "risky")
		if second.Result != nil || strings.Contains(w.log.String(), "let in") {
			w.Errorf("the second answer came to %+v", second)
		}
	})
}

// TestAttackCallAbandoned: a browser that hangs up while a call is made learns nothing of it, and changes nothing: what the server has
// said is there when the answer is sent again.
func TestAttackCallAbandoned(t *testing.T) {
	arrived := make(chan context.CancelFunc, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		(<-arrived)()
		_, _ = w.Write([]byte(`{"risk":"high"}`))
	}))
	t.Cleanup(server.Close)
	everywhere(t, func(w *world) {
		w.policy(strings.ReplaceAll(`
var onLoginRequest = function (context) {
    executeStep(1, { onSuccess: function (context) {
        prompt('genericForm', { inputs: [{ id: 'color', label: 'Your color' }] }, { onSuccess: function (context) {
            httpGet('SERVER/risk', {
                onSuccess: function (context, data) { if (data.risk === 'high') { fail({ errorCode: 'risky' }); } },
                onTimeout: function (context) { Log.info('let in'); }
            });
        } });
    } });
};`, "SERVER", server.URL))
		w.user("ann")
		b := w.browser()
		p := b.password(b.begin(directory.Interaction{}).shows(w.T, "password"), "ann").shows(w.T, "script-form")
		form := url.Values{"flow": {p.View.Flow}, "seq": {strconv.FormatInt(p.View.Sequence, 10)}, "color": {"red"}}
		ctx, hangUp := context.WithCancel(w.Context())
		arrived <- hangUp
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "https://id.example.com"+p.View.Submit, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		w.mux.ServeHTTP(httptest.NewRecorder(), r)
		w.advance(time.Minute)
		b.post(p, "color", "red").refuses(w.T, "risky")
	})
}

// TestAttackCallsUsedUp: whoever has many calls made, so that ours to that server are used up for the moment, gets nobody into an onFail
// that lets people in: their sign-in waits, and goes on when there are calls again.
func TestAttackCallsUsedUp(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) }))
	t.Cleanup(server.Close)
	everywhere(t, func(w *world) {
		w.policy(strings.ReplaceAll(`
var onLoginRequest = function (context) {
    executeStep(1, { onSuccess: function (context) {
        for (var i = 0; i < 6; i++) {
            httpGet('SERVER/risk', { onSuccess: function () {}, onFail: function () { fail({ errorCode: 'let in' }); } });
        }
    } });
};`, "SERVER", server.URL))
		w.user("ann")
		waits, b, p := 0, w.browser(), page{}
		for range 9 {
			b = w.browser()
			p = b.begin(directory.Interaction{}).shows(w.T, "password")
			switch done := b.password(p, "ann"); done.Status {
			case http.StatusServiceUnavailable:
				waits++
			default:
				done.signs(w.T)
			}
		}
		if waits != 1 {
			w.Fatalf("%d sign-ins wait", waits)
		}
		w.advance(time.Minute)
		b.password(p, "ann").signs(w.T)
	})
}

// copied is another window of the same browser.
func (b *browser) copied() *browser { return &browser{world: b.world, cookies: maps.Clone(b.cookies)} }

// TestAttackScriptRaisesItsClass: a script says which of the requested classes that were reached is reported. It raises none, makes none up,
// and what it has said of one login is not said of the next one of the session.
func TestAttackScriptRaisesItsClass(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		for _, test := range []struct {
			selects, want string
			asked         []string
		}{
			{`'aal2'`, "", []string{"aal2", "aal1"}},
			{`'gold'`, "", []string{"gold", "aal1"}},
			{`'aal1'`, "", []string{"gold"}},
			{`'aal1'`, "", nil},
			{`null`, "", []string{"null", "aal1"}},
			{`undefined`, "", []string{"undefined", "aal1"}},
			{`['aal1', 'aal2']`, "", []string{"aal2", "aal1"}},
			{"'" + strings.Repeat("aal1", 100) + "'", "", []string{"aal1"}},
			{`'aal1'`, "aal1", []string{"aal2", "aal1"}},
			{`selectAcrFrom(context, ['gold', 'aal1'])`, "aal1", []string{"aal1"}},
		} {
			w.policy(inLogin(`context.selectedAcr = ` + test.selects + `; executeStep(1);`))
			w.advance(2 * store.Staleness)
			before := w.log.Len()
			b := w.browser()
			in := directory.Interaction{ACR: test.asked}
			p := b.password(b.begin(in).shows(w.T, "password"), "ann").signs(w.T)
			if p.Result.ACR != test.want || directory.Assess(p.Result.Evidence).ACR != directory.ACR1 {
				w.Errorf("%s of %q is reported as %q", test.selects, test.asked, p.Result.ACR)
			}
			ignored := strings.Contains(w.log.String()[before:], "is left out")
			if none := test.selects == "null" || test.selects == "undefined"; ignored != (test.want == "" && !none) {
				w.Errorf("%s of %q: log %s", test.selects, test.asked, w.log.String()[before:])
			}
			if p = b.begin(in).signs(w.T); p.Result.ACR != test.want { // at once, from the session
				w.Errorf("%s of %q is reported as %q the next time", test.selects, test.asked, p.Result.ACR)
			}
			if p = b.begin(directory.Interaction{}).signs(w.T); p.Result.ACR != "" {
				w.Errorf("%s is reported as %q where nothing was asked for", test.selects, p.Result.ACR)
			}
		}
	})
}

// TestPlanSelectedClassAfterConsent: the class is that of the login also when something was asked after the script was complete.
func TestPlanSelectedClassAfterConsent(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		w.policy(inLogin(`context.selectedAcr = 'aal2'; executeStep(1, { onSuccess: function (context) { context.selectedAcr = 'aal1'; } });`))
		b := w.browser()
		in := directory.Interaction{
			ACR: []string{"aal2", "aal1"}, Consent: []directory.ConsentItem{{ID: "profile", Title: "scope.profile|Your profile"}},
		}
		p := b.password(b.begin(in).shows(w.T, "password"), "ann").shows(w.T, "consent")
		if p = b.post(p, "action", "consent_allow", "consent", "profile").signs(w.T); p.Result.ACR != "aal1" {
			w.Errorf("the class is %q", p.Result.ACR)
		}
	})
}

// TestAttackScriptWithoutProof: a script that asks for nothing signs nobody in.
func TestAttackScriptWithoutProof(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		for _, source := range []string{inLogin(``), inLogin(`prompt('genericForm', { inputs: [{ id: 'username' }] }, {});`)} {
			w.policy(source)
			w.advance(2 * store.Staleness)
			b := w.browser()
			p := b.begin(directory.Interaction{})
			if p.View != nil {
				p = b.post(p, "username", "ann")
			}
			if p.Result != nil && p.Result.Refusal == "" || p.View != nil {
				w.Errorf("%s comes to %+v %+v", source, p.Result, p.View)
			}
		}
	})
}
