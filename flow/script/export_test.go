package script

import (
	"maps"
	"slices"

	"github.com/dop251/goja"
)

// Hang gives the engine a function that nothing stops until release is closed.
func Hang(e *Engine, release chan struct{}) {
	e.further = map[string]native{"hang": func(goja.FunctionCall) goja.Value { <-release; return goja.Undefined() }}
	e.globals["hang"] = true
}

// Natives are the names of the interpreter's methods.
func Natives() []string { return slices.Sorted(maps.Keys(survey())) }
