package directory

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// AccountPolicies are the settings of accounts, as they hold where nothing else was set: see the fields of the same names in Settings.
// The zero value of each is what its type documents; whatever sends messages, lets people in or locks them out is off.
type AccountPolicies struct {
	PasswordHistory PasswordHistoryPolicy
	PasswordExpiry  PasswordExpiryPolicy
	SessionLimit    SessionLimitPolicy
	Identifiers     IdentifierPolicy
	Username        UsernamePolicy
	Addresses       AddressPolicy
	Registration    RegistrationPolicy
	Recovery        RecoveryPolicy
	Invitation      InvitationPolicy
	AdminReset      AdminResetPolicy
	Idle            IdlePolicy
	BotCheck        BotCheckPolicy
	Attributes      AttributePolicy
}

// PasswordHistoryPolicy is which passwords of their own people may not take up again.
type PasswordHistoryPolicy struct {
	// Count is how many of the last ones, the present one among them; 0, up to 24, is none. Each costs a hash when a password is chosen.
	Count int `json:"count"`
}

// SessionLimitPolicy is how many sessions one person may have at once.
type SessionLimitPolicy struct {
	// Max is 1 to 100; zero is no bound.
	Max int `json:"max"`
	// Over is what happens to the one that is too many; RefuseSession when it is "".
	Over SessionOverflow `json:"over,omitempty"`
}

// SessionOverflow is what happens when there are as many sessions as there may be.
type SessionOverflow string

// The answers to one session too many.
const (
	// RefuseSession refuses the sign-in.
	RefuseSession SessionOverflow = "refuse"
	// EndOldestSession ends as many of the oldest as it takes.
	EndOldestSession SessionOverflow = "end_oldest"
	// AskSession refuses it until the person has said which to end: NewSession.End.
	AskSession SessionOverflow = "ask"
)

// IdentifierPolicy is by which names people sign in and are found, and what no two of them may share.
type IdentifierPolicy struct {
	// LoginBy are tried in order; "attributes.NAME" is an attribute that is in Unique. Empty is Config.LoginBy.
	LoginBy []IdentifierName `json:"loginBy,omitempty"`
	// VerifiedOnly leaves out e-mail addresses that were not verified. Telephone numbers always need to be.
	VerifiedOnly bool `json:"verifiedOnly,omitempty"`
	// Unique are "email", "phone" and "attributes.NAME": in the store in the DB no two people of an organization have the same value. It
	// holds for people who are written from then on.
	Unique []IdentifierName `json:"unique,omitempty"`
}

// UsernamePolicy is which names new people may have.
type UsernamePolicy struct {
	// Form is any, an e-mail address, or letters and digits of ASCII.
	Form UsernameForm `json:"form,omitempty"`
	// MinLength and MaxLength are in characters; zero is no bound but that of a User.
	MinLength int `json:"minLength,omitempty"`
	MaxLength int `json:"maxLength,omitempty"`
	// Pattern is a regular expression of package regexp that the whole name must match; "" is none.
	Pattern string `json:"pattern,omitempty"`
}

// UsernameForm is what a username looks like.
type UsernameForm string

// The forms of a username.
const (
	AnyUsername          UsernameForm = ""
	EmailUsername        UsernameForm = "email"
	AlphanumericUsername UsernameForm = "alphanumeric"
)

// AddressPolicy is what happens when people change their e-mail address or telephone number.
type AddressPolicy struct {
	// VerifyEmail and VerifyPhone keep the address in use until the new one is confirmed; see User.PendingEmail.
	VerifyEmail bool `json:"verifyEmail"`
	VerifyPhone bool `json:"verifyPhone"`
	// EmailCode sends a code instead of a link.
	EmailCode bool `json:"emailCode"`
	// NotifyOld tells the address in use.
	NotifyOld bool `json:"notifyOld"`
	// LinkLife is 24 hours, CodeLife 5 minutes.
	LinkLife time.Duration `json:"linkLife"`
	CodeLife time.Duration `json:"codeLife"`
	// Code is 6 digits.
	Code CodeForm `json:"code"`
}

// RegistrationPolicy is how people register themselves.
type RegistrationPolicy struct {
	// Enabled lets them.
	Enabled bool `json:"enabled"`
	// Lite lets them without a password, where there is another way in: a passkey, or messages to the address.
	Lite bool `json:"lite"`
	// Immediate lets them in before their address is confirmed.
	Immediate bool `json:"immediate"`
	// SignIn signs them in at the end of the registration. It needs Immediate, or the confirmation within the flow.
	SignIn bool `json:"signIn"`
	// Welcome sends a message after it.
	Welcome bool `json:"welcome"`
	// ShowTaken tells whoever asks that a username is taken. It tells who has an account.
	ShowTaken bool `json:"showTaken"`
	// NoCaptcha leaves the bot check out, where there is one.
	NoCaptcha bool `json:"noCaptcha"`
	// LinkLife is 24 hours, CodeLife a minute.
	LinkLife time.Duration `json:"linkLife"`
	CodeLife time.Duration `json:"codeLife"`
	// Code is 6 digits.
	Code CodeForm `json:"code"`
}

// RecoveryPolicy is how people come to a new password, or to their forgotten name.
type RecoveryPolicy struct {
	// EmailLink, EmailCode and SMSCode are ways to a new password; UsernameEmail and UsernameSMS to the name.
	EmailLink     bool `json:"emailLink"`
	EmailCode     bool `json:"emailCode"`
	SMSCode       bool `json:"smsCode"`
	UsernameEmail bool `json:"usernameEmail"`
	UsernameSMS   bool `json:"usernameSms"`
	// SignIn signs them in afterwards, with what was proven and no more.
	SignIn bool `json:"signIn"`
	// Notify sends a message afterwards, the way the code went; by mail, to a confirmed address, also where that was SMS.
	Notify bool `json:"notify"`
	// Captcha asks for the bot check, where there is one.
	Captcha bool `json:"captcha"`
	// LinkLife, also of a code beside a link, is 24 hours, EmailCodeLife 24 hours, SMSCodeLife a minute.
	LinkLife      time.Duration `json:"linkLife"`
	EmailCodeLife time.Duration `json:"emailCodeLife"`
	SMSCodeLife   time.Duration `json:"smsCodeLife"`
	// Code is 6 letters and digits.
	Code CodeForm `json:"code"`
	// Tries is how many wrong codes end it; 3. Resends is how many further messages there are; 5.
	Tries   int `json:"tries"`
	Resends int `json:"resends"`
}

// InvitationPolicy is how people whom an administrator has created choose their first password.
type InvitationPolicy struct {
	// EmailCode and SMSCode send a code instead of a link by mail: whoever has one types it at /invite, with their user name.
	EmailCode bool `json:"emailCode"`
	SMSCode   bool `json:"smsCode"`
	// Unlocked lets people in by other ways before they have one.
	Unlocked bool `json:"unlocked"`
	// Quiet leaves out the message at the end.
	Quiet bool `json:"quiet"`
	// Life is 24 hours.
	Life time.Duration `json:"life"`
	// Code is 6 letters and digits.
	Code CodeForm `json:"code"`
}

// AdminResetPolicy is how people choose a new password when an administrator has told them to.
type AdminResetPolicy struct {
	// EmailLink, EmailCode, SMSCode and Offline, where the administrator hands the link over, are the ways.
	EmailLink bool `json:"emailLink"`
	EmailCode bool `json:"emailCode"`
	SMSCode   bool `json:"smsCode"`
	Offline   bool `json:"offline"`
	// Life is 24 hours.
	Life time.Duration `json:"life"`
	// Code is 6 letters and digits.
	Code CodeForm `json:"code"`
}

// IdlePolicy is what happens to people who have not signed in for long.
type IdlePolicy struct {
	// DisableAfter is in days; zero never disables anybody.
	DisableAfter int `json:"disableAfter"`
	// Remind is after how many days they are reminded: 30, 45, 60 and 75 when DisableAfter is set and none are named.
	Remind []int `json:"remind,omitempty"`
}

// BotCheckPolicy is when people who sign in show that they are no program, where there is a bot check. For registration and recovery see
// RegistrationPolicy.NoCaptcha and RecoveryPolicy.Captcha.
type BotCheckPolicy struct {
	// SignIn is when; "" is CheckAfterFailures.
	SignIn BotCheckRule `json:"signIn,omitempty"`
	// Failures is how many wrong answers within an hour lead to it, for the name that was typed, whoever has it and whoever was wrong; 3.
	Failures int64 `json:"failures"`
	// AddressFailures is the same for the address from which they came, whatever the names; 20.
	AddressFailures int64 `json:"addressFailures"`
}

// BotCheckRule is when somebody is asked.
type BotCheckRule string

// The rules.
const (
	CheckAfterFailures BotCheckRule = "after_failures"
	CheckAlways        BotCheckRule = "always"
	CheckNever         BotCheckRule = "never"
)

const day = 24 * time.Hour

func (p *AccountPolicies) setDefaults() {
	setDefault(&p.SessionLimit.Over, RefuseSession)
	setDefault(&p.Addresses.LinkLife, day)
	setDefault(&p.Addresses.CodeLife, 5*time.Minute)
	setDefault(&p.Addresses.Code, CodeForm{Length: 6})
	setDefault(&p.Registration.LinkLife, day)
	setDefault(&p.Registration.CodeLife, time.Minute)
	setDefault(&p.Registration.Code, CodeForm{Length: 6})
	setDefault(&p.Recovery.LinkLife, day)
	setDefault(&p.Recovery.EmailCodeLife, day)
	setDefault(&p.Recovery.SMSCodeLife, time.Minute)
	setDefault(&p.Recovery.Code, CodeForm{Length: 6, Letters: true})
	setDefault(&p.Recovery.Tries, 3)
	setDefault(&p.Recovery.Resends, 5)
	setDefault(&p.Invitation.Life, day)
	setDefault(&p.Invitation.Code, CodeForm{Length: 6, Letters: true})
	setDefault(&p.AdminReset.Life, day)
	setDefault(&p.AdminReset.Code, CodeForm{Length: 6, Letters: true})
	setDefault(&p.BotCheck.SignIn, CheckAfterFailures)
	setDefault(&p.BotCheck.Failures, 3)
	setDefault(&p.BotCheck.AddressFailures, 20)
	if p.Idle.DisableAfter > 0 && p.Idle.Remind == nil {
		p.Idle.Remind = slices.DeleteFunc([]int{30, 45, 60, 75}, func(days int) bool { return days >= p.Idle.DisableAfter })
	}
}

func (p AccountPolicies) validate() error {
	return errors.Join(
		p.PasswordHistory.Validate(), p.PasswordExpiry.Validate(), p.SessionLimit.Validate(), p.Identifiers.Validate(), p.Username.Validate(),
		p.Addresses.Validate(), p.Registration.Validate(), p.Recovery.Validate(), p.Invitation.Validate(), p.AdminReset.Validate(),
		p.Idle.Validate(), p.BotCheck.Validate(), p.Attributes.Validate(),
	)
}

// AccountSettings are the keys under which they are kept.
type AccountSettings struct {
	PasswordHistory SettingKey[PasswordHistoryPolicy]
	PasswordExpiry  SettingKey[PasswordExpiryPolicy]
	SessionLimit    SettingKey[SessionLimitPolicy]
	Identifiers     SettingKey[IdentifierPolicy]
	Username        SettingKey[UsernamePolicy]
	Addresses       SettingKey[AddressPolicy]
	Registration    SettingKey[RegistrationPolicy]
	Recovery        SettingKey[RecoveryPolicy]
	Invitation      SettingKey[InvitationPolicy]
	AdminReset      SettingKey[AdminResetPolicy]
	Idle            SettingKey[IdlePolicy]
	BotCheck        SettingKey[BotCheckPolicy]
	Attributes      SettingKey[AttributePolicy]
}

func newAccountSettings(p AccountPolicies) AccountSettings {
	return AccountSettings{
		PasswordHistory: SettingKey[PasswordHistoryPolicy]{"directory.password_history", p.PasswordHistory, PasswordHistoryPolicy.Validate, true},
		PasswordExpiry:  SettingKey[PasswordExpiryPolicy]{"directory.password_expiry", p.PasswordExpiry, PasswordExpiryPolicy.Validate, true},
		SessionLimit:    SettingKey[SessionLimitPolicy]{"directory.session_limit", p.SessionLimit, SessionLimitPolicy.Validate, true},
		Identifiers:     SettingKey[IdentifierPolicy]{"directory.identifiers", p.Identifiers, IdentifierPolicy.Validate, true},
		Username:        SettingKey[UsernamePolicy]{"directory.username", p.Username, UsernamePolicy.Validate, true},
		Addresses:       SettingKey[AddressPolicy]{"directory.addresses", p.Addresses, AddressPolicy.Validate, true},
		Registration:    SettingKey[RegistrationPolicy]{"directory.registration", p.Registration, RegistrationPolicy.Validate, true},
		Recovery:        SettingKey[RecoveryPolicy]{"directory.recovery", p.Recovery, RecoveryPolicy.Validate, true},
		Invitation:      SettingKey[InvitationPolicy]{"directory.invitation", p.Invitation, InvitationPolicy.Validate, true},
		AdminReset:      SettingKey[AdminResetPolicy]{"directory.admin_reset", p.AdminReset, AdminResetPolicy.Validate, true},
		Idle:            SettingKey[IdlePolicy]{"directory.idle", p.Idle, IdlePolicy.Validate, true},
		BotCheck:        SettingKey[BotCheckPolicy]{"directory.bot_check", p.BotCheck, BotCheckPolicy.Validate, true},
		Attributes:      SettingKey[AttributePolicy]{"directory.attributes", p.Attributes, AttributePolicy.Validate, true},
	}
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p PasswordHistoryPolicy) Validate() error {
	var v validation
	v.count("count", p.Count, 0, 24)
	return v.err()
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p SessionLimitPolicy) Validate() error {
	var v validation
	v.count("max", p.Max, 0, 100)
	if !slices.Contains([]SessionOverflow{"", RefuseSession, EndOldestSession, AskSession}, p.Over) {
		v.add("over", "must be %s, %s or %s", RefuseSession, EndOldestSession, AskSession)
	}
	return v.err()
}

// isAttribute reports whether an identifier is an attribute: "attributes." and its name.
func (n IdentifierName) isAttribute() bool {
	name, attribute := strings.CutPrefix(string(n), "attributes.")
	return attribute && isAttributeName(name)
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p IdentifierPolicy) Validate() error {
	var v validation
	for _, name := range p.LoginBy {
		attribute := name.isAttribute() && slices.Contains(p.Unique, name)
		if name != ByUsername && name != ByEmail && name != ByPhone && !attribute {
			v.add("loginBy", "must name username, email, phone, or an attribute that is unique; not %q", printable(string(name)))
		}
	}
	for _, name := range p.Unique {
		if name != ByEmail && name != ByPhone && !name.isAttribute() {
			v.add("unique", "must name email, phone or attributes; not %q", printable(string(name)))
		}
	}
	if len(p.LoginBy) > 8 || len(p.Unique) > 16 {
		v.add("unique", "must be at most 16, and loginBy 8")
	}
	return v.err()
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p UsernamePolicy) Validate() error {
	var v validation
	if p.Form != AnyUsername && p.Form != EmailUsername && p.Form != AlphanumericUsername {
		v.add("form", "must be %s, %s, or nothing", EmailUsername, AlphanumericUsername)
	}
	v.count("minLength", p.MinLength, 0, maxText)
	if p.MaxLength != 0 {
		v.count("maxLength", p.MaxLength, max(1, p.MinLength), maxText)
	}
	v.expression("pattern", p.Pattern)
	return v.err()
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p AddressPolicy) Validate() error {
	var v validation
	v.within("linkLife", p.LinkLife, time.Minute, maxTicketLife)
	v.within("codeLife", p.CodeLife, time.Minute, day)
	v.codeForm("code.length", p.Code)
	return v.err()
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p RegistrationPolicy) Validate() error {
	var v validation
	v.within("linkLife", p.LinkLife, time.Minute, maxTicketLife)
	v.within("codeLife", p.CodeLife, time.Minute, day)
	v.codeForm("code.length", p.Code)
	return v.err()
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p RecoveryPolicy) Validate() error {
	var v validation
	v.within("linkLife", p.LinkLife, time.Minute, 7*day)
	v.within("emailCodeLife", p.EmailCodeLife, time.Minute, day) // NIST SP 800-63B-4 §4.2.1.2
	v.within("smsCodeLife", p.SMSCodeLife, time.Minute, 10*time.Minute)
	v.codeForm("code.length", p.Code)
	v.count("tries", p.Tries, 1, 10)
	v.count("resends", p.Resends, 1, 20)
	return v.err()
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p InvitationPolicy) Validate() error {
	var v validation
	v.within("life", p.Life, time.Minute, maxTicketLife)
	v.codeForm("code.length", p.Code)
	return v.err()
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p AdminResetPolicy) Validate() error {
	var v validation
	v.within("life", p.Life, time.Minute, maxTicketLife)
	v.codeForm("code.length", p.Code)
	return v.err()
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p IdlePolicy) Validate() error {
	var v validation
	v.count("disableAfter", p.DisableAfter, 0, 3650)
	for _, days := range p.Remind {
		v.count("remind", days, 1, 3650)
	}
	if len(p.Remind) > 12 || !slices.IsSorted(p.Remind) {
		v.add("remind", "must be at most 12 numbers of days, the least first")
	}
	return v.err()
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p BotCheckPolicy) Validate() error {
	var v validation
	if !slices.Contains([]BotCheckRule{CheckAfterFailures, CheckAlways, CheckNever}, p.SignIn) {
		v.add("signIn", "must be %s, %s or %s", CheckAfterFailures, CheckAlways, CheckNever)
	}
	v.count("failures", int(p.Failures), 1, 100)
	v.count("addressFailures", int(p.AddressFailures), 1, 10_000)
	return v.err()
}

// check reports, as an *InvalidError for the field "username", why somebody new may not have a name.
func (p UsernamePolicy) check(name string) error {
	var v validation
	length := len([]rune(name))
	problem := func(id, text string) {
		v.problems = append(v.problems, &InvalidError{Field: "username", Problem: text, ID: "username.policy." + id})
	}
	if p.Form == EmailUsername {
		var form validation
		if form.email("username", name); form.err() != nil || !strings.Contains(name, "@") {
			problem("email", "must be an e-mail address")
		}
	}
	if p.Form == AlphanumericUsername && strings.ContainsFunc(name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		problem("alphanumeric", "must have letters from a to z and digits alone")
	}
	if length < p.MinLength {
		problem("min_length", "is too short")
	}
	if p.MaxLength != 0 && length > p.MaxLength {
		problem("max_length", "is too long")
	}
	if p.Pattern != "" && !matchesWhole(p.Pattern, name) {
		problem("pattern", "must have the form that the administrator has set")
	}
	return v.err()
}
