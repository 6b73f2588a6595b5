package script

import (
	"slices"

	"github.com/dop251/goja"
)

// walked are the methods of arrays that walk over one: they are the interpreter's, counted and bounded.
var walked = []string{
	"every", "filter", "find", "findIndex", "forEach", "includes", "indexOf", "lastIndexOf", "map", "reduce", "reduceRight", "reverse", "shift",
	"slice", "some", "sort",
}

// compared is how many units of texts are compared for what one byte of the allowance costs.
const compared = 8

// searching are those of them whose first argument is an element.
var searching = []string{"includes", "indexOf", "lastIndexOf"}

// grown are those whose array may become longer by their arguments.
var grown = []string{"concat", "push", "splice", "unshift"}

// array is the real array that a method was called for.
func (m *realm) array(v goja.Value) *goja.Object {
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Array" {
		m.throw("this is no array")
	}
	return o
}

// arrayMethod is a guarded method of arrays; nil when scripts have none of the name.
func (m *realm) arrayMethod(name string, original goja.Callable) native {
	switch {
	case name == "join":
		return m.join
	case name == "toString":
		return m.arrayText
	case name == "at", name == "pop":
		return func(c goja.FunctionCall) goja.Value { return m.call(original, m.array(c.This), c.Arguments...) }
	case slices.Contains(walked, name):
		return func(c goja.FunctionCall) goja.Value {
			array := m.array(c.This)
			n := m.elements(array)
			if text, ok := c.Argument(0).(goja.String); ok && slices.Contains(searching, name) { // each may have to be compared to its end
				m.charge(n * text.Length() / compared)
			}
			return m.call(original, array, m.walker(name, c.Arguments)...)
		}
	case slices.Contains(grown, name):
		return func(c goja.FunctionCall) goja.Value {
			array := m.array(c.This)
			m.grow(name, array, c.Arguments)
			return m.call(original, array, c.Arguments...)
		}
	}
	return nil
}

// walker are the arguments of a walk whose function, if it has one, heeds. An order that a script does not say is that of the texts.
func (m *realm) walker(name string, args []goja.Value) []goja.Value {
	f, ok := goja.AssertFunction(argument(args, 0))
	switch {
	case slices.Contains(searching, name):
		return args
	case !ok && name == "sort" && goja.IsUndefined(argument(args, 0)):
		f = func(_ goja.Value, pair ...goja.Value) (goja.Value, error) {
			return m.vm.ToValue(m.text(pair[0]).CompareTo(m.text(pair[1]))), nil
		}
	case !ok:
		return args
	}
	walk := slices.Clone(args)
	if len(walk) == 0 {
		walk = make([]goja.Value, 1)
	}
	walk[0] = m.heeding(f)
	return walk
}

// grow counts what a method is about to add to an array.
func (m *realm) grow(name string, array *goja.Object, args []goja.Value) {
	n := int(array.Get("length").ToInteger()) + len(args)
	for _, arg := range args {
		if o, ok := arg.(*goja.Object); ok && name == "concat" && o.ClassName() == "Array" {
			n += m.elements(o)
		}
	}
	if n > maxArray {
		m.overrun()
	}
	if name == "push" {
		n = len(args)
	}
	m.charge(cell * n)
}

// join is Array.prototype.join, which is also how an array becomes a text. Elements that are arrays themselves count with what they
// are made of, each time.
func (m *realm) join(c goja.FunctionCall) goja.Value {
	array := m.array(c.This)
	separator := m.vm.ToValue(",").(goja.String)
	if !goja.IsUndefined(c.Argument(0)) {
		separator = m.text(c.Argument(0))
	}
	n := m.elements(array)
	parts := make([]goja.String, 0, 2*n)
	length := 0
	for i := range n {
		v := array.Get(itoa(i))
		if i > 0 {
			parts = append(parts, separator)
			length += separator.Length()
		}
		if v != nil && !goja.IsUndefined(v) && !goja.IsNull(v) {
			s := m.text(v)
			parts = append(parts, s)
			length += s.Length()
		}
		if length > maxText {
			m.overrun()
		}
	}
	m.charge(2 * length)
	return m.glue(parts, length)
}

// arrayText is Array.prototype.toString: what the array's join makes of it.
func (m *realm) arrayText(c goja.FunctionCall) goja.Value {
	array := m.array(c.This)
	if join, ok := goja.AssertFunction(array.Get("join")); ok {
		return m.call(join, array)
	}
	return m.join(goja.FunctionCall{This: array})
}

// arrays is the global Array, for call and new.
func (m *realm) arrays() goja.Value {
	f := m.vm.ToValue(func(c goja.ConstructorCall) *goja.Object {
		items := make([]any, len(c.Arguments))
		for i, v := range c.Arguments {
			items[i] = v
		}
		if len(items) == 1 && goja.IsNumber(c.Arguments[0]) {
			n := c.Arguments[0].ToFloat()
			if n < 0 || n > maxArray {
				m.overrun()
			}
			m.charge(cell * int(n))
			items = make([]any, int(n))
			for i := range items {
				items[i] = goja.Undefined()
			}
		}
		return m.vm.NewArray(items...)
	}).ToObject(m.vm)
	define(f, "isArray", m.vm.ToValue(func(c goja.FunctionCall) goja.Value {
		o, ok := c.Argument(0).(*goja.Object)
		return m.vm.ToValue(ok && o.ClassName() == "Array")
	}))
	define(f, "prototype", m.vm.NewArray().Prototype()) // for instanceof
	return f
}
