package script

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signet-idp/signet/store"
)

// Config is the wiring of an Engine. The zero value runs scripts that reach nothing but their context.
type Config struct {
	// Functions are what scripts can call, by name, besides what this package brings: those of a Directory, and a host's own. A
	// name with a dot is a property, as "user.localClaims".
	Functions map[string]Function
	// Log takes what scripts log, and their failures; nil is nowhere.
	Log *slog.Logger
	// Soft is how long a script may run before it is stopped: 25 milliseconds, and as the machine may have been busy, once more ten times as
	// long. Hard is how long it is waited for after that, until it is given up because it cannot be stopped: a second. Time in Functions does
	// not count. What a script does is bounded by counts besides, which know nothing of the machine.
	Soft, Hard time.Duration
	// Slots is how many scripts run at once; zero is as many as there are CPUs.
	Slots int
}

// The defaults.
const (
	defaultSoft = 25 * time.Millisecond
	defaultHard = time.Second
	// patience is how many times as long as Soft the second try may take.
	patience = 10
	// maxAbandoned is after how many runs that could not be stopped a script is not run any more.
	maxAbandoned = 3
)

// Function is what a script can call. It runs in the goroutine of the caller of Run, once for each call in the life of a login: the
// next run gets the value from the journal. The value is what encoding/json makes of it; a Person or a list of Persons becomes a
// user of the script. A *RefusalError is told to the script; any other error fails the run, and nothing is journaled.
type Function func(ctx context.Context, c *Call) (any, error)

// RefusalError is the error of a Function that says no: the script catches it as an Error, or its onFail is called.
type RefusalError struct{ Problem string }

func (r *RefusalError) Error() string { return r.Problem }

// Call is one call of a Function.
type Call struct {
	// Name is what was called.
	Name string
	// Args are what encoding/json would decode, with *Person where the script passed a user. Handlers are left out.
	Args []any
	// Login is what the run was told.
	Login *Login

	run *run
}

// Write has f add to the batch that carries the flow on. When that is not applied, neither is this, and the call is repeated.
func (c *Call) Write(f func(b *store.Batch) error) { c.run.out.Writes = append(c.run.out.Writes, f) }

// SetCookie sets a cookie with the answer to the browser.
func (c *Call) SetCookie(cookie *http.Cookie) { c.run.out.Cookies = append(c.run.out.Cookies, cookie) }

// Text returns an argument that must be a text; a number is spelt.
func (c *Call) Text(i int) (string, error) {
	if i < len(c.Args) {
		switch v := c.Args[i].(type) {
		case string:
			return v, nil
		case float64, bool:
			return fmt.Sprint(v), nil
		}
	}
	return "", &RefusalError{fmt.Sprintf("%s: argument %d is not a text", c.Name, i+1)}
}

// Texts returns an argument that must be a list of texts; a text alone is a list of one.
func (c *Call) Texts(i int) ([]string, error) {
	if i < len(c.Args) {
		switch v := c.Args[i].(type) {
		case string:
			return []string{v}, nil
		case []any:
			texts := make([]string, 0, len(v))
			for _, item := range v {
				s, ok := item.(string)
				if !ok {
					return nil, &RefusalError{fmt.Sprintf("%s: argument %d is not a list of texts", c.Name, i+1)}
				}
				texts = append(texts, s)
			}
			return texts, nil
		}
	}
	return nil, &RefusalError{fmt.Sprintf("%s: argument %d is not a list of texts", c.Name, i+1)}
}

// Map returns an argument that may be an object; nil when it is missing.
func (c *Call) Map(i int) map[string]any {
	if i < len(c.Args) {
		m, _ := c.Args[i].(map[string]any)
		return m
	}
	return nil
}

// Person returns an argument that must be a user.
func (c *Call) Person(i int) (*Person, error) {
	if i < len(c.Args) {
		if p, ok := c.Args[i].(*Person); ok {
			return p, nil
		}
	}
	return nil, &RefusalError{fmt.Sprintf("%s: argument %d is not a user", c.Name, i+1)}
}

// Engine admits and runs scripts. It is safe for concurrent use.
type Engine struct {
	config  Config
	globals map[string]bool
	slots   chan struct{}

	natives map[string][]string // the methods that the interpreter has, and whose
	further map[string]native   // globals for tests

	mu        sync.Mutex
	abandoned map[string]int // by hash of the program
}

// New checks the configuration and returns an Engine.
func New(config Config) (*Engine, error) {
	var problems []error
	if config.Soft < 0 || config.Hard < 0 || config.Slots < 0 {
		problems = append(problems, errors.New("Soft, Hard, Slots: must not be negative"))
	}
	if config.Soft == 0 {
		config.Soft = defaultSoft
	}
	if config.Hard == 0 {
		config.Hard = defaultHard
	}
	if config.Slots == 0 {
		config.Slots = runtime.GOMAXPROCS(0)
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	config.Functions = maps.Clone(config.Functions)
	known := builtins()
	for name, f := range config.Functions {
		switch {
		case f == nil:
			problems = append(problems, fmt.Errorf("Functions: %q is nil", name))
		case known[name]:
			problems = append(problems, fmt.Errorf("Functions: %q is the engine's own", name))
		case !strings.Contains(name, "."):
			known[name] = true
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return &Engine{config: config, globals: known, natives: survey(), slots: make(chan struct{}, config.Slots), abandoned: map[string]int{}}, nil
}

// builtins are the names that every script knows.
func builtins() map[string]bool {
	known := map[string]bool{}
	for _, name := range slices.Concat(plain, made, slices.Collect(maps.Keys(core))) {
		known[name] = true
	}
	known["Log"], known["secrets"], known["arguments"] = true, true, true
	return known
}

// ErrDisabled: the script was given up on repeatedly, and is not run any more by this process while those runs last. The login fails closed.
var ErrDisabled = errors.New("script: disabled after runs that could not be stopped")

func (e *Engine) disabled(hash string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.abandoned[hash] >= maxAbandoned
}

// abandon counts a run that is given up, unless it has ended in this moment.
func (e *Engine) abandon(r *run) (times int, ended bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.finished {
		return e.abandoned[r.program.Hash], true
	}
	r.givenUp = true
	e.abandoned[r.program.Hash]++
	return e.abandoned[r.program.Hash], false
}

// ended notes that a run has ended. One that was given up could be stopped after all: the machine was slow, and that does not count.
func (e *Engine) ended(r *run) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.finished = true; r.givenUp {
		e.abandoned[r.program.Hash]--
	}
}
