package oidc

import (
	"slices"
	"strings"
)

// The response types (RFC 6749 §3.1.1, OAuth 2.0 Multiple Response Type Encoding Practices §3 to §5), each with its words in
// alphabetical order: their order in a request means nothing.
const (
	responseCode             = "code"
	responseNone             = "none"
	responseToken            = "token"
	responseIDToken          = "id_token"
	responseIDTokenToken     = "id_token token"
	responseCodeIDToken      = "code id_token"
	responseCodeToken        = "code token"
	responseCodeIDTokenToken = "code id_token token"
)

// Implicit is the grant of clients that are given tokens by the authorization endpoint (RFC 6749 §4.2). It is served there, for
// the response types of Legacy, and never at the token endpoint.
const Implicit GrantType = "implicit"

// orderedResponseType puts the words of a response type into the order of the constants.
func orderedResponseType(text string) string {
	words := strings.Fields(text)
	slices.Sort(words)
	return strings.Join(words, " ")
}

// responds reports whether word is one of the things that a response type asks for.
func responds(responseType, word string) bool {
	return slices.Contains(strings.Fields(responseType), word)
}

// inFront reports whether tokens travel through the browser.
func inFront(responseType string) bool {
	return responds(responseType, responseToken) || responds(responseType, responseIDToken) || responds(responseType, responseSubjectToken)
}

// responseTypes are those that the client may ask for.
func (c *Client) responseTypes() []string {
	if len(c.ResponseTypes) == 0 && c.allows(AuthorizationCode) {
		return []string{responseCode}
	}
	return c.ResponseTypes
}

func (c *Client) mayReceive(responseType string) bool {
	return slices.ContainsFunc(c.responseTypes(), func(registered string) bool {
		return orderedResponseType(registered) == responseType
	})
}

// checkResponseTypes judges a client's response types, and that its grant types agree with them (RFC 7591 §2.1).
func (r *clientRules) checkResponseTypes(c *Client, bad report) {
	for _, registered := range c.ResponseTypes {
		t := orderedResponseType(registered)
		switch {
		case !slices.Contains(r.responseTypes, t):
			bad("response_types", "%q is not supported", registered)
		case responds(t, responseCode) && !c.allows(AuthorizationCode):
			bad("response_types", "%q needs the grant type authorization_code (RFC 7591 §2.1)", registered)
		case inFront(t) && !c.allows(Implicit):
			bad("response_types", "%q needs the grant type implicit (RFC 7591 §2.1)", registered)
		case responds(t, responseToken) && (c.DPoPBoundTokens || c.CertificateBoundTokens):
			bad("response_types", "%q gives out a token that is bound to nothing, and the client demands bound ones", registered)
		}
	}
	if len(c.responseTypes()) > 0 && len(c.RedirectURIs) == 0 && !c.allows(AuthorizationCode) {
		bad("redirect_uris", "is required for the authorization endpoint")
	}
}

// judgeResponseType says why a response type is refused; nil is not at all.
func (p *Provider) judgeResponseType(responseType string, c *Client) *Error {
	switch {
	case responseType == "":
		return invalidRequest("response_type is missing")
	case !slices.Contains(p.Clients.rules.responseTypes, responseType):
		return &Error{Code: "unsupported_response_type", Description: "the response_type is not supported"}
	case !c.mayReceive(responseType):
		return &Error{Code: "unauthorized_client", Description: "the client is not registered for the response_type"}
	}
	return nil
}
