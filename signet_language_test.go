package signet_test

import (
	"strings"
	"testing"

	"github.com/signet-idp/signet/idptest"
)

// Somebody who chooses a language in the middle of a sign-in goes on with it in that language, and finds it on their account, too.
func TestLanguageSwitch(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t, withAccount)
	ann, b := idp.User("ann"), idp.Browser()
	page := b.Open(idp.URL + "/account").Submit("language_fr")
	if page.URL.Path != "/login" || !strings.Contains(page.Body, "Se connecter") {
		t.Fatalf("chosen: %s", page)
	}
	page = page.Fill("username", ann.Username).Fill("password", idptest.Password).Submit("login")
	if page.URL.Path != "/account" || !strings.Contains(page.Body, `<html lang="fr"`) {
		t.Errorf("signed in: %s", page)
	}
	if page = page.Submit("language_ar"); page.URL.Path != "/account" || !strings.Contains(page.Body, `<html lang="ar" dir="rtl"`) {
		t.Errorf("chosen once more: %s", page)
	}
}
