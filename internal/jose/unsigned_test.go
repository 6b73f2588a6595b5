package jose_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/jose"
)

func TestParseUnsigned(t *testing.T) {
	t.Parallel()
	payload, err := jose.ParseUnsigned(rfc7515None)
	if err != nil || string(payload) != rfc7515Claims {
		t.Errorf("%q, error %v", payload, err)
	}
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"signed":           {rfc7515RSA, jose.ErrMalformed},
		"signed, cut off":  {rfc7515RSA[:strings.LastIndex(rfc7515RSA, ".")+1], jose.ErrAlgorithm},
		"None":             {compact(`{"alg":"None"}`, claims, nil), jose.ErrAlgorithm},
		"no alg":           {compact(`{}`, claims, nil), jose.ErrAlgorithm},
		"with a signature": {compact(`{"alg":"none"}`, claims, []byte{1}), jose.ErrMalformed},
		"crit":             {compact(`{"alg":"none","crit":["exp"]}`, claims, nil), jose.ErrMalformed},
		"alg twice":        {compact(`{"alg":"none","alg":"none"}`, claims, nil), jose.ErrMalformed},
		"one segment":      {"abc", jose.ErrMalformed},
		"too long":         {strings.Repeat("a", jose.DefaultMaxSize+1), jose.ErrMalformed},
	} {
		if payload, err := jose.ParseUnsigned(c.token); !errors.Is(err, c.want) || payload != nil {
			t.Errorf("%s: %q, error %v", name, payload, err)
		}
	}
}
