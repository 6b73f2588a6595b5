package script_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/script"
)

// abuses are scripts that take time or memory: those of the measurements that the bounds were made for, and whatever else an
// interpreter does in one operation.
var abuses = map[string]string{
	"endless loop":              `while (true) {}`,
	"swallowing in catch":       `while (true) { try { while (true) {} } catch (e) {} }`,
	"swallowing in finally":     `function f() { try { while (true) {} } finally { f(); } } f();`,
	"array growth":              `var a = []; while (true) { a.push({ x: [1, 2, 3], y: 'text' }); }`,
	"recursion":                 `function f() { return f() + 1; } f();`,
	"mutual recursion in catch": `function f() { try { f(); } catch (e) { f(); } } f();`,
	"recursion through natives": `function f() { [1].forEach(f); } f();`,
	"recursion through texts":   `var o = { toString: function () { return '' + o; } }; '' + o;`,
	"doubling":                  `var s = 'x'; while (true) { s += s; }`,
	"doubling by plus":          `var s = 'x'; while (true) { s = s + s; }`,
	"doubling by template":      "var s = 'x'; while (true) { s = `${s}${s}`; }",
	"doubling by an error":      `var e = new Error('xx'); while (true) { e.message = e.toString(); e.name = e.message; }`,
	"doubling by new errors":    `var e = new Error('xx'); while (true) { e.name = e.message; e = new Error(e); }`,
	"doubling by String":        `var e = new Error('xx'); while (true) { e.message = String(e); e.name = e.message; }`,
	"many parts":                `var s = 'ä'.repeat(65000), a = []; for (var i = 1; ; i++) { a.push(s.substring(1)); }`,
	"doubling by concat":        `var s = 'x'; while (true) { s = s.concat(s); }`,
	"many long texts":           `var s = 'x'.repeat(65000), a = []; for (var i = 0; ; i++) { a.push(s + i); }`,
	"many upper cases":          `var s = 'x'.repeat(65000), a = []; while (true) { a.push(s.toUpperCase()); }`,
	"repeat":                    `'x'.repeat(1 << 29);`,
	"padStart":                  `'x'.padStart(5e8);`,
	"padEnd":                    `'x'.padEnd(5e8, 'ab');`,
	"join of holes":             `var a = []; a[2e7] = 1; a.join('xxxxxxxx');`,
	"join of arrays":            `var a = ['xxxxxxxxxx']; for (var i = 0; i < 30; i++) { a = [a, a]; } a.join();`,
	"text of arrays":            `var a = ['xxxxxxxxxx']; for (var i = 0; i < 30; i++) { a = [a, a]; } '' + a;`,
	"comparison of arrays":      `var a = ['xxxxxxxxxx']; for (var i = 0; i < 30; i++) { a = [a, a]; } a == 'x';`,
	"key of arrays":             `var a = ['xxxxxxxxxx']; for (var i = 0; i < 30; i++) { a = [a, a]; } ({})[a];`,
	"long array":                `new Array(5e7).join('x');`,
	"long array by call":        `Array(5e7);`,
	"long array by index":       `var a = [], i = 5e7; a[i] = 1; a.reverse();`,
	"long array by text index":  `var a = [], i = '50000000'; a[i] = 1; a.reverse();`,
	"long array by counting":    `var a = [], i = 5e7; a[i]++; a.reverse();`,
	"long array by assign":      `Object.assign([], { length: 5e7 }).join();`,
	"long array by spread":      `var a = [1, 2]; while (true) { a = [...a, ...a]; }`,
	"long array by concat":      `var a = [1, 2]; while (true) { a = a.concat(a); }`,
	"long array by push":        `var a = [1, 2]; while (true) { a.push(...a); }`,
	"array-like":                `[].map.call({ length: 1e15 }, function (x) { return x; });`,
	"array-like push":           `[].push.call({ length: 1e15 }, 1);`,
	"copies of arrays":          `var a = Array(10000), b = []; while (true) { b.push(a.slice()); }`,
	"keys of text":              `var s = 'x'.repeat(65000); while (true) { Object.keys(s); }`,
	"deep JSON":                 `JSON.parse('['.repeat(60000));`,
	"nested stringify":          `var a = []; for (var i = 0; i < 30; i++) { a = [a, a]; } JSON.stringify(a);`,
	"circle stringify":          `var a = {}; a.a = a; JSON.stringify(a);`,
	"stringify in a loop":       `var a = []; for (var i = 0; i < 5000; i++) { a.push('x'); } while (true) { JSON.stringify(a); }`,
	"chained replaceAll":        `var s = 'x'; while (true) { s = s.replaceAll('x', 'xx'); }`,
	"replaceAll of nothing":     `var s = 'x'.repeat(1000); while (true) { s = s.replaceAll('', 'x'); }`,
	"replaceAll by function":    `'x'.repeat(60000).replaceAll('x', function () { return 'yyyyyyyy'; });`,
	"split":                     `var s = 'x'.repeat(60000); while (true) { s.split(''); }`,
	"quadratic search":          `var s = 'ä'.repeat(30000), t = 'ä'.repeat(15000) + 'ö'; while (true) { s.indexOf(t); }`,
	"encode":                    `var s = 'ä'.repeat(60000); while (true) { encodeURIComponent(s); }`,
	"re2 bomb":                  `re2('((a{1,100}){1,100}){1,100}', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa');`,
	"re2 in a loop":             `var s = 'a'.repeat(16000); while (true) { re2('(a|aa)+$', s); }`,
	"sort":                      `var a = Array(10000); while (true) { a.sort(function () { return 1; }); }`,
	"log flood":                 `while (true) { Log.info('x'); }`,
	"step flood":                `while (true) { executeStep(1); }`,
	"huge decision":             `var p = {}; for (var i = 0; i < 400; i++) { p['k' + i] = 'x'.repeat(400); } prompt('genericForm', p, {});`,
	"arguments":                 `function f() { return arguments; } var a = Array(10000); while (true) { f(...a); }`,
	"property growth":           `var o = {}; for (var i = 0; ; i++) { o['k' + i] = i; }`,
	"closure growth":            `var f = function () {}; while (true) { f = (function (g) { return function () { return g; }; })(f); }`,
	"natives by natives":        naturals + `for (var i = 0; i < 10000; i++) { a[i] = s; } for (;;) { a.forEach(n.includes, n); a.map(n.startsWith, n); }`,
	"numbers by natives":        naturals + `var d = '1'.repeat(65000); for (var i = 0; i < 10000; i++) { a[i] = d; } a.forEach(parseFloat); a.filter(isNaN);`,
	"walks by natives":          naturals + `for (var i = 0; i < 10000; i++) { a[i] = n; } for (var i = 0; i < 20; i++) { b[i] = s + 'x'; } b.forEach(a.indexOf, a);`,
	"sorting long texts":        naturals + `var t = []; for (var i = 0; i < 12; i++) { t.push(s + i); } for (var i = 0; i < 10000; i++) { a[i] = t[i % 12]; } a.sort();`,
	"errors by natives":         naturals + `function f(n) { if (n) { return f(n - 1) + 1; } for (;;) { b.push(a.map(Error)); } } f(100);`,
}

// naturals are arrays and texts for abuses in which what is written in Go calls what is written in Go.
const naturals = `var a = Array(10000), b = Array(20), s = 'ä'.repeat(65000), n = s + 'y'; `

// refused are scripts that are not admitted, with a word of the complaint.
var refused = map[string]struct{ source, why string }{
	"regular expression":       {`var r = /(?=(a+)+)b/;`, "regular expressions"},
	"RegExp":                   {`new RegExp('(a+)+b');`, "RegExp"},
	"generator":                {`function* f() { yield 1; }`, "generators"},
	"async":                    {`async function f() { await 1; }`, "async"},
	"async arrow":              {`var f = async () => 1;`, "async"},
	"with":                     {`with (Math) { abs(1); }`, "with"},
	"label":                    {`a: for (;;) { break a; }`, "labels"},
	"class":                    {`class A extends Array {}`, "classes"},
	"getter":                   {`var o = { get x() { return 1; } };`, "getters"},
	"eval":                     {`eval('1');`, "eval"},
	"Function":                 {`new Function('return 1')();`, "Function"},
	"constructor":              {`(function () {}).constructor('return 1')();`, "constructor"},
	"constructor by name":      {`(function () {})['constructor']('return 1')();`, "constructor"},
	"constructor by pattern":   {`var { constructor: C } = function () {};`, "constructor"},
	"constructor by parameter": {`(function ({ constructor: C }) {})(Log.info);`, "constructor"},
	"constructor by default":   {`var { a = 1, constructor } = function () {};`, "constructor"},
	"prototype":                {`Object.prototype.x = 1;`, "prototype"},
	"proto":                    {`var o = { __proto__: null };`, "__proto__"},
	"globalThis":               {`globalThis.x = 1;`, "globalThis"},
	"Proxy":                    {`new Proxy({}, {});`, "Proxy"},
	"Reflect":                  {`Reflect.ownKeys({});`, "Reflect"},
	"Symbol":                   {`Symbol.iterator;`, "Symbol"},
	"Promise":                  {`Promise.resolve(1);`, "Promise"},
	"BigInt":                   {`var n = 2n ** 100000n;`, "BigInt"},
	"BigInt by name":           {`BigInt(2);`, "BigInt"},
	"ArrayBuffer":              {`new ArrayBuffer(1 << 30);`, "ArrayBuffer"},
	"typed array":              {`new Uint8Array(1 << 30);`, "Uint8Array"},
	"Map":                      {`new Map();`, "Map"},
	"length":                   {`var a = []; a.length = 5e7;`, "length"},
	"length by name":           {`var a = []; a['length'] = 5e7;`, "length"},
	"length by pattern":        {`var a = []; [a.length] = [5e7];`, "name"},
	"length in a loop":         {`var a = []; for (a.length of [5e7]) {}`, "variable"},
	"length counted":           {`var a = []; a.length++;`, "length"},
	"guard":                    {`var o = {}; o['#add'](1, 2); #add(1);`, ""},
	"tagged template":          {"Log.info`x`;", "tagged"},
	"new.target":               {`function f() { return new.target; }`, ""},
	"unknown":                  {`executeSteps(1);`, "executeSteps"},
	"rest":                     {`var [a, ...b] = [1];`, "rest"},
	"deep brackets":            {strings.Repeat("[", 5000), "nested"},
	"deep prefix":              {"var a = " + strings.Repeat("!", 60000) + "1;", "deep"},
	"deep sum":                 {"var a = 1" + strings.Repeat("+1", 20000) + ";", "deep"},
	"deep else":                {strings.Repeat("if (1) {} else ", 4000) + "{}", "deep"},
	"deep arrow":               {"var f = " + strings.Repeat("a=>", 20000) + "1;", "deep"},
	"size":                     {"//" + strings.Repeat("x", script.MaxSource), "longer"},
	"syntax":                   {`function (`, ""},
	"library by expression":    {`var n = 'a'; loadLocalLibrary(n);`, "quotes"},
	"debugger":                 {`debugger;`, "debugger"},
	"replaced":                 {`Math = 1;`, "replaced"},
}

// escapes are scripts that are admitted and find nothing where they look.
var escapes = map[string]string{
	"computed constructor":   `var c = 'const' + 'ructor'; (function () {})[c]('return 1')();`,
	"computed by object":     `var n = 0; var c = { toString: function () { return n++ ? 'constructor' : 'x'; } }; (function () {})[c]; if ((function () {})[c]) { throw 'out'; }`,
	"computed proto":         `var p = '__pro' + 'to__'; ({})[p].x = 1;`,
	"computed literal":       `var p = '__pro' + 'to__'; ({ [p]: { x: 1 } });`,
	"computed guard":         `var g = '#' + 'add'; this[g] = 1;`,
	"array constructor":      `var c = 'const' + 'ructor'; [].concat()[c](5e7);`,
	"computed length":        `var a = [], l = 'len' + 'gth'; a[l] = 5e7;`,
	"text matching":          `'aaaa'.match('(a+)+b');`,
	"text search":            `'aaaa'.search('(a+)+b');`,
	"normalize":              `'x'.normalize();`,
	"fill":                   `[].fill(1);`,
	"flat":                   `[].flat(Infinity);`,
	"bind":                   `(function () {}).bind(null);`,
	"apply":                  `(function () {}).apply(null, { length: 1e9 });`,
	"locale":                 `(1).toLocaleString();`,
	"object create":          `Object.create(null);`,
	"define property":        `Object.defineProperty([], 'x', {});`,
	"context of an instance": `context.steps[1].subject[('const' + 'ructor')];`,
	"replaced guard":         `Object = 1;`,
}

func newEngine(t testing.TB, config script.Config) *script.Engine {
	t.Helper()
	if config.Soft == 0 { // tests share their CPUs
		config.Soft, config.Hard = 250*time.Millisecond, 5*time.Second
	}
	e, err := script.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var oneStep = script.Login{
	Now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Application: "shop", Steps: [][]script.Option{{{Authenticator: "BasicAuthenticator"}}},
}

// inLogin is a script that does its work when somebody signs in.
func inLogin(body string) string {
	return "var onLoginRequest = function (context) {\n" + body + "\n};"
}

func TestAttackScriptTakesTooMuch(t *testing.T) {
	e := newEngine(t, script.Config{Soft: 40 * time.Millisecond, Hard: 5 * time.Second})
	for name, body := range abuses {
		t.Run(name, func(t *testing.T) {
			for place, source := range map[string]string{
				"login": inLogin(body), "top": body + "\n" + inLogin(""),
			} {
				p, err := e.Compile(source, nil)
				if err != nil {
					t.Fatalf("%s: %v", place, err)
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				start := time.Now()
				_, err = e.Run(t.Context(), p, script.Memory{}, oneStep)
				took := time.Since(start)
				runtime.ReadMemStats(&after)
				var own *script.Error
				if !errors.Is(err, script.ErrOverrun) && !errors.As(err, &own) {
					t.Errorf("%s: %v", place, err)
				}
				if took > 3*time.Second {
					t.Errorf("%s: took %v", place, took)
				}
				if made := after.TotalAlloc - before.TotalAlloc; made > 256<<20 {
					t.Errorf("%s: made %d MiB", place, made>>20)
				}
				t.Logf("%s: %v, %d KiB, %v", place, took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>10, err)
			}
		})
	}
}

func TestAttackScriptIsNotAdmitted(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{})
	for name, c := range refused {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, source := range []string{c.source, inLogin(c.source)} {
				_, err := e.Compile(source, nil)
				var syntax *script.SyntaxError
				if !errors.As(err, &syntax) || !strings.Contains(err.Error(), c.why) {
					t.Errorf("admitted: %v", err)
				}
			}
		})
	}
}

func TestAttackScriptEscapes(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{})
	for name, body := range escapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := e.Compile(inLogin(body), nil)
			if err != nil {
				return
			}
			out, err := e.Run(t.Context(), p, script.Memory{}, oneStep)
			var own *script.Error
			if !errors.As(err, &own) || strings.Contains(err.Error(), "out") {
				t.Errorf("%v %v", out.Next, err)
			}
		})
	}
}

func TestAttackScriptThatCannotBeStoppedIsGivenUp(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	e := newEngine(t, script.Config{Soft: 5 * time.Millisecond, Hard: 10 * time.Millisecond, Slots: 1})
	if _, err := e.Compile(inLogin(`hang();`), nil); err == nil {
		t.Fatal("admitted a function that nobody brings")
	}
	script.Hang(e, release)
	p, err := e.Compile(inLogin(`hang();`), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := e.Run(t.Context(), p, script.Memory{}, oneStep); !errors.Is(err, script.ErrOverrun) {
			t.Fatal(err)
		}
	}
	if _, err := e.Run(t.Context(), p, script.Memory{}, oneStep); !errors.Is(err, script.ErrDisabled) {
		t.Fatal(err)
	}
	other, err := e.Compile(inLogin(`executeStep(1);`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context(), other, script.Memory{}, oneStep); err != nil {
		t.Fatal("another script: ", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{Soft: 5 * time.Second, Hard: 20 * time.Second})
	p, err := e.Compile(inLogin(`var x; while (true) {`+strings.Repeat("x = [];", 5000)+`}`), nil) // few turns, so that they are not what ends it
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := e.Run(ctx, p, script.Memory{}, oneStep); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}
