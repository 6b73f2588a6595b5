package script

import "github.com/dop251/goja"

// Hang gives the engine a function that nothing stops until release is closed.
func Hang(e *Engine, release chan struct{}) {
	e.further = map[string]native{"hang": func(goja.FunctionCall) goja.Value { <-release; return goja.Undefined() }}
	e.globals["hang"] = true
}
