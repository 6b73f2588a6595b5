package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

const pathCheckSession = "/oidc/checksession"

// checkSessionScript answers the pages of clients (Session Management §3.1). The origin that a client's hash was made for is the one
// that the browser says has sent the message, so no other page is told anything.
const checkSessionScript = `addEventListener("message",async function(e){
var answer="error",parts=typeof e.data==="string"?e.data.split(" "):[],salt=parts.length===2?parts[1].split(".")[1]:"";
if(parts[0]&&salt)try{
var name=NAME+"=",cookie=document.cookie.split("; ").find(function(c){return c.indexOf(name)===0}),state=cookie?cookie.slice(name.length):"";
var hash=await crypto.subtle.digest("SHA-256",new TextEncoder().encode(parts[0]+" "+e.origin+" "+state+" "+salt));
var text=btoa(String.fromCharCode.apply(null,new Uint8Array(hash))).replace(/\+/g,"-").replace(/\//g,"_").replace(/=/g,"");
answer=state&&text+"."+salt===parts[1]?"unchanged":"changed"
}catch(x){answer="error"}
if(e.source&&e.origin!=="null")e.source.postMessage(answer,e.origin)
})`

// checkSession is the page, made once.
type checkSession struct {
	page   []byte
	policy web.Policy
}

func (SessionManagement) part(p *Provider) (part, error) {
	script := strings.Replace(checkSessionScript, "NAME", `"`+p.site.CookieName(cookieState)+`"`, 1)
	sum := sha256.Sum256([]byte(script))
	p.checkSession = &checkSession{
		page:   []byte("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>Session</title></head><body><script>" + script + "</script></body></html>\n"),
		policy: web.Policy{ScriptHash: "sha256-" + base64.StdEncoding.EncodeToString(sum[:]), FramedByAnybody: true},
	}
	return part{
		routes: []web.Route{
			{Path: pathCheckSession, Methods: []string{http.MethodGet}, Class: web.CrossOrigin, Handler: p.serveCheckSession},
		},
		describe: func(m *metadata) { m.CheckSessionIframe = p.site.URL(pathCheckSession) },
	}, nil
}

// serveCheckSession is the check_session_iframe: the one page of ours that anybody may frame, as it shows nothing and does nothing.
func (p *Provider) serveCheckSession(w http.ResponseWriter, _ *http.Request) {
	p.checkSession.policy.Set(w.Header())
	_, _ = w.Write(p.checkSession.page) // a browser that went away is nobody's error
}

// tellState adds session_state to a response, and gives the browser the state that it was made with.
func (p *Provider) tellState(w http.ResponseWriter, q *authorizationRequest, result *directory.Result, values url.Values) {
	if p.checkSession == nil || result.Session.IsZero() || values == nil || !q.openID() {
		return
	}
	state := browserState(result.Session)
	if told := sessionState(q.ClientID, q.RedirectURI, state); told != "" {
		values.Set("session_state", told)
		if !result.Detached {
			p.site.SetReadableCookie(w, cookieState, state)
		}
	}
}

// forgetState takes the state away from a browser whose session has ended.
func (p *Provider) forgetState(w http.ResponseWriter) {
	if p.checkSession != nil {
		p.site.SetReadableCookie(w, cookieState, "")
	}
}
