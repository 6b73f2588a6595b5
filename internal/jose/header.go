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

// Unverified is a token that was read and not verified: nothing that it says is true before Verifier.VerifyParsed says so.
type Unverified struct {
	header    Header
	input     []byte // what the signature covers (RFC 7515 §5.1)
	payload   []byte
	signature []byte
	size      int
}

// Parse reads a token without verifying it, to learn whose keys or which client to look up. It applies the same limits of size
// (DefaultMaxSize) and shape and the same rules for the header as Verify, and returns ErrMalformed or ErrAlgorithm.
func Parse(token string) (Unverified, error) { return parse(token, DefaultMaxSize) }

// Header is what the token says of itself.
func (u Unverified) Header() Header { return u.header }

// Payload is what the token claims.
func (u Unverified) Payload() []byte { return u.payload }

func parse(token string, maxSize int) (Unverified, error) {
	u, header, err := split(token, maxSize)
	if err != nil {
		return Unverified{}, err
	}
	if u.header, err = parseHeader(header); err != nil {
		return Unverified{}, err
	}
	return u, nil
}

// split takes a token apart, and leaves its header to read.
func split(token string, maxSize int) (u Unverified, header []byte, err error) {
	if len(token) > maxSize {
		return u, nil, fmt.Errorf("%w: token longer than %d bytes", ErrMalformed, maxSize)
	}
	if strings.Count(token, ".") != 2 {
		return u, nil, fmt.Errorf("%w: not three segments", ErrMalformed)
	}
	first, last := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	u = Unverified{input: []byte(token[:last]), size: len(token)}
	if header, err = decodeSegment(token[:first]); err != nil {
		return u, nil, err
	}
	if u.payload, err = decodeSegment(token[first+1 : last]); err != nil {
		return u, nil, err
	}
	u.signature, err = decodeSegment(token[last+1:])
	return u, header, err
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

func parseHeader(data []byte) (Header, error) {
	if h, ok := plainHeader(data); ok {
		return headerMembers{Header: h}.judge()
	}
	var said headerMembers
	if err := strictjson.Unmarshal(data, &said); err != nil {
		return Header{}, fmt.Errorf("%w: header: %v", ErrMalformed, err)
	}
	return said.judge()
}

// headerMembers are the members of a header that are looked at.
type headerMembers struct {
	Header
	Crit json.RawMessage `json:"crit"`
	B64  json.RawMessage `json:"b64"`
}

func (m headerMembers) judge() (Header, error) {
	// RFC 7515 §4.1.11: we understand no extension, so whatever is critical is refused. RFC 7797 §3 makes "b64" one;
	// a token that has it without saying so may mean another content to another reader.
	if m.Crit != nil || m.B64 != nil {
		return Header{}, fmt.Errorf("%w: critical header", ErrMalformed)
	}
	// Whatever is not known is refused here, "none" in all its spellings included (RFC 8725 §3.2).
	if _, err := m.Alg.scheme(); err != nil {
		return Header{}, err
	}
	return m.Header, nil
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
