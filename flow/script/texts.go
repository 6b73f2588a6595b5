package script

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

func itoa(i int) string { return strconv.Itoa(i) }

// glue puts texts of a known whole length together.
func (m *realm) glue(parts []goja.String, length int) goja.Value {
	var b goja.StringBuilder
	b.Grow(length)
	for _, p := range parts {
		b.WriteString(p)
	}
	return b.String()
}

// textMethod is a guarded method of strings; nil when scripts have none of the name.
func (m *realm) textMethod(name string, original goja.Callable) native {
	var f func(s goja.String, args []goja.Value) goja.Value
	switch name {
	case "toLowerCase", "toUpperCase", "trim", "trimEnd", "trimStart":
		f = func(s goja.String, _ []goja.Value) goja.Value {
			m.charge(2 * s.Length())
			return m.call(original, s)
		}
	case "endsWith", "includes", "startsWith":
		f = func(s goja.String, args []goja.Value) goja.Value { return m.call(original, s, args...) }
	case "at", "charAt", "charCodeAt", "codePointAt":
		return func(c goja.FunctionCall) goja.Value { return m.call(original, m.text(c.This), c.Arguments...) }
	case "concat":
		f = func(s goja.String, args []goja.Value) goja.Value {
			return m.concat(append([]goja.Value{s}, args...)...)
		}
	case "repeat":
		f = m.repeat
	case "padStart":
		f = func(s goja.String, args []goja.Value) goja.Value { return m.concat(m.padding(s, args), s) }
	case "padEnd":
		f = func(s goja.String, args []goja.Value) goja.Value { return m.concat(s, m.padding(s, args)) }
	case "indexOf":
		f = func(s goja.String, args []goja.Value) goja.Value { return m.find(s, args, strings.Index) }
	case "lastIndexOf":
		f = func(s goja.String, args []goja.Value) goja.Value {
			return m.find(s, args[:min(1, len(args))], strings.LastIndex)
		}
	case "replace":
		f = func(s goja.String, args []goja.Value) goja.Value { return m.replace(s, args, 1) }
	case "replaceAll":
		f = func(s goja.String, args []goja.Value) goja.Value { return m.replace(s, args, -1) }
	case "split":
		f = m.split
	case "slice", "substr", "substring":
		return func(c goja.FunctionCall) goja.Value { // of a text that is not ASCII they make a copy
			part := m.call(original, m.text(c.This), c.Arguments...)
			m.charge(2 * m.text(part).Length())
			return part
		}
	default:
		return nil
	}
	return func(c goja.FunctionCall) goja.Value {
		s := m.text(c.This)
		if s.Length() > 4*maxText {
			m.overrun()
		}
		m.charge(s.Length())
		return f(s, c.Arguments)
	}
}

func (m *realm) repeat(s goja.String, args []goja.Value) goja.Value {
	n := argument(args, 0).ToFloat()
	if !(n >= 0) || n*float64(s.Length()) > maxText || n > maxText {
		m.overrun()
	}
	return m.times(s, int(n)*s.Length())
}

func argument(args []goja.Value, i int) goja.Value {
	if i < len(args) {
		return args[i]
	}
	return goja.Undefined()
}

// times repeats s up to a length.
func (m *realm) times(s goja.String, length int) goja.Value {
	m.charge(2 * length)
	var b goja.StringBuilder
	b.Grow(length)
	for n := 0; n < length; n += s.Length() {
		b.WriteString(s.Substring(0, min(s.Length(), length-n)))
	}
	return b.String()
}

// padding is what padStart and padEnd add.
func (m *realm) padding(s goja.String, args []goja.Value) goja.Value {
	want := argument(args, 0).ToFloat()
	if want > maxText {
		m.overrun()
	}
	with := m.vm.ToValue(" ").(goja.String)
	if !goja.IsUndefined(argument(args, 1)) {
		with = m.text(args[1])
	}
	missing := int(want) - s.Length()
	if !(want > 0) || missing <= 0 || with.Length() == 0 {
		return m.vm.ToValue("")
	}
	return m.times(with, missing)
}

// find is indexOf and lastIndexOf, by a search that is never quadratic.
func (m *realm) find(s goja.String, args []goja.Value, search func(s, part string) int) goja.Value {
	from := 0
	if f := argument(args, 1).ToFloat(); f > 0 {
		from = min(int(min(f, maxText*4)), s.Length())
	}
	rest := units(s.Substring(from, s.Length()))
	i := search(rest, units(m.text(argument(args, 0))))
	if i >= 0 {
		i = i/4 + from
	}
	return m.vm.ToValue(i)
}

// units spells a string with four letters for each UTF-16 unit, so that an index into it is one into the string: whatever is found
// at a place that is no multiple of four cannot be, as the letters of each place are its own.
func units(s goja.String) string {
	b := make([]byte, 0, 4*s.Length())
	for i := range s.Length() {
		c := s.CharAt(i)
		b = append(b, byte(c>>12), byte(c>>8&15)|0x10, byte(c>>4&15)|0x20, byte(c&15)|0x30)
	}
	return string(b)
}

// replace is replace and replaceAll with a text, or what a function makes of it, in the place of a text.
func (m *realm) replace(s goja.String, args []goja.Value, limit int) goja.Value {
	whole, part := units(s), units(m.text(argument(args, 0)))
	with, isFunc := goja.AssertFunction(argument(args, 1))
	var parts []goja.String
	length, at := 0, 0
	add := func(p goja.String) {
		if length += p.Length(); length > maxText {
			m.overrun()
		}
		parts = append(parts, p)
	}
	for limit != 0 {
		i := strings.Index(whole[4*at:], part)
		if i < 0 {
			break
		}
		start := at + i/4
		end := start + len(part)/4
		add(s.Substring(at, start))
		if isFunc {
			add(m.text(m.call(with, goja.Undefined(), s.Substring(start, end), m.vm.ToValue(start), s)))
		} else {
			add(m.text(argument(args, 1)))
		}
		if at = end; len(part) == 0 { // between all characters
			if start == s.Length() {
				break
			}
			add(s.Substring(start, start+1))
			at = start + 1
		}
		m.charge(cell)
		limit--
	}
	if at < s.Length() {
		add(s.Substring(at, s.Length()))
	}
	m.charge(2 * length)
	return m.glue(parts, length)
}

// split is split by a text.
func (m *realm) split(s goja.String, args []goja.Value) goja.Value {
	if goja.IsUndefined(argument(args, 0)) {
		return m.vm.NewArray(s)
	}
	limit := maxArray
	if !goja.IsUndefined(argument(args, 1)) {
		limit = int(min(max(0, argument(args, 1).ToFloat()), maxArray))
	}
	whole, by := units(s), units(m.text(args[0]))
	var items []any
	at := 0
	for len(items) < limit+1 {
		var i int
		if by == "" {
			if at >= s.Length() {
				return m.vm.NewArray(items...)
			}
			i = min(4, len(whole)-4*at)
		} else if i = strings.Index(whole[4*at:], by); i < 0 {
			break
		}
		items = append(items, s.Substring(at, at+i/4))
		at += i/4 + len(by)/4
		m.charge(cell)
	}
	if len(items) > limit {
		if limit == maxArray {
			m.overrun()
		}
		return m.vm.NewArray(items[:limit]...)
	}
	if len(items) < limit {
		items = append(items, s.Substring(at, s.Length()))
	}
	return m.vm.NewArray(items...)
}

// texts is the global String.
func (m *realm) texts() goja.Value {
	f := m.vm.ToValue(func(c goja.FunctionCall) goja.Value {
		if len(c.Arguments) == 0 {
			return m.vm.ToValue("")
		}
		return m.text(c.Arguments[0])
	}).ToObject(m.vm)
	define(f, "fromCharCode", m.vm.ToValue(func(c goja.FunctionCall) goja.Value {
		var codes []uint16
		for _, v := range c.Arguments {
			codes = append(codes, uint16(v.ToInteger()&0xffff))
		}
		return goja.StringFromUTF16(codes)
	}))
	return f
}

// re2 is re2(pattern, text): the list of the match and its groups, or null. The syntax is that of the package regexp, which takes
// time in proportion to the text.
func (m *realm) re2(c goja.FunctionCall) goja.Value {
	pattern, s := m.text(c.Argument(0)), m.text(c.Argument(1))
	if pattern.Length() > 1000 || s.Length() > maxText/4 {
		m.overrun()
	}
	m.charge(64*pattern.Length() + 16*s.Length())
	re, err := regexp.Compile(pattern.String())
	if err != nil {
		m.throw("re2: " + err.Error())
	}
	groups := re.FindStringSubmatch(s.String())
	if groups == nil {
		return goja.Null()
	}
	items := make([]any, len(groups))
	for i, g := range groups {
		items[i] = g
	}
	return m.vm.NewArray(items...)
}
