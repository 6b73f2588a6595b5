package oidc

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/store/directory"
)

// clientMetadata is what a client says of itself (RFC 7591 §2): in a registration, in the answer to one, in a software statement
// and in a client id metadata document.
type clientMetadata struct {
	// client has what a Client keeps; nothing in it is filled in.
	client Client
	// texts are what people are shown, by member, and by member and language: "client_name", "client_name#de" (RFC 7591 §2.2).
	texts map[string]string
}

// What a metadata document may hold. It is far above what any client needs, and below what is a burden to keep.
const (
	maxMetadata      = 64 << 10 // bytes of a document
	maxMetadataList  = 100      // members of a list
	maxMetadataValue = 2048     // bytes of a text
	maxMetadataName  = 120      // characters of client_name, as directory.Application has them
	maxMetadataTexts = 100      // texts in all languages
)

// ownMembers are the members of a metadata document that a Client keeps under the same name and in the same form. What a client
// may not decide by itself is none of them: its audience, the lifetimes of its tokens, and everything Insecure.
var ownMembers = []string{
	"redirect_uris", "post_logout_redirect_uris", "token_endpoint_auth_method", "token_endpoint_auth_signing_alg", "grant_types",
	"response_types", "contacts", "jwks", "jwks_uri", "software_id", "software_version", "application_type",
	"sector_identifier_uri", "subject_type",
	"id_token_signed_response_alg", "id_token_encrypted_response_alg", "id_token_encrypted_response_enc",
	"userinfo_signed_response_alg", "userinfo_encrypted_response_alg", "userinfo_encrypted_response_enc",
	"introspection_signed_response_alg", "introspection_encrypted_response_alg", "introspection_encrypted_response_enc",
	"request_object_signing_alg", "request_object_encryption_alg", "request_object_encryption_enc", "request_uris",
	"require_signed_request_object", "require_pushed_authorization_requests",
	"authorization_signed_response_alg", "authorization_encrypted_response_alg", "authorization_encrypted_response_enc",
	"default_max_age", "default_acr_values", "require_auth_time", "initiate_login_uri", "authorization_details_types",
	"tls_client_auth_subject_dn", "tls_client_auth_san_dns", "tls_client_auth_san_uri", "tls_client_auth_san_ip",
	"tls_client_auth_san_email", "tls_client_certificate_bound_access_tokens", "dpop_bound_access_tokens",
	"backchannel_token_delivery_mode", "backchannel_client_notification_endpoint",
	"backchannel_authentication_request_signing_alg", "backchannel_user_code_parameter",
	"backchannel_logout_uri", "backchannel_logout_session_required",
	"frontchannel_logout_uri", "frontchannel_logout_session_required",
	"allowed_origins",
}

// The members that people are shown; each may stand in several languages (RFC 7591 §2.2).
const (
	memberName   = "client_name"
	memberURI    = "client_uri"
	memberLogo   = "logo_uri"
	memberPolicy = "policy_uri"
	memberTerms  = "tos_uri"
)

var textMembers = []string{memberName, memberURI, memberLogo, memberPolicy, memberTerms}

// languageTag is a BCP 47 tag, as far as it matters here.
var languageTag = regexp.MustCompile(`^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,7}$`)

// parseClientMetadata reads a metadata document. Its errors are of *InvalidClientError, joined.
func parseClientMetadata(document []byte) (*clientMetadata, error) {
	members, err := readMetadata(document)
	if err != nil {
		return nil, err
	}
	return interpretMetadata(members)
}

// readMetadata reads a document as a JSON object in which no member stands twice.
func readMetadata(document []byte) (map[string]json.RawMessage, error) {
	if len(document) > maxMetadata {
		return nil, &InvalidClientError{"document", fmt.Sprintf("is longer than %d bytes", maxMetadata)}
	}
	var members map[string]json.RawMessage
	if err := strictjson.Unmarshal(document, &members); err != nil || members == nil {
		return nil, &InvalidClientError{"document", "is not one JSON object in which every member stands once"}
	}
	// RFC 7591 §2: what is omitted has its default. Nothing is said by null.
	maps.DeleteFunc(members, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	return members, nil
}

// interpretMetadata understands what it knows. Other members are ignored (RFC 7591 §2), in whatever case or language they stand.
func interpretMetadata(members map[string]json.RawMessage) (*clientMetadata, error) {
	m := &clientMetadata{texts: map[string]string{}}
	known := map[string]json.RawMessage{}
	var problems []error
	for _, name := range ownMembers {
		if value, ok := members[name]; ok {
			known[name] = value
			problems = append(problems, checkExtent(name, value))
		}
	}
	problems = append(problems, m.readTexts(members), m.readScope(members["scope"]))
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(known)
	if err == nil {
		err = strictjson.Unmarshal(encoded, &m.client)
	}
	if err != nil {
		return nil, misshapen(err)
	}
	return m, nil
}

// misshapen names the member whose value is not of the form that it must have.
func misshapen(err error) error {
	field := "document"
	if e, ok := errors.AsType[*strictjson.Error](err); ok && e.Member != "" {
		field = e.Member
	}
	return &InvalidClientError{field, "does not have the form that RFC 7591 gives it"}
}

// checkExtent bounds a list by its length and its texts by theirs. What is neither is bounded by the document.
func checkExtent(name string, value json.RawMessage) error {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil {
		list = []json.RawMessage{value}
	}
	if len(list) > maxMetadataList {
		return &InvalidClientError{name, fmt.Sprintf("has more than %d members", maxMetadataList)}
	}
	for _, raw := range list {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			continue
		}
		if len(text) > maxMetadataValue {
			return &InvalidClientError{name, fmt.Sprintf("has a value longer than %d bytes", maxMetadataValue)}
		}
		if strings.ContainsFunc(text, unicode.IsControl) {
			return &InvalidClientError{name, "has a control character"}
		}
	}
	return nil
}

// readScope reads the scopes from one text (RFC 7591 §2).
func (m *clientMetadata) readScope(value json.RawMessage) error {
	if value == nil {
		return nil
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		return &InvalidClientError{"scope", "is not a string of scopes separated by spaces"}
	}
	for scope := range strings.FieldsSeq(text) {
		if !validScope(scope) {
			return &InvalidClientError{"scope", "has what is no scope token (RFC 6749 §3.3)"}
		}
		if !slices.Contains(m.client.Scopes, scope) {
			m.client.Scopes = append(m.client.Scopes, scope)
		}
	}
	if len(m.client.Scopes) > maxMetadataList {
		return &InvalidClientError{"scope", fmt.Sprintf("has more than %d scopes", maxMetadataList)}
	}
	return nil
}

// readTexts reads what people are shown, in all languages. An empty text says nothing.
func (m *clientMetadata) readTexts(members map[string]json.RawMessage) error {
	var problems []error
	for _, name := range sortedKeys(members) {
		base, tag, tagged := strings.Cut(name, "#")
		if !slices.Contains(textMembers, base) {
			continue
		}
		var text string
		switch {
		case tagged && !languageTag.MatchString(tag):
			problems = append(problems, &InvalidClientError{base, "stands with what is no language tag (RFC 7591 §2.2)"})
		case json.Unmarshal(members[name], &text) != nil:
			problems = append(problems, &InvalidClientError{name, "is not a string"})
		case text == "":
		default:
			m.texts[name] = text
			if problem := checkText(base, text); problem != "" {
				problems = append(problems, &InvalidClientError{name, problem})
			}
		}
	}
	if len(m.texts) > maxMetadataTexts {
		problems = append(problems, &InvalidClientError{memberName, fmt.Sprintf("and its like stand in more than %d texts", maxMetadataTexts)})
	}
	return errors.Join(problems...)
}

// checkText says what is wrong with what people are to be shown; "" is nothing. Pages escape it all the same.
func checkText(member, text string) string {
	if member != memberName {
		return checkShownURL(text)
	}
	switch {
	case utf8.RuneCountInString(text) > maxMetadataName:
		return fmt.Sprintf("has more than %d characters", maxMetadataName)
	case strings.TrimSpace(text) == "" || strings.ContainsFunc(text, deceptive):
		return "has characters that cannot be seen"
	}
	return ""
}

// deceptive characters are not seen, or turn the direction of what stands around them: a name must not look like another.
func deceptive(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp, unicode.Co) ||
		r == '\u200b' || r == '\u2060' || r == '\ufeff'
}

// checkShownURL says what is wrong with a URL that pages link to or load; "" is nothing.
func checkShownURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "":
		return "is not an https URL"
	case u.User != nil:
		return "has user information"
	case len(text) > maxMetadataValue:
		return fmt.Sprintf("is longer than %d bytes", maxMetadataValue)
	case strings.ContainsFunc(text, notInURL):
		return "has a character that is not allowed in a URL"
	}
	return ""
}

// notInURL is what cannot stand in a URL unescaped (RFC 3986 §2).
func notInURL(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\\\"<>^`{|}", r) }

// members is the document that says the same (RFC 7591 §3.2.1). What is not said stands for its default and is left out.
func (m *clientMetadata) members() map[string]any {
	document := map[string]any{}
	for name, value := range membersOf(&m.client) {
		if text := string(value); text != "null" && text != `""` && text != "[]" {
			document[name] = value
		}
	}
	if len(m.client.Scopes) > 0 {
		document["scope"] = strings.Join(m.client.Scopes, " ")
	}
	for name, text := range m.texts {
		document[name] = text
	}
	return document
}

// membersOf encodes those settings of a client that a client decides by itself.
func membersOf(c *Client) map[string]json.RawMessage {
	encoded, err := json.Marshal(c)
	if err != nil {
		return nil
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(encoded, &all) != nil {
		return nil
	}
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool { return !slices.Contains(ownMembers, name) })
	return all
}

// adopt takes over what the metadata says, and what it leaves unsaid: nothing that a client decides by itself stays as it was.
func (c *Client) adopt(m *clientMetadata) {
	to, from := reflect.ValueOf(c).Elem(), reflect.ValueOf(&m.client).Elem()
	for i := range to.NumField() {
		name, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("json"), ",")
		if name == "scopes" || slices.Contains(ownMembers, name) {
			to.Field(i).Set(from.Field(i))
		}
	}
	c.Texts = maps.Clone(m.texts)
	maps.DeleteFunc(c.Texts, func(name, _ string) bool { return !strings.Contains(name, "#") })
}

// entitle gives the client's application what people are shown.
func (m *clientMetadata) entitle(app *directory.Application, c *Client) {
	app.Name = cmp.Or(m.texts[memberName], clientSite(c), c.ClientID)
	app.URL, app.Logo = m.texts[memberURI], m.texts[memberLogo]
	app.PolicyURL, app.TermsURL = m.texts[memberPolicy], m.texts[memberTerms]
}

// clientSite is where people are sent for the client, as a host: all that is known of one that does not say what it is called. "" is
// a host of nobody's.
func clientSite(c *Client) string {
	for _, uri := range c.RedirectURIs {
		if u, err := url.Parse(redirectSite(uri)); err == nil && u.Host != "" && !isLoopback(u.Hostname()) {
			return u.Host
		}
	}
	return ""
}

// describeClient is the reverse of adopt and entitle.
func describeClient(c *Client, app *directory.Application) *clientMetadata {
	m := &clientMetadata{client: *c, texts: maps.Clone(c.Texts)}
	if m.texts == nil {
		m.texts = map[string]string{}
	}
	for name, text := range map[string]string{
		memberName: app.Name, memberURI: app.URL, memberLogo: app.Logo, memberPolicy: app.PolicyURL, memberTerms: app.TermsURL,
	} {
		if text != "" {
			m.texts[name] = text
		}
	}
	return m
}

// introduce says in the person's language what the application is called, and of a client that nobody but itself has registered where
// it belongs.
func (c *Client) introduce(in *directory.Interaction) {
	switch {
	case c.described != nil:
		in.ApplicationLinks.Site = hostOf(c.ClientID)
	case c.RegistrationHash != "":
		in.ApplicationLinks.Site = clientSite(c)
	}
	for member, shown := range map[string]*string{
		memberName: &in.ApplicationName, memberURI: &in.ApplicationLinks.URL, memberLogo: &in.ApplicationLinks.Logo,
		memberPolicy: &in.ApplicationLinks.Policy, memberTerms: &in.ApplicationLinks.Terms,
	} {
		for _, locale := range in.Locales {
			if text, ok := c.Texts[member+"#"+locale]; ok {
				*shown = text
				break
			}
		}
	}
}

// aboutClients is the part of settings that only describe a client, and are the same whoever registers it.
func aboutClients() (part, error) {
	return part{features: []string{"registration", "third-party-initiated login"}, check: checkAboutClient}, nil
}

// The values of application_type (OpenID Connect Registration §2).
const (
	webApplication    = "web"
	nativeApplication = "native"
)

func checkAboutClient(c *Client, bad report) {
	switch c.ApplicationType {
	case "", nativeApplication:
	case webApplication:
		for _, uri := range c.RedirectURIs {
			// OpenID Connect Registration §2: a token in a fragment is no thing for whatever listens on the machine.
			if c.allows("implicit") && (formAction(uri) == "" || !strings.HasPrefix(uri, "https://") || isLoopback(hostOf(uri))) {
				bad("redirect_uris", "of a web client with the implicit grant must be https, and not on this machine")
			}
		}
	default:
		bad("application_type", "must be web or native")
	}
	if c.InitiateLoginURI != "" {
		if problem := checkShownURL(c.InitiateLoginURI); problem != "" {
			bad("initiate_login_uri", "%s", problem)
		}
	}
}

func hostOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// registrationError is the error of RFC 7591 §3.2.2 for what is wrong with a client's metadata.
func registrationError(err error) *Error {
	e := &Error{Code: "invalid_client_metadata", Status: 400, cause: err}
	var said []string
	for _, problem := range invalidSettings(err) {
		if problem.Field == "redirect_uris" {
			e.Code = "invalid_redirect_uri"
		}
		said = append(said, problem.Field+" "+problem.Problem)
	}
	if len(said) == 0 {
		return asError(err)
	}
	e.Description = excerpt(strings.Map(descriptive, strings.Join(said, "; ")), 400)
	return e
}

// invalidSettings lists the *InvalidClientErrors in an error.
func invalidSettings(err error) []*InvalidClientError {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*InvalidClientError
		for _, one := range joined.Unwrap() {
			all = append(all, invalidSettings(one)...)
		}
		return all
	}
	if invalid, ok := errors.AsType[*InvalidClientError](err); ok {
		return []*InvalidClientError{invalid}
	}
	return nil
}

// excerpt is the beginning of a text of ASCII.
func excerpt(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return text[:limit] + "..."
}
