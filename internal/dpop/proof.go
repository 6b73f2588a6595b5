package dpop

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
)

// ErrProof is what all refusals of a proof wrap ("invalid_dpop_proof"). No text holds anything of the proof.
var ErrProof = errors.New("dpop: proof not accepted")

// Request is the HTTP request that a proof must be made for.
type Request struct {
	// Method and URL are of the request as its sender sees it; the URL is absolute.
	Method, URL string
	// Aliases are further URLs by which the sender may know what URL is.
	Aliases []string
	// Token is the access token that comes with the request; "" is none, as at the token endpoint.
	Token string
}

// at reports whether htu is the URL of the request, or an alias of it.
func (r Request) at(htu string) bool {
	return sameTarget(htu, r.URL) || slices.ContainsFunc(r.Aliases, func(alias string) bool { return sameTarget(htu, alias) })
}

// Verifier says which proofs are acceptable. The zero value is ready to use.
type Verifier struct {
	// Algorithms that proofs may be signed with; nil is all of jose.Supported. None is symmetric.
	Algorithms []jose.Algorithm
	// Age is how old a proof may be; zero is DefaultAge. Skew is how far in the future it may have been made, for
	// clocks that differ; zero is DefaultSkew.
	Age, Skew time.Duration
}

// What a Verifier accepts of a proof's time (RFC 9449 §11.1: seconds or minutes).
const (
	DefaultAge  = 2 * time.Minute
	DefaultSkew = 30 * time.Second
)

// Proof is a proof that was found good, but for what the package comment says.
type Proof struct {
	// JKT is the thumbprint of the key that it proves the possession of (RFC 9449 §6.1).
	JKT string
	// Nonce is the server's nonce in it; "" is none.
	Nonce string
	// ID names the proof among all proofs of all keys, in 43 characters.
	ID string
	// Until is when it stops being acceptable: for so long it must be remembered. Issued is when it was made.
	Issued, Until time.Time
}

// claims is the payload of a proof (RFC 9449 §4.2).
type claims struct {
	JTI    string `json:"jti"`
	Method string `json:"htm"`
	URL    string `json:"htu"`
	Hash   string `json:"ath"`
	Nonce  string `json:"nonce"`
	jose.Times
}

// proofType is the "typ" of a proof.
const proofType = "dpop+jwt"

// Verify judges the DPoP headers of a request, of which there must be one; the numbers are those of RFC 9449 §4.3. A request
// without the header has no proof, which is the caller's to judge: a header that is empty is not the same.
func (v Verifier) Verify(headers []string, r Request, now time.Time) (*Proof, error) {
	if len(headers) != 1 { // 1
		return nil, refuse("not exactly one DPoP header")
	}
	// 2 and 4 to 7: well-formed, asymmetric, of the type, no private key, and a signature of the key that it carries.
	signed := jose.Verifier{Algorithms: v.Algorithms, Types: []string{proofType}}
	jkt, payload, err := signed.VerifyProof(headers[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	var c claims
	if err := strictjson.Unmarshal(payload, &c); err != nil {
		return nil, fmt.Errorf("%w: claims: %w", ErrProof, err)
	}
	if err := v.judge(c, r, now); err != nil {
		return nil, err
	}
	return &Proof{
		JKT: jkt, Nonce: c.Nonce, ID: secret.Hash(jkt + "." + c.JTI), Issued: c.Iat.Time, Until: c.Iat.Add(v.age()),
	}, nil
}

func (v Verifier) judge(c claims, r Request, now time.Time) error {
	hash := ""
	if r.Token != "" {
		hash = secret.Hash(r.Token) // RFC 9449 §4.2: base64url of SHA-256
	}
	switch {
	case c.JTI == "" || c.Method == "" || c.URL == "" || c.Iat.IsZero(): // 3
		return refuse("a claim is missing")
	case c.Method != r.Method: // 8
		return refuse("htm is not the method")
	case !r.at(c.URL): // 9
		return refuse("htu is not the URL")
	case c.Iat.After(now.Add(v.skew())), !now.Before(c.Iat.Add(v.age())): // 11
		return refuse("iat is too far from now")
	case !c.Exp.IsZero() && !now.Before(c.Exp.Time), !c.Nbf.IsZero() && c.Nbf.After(now.Add(v.skew())): // RFC 7519 §4.1
		return refuse("exp or nbf does not hold")
	case hash != "" && !secret.Equal(c.Hash, hash): // 12
		return refuse("ath is not that of the access token")
	}
	return nil
}

// AlgorithmNames lists the algorithms for metadata and challenges.
func (v Verifier) AlgorithmNames() []string {
	algorithms := v.Algorithms
	if algorithms == nil {
		algorithms = jose.Supported()
	}
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return names
}

func (v Verifier) age() time.Duration  { return cmp.Or(v.Age, DefaultAge) }
func (v Verifier) skew() time.Duration { return cmp.Or(v.Skew, DefaultSkew) }

func refuse(why string) error { return fmt.Errorf("%w: %s", ErrProof, why) }
