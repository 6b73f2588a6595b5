package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// assertion is what a user assertion stands for: that a program has just completed a flow about somebody's account, and what was proven
// in it. It is durable, and removed by the step that begins the session which it is traded for, so that it is traded once.
type assertion struct {
	store.Meta
	Organization string    `json:"organization,omitempty"`
	Application  store.Ref `json:"application"`
	Subject      store.Ref `json:"subject"`
	SubjectEpoch int64     `json:"subjectEpoch,omitempty"`
	// Evidence is all that the sign-in will have until more is asked.
	Evidence []directory.Evidence `json:"evidence"`
}

var (
	assertionKind = store.Kind{Name: "flow.assertion"}
	assertionType = store.Type[assertion]{Kind: assertionKind}
)

const (
	// assertionLife is how long a user assertion is good: for a program that goes on at once, and hardly for anybody else.
	assertionLife = 2 * time.Second
	// assertionTyp keeps it apart from every other token (RFC 8725 §3.11).
	assertionTyp = "user-assertion+jwt"
	// maxAssertion bounds one that comes from outside, in bytes.
	maxAssertion = 2 << 10
)

// assertionClaims are what is in a user assertion. Only the ID counts, of which the store has the digest; the rest must agree with what is
// kept there.
type assertionClaims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Subject  string `json:"sub"`
	ID       string `json:"jti"`
	jose.Times
}

// assert adds to the batch that ends a flow about an account what its program may trade for a sign-in, if the flow has proven who the
// person is and was begun for an application.
func (e *Engine) assert(b *store.Batch, x *execution) error {
	if x.Refusal != "" || x.Request.Application.IsZero() || x.Subject.IsZero() || len(x.Proof) == 0 {
		return nil
	}
	id, now := secret.New(), e.db.Now()
	claims, err := json.Marshal(assertionClaims{
		Issuer: e.site.Issuer(), Audience: e.site.Issuer(), Subject: x.Subject.ID, ID: id.Reveal(),
		Times: jose.Times{Iat: jose.NumericDate{Time: now}, Exp: jose.NumericDate{Time: now.Add(assertionLife)}},
	})
	if err != nil {
		return err
	}
	text, err := jose.SignSecret(claims, jose.Header{Alg: jose.HS256, Typ: assertionTyp}, e.assertionKeys()[0])
	if err != nil {
		return fmt.Errorf("flow: user assertion: %w", err)
	}
	e.assertions.Insert(b, &assertion{
		Meta:         store.Meta{ID: id.Hash(), Expires: now.Add(assertionLife)},
		Organization: x.Request.Organization, Application: x.Request.Application,
		Subject: x.Subject, SubjectEpoch: x.SubjectEpoch, Evidence: slices.Clone(x.Proof),
	})
	x.assertion = secret.Text(text)
	return nil
}

// assertionKeys are what user assertions are signed with, under each key of the ring; the first for new ones.
func (e *Engine) assertionKeys() (keys [][]byte) {
	for _, mac := range e.db.Keys().MACs(assertionKind.Name, assertionTyp) {
		keys = append(keys, []byte(mac))
	}
	return keys
}

// readAssertion returns the claims of a user assertion that this issuer has made and that is not over; false for anything else.
func (e *Engine) readAssertion(text string) (claims assertionClaims, ok bool) {
	verifier := jose.Verifier{Algorithms: []jose.Algorithm{jose.HS256}, Types: []string{assertionTyp}, MaxSize: maxAssertion}
	for _, key := range e.assertionKeys() {
		_, payload, err := verifier.Verify(text, func(jose.Header) (jose.PublicKey, error) {
			return jose.PublicKey{Algorithm: jose.HS256, Key: key}, nil
		})
		if err != nil || strictjson.Unmarshal(payload, &claims) != nil {
			continue
		}
		issuer := e.site.Issuer()
		return claims, claims.Issuer == issuer && claims.Audience == issuer && e.db.Now().Before(claims.Exp.Time)
	}
	return assertionClaims{}, false
}

// vouch gives a flow that begins what the user assertion stands for that has come with its request, and uses it up in the step that
// writes the flow. An assertion that is good for nothing here, whatever the reason, leaves the person to be asked: the session that the
// browser has may be somebody else's, and is not taken for what the application meant.
func (e *Engine) vouch(ctx context.Context, x *execution) error {
	text := x.Request.UserAssertion.Reveal()
	if text == "" || x.Request.Purpose != directory.SignIn {
		return nil
	}
	a, err := e.standingAssertion(ctx, text, x.Request)
	if errors.Is(err, errAssertion) {
		x.Request.Reauthenticate = true
		return nil
	}
	if err != nil {
		return err
	}
	x.Asserted, x.Subject, x.SubjectEpoch, x.Proven = true, a.Subject, a.SubjectEpoch, a.Evidence
	x.writes = append(x.writes, func(b *store.Batch) error {
		e.assertions.Delete(b, a)
		return nil
	})
	return nil
}

// errAssertion says that a user assertion is good for nothing: forged, expired, used, of another application or organization, older than
// the request wants its proofs, or about somebody whom the request does not want or who may not sign in any more.
var errAssertion = errors.New("flow: the user assertion is not good, or not any more")

func (e *Engine) standingAssertion(ctx context.Context, text string, in directory.Interaction) (*assertion, error) {
	claims, ok := e.readAssertion(text)
	if !ok {
		return nil, errAssertion
	}
	a, err := e.assertions.Get(ctx, store.Ref{ID: secret.Hash(claims.ID)})
	if errors.Is(err, store.ErrNotFound) {
		return nil, errAssertion
	}
	if err != nil {
		return nil, err
	}
	if who := wanted(in); claims.Subject != a.Subject.ID || who != "" && who != a.Subject.ID {
		return nil, errAssertion
	}
	if a.Organization != in.Organization || a.Application != in.Application {
		return nil, errAssertion
	}
	if len(accepted(in, a.Evidence, e.db.Now())) != len(a.Evidence) { // as of a session: nothing that is older than the request wants
		return nil, errAssertion
	}
	subject, err := e.dir.Subjects.Get(ctx, a.Subject)
	if err == nil && (subject.State() != "" || subject.Epoch != a.SubjectEpoch) {
		return nil, errAssertion
	}
	var user *directory.User
	if err == nil {
		user, err = e.dir.UserOf(ctx, subject)
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && user.Disabled {
		return nil, errAssertion
	}
	return a, err
}

// keepsCookies reports whether a flow reads and leaves cookies in the browser that does it. A program has none. One that rests on a user
// assertion leaves none: whoever brings the assertion need not be who did the flow that it came of, so it answers its own request, which the
// application knows by its state, and signs in no browser.
func (x *execution) keepsCookies(r *visit) bool { return r.program == nil && !x.Asserted }
