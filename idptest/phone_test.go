package idptest_test

import (
	"testing"

	"github.com/signet-idp/signet/idptest"
)

// Whoever has a phone agrees on it, with the number that the page shows.
func TestSignInWithPush(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann, app := idp.User("ann"), idp.App(callback)
		idp.EnrollPush(ann)
		for range 2 {
			if tokens := idp.SignIn(ann, app); tokens.Claims["acr"] != "aal2" {
				t.Errorf("signed in with %v", tokens.Claims)
			}
		}
	})
}

// Another number, and a no, sign nobody in; asked again, the phone may still agree.
func TestPhoneRefuses(t *testing.T) {
	everywhere(t, func(t *testing.T, idp *idptest.Server) {
		ann, app := idp.User("ann"), idp.App(callback)
		phone, r := idp.EnrollPush(ann), app.Request()
		page := idp.Browser().Open(r.URL).Fill("username", "ann").Fill("password", idptest.Password).Submit("login")
		wrong := "1"
		if page.PushNumber() == wrong {
			wrong = "2"
		}
		phone.Approve(wrong)
		if page = page.Submit("login"); page.PushNumber() != "" || !page.Has("resend") {
			t.Fatalf("after another number: %v", page)
		}
		page = page.Submit("resend")
		phone.Deny()
		if page = page.Submit("login"); page.PushNumber() != "" || !page.Has("resend") {
			t.Fatalf("after a no: %v", page)
		}
		if _, err := r.Redeem(page.Submit("resend").SignIn(ann)); err != nil {
			t.Error(err)
		}
	})
}
