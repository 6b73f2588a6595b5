package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/flow/script"
	"github.com/signet-idp/signet/store/directory"
)

// part is what a part of the flow engine takes that needs neither store nor network: a page, and one run of a script.
type part struct {
	Name string
	// Median is of many, one after another, and Target the most that it may be; zero is none.
	Median, Target time.Duration
	Allocations    float64
}

func (p part) misses() bool { return p.Target > 0 && p.Median > p.Target }

// String says what was measured.
func (p part) String() string {
	text := fmt.Sprintf("%s: %s, %.0f allocations", p.Name, brief(p.Median), p.Allocations)
	if p.Target > 0 {
		text += fmt.Sprintf(" (target %s)", brief(p.Target))
	}
	return text
}

const (
	maxRender = 200 * time.Microsecond
	// maxOverhead is the most CPU time that a sign-in may take beyond its floor, over memory.
	maxOverhead = 500 * time.Microsecond
	// journaled is how many calls the script has made before it runs once more.
	journaled = 10
	parts     = 2000
)

// measureParts measures those of this process.
func measureParts(ctx context.Context) ([]part, error) {
	page, err := renderPage()
	if err != nil {
		return nil, err
	}
	run, err := runScript(ctx)
	if err != nil {
		return nil, err
	}
	var all []part
	for _, p := range []struct {
		part
		do func() error
	}{
		{part{Name: "page of name and password", Target: maxRender}, page},
		{part{Name: fmt.Sprintf("run of a script with a journal of %d", journaled)}, run},
	} {
		if p.Median, p.Allocations, err = repeat(p.do); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		all = append(all, p.part)
	}
	return all, nil
}

// repeat does something many times.
func repeat(do func() error) (time.Duration, float64, error) {
	took := make([]time.Duration, parts)
	var before, after runtime.MemStats
	if err := do(); err != nil { // what is made once
		return 0, 0, err
	}
	runtime.ReadMemStats(&before)
	for i := range took {
		began := time.Now()
		if err := do(); err != nil {
			return 0, 0, err
		}
		took[i] = time.Since(began)
	}
	runtime.ReadMemStats(&after)
	slices.Sort(took)
	return took[parts/2], float64(after.Mallocs-before.Mallocs) / parts, nil
}

// nowhere is a browser that only looks whether there was an answer.
type nowhere struct {
	header http.Header
	length int
}

func (n *nowhere) Header() http.Header { return n.header }
func (n *nowhere) WriteHeader(int)     {}
func (n *nowhere) Write(b []byte) (int, error) {
	n.length += len(b)
	return len(b), nil
}

// renderPage shows the page that most people see, in a look of somebody's own.
func renderPage() (func() error, error) {
	p, err := pages.New(pages.Config{Issuer: "https://id.example.com"})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://id.example.com/login", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept-Language", "de-CH,de;q=0.9,en;q=0.8")
	view := flow.View{
		Flow: "flow", Sequence: 1, Submit: "/login?flow=flow", ApplicationName: "Web shop",
		Branding: directory.Branding{Name: "Acme", PrivacyURL: "/privacy", Light: map[string]string{"accent": "#0f766e"}},
		Prompt: flow.Prompt{
			Step: "password", Title: flow.Message{ID: "password.title"},
			Fields: []flow.Field{
				{Name: "username", Type: flow.TextField, Label: "password.username", Autocomplete: "username", Required: true, Focus: true},
				{Name: "password", Type: flow.PasswordField, Label: "password.password", Autocomplete: "current-password", Required: true},
				{Name: "remember", Type: flow.CheckboxField, Label: "password.remember"},
			},
			Actions: []flow.Action{{Name: "login", Label: "password.login"}, {Name: "cancel", Label: "action.cancel", Kind: flow.Secondary}},
		},
	}
	return func() error {
		w := nowhere{header: http.Header{}}
		if p.Show(&w, request, view); w.length < 1000 {
			return errors.New("there is no page")
		}
		return nil
	}, nil
}

// runScript runs a script once more that has asked ten questions since the login began.
func runScript(ctx context.Context) (func() error, error) {
	e, err := script.New(script.Config{Functions: map[string]script.Function{
		"isMemberOfAnyOfGroups": func(context.Context, *script.Call) (any, error) { return true, nil },
	}})
	if err != nil {
		return nil, err
	}
	program, err := e.Compile(`
var onLoginRequest = function (context) {
	executeStep(1, {
		onSuccess: function (context) {
			var member = true;
			for (var i = 0; i < 10; i++) {
				member = member && isMemberOfAnyOfGroups(context.currentKnownSubject, ['group-' + i]);
			}
			if (member) { executeStep(2); }
		}
	});
};`, nil)
	if err != nil {
		return nil, err
	}
	login := script.Login{Now: time.Now(), Application: "shop", Steps: [][]script.Option{
		{{Authenticator: "BasicAuthenticator"}}, {{Authenticator: "totp"}},
	}}
	out, err := e.Run(ctx, program, script.Memory{}, login)
	if err != nil {
		return nil, err
	}
	ann := &script.Person{Username: "ann"}
	out.Memory.Add(script.Outcome{Node: out.Next.ID, Result: script.Succeeded, Person: ann, Time: login.Now})
	if out, err = e.Run(ctx, program, out.Memory, login); err != nil {
		return nil, err
	}
	if n := len(out.Memory.Journal); n != journaled {
		return nil, fmt.Errorf("a journal of %d", n)
	}
	return func() error {
		_, err := e.Run(ctx, program, out.Memory, login)
		return err
	}, nil
}
