package main

import (
	"encoding/json"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/oidc"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// A reading decodes a record as its owner does: by a store.Collection, into the owner's type or, where that is not exported,
// into a copy of it. A test holds the copies to what is really stored.
type reading struct {
	decode func(store.Record) error
	// fresh returns a pointer to a zero value of the type, for that test.
	fresh func() any
}

// readings are all kinds that endpoints read.
func readings(db *store.DB) map[string]reading {
	return map[string]reading{
		"directory.application": readingOf[directory.Application](db, "directory.application"),
		"directory.subject":     readingOf[directory.Subject](db, "directory.subject"),
		"directory.session":     readingOf[directory.Session](db, "directory.session"),
		"directory.participant": readingOf[directory.Participant](db, "directory.participant"),
		"directory.user":        readingOf[directory.User](db, "directory.user"),
		"directory.credential":  readingOf[directory.Credential](db, "directory.credential"),
		"directory.presence":    readingOf[directory.Presence](db, "directory.presence"),
		"directory.lock":        readingOf[directory.Lock](db, "directory.lock"),
		"directory.activity":    readingOf[directory.SessionActivity](db, "directory.activity"),
		"directory.device":      readingOf[deviceRecord](db, "directory.device"),
		"directory.window":      counted,
		"oidc.grant":            readingOf[oidc.Grant](db, "oidc.grant"),
		"oidc.consent":          readingOf[oidc.Consent](db, "oidc.consent"),
		"oidc.request":          readingOf[requestRecord](db, "oidc.request"),
		"oidc.device":           readingOf[decoupledRecord](db, "oidc.device"),
		"oidc.refresh":          readingOf[refreshRecord](db, "oidc.refresh"),
		"oidc.token":            readingOf[tokenRecord](db, "oidc.token"),
		"flow.execution":        readingOf[executionRecord](db, "flow.execution"),
	}
}

// counted is a counter, which is a number before anybody decodes it.
var counted = reading{decode: func(store.Record) error { return nil }, fresh: func() any { return new(struct{}) }}

func readingOf[T any, P store.Stored[T]](db *store.DB, kind string) reading {
	collection := store.NewCollection[T, P](db, store.Type[T]{Kind: store.Kind{Name: kind}})
	return reading{
		decode: func(r store.Record) error { _, err := collection.Decode(r); return err },
		fresh:  func() any { return new(T) },
	}
}

// deviceRecord is device of store/directory.
type deviceRecord struct {
	store.Meta
	SecretHash   string    `json:"secretHash"`
	Subject      store.Ref `json:"subject"`
	SubjectEpoch int64     `json:"subjectEpoch,omitempty"`
}

// requestRecord is authorizationRequest of oidc.
type requestRecord struct {
	store.Meta
	ClientID      string            `json:"client_id"`
	RedirectURI   string            `json:"redirect_uri"`
	ResponseType  string            `json:"response_type"`
	ResponseMode  string            `json:"response_mode"`
	State         string            `json:"state,omitempty"`
	Scopes        []string          `json:"scopes,omitempty"`
	Nonce         string            `json:"nonce,omitempty"`
	Challenge     string            `json:"code_challenge,omitempty"`
	Prompt        []string          `json:"prompt,omitempty"`
	MaxAge        *time.Duration    `json:"max_age,omitempty"`
	ACR           []string          `json:"acr_values,omitempty"`
	EssentialACR  bool              `json:"essential_acr,omitempty"`
	LoginHint     string            `json:"login_hint,omitempty"`
	HintSubject   string            `json:"hint_subject,omitempty"`
	UILocales     []string          `json:"ui_locales,omitempty"`
	ClaimsLocales []string          `json:"claims_locales,omitempty"`
	Claims        *claimsRecord     `json:"claims,omitempty"`
	JKT           string            `json:"dpop_jkt,omitempty"`
	Resources     []string          `json:"resources,omitempty"`
	Details       []json.RawMessage `json:"authorization_details,omitempty"`
	Browser       string            `json:"browser,omitempty"`
	Restart       store.Sealed      `json:"restart,omitempty"`
	Pushed        *pushingRecord    `json:"pushed,omitempty"`
	Answer        *requestsAnswer   `json:"answer,omitempty"`
}

// pushingRecord is pushing of oidc.
type pushingRecord struct {
	Hash        string    `json:"hash"`
	Expires     time.Time `json:"expires"`
	Interaction string    `json:"interaction,omitempty"`
}

// decoupledRecord is decoupled of oidc.
type decoupledRecord struct {
	store.Meta
	Grant      store.Ref             `json:"grant"`
	ClientID   string                `json:"client_id"`
	SecretHash string                `json:"secret_hash"`
	Scopes     []string              `json:"scopes"`
	ACR        []string              `json:"acr_values,omitempty"`
	Resources  []string              `json:"resources,omitempty"`
	Details    []json.RawMessage     `json:"authorization_details,omitempty"`
	Subject    store.Ref             `json:"subject,omitzero"`
	Deadline   time.Time             `json:"deadline"`
	Interval   time.Duration         `json:"interval"`
	Next       time.Time             `json:"next,omitzero"`
	Item       directory.ConsentItem `json:"item"`
	Answer     *requestsAnswer       `json:"answer,omitempty"`
	Refused    bool                  `json:"refused,omitempty"`
	Delivery   string                `json:"delivery,omitempty"`
	Notify     store.Sealed          `json:"notify,omitempty"`
	Bound      confirmationRecord    `json:"bound,omitzero"`
	Method     oidc.AuthMethod       `json:"method,omitempty"`
}

// confirmationRecord is confirmation of oidc.
type confirmationRecord struct {
	JKT string `json:"jkt,omitempty"`
	X5T string `json:"x5t#S256,omitempty"`
}

// requestsAnswer is codeAnswer of oidc.
type requestsAnswer struct {
	CodeHash         string               `json:"code_hash"`
	Expires          time.Time            `json:"expires"`
	Subject          store.Ref            `json:"subject"`
	SubjectEpoch     int64                `json:"subject_epoch"`
	Session          store.Ref            `json:"session,omitzero"`
	SessionEpoch     int64                `json:"session_epoch,omitempty"`
	Application      store.Ref            `json:"application"`
	ApplicationEpoch int64                `json:"application_epoch"`
	ConsentEpoch     int64                `json:"consent_epoch,omitempty"`
	Evidence         []directory.Evidence `json:"evidence"`
	Scopes           []string             `json:"scopes"`
	Claims           *claimsRecord        `json:"claims,omitempty"`
}

// claimsRecord is claimsRequest of oidc.
type claimsRecord struct {
	UserInfo map[string]json.RawMessage `json:"userinfo,omitempty"`
	IDToken  map[string]json.RawMessage `json:"id_token,omitempty"`
}

// refreshRecord is family of oidc.
type refreshRecord struct {
	store.Meta
	FamilyHash string             `json:"family_hash"`
	MemberHash string             `json:"member_hash"`
	Scopes     []string           `json:"scopes"`
	Method     oidc.AuthMethod    `json:"method"`
	Bound      confirmationRecord `json:"cnf,omitzero"`
	Last       *lastMember        `json:"last,omitempty"`
}

// lastMember is lastMember of oidc.
type lastMember struct {
	Hash      string          `json:"hash"`
	Successor string          `json:"successor"`
	Until     time.Time       `json:"until"`
	Replays   int             `json:"replays"`
	Scopes    []string        `json:"scopes"`
	Method    oidc.AuthMethod `json:"method"`
}

// tokenRecord is accessToken of oidc.
type tokenRecord struct {
	store.Meta
	Claims tokenClaims     `json:"claims"`
	Extra  json.RawMessage `json:"extra,omitempty"`
}

// tokenClaims is accessClaims of oidc.
type tokenClaims struct {
	Issuer       string              `json:"iss"`
	Subject      string              `json:"sub"`
	Audience     audience            `json:"aud"`
	Expires      int64               `json:"exp"`
	Issued       int64               `json:"iat"`
	JTI          string              `json:"jti"`
	ClientID     string              `json:"client_id"`
	Scope        string              `json:"scope,omitempty"`
	AuthTime     int64               `json:"auth_time,omitempty"`
	ACR          string              `json:"acr,omitempty"`
	AMR          []string            `json:"amr,omitempty"`
	Confirmation *confirmationRecord `json:"cnf,omitempty"`
	Actor        json.RawMessage     `json:"act,omitempty"`
	MayAct       json.RawMessage     `json:"may_act,omitempty"`
	Details      json.RawMessage     `json:"authorization_details,omitempty"`
	Grant        string              `json:"gid,omitempty"`
	Epoch        *int64              `json:"aep,omitempty"`
}

// audience is audience of oidc.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*a = audience{""}
		return json.Unmarshal(data, &(*a)[0])
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// executionRecord is execution of flow.
type executionRecord struct {
	store.Meta
	Request      directory.Interaction   `json:"request"`
	Browser      string                  `json:"browser"`
	Began        time.Time               `json:"began"`
	Sequence     int64                   `json:"sequence"`
	Stage        int64                   `json:"stage,omitempty"`
	Plan         string                  `json:"plan,omitempty"`
	PlanVersion  string                  `json:"planVersion,omitempty"`
	Calls        []json.RawMessage       `json:"calls,omitempty"`
	Memory       store.Sealed            `json:"memory,omitempty"`
	Facts        store.Sealed            `json:"facts,omitempty"`
	Last         flow.Last               `json:"last,omitzero"`
	Step         string                  `json:"step,omitempty"`
	Options      []string                `json:"options,omitempty"`
	Option       string                  `json:"option,omitempty"`
	Params       map[string]string       `json:"params,omitempty"`
	Data         store.Sealed            `json:"data,omitempty"`
	Subject      store.Ref               `json:"subject,omitzero"`
	SubjectEpoch int64                   `json:"subjectEpoch,omitempty"`
	Person       string                  `json:"person,omitempty"`
	Proven       []directory.Evidence    `json:"proven,omitempty"`
	Lapsed       time.Time               `json:"lapsed,omitzero"`
	Base         store.Ref               `json:"base,omitzero"`
	BaseSubject  store.Ref               `json:"baseSubject,omitzero"`
	Carried      []directory.Evidence    `json:"carried,omitempty"`
	Revived      bool                    `json:"revived,omitempty"`
	Approved     []string                `json:"approved"`
	Asked        bool                    `json:"asked,omitempty"`
	Remember     bool                    `json:"remember,omitempty"`
	Rehash       *directory.Rehash       `json:"rehash,omitempty"`
	Messages     []flow.Message          `json:"messages,omitempty"`
	Problems     map[string]flow.Message `json:"problems,omitempty"`
	Keep         map[string]string       `json:"keep,omitempty"`
	Wrong        int64                   `json:"wrong,omitempty"`
	NewSession   string                  `json:"newSession"`
	Done         bool                    `json:"done,omitempty"`
	Session      store.Ref               `json:"session,omitzero"`
	Refusal      directory.Refusal       `json:"refusal,omitempty"`
	Failure      directory.Failure       `json:"failure,omitzero"`
	Proof        []directory.Evidence    `json:"proof,omitempty"`
	Echo         store.Sealed            `json:"echo,omitempty"`
	EchoUntil    time.Time               `json:"echoUntil,omitzero"`
}
