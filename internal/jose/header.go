package jose

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/signet-idp/signet/internal/strictjson"
)

// DefaultMaxSize is the number of bytes up to which a token is looked at, unless a Verifier says otherwise.
const DefaultMaxSize = 16 << 10

// Header holds the members of a JOSE header that mean something here. Whatever else a token carries, "jwk", "jku" and
// "x5c" among it, is never trusted (RFC 8725 §3.10). Kid and Typ are empty when absent.
type Header struct {
	Alg Algorithm `json:"alg"`
	Kid string    `json:"kid,omitempty"`
	Typ string    `json:"typ,omitempty"`
}

// Peek reads a token without verifying it, to learn whose keys or which client to look up: nothing that it returns is
// true before Verify says so. It applies the same limits of size (DefaultMaxSize) and shape and the same rules for
// the header as Verify, and returns ErrMalformed or ErrAlgorithm.
func Peek(token string) (Header, []byte, error) {
	m, err := parse(token, DefaultMaxSize)
	if err != nil {
		return Header{}, nil, err
	}
	return m.header, m.payload, nil
}

// message is a compact JWS taken apart, not verified.
type message struct {
	header    Header
	jwk       json.RawMessage // for ProofKey alone
	input     []byte          // what the signature covers (RFC 7515 §5.1)
	payload   []byte
	signature []byte
}

func parse(token string, maxSize int) (message, error) {
	if len(token) > maxSize {
		return message{}, fmt.Errorf("%w: token longer than %d bytes", ErrMalformed, maxSize)
	}
	if strings.Count(token, ".") != 2 {
		return message{}, fmt.Errorf("%w: not three segments", ErrMalformed)
	}
	first, last := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	header, err := decodeSegment(token[:first])
	if err != nil {
		return message{}, err
	}
	m := message{input: []byte(token[:last])}
	if m.header, m.jwk, err = parseHeader(header); err != nil {
		return message{}, err
	}
	if m.payload, err = decodeSegment(token[first+1 : last]); err != nil {
		return message{}, err
	}
	m.signature, err = decodeSegment(token[last+1:])
	return m, err
}

// segments is base64url without padding and without spare bits, so that a token has one spelling (RFC 7515 §2).
var segments = base64.RawURLEncoding.Strict()

func decodeSegment(s string) ([]byte, error) {
	// encoding/base64 skips line breaks, also when strict.
	if strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("%w: line break in segment", ErrMalformed)
	}
	b, err := segments.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: segment is not base64url", ErrMalformed)
	}
	return b, nil
}

func parseHeader(data []byte) (Header, json.RawMessage, error) {
	if h, ok := plainHeader(data); ok {
		if _, err := h.Alg.scheme(); err != nil {
			return Header{}, nil, err
		}
		return h, nil, nil
	}
	var h struct {
		Alg  Algorithm       `json:"alg"`
		Kid  string          `json:"kid"`
		Typ  string          `json:"typ"`
		Crit json.RawMessage `json:"crit"`
		B64  json.RawMessage `json:"b64"`
		JWK  json.RawMessage `json:"jwk"`
	}
	if err := strictjson.Unmarshal(data, &h); err != nil {
		return Header{}, nil, fmt.Errorf("%w: header: %v", ErrMalformed, err)
	}
	// RFC 7515 §4.1.11: we understand no extension, so whatever is critical is refused. RFC 7797 §3 makes "b64" one;
	// a token that has it without saying so may mean another content to another reader.
	if h.Crit != nil || h.B64 != nil {
		return Header{}, nil, fmt.Errorf("%w: critical header", ErrMalformed)
	}
	// Whatever is not known is refused here, "none" in all its spellings included (RFC 8725 §3.2).
	if _, err := h.Alg.scheme(); err != nil {
		return Header{}, nil, err
	}
	return Header{Alg: h.Alg, Kid: h.Kid, Typ: h.Typ}, h.JWK, nil
}

// plainHeader reads a header that is spelled as Sign spells it, which is that of every token of our own: "alg", "kid" and
// "typ" in this order, without blanks and escapes. Any other spelling is parseHeader's to judge.
func plainHeader(data []byte) (h Header, ok bool) {
	alg, rest, ok := plainMember(data, `{"alg":"`)
	if !ok {
		return Header{}, false
	}
	h.Alg = Algorithm(alg)
	if kid, behind, ok := plainMember(rest, `,"kid":"`); ok {
		h.Kid, rest = kid, behind
	}
	if typ, behind, ok := plainMember(rest, `,"typ":"`); ok {
		h.Typ, rest = typ, behind
	}
	return h, string(rest) == "}"
}

// plainMember cuts a string off data, between what stands before it and its quotation mark.
func plainMember(data []byte, before string) (value string, rest []byte, ok bool) {
	if !bytes.HasPrefix(data, []byte(before)) {
		return "", nil, false
	}
	data = data[len(before):]
	for i, c := range data {
		switch {
		case c == '"':
			return string(data[:i]), data[i+1:], true
		case c < ' ' || c > '~' || c == '\\':
			return "", nil, false
		}
	}
	return "", nil, false
}
