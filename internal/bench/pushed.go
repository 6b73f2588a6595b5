package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/signet-idp/signet/internal/secret"
)

const parPath = "/oauth2/par"

// pushedLogin is a sign-in as the FAPI 2.0 Security Profile has it: the client pushes its request (RFC 9126), and sends an assertion and a
// proof with that and with the code.
type pushedLogin struct {
	login
	signed <-chan pair
}

// pair is what a client has signed for one sign-in.
type pair struct{ Push, Token signed }

func (l *pushedLogin) once(c *connection) error {
	made, ok := <-l.signed
	if !ok {
		return errNoMore
	}
	l.reset()
	a, err := l.ask(c, parPath, made.Push, l.parameters().Encode(), http.StatusCreated)
	if err != nil {
		return err
	}
	reference := between(string(a.body), `"request_uri":"`, `"`)
	code, err := l.authorized(c, url.Values{"client_id": {l.ClientID}, "request_uri": {reference}})
	if err != nil {
		return err
	}
	a, err = l.ask(c, tokenPath, made.Token, l.codeForm(code), http.StatusOK)
	l.tokens = string(a.body)
	return err
}

// ask posts a form with what the client has signed.
func (l *pushedLogin) ask(c *connection, path string, made signed, form string, want int) (answer, error) {
	a, err := c.exchange(c.request("POST", path, made.headers(), made.form(form)))
	if err == nil && a.status != want {
		err = fmt.Errorf("%v", a)
	}
	return a, err
}

// pairs are for so many sign-ins.
func (w *world) pairs(count int) ([]pair, error) {
	all := make([]pair, count)
	for i := range all {
		var push, token error
		all[i].Push, push = w.holder.both(webFAPI, w.issuer, parPath)
		all[i].Token, token = w.holder.both(webFAPI, w.issuer, tokenPath)
		if err := errors.Join(push, token); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// pushedLogins sign in to the client that pushes its requests.
func pushedLogins(ctx context.Context, w *world, connections, count int) (work, error) {
	made, err := logins(ctx, w, connections, count)
	if err != nil {
		return made, err
	}
	made.Basic, made.ClientID = "", webFAPI
	made.Signed, err = w.pairs(count)
	return made, err
}

// pushedSignIn: an assertion and a proof, what a sign-in needs, and once more an assertion and a proof with the code.
func pushedSignIn(ctx context.Context, w *world, t *tape) ([][]func() error, error) {
	if len(t.steps) != 6 {
		return nil, fmt.Errorf("a sign-in by a pushed request has %d requests", len(t.steps))
	}
	pages, err := w.pages(ctx, t.steps[1:5])
	if err != nil {
		return nil, err
	}
	client, err := w.authenticating(webFAPI)
	if err != nil {
		return nil, err
	}
	first, err := w.proving(client, parPath)
	if err != nil {
		return nil, err
	}
	last, err := w.answering(ctx, webFAPI, t.steps[5])
	if err != nil {
		return nil, err
	}
	if last, err = w.proving(last, tokenPath); err != nil {
		return nil, err
	}
	pages[0] = append(pages[0], matching(secret.New().Reveal())) // of the reference
	return append(append([][]func() error{first}, pages...), last), nil
}
