package flow

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store/directory"
)

// Prompt is what a step asks, as data: an Executor makes it and any Transport can show it. It never holds HTML, and its
// texts are message ids that the Transport turns into the person's language.
type Prompt struct {
	// Step is the stable name of what is shown: "password", "totp", "totp-enroll", "consent", "logout".
	Step string `json:"step"`
	// Title is the heading; Intro the sentence below it, if any.
	Title Message `json:"title"`
	Intro Message `json:"intro,omitzero"`
	// Messages say what went wrong or well before.
	Messages []Message `json:"messages,omitempty"`
	// QR is what to show as a QR code, and QRText the same to be typed by hand.
	QR     string `json:"qr,omitempty"`
	QRText string `json:"qrText,omitempty"`
	// Consent lists what a person may allow.
	Consent []directory.ConsentItem `json:"consent,omitempty"`
	Fields  []Field                 `json:"fields,omitempty"`
	// Poll is what the page waits for; nil is nothing.
	Poll *Poll `json:"poll,omitempty"`
	// Link is a URL elsewhere to which the person goes on from here, at once; "" is none.
	Link string `json:"link,omitempty"`
	// Away says, to a program, that the person is elsewhere, and that what they come back with is to be brought here (Reply.Back). Nil says
	// that nobody is.
	Away *Away `json:"away,omitempty"`
	// WebAuthn is what the browser's authenticators are asked; nil is nothing.
	WebAuthn *WebAuthn `json:"webAuthn,omitempty"`
	// Captcha is how the field of type CaptchaField is shown; nil when there is none.
	Captcha *Widget `json:"captcha,omitempty"`
	// Channels are the ways that are open to the message which the step is about, or by which it went; nil where that is nobody's choice.
	Channels []notify.Channel `json:"channels,omitempty"`
	// Drawing is the form that an administrator has drawn for the step, for Transports that show such; nil has none.
	Drawing *Drawing `json:"drawing,omitempty"`
	// Actions are what the person can do; the first is the main one.
	Actions []Action `json:"actions"`
}

// Away is what a program waits for: the answer to an authorization request (RFC 6749 §4.1.2) that a browser takes to Prompt.Link, or, when
// there is a Nonce, an ID token that the program gets by itself, as by the sign-in of its platform.
type Away struct {
	// State is the parameter of that name. The answer is to be brought into the flow that it is of, and into no other.
	State string `json:"state,omitempty"`
	// ClientID, Nonce and Scope are for whom, for what and with which scopes to ask for the ID token: "idToken" and "accessToken" is what to bring.
	ClientID string   `json:"clientId,omitempty"`
	Nonce    string   `json:"nonce,omitempty"`
	Scope    []string `json:"scope,omitempty"`
}

// WebAuthn is what a page asks of authenticators by navigator.credentials. The answer comes back as JSON, as PublicKeyCredential.toJSON
// has it, in the parameter "credential"; the page cannot ask without JavaScript.
type WebAuthn struct {
	Ceremony WebAuthnCeremony `json:"ceremony"`
	// Options are a PublicKeyCredentialRequestOptionsJSON, or CreationOptionsJSON for WebAuthnCreate.
	Options json.RawMessage `json:"options"`
	// Conditional asks at once, without a button, with mediation "conditional": for WebAuthnGet the passkeys are offered in the field
	// whose Autocomplete ends in "webauthn", and for WebAuthnCreate the browser makes one in passing or does not. A browser has one
	// request at a time: this one is aborted before that of the Button, and made anew when that fails.
	Conditional bool `json:"conditional,omitempty"`
	// Button is the name of the Action whose button asks; "" is none. Action is submitted with the answer, and Decline when the
	// browser does not answer a conditional creation.
	Button  string `json:"button,omitempty"`
	Action  string `json:"action"`
	Decline string `json:"decline,omitempty"`
	// Unknown is for PublicKeyCredential.signalUnknownCredential, and Accepted for signalAllAcceptedCredentials; nil is no signal.
	Unknown  json.RawMessage `json:"unknown,omitempty"`
	Accepted json.RawMessage `json:"accepted,omitempty"`
}

// WebAuthnCeremony is the method of navigator.credentials.
type WebAuthnCeremony string

// The ceremonies.
const (
	WebAuthnGet    WebAuthnCeremony = "get"
	WebAuthnCreate WebAuthnCeremony = "create"
)

// Poll is something that happens elsewhere while a page is open. Without scripts the page comes again every few seconds, which
// changes nothing; with them it asks at the URL until that answers {"status":"COMPLETED"}.
type Poll struct {
	// URL is a path on this host.
	URL string `json:"url"`
	// Action is the name of the Prompt's action that goes on from there.
	Action string `json:"action"`
	// Number is what the person types there, which the Prompt's texts say as well; "" is nothing.
	Number string `json:"number,omitempty"`
}

// Message is a text to be shown, by id. Ids are API: they do not change their meaning.
type Message struct {
	// ID is dotted lower-case, as in "password.wrong".
	ID string `json:"id"`
	// Level is Error, Warning, Info or Success.
	Level Level `json:"level,omitempty"`
	// Params fill the placeholders of the text.
	Params map[string]string `json:"params,omitempty"`
	// Times fill placeholders as well, each written in the manner of the language, at the place that it has (time.Time.In).
	Times map[string]time.Time `json:"times,omitempty"`
}

// Level is how a Message is meant.
type Level string

// The levels; the zero value is plain text.
const (
	Error   Level = "error"
	Warning Level = "warning"
	Info    Level = "info"
	Success Level = "success"
)

// Field is one input. Its Name is also the id of its HTML element, and part of the contract with those who automate pages.
type Field struct {
	Name string    `json:"name"`
	Type FieldType `json:"type"`
	// Label is the message id of the label, and Params fill its placeholders. Behind a "|" in an id stands the text for whoever has none of the id.
	Label  string            `json:"label"`
	Params map[string]string `json:"params,omitempty"`
	// Hint says more about it.
	Hint Message `json:"hint,omitzero"`
	// Value is what stands in the field at first; never a secret.
	Value string `json:"value,omitempty"`
	// Autocomplete is the token list of HTML's autocomplete attribute.
	Autocomplete string `json:"autocomplete,omitempty"`
	Required     bool   `json:"required,omitempty"`
	// ReadOnly is for a value that is shown, and kept by password managers, and that nobody can change here.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Focus marks the field in which typing begins.
	Focus bool `json:"focus,omitempty"`
	// Policy is what a new password has to keep to, for forms that say so beforehand. The Executor judges it all the same; nil says
	// nothing.
	Policy *directory.PasswordPolicy `json:"policy,omitempty"`
	// Choices are the values of a ChoiceField.
	Choices []FieldChoice `json:"choices,omitempty"`
	// Problem is what was wrong with the last value.
	Problem Message `json:"problem,omitzero"`
}

// FieldChoice is a value that can be chosen; Label is a message id.
type FieldChoice struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

// FieldType is the kind of an input.
type FieldType string

// The field types.
const (
	TextField     FieldType = "text"
	PasswordField FieldType = "password"
	EmailField    FieldType = "email"
	// CodeField is a short run of digits.
	CodeField FieldType = "code"
	// LettersField is a short run of capital letters, whose case and dashes do not matter.
	LettersField  FieldType = "letters"
	CheckboxField FieldType = "checkbox"
	// NumberField is a number as the web writes it, with a full stop; DateField a date YYYY-MM-DD.
	NumberField FieldType = "number"
	DateField   FieldType = "date"
	// ChoiceField is one of the Field's Choices, or nothing.
	ChoiceField FieldType = "choice"
	// CaptchaField holds the solution of the Prompt's Captcha.
	CaptchaField FieldType = "captcha"
	// HiddenField is nothing to be typed: what a link has brought.
	HiddenField FieldType = "hidden"
)

// Action is something the person can do: a button whose Name is submitted as "action" and is the id of its element.
type Action struct {
	Name string `json:"name"`
	// Label is the message id of the text, and Params fill its placeholders.
	Label  string            `json:"label"`
	Params map[string]string `json:"params,omitempty"`
	// Kind is how much it stands out.
	Kind ActionKind `json:"kind,omitempty"`
	// Plan is the plan that the action leads into, and back from when that finds nothing missing. The fields of the page are
	// not looked at then. "" is an answer to the step.
	Plan string `json:"plan,omitempty"`

	lead bool // of a DrawnPlan
}

// ActionKind is how an Action is shown.
type ActionKind string

// The kinds of action; the zero value is the main one.
const (
	Secondary ActionKind = "secondary"
	// Quiet is shown as a link; it still posts.
	Quiet ActionKind = "quiet"
)

// View is everything a Transport needs to show a Prompt.
type View struct {
	// Flow identifies the execution, Sequence the state it was in when the view was made; both come back in the post.
	Flow     string            `json:"flow"`
	Sequence int64             `json:"sequence"`
	Purpose  directory.Purpose `json:"purpose"`
	Prompt   Prompt            `json:"prompt"`
	// Submit is the path that takes the post.
	Submit string `json:"submit"`
	// ApplicationName is whom the person signs in to; "" is nobody in particular.
	ApplicationName string `json:"applicationName,omitempty"`
	ApplicationLogo string `json:"applicationLogo,omitempty"`
	// ApplicationLinks are what else is shown of it; its Logo is ApplicationLogo.
	ApplicationLinks directory.ApplicationLinks `json:"applicationLinks,omitzero"`
	// Person is the identifier that the person typed, once known.
	Person string `json:"person,omitempty"`
	// Restart lets an expired page begin again; sealed, opaque.
	Restart string    `json:"restart,omitempty"`
	Expires time.Time `json:"expires"`
	// Locales are the languages asked for by the request (ui_locales), best first; Accept-Language comes after them.
	Locales []string `json:"-"`
	// Branding is the look of this application in this organization.
	Branding directory.Branding `json:"-"`
	// RedirectOrigins are the further form-action sources of this page.
	RedirectOrigins []string `json:"-"`
	// Choices are, for a program, the ways to do the step; for a browser there are none, as its page shows one way and the Prompt has
	// actions that lead to the others.
	Choices []Choice `json:"choices,omitempty"`
	// Last is, for a program, the option by which the step before was done; "" is none.
	Last string `json:"last,omitempty"`
	// Stage moves, for a program, when something came of an answer: the flow got on, or a message was sent once more. A wrong answer, and one that
	// has to wait, leave it as it is.
	Stage int64 `json:"stage,omitempty"`
	// Plan is, for a program that makes or recovers an account, what it has asked for.
	Plan string `json:"plan,omitempty"`
}

// Choice is a way to do a step.
type Choice struct {
	// Option is the name of the Executor.
	Option string `json:"option"`
	// Prompt is what it asks; nil for one that begins when it is chosen.
	Prompt *Prompt `json:"prompt,omitempty"`
	// Begun says that the program has chosen it, so that it is the one to be shown. One that is done elsewhere has begun when the person has left.
	Begun bool `json:"begun,omitempty"`
}

// Failure is a dead end, shown without losing the person: what happened, under which id the log has its cause, and where
// to go from here. It is the error of a request that ends so by the doing of the person or the browser.
type Failure struct { //nolint:errname // a Transport shows it; that it is returned too is the smaller half
	// Status is the HTTP status. With 200 nothing has failed: the Message says where the person stands, and there is
	// nothing to do.
	Status int
	// Code is the machine-readable code, which stands in the element "error".
	Code string
	// Message is for the person.
	Message Message
	// Detail is safe text for developers, as an error_description.
	Detail string
	// Correlation is the id in the log.
	Correlation string
	// RetryAfter is when to come back; zero says nothing.
	RetryAfter time.Duration
	// StartOver is the URL of a fresh start; "" is none.
	StartOver string
	// Application is the URL at which the person finds the application again; "" is not known.
	Application string
	Locales     []string
	Branding    directory.Branding
}

// Error implements error.
func (f *Failure) Error() string { return "flow: " + f.Code }

// Transport shows Prompts: flow/pages as HTML. It decides nothing. Methods are safe for concurrent use.
type Transport interface {
	// Show writes the view with status 200, or 422 when a Message of level Error is in it.
	Show(w http.ResponseWriter, r *http.Request, v View)
	// Fail writes the failure.
	Fail(w http.ResponseWriter, r *http.Request, f Failure)
	// SignedOut writes the page that says that the person is signed out. With a Prompt.Link the browser goes on to it.
	SignedOut(w http.ResponseWriter, r *http.Request, v View)
}
