package jose

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// lastSecond is 9999-12-31T23:59:59Z, the last that RFC 3339 can write. All arithmetic on times up to here is safe.
const lastSecond = 253402300799

// NumericDate is a time in a claim: seconds since 1970, possibly with a fraction (RFC 7519 §2). The zero value stands
// for an absent claim; use it with omitzero.
type NumericDate struct{ time.Time }

// Times are the claims about time of a JWT (RFC 7519 §4.1), for embedding in a struct of claims. Comparing them with
// the clock is the caller's work.
type Times struct {
	Exp NumericDate `json:"exp,omitzero"`
	Nbf NumericDate `json:"nbf,omitzero"`
	Iat NumericDate `json:"iat,omitzero"`
}

// UnmarshalJSON reads a JSON number of 0 up to the end of the year 9999 and rounds it down to the second. A string, null,
// or anything beyond is ErrMalformed, never a time that wrapped around.
func (d *NumericDate) UnmarshalJSON(data []byte) error {
	// The alphabet keeps out what ParseFloat takes and JSON does not: signs in front, hexadecimals, Inf, NaN.
	number := string(data)
	if number == "" || number[0] < '0' || number[0] > '9' || strings.Trim(number, "0123456789.eE+-") != "" {
		return fmt.Errorf("%w: date is not a number of seconds", ErrMalformed)
	}
	seconds, err := strconv.ParseFloat(number, 64)
	if err != nil || seconds > lastSecond {
		return fmt.Errorf("%w: date out of range", ErrMalformed)
	}
	d.Time = time.Unix(int64(seconds), 0).UTC()
	return nil
}

// MarshalJSON writes whole seconds. A time outside of what UnmarshalJSON reads is ErrMalformed.
func (d NumericDate) MarshalJSON() ([]byte, error) {
	seconds := d.Unix()
	if seconds < 0 || seconds > lastSecond {
		return nil, fmt.Errorf("%w: date out of range", ErrMalformed)
	}
	return strconv.AppendInt(nil, seconds, 10), nil
}
