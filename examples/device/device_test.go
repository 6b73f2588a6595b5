package main

import (
	"io"
	"regexp"
	"testing"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/oidc"
)

// The person reads the code off the command line, enters it in a browser and signs in, and the command line knows who they are.
func TestSignIn(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, func(c *signet.Config) { c.OIDC.Device = &oidc.Device{Interval: time.Second} })
	ann := idp.User("ann")
	if err := register(t.Context(), idp.Provider); err != nil {
		t.Fatal(err)
	}
	screen, command := io.Pipe()
	type result struct {
		name string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		name, err := signIn(t.Context(), idp.Client(), idp.URL, command)
		_ = command.Close()
		done <- result{name, err}
	}()
	shown := make([]byte, 1024)
	n, err := screen.Read(shown)
	if err != nil {
		t.Fatal(err, (<-done).err)
	}
	code := regexp.MustCompile(`[A-Z]{4}-[A-Z]{4}`).FindString(string(shown[:n]))
	idp.Browser().Open(idp.URL+"/oauth2/device").Fill("user_code", code).Submit("login").SignIn(ann)
	if got := <-done; got.err != nil || got.name == "" {
		t.Errorf("signed in as %q, %v", got.name, got.err)
	}
}
