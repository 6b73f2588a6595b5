package jose

import (
	"fmt"
	"strings"

	"github.com/signet-idp/signet/internal/strictjson"
)

// ParseUnsigned returns the payload of a token that says by itself that nobody has signed it: alg "none" in this one spelling, and an empty
// signature (RFC 7518 §3.6). Nothing that it says is proven. It is for the few places where such a token is as good as the
// parameters beside it; Verify never accepts one. Errors are ErrMalformed and ErrAlgorithm.
func ParseUnsigned(token string) ([]byte, error) {
	if len(token) > DefaultMaxSize {
		return nil, fmt.Errorf("%w: token longer than %d bytes", ErrMalformed, DefaultMaxSize)
	}
	segment := strings.Split(token, ".")
	if len(segment) != 3 || segment[2] != "" {
		return nil, fmt.Errorf("%w: not two segments and an empty signature", ErrMalformed)
	}
	header, err := decodeSegment(segment[0])
	if err != nil {
		return nil, err
	}
	var h struct {
		Alg  string `json:"alg"`
		Crit any    `json:"crit"`
		B64  any    `json:"b64"`
	}
	if err := strictjson.Unmarshal(header, &h); err != nil || h.Crit != nil || h.B64 != nil {
		return nil, fmt.Errorf("%w: header", ErrMalformed)
	}
	if h.Alg != "none" {
		return nil, fmt.Errorf("%w: not unsigned", ErrAlgorithm)
	}
	return decodeSegment(segment[1])
}
