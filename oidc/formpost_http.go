package oidc

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"

	"github.com/signet-idp/signet/internal/web"
)

// submitScript is the one script of the page: without it the person presses the button.
const submitScript = `document.forms[0].submit()`

// formPostPage answers by a form that posts itself (OAuth 2.0 Form Post Response Mode §2).
var formPostPage = template.Must(template.New("form_post").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Signing in</title></head>
<body><main><h1>Signing in</h1><form method="post" action="{{.Action}}">
{{range .Fields}}<input type="hidden" name="{{.Name}}" value="{{.Value}}">
{{end}}<noscript><button type="submit">Continue</button></noscript></form></main><script>` + submitScript + `</script></body></html>
`))

type formField struct{ Name, Value string }

func writeFormPost(w http.ResponseWriter, redirectURI string, values url.Values) {
	var fields []formField
	for _, name := range sortedKeys(values) {
		fields = append(fields, formField{name, values.Get(name)})
	}
	var page bytes.Buffer
	err := formPostPage.Execute(&page, struct {
		Action template.URL
		Fields []formField
	}{template.URL(redirectURI), fields}) //nolint:gosec // G203: a registered redirect URI, and those have safe schemes only
	if err != nil {
		http.Error(w, "the answer could not be written", http.StatusInternalServerError)
		return
	}
	policy := web.Policy{FormAction: []string{formAction(redirectURI)}, ScriptHash: scriptHash(submitScript)}
	policy.Set(w.Header())
	w.Header().Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(page.Bytes()) // a browser that went away is nobody's error
}
