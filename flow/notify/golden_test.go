package notify_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sections are the templates that a file of texts has, as "EmailOTP.email".
func sections(t *testing.T, locale string) (all []string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("texts", locale+".txt"))
	must(t, err)
	for line := range strings.Lines(string(content)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok {
			all = append(all, strings.TrimSuffix(name, " --"))
		}
	}
	return all
}

// What is said stays as it is, unless somebody wants it otherwise: every template in every language, and one page in each direction.
func TestGolden(t *testing.T) {
	t.Parallel()
	w := alone(t)
	var archive txtar.Archive
	for _, locale := range []string{"en", "de", "fr", "es", "ar"} {
		for _, section := range sections(t, locale) {
			name, channel, _ := strings.Cut(section, ".")
			r, err := w.Preview(t.Context(), notify.Message{Template: notify.Template(name), Channel: notify.Channel(channel)}, locale)
			must(t, err)
			if r.Locale != locale {
				t.Errorf("%s is in %s, want %s", section, r.Locale, locale)
			}
			text := r.Text + "\n"
			if r.Subject != "" {
				text = "Subject: " + r.Subject + "\n\n" + text
			}
			archive.Files = append(archive.Files, txtar.File{Name: locale + "/" + section, Data: []byte(text)})
			if name == "EmailOTP" && (locale == "en" || locale == "ar") {
				archive.Files = append(archive.Files, txtar.File{Name: locale + "/" + section + ".html", Data: []byte(r.HTML)})
			}
		}
	}
	lacks(t, w.log.String(), "without a meaning")
	got := txtar.Format(&archive)
	lacks(t, string(got), "{{", "}}", "<no value>")
	golden := filepath.Join("testdata", "messages.txtar")
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if string(got) != string(want) {
		t.Errorf("messages differ from %s; look at git diff after -update", golden)
	}
}

// Every name of §7.1 has a text in English, and every other language says nothing that English does not.
func TestEveryTemplate(t *testing.T) {
	t.Parallel()
	w := alone(t)
	names := map[notify.Channel][]string{
		notify.Email: strings.Fields(`accountConfirmation resendAccountConfirmation emailConfirm emailConfirmWithOTP liteUserEmailConfirmation
			resendLiteUserEmailConfirmation verifyEmailOnUpdate resendVerifyEmailOnUpdate emailOTPVerificationOnUpdate notifyOnExistingEmailUpdate
			notifyOnExistingEmailUpdateWithoutVerification accountIdRecovery initiateRecovery passwordReset resendPasswordReset passwordResetOTP
			resendPasswordResetOTP passwordResetSucess adminforcedpasswordreset resendAdminForcedPasswordReset adminforcedpasswordresetwithotp
			resendAdminForcedPasswordResetWithOTP askPassword resendAskPassword askPasswordEmailOTP askPasswordResendEmailOTP orchestratedAskPassword
			orchestratedAskPasswordResend temporaryPassword otp accountLockAdmin accountLockFailedAttempt accountLockFailedAttemptUntilAdminUnlock
			accountUnlockAdmin accountUnlockTimeBased accountEnable accountDisable accountActivationSuccess selfSignUpNotify selfSignUpSuccess magicLink
			magicLinkSignUp magicLinkPasswordRecovery EmailOTP ResendEmailOTP EmailOTPVerification totp UnseenDeviceLogin idleAccountReminder
			PushDeviceRegistration OrganizationUserInvitation ImpersonationEmailNotification CIBAAuthenticationNotification tenantRegistrationConfirmation
			WorkflowInitiatorNotification WorkflowApproverNotification`),
		notify.SMS: strings.Fields(`SMSOTP SMSOTPVerification passwordReset resendPasswordReset passwordResetSucess accountconfirmation
			resendaccountconfirmation accountIdRecovery verifyMobileOnUpdate adminForcedPasswordReset resendAdminForcedPasswordReset askPasswordSMSOTP
			askPasswordResendSMSOTP askPasswordSetSuccess CIBAAuthenticationNotification WorkflowInitiatorNotification`),
	}
	for channel, all := range names {
		for _, name := range all {
			if _, locale, err := w.System(notify.Template(name), channel); err != nil || locale != "en" {
				t.Errorf("%s by %s: %v", name, channel, err)
			}
		}
	}
	english := sections(t, "en")
	for _, locale := range []string{"de", "fr", "es", "ar"} {
		for _, s := range sections(t, locale) {
			if !slices.Contains(english, s) {
				t.Errorf("%s has %s, English has not", locale, s)
			}
		}
	}
}

// The nearest text holds, in the language that fits best: of the application, the organization, the host, ours.
func TestLookup(t *testing.T) {
	t.Parallel()
	w := alone(t, func(c *notify.Config) {
		c.Senders.Templates = os.DirFS("testdata/host")
	})
	app := &directory.Application{Name: "Shop"}
	must(t, w.dir.Applications.Create(t.Context(), app))
	subject := func(locales ...string) string {
		t.Helper()
		m := code("ann@example.com")
		m.Locales, m.Application = locales, app.Ref()
		w.send(t, m)
		w.deliver(t)
		return w.email.mail(t).Subject
	}
	set := func(appID, locale, text string) {
		t.Helper()
		must(t, directory.Set(t.Context(), w.dir.Settings, notify.SourceSetting(notify.EmailOTP, notify.Email, locale), "", appID, notify.Source{Subject: text, Text: "{{code}}"}))
		w.clock.advance(2e9)
	}
	for _, c := range []struct {
		locales []string
		want    string
	}{
		{[]string{"de-AT"}, "Ihr Anmeldecode für Shop"},
		{[]string{"xx", "de"}, "Ihr Anmeldecode für Shop"},
		{[]string{"fr_CA"}, "Votre code de connexion pour Shop"},
		{[]string{"pt-BR"}, "Host: seu código"},
		{[]string{"en"}, "Host: Shop"},
		{nil, "Host: Shop"},
		{[]string{"xx"}, "Host: Shop"},
	} {
		if got := subject(c.locales...); got != c.want {
			t.Errorf("%q: %q, want %q", c.locales, got, c.want)
		}
	}
	set("", "de", "organization")
	set(app.ID, "de-at", "application")
	for locale, want := range map[string]string{"de": "organization", "de-CH": "organization", "de-AT": "application", "fr": "Votre code de connexion pour Shop"} {
		if got := subject(locale); got != want {
			t.Errorf("%s: %q, want %q", locale, got, want)
		}
	}
	set(app.ID, "de", "application in German")
	if got := subject("de-CH"); got != "application in German" {
		t.Errorf("got %q", got)
	}
	m := w.email.mail(t)
	wants(t, m.HTML, "493027", `lang="de"`, "host layout")
	wants(t, w.preview(t, notify.MagicLink, "en").HTML, "host magic")
}

func (w *world) preview(t *testing.T, name notify.Template, locale string) notify.Rendered {
	t.Helper()
	r, err := w.Preview(t.Context(), notify.Message{Template: name, Channel: notify.Email}, locale)
	must(t, err)
	return r
}

// Person and branding fill the literals, and a preview shows samples for the rest.
func TestLiterals(t *testing.T) {
	t.Parallel()
	w := alone(t)
	must(t, directory.Set(t.Context(), w.dir.Settings, w.dir.Settings.Branding, "", "", directory.Branding{
		Name: "Acme", Logo: "/logo.png", SupportEmail: "help@acme.example", Light: map[string]string{"accent": "#ff0000"},
	}))
	u := &directory.User{Username: "ann", GivenName: "Ann", Locale: "de", Email: "ann@example.com", Attributes: map[string]any{"shoe": "42"}}
	must(t, w.dir.CreateUser(t.Context(), u, "correct horse battery staple"))
	w.clock.advance(2e9)
	must(t, directory.Set(t.Context(), w.dir.Settings, notify.SourceSetting(notify.PasswordResetSuccess, notify.Email, "de"), "", "", notify.Source{
		Subject: "{{user-name}}", Text: "{{user.claim.givenname}} {{user.claim.given_name}} {{user.claim.shoe}} {{user.claim.nothing}} {{organization-name}} {{tenant-domain}} {{url:user.claim.email}} {{no-such-literal}} {{current-year}}.",
	}))
	w.clock.advance(2e9)
	w.send(t, notify.Message{Template: notify.PasswordResetSuccess, Channel: notify.Email, To: u.Email, Subject: w.dir.SubjectRef(u)})
	w.deliver(t)
	m := w.email.mail(t)
	if m.Subject != "ann" || m.Text != "Ann Ann 42  Acme  ann%40example.com  2026." || m.From != `"Acme" <no-reply@example.com>` {
		t.Errorf("%q: %q from %s", m.Subject, m.Text, m.From)
	}
	wants(t, m.HTML, `src="https://id.example.com/logo.png"`, "help@acme.example", "mailto:help%40acme.example")
	wants(t, w.log.String(), "no-such-literal", "without a meaning")
	lacks(t, w.log.String(), "ann@example.com", "Ann")
	r := w.preview(t, notify.MagicLink, "ar")
	wants(t, r.HTML, `dir="rtl"`, `lang="ar"`, "background:#ff0000", "https://id.example.com/continue")
	if _, err := w.Preview(t.Context(), notify.Message{Template: "no such", Channel: notify.Email}, "en"); err == nil {
		t.Error("there is a preview of nothing")
	}
}
