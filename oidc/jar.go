package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/fetch"
	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/internal/web"
)

// JAR takes authorization requests in signed objects (RFC 9101, OpenID Connect Core §6): a JWT that the client has signed with a key of
// its own, and may have encrypted to Config.Keys where those are EncryptionKeys. The zero value takes them by value. What stands beside an
// object does not count, and its client_id must be the client's.
type JAR struct {
	// Required refuses requests without an object (RFC 9101 §10.5), as Client.RequireSignedRequest does for one client.
	Required bool
	// ByReference also fetches objects from the URLs that a client has registered (Client.RequestURIs), and from no other.
	ByReference bool
	// MaxLifetime, where it is not zero, demands aud, nbf and exp of every object: it must be for this issuer, must not live longer,
	// and must not be older (FAPI 1.0 Advanced §5.2.2, FAPI 2.0 Message Signing §5.3.1: 60 minutes). Zero judges those that an
	// object has.
	MaxLifetime time.Duration
	// InsecureMerge fills in from beside the object what the object does not say (OpenID Connect Core §6.1). RFC 9101 §5 forbids it,
	// because nobody has signed that.
	InsecureMerge bool
	// InsecureUnsigned takes unsigned objects of clients that are registered for the algorithm "none", or for none in particular and not for
	// signed requests alone (OpenID Connect Core §6.1, Registration §2). RFC 9101 §4 knows signed ones only.
	InsecureUnsigned bool
}

// objectSkew is how far the clocks of a client and of ours may be apart.
const objectSkew = 30 * time.Second

func (f JAR) part(p *Provider) (part, error) {
	if f.MaxLifetime < 0 {
		return part{}, errors.New("oidc: Config.Features.JAR.MaxLifetime must not be negative")
	}
	if f.Required && f.InsecureUnsigned {
		return part{}, errors.New("oidc: Config.Features.JAR.Required contradicts InsecureUnsigned (RFC 9101 §10.5)")
	}
	p.keys.encryption, _ = p.config.Keys.(EncryptionKeys) // nil where nobody can decrypt
	return part{
		features: []string{"JAR"},
		check:    func(c *Client, bad report) { p.checkRequestObjects(f, c, bad) },
		describe: func(m *metadata) {
			m.RequestParameter, m.RequestURIParameter, m.RequireRequestURIs = true, f.ByReference, f.ByReference
			m.RequireSignedRequests = f.Required
			m.RequestObjectAlgs = algorithmNames(p.config.Profile.narrow(jose.Supported()))
			if f.InsecureUnsigned {
				m.RequestObjectAlgs = append(m.RequestObjectAlgs, unsigned)
			}
			if _, ok := p.config.Keys.(EncryptionKeys); ok {
				m.RequestObjectEncryptionAlgs = algorithmNames(jose.KeyManagements())
				m.RequestObjectEncryptionEncs = algorithmNames(jose.Encryptions())
			}
		},
	}, nil
}

func algorithmNames[A ~string](all []A) []string {
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = string(a)
	}
	return names
}

// unsigned is the algorithm of objects that nobody has signed.
const unsigned = "none"

func (p *Provider) checkRequestObjects(f JAR, c *Client, bad report) {
	switch alg := c.RequestObjectSigningAlg; {
	case alg == unsigned && !f.InsecureUnsigned:
		bad("request_object_signing_alg", "must sign")
	case alg == unsigned && c.RequireSignedRequest: // RFC 9101 §10.5
		bad("request_object_signing_alg", "must sign: the client requires signed objects")
	case alg == hs256: // checkSecretSignatures knows more
	case alg != "" && alg != unsigned && !slices.Contains(jose.Supported(), jose.Algorithm(alg)):
		bad("request_object_signing_alg", "%q is not supported", alg)
	case (c.RequireSignedRequest || alg != "" && alg != unsigned) && !c.hasKeys():
		bad("request_object_signing_alg", "needs jwks or jwks_uri: the keys that the client signs with")
	}
	_, canDecrypt := p.config.Keys.(EncryptionKeys)
	if alg := jose.KeyManagement(c.RequestObjectEncryptionAlg); alg != "" && (!canDecrypt || !slices.Contains(jose.KeyManagements(), alg)) {
		bad("request_object_encryption_alg", "%q is not supported", alg)
	}
	if enc := jose.Encryption(c.RequestObjectEncryptionEnc); enc != "" && !slices.Contains(jose.Encryptions(), enc) {
		bad("request_object_encryption_enc", "%q is not supported", enc)
	}
	if len(c.RequestURIs) > 0 && !f.ByReference {
		bad("request_uris", "are not fetched here")
	}
	for _, uri := range c.RequestURIs {
		if p.fetch.Check(uri) != nil {
			bad("request_uris", "%q is not an https URL with a public host", uri)
		}
	}
}

func invalidObject(description string) *Error {
	return &Error{Code: "invalid_request_object", Description: description, Status: 400}
}

// unwrap returns the parameters that count: those of the request object, or without one those that were sent.
func (p *Provider) unwrap(ctx context.Context, c *Client, sent web.Form) (web.Form, *Error) {
	object, refusal := p.requestObject(ctx, c, sent)
	switch {
	case refusal != nil:
		return web.Form{}, refusal
	case object == "" && (c.RequireSignedRequest || p.config.Features.JAR != nil && p.config.Features.JAR.Required):
		return web.Form{}, invalidRequest("the request must be a signed object (RFC 9101)")
	case object == "":
		return sent, nil
	}
	payload, refusal := p.openRequestObject(ctx, c, object)
	if refusal != nil {
		return web.Form{}, refusal
	}
	parameters, refusal := p.judgeRequestObject(c, payload)
	if refusal != nil {
		return web.Form{}, refusal
	}
	return p.beside(c, parameters, sent)
}

// requestObject returns the object of a request, by value or by reference; "" is none.
func (p *Provider) requestObject(ctx context.Context, c *Client, sent web.Form) (string, *Error) {
	f := p.config.Features.JAR
	object, reference := sent.Value("request"), sent.Value("request_uri")
	switch {
	case object != "" && reference != "": // RFC 9101 §5
		return "", invalidRequest("request and request_uri exclude each other")
	case object != "" && f == nil:
		return "", &Error{Code: "request_not_supported", Description: "the parameter request is not supported"}
	case reference != "" && (f == nil || !f.ByReference):
		return "", &Error{Code: "request_uri_not_supported", Description: "the parameter request_uri is not supported"}
	case reference != "":
		return p.fetchRequestObject(ctx, c, reference)
	}
	return object, nil
}

// referredObjects are remembered for no longer than it takes a browser to ask twice.
var referredObjects = fetch.Kind[string]{
	Name: "request object", MaxSize: 2 * jose.DefaultMaxSize, Longest: time.Second, Shortest: time.Second,
	Decode: func(document []byte) (string, error) { return string(bytes.TrimSpace(document)), nil },
}

// fetchRequestObject fetches from where the client has registered, byte for byte: any other URL is somebody else's wish (RFC 9101
// §5.2, §10.4.1).
func (p *Provider) fetchRequestObject(ctx context.Context, c *Client, reference string) (string, *Error) {
	if !slices.Contains(c.RequestURIs, reference) {
		return "", &Error{Code: "invalid_request_uri", Description: "request_uri is not registered for the client"}
	}
	document, err := referredObjects.Get(ctx, p.fetch, reference)
	switch {
	case errors.Is(err, fetch.ErrRefused) || errors.Is(err, fetch.ErrFailed):
		return "", (&Error{Code: "invalid_request_uri", Description: "nothing can be fetched from request_uri"}).because(err)
	case err != nil:
		return "", unavailable(err)
	}
	return document.Value, nil
}

// objectTypes are what a request object may say that it is (RFC 9101 §4, §10.8); anything else was signed for something else.
var objectTypes = []string{"", "JWT", "oauth-authz-req+jwt"}

// openRequestObject returns what the client has signed.
func (p *Provider) openRequestObject(ctx context.Context, c *Client, object string) ([]byte, *Error) {
	if jose.IsEncrypted(object) {
		var refusal *Error
		if object, refusal = p.decryptRequestObject(ctx, object); refusal != nil {
			return nil, refusal
		}
	}
	if p.mayBeUnsigned(c, object) {
		payload, err := jose.ParseUnsigned(object)
		if err != nil {
			return nil, invalidObject("the request object is not unsigned, as the client registered").because(err)
		}
		return payload, nil
	}
	v := jose.Verifier{Types: objectTypes, Algorithms: p.permitted(c, jose.Supported())}
	if c.RequestObjectSigningAlg != "" { // OpenID Connect Registration §2: any other is refused
		v.Algorithms = p.permitted(c, []jose.Algorithm{jose.Algorithm(c.RequestObjectSigningAlg)})
	}
	_, payload, err := v.Verify(object, func(h jose.Header) (jose.PublicKey, error) {
		if h.Alg == jose.HS256 { // which is permitted where it is pinned, and nowhere else
			own, err := p.Clients.secret(c)
			return jose.PublicKey{Algorithm: h.Alg, Key: []byte(own.Reveal())}, err
		}
		return p.clientSigningKey(ctx, c, h)
	})
	switch {
	case err == nil:
		return payload, nil
	case isClientKeyFault(err):
		return nil, invalidObject("the request object is not signed as the client is registered to sign").because(err)
	}
	return nil, unavailable(err)
}

// mayBeUnsigned reports whether the object is to be read as one that nobody has signed. Of a client that says nothing of its objects, one is that
// says so itself: the client could as well send no object.
func (p *Provider) mayBeUnsigned(c *Client, object string) bool {
	switch {
	case !p.config.Features.JAR.InsecureUnsigned || c.RequireSignedRequest:
		return false
	case c.RequestObjectSigningAlg == unsigned:
		return true
	}
	_, err := jose.ParseUnsigned(object)
	return c.RequestObjectSigningAlg == "" && err == nil
}

// decryptRequestObject opens an object that was encrypted to us; signed is what it must be inside (RFC 9101 §4). Its refusal
// is always the same.
func (p *Provider) decryptRequestObject(ctx context.Context, object string) (string, *Error) {
	keys, ok := p.config.Keys.(EncryptionKeys)
	if !ok {
		return "", invalidObject("encrypted request objects are not supported")
	}
	_, plaintext, err := jose.Decrypter{Nested: true}.Decrypt(object, func(h jose.EncryptionHeader) ([]jose.PrivateKey, error) {
		return decryptionKey(ctx, keys, h)
	})
	switch {
	case err == nil:
		return string(plaintext), nil
	case errors.Is(err, jose.ErrDecryption) || isTokenFault(err):
		return "", invalidObject("the request object cannot be decrypted").because(err)
	}
	return "", unavailable(err)
}

// decryptionKey finds the key of ours by its id, or the current one of the form that the algorithm needs.
func decryptionKey(ctx context.Context, keys EncryptionKeys, h jose.EncryptionHeader) ([]jose.PrivateKey, error) {
	form := string(jose.ECDHES)
	if h.Alg == jose.RSAOAEP || h.Alg == jose.RSAOAEP256 {
		form = string(jose.RSAOAEP256)
	}
	id := h.Kid
	if id == "" {
		var err error
		if id, _, err = keys.Encryption(ctx, form); err != nil {
			return nil, err
		}
	}
	key, err := keys.Decrypter(ctx, form, id)
	if err != nil {
		return nil, err
	}
	return []jose.PrivateKey{{ID: id, Algorithm: h.Alg, Key: key}}, nil
}

// objectClaims are the claims of a request object that are not parameters (RFC 7519 §4.1).
type objectClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	ClientID string   `json:"client_id"`
	jose.Times
}

// judgeRequestObject judges the claims, and returns the parameters among them.
func (p *Provider) judgeRequestObject(c *Client, payload []byte) (url.Values, *Error) {
	var claims objectClaims
	var all map[string]json.RawMessage
	if err := errors.Join(strictjson.Unmarshal(payload, &claims), strictjson.Unmarshal(payload, &all)); err != nil {
		return nil, invalidObject("the claims of the request object are not well-formed").because(err)
	}
	f := p.config.Features.JAR
	switch {
	case claims.Issuer != "" && claims.Issuer != c.ClientID:
		return nil, invalidObject("iss of the request object is not the client")
	case claims.Subject == c.ClientID: // RFC 9101 §10.8: it could serve as a client assertion, or be one
		return nil, invalidObject("sub of the request object is the client")
	case claims.ClientID != c.ClientID && (claims.ClientID != "" || !f.InsecureMerge): // RFC 9101 §5
		return nil, invalidObject("client_id of the request object is not the client")
	case claims.Audience != nil && !slices.Contains(claims.Audience, p.site.Issuer()):
		return nil, invalidObject("aud of the request object is not this issuer")
	}
	if refusal := f.judgeTimes(claims, p.db.Now()); refusal != nil {
		return nil, refusal
	}
	return objectParameters(all)
}

func (f JAR) judgeTimes(claims objectClaims, now time.Time) *Error {
	exp, nbf := claims.Exp, claims.Nbf
	if f.MaxLifetime > 0 {
		switch {
		case exp.IsZero() || nbf.IsZero() || claims.Audience == nil:
			return invalidObject("the request object needs aud, nbf and exp")
		case exp.Sub(nbf.Time) > f.MaxLifetime || now.Sub(nbf.Time) > f.MaxLifetime+objectSkew:
			return invalidObject("the request object lives longer than it may")
		}
	}
	switch {
	case !exp.IsZero() && !now.Before(exp.Add(objectSkew)):
		return invalidObject("the request object has expired")
	case !nbf.IsZero() && nbf.After(now.Add(objectSkew)), claims.Iat.After(now.Add(objectSkew)):
		return invalidObject("the request object is not valid yet")
	}
	return nil
}

// objectParameters turns claims into parameters as a form would hold them (RFC 9101 §4): strings stand for themselves, numbers and
// objects for their JSON text, and an array of strings for a parameter that stands more than once.
func objectParameters(all map[string]json.RawMessage) (url.Values, *Error) {
	values := url.Values{}
	for _, name := range sortedKeys(all) {
		raw := all[name]
		var text string
		var list []string
		switch {
		case slices.Contains([]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}, name), string(raw) == "null":
		case name == "request" || name == "request_uri": // RFC 9101 §4
			return nil, invalidObject("a request object holds no other")
		case json.Unmarshal(raw, &text) == nil:
			values.Set(name, text)
		case name == "resource" && json.Unmarshal(raw, &list) == nil: // RFC 8707 §2.1
			values[name] = list
		default:
			values.Set(name, string(raw))
		}
	}
	return values, nil
}

// beside compares an object with the parameters beside it, and puts the two together where that is allowed.
func (p *Provider) beside(c *Client, inside url.Values, sent web.Form) (web.Form, *Error) {
	if outside := sent.Value("client_id"); outside != "" && outside != c.ClientID {
		return web.Form{}, invalidObject("client_id beside the request object is another")
	}
	if p.config.Features.JAR.InsecureMerge {
		if t := inside.Get("response_type"); t != "" && sent.Has("response_type") && t != sent.Value("response_type") { // OpenID Connect Core §6.1
			return web.Form{}, invalidRequest("response_type is another inside the request object")
		}
		for _, name := range sent.Names() {
			if !inside.Has(name) && name != "request" && name != "request_uri" {
				inside[name] = sent.Values(name)
			}
		}
	}
	form, err := web.ParseForm(inside.Encode(), "resource")
	if err != nil {
		return web.Form{}, invalidObject("a parameter of the request object is not well-formed").because(fmt.Errorf("oidc: %w", err))
	}
	return form, nil
}
