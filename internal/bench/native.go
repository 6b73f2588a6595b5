package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/signet-idp/signet/internal/secret"
)

// nativeLogin is a sign-in by an app of one's own, without a browser (oidc.Direct): the request, name and password, and the code.
type nativeLogin struct {
	*work
	person person
}

const jsonBody = "Content-Type: application/json"

func (n *nativeLogin) once(c *connection) error {
	form := (&login{work: n.work}).parameters()
	form.Set("response_mode", "direct")
	begun, err := n.ask(c, authorizePath, n.Basic, form.Encode())
	if err != nil {
		return err
	}
	answer, err := json.Marshal(map[string]any{
		"flowId": between(begun, `"flowId":"`, `"`),
		"selectedAuthenticator": map[string]any{
			"authenticatorId": between(begun, `"authenticatorId":"`, `"`),
			"params":          map[string]string{"username": n.person.Username, "password": n.person.Password},
		},
	})
	if err != nil {
		return err
	}
	done, err := n.ask(c, "/oauth2/authn", jsonBody, string(answer))
	if err != nil {
		return err
	}
	_, err = n.token(c, n.codeForm(between(done, `"code":"`, `"`)))
	return err
}

const authorizePath = "/oauth2/authorize"

// ask posts something with one header, and wants success.
func (n *nativeLogin) ask(c *connection, path, header, body string) (string, error) {
	a, err := c.exchange(c.request("POST", path, []string{header}, body))
	if err == nil && a.status != 200 {
		err = fmt.Errorf("%s: %v", path, a)
	}
	return string(a.body), err
}

// nativeLogins sign in to the client that needs no browser.
func nativeLogins(ctx context.Context, w *world, connections, count int) (work, error) {
	made, err := logins(ctx, w, connections, count)
	made.Basic, made.ClientID, made.Native = w.basic(ownApp), ownApp, true
	return made, err
}

// nativeSignIn: the client's secret, the name of the flow and the password, and what a redemption does.
func nativeSignIn(ctx context.Context, w *world, t *tape) ([][]func() error, error) {
	if len(t.steps) != 3 {
		return nil, errors.New("a sign-in by an app is not the three requests that it was")
	}
	verifying, err := w.passwordOf(ctx, w.people[0].Username, t.steps[1])
	if err != nil {
		return nil, err
	}
	last, err := w.answering(ctx, ownApp, t.steps[2])
	return [][]func() error{{matching(w.clients[ownApp].secret)}, {matching(secret.New().Reveal()), verifying}, last}, err
}
