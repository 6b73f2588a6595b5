package script

import (
	"errors"
	"strings"

	"github.com/dop251/goja"
)

// The bounds of what a script holds. The interpreter has none of its own for memory, and what it does in one operation cannot be
// interrupted; so whatever makes large things is a guard that counts them.
const (
	// maxText is the greatest length of a string that a script can make, in UTF-16 units.
	maxText = 64 << 10
	// maxArray is the greatest length of an array.
	maxArray = 10_000
	// allowance is how many bytes guards may make in one run.
	allowance = 4 << 20
	// maxSteps bounds how many turns of loops and calls of functions there are in one run.
	maxSteps = 100_000
	// cell is what an element of an array counts as, and visit what each call counts as that an operation in Go makes.
	cell  = 16
	visit = 128
	// callDepth bounds how deep functions call one another.
	callDepth = 128
)

// ErrOverrun: the script took more time, memory or calls than it may. The login fails closed.
var ErrOverrun = errors.New("script: overrun")

// charge counts what a guard is about to make. Beyond the allowance the script is stopped, which it cannot catch.
func (m *realm) charge(n int) {
	m.heed()
	if m.left -= n; m.left < 0 || n < 0 {
		m.overrun()
	}
}

// interrupt stops the script, from any goroutine: the interpreter between two of its instructions, and what is written in Go where it heeds.
func (m *realm) interrupt(cause error) {
	m.halted.CompareAndSwap(nil, &cause)
	m.vm.Interrupt(cause)
}

// heed ends an operation in Go of a script that was stopped: the interpreter looks for that only when it is back among its instructions.
func (m *realm) heed() {
	if m.halted.Load() != nil {
		panic(m.vm.NewTypeError("the script was stopped"))
	}
}

// heeding is a function for an operation in Go that calls it again and again: it may be in Go as well, and then nothing else stops the two, nor
// counts what they make, as an Error each time.
func (m *realm) heeding(f goja.Callable) goja.Value {
	return m.vm.ToValue(func(c goja.FunctionCall) goja.Value {
		m.charge(visit)
		return m.call(f, c.This, c.Arguments...)
	})
}

// step counts a turn of a loop, or a call of a function.
func (m *realm) step() goja.Value {
	if m.steps++; m.steps > maxSteps {
		m.overrun()
	}
	return goja.Undefined()
}

func (m *realm) overrun() {
	m.over = true
	m.interrupt(ErrOverrun)
	panic(m.vm.NewTypeError("the script takes too much"))
}

// throw throws a TypeError in the script. To panic is how a function in Go throws there; nothing of it leaves the interpreter.
func (m *realm) throw(text string) { panic(m.vm.NewTypeError(text)) }

// guardNamed is what admission has put in the place of operators; nil when there is none of the name.
func (m *realm) guardNamed(name string) native {
	switch name {
	case addGuard:
		return func(c goja.FunctionCall) goja.Value { return m.add(c.Argument(0), c.Argument(1)) }
	case joinGuard:
		return func(c goja.FunctionCall) goja.Value { return m.concat(c.Arguments...) }
	case keyGuard:
		return func(c goja.FunctionCall) goja.Value { return m.key(c.Argument(0)) }
	case slotGuard:
		return func(c goja.FunctionCall) goja.Value { return m.slot(c.Argument(0)) }
	case stepGuard:
		return func(goja.FunctionCall) goja.Value { return m.step() }
	case spreadGuard:
		return func(c goja.FunctionCall) goja.Value { return m.spread(c.Argument(0)) }
	}
	return nil
}

// add is the operator +.
func (m *realm) add(a, b goja.Value) goja.Value {
	a, b = m.primitive(a), m.primitive(b)
	_, left := a.(goja.String)
	_, right := b.(goja.String)
	if left || right {
		return m.concat(a, b)
	}
	return m.vm.ToValue(a.ToFloat() + b.ToFloat())
}

// primitive is v as + sees it (ECMA-262 §7.1.1).
func (m *realm) primitive(v goja.Value) goja.Value {
	o, ok := v.(*goja.Object)
	if !ok {
		return v
	}
	order := []string{"valueOf", "toString"}
	if o.ClassName() == "Date" {
		order = []string{"toString"}
	}
	for _, name := range order {
		f, ok := goja.AssertFunction(o.Get(name))
		if !ok {
			continue
		}
		if made := m.call(f, o); !isObject(made) {
			return made
		}
	}
	panic(m.vm.NewTypeError("cannot convert an object to a text"))
}

func isObject(v goja.Value) bool {
	_, ok := v.(*goja.Object)
	return ok
}

// text is v as a string.
func (m *realm) text(v goja.Value) goja.String {
	if o, ok := v.(*goja.Object); ok {
		f, ok := goja.AssertFunction(o.Get("toString"))
		if !ok {
			m.throw("cannot convert an object to a text")
		}
		v = m.call(f, o)
	}
	if s, ok := v.(goja.String); ok {
		return s
	}
	return m.vm.ToValue(v.String()).(goja.String)
}

// concat joins values into one string.
func (m *realm) concat(parts ...goja.Value) goja.Value {
	var whole goja.String
	for _, part := range parts {
		s := m.text(part)
		if whole == nil {
			whole = s
			continue
		}
		n := whole.Length() + s.Length()
		if n > maxText {
			m.overrun()
		}
		m.charge(2 * n)
		whole = whole.Concat(s)
	}
	if whole == nil {
		return m.vm.ToValue("")
	}
	return whole
}

// key is a computed key for reading: a primitive that does not lead out of the sandbox.
func (m *realm) key(v goja.Value) goja.Value {
	if goja.IsNumber(v) {
		return v
	}
	s := m.text(v)
	m.permit(s.String())
	return s
}

// slot is a computed key for writing: nothing that makes an array long.
func (m *realm) slot(v goja.Value) goja.Value {
	if goja.IsNumber(v) && v.ToFloat() >= 0 && v.ToFloat() < maxArray {
		return v
	}
	s := m.text(v)
	name := s.String()
	m.permit(name)
	if tooFar(name) {
		m.throw("an array has at most 10000 elements, and its length is not to be set")
	}
	return s
}

// permit refuses a name that leads out of the sandbox. A method that is named for the first time is guarded now.
func (m *realm) permit(name string) {
	for _, bad := range forbidden {
		if name == bad {
			m.throw("the name " + bad + " is not available")
		}
	}
	if strings.HasPrefix(name, "#") {
		m.throw("names do not begin with #")
	}
	m.install(name)
}

// spread is what ... takes apart.
func (m *realm) spread(v goja.Value) goja.Value {
	switch o := v.(type) {
	case *goja.Object:
		if o.ClassName() == "Array" || o.ClassName() == "Arguments" {
			m.elements(o)
		} else {
			m.charge(cell * len(o.Keys()))
		}
	case goja.String:
		if o.Length() > maxArray {
			m.overrun()
		}
		m.charge(cell * o.Length())
	}
	return v
}

// elements counts a walk over an array and returns its length.
func (m *realm) elements(o *goja.Object) int {
	n := o.Get("length").ToInteger()
	if n > maxArray {
		m.overrun()
	}
	m.charge(cell * int(n))
	return int(n)
}
