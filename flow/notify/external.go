package notify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/signet-idp/signet/store/directory"
)

// Scenario is an occasion on which messages are sent.
type Scenario string

// The scenarios that another system can take over.
const (
	SelfRegistration Scenario = "self-registration"
	Verification     Scenario = "verification"
	Locking          Scenario = "locking"
	Disabling        Scenario = "disabling"
	Recovery         Scenario = "recovery"
)

// Externals are the scenarios in which an organization sends its own messages: nothing is sent then, and the code is handed to the
// caller. The zero value is none.
type Externals struct {
	Scenarios []Scenario `json:"scenarios,omitempty"`
}

func (e Externals) has(s Scenario) bool { return slices.Contains(e.Scenarios, s) }

// Validate refuses a scenario that there is not.
func (e Externals) Validate() error {
	for _, s := range e.Scenarios {
		switch s {
		case SelfRegistration, Verification, Locking, Disabling, Recovery:
		default:
			return &directory.InvalidError{Field: "scenarios", Problem: fmt.Sprintf("has no scenario %q", s)}
		}
	}
	return nil
}

// ExternalSetting is the setting with the Externals of an organization.
func ExternalSetting() directory.SettingKey[Externals] {
	return directory.SettingKey[Externals]{Name: "notify.external", Validate: Externals.Validate, OrganizationOnly: true}
}

// scenarios are those that templates belong to.
var scenarios = map[Template]Scenario{
	AccountConfirmation: SelfRegistration, ResendAccountConfirmation: SelfRegistration, EmailConfirm: SelfRegistration,
	EmailConfirmWithOTP: SelfRegistration, LiteUserEmailConfirmation: SelfRegistration, ResendLiteUserEmailConfirmation: SelfRegistration,
	SelfSignUpNotify: SelfRegistration, SelfSignUpSuccess: SelfRegistration, AccountActivationSuccess: SelfRegistration,
	VerifyEmailOnUpdate: Verification, ResendVerifyEmailOnUpdate: Verification, EmailOTPOnUpdate: Verification, VerifyMobileOnUpdate: Verification,
	EmailOTPVerification: Verification, SMSOTPVerification: Verification,
	AccountLockAdmin: Locking, AccountLockFailedAttempt: Locking, AccountLockUntilAdminUnlock: Locking, AccountUnlockAdmin: Locking,
	AccountUnlockTimeBased: Locking,
	AccountEnable:          Disabling, AccountDisable: Disabling,
	AccountIDRecovery: Recovery, InitiateRecovery: Recovery, PasswordReset: Recovery, ResendPasswordReset: Recovery,
	PasswordResetOTP: Recovery, ResendPasswordResetOTP: Recovery, MagicLinkPasswordRecovery: Recovery, PasswordResetSuccess: Recovery,
}

// scenarioOf is the scenario of a template, whose name may be written in any case; "" is none.
func scenarioOf(t Template) Scenario {
	if s, ok := scenarios[t]; ok {
		return s
	}
	for known, s := range scenarios {
		if strings.EqualFold(string(known), string(t)) {
			return s
		}
	}
	return ""
}
