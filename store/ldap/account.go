package ldap

import (
	"regexp"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/store/directory"
)

// judge says what the answer to a person's bind means: the password is right; or wrong, or the account is refused for its state; or
// the server failed, which is any other error.
func judge(result *goldap.SimpleBindResult, err error) (right bool, _ error) {
	policy, hasPolicy := policyError(result)
	switch {
	case err == nil && hasPolicy && policy == goldap.BeheraChangeAfterReset:
		// The bind is good for one thing only: setting another password.
		return false, refused(directory.PasswordMustChange)
	case err == nil:
		return true, nil
	case hasPolicy && is(err, goldap.LDAPResultInvalidCredentials):
		return false, stateOfPolicy(policy)
	case is(err, goldap.LDAPResultInvalidCredentials):
		return false, stateOfActiveDirectory(err)
	case is(err, goldap.LDAPResultConstraintViolation):
		return false, refused(directory.AccountLocked) // 389 Directory Server: too many wrong passwords
	case is(err, goldap.LDAPResultUnwillingToPerform):
		return false, refused(directory.AccountDisabled) // 389 Directory Server: the account is inactivated
	case is(err, goldap.LDAPResultInappropriateAuthentication, goldap.LDAPResultNoSuchObject):
		return false, nil // no password, or gone meanwhile
	}
	return false, err
}

func refused(state directory.AccountState) error { return &directory.AccountError{State: state} }

// policyError returns the error in the password policy control of an answer
// (draft-behera-ldap-password-policy-10 §6.2); false when there is none.
func policyError(result *goldap.SimpleBindResult) (code int8, ok bool) {
	if result == nil {
		return 0, false
	}
	policy, ok := goldap.FindControl(result.Controls, goldap.ControlTypeBeheraPasswordPolicy).(*goldap.ControlBeheraPasswordPolicy)
	if !ok || policy.Error < 0 {
		return 0, false
	}
	return policy.Error, true
}

func stateOfPolicy(code int8) error {
	switch code {
	case goldap.BeheraPasswordExpired:
		return refused(directory.PasswordExpired)
	case goldap.BeheraAccountLocked:
		return refused(directory.AccountLocked)
	case goldap.BeheraChangeAfterReset:
		return refused(directory.PasswordMustChange)
	}
	return nil
}

// subcodePattern finds the Windows error in the text that Active Directory returns with invalidCredentials:
// "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 52e, v3839".
var subcodePattern = regexp.MustCompile(`\bdata ([0-9a-fA-F]{3,8})\b`)

// stateOfActiveDirectory reads the sub-code of a refusal ([MS-ERREF] §2.2). No such user (525) and a wrong password (52e) are the
// same.
func stateOfActiveDirectory(err error) error {
	match := subcodePattern.FindStringSubmatch(err.Error())
	if match == nil {
		return nil
	}
	switch match[1] {
	case "530", "531": // ERROR_INVALID_LOGON_HOURS, ERROR_INVALID_WORKSTATION
		return refused(directory.AccountRestricted)
	case "532": // ERROR_PASSWORD_EXPIRED
		return refused(directory.PasswordExpired)
	case "533": // ERROR_ACCOUNT_DISABLED
		return refused(directory.AccountDisabled)
	case "701": // ERROR_ACCOUNT_EXPIRED
		return refused(directory.AccountExpired)
	case "773": // ERROR_PASSWORD_MUST_CHANGE
		return refused(directory.PasswordMustChange)
	case "775": // ERROR_ACCOUNT_LOCKED_OUT
		return refused(directory.AccountLocked)
	}
	return nil
}
