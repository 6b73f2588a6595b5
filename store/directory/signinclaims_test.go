package directory_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/signet-idp/signet/store/directory"
)

func TestSignInClaims(t *testing.T) {
	t.Parallel()
	many := directory.SignInClaims{}
	for i := range 33 {
		many[fmt.Sprint("c", i)] = "x"
	}
	for _, bad := range []directory.SignInClaims{
		many,
		{"": "x"},
		{"sub": "x"},
		{"username": "x"},
		{"userid": "x"},
		{"emailVerified": "true"},
		{"phone_number_verified": "true"},
		{"groups": "admins"},
		{"Roles": "admin"},
		{"http://wso2.org/claims/groups": "x"},
		{"name#ja": "x"},
		{"na me": "x"},
		{"n\x00": "x"},
		{"é": "x"},
		{"country": "FR"},
		{"address": "{}"},
		{strings.Repeat("n", 101): "x"},
		{"name": strings.Repeat("x", 1001)},
		{"failedLoginAttempts": "0"},
	} {
		if bad.Check() == nil {
			t.Errorf("%.80q is admitted", bad)
		}
	}
	for _, good := range []directory.SignInClaims{nil, {}, {"name": ""}, {"email": "a@b"}, {"risk": "high", "given_name": "Ann", "nationalId": "7"}} {
		if err := good.Check(); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}
