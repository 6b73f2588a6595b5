package service_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/store/directory"
)

// A service that is down, slow, or says something else than the contract has signs nobody in, by any kind of step, and the page says how to go
// on.
func TestAttackAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	const down, failed, denied = "cannot be reached just now", "Something went wrong on the way back", "did not sign you in"
	ok := func(id string) string { return `{"actionStatus":"SUCCESS","data":{"user":{"id":"` + id + `"}}}` }
	w := alone(t)
	ann := w.user("ann")
	for name, test := range map[string]struct {
		status int
		text   string
		want   string
	}{
		"failed":             {200, `{"actionStatus":"FAILED","failureReason":"<b>wrong</b>","failureDescription":"x"}`, denied},
		"failed with a user": {200, `{"actionStatus":"FAILED","data":{"user":{"id":"` + ann.ID + `"}}}`, denied},
		"error 400":          {400, `{"actionStatus":"ERROR","errorMessage":"x","errorDescription":"y"}`, down},
		"error 500":          {500, `{"actionStatus":"ERROR"}`, down},
		"success by 500":     {500, ok(ann.ID), down},
		"success by 201":     {201, ok(ann.ID), down},
		"error by 200":       {200, `{"actionStatus":"ERROR"}`, failed},
		"redirect":           {302, ok(ann.ID), down},
		"nothing":            {200, ``, failed},
		"empty":              {200, `{}`, failed},
		"text":               {200, `SUCCESS`, failed},
		"list":               {200, `[` + ok(ann.ID) + `]`, failed},
		"case":               {200, `{"actionstatus":"SUCCESS","data":{"user":{"id":"` + ann.ID + `"}}}`, failed},
		"twice":              {200, `{"actionStatus":"FAILED","actionStatus":"SUCCESS","data":{"user":{"id":"` + ann.ID + `"}}}`, failed},
		"two ids":            {200, `{"actionStatus":"SUCCESS","data":{"user":{"id":"x","id":"` + ann.ID + `"}}}`, failed},
		"more behind":        {200, ok(ann.ID) + ok("x"), failed},
		"deep":               {200, `{"actionStatus":"SUCCESS","data":` + strings.Repeat(`[`, 50) + strings.Repeat(`]`, 50) + `}`, failed},
		"huge":               {200, `{"actionStatus":"SUCCESS","filler":"` + strings.Repeat("x", 1<<20) + `","data":{"user":{"id":"` + ann.ID + `"}}}`, failed},
		"incomplete":         {200, `{"actionStatus":"INCOMPLETE","data":{"user":{"id":"` + ann.ID + `"}}}`, failed},
	} {
		w.remote.says(test.status, test.text)
		for _, step := range []string{"who", "ext", "face"} {
			b := w.browser()
			p := b.begin()
			if step == "face" {
				p = b.follow(b.press(b.typed(p, "ann"), "federated"))
			} else {
				p = b.follow(b.press(p, "method_"+step))
			}
			if p.result() != nil || !strings.Contains(p.body, test.want) || !strings.Contains(p.body, "Face Ltd.") && !strings.Contains(p.body, "method_") ||
				strings.Contains(p.body, "wrong</b>") {
				t.Errorf("%s at %s: %d at %s\n%s", name, step, p.status, p.at, p.body)
			}
		}
		if asked := len(w.remote.questions()); asked != 3 {
			t.Errorf("%s: asked %d times in 3 steps", name, asked)
		}
	}
}

// A service that does not answer is given up, and one that is gone.
func TestAttackSlowService(t *testing.T) {
	t.Parallel()
	w := alone(t, func(c *service.Endpoint) { c.Timeout = short })
	w.remote.slow()
	b := w.browser()
	b.isOut(b.follow(b.press(b.begin(), "method_who")), "cannot be reached just now")
	b.isOut(b.follow(b.press(b.begin(), "method_ext")), "cannot be reached just now")
	w.remote.Listener.Close()
	b.isOut(b.follow(b.press(b.begin(), "method_who")), "cannot be reached just now")
}

// A service names somebody who does not exist, who may not sign in, who lives elsewhere; or, as a second factor, somebody else.
func TestAttackServiceNamesAnother(t *testing.T) {
	t.Parallel()
	w := alone(t)
	ann, bob, eve := w.user("ann"), w.user("bob"), w.user("eve")
	eve.Disabled = true
	w.must(w.ReplaceUser(t.Context(), eve))
	const nobody = "Nobody here is connected"
	for name, test := range map[string]struct{ user, want string }{
		"nobody":          {``, nobody},
		"no id":           {`,"data":{"user":{}}`, nobody},
		"an unknown id":   {`,"data":{"user":{"id":"00000000-0000-4000-8000-000000000000"}}`, nobody},
		"a name":          {`,"data":{"user":{"id":"ann"}}`, nobody},
		"a path":          {`,"data":{"user":{"id":"../` + ann.ID + `"}}`, nobody},
		"another store":   {`,"data":{"user":{"id":"` + ann.ID + `","userStore":{"id":"x","name":"ELSEWHERE"}}}`, nobody},
		"somebody barred": {`,"data":{"user":{"id":"` + eve.ID + `"}}`, "That account cannot sign in"},
	} {
		w.remote.says(http.StatusOK, `{"actionStatus":"SUCCESS"`+test.user+`}`)
		b := w.browser()
		p := b.follow(b.press(b.begin(), "method_who"))
		if p.result() != nil || !strings.Contains(p.body, test.want) {
			t.Errorf("%s: %d at %s\n%s", name, p.status, p.at, p.body)
		}
	}
	for name, user := range map[string]string{
		"another": `{"id":"` + bob.ID + `"}`, "no id": `{}`, "a name": `{"id":"ann"}`,
	} {
		w.remote.says(http.StatusOK, `{"actionStatus":"SUCCESS","data":{"user":`+user+`}}`)
		b := w.browser()
		p := b.follow(b.press(b.typed(b.begin(), "ann"), "federated"))
		if p.result() != nil || !strings.Contains(p.body, "has confirmed somebody else") {
			t.Errorf("%s: %d at %s\n%s", name, p.status, p.at, p.body)
		}
	}
	w.remote.says(http.StatusOK, `{"actionStatus":"SUCCESS","data":{"user":{"id":"`+ann.ID+`"}}}`)
	b := w.browser()
	if r := b.isIn(b.follow(b.press(b.typed(b.begin(), "ann"), "federated"))); r.Subject.ID != ann.ID {
		t.Errorf("got %+v", r)
	}
	w.in.HintSubject, w.in.Reauthenticate = bob.ID, true // somebody else than the request is about
	b = w.browser()
	p := b.follow(b.press(b.begin(), "method_who"))
	if r := p.result(); r == nil || r.Refusal != directory.LoginRequired {
		t.Errorf("got %d at %s\n%s", p.status, p.at, p.body)
	}
}

// A service, or whoever speaks for it, sends people to its own origin and those that are listed, and nowhere else.
func TestAttackServiceRedirects(t *testing.T) {
	t.Parallel()
	end := service.Endpoint{URL: "https://service.example/ask", Redirects: []string{"https://login.example:8443"}}
	for to, want := range map[string]bool{
		"https://service.example/look?x=1#y": true, "https://login.example:8443/": true, "https://service.example": true,
		"http://service.example/": false, "https://service.example.evil.example/": false, "https://evil.example/": false, "//service.example/": false,
		"/look": false, "": false, "https://login.example/": false, "https://ann@service.example/": false, "https://service.example@evil.example/": false,
		`https://service.example\@evil.example/`: false, `https:\/\/service.example/`: false, "https:service.example": false,
		"javascript:alert(1)//https://service.example/": false, " https://service.example/": false, "https://service.example/\t": false,
		"https://SERVICE.example/": false, "https://service.example:443/": false, "https://service.exämple/": false,
		"https://service.example/" + strings.Repeat("x", 2048): false,
	} {
		body := `{"actionStatus":"INCOMPLETE","operations":[{"op":"redirect","url":` + quote(to) + `}]}`
		if _, got, err := service.ReadAnswer(end, http.StatusOK, []byte(body)); (err == nil) != want || want && got != to {
			t.Errorf("%q: %q, %v", to, got, err)
		}
	}
	good := `{"op":"redirect","url":"https://service.example/"}`
	for _, operations := range []string{``, `null`, good + `,` + good, `{"op":"replace","url":"https://service.example/"}`, `{"op":"redirect"}`} {
		if _, _, err := service.ReadAnswer(end, http.StatusOK, []byte(`{"actionStatus":"INCOMPLETE","operations":[`+operations+`]}`)); err == nil {
			t.Errorf("%s is taken", operations)
		}
	}
}

// The way back is for the browser and the flow that have left, and the service is not asked without end.
func TestAttackWayBackOfAnother(t *testing.T) {
	t.Parallel()
	w := alone(t)
	w.in.Application = w.never().Ref()
	ann := w.user("ann")
	w.remote.says(http.StatusOK, `{"actionStatus":"SUCCESS","data":{"user":{"id":"`+ann.ID+`"}}}`)
	attacker, victim := w.browser(), w.browser()
	back := attacker.press(attacker.begin(), "method_who").next
	if p := victim.open(back); p.status != http.StatusForbidden || victim.begin().result() != nil {
		t.Errorf("another browser: %d at %s", p.status, p.at)
	}
	own := victim.press(victim.begin(), "method_who").next
	flowOf := func(to string) string {
		u, err := url.Parse(to)
		w.must(err)
		id, _, _ := strings.Cut(u.Query().Get("flowId"), ".")
		return id
	}
	for name, to := range map[string]string{
		"a guess":       w.services.RedirectURL("who") + "?flowId=" + flowOf(own) + ".guess",
		"the flow bare": w.services.RedirectURL("who") + "?flowId=" + flowOf(own),
	} {
		victim.isOut(victim.open(to), "Something went wrong")
		if len(w.remote.questions()) > 0 {
			t.Fatalf("%s: the service was asked", name)
		}
		own = victim.press(victim.begin(), "method_who").next
	}
	if p := victim.open(strings.Replace(own, "/callback/who", "/callback/ext", 1)); p.result() != nil || len(w.remote.questions()) > 0 {
		t.Errorf("at another step: %d at %s", p.status, p.at)
	}
	victim.isIn(victim.open(own))

	rounds := 0
	w.remote.does(func(rw http.ResponseWriter, question map[string]any) {
		rounds++
		id, _ := question["flowId"].(string)
		_, _ = io.WriteString(rw, `{"actionStatus":"INCOMPLETE","operations":[{"op":"redirect","url":"`+w.remote.URL+`/look?flowId=`+url.QueryEscape(id)+`"}]}`)
	})
	w.remote.visit = func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, w.services.RedirectURL("who")+"?"+r.URL.RawQuery, http.StatusSeeOther)
	}
	b := w.browser()
	b.isOut(b.follow(b.press(b.begin(), "method_who")), "Something went wrong")
	if rounds != 10 {
		t.Errorf("asked %d times", rounds)
	}
}

// A service with people of its own does not get at those of the directory: not by their ids, and not by an address that it does not vouch for.
func TestAttackExternalServiceNamesOurs(t *testing.T) {
	t.Parallel()
	w := alone(t)
	w.in.Application = w.never().Ref()
	victim := &directory.User{Username: "ann", Email: "ann@example.com", EmailVerified: true}
	w.must(w.CreateUser(t.Context(), victim, goodPassword))
	for _, claims := range []string{
		``, `,"claims":[{"uri":"http://wso2.org/claims/username","value":"ann"}]`,
		`,"claims":[{"uri":"http://wso2.org/claims/emailaddress","value":"ann@example.com"}]`,
		`,"claims":[{"uri":"http://wso2.org/claims/emailaddress","value":["ann@example.com"]},{"uri":"http://wso2.org/claims/identity/emailVerified","value":"yes"}]`,
	} {
		w.remote.says(http.StatusOK, `{"actionStatus":"SUCCESS","data":{"user":{"id":"`+victim.ID+`"`+claims+`}}}`)
		b := w.browser()
		if r := b.isIn(b.follow(b.press(b.begin(), "method_ext"))); r.Subject.ID == victim.ID {
			t.Errorf("%s: signed in as the victim", claims)
		}
	}
	w.in.Reauthenticate = true // of which the service can tell nothing
	b := w.browser()
	b.isOut(b.follow(b.press(b.begin(), "method_ext")), "could not confirm")
}

func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch r {
		case '\\', '"':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\t':
			b.WriteString(`\t`)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func FuzzAnswer(f *testing.F) {
	end := service.Endpoint{URL: "https://service.example/ask"}
	for _, seed := range []string{
		`{"actionStatus":"SUCCESS","data":{"user":{"id":"x","claims":[{"uri":"u","value":["v"]}],"groups":["g"],"userStore":{"id":"i","name":"n"}}}}`,
		`{"actionStatus":"INCOMPLETE","operations":[{"op":"redirect","url":"https://service.example/"}]}`,
		`{"actionStatus":"FAILED","failureReason":"r","failureDescription":"d"}`, `{"actionStatus":"ERROR"}`, `null`, `{`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		said, to, err := service.ReadAnswer(end, http.StatusOK, []byte(body))
		switch {
		case err != nil && (said != "" || to != ""):
			t.Errorf("%q is %q in spite of %v", body, said, err)
		case err == nil && said == "INCOMPLETE" && !strings.HasPrefix(to, "https://service.example"):
			t.Errorf("%q leads to %q", body, to)
		}
	})
}
