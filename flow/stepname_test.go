package flow_test

import (
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/store/directory"
)

// What is proven elsewhere cannot be called what Signet's own steps prove, by a name or by one that is made of it.
func TestAttackStepNamedLikeOneOfOurs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"password", "totp", "totp-enroll", "hotp", "backup-code", "email", "sms", "magic-link", "push", "passkey", "passkey-enroll",
		"consent", "logout", "register", "recover", directory.Federated, directory.EmailSignIn, directory.SMSSignIn,
		directory.ByPasskey, directory.ByCertificate, "", "Google", "1st", "a_b", "a/b", "a23456789012345678901234567890123",
	} {
		if flow.CheckStepName(name) == nil {
			t.Errorf("a host's step is called %q", name)
		}
	}
	for _, name := range []string{"google", "a2345678901234567890123456789012", "face-scan", "magic"} {
		if err := flow.CheckStepName(name); err != nil {
			t.Error(err)
		}
	}
	if flow.CheckStepName("magic", "-link") == nil {
		t.Error("a step besides is called like a mailed link")
	}
}
