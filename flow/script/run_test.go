package script_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/script"
	"github.com/signet-idp/signet/store"
)

var (
	ann = &script.Person{Subject: store.Ref{ID: "ann-id"}, Username: "ann", Identifier: "ann@example.com"}
	two = [][]script.Option{
		{{Authenticator: "BasicAuthenticator"}, {IDP: "Google", Authenticator: "GoogleOIDCAuthenticator"}},
		{{Authenticator: "totp"}, {Authenticator: "FIDOAuthenticator"}},
	}
)

// visit is one login by a script, as a flow would drive it.
type visit struct {
	t       testing.TB
	engine  *script.Engine
	program *script.Program
	memory  script.Memory
	login   script.Login
	out     script.Output
	err     error
}

// begin admits a script and runs it for the first time.
func begin(t testing.TB, e *script.Engine, source string, libraries map[string]string) *visit {
	t.Helper()
	p, err := e.Compile(source, libraries)
	if err != nil {
		t.Fatal(err)
	}
	v := &visit{t: t, engine: e, program: p, login: script.Login{
		Now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Application: "shop", Steps: two,
		Browser: script.Browser{Address: "192.168.1.7", Header: map[string][]string{"User-Agent": {"Firefox"}}},
	}}
	v.run()
	return v
}

// run runs the script over what is remembered, which passes through JSON as it does in a store.
func (v *visit) run() {
	v.t.Helper()
	text, err := json.Marshal(v.memory)
	if err != nil {
		v.t.Fatal(err)
	}
	v.memory = script.Memory{}
	if err := json.Unmarshal(text, &v.memory); err != nil {
		v.t.Fatal(err)
	}
	if v.out, v.err = v.engine.Run(v.t.Context(), v.program, v.memory, v.login); v.err == nil {
		v.memory = v.out.Memory
	}
}

// answer says what came of what the script wants, and runs it again a minute later.
func (v *visit) answer(o script.Outcome) *visit {
	v.t.Helper()
	if v.err != nil {
		v.t.Fatal(v.err)
	}
	v.login.Now = v.login.Now.Add(time.Minute)
	o.Node, o.Time = v.out.Next.ID, v.login.Now
	v.memory.Add(o)
	v.run()
	return v
}

func (v *visit) succeed(p *script.Person) *visit {
	v.t.Helper()
	return v.answer(script.Outcome{Result: script.Succeeded, Person: p, Option: script.Option{Authenticator: "BasicAuthenticator"}})
}

// wants fails the test unless the script wants this now: "step 1", "complete", "fail", "sendError", "prompt genericForm", "http".
func (v *visit) wants(want string) *visit {
	v.t.Helper()
	if v.err != nil {
		v.t.Fatalf("wants %s: %v", want, v.err)
	}
	n := v.out.Next
	got := string(n.Kind)
	switch n.Kind {
	case script.Step:
		got += fmt.Sprintf(" %d", n.Step)
		for _, o := range n.Options {
			got += " " + o.Authenticator + o.IDP
		}
	case script.Prompt:
		got += " " + n.Template
	case script.Fail:
		got += strings.TrimRight(" "+n.Failure.Code, " ")
	case script.ErrorPage:
		got += strings.TrimRight(" "+n.URL, " ")
	}
	if got != want {
		v.t.Fatalf("the script wants %q, not %q", got, want)
	}
	return v
}

func TestRunOrder(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{})
	// What stands after executeStep runs at once; what a callback asks for comes before what remains.
	v := begin(t, e, `
var trace = [];
var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            trace.push('one');
            executeStep(2, { onSuccess: function (context) { trace.push('inserted'); } });
        }
    });
    trace.push('after');
    executeStep(1, {
        stepOptions: { forceAuth: 'true' },
        authenticationOptions: [{ authenticator: 'BasicAuthenticator' }],
        authenticatorParams: { common: { a: 1 }, local: { BasicAuthenticator: { b: true } } }
    }, {
        onSuccess: function () { fail({ errorCode: trace.join(' ') }); }
    });
};`, nil)
	v.wants("step 1").succeed(ann).wants("step 2").succeed(ann).wants("step 1 BasicAuthenticator")
	if n := v.out.Next; !n.ForceAuth || n.Params.For(n.Options[0])["a"] != "1" || n.Params.For(n.Options[0])["b"] != "true" {
		t.Errorf("options: %+v", n)
	}
	v.succeed(ann).wants("fail after one inserted")
}

func TestRunObjects(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{Functions: map[string]script.Function{
		"user.roles":       func(context.Context, *script.Call) (any, error) { return []string{"admin"}, nil },
		"user.localClaims": func(_ context.Context, c *script.Call) (any, error) { return c.Args[1].(string) + "!", nil },
		"secrets.get":      func(context.Context, *script.Call) (any, error) { return "s3cret", nil },
		"double":           func(_ context.Context, c *script.Call) (any, error) { return c.Args[0].(float64) * 2, nil },
		"find":             func(context.Context, *script.Call) (any, error) { return []*script.Person{ann}, nil },
	}})
	checks := []string{
		`context.steps[1].subject.username === 'ann'`,
		`context.steps[1].subject.uniqueId === 'ann-id'`,
		`context.steps[1].subject.userStoreDomain === 'PRIMARY'`,
		`context.steps[1].subject.roles[0] === 'admin'`,
		`context.steps[1].subject.localClaims['http://wso2.org/claims/dob'] === 'http://wso2.org/claims/dob!'`,
		`context.steps[1].idp === 'LOCAL'`,
		`context.steps[1].authenticator === 'BasicAuthenticator'`,
		`context.steps[1].options.length === 2`,
		`context.steps[2].subject === null`,
		`context.steps[3] === undefined`,
		`context.currentStep === 1`,
		`context.currentKnownSubject === context.steps[1].subject`,
		`context.lastAuthenticatedUser.identifier === 'ann@example.com'`,
		`context.lastLoginFailedUser === null`,
		`context.serviceProviderName === 'shop'`,
		`context.request.ip === '192.168.1.7'`,
		`context.request.headers['user-agent'] === 'Firefox'`,
		`context.request.headers['X-None'] === undefined`,
		`context.request.params.none === undefined`,
		`(context.request.params.scenario || [])[0] === 'X'`,
		`context.requestedAcr.length === 0`,
		`secrets.key === 's3cret' && getSecretByName('key') === 's3cret'`,
		`double(21) === 42`,
		`find()[0].username === 'ann'`,
		`getMaskedValue('ann@example.com') === 'a*************m'`,
		`filterAuthenticators(context.steps[2].options, 'totp').length === 1`,
		`filterAuthenticators(context.steps[2].options, 'totp')[0].authenticator === 'FIDOAuthenticator'`,
		`getValueFromDecodedAssertion('e30.eyJhIjp7ImIiOjJ9fQ.x', 'a', true).b === 2`,
		`new Date().getTime() === Date.UTC(2026, 10, 23, 12, 1)`,
		`Math.random() >= 0 && Math.random() < 1`,
		`re2('^(\\w+)@', 'ann@example.com')[1] === 'ann'`,
		`re2('^x', 'ann') === null`,
		"`a${1 + 1}b` === 'a2b'",
		`[1, 2, 3].map(function (x) { return x * 2; }).join('-') === '2-4-6'`,
		`'' + [1, [2, 3], null] === '1,2,3,'`,
		`'a,b,,c'.split(',').length === 4 && 'äöü'.split('').length === 3 && 'abc'.split('', 2).length === 2 && ''.split(',').length === 1`,
		`'aXbX'.replace('X', 'y') === 'aybX' && 'aXbX'.replaceAll('X', '-') === 'a-b-' && 'ab'.replaceAll('', '-') === '-a-b-'`,
		`'aäaä'.indexOf('ä', 2) === 3 && 'aäaä'.lastIndexOf('ä') === 3 && 'abc'.indexOf('x') === -1`,
		`'7'.padStart(3, '0') === '007' && 'ab'.padEnd(5, 'xy') === 'abxyx' && 'ab'.repeat(2) === 'abab'`,
		`' a '.trim().toUpperCase() === 'A'`,
		`1 + '1' === '11' && 1 + 1 === 2 && null + 1 === 1 && ('' + {}) === '[object Object]' && 0.1 + 0.2 > 0.3`,
		`JSON.stringify({ a: [1, 'x', null, undefined], f: function () {}, d: new Date(0) }) === '{"a":[1,"x",null,null],"d":"1970-01-01T00:00:00.000Z"}'`,
		`JSON.parse('{"a":[1,{"b":2}]}').a[1].b === 2`,
		`Object.keys({ a: 1, b: 2 }).join() === 'a,b' && Object.entries({ a: 1 })[0][1] === 1`,
		`(function () { var o = { n: 1 }; o.n += 2; o['n'] += 3; var k = 'n'; o[k] += 4; o[k]++; return o.n; })() === 11`,
		`(function () { var n = 0; for (var k in { a: 1, b: 2 }) { n++; } for (var x of [1, 2]) { n += x; } return n; })() === 5`,
		`(({ a, b: { c = 5 } = {} }) => a + c)({ a: 1 }) === 6`,
		`Math.max(...[1, 5, 3]) === 5 && Array.isArray([...'ab'])`,
		`context?.steps?.[1]?.subject?.username === 'ann' && (null ?? 1) === 1`,
		`encodeURIComponent('ä b') === '%C3%A4%20b' && decodeURIComponent('%C3%A4') === 'ä'`,
		`parseInt('12px', 10) === 12 && isNaN('x') && String(12) === '12' && Number('3') === 3`,
		`(function () { try { null.x; } catch (e) { return e.message.length > 0; } })()`,
		`typeof context === 'object' && typeof executeStep === 'function' && typeof undefined === 'undefined'`,
	}
	for _, check := range checks {
		t.Run(check, func(t *testing.T) {
			t.Parallel()
			begin(t, e, `var onLoginRequest = function (context) { executeStep(1, { onSuccess: function (context) {
				if (!(`+check+`)) { fail(); } } }); };`, nil).wants("step 1").
				answer(script.Outcome{
					Result: script.Succeeded, Person: ann, Option: script.Option{Authenticator: "BasicAuthenticator"},
					Params: map[string][]string{"scenario": {"X"}},
				}).wants("complete")
		})
	}
}

func TestRunWhatIsSet(t *testing.T) {
	t.Parallel()
	var written []string
	e := newEngine(t, script.Config{Functions: map[string]script.Function{
		"user.localClaims": func(context.Context, *script.Call) (any, error) { return "stored", nil },
		"user.localClaims=": func(_ context.Context, c *script.Call) (any, error) {
			written = append(written, fmt.Sprint(c.Args[1:]...))
			return nil, nil
		},
	}})
	v := begin(t, e, inLogin(`
		context.selectedAcr = 'acr2';
		context.endpointParams.hint = 'ann';
		executeStep(1, { onSuccess: function (context) {
			var user = context.currentKnownSubject;
			user.claims['http://wso2.org/claims/x'] = user.claims['http://wso2.org/claims/y'] + '!';
			user.localClaims['http://wso2.org/claims/z'] = 5;
			executeStep(2);
		} });`), nil)
	v.wants("step 1").succeed(ann).wants("step 2").succeed(ann).wants("complete")
	if v.out.SelectedACR != "acr2" || v.out.LoginParams["hint"] != "ann" || v.out.Claims["x"] != "stored!" {
		t.Errorf("%+v", v.out)
	}
	if len(written) != 1 || written[0] != "http://wso2.org/claims/z5" {
		t.Errorf("written: %v", written)
	}
}

func TestRunIsJournaled(t *testing.T) {
	t.Parallel()
	calls := 0
	e := newEngine(t, script.Config{Functions: map[string]script.Function{
		"count": func(context.Context, *script.Call) (any, error) { calls++; return calls, nil },
		"deny": func(context.Context, *script.Call) (any, error) {
			calls++
			return nil, &script.RefusalError{Problem: "no"}
		},
	}})
	v := begin(t, e, `
var n, ip, r = Math.random(), why;
var onLoginRequest = function (context) {
    n = count(); ip = context.request.ip;
    try { deny(); } catch (e) { why = e.message; }
    executeStep(1, { onSuccess: function (context) {
        executeStep(2, { onSuccess: function (context) { fail({ errorCode: n + ip + why + r }); } });
    } });
};`, nil)
	v.wants("step 1")
	v.login.Browser.Address = "10.0.0.1" // another network by now: the script has seen the first
	v.succeed(ann).wants("step 2").succeed(ann)
	first := v.out.Next.Failure.Code
	if calls != 2 || !strings.HasPrefix(first, "1192.168.1.7no") {
		t.Errorf("%d calls, %q", calls, first)
	}
	if v.run(); v.out.Next.Failure.Code != first {
		t.Errorf("again: %q, not %q", v.out.Next.Failure.Code, first)
	}
}

func TestRunDeferredCalls(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{Functions: map[string]script.Function{
		"risk": func(_ context.Context, c *script.Call) (any, error) {
			if c.Args[0] == "bad" {
				return nil, &script.RefusalError{Problem: "down"}
			}
			return map[string]any{"riskScore": 7}, nil
		},
	}})
	begin(t, e, inLogin(`
		risk('good', { onSuccess: function (context, data) {
			if (data.riskScore === 7) { executeStep(1); }
			risk('bad', { onFail: function (context, data) { fail({ errorCode: data.error }); } });
		} });`), nil).wants("step 1").succeed(ann).wants("fail down")
}

func TestRunFailsClosed(t *testing.T) {
	t.Parallel()
	broken := errors.New("the store is down")
	e := newEngine(t, script.Config{Functions: map[string]script.Function{
		"broken": func(context.Context, *script.Call) (any, error) { return nil, broken },
		"large":  func(context.Context, *script.Call) (any, error) { return strings.Repeat("x", 1<<20), nil },
	}})
	for name, c := range map[string]struct {
		source string
		is     error
	}{
		"throws":             {inLogin(`throw new Error('x');`), nil},
		"unknown member":     {inLogin(`context.steps[9].subject;`), nil},
		"no such step":       {inLogin(`executeStep(3);`), nil},
		"options alone":      {inLogin(`executeStep(1, { authenticationOptions: [] });`), nil},
		"no such template":   {inLogin(`prompt('form', {}, {});`), nil},
		"no entry":           {`var x = 1;`, nil},
		"steps outside":      {`executeStep(1); var onLoginRequest = function () {};`, nil},
		"failing store":      {inLogin(`try { broken(); } catch (e) {} executeStep(1);`), broken},
		"too much told":      {inLogin(`large();`), script.ErrOverrun},
		"no such secret":     {inLogin(`secrets.x;`), nil},
		"no such directory":  {inLogin(`executeStep(1, { onSuccess: function (c) {} }); context.request.x.y;`), nil},
		"bad URL":            {inLogin(`httpGet('file:///etc/passwd', {});`), nil},
		"unknown credential": {inLogin(`httpGet('https://a.example', {}, { type: 'x' }, {});`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := begin(t, e, c.source, nil)
			var own *script.Error
			if c.is == nil && !errors.As(v.err, &own) || c.is != nil && !errors.Is(v.err, c.is) {
				t.Errorf("%+v, %v", v.out.Next, v.err)
			}
		})
	}
}

// TestAttackScriptMemory: whatever is kept between two runs, and does not fit, ends the login.
func TestAttackScriptMemory(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{})
	source := inLogin(`
		Log.info(context.request.ip);
		executeStep(1, { onSuccess: function (context) { Log.info(context.steps[1].subject.username); executeStep(2); } });`)
	for name, spoil := range map[string]func(m *script.Memory){
		"another script":   func(m *script.Memory) { m.Program = "x" },
		"no seed":          func(m *script.Memory) { m.Seed = nil },
		"another node":     func(m *script.Memory) { m.Outcomes[0].Node = "1.x" },
		"twice":            func(m *script.Memory) { m.Outcomes = append(m.Outcomes, m.Outcomes[0]) },
		"journal cut":      func(m *script.Memory) { m.Journal = m.Journal[:1] },
		"journal longer":   func(m *script.Memory) { m.Journal = append(m.Journal, m.Journal[0]) },
		"journal reversed": func(m *script.Memory) { m.Journal[0], m.Journal[1] = m.Journal[1], m.Journal[0] },
		"other arguments":  func(m *script.Memory) { m.Journal[1].Digest = "x" },
		"other value":      func(m *script.Memory) { m.Journal[0].Value = json.RawMessage(`"10.0.0.1"`) },
		"no JSON":          func(m *script.Memory) { m.Journal[0].Value = json.RawMessage(`{`) },
		"another time":     func(m *script.Memory) { m.Outcomes[0].At = 1 },
		"other answer":     func(m *script.Memory) { m.Outcomes[0].Person = &script.Person{Username: "eve"} },
		"more outcomes":    func(m *script.Memory) { m.Outcomes = make([]script.Outcome, 1000) },
		"more journal":     func(m *script.Memory) { m.Journal = make([]script.Entry, 1000) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := begin(t, e, source, nil).wants("step 1").succeed(ann).wants("step 2")
			m := v.memory
			spoil(&m)
			out, err := e.Run(t.Context(), v.program, m, v.login)
			if !errors.Is(err, script.ErrDiverged) && !errors.Is(err, script.ErrOverrun) {
				t.Errorf("%+v %v", out.Next, err)
			}
		})
	}
}

func TestLibraries(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{})
	source := `
var lists = loadLocalLibrary('lists.js');
var onLoginRequest = function (context) { if (lists.has([1, 2], 2)) { executeStep(1); } };`
	v := begin(t, e, source, map[string]string{
		"lists.js": `var other = loadLocalLibrary('other');
module.exports.has = function (list, x) { return other(list).indexOf(x) >= 0; };`,
		"other": `module.exports = function (x) { return x; };`, "unused": `)`,
	})
	v.wants("step 1")
	again, err := e.Compile(source, map[string]string{"lists.js": `exports.has = function () { return true; };`})
	if err != nil {
		t.Fatal(err)
	}
	if again.Hash == v.program.Hash || strings.Join(v.program.Libraries, " ") != "lists.js other" {
		t.Errorf("%v", v.program.Libraries)
	}
	if _, err := e.Run(t.Context(), again, v.memory, v.login); !errors.Is(err, script.ErrDiverged) {
		t.Errorf("another library: %v", err)
	}
	if _, err := e.Compile(source, nil); err == nil {
		t.Error("compiled without its library")
	}
}

func TestSteps(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{})
	p, err := e.Compile(inLogin(`
		if (checkSessionExistence(1, context)) { Log.info('known'); }
		executeStep(1, { onSuccess: function (context) {
			executeStep(1, { stepOptions: { forceAuth: 'true' } }, {});
			executeStep(2, { onFail: function (context) { fail({ errorCode: context.lastLoginFailedUser.username }); } });
		} });`), nil)
	if err != nil {
		t.Fatal(err)
	}
	login := oneStep
	login.Steps = two
	login.Satisfied = func(_ context.Context, n script.Node) (*script.Outcome, error) {
		if n.Step == 1 {
			return &script.Outcome{Person: ann}, nil
		}
		return nil, nil
	}
	v := &visit{t: t, engine: e, program: p, login: login}
	v.run()
	v.wants("step 1")
	if !v.out.Next.ForceAuth {
		t.Error("the session does for a step that is forced")
	}
	v.succeed(ann).wants("step 2").answer(script.Outcome{Result: script.Failed, Person: ann}).wants("fail ann")
	if !v.memory.Outcomes[0].Time.Equal(oneStep.Now) {
		t.Error("a step that was done has no time")
	}
}

func FuzzRun(f *testing.F) {
	e := newEngine(f, script.Config{})
	p, err := e.Compile(`
var n = 0;
var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context, data) {
            Log.info(context.steps[1].subject.username + context.request.ip);
            if (context.request.params.a) { n += 1; executeStep(2, { onFail: function () { fail({ errorCode: '' + n }); } }); }
        },
        onFail: function (context) { if (n++ < 3) { onLoginRequest(context); } }
    });
};`, nil)
	if err != nil {
		f.Fatal(err)
	}
	login := oneStep
	login.Steps = two
	out, err := e.Run(f.Context(), p, script.Memory{}, login)
	if err != nil {
		f.Fatal(err)
	}
	m := out.Memory
	for range 4 {
		text, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		m.Add(script.Outcome{Node: out.Next.ID, Result: script.Succeeded, Person: ann, Params: map[string][]string{"a": {"b"}}})
		if out, err = e.Run(f.Context(), p, m, login); err != nil {
			break
		}
		m = out.Memory
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var m script.Memory
		if json.Unmarshal(text, &m) != nil {
			return
		}
		out, err := e.Run(t.Context(), p, m, login)
		var own *script.Error
		switch {
		case err == nil:
			// Whatever it was, it must repeat itself.
			again, err := e.Run(t.Context(), p, out.Memory, login)
			if err != nil || again.Next.ID != out.Next.ID {
				t.Fatalf("%v %q, then %q", err, out.Next.ID, again.Next.ID)
			}
		case errors.Is(err, script.ErrDiverged), errors.Is(err, script.ErrOverrun), errors.As(err, &own):
		default:
			t.Fatal(err)
		}
	})
}

func BenchmarkRun(b *testing.B) {
	e := newEngine(b, script.Config{Functions: map[string]script.Function{
		"isMemberOfAnyOfGroups": func(context.Context, *script.Call) (any, error) { return true, nil },
		"user.localClaims":      func(context.Context, *script.Call) (any, error) { return "1990-01-01", nil },
	}})
	v := begin(b, e, `
var groups = ['admin', 'manager'];
var errorPage = '';
var getAge = function (date) {
    var parts = date.split('-');
    return new Date().getUTCFullYear() - parseInt(parts[0], 10);
};
var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            var user = context.currentKnownSubject;
            var ip = context.request.ip + context.request.headers['User-Agent'] + context.serviceProviderName + context.tenantDomain;
            Log.info('login of ' + user.username + ' from ' + ip);
            if (getAge(user.localClaims['http://wso2.org/claims/dob']) < 18) { fail(); }
            if (isMemberOfAnyOfGroups(user, groups)) {
                executeStep(2, { onSuccess: function (context) {
                    Log.info(user.localClaims['a'] + user.localClaims['b'] + context.requestedAcr.length);
                } });
            }
        }
    });
};`, nil)
	v.wants("step 1").succeed(ann).wants("step 2").succeed(ann).wants("complete")
	if len(v.memory.Journal) < 10 {
		b.Fatalf("a journal of %d", len(v.memory.Journal))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Run(b.Context(), v.program, v.memory, v.login); err != nil {
			b.Fatal(err)
		}
	}
}
