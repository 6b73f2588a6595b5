package signet

import (
	"errors"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/mfa"
)

// Factors are what the default login asks for beside passwords, passkeys and connections. Each is on when its pointer is set, and the zero
// value of what it points to is good: &mfa.OneTimeCode{}. Nil is off, whoever has it; a plan of the host's own may ask for it nevertheless.
//
// The zero Factors are the exception: TOTP, HOTP, Push and BackupCodes, for those who have them, and TOTP for those who have to have one.
type Factors struct {
	// TOTP are codes of an authenticator app. An app is set up on the spot where a second factor is demanded of somebody who has none.
	// Its Issuer is what the app shows, "" is Branding.Name, or else the issuer's host.
	TOTP *mfa.TOTP
	// HOTP are codes of a token with a button, for those who were given one (directory.Credentials).
	HOTP *mfa.HOTP
	// Push is to confirm on a phone. Needs Messages.Push. A phone is registered on the spot as an app is.
	Push *mfa.Push
	// EmailCode and SMSCode are sent to addresses and numbers that were verified, and asked of everybody who has one. They need Messages.Email
	// and Messages.SMS. Where accounts are recovered by mail (Accounts.Recovery), whoever reads the mail has both factors of EmailCode.
	EmailCode *mfa.OneTimeCode
	SMSCode   *mfa.OneTimeCode
	// BackupCodes stand in for any of the others. They are offered beside one, and never alone.
	BackupCodes *mfa.BackupCodes
	// MagicLink is a link by mail that signs in without a password: a further way to begin. Needs Messages.Email.
	MagicLink *mfa.MagicLink
	// Certificates are X.509 certificates that people have on a card or in their browser: a further way to begin, and a second factor of
	// those who have enrolled one. One is enrolled on the spot as an app is set up. Its Roots are required, and docs/factors.md says what the
	// server and its proxies have to do.
	Certificates *flow.Certificates
	// TrustDevices offers not to ask again on a device for 30 days; see flow.LoginSteps.
	TrustDevices bool
}

// orDefault is what holds for the zero value.
func (f Factors) orDefault() Factors {
	if f == (Factors{TrustDevices: f.TrustDevices}) {
		f.TOTP, f.HOTP, f.Push, f.BackupCodes = &mfa.TOTP{}, &mfa.HOTP{}, &mfa.Push{}, &mfa.BackupCodes{}
	}
	return f
}

// check reports every factor that has no way to reach anybody.
func (f Factors) check(messages *notify.Senders) error {
	if messages == nil {
		messages = &notify.Senders{}
	}
	var problems []error
	for _, need := range []struct {
		on, reached bool
		problem     string
	}{
		{f.Push != nil, messages.Push != nil, "Config.Factors.Push needs Config.Messages.Push"},
		{f.EmailCode != nil, messages.Email != nil, "Config.Factors.EmailCode needs Config.Messages.Email"},
		{f.SMSCode != nil, messages.SMS != nil, "Config.Factors.SMSCode needs Config.Messages.SMS"},
		{f.MagicLink != nil, messages.Email != nil, "Config.Factors.MagicLink needs Config.Messages.Email"},
	} {
		if need.on && !need.reached {
			problems = append(problems, errors.New(need.problem))
		}
	}
	return errors.Join(problems...)
}

// login is the default login: with the connections as further ways to begin, and passkeys as their settings say.
func (c *Config) login() flow.Plan {
	f := c.Factors.orDefault()
	steps := flow.LoginSteps{First: []string{"password"}, Second: []string{}, Enroll: []string{}, TrustDevices: f.TrustDevices}
	for _, connection := range c.Connections {
		steps.First = append(steps.First, connection.Name)
	}
	for _, s := range c.Services {
		if s.Kind == service.Identifies {
			steps.First = append(steps.First, s.Name)
		}
	}
	if f.MagicLink != nil {
		steps.First = append(steps.First, "magic-link")
	}
	if f.Certificates != nil {
		steps.First = append(steps.First, "x509")
	}
	for _, second := range []struct {
		on           bool
		name, enroll string
	}{
		{f.TOTP != nil, "totp", "totp-enroll"},
		{f.HOTP != nil, "hotp", ""},
		{f.Push != nil, "push", "push-enroll"},
		{f.EmailCode != nil, "email-code", ""},
		{f.SMSCode != nil, "sms-code", ""},
		{f.Certificates != nil, "x509", "x509-enroll"},
		{f.BackupCodes != nil, "backup-code", ""},
	} {
		if !second.on {
			continue
		}
		steps.Second = append(steps.Second, second.name)
		if second.enroll != "" && (second.name != "push" || c.Factors.Push != nil) {
			steps.Enroll = append(steps.Enroll, second.enroll)
		}
	}
	for _, s := range c.Services {
		if s.Kind == service.Verifies {
			steps.Second = append(steps.Second, s.Name)
		}
	}
	return c.Passkeys.Steps(steps).Plan()
}

// apply hands the factors to the flow.
func (f Factors) apply(c *flow.Config, name string) {
	f = f.orDefault()
	c.TOTP, c.HOTP, c.Push = orZero(f.TOTP), orZero(f.HOTP), orZero(f.Push)
	c.EmailCode, c.SMSCode = orZero(f.EmailCode), orZero(f.SMSCode)
	c.BackupCodes, c.MagicLink = orZero(f.BackupCodes), orZero(f.MagicLink)
	c.Certificates = f.Certificates
	if c.TOTP.Issuer == "" {
		c.TOTP.Issuer = authenticatorName(name)
	}
}

// orZero is what a pointer points to.
func orZero[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}
