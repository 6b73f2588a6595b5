package oidc

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Client id metadata documents (draft-ietf-oauth-client-id-metadata-document): the client_id is an https URL, and what lies there is the
// client's metadata. Sections are those of revision 01.

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
	case NoAuth, privateKeyJWT:
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

// privateKeyJWT is OpenID Connect Core §9.
const privateKeyJWT AuthMethod = "private_key_jwt"

// besideDocument reports whether a redirect URI is at the origin of the document, or leads into an application on the person's own
// machine (RFC 8252 §7).
func besideDocument(clientID, uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && (u.Scheme != "https" || formAction(uri) == formAction(clientID))
}
