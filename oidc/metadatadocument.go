package oidc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/fetch"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Client id metadata documents (draft-ietf-oauth-client-id-metadata-document): the client_id is an https URL, and what lies there is the
// client's metadata. Sections are those of revision 01.

// MetadataDocuments lets whoever can publish a document at an https URL be a client, by that URL
// (draft-ietf-oauth-client-id-metadata-document): nothing is registered. The document is read when the client is first heard of, and again
// when what was read has become too old. Its application is written when a person has first allowed it, so that consent, revocation
// and disabling work as for any other; its id is the same on every node.
//
// Such a client is public, or authenticates by private_key_jwt, and gets codes and refresh tokens alone. Documents are fetched as
// Config.Outbound says, must be application/json or application/…+json, and have at most 8 KiB.
type MetadataDocuments struct {
	// Hosts are those whose documents are believed, as "app.example", or "*.app.example" for all below it. Empty is every public host.
	Hosts []string
	// Scopes are what such a client may ask for besides the standard ones of OpenID Connect.
	Scopes []string
	// Shortest and Longest bound for how long a document is used, whatever its Cache-Control says; zero is one minute, and one hour.
	// The most is a day: so long may a change of the document go unnoticed.
	Shortest, Longest time.Duration
	// InsecureRedirectsAnywhere believes redirect URIs at sites other than the document's (§6.1). Whoever can write to a site where
	// documents may lie can then take the codes of people who trust its name.
	InsecureRedirectsAnywhere bool
	// InsecureLocalhostPorts lets a redirect URI of http://localhost match any port, as one of an address literal always does. RFC 8252 §8.3
	// advises against the name, which may lead elsewhere; some clients of the Model Context Protocol use no other.
	InsecureLocalhostPorts bool
	// Policy sees every document that was read before it is used. It may narrow the Client and the Application, or refuse with an
	// error. Nil is none. It is called by many goroutines at once.
	Policy func(client *Client, application *directory.Application) error
}

// documents is the feature at work.
type documents struct {
	settings MetadataDocuments
	fetch    *fetch.Client
	rules    *clientRules
}

// The bounds of a metadata document.
const (
	maxDocument         = 8 << 10 // §6.6 recommends 5 kilobytes
	longestDocument     = 24 * time.Hour
	documentMediaType   = "application/json"
	documentUnavailable = 30 * time.Second // for so long a failure is remembered
)

func (f MetadataDocuments) part(p *Provider) (part, error) {
	var problems []error
	f.Shortest = cmp.Or(f.Shortest, time.Minute)
	f.Longest = cmp.Or(f.Longest, max(time.Hour, f.Shortest))
	if f.Shortest < time.Second || f.Longest < f.Shortest || f.Longest > longestDocument {
		problems = append(problems, errors.New("oidc: Features.MetadataDocuments.Shortest and Longest must be in this order, from a second to a day"))
	}
	for _, host := range f.Hosts {
		if bare := strings.TrimPrefix(host, "*."); bare == "" || bare != strings.ToLower(bare) || strings.ContainsAny(bare, "*/:@ ") {
			problems = append(problems, fmt.Errorf("oidc: Features.MetadataDocuments.Hosts: %q is no host in lower case", host))
		}
	}
	for _, s := range f.Scopes {
		if !validScope(s) {
			problems = append(problems, fmt.Errorf("oidc: Features.MetadataDocuments.Scopes: %q is not a scope token (RFC 6749 §3.3)", s))
		}
	}
	d := &documents{settings: f, fetch: p.fetch, rules: &p.Clients.rules}
	p.Clients.documents = d.find
	return part{describe: func(m *metadata) { m.ClientIDMetadataDocument = true }}, errors.Join(problems...)
}

// find returns the client that a document describes. An *Error is an answer; none of them tells what is behind a host.
func (d *documents) find(ctx context.Context, clientID string) (*Client, error) {
	if problem := checkDocumentURL(clientID); problem != "" {
		return nil, refusedDocument("client_id "+problem, nil)
	}
	if !d.believes(clientID) {
		return nil, refusedDocument("clients of this host are not taken here", nil)
	}
	kind := fetch.Kind[*Client]{
		Name: "client metadata", Types: []string{documentMediaType, fetch.AnyJSON}, MaxSize: maxDocument,
		Shortest: d.settings.Shortest, Longest: d.settings.Longest,
		Decode: func(document []byte) (*Client, error) { return d.read(clientID, document) },
	}
	found, err := kind.Get(ctx, d.fetch, clientID)
	if said := invalidSettings(err); len(said) > 0 {
		return nil, refusedDocument("the metadata document is not valid: "+registrationError(said[0]).Description, err)
	}
	if err != nil {
		return nil, &Error{
			Code: "temporarily_unavailable", Description: "the metadata document of the client cannot be read at the moment",
			Status: 503, RetryAfter: documentUnavailable, cause: err,
		}
	}
	return found.Value, nil
}

func refusedDocument(description string, cause error) *Error {
	return &Error{Code: "invalid_client", Description: strings.Map(descriptive, description), Status: 400, cause: cause}
}

// believes reports whether documents of the URL's host are.
func (d *documents) believes(clientID string) bool {
	host := hostOf(clientID)
	return len(d.settings.Hosts) == 0 || slices.ContainsFunc(d.settings.Hosts, func(believed string) bool {
		below, wild := strings.CutPrefix(believed, "*")
		return host == believed || wild && strings.HasSuffix(host, below)
	})
}

// read makes a client of a document.
func (d *documents) read(clientID string, document []byte) (*Client, error) {
	m, err := parseMetadataDocument(clientID, document, d.settings.InsecureRedirectsAnywhere)
	if err != nil {
		return nil, err
	}
	if m.client.Scopes, err = permittedScopes(m.client.Scopes, d.settings.Scopes); err != nil {
		return nil, err
	}
	d.rules.leaveOut(&m.client)
	m.client.SectorIdentifierURI = "" // a document is of one sector: its own
	app := &directory.Application{Meta: store.Meta{ID: secret.Hash(clientID)}, Status: directory.Active}
	c := &Client{ClientID: clientID, Application: app.Ref(), described: app, localhostPorts: d.settings.InsecureLocalhostPorts}
	c.adopt(m)
	d.rules.fill(c, time.Time{})
	if m.entitle(app, c); m.texts[memberName] == "" {
		app.Name = excerpt(hostOf(clientID), maxMetadataName-3)
	}
	if d.settings.Policy != nil {
		if err := d.settings.Policy(c, app); err != nil {
			return nil, &InvalidClientError{"client_id", "is refused by policy"}
		}
	}
	if err := app.Validate(); err != nil {
		return nil, &InvalidClientError{memberName, "and its like are not valid"}
	}
	return c, d.rules.check(c)
}

// documentApplication is the application of a client whose document describes it. found is what is stored of it, nil when no person
// has allowed it yet: then it stands as it will be written. Its epoch is of this moment, so that nothing that was issued before the
// operator deleted it comes back to life.
func (p *Provider) documentApplication(c *Client, found *directory.Application) *directory.Application {
	described := *c.described
	if found == nil {
		described.Epoch = p.db.Now().UnixMicro()
		return &described
	}
	app := *found
	app.Name, app.URL, app.Logo = described.Name, described.URL, described.Logo
	app.PolicyURL, app.TermsURL = described.PolicyURL, described.TermsURL
	return &app
}

// keepApplication writes the application of a metadata document when a person has allowed it for the first time.
func (p *Provider) keepApplication(ctx context.Context, c *Client, app *directory.Application) (*directory.Application, error) {
	for app.Version == 0 {
		kept := *app
		b := p.db.Batch()
		if err := p.config.Directory.Applications.Insert(b, &kept); err != nil {
			return nil, err
		}
		err := b.Apply(ctx)
		if err == nil {
			return &kept, nil
		}
		if store.ConflictOn(err, p.config.Directory.Applications.Kind()) == nil {
			return nil, err
		}
		if app, err = p.livingApplication(ctx, c); err != nil { // allowed in another tab at the same moment
			return nil, err
		}
	}
	return app, nil
}

// maxDocumentURL is how long a client_id that is a URL may be: ids of records are made of it.
const maxDocumentURL = 200

// checkDocumentURL says what is wrong with a client_id that is to be the URL of a metadata document (§3); "" is nothing. URLs are
// compared byte by byte, so one that is written in an unusual way is refused.
func checkDocumentURL(clientID string) string {
	u, err := url.Parse(clientID)
	switch {
	case len(clientID) > maxDocumentURL:
		return "is longer than 200 bytes"
	case err != nil || strings.ContainsFunc(clientID, notInURL):
		return "is not a URL"
	case !strings.HasPrefix(clientID, "https://") || u.Opaque != "":
		return "is not an https URL"
	case u.User != nil || strings.Contains(authorityOf(clientID), "@"):
		return "has user information"
	case strings.Contains(clientID, "#"):
		return "has a fragment"
	case u.Path == "":
		return "has no path"
	case hasEncodedDotSegment(u.EscapedPath()):
		return "has a dot segment"
	case u.ForceQuery:
		return "has an empty query"
	}
	return checkDocumentHost(u)
}

// checkDocumentHost says what is wrong with how the host of a document is written; "" is nothing. What it leads to is judged when it
// is dialled.
func checkDocumentHost(u *url.URL) string {
	port := u.Port()
	switch {
	case u.Hostname() == "" || u.Host != strings.ToLower(u.Host) || strings.HasSuffix(u.Hostname(), "."):
		return "has no host in its usual form"
	case strings.HasSuffix(u.Host, ":") || strings.HasPrefix(port, "0"):
		return "has a port that is none"
	}
	return ""
}

// authorityOf cuts the authority out of the text of an https URL.
func authorityOf(text string) string {
	authority, _, _ := strings.Cut(strings.TrimPrefix(text, "https://"), "/")
	authority, _, _ = strings.Cut(authority, "?")
	return authority
}

// hasEncodedDotSegment also finds the segments that a decoder on the way would make of "%2e".
func hasEncodedDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if s := strings.ReplaceAll(strings.ToLower(segment), "%2e", "."); s == "." || s == ".." {
			return true
		}
	}
	return false
}

// isDocumentURL reports whether a client_id means a metadata document, rightly written or not. A registered client never has such
// an id.
func isDocumentURL(clientID string) bool { return strings.HasPrefix(clientID, "https://") }

// sharedSecretMembers must not stand in a document that everybody can read (§4.1).
var sharedSecretMembers = []string{"client_secret", "client_secret_expires_at"}

// parseMetadataDocument reads the document that was found at the URL (§4.1), as a client that the provider would take. anyRedirect
// lets its redirect URIs be anywhere; otherwise those at a site other than the document's are not believed (§6.1).
func parseMetadataDocument(clientID string, document []byte, anyRedirect bool) (*clientMetadata, error) {
	members, err := readMetadata(document)
	if err != nil {
		return nil, err
	}
	var named string
	if json.Unmarshal(members["client_id"], &named) != nil || named != clientID {
		return nil, &InvalidClientError{"client_id", "in the document is not the URL at which it was found"}
	}
	for _, name := range sharedSecretMembers {
		if _, ok := members[name]; ok {
			return nil, &InvalidClientError{name, "must not stand in a document that everybody can read"}
		}
	}
	m, err := interpretMetadata(members)
	if err != nil {
		return nil, err
	}
	m.client.ClientID = clientID
	return m, m.restrict(anyRedirect)
}

// restrict narrows a document to what can be believed of a client that nobody has registered. The document is written for all
// providers at once: a redirect URI or a grant type that is of no use here is left out rather than refused.
func (m *clientMetadata) restrict(anyRedirect bool) error {
	c := &m.client
	switch c.AuthMethod {
	case "":
		c.AuthMethod = NoAuth // there is no secret to share, so the default of RFC 7591 cannot be meant
	case NoAuth, PrivateKeyJWT:
	default:
		return &InvalidClientError{"token_endpoint_auth_method", "must be none or private_key_jwt in a metadata document"}
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []GrantType{AuthorizationCode} // RFC 7591 §2
	}
	c.GrantTypes = slices.DeleteFunc(c.GrantTypes, func(g GrantType) bool { return g != AuthorizationCode && g != RefreshToken })
	if !c.allows(AuthorizationCode) {
		return &InvalidClientError{"grant_types", "must have authorization_code"}
	}
	c.RedirectURIs = slices.DeleteFunc(c.RedirectURIs, func(uri string) bool {
		return checkRedirectURI(uri) != nil || !anyRedirect && !besideDocument(c.ClientID, uri)
	})
	if len(c.RedirectURIs) == 0 {
		return &InvalidClientError{"redirect_uris", "has none at the document's own site, on a loopback host, or in a scheme of an application's own"}
	}
	c.PostLogoutRedirectURIs = slices.DeleteFunc(c.PostLogoutRedirectURIs, func(uri string) bool {
		return checkRedirectURI(uri) != nil || !anyRedirect && !besideDocument(c.ClientID, uri)
	})
	return nil
}

// besideDocument reports whether a redirect URI is at the origin of the document, or leads into an application on the person's own
// machine (RFC 8252 §7).
func besideDocument(clientID, uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && (u.Scheme != "https" || formAction(uri) == formAction(clientID))
}
