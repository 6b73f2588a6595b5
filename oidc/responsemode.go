package oidc

import (
	"net/url"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/web"
)

// The response modes (OAuth 2.0 Multiple Response Type Encoding Practices §2.1, OAuth 2.0 Form Post Response Mode, OAuth 2.0 Web
// Message Response Mode).
const (
	modeQuery      = "query"
	modeFragment   = "fragment"
	modeFormPost   = "form_post"
	modeWebMessage = "web_message"
)

// defaultMode is how a response travels where the client does not say: tokens never in a query, which servers log.
func defaultMode(responseType string) string {
	if inFront(responseType) {
		return modeFragment
	}
	return modeQuery
}

// parseResponse comes before everything else: even an error must be sent in the mode that was asked for.
func (p *Provider) parseResponse(q *authorizationRequest, form web.Form, c *Client) *Error {
	q.ResponseType = orderedResponseType(form.Value("response_type"))
	q.ResponseMode = defaultMode(q.ResponseType)
	mode := p.parseResponseMode(q, form, c)
	if refusal := p.judgeResponseType(q.ResponseType, c); refusal != nil {
		return refusal
	}
	return mode
}

func (p *Provider) parseResponseMode(q *authorizationRequest, form web.Form, c *Client) *Error {
	mode := form.Value("response_mode")
	switch {
	case mode == "":
		return nil
	case !slices.Contains(p.responseModes, mode):
		return invalidRequest("the response_mode is not supported")
	case mode == modeDirect && (q.ResponseType != responseCode || !c.DirectAuthentication):
		return invalidRequest("response_mode direct is for the code, and for clients with direct_authentication")
	case mode == modeQuery && inFront(q.ResponseType): // Multiple Response Type Encoding Practices §3, §5
		return invalidRequest("tokens are not sent in a query")
	case mode == modeQuery+securedMode && inFront(q.ResponseType) && c.AuthorizationEncryptedResponseAlg == "": // JARM §2.3.1
		q.ResponseMode += securedMode
		return invalidRequest("tokens are sent in a query only to clients that have their responses encrypted")
	case mode == modeJWT: // JARM §2.3.4
		q.ResponseMode += securedMode
		return nil
	case strings.HasPrefix(mode, modeWebMessage) && messageOrigin(q.RedirectURI) == "":
		return invalidRequest("web_message needs a redirect URI with an origin")
	}
	q.ResponseMode = mode
	return nil
}

// withFragment adds values to a redirect URI, which has no fragment of its own.
func withFragment(uri string, values url.Values) string {
	return uri + "#" + strings.ReplaceAll(values.Encode(), "+", "%20")
}
