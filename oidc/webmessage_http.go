package oidc

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"

	"github.com/signet-idp/signet/internal/web"
)

// messageScript is the one script of the page. It takes what it posts, and where to, from the page, where the template has escaped
// them; a browser drops the message when the window is of another origin.
const messageScript = `(function(){var d=document.getElementById("response").dataset,w=window.opener||window.parent;` +
	`if(w!==window)w.postMessage(JSON.parse(d.message),d.origin)})()`

var messagePage = template.Must(template.New("web_message").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Signing in</title></head>
<body><main><h1>Signing in</h1><p id="response" data-origin="{{.Origin}}" data-message="{{.Message}}">You can close this window.</p></main><script>` + messageScript + `</script></body></html>
`))

func writeWebMessage(w http.ResponseWriter, q *authorizationRequest, values url.Values) {
	origin := messageOrigin(q.RedirectURI)
	message, err := encodeWebMessage(values)
	var page bytes.Buffer
	if err == nil {
		err = messagePage.Execute(&page, struct{ Origin, Message string }{origin, message})
	}
	if err != nil {
		http.Error(w, "the answer could not be written", http.StatusInternalServerError)
		return
	}
	policy := web.Policy{ScriptHash: scriptHash(messageScript)}
	if q.prompts(promptNone) {
		policy.FramedBy = origin
	}
	policy.Set(w.Header())
	w.Header().Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(page.Bytes()) // a browser that went away is nobody's error
}

// scriptHash is the source by which a policy admits an inline script (CSP3 §2.3.1).
func scriptHash(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
