package pages_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
)

const issuer = "https://login.example.com/id"

func newPages(t testing.TB, change func(*pages.Config)) *pages.Pages {
	t.Helper()
	c := pages.Config{Issuer: issuer}
	if change != nil {
		change(&c)
	}
	p, err := pages.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// show renders a view for a browser that speaks the languages of the header Accept-Language.
func show(t testing.TB, p *pages.Pages, v flow.View, languages string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/login", nil)
	if languages != "" {
		r.Header.Set("Accept-Language", languages)
	}
	p.Show(w, r, v)
	return w.Result(), w.Body.String()
}

func passwordView() flow.View {
	return flow.View{
		Flow: "flow-1", Sequence: 7, Submit: "/id/login?flow=flow-1", Restart: "sealed", ApplicationName: "Demo App",
		Prompt: flow.Prompt{
			Step:  "password",
			Title: flow.Message{ID: "password.title"},
			Fields: []flow.Field{
				{Name: "username", Type: flow.TextField, Label: "password.username", Autocomplete: "username", Required: true, Focus: true},
				{Name: "password", Type: flow.PasswordField, Label: "password.password", Autocomplete: "current-password", Required: true},
				{Name: "remember", Type: flow.CheckboxField, Label: "password.remember"},
			},
			Actions: []flow.Action{
				{Name: "login", Label: "password.login"},
				{Name: "cancel", Label: "action.cancel", Kind: flow.Secondary},
			},
		},
	}
}

func TestPasswordPage(t *testing.T) {
	t.Parallel()
	answer, page := show(t, newPages(t, nil), passwordView(), "")
	if answer.StatusCode != http.StatusOK {
		t.Errorf("status %d", answer.StatusCode)
	}
	for _, want := range []string{
		`<html lang="en" dir="ltr">`,
		`<title>Sign in to Demo App · login.example.com</title>`,
		`<h1>Sign in to <bdi>Demo App</bdi></h1>`,
		`<form method="post" action="/id/login?flow=flow-1">`,
		`<input type="hidden" name="flow" value="flow-1">`,
		`<input type="hidden" name="seq" value="7">`,
		`<input type="hidden" name="restart" value="sealed">`,
		`<label for="username">Username</label>`,
		`<input type="text" id="username" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" dir="auto" required autofocus>`,
		`<input type="password" id="password" name="password" autocomplete="current-password" autocapitalize="none" spellcheck="false" dir="ltr" required>`,
		`<input type="checkbox" id="remember" name="remember" value="true">`,
		`<button type="submit" id="login" name="action" value="login" class="button primary">Sign in</button>`,
		`<button type="submit" id="cancel" name="action" value="cancel" class="button secondary" formnovalidate>Cancel</button>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}
