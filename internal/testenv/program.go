package testenv

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
)

// TB is what the functions of this package are given: a test, a benchmark, or what Program gives.
type TB = testing.TB

// Program does something that needs servers in a program that is no test: they are started for the TB that it gets, and end with it. A
// server that is not installed ends it as it skips a test, and skipped says what is missing. The error is that of whatever failed.
// The TB has what this package uses, no more; do must not return before what it started in goroutines of its own has.
func Program(ctx context.Context, do func(TB)) (skipped string, err error) {
	p := &program{context: func() context.Context { return ctx }}
	done := make(chan struct{})
	go func() { // whoever skips or fails ends the goroutine, as in a test
		defer close(done)
		defer p.end()
		do(p)
	}()
	<-done
	return p.skipped, errors.Join(p.failed...)
}

// program stands in the place of a test.
type program struct {
	testing.TB
	context func() context.Context
	ending  []func()
	skipped string
	failed  []error
}

// end does what was left for the end, the last first.
func (p *program) end() {
	for _, end := range slices.Backward(p.ending) {
		end()
	}
}

// Helper implements testing.TB.
func (p *program) Helper() {}

// Context implements testing.TB.
func (p *program) Context() context.Context { return p.context() }

// Cleanup implements testing.TB.
func (p *program) Cleanup(end func()) { p.ending = append(p.ending, end) }

// Errorf implements testing.TB.
func (p *program) Errorf(format string, args ...any) {
	p.failed = append(p.failed, fmt.Errorf(format, args...))
}

// Fatalf implements testing.TB.
func (p *program) Fatalf(format string, args ...any) {
	p.Errorf(format, args...)
	runtime.Goexit()
}

// Skip implements testing.TB.
func (p *program) Skip(args ...any) {
	p.skipped = fmt.Sprint(args...)
	runtime.Goexit()
}
