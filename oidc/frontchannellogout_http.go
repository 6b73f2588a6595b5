package oidc

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"

	"github.com/signet-idp/signet/internal/web"
)

// onwardScript goes on when every frame has been loaded. Without it the page goes on by itself after a while.
const onwardScript = `addEventListener("load",function(){location.replace(document.getElementById("continue").href)})`

// frontChannelWait is how long, in seconds, clients that do not answer keep a browser without scripts.
const frontChannelWait = "5"

// frontChannelPage frames the logout URLs of the clients (Front-Channel Logout §3).
var frontChannelPage = template.Must(template.New("frontchannel").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Signing out</title></head>
<body><main><h1>Signing out</h1><p>You are being signed out of your applications.</p>
<p><a id="continue" href="{{.Next}}">Continue</a></p></main>
{{range .Frames}}<iframe src="{{.}}" title="" width="0" height="0" hidden></iframe>
{{end}}<script>` + onwardScript + `</script></body></html>
`))

// writeFrontChannel writes the page. Next is a proven redirect URI, a path of ours or that of a provider upstream, and the frames are registered by
// the clients.
func (p *Provider) writeFrontChannel(w http.ResponseWriter, r *http.Request, frames []string, next string) {
	safe := make([]template.URL, len(frames))
	for i, f := range frames {
		safe[i] = template.URL(f) //nolint:gosec // G203: registered, and https or loopback
	}
	var page bytes.Buffer
	err := frontChannelPage.Execute(&page, struct {
		Frames []template.URL
		Next   template.URL
	}{safe, template.URL(next)}) //nolint:gosec // G203: a registered or configured URI, of a safe scheme
	if err != nil {
		p.showError(w, r, unavailable(err))
		return
	}
	sum := sha256.Sum256([]byte(onwardScript))
	policy := web.Policy{ScriptHash: "sha256-" + base64.StdEncoding.EncodeToString(sum[:])}
	for _, f := range frames {
		policy.Frames = append(policy.Frames, webOrigin(f))
	}
	policy.Set(w.Header())
	w.Header().Set("Refresh", frontChannelWait+";url="+next)
	w.Header().Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(page.Bytes()) // a browser that went away is nobody's error
}
