package oidc

import (
	"encoding/json"
	"time"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
)

// What reads foreign bytes is opened to its fuzz targets.
var (
	CheckRedirectURI = checkRedirectURI
	MatchRedirectURI = matchRedirectURI
	FormAction       = formAction
)

// ReadCredentials is readCredentials, its result taken apart.
func ReadCredentials(authorization string, form web.Form) (clientID, secret string, method AuthMethod, err error) {
	c, refusal := readCredentials(authorization, form)
	if refusal != nil {
		return "", "", "", refusal
	}
	return c.clientID, c.secret, c.method, nil
}

// RewriteClaims reads a claims parameter and writes what was understood, with the names it asks consent for.
func RewriteClaims(text string) (string, []string, error) {
	q, err := parseClaimsRequest(text)
	if err != nil {
		return "", nil, err
	}
	encoded, err := json.Marshal(q)
	return string(encoded), q.names(), err
}

// RewriteCode reads a code and writes it again.
func RewriteCode(text string) (rewritten string, grant store.Ref, ok bool) {
	ref, rest, ok := cutLocated(codePrefix, text)
	return locate(codePrefix, ref) + "." + rest, ref, ok
}

// RewriteRefreshToken reads a refresh token and writes it again.
func RewriteRefreshToken(text string) (rewritten string, grant store.Ref, ok bool) {
	p, ok := parseRefreshToken(text)
	return refreshTokenText(p.grant, p.family, p.member), p.grant, ok
}

// RewriteMetadata reads a client's metadata and writes what was understood.
func RewriteMetadata(document string) (string, error) {
	m, err := parseClientMetadata([]byte(document))
	if err != nil {
		return "", registrationError(err)
	}
	return m.text()
}

// RewriteMetadataDocument is RewriteMetadata for the document at a URL.
func RewriteMetadataDocument(clientID, document string, anyRedirect bool) (string, error) {
	m, err := parseMetadataDocument(clientID, []byte(document), anyRedirect)
	if err != nil {
		return "", registrationError(err)
	}
	return m.text()
}

func (m *clientMetadata) text() (string, error) {
	encoded, err := json.Marshal(m.members())
	return string(encoded), err
}

// CheckDocumentURL is checkDocumentURL.
var CheckDocumentURL = checkDocumentURL

// Demands is demands, to its tests.
type Demands struct {
	Issuer           string
	Audiences        []string
	Exclusive, Named bool
	Window           time.Duration
}

// JudgeAssertion reads and judges the claims of an assertion, and returns until when it is remembered.
func JudgeAssertion(payload []byte, d Demands, now time.Time) (time.Time, error) {
	a, err := parseAssertion(payload)
	if err != nil {
		return time.Time{}, err
	}
	want := demands{issuer: d.Issuer, audiences: d.Audiences, exclusive: d.Exclusive, named: d.Named, window: d.Window}
	return a.until(want), a.judge(want, now)
}

// ParseUserCode and NewUserCode read and draw user codes.
var (
	ParseUserCode = parseUserCode
	NewUserCode   = newUserCode
)

// RewriteDeviceCode reads a device code and writes it again.
func RewriteDeviceCode(text string) (rewritten string, grant store.Ref, ok bool) {
	v, ok := parseDeviceCode(text)
	return deviceCodeText(v.grant, v.request.ID, v.secret), v.grant, ok
}

// RewriteAuthReqID reads an auth_req_id and writes it again.
func RewriteAuthReqID(text string) (rewritten string, grant store.Ref, ok bool) {
	v, ok := parseAuthReqID(text)
	return authReqIDText(v.grant, v.secret), v.grant, ok
}

// AuthReqIDText is authReqIDText.
var AuthReqIDText = authReqIDText

// ParseCIBAObject is parseCIBAObject.
var ParseCIBAObject = parseCIBAObject

// ReadClientAssertion reads an assertion without verifying it, and judges what it says of a client that it names itself.
func ReadClientAssertion(text, audience string, now time.Time) (subject string, judged error, err error) {
	_, said, err := readClientAssertion(text)
	if err != nil {
		return "", nil, err
	}
	rules := &assertionRules{ClientAssertions: ClientAssertions{MaxLifetime: time.Hour}}
	return said.Subject, rules.judge(said, &Client{ClientID: said.Subject}, []string{audience}, now), nil
}

// ParseClientKeys reads a key set, and returns how many of its keys sign and how many one can encrypt to.
func ParseClientKeys(document []byte) (signing, encryption int, err error) {
	set, err := parseClientKeys(document)
	if err != nil {
		return 0, 0, err
	}
	return len(set.signing), len(set.encryption), nil
}

// MatchesPattern reports whether a client with one pattern would be answered at a URI; false also for a pattern that is refused.
func MatchesPattern(pattern, uri string) bool {
	p := &Provider{config: Config{Features: Features{Legacy: &Legacy{RedirectPatterns: true}}}}
	return p.mayReturnTo(&Client{InsecureRedirectPatterns: []string{pattern}}, uri)
}
