package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/dpop"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// row is one line of the table.
type row struct {
	name string
	// target is the least ratio of throughputs, endpoint to floor.
	target float64
	// supply makes what the journeys of some connections need, count of each thing that is used up.
	supply func(ctx context.Context, w *world, connections, count int) (work, error)
	// inevitable is what the floor signs and verifies, for each request of the tape. It may take calls off the tape that the
	// work makes by itself. Nil is nothing.
	inevitable func(ctx context.Context, w *world, t *tape) ([][]func() error, error)
}

// The targets.
const (
	usual    = 0.75
	signing  = 0.85 // where RS256 signs: beside that everything else is small
	document = 0.80
)

// rows are the lines of the table.
func rows() []row {
	return []row{
		{"discovery", document, get("/.well-known/openid-configuration", nil), nil},
		{"jwks", document, get("/oauth2/jwks", nil), nil},
		{"client_credentials RS256", signing, clientCredentials(ownRS256), tokenRequest(ownRS256)},
		{"client_credentials ES256", usual, clientCredentials(ownES256), tokenRequest(ownES256)},
		{"client_credentials opaque", usual, clientCredentials(ownOpaque), tokenRequest(ownOpaque)},
		{"introspection JWT", usual, introspection(webJWT), introspected(webJWT)},
		{"introspection opaque", usual, introspection(webOpaque), introspected(webOpaque)},
		{"userinfo JWT", usual, userInfo(webJWT), accessToken(webJWT)},
		{"userinfo opaque", usual, userInfo(webOpaque), nil},
		{"refresh", signing, refreshes, tokenRequest(webJWT)},
		{"client_credentials private_key_jwt", usual, assertedCredentials, tokenRequest(ownSigned)},
		{"client_credentials DPoP", usual, provenCredentials, provenTokenRequest(ownES256)},
		{"token exchange", signing, exchanges, exchanged},
		{"device polling", usual, polls, polled},
		{"introspection signed", signing, signedIntrospection(webJWT), introspectedSigned(webJWT)},
		{"code redemption", signing, redemptions, tokenRequest(webJWT)},
		{"code flow", signing, logins, signIn},
		{signInRow, 0, unredeemed, signedIn},
		{appRow, 0, appLogins, appSignIn},
		{passkeyRow, 0, passkeyLogins, passkeySignIn},
		{"PAR+code+DPoP", usual, pushedLogins, pushedSignIn},
		{"app-native sign-in", signing, nativeLogins, nativeSignIn},
	}
}

// supplying returns a supply that is the same however often it is asked for.
func supplying(request func(*world, *connection) []byte) func(context.Context, *world, int, int) (work, error) {
	return func(_ context.Context, w *world, _, _ int) (work, error) {
		c := &connection{host: strings.TrimPrefix(w.issuer, "http://")}
		return work{Request: request(w, c), Repeat: 1}, nil
	}
}

func get(path string, headers func(*world) []string) func(context.Context, *world, int, int) (work, error) {
	return supplying(func(w *world, c *connection) []byte {
		var lines []string
		if headers != nil {
			lines = headers(w)
		}
		return c.request("GET", path, lines, "")
	})
}

func clientCredentials(client string) func(context.Context, *world, int, int) (work, error) {
	return supplying(func(w *world, c *connection) []byte {
		return c.request("POST", tokenPath, []string{w.basic(client)}, credentialsForm)
	})
}

func introspection(client string) func(context.Context, *world, int, int) (work, error) {
	return supplying(func(w *world, c *connection) []byte {
		return c.request("POST", "/oauth2/introspect", []string{w.basic(client)}, "token="+w.tokens[client].Access)
	})
}

// signedIntrospection asks for a JWT (RFC 9701 §4).
func signedIntrospection(client string) func(context.Context, *world, int, int) (work, error) {
	return supplying(func(w *world, c *connection) []byte {
		headers := []string{w.basic(client), "Accept: application/token-introspection+jwt"}
		return c.request("POST", "/oauth2/introspect", headers, "token="+w.tokens[client].Access)
	})
}

// credentialsForm is a request of a client for itself.
const credentialsForm = "grant_type=client_credentials&scope=read+write"

// assertedCredentials are requests of a client that signs an assertion for each.
func assertedCredentials(_ context.Context, w *world, _, count int) (work, error) {
	return w.once(count, func(c *connection) ([]byte, error) {
		assertion, err := w.holder.assertion(ownSigned, w.issuer)
		return c.request("POST", tokenPath, nil, signed{Assertion: assertion}.form(credentialsForm)), err
	})
}

// provenCredentials are requests for tokens that are bound to a key.
func provenCredentials(_ context.Context, w *world, _, count int) (work, error) {
	return w.once(count, func(c *connection) ([]byte, error) {
		proof, err := w.holder.proof(dpop.Request{Method: "POST", URL: w.issuer + tokenPath})
		return c.request("POST", tokenPath, append(signed{Proof: proof}.headers(), w.basic(ownES256)), credentialsForm), err
	})
}

// exchanges trade the access token of the first person for another of the same client (RFC 8693 §2.1).
func exchanges(ctx context.Context, w *world, connections, count int) (work, error) {
	return supplying(func(w *world, c *connection) []byte {
		return c.request("POST", tokenPath, []string{w.basic(webJWT)}, url.Values{
			"grant_type": {string(oidc.TokenExchangeGrant)}, "subject_token": {w.tokens[webJWT].Access},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		}.Encode())
	})(ctx, w, connections, count)
}

// polls ask for what nobody has decided yet, each for another device: one would have to wait (RFC 8628 §3.5).
func polls(ctx context.Context, w *world, _, count int) (work, error) {
	codes, err := w.deviceCodes(ctx, count)
	if err != nil {
		return work{}, err
	}
	made, err := w.once(count, func(c *connection) ([]byte, error) {
		form := url.Values{"grant_type": {string(oidc.DeviceCode)}, "device_code": {codes[0]}}.Encode()
		codes = codes[1:]
		return c.request("POST", tokenPath, []string{w.basic(device)}, form), nil
	})
	made.Status = 400
	return made, err
}

const userInfoPath = "/oauth2/userinfo"

func userInfo(client string) func(context.Context, *world, int, int) (work, error) {
	return get(userInfoPath, func(w *world) []string { return []string{"Authorization: Bearer " + w.tokens[client].Access} })
}

func refreshes(ctx context.Context, w *world, connections, _ int) (work, error) {
	all, err := w.refreshTokens(ctx, connections)
	return work{Basic: w.basic(webJWT), Refresh: all}, err
}

func redemptions(ctx context.Context, w *world, _, count int) (work, error) {
	all, err := w.codes(ctx, count)
	return work{Basic: w.basic(webJWT), Codes: all, RedirectURI: callback}, err
}

func logins(_ context.Context, w *world, connections, _ int) (work, error) {
	if connections > len(w.people) {
		return work{}, errors.New("there are fewer people than connections")
	}
	return work{Basic: w.basic(webJWT), Login: w.people[:connections], ClientID: webJWT, RedirectURI: callback}, nil
}

// signInRow is a sign-in up to the code, in which nothing is signed: what it costs beyond its floor is its target, as the floor has next to
// nothing to do.
const signInRow = "sign-in"

func unredeemed(ctx context.Context, w *world, connections, count int) (work, error) {
	made, err := logins(ctx, w, connections, count)
	made.Unredeemed = true
	return made, err
}

// signedIn: what its pages need.
func signedIn(ctx context.Context, w *world, t *tape) ([][]func() error, error) {
	if len(t.steps) != 4 {
		return nil, errors.New("a sign-in is not the four requests that it was")
	}
	return w.pages(ctx, t.steps)
}

// introspected: the client's secret and the access token.
func introspected(client string) func(context.Context, *world, *tape) ([][]func() error, error) {
	return func(ctx context.Context, w *world, t *tape) ([][]func() error, error) {
		all, err := accessToken(client)(ctx, w, t)
		if err != nil {
			return nil, err
		}
		all[0] = append(all[0], matching(w.clients[client].secret))
		return all, nil
	}
}

// accessToken: the signature of a JWT, or nothing for what is found by its digest.
func accessToken(client string) func(context.Context, *world, *tape) ([][]func() error, error) {
	return func(ctx context.Context, w *world, _ *tape) ([][]func() error, error) {
		verify, err := w.verifying(ctx, w.tokens[client].Access)
		if verify == nil || err != nil {
			return [][]func() error{nil}, err
		}
		return [][]func() error{{verify}}, nil
	}
}

// tokenRequest: the client's secret, what proves a code or a refresh token, and the signatures of the tokens in the answer.
func tokenRequest(client string) func(context.Context, *world, *tape) ([][]func() error, error) {
	return func(ctx context.Context, w *world, t *tape) ([][]func() error, error) {
		work, err := w.answering(ctx, client, t.steps[0])
		return [][]func() error{work}, err
	}
}

// provenTokenRequest: that, and the proof.
func provenTokenRequest(client string) func(context.Context, *world, *tape) ([][]func() error, error) {
	return func(ctx context.Context, w *world, t *tape) ([][]func() error, error) {
		all, err := tokenRequest(client)(ctx, w, t)
		if err != nil {
			return nil, err
		}
		all[0], err = w.proving(all[0], tokenPath)
		return all, err
	}
}

// proving adds the proof of a post.
func (w *world) proving(work []func() error, path string) ([]func() error, error) {
	proof, err := w.holder.proof(dpop.Request{Method: "POST", URL: w.issuer + path})
	return append(work, verification(proof, w.holder.public())), err
}

// exchanged: that, and the signature of the token that is exchanged.
func exchanged(ctx context.Context, w *world, t *tape) ([][]func() error, error) {
	all, err := tokenRequest(webJWT)(ctx, w, t)
	if err != nil {
		return nil, err
	}
	presented, err := accessToken(webJWT)(ctx, w, t)
	return [][]func() error{slices.Concat(all[0], presented[0])}, err
}

// introspectedSigned: what a plain answer needs, and its signature.
func introspectedSigned(client string) func(context.Context, *world, *tape) ([][]func() error, error) {
	return func(ctx context.Context, w *world, t *tape) ([][]func() error, error) {
		all, err := introspected(client)(ctx, w, t)
		if err != nil {
			return nil, err
		}
		sign, err := w.signing(ctx, string(t.steps[0].body))
		if err == nil && sign == nil {
			err = fmt.Errorf("the answer is no JWT: %.100q", t.steps[0].body)
		}
		all[0] = append(all[0], sign)
		return all, err
	}
}

// polled: the client's secret, and that in the device code.
func polled(_ context.Context, w *world, t *tape) ([][]func() error, error) {
	if !bytes.Contains(t.steps[0].body, []byte(`"authorization_pending"`)) {
		return nil, fmt.Errorf("a poll was answered with %q", t.steps[0].body)
	}
	return [][]func() error{{matching(w.clients[device].secret), matching(secret.New().Reveal())}}, nil
}

// authenticating: the client's secret, or its assertion.
func (w *world) authenticating(client string) ([]func() error, error) {
	if value := w.clients[client].secret; value != "" {
		return []func() error{matching(value)}, nil
	}
	assertion, err := w.holder.assertion(client, w.issuer)
	return []func() error{verification(assertion, w.holder.public())}, err
}

func (w *world) answering(ctx context.Context, client string, r *recorded) ([]func() error, error) {
	work, err := w.authenticating(client)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.Contains(r.form, "refresh_token="): // the secret of the family, and that of the member
		work = append(work, matching(secret.Short().Reveal()), matching(secret.New().Reveal()))
	case strings.Contains(r.form, "code="): // the secret in the code, and PKCE
		work = append(work, matching(secret.New().Reveal()), pkce)
	}
	var t tokens
	if err := json.Unmarshal(r.body, &t); err != nil {
		return nil, err
	}
	for _, token := range []string{t.Access, t.ID} {
		sign, err := w.signing(ctx, token)
		if err != nil {
			return nil, err
		}
		if sign != nil {
			work = append(work, sign)
		}
	}
	return work, nil
}

// signIn: what its pages need, and what a redemption does.
func signIn(ctx context.Context, w *world, t *tape) ([][]func() error, error) {
	if len(t.steps) != 5 {
		return nil, errors.New("a sign-in is not the five requests that it was")
	}
	all, err := w.pages(ctx, t.steps[:4])
	if err != nil {
		return nil, err
	}
	last, err := w.answering(ctx, webJWT, t.steps[4])
	return append(all, last), err
}

// pages: the cookies that bind a browser in the four requests of one, and the password. What verifying that reads is taken off the tape.
func (w *world) pages(ctx context.Context, steps []*recorded) ([][]func() error, error) {
	verifying, err := w.passwordOf(ctx, w.people[0].Username, steps[2])
	if err != nil {
		return nil, err
	}
	cookie := matching(secret.New().Reveal())
	return [][]func() error{
		nil,
		{cookie},
		{cookie, cookie, verifying},
		{cookie, cookie},
	}, nil
}

// passwordOf verifies the password of a person, and takes off the tape of the post what that reads.
func (w *world) passwordOf(ctx context.Context, username string, post *recorded) (func() error, error) {
	ann, err := w.provider.Directory.FindUser(ctx, "", username)
	if err != nil {
		return nil, err
	}
	post.calls = without(post.calls, "directory.credential", ann.ID+"/"+string(directory.PasswordCredential))
	return w.verifyingPassword(ctx, ann), nil
}

// verifyingPassword reads the credential by itself, so it is off the tape.
func (w *world) verifyingPassword(ctx context.Context, u *directory.User) func() error {
	return func() error {
		right, err := w.provider.Directory.Users.VerifyPassword(ctx, u, password)
		if err == nil && !right {
			err = errors.New("the password is wrong")
		}
		return err
	}
}

// without leaves out the reads of a record.
func without(calls []call, kind, id string) (left []call) {
	for _, c := range calls {
		if c.kind != (store.Kind{Name: kind}) || c.id != id {
			left = append(left, c)
		}
	}
	return left
}

// matching compares a secret with its stored digest.
func matching(value string) func() error {
	hash := secret.Hash(value)
	return func() error {
		if !secret.Matches(hash, value) {
			return errors.New("a secret does not match its digest")
		}
		return nil
	}
}

func pkce() error {
	sum := sha256.Sum256([]byte(verifier))
	if !secret.Equal(base64.RawURLEncoding.EncodeToString(sum[:]), challenge()) {
		return errors.New("the verifier does not match")
	}
	return nil
}

// signing signs the payload of a token again, with its header and key. It is nil for an opaque token and for none.
func (w *world) signing(ctx context.Context, token string) (func() error, error) {
	if strings.Count(token, ".") != 2 {
		return nil, nil
	}
	unverified, err := jose.Parse(token)
	if err != nil {
		return nil, err
	}
	header, payload := unverified.Header(), unverified.Payload()
	_, key, err := w.keys.Signer(ctx, string(header.Alg))
	if err != nil {
		return nil, err
	}
	return func() error { _, err := jose.Sign(payload, header, key); return err }, nil
}

// verifying verifies a token again. It is nil for an opaque token.
func (w *world) verifying(ctx context.Context, token string) (func() error, error) {
	if strings.Count(token, ".") != 2 {
		return nil, nil
	}
	unverified, err := jose.Parse(token)
	if err != nil {
		return nil, err
	}
	header := unverified.Header()
	var key crypto.Signer
	if _, key, err = w.keys.Signer(ctx, string(header.Alg)); err != nil {
		return nil, err
	}
	return verification(token, jose.PublicKey{ID: header.Kid, Algorithm: header.Alg, Key: key.Public()}), nil
}
