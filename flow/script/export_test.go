package script

import (
	"maps"
	"runtime"
	"slices"

	"github.com/dop251/goja"
)

// Hang gives the engine a function that nothing stops until release is closed, and which calls each before that.
func Hang(e *Engine, release chan struct{}, each ...func()) {
	e.further = map[string]native{"hang": func(goja.FunctionCall) goja.Value {
		for _, f := range each {
			f()
		}
		<-release
		return goja.Undefined()
	}}
	e.globals["hang"] = true
}

// Await waits until all runs of a program that were given up have ended.
func Await(e *Engine, p *Program) {
	for {
		e.mu.Lock()
		n := e.abandoned[p.Hash]
		e.mu.Unlock()
		if n == 0 {
			return
		}
		runtime.Gosched()
	}
}

// Natives are the names of the interpreter's methods.
func Natives() []string { return slices.Sorted(maps.Keys(survey())) }
