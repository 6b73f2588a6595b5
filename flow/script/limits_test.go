package script_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/script"
)

// What a script does is counted, whatever time it takes: turns of loops, and calls of functions of every form.
func TestAttackStepsAreCounted(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{Soft: time.Minute, Hard: time.Minute})
	for name, body := range map[string]string{
		"while":         `while (true) {}`,
		"while, bare":   `while (true);`,
		"do":            `do {} while (true);`,
		"for":           `for (;;) {}`,
		"for of":        `var a = [1]; for (var x of a) { a.push(x); if (a.length > 9000) { a = [1]; } for (;;) { continue; } }`,
		"for in":        `var o = {}; for (var i = 0; i < 9000; i++) { o['k' + i] = i; } while (true) { for (var k in o) {} }`,
		"function":      `function f() {} while (true) { f(); f(); }`,
		"directive":     `function f() { 'use strict'; return this; } if (f() !== undefined) { throw 'sloppy'; } while (true) { f(); }`,
		"arrow":         `var f = () => 1; if (f() !== 1) { throw 'lost'; } while (true) { f(); }`,
		"arrow, block":  `var f = (x) => { return x; }; while (true) { f(1); }`,
		"method":        `var o = { f() { return 1; } }; while (true) { o.f(); }`,
		"walks":         `var a = Array(10000).join().split(','); function w() { a.forEach(function () {}); } for (var i = 0; i < 100; i++) { w(); }`,
		"caught":        `while (true) { try { while (true) {} } catch (e) {} finally { continue; } }`,
		"closures":      `var f = function () {}; while (true) { f = (function (g) { return function () { return g; }; })(f); }`,
		"library of it": `var f = function (n) { return n < 2 ? 1 : f(n - 1) + f(n - 2); }; f(40);`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := e.Compile(inLogin(body), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Run(t.Context(), p, script.Memory{}, oneStep); !errors.Is(err, script.ErrOverrun) {
				t.Errorf("got %v", err)
			}
		})
	}
	p, err := e.Compile(inLogin(`for (var i = 0; i < 40000; i++) { (function () {})(); } executeStep(1);`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := e.Run(t.Context(), p, script.Memory{}, oneStep); err != nil || out.Next.Kind != script.Step {
		t.Errorf("within the bounds: %v, %v", out.Next, err)
	}
}

// What a script throws is told to the log without running any more of it: neither what it has put there nor its counted methods, out of which a
// panic would end the process.
func TestAttackThrownAtTheEnd(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{})
	for body, told := range map[string]string{
		`var s = 'x'.repeat(60000), e = new Error(s); for (var i = 0; i < 22; i++) { s.toLowerCase(); } throw e;`: "Error: xxx",
		`throw { toString: function () { throw this; } };`:                                                        "an object of class Object",
		`throw { toString: function () { while (true) {} } };`:                                                    "an object of class Object",
		`var e = new Error('x'); e.name = { toString: function () { throw e; } }; throw e;`:                       "Error: x",
		`throw [[1], { toString: function () { throw this; } }];`:                                                 "an object of class Array",
		`throw new TypeError('plain');`:                                                                           "TypeError: plain",
		`throw 'a text';`:                                                                                         "a text",
		`throw undefined;`:                                                                                        "undefined",
		`throw user;`:                                                                                             "",
	} {
		p, err := e.Compile("var user = null;"+inLogin(body), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Run(t.Context(), p, script.Memory{}, oneStep)
		var own *script.Error
		if !errors.As(err, &own) || !strings.Contains(err.Error(), told) {
			t.Errorf("%s: %.200v", body, err)
		}
	}
}

// What could be stopped after all, on a machine that was merely slow, does not count against its script.
func TestScriptThatEndsAfterAllIsNotDisabled(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{Soft: time.Millisecond, Hard: time.Millisecond, Slots: 1})
	for range 5 {
		release := make(chan struct{})
		script.Hang(e, release)
		p, err := e.Compile(inLogin(`hang();`), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Run(t.Context(), p, script.Memory{}, oneStep); !errors.Is(err, script.ErrOverrun) {
			t.Fatal(err)
		}
		close(release)
		script.Await(e, p)
	}
}

// A script that takes longer than it should once, as on a busy machine, gets another chance, from where it was.
func TestSlowMachine(t *testing.T) {
	t.Parallel()
	logged := 0
	e := newEngine(t, script.Config{Soft: 100 * time.Millisecond, Hard: time.Minute, Functions: map[string]script.Function{
		"once": func(context.Context, *script.Call) (any, error) { logged++; return nil, nil },
	}})
	release, calls := make(chan struct{}), 0
	script.Hang(e, release, func() {
		if calls++; calls == 1 {
			time.AfterFunc(150*time.Millisecond, func() { close(release) })
		}
	})
	p, err := e.Compile(inLogin(`once(); hang(); executeStep(1);`), nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := e.Run(t.Context(), p, script.Memory{}, oneStep)
	if err != nil || out.Next.Kind != script.Step || calls != 2 || logged != 1 {
		t.Errorf("%v, %v after %d tries and %d calls", out.Next, err, calls, logged)
	}
}

// A walk in Go over what is in Go as well is stopped in the middle, by time as anything else: on a busy machine that is no fault of the script.
func TestAttackNativesByNatives(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{Soft: 20 * time.Millisecond, Hard: 5 * time.Second})
	for name, body := range map[string]string{
		"numbers": `for (var i = 0; i < 10000; i++) { a[i] = '1' + s; } a.forEach(parseFloat);`,
		"texts":   `for (var i = 0; i < 10000; i++) { a[i] = s + i % 9; } a.sort();`,
		"caught":  `for (var i = 0; i < 10000; i++) { a[i] = '1' + s; } while (true) { try { a.forEach(parseFloat); } catch (e) {} }`,
	} {
		p, err := e.Compile(inLogin(`var a = Array(10000), s = '1'.repeat(30000); `+body), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Run(t.Context(), p, script.Memory{}, oneStep); !errors.Is(err, script.ErrOverrun) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err := e.Compile(inLogin(`
		var got = [[3, 10, undefined, 'b', 'a'].sort(), [3, 1, 10].sort(function (a, b) { return a - b; }), ['1', '2'].map(Number), [0, 'x'].filter(Boolean),
			'äbc'.includes('c', 2), 'abc'.startsWith('b', 1), 'abc'.endsWith('b', 2), [1, 2].reduce(function (a, b) { return a + b; }),
			[1].some(function () { return this.x; }, { x: true })];
		if (JSON.stringify(got) !== '[[10,3,"a","b",null],[1,3,10],[1,2],["x"],true,true,true,3,true]') { throw JSON.stringify(got); }`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context(), p, script.Memory{}, oneStep); err != nil {
		t.Errorf("walks that end: %v", err)
	}
}

// What is in Go and comes to call itself, by what a script has put in its way, is stopped: a stack of Go that overflows ends the process, which
// nothing catches.
func TestAttackRecursionInGo(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{Soft: time.Minute, Hard: time.Minute})
	for _, body := range []string{
		`var e = new Error('x'); e.message = e; String(e);`,
		`var e = new Error('x'); e.name = e; Math.abs(e);`,
		`var a = []; a[0] = a; a.join();`,
		`var a = []; a[0] = a; Math.abs(a);`,
		`var a = []; for (var i = 0; i < 90000; i++) { a = [a]; } a == 'x';`,
		`var o = {}; o.toString = ''.at; -o;`,
		`var o = {}; o.toString = ''.charAt; -o;`,
		`var o = {}; o.toString = ''.charCodeAt; -o;`,
		`var o = {}; o.toString = ''.codePointAt; -o;`,
		`var o = {}; o.toString = ''.trim; -o;`,
	} {
		p, err := e.Compile(inLogin(body), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Run(t.Context(), p, script.Memory{}, oneStep); !errors.Is(err, script.ErrOverrun) {
			t.Errorf("%s: %v", body, err)
		}
	}
	for _, body := range []string{ // these have nothing to recur by
		`var a = []; a.join = a.toString; a.toString();`,
		`var d = new Date(); d.toISOString = d.toJSON; d.toJSON();`,
		`var o = {}; Object.assign(o, { length: o, valueOf: [].at }); try { [].at.call(o); } catch (e) {}`,
		`var o = {}; Object.assign(o, { length: o, valueOf: [].pop }); try { [].pop.call(o); } catch (e) {}`,
		`var got = [new Date(5), new Date(NaN).toJSON(), [1, [2, 3]].toString(), [4, 5].at(-1), [6, 7].pop(), 'abc'.charAt(1), 'abc'.at(0),
			'abc'.codePointAt(1), 'abc'.charCodeAt(1)];
		if (JSON.stringify(got) !== '["1970-01-01T00:00:00.005Z",null,"1,2,3",5,7,"b","a",98,98]') { throw JSON.stringify(got); }`,
	} {
		p, err := e.Compile(inLogin(body), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Run(t.Context(), p, script.Memory{}, oneStep); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// The log holds neither secrets nor what tells of them, however short they are.
func TestAttackShortSecretInTheLog(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"7", "é", "xyz", "four", "a long one"} {
		var log strings.Builder
		e := newEngine(t, script.Config{
			Log:       slog.New(slog.NewTextHandler(&log, nil)),
			Functions: map[string]script.Function{"secrets.get": func(context.Context, *script.Call) (any, error) { return value, nil }},
		})
		p, err := e.Compile(inLogin(`Log.info('before'); var s = secrets.key; Log.info('the key is <' + s + '>'); Log.info('banana'); throw 'it was <' + s + '>';`), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Run(t.Context(), p, script.Memory{}, oneStep)
		if err == nil || strings.Contains(err.Error(), "<"+value+">") || strings.Contains(log.String(), "<"+value+">") {
			t.Errorf("%q: %v, %s", value, err, log.String())
		}
		if !strings.Contains(log.String(), "text=before") || !strings.Contains(log.String(), "text=banana") {
			t.Errorf("%q takes everything out of the log: %s", value, log.String())
		}
		if brief := len(value) < 4; strings.Contains(log.String(), "key is <***>") == brief {
			t.Errorf("%q: %s", value, log.String())
		}
	}
}

// Whoever looks for a text among many pays for what is compared, and little where that is little.
func TestSearchingCosts(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{Soft: time.Minute, Hard: time.Minute})
	for body, want := range map[string]error{
		`var a = []; for (var i = 0; i < 9000; i++) { a[i] = 'x'; } var s = 'x'.repeat(60000); a.indexOf(s);`:                  script.ErrOverrun,
		`var a = []; for (var i = 0; i < 9000; i++) { a[i] = 'group-' + i; } if (!a.includes('group-8999')) { throw 'lost'; }`: nil,
		`var s = 'x'.repeat(60000), a = [s + 'y', s]; if (a.lastIndexOf(s) !== 1 || a.indexOf(1) !== -1) { throw 'lost'; }`:    nil,
	} {
		p, err := e.Compile(inLogin(body), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Run(t.Context(), p, script.Memory{}, oneStep); !errors.Is(err, want) {
			t.Errorf("%.60s: %v", body, err)
		}
	}
}
