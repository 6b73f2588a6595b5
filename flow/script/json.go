package script

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// maxJSONDepth bounds how deep values stand in one another where they leave or enter the interpreter.
const maxJSONDepth = 32

// json is the global JSON. It stringifies by its own means, as the interpreter's cannot be stopped and takes a value that is
// reachable in many ways once for each of them.
func (m *realm) json() goja.Value {
	parse, _ := goja.AssertFunction(m.old.Get("JSON").ToObject(m.vm).Get("parse"))
	o := m.vm.NewObject()
	define(o, "parse", m.vm.ToValue(func(c goja.FunctionCall) goja.Value {
		s := m.text(c.Argument(0))
		if s.Length() > maxText || nesting(s.String()) > maxJSONDepth {
			m.overrun()
		}
		m.charge(cell * s.Length())
		return m.call(parse, goja.Undefined(), s)
	}))
	define(o, "stringify", m.vm.ToValue(func(c goja.FunctionCall) goja.Value {
		w := &writer{realm: m}
		if !w.value(c.Argument(0), 0) {
			return goja.Undefined()
		}
		return m.vm.ToValue(w.b.String())
	}))
	return o
}

// writer makes JSON of values of the interpreter.
type writer struct {
	realm *realm
	b     strings.Builder
}

func (w *writer) put(s string) {
	if w.b.Len()+len(s) > maxText {
		w.realm.overrun()
	}
	w.realm.charge(2 * len(s))
	w.b.WriteString(s)
}

// value writes v, and reports false for what JSON leaves out.
func (w *writer) value(v goja.Value, depth int) bool {
	if depth > maxJSONDepth {
		w.realm.overrun()
	}
	o, ok := v.(*goja.Object)
	switch {
	case !ok:
		return w.primitive(v)
	case o.ClassName() == "Array":
		w.array(o, depth)
	case o.ClassName() == "Date":
		f, _ := goja.AssertFunction(o.Get("toISOString"))
		w.primitive(w.realm.call(f, o))
	default:
		if _, callable := goja.AssertFunction(o); callable {
			return false
		}
		w.object(o, depth)
	}
	return true
}

func (w *writer) primitive(v goja.Value) bool {
	switch {
	case v == nil || goja.IsUndefined(v):
		return false
	case goja.IsNull(v):
		w.put("null")
	case goja.IsString(v):
		if len(v.String()) > maxText {
			w.realm.overrun()
		}
		text, _ := json.Marshal(v.String())
		w.put(string(text))
	case goja.IsNumber(v):
		w.put(numeral(v.ToFloat()))
	default:
		w.put(v.String())
	}
	return true
}

// numeral is a number in JSON.
func numeral(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "null"
	}
	text, err := json.Marshal(f)
	if err != nil {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return string(text)
}

func (w *writer) array(o *goja.Object, depth int) {
	w.put("[")
	for i := range w.realm.elements(o) {
		if i > 0 {
			w.put(",")
		}
		if !w.value(o.Get(itoa(i)), depth+1) {
			w.put("null")
		}
	}
	w.put("]")
}

func (w *writer) object(o *goja.Object, depth int) {
	w.put("{")
	keys := o.Keys()
	w.realm.charge(cell * len(keys))
	first := true
	for _, key := range keys {
		v := o.Get(key)
		if f, ok := v.(*goja.Object); v == nil || goja.IsUndefined(v) || ok && callable(f) {
			continue
		}
		if !first {
			w.put(",")
		}
		first = false
		w.primitive(w.realm.vm.ToValue(key))
		w.put(":")
		w.value(v, depth+1)
	}
	w.put("}")
}

func callable(o *goja.Object) bool {
	_, ok := goja.AssertFunction(o)
	return ok
}
