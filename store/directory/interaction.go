package directory

import (
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// Interaction is what a protocol asks of the flow engine: let the right person act, under these conditions, and ask them
// this. The protocol has validated and stored the request that it belongs to.
type Interaction struct {
	// ID is the request's id; the same for every call that belongs to it.
	ID string
	// Resume is the protocol's own path, with query, to which the flow sends the browser when it has an answer.
	Resume string
	// Application is whom the person signs in to; zero when nobody, as in a logout.
	Application store.Ref
	// ApplicationName is how the pages call it.
	ApplicationName string
	// ApplicationLinks are what else they show of it.
	ApplicationLinks ApplicationLinks
	// Organization is where the sign-in takes place.
	Organization string
	// Purpose is what the flow is for.
	Purpose Purpose
	// Subject is the person so far; zero at first. It never changes afterwards: the flow ends rather than answer for
	// somebody else.
	Subject store.Ref
	// Session is the session of the Result that Consent follows on; zero at first. For a SignOut it is the session that
	// the client has proven to mean: nobody is asked when it is the browser's own.
	Session store.Ref

	// Passive forbids asking anything (prompt=none, IsPassive).
	Passive bool
	// Reauthenticate demands a fresh proof whatever session there is (prompt=login, ForceAuthn).
	Reauthenticate bool
	// SelectAccount demands that the person choose who to be (prompt=select_account).
	SelectAccount bool
	// Link is the token of the link by which the person came, for the Plan; it is kept sealed alone.
	Link string `json:"-"`
	// Plan is what the flow does before that of its Purpose, by name, as "recover"; "" is nothing. For ManageAccount it is all that it
	// does.
	Plan string
	// UserAssertion is what a program has got at the end of a flow about the person's account (Result), to sign them in by it; "" is none. With
	// one, no session of the browser answers. It is not kept.
	UserAssertion secret.Text `json:"-"`
	// CreateAccount asks that the person be offered to make an account (prompt=create).
	CreateAccount bool
	// MaxAge is the greatest age of the proof; nil is any. Zero demands a fresh one. It is about the first factor, and about both where ACR
	// wants two.
	MaxAge *time.Duration
	// ACR are the context classes that will do, in order of preference; empty is any. When EssentialACR is set a
	// weaker proof is an error, else the answer says what was reached.
	ACR          []string
	EssentialACR bool
	// Hint is the identifier to offer (login_hint).
	Hint string
	// HintBy is ByEmail or ByPhone when the Hint of a recovery is a confirmed address of the person, whatever they sign in with; "" is what they
	// sign in with.
	HintBy IdentifierName `json:",omitempty"`
	// HintSubject must be who signs in (id_token_hint, or a sub requested by value); "" is anybody.
	HintSubject string
	// Locales are the languages asked for, best first (BCP 47).
	Locales []string
	// Consent is what to ask; empty asks nothing.
	Consent []ConsentItem
	// RedirectOrigins are the origins, or "scheme:" sources, to which the browser will finally be sent, proven by
	// the protocol: for the form-action of the pages' Content-Security-Policy.
	RedirectOrigins []string
	// Cancelable says whether the person may refuse and return to the application.
	Cancelable bool
	// Restart is what an expired page needs to begin again, sealed by the protocol; see Restart in the flow's config.
	Restart string
	// Native is set when a program speaks for the person instead of a browser. Resume is then the URL that takes its answers.
	Native *Native `json:",omitempty"`
}

// Native is what a program brings that speaks for a person. No secret of it is kept: what binds the sign-in to the program is the hash
// of Flow.
type Native struct {
	// Program is which of the flow's programs speaks for a purpose that has several; "" is the first. It is kept.
	Program string `json:",omitempty"`
	// Flow is the secret by which the program names the sign-in, with at least 122 random bits. It came with the first prompt.
	Flow secret.Text `json:"-"`
	// Answer is what the program has sent, in the form that the flow's Program reads; nil when it begins.
	Answer []byte `json:"-"`
}

// Purpose is what an Interaction is for.
type Purpose string

// The purposes.
const (
	// SignIn finds out who the person is.
	SignIn Purpose = "login"
	// ApproveConsent asks the known person for Consent.
	ApproveConsent Purpose = "consent"
	// SignOut asks the person to confirm that the session ends.
	SignOut Purpose = "logout"
	// ManageAccount makes an account or recovers one, by the Plan of the Interaction. It is for programs (Native), and signs nobody in by itself (Result.UserAssertion):
	// the Result has no Session, and no Subject either when nobody has proven to be somebody.
	ManageAccount Purpose = "account"
)

// ConsentItem is one thing a person may allow.
type ConsentItem struct {
	// ID is the protocol's name for it: a scope or a claim.
	ID string `json:"id"`
	// Title and Detail are message ids with a readable fallback behind a "|": "scope.email|Your email address".
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	// Params fill the placeholders of both texts, as {place} in "approval.device".
	Params map[string]string `json:"params,omitempty"`
	// Mandatory items cannot be left out of an approval.
	Mandatory bool `json:"mandatory,omitempty"`
}

// Result answers an Interaction. Exactly one of its forms holds: Refusal is empty and the person is authenticated, or it
// says why not.
type Result struct {
	// Refusal is why there is no answer; "" when there is. Failure is what the application is told of it.
	Refusal Refusal
	Failure Failure
	// Session, SessionVersion and SessionEpoch are what the protocol puts its Check on. Session is zero for an answer without one.
	Session        store.Ref
	SessionVersion int64
	SessionEpoch   int64
	Subject        store.Ref
	// Detached says that no browser holds the Session: it was begun by a program, or by a user assertion, and lives by what is issued.
	Detached       bool
	SubjectVersion int64
	SubjectEpoch   int64
	// Evidence is what was proven for this answer.
	Evidence []Evidence
	// ACR is the class that the login has selected among those of Interaction.ACR, for a SignIn; "" leaves it at what was reached. It never
	// raises what Evidence is worth: see Assurance.MayReport.
	ACR string
	// Claims are what the login says of the person, for a SignIn: they are released as what is known of the person is, to whom that is.
	Claims SignInClaims
	// Approved are the ids of the consent items that the person allowed; nil when none were asked.
	Approved []string
	// UserAssertion is what the program of a ManageAccount may trade, once and at once, for a SignIn at the application for which the flow
	// was: it stands for Evidence. "" is none.
	UserAssertion secret.Text
}

// Failure is what an application is told of a refusal in the words of whoever wrote the login: a script, a graph. The zero value leaves
// it to the protocol.
type Failure struct {
	// Code is of the letters that RFC 6749 §4.1.2.1 allows, Description for developers, URI of a page about it.
	Code        string `json:"code,omitempty"`
	Description string `json:"description,omitempty"`
	URI         string `json:"uri,omitempty"`
}

// Refusal is why an Interaction ended without an answer.
type Refusal string

// The refusals.
const (
	// Denied: the person said no.
	Denied Refusal = "denied"
	// LoginRequired: nobody is signed in and asking was forbidden, or somebody other than HintSubject is.
	LoginRequired Refusal = "login_required"
	// InteractionRequired: something must be asked and asking was forbidden.
	InteractionRequired Refusal = "interaction_required"
	// ConsentRequired: consent must be asked and asking was forbidden.
	ConsentRequired Refusal = "consent_required"
	// AccountSelectionRequired: a choice must be made and asking was forbidden.
	AccountSelectionRequired Refusal = "account_selection_required"
	// RegistrationUnavailable: CreateAccount was asked for, and nobody can make an account here.
	RegistrationUnavailable Refusal = "registration_unavailable"
	// TooManyAttempts: a program has had as many wrong answers as one sign-in may have.
	TooManyAttempts Refusal = "too_many_attempts"
	// Unmet: the demanded class of authentication cannot be reached (OpenID Connect Unmet Authentication Requirements).
	Unmet Refusal = "unmet_authentication_requirements"
)
