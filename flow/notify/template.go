package notify

// Template is the name of something that can be said. The names are API, and those of the product that importers come from.
type Template string

// What can be said by e-mail. Each says in its comment which of Message.Params it needs.
const (
	// Codes and links to sign in with. Code, and Link for the links.
	EmailOTP             Template = "EmailOTP"
	ResendEmailOTP       Template = "ResendEmailOTP"
	EmailOTPVerification Template = "EmailOTPVerification"
	MagicLink            Template = "magicLink"
	MagicLinkSignUp      Template = "magicLinkSignUp"
	// TOTPCode is a time-based code for who has no authenticator app at hand. Code.
	TOTPCode Template = "totp"
	// CIBA asks to confirm a sign-in begun elsewhere, also by SMS. Link.
	CIBA Template = "CIBAAuthenticationNotification"

	// Registration: confirm the address. Link or Code.
	AccountConfirmation             Template = "accountConfirmation"
	ResendAccountConfirmation       Template = "resendAccountConfirmation"
	EmailConfirm                    Template = "emailConfirm"
	EmailConfirmWithOTP             Template = "emailConfirmWithOTP"
	LiteUserEmailConfirmation       Template = "liteUserEmailConfirmation"
	ResendLiteUserEmailConfirmation Template = "resendLiteUserEmailConfirmation"
	// Registration: it is done, and who was told that it was tried. Link is where to sign in.
	SelfSignUpNotify          Template = "selfSignUpNotify"
	SelfSignUpSuccess         Template = "selfSignUpSuccess"
	AccountActivationSuccess  Template = "accountActivationSuccess"
	TenantRegistration        Template = "tenantRegistrationConfirmation"
	AccountExists             Template = "accountExists" // Signet's own: somebody registers with an address that has an account
	OrganizationInvitation    Template = "OrganizationUserInvitation"
	VerifyEmailOnUpdate       Template = "verifyEmailOnUpdate" // A changed address: Link or Code
	ResendVerifyEmailOnUpdate Template = "resendVerifyEmailOnUpdate"
	EmailOTPOnUpdate          Template = "emailOTPVerificationOnUpdate"
	// A changed address: told to the old one. "new-email-address".
	ExistingEmailUpdate           Template = "notifyOnExistingEmailUpdate"
	ExistingEmailUpdateUnverified Template = "notifyOnExistingEmailUpdateWithoutVerification"
	AccountIDRecovery             Template = "accountIdRecovery" // Recovery: the user name
	InitiateRecovery              Template = "initiateRecovery"  // Recovery: Link
	PasswordReset                 Template = "passwordReset"     // Recovery: Link, or Code by SMS
	ResendPasswordReset           Template = "resendPasswordReset"
	PasswordResetOTP              Template = "passwordResetOTP" // Recovery: Code
	ResendPasswordResetOTP        Template = "resendPasswordResetOTP"
	MagicLinkPasswordRecovery     Template = "magicLinkPasswordRecovery"
	PasswordResetSuccess          Template = "passwordResetSucess" // the spelling is the product's
	AdminForcedPasswordReset      Template = "adminforcedpasswordreset"
	ResendAdminForcedReset        Template = "resendAdminForcedPasswordReset"
	AdminForcedPasswordResetOTP   Template = "adminforcedpasswordresetwithotp"
	ResendAdminForcedResetOTP     Template = "resendAdminForcedPasswordResetWithOTP"
	AskPassword                   Template = "askPassword" // Invitation: Link
	ResendAskPassword             Template = "resendAskPassword"
	AskPasswordEmailOTP           Template = "askPasswordEmailOTP" // Invitation: Code
	AskPasswordResendEmailOTP     Template = "askPasswordResendEmailOTP"
	OrchestratedAskPassword       Template = "orchestratedAskPassword"
	OrchestratedAskPasswordResend Template = "orchestratedAskPasswordResend"
	TemporaryPassword             Template = "temporaryPassword" // "temporary-password"
	OTP                           Template = "otp"               // a code in the place of a password. Code
	AccountLockAdmin              Template = "accountLockAdmin"
	AccountLockFailedAttempt      Template = "accountLockFailedAttempt" // "lock-duration" in minutes
	AccountLockUntilAdminUnlock   Template = "accountLockFailedAttemptUntilAdminUnlock"
	AccountUnlockAdmin            Template = "accountUnlockAdmin"
	AccountUnlockTimeBased        Template = "accountUnlockTimeBased"
	AccountEnable                 Template = "accountEnable"
	AccountDisable                Template = "accountDisable"
	UnseenDeviceLogin             Template = "UnseenDeviceLogin" // "login-time"
	IdleAccountReminder           Template = "idleAccountReminder"
	PushDeviceRegistration        Template = "PushDeviceRegistration"
	ImpersonationNotification     Template = "ImpersonationEmailNotification"
	WorkflowInitiatorNotification Template = "WorkflowInitiatorNotification"
	WorkflowApproverNotification  Template = "WorkflowApproverNotification"
	CredentialAdded               Template = "credentialAdded"    // Signet's own: a new way to sign in. "credential"
	CredentialRemoved             Template = "credentialRemoved"  // Signet's own. "credential"
	PushAuthentication            Template = "pushAuthentication" // Signet's own: a notification that asks to confirm a sign-in
)

// What can be said by SMS alone. Each needs Code.
const (
	SMSOTP                  Template = "SMSOTP"
	SMSOTPVerification      Template = "SMSOTPVerification"
	VerifyMobileOnUpdate    Template = "verifyMobileOnUpdate"
	AskPasswordSMSOTP       Template = "askPasswordSMSOTP"
	AskPasswordResendSMSOTP Template = "askPasswordResendSMSOTP"
	AskPasswordSetSuccess   Template = "askPasswordSetSuccess"
)
