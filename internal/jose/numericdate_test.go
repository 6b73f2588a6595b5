package jose_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/jose"
)

func TestNumericDate(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Time{
		`0`:              time.Unix(0, 0),
		`1300819380`:     time.Unix(1300819380, 0),
		`1300819380.999`: time.Unix(1300819380, 0),
		`1.30081938e9`:   time.Unix(1300819380, 0),
		`130081938E+1`:   time.Unix(1300819380, 0),
		`5e-1`:           time.Unix(0, 0),
		`253402300799`:   time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		var d jose.NumericDate
		if err := json.Unmarshal([]byte(in), &d); err != nil || !d.Equal(want) || d.IsZero() {
			t.Errorf("%s: %v, error %v, want %v", in, d, err, want)
		}
	}
}

func TestNumericDateRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		`-1`, `-0`, `-0.5`, `253402300800`, `1e12`, `1e18`, `1e400`, `9223372036854775808`, `18446744073709551616`, `1e999999999`,
		`"1300819380"`, `null`, `true`, `{}`, `[]`, `""`,
	} {
		var claims jose.Times
		err := json.Unmarshal([]byte(`{"exp":`+in+`}`), &claims)
		if !errors.Is(err, jose.ErrMalformed) || !claims.Exp.IsZero() {
			t.Errorf("%s: %v, error %v", in, claims.Exp, err)
		}
	}
	for _, in := range []string{``, `NaN`, `Inf`, `+1`, `0x10`, `1_0`, ` 1`, `1 `, `infinity`, `1e`, `.5`} {
		var d jose.NumericDate
		wantError(t, d.UnmarshalJSON([]byte(in)), jose.ErrMalformed)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	var claims struct {
		Iss string `json:"iss"`
		jose.Times
	}
	if err := json.Unmarshal([]byte(`{"iss":"i","exp":20,"iat":10.5}`), &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Exp.Unix() != 20 || claims.Iat.Unix() != 10 || !claims.Nbf.IsZero() {
		t.Errorf("%v", claims)
	}
	out, err := json.Marshal(claims)
	if err != nil || string(out) != `{"iss":"i","exp":20,"iat":10}` {
		t.Errorf("%s, error %v", out, err)
	}
	for _, far := range []time.Time{time.Unix(-1, 0), time.Unix(253402300800, 0), {}} {
		_, err := jose.NumericDate{Time: far}.MarshalJSON()
		wantError(t, err, jose.ErrMalformed)
	}
}
