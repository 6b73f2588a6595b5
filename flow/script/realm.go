package script

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"
)

// native is a function of the interpreter that is written in Go.
type native = func(goja.FunctionCall) goja.Value

// kept are the methods of the interpreter that stay as they are: none makes anything larger than what it is given, and none calls what a script
// may have put into its this, by which it would come to call itself. Any other is guarded (see realm.guarded) or removed.
var kept = map[string][]string{
	"Object":   {"hasOwnProperty", "toString", "valueOf"},
	"Function": {"call", "length", "name"},
	"Array":    {"length"},
	"String":   {"length", "toString", "valueOf"},
	"Number":   {"toFixed", "toPrecision", "toString", "valueOf"},
	"Boolean":  {"toString", "valueOf"},
	"Error":    {"message", "name", "toString"},
	"Date": {
		"getDate", "getDay", "getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds", "getTime",
		"getTimezoneOffset", "getUTCDate", "getUTCDay", "getUTCFullYear", "getUTCHours", "getUTCMilliseconds", "getUTCMinutes",
		"getUTCMonth", "getUTCSeconds", "setDate", "setFullYear", "setHours", "setMilliseconds", "setMinutes", "setMonth", "setSeconds",
		"setTime", "toDateString", "toISOString", "toString", "toTimeString", "toUTCString", "valueOf",
	},
}

// plain are the globals of the interpreter that stay as they are.
var plain = []string{
	"Boolean", "Date", "Error", "Infinity", "Math", "NaN", "Number", "RangeError", "TypeError", "isFinite", "isNaN", "parseFloat", "parseInt",
	"undefined",
}

// made are the globals that realm brings in the place of the interpreter's.
var made = []string{"Array", "JSON", "Object", "String", "decodeURIComponent", "encodeURIComponent", "re2"}

// realm is one interpreter with nothing in it but what a script may have. It serves one run. The interpreter brings its methods and
// globals when they are asked for by name, and so does realm: a script pays for what it names.
type realm struct {
	vm        *goja.Runtime
	old       *goja.Object // the interpreter's own globals
	natives   map[string][]string
	installed map[string]bool
	left      int // of the allowance
	steps     int
	depth     int // of calls from Go
	over      bool
	halted    atomic.Pointer[error] // why the script was stopped; see realm.interrupt
}

// survey lists the methods that the interpreter has, and whose they are.
func survey() map[string][]string {
	vm := goja.New()
	natives := map[string][]string{}
	for owner := range kept {
		for _, name := range vm.Get(owner).ToObject(vm).Get("prototype").ToObject(vm).GetOwnPropertyNames() {
			natives[name] = append(natives[name], owner)
		}
	}
	return natives
}

// newRealm returns an interpreter whose time is that of now, and whose randomness comes from seed. A script can name the methods and
// globals of names.
func newRealm(natives map[string][]string, names, globals []string, seed []byte, now func() time.Time) *realm {
	vm := goja.New()
	m := &realm{vm: vm, old: vm.GlobalObject(), natives: natives, installed: make(map[string]bool, len(names)+1), left: allowance}
	vm.SetMaxCallStackSize(callDepth)
	vm.SetTimeSource(now)
	vm.SetRandSource(random(seed))
	global := vm.NewObject()
	for _, name := range globals {
		if v := m.global(name); v != nil {
			define(global, name, v)
		}
	}
	m.install("join") // which is also how an array becomes a text
	define(m.prototype("Error"), "toString", vm.ToValue(m.fault))
	for _, name := range names {
		m.install(name)
	}
	vm.SetGlobalObject(global)
	return m
}

// global makes a global by name; nil when it is none of the realm's.
func (m *realm) global(name string) goja.Value {
	switch {
	case slices.Contains(plain, name):
		return m.old.Get(name)
	case name == "Object":
		return m.objects()
	case name == "Array":
		return m.arrays()
	case name == "String":
		return m.texts()
	case name == "JSON":
		return m.json()
	case name == "re2":
		return m.vm.ToValue(m.re2)
	case name == "encodeURIComponent", name == "decodeURIComponent":
		return m.vm.ToValue(m.sized(m.old.Get(name), 12))
	}
	if guard := m.guardNamed(name); guard != nil {
		return m.vm.ToValue(guard)
	}
	return nil
}

// install makes a method that has come to be named what scripts may have of it: as it is, guarded, or gone.
func (m *realm) install(name string) {
	owners := m.natives[name]
	if owners == nil || m.installed[name] {
		return
	}
	m.installed[name] = true
	for _, owner := range owners {
		if slices.Contains(kept[owner], name) {
			continue
		}
		prototype := m.prototype(owner)
		if method := m.guarded(owner, name, prototype); method != nil {
			define(prototype, name, m.vm.ToValue(method))
		} else {
			_ = prototype.Delete(name)
		}
	}
}

// prototype is that of a kind of values.
func (m *realm) prototype(owner string) *goja.Object {
	switch owner {
	case "Object":
		return m.vm.NewObject().Prototype()
	case "Array":
		return m.vm.NewArray().Prototype()
	}
	return m.old.Get(owner).ToObject(m.vm).Get("prototype").ToObject(m.vm)
}

// guarded is the method that takes the place of one of the interpreter's; nil when none does.
func (m *realm) guarded(owner, name string, prototype *goja.Object) native {
	if owner == "Date" && name == "toJSON" {
		return m.dateJSON(prototype)
	}
	if owner != "Array" && owner != "String" {
		return nil // others have properties that throw when they are read
	}
	f, ok := goja.AssertFunction(prototype.Get(name))
	if !ok {
		return nil
	}
	switch owner {
	case "Array":
		return m.arrayMethod(name, f)
	case "String":
		return m.textMethod(name, f)
	}
	return nil
}

// dateJSON is Date.prototype.toJSON, which spells a date in one way, whatever a script has put into it; null when it is none.
func (m *realm) dateJSON(prototype *goja.Object) native {
	text, _ := goja.AssertFunction(prototype.Get("toISOString"))
	number, _ := goja.AssertFunction(prototype.Get("getTime"))
	return func(c goja.FunctionCall) goja.Value {
		if goja.IsNaN(m.call(number, c.This)) {
			return goja.Null()
		}
		return m.call(text, c.This)
	}
}

// fault is Error.prototype.toString, which the interpreter calls too when it makes a text of an error: the interpreter's own would make a
// text of twice the length uncounted, and each time again.
func (m *realm) fault(c goja.FunctionCall) goja.Value {
	o, ok := c.This.(*goja.Object)
	if !ok {
		m.throw("this is no error")
	}
	part := func(name, standard string) goja.String {
		if v := o.Get(name); v != nil && !goja.IsUndefined(v) {
			return m.text(v)
		}
		return m.vm.ToValue(standard).(goja.String)
	}
	name, message := part("name", "Error"), part("message", "")
	switch {
	case name.Length() == 0:
		return message
	case message.Length() == 0:
		return name
	}
	return m.concat(name, m.vm.ToValue(": "), message)
}

// define sets what no script can replace.
func define(o *goja.Object, name string, v goja.Value) {
	_ = o.DefineDataProperty(name, v, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
}

// random is what Math.random returns: the same numbers for the same seed.
func random(seed []byte) goja.RandSource {
	var n uint64
	return func() float64 {
		n++
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(slices.Clone(seed), n))
		return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
	}
}

// sized calls a function of the interpreter whose result is at most factor times as large as the text that it is given.
func (m *realm) sized(original goja.Value, factor int) native {
	f, _ := goja.AssertFunction(original)
	return func(c goja.FunctionCall) goja.Value {
		s := m.text(c.Argument(0))
		if s.Length() > maxText {
			m.overrun()
		}
		m.charge(factor * s.Length())
		return m.call(f, goja.Undefined(), s)
	}
}

// call calls a function, and passes on what it has thrown. The interpreter counts how deep functions of the script call one another, and not those in
// Go, whose stack ends the process when it overflows: each of them that has something else called does so here.
func (m *realm) call(f goja.Callable, this goja.Value, args ...goja.Value) goja.Value {
	if m.depth++; m.depth > callDepth {
		m.overrun()
	}
	defer func() { m.depth-- }()
	v, err := f(this, args...)
	if err != nil {
		panic(err)
	}
	return v
}

// objects is the global Object.
func (m *realm) objects() goja.Value {
	o := m.vm.NewObject()
	for name, f := range map[string]native{
		"keys": func(c goja.FunctionCall) goja.Value {
			return m.list(c.Argument(0), func(_ *goja.Object, key string) any { return key })
		},
		"values": func(c goja.FunctionCall) goja.Value {
			return m.list(c.Argument(0), func(o *goja.Object, key string) any { return o.Get(key) })
		},
		"entries": func(c goja.FunctionCall) goja.Value {
			return m.list(c.Argument(0), func(o *goja.Object, key string) any { return m.vm.NewArray(key, o.Get(key)) })
		},
		"assign": m.merge,
	} {
		define(o, name, m.vm.ToValue(f))
	}
	return o
}

// list makes an array of what an object holds.
func (m *realm) list(v goja.Value, of func(o *goja.Object, key string) any) goja.Value {
	if goja.IsUndefined(v) || goja.IsNull(v) {
		m.throw("nothing to list")
	}
	if s, ok := v.(goja.String); ok && s.Length() > maxArray {
		m.overrun()
	}
	o := v.ToObject(m.vm)
	keys := o.Keys()
	if len(keys) > maxArray {
		m.overrun()
	}
	m.charge(2 * cell * len(keys))
	items := make([]any, len(keys))
	for i, key := range keys {
		items[i] = of(o, key)
	}
	return m.vm.NewArray(items...)
}

// merge is Object.assign.
func (m *realm) merge(c goja.FunctionCall) goja.Value {
	target, ok := c.Argument(0).(*goja.Object)
	if !ok || target.ClassName() != "Object" {
		m.throw("only a plain object can be assigned to")
	}
	for _, source := range c.Arguments[1:] {
		o, ok := source.(*goja.Object)
		if !ok {
			continue
		}
		keys := o.Keys()
		m.charge(2 * cell * len(keys))
		for _, key := range keys {
			m.permit(key)
			if err := target.Set(key, o.Get(key)); err != nil {
				panic(err)
			}
		}
	}
	return target
}
