package web

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/signet-idp/signet/internal/secret"
)

// NoStore marks an answer that no cache may keep.
func NoStore(h http.Header) { set(h, cacheControl, "no-store", pragma, "no-cache") }

const (
	cacheControl = "Cache-Control"
	pragma       = "Pragma" // RFC 6749 §5.1 demands it beside Cache-Control
)

// set is h.Set for pairs of a name, in its canonical form, and a value. The values lie in one slice.
func set(h http.Header, pairs ...string) {
	values := make([]string, len(pairs)/2)
	for i := range values {
		values[i] = pairs[2*i+1]
		h[pairs[2*i]] = values[i : i+1 : i+1]
	}
}

// WriteJSON writes body, which must be JSON, uncached.
func WriteJSON(w http.ResponseWriter, status int, body []byte) {
	WriteAs(w, status, "application/json", body)
}

// WriteAs writes an encoded document of a media type, uncached.
func WriteAs(w http.ResponseWriter, status int, mediaType string, body []byte) {
	set(w.Header(), cacheControl, "no-store", pragma, "no-cache", "Content-Type", mediaType,
		"X-Content-Type-Options", "nosniff", "Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is nobody's error
}

// WriteValue writes v as JSON, uncached. v must be encodable.
func WriteValue(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, `{"error":"server_error"}`, http.StatusInternalServerError)
		return
	}
	WriteJSON(w, status, body)
}

// SeeOther sends the browser on by GET (RFC 9110 §15.4.4), uncached, and without telling the next site where from.
func SeeOther(w http.ResponseWriter, location string) {
	h := w.Header()
	NoStore(h)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

// Policy is the Content-Security-Policy of one page. The zero value allows the page's own style sheet and images, posting
// to its own origin, and nothing else.
type Policy struct {
	// FormAction are further sources a form of the page may lead to: the proven redirect target's origin or scheme,
	// because Chromium checks the whole redirect chain that follows a post.
	FormAction []string
	// ScriptHash is the "sha256-…" of the one inline script of the page; "" is none.
	ScriptHash string
	// Script is the one script file of the page, as a URL with its origin; "" is none.
	Script string
	// Asks says that the script of the page asks this host for more.
	Asks bool
	// StyleNonce admits the one inline style of the page; "" is none.
	StyleNonce string
	// Images are further image sources, as a logo's origin.
	Images []string
	// FramedBy is the one origin that may show the page in a frame; "" is none.
	FramedBy string
	// FramedByAnybody is for a page that shows nothing and does nothing.
	FramedByAnybody bool
	// Frames are what the page may frame; nil is nothing.
	Frames []string
	// Widget are the sources of something that a service shows on the page: its scripts, styles, frames and requests. The host of one
	// may begin with "*.". Nil is nothing.
	Widget []string
}

// Set writes the headers that every page has.
func (p Policy) Set(h http.Header) {
	NoStore(h)
	style := "'self'"
	if base64Value.MatchString(p.StyleNonce) {
		style += " 'nonce-" + p.StyleNonce + "'"
	}
	script := "'none'"
	switch {
	case base64Value.MatchString(p.ScriptHash):
		script = "'" + p.ScriptHash + "'"
	case source.MatchString(p.Script):
		script = p.Script
	}
	framing := "frame-ancestors 'none'"
	switch {
	case p.FramedByAnybody:
		framing = "frame-ancestors *"
	case source.MatchString(p.FramedBy):
		framing = "frame-ancestors " + p.FramedBy
	default:
		h.Set("X-Frame-Options", "DENY")
	}
	widget := p.widget()
	if widget != "" {
		script = strings.TrimPrefix(script, "'none'") + widget
	}
	directives := []string{
		"default-src 'none'",
		"script-src " + strings.TrimSpace(script),
		"style-src " + style + widget,
		sources("img-src 'self' data:", p.Images),
		"font-src 'self'",
		sources("form-action 'self'", p.FormAction),
		framing,
		"base-uri 'none'",
	}
	if p.Asks || widget != "" {
		directives = append(directives, "connect-src 'self'"+widget)
	}
	if len(p.Frames) > 0 || widget != "" {
		directives = append(directives, sources("frame-src", p.Frames)+widget)
	}
	h.Set("Content-Security-Policy", strings.Join(directives, "; "))
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
}

// widget is what Widget adds to a directive.
func (p Policy) widget() (more string) {
	for _, s := range p.Widget {
		if widgetSource.MatchString(s) {
			more += " " + s
		}
	}
	return more
}

var (
	// source is an origin without wildcards, with a path or without, or a private-use scheme in reverse domain form: all
	// that a policy may be widened by (CSP3 §2.3.1).
	source = regexp.MustCompile(`^(https?://[A-Za-z0-9._\-\[\]:]+(/[A-Za-z0-9._~/%\-]*)?|[a-z][a-z0-9+\-]*\.[a-z0-9+.\-]*:)$`)
	// widgetSource is an https origin, of all names below another one if it begins so, with a path or without.
	widgetSource = regexp.MustCompile(`^https://(\*\.)?[A-Za-z0-9\-]+(\.[A-Za-z0-9\-]+)+(:[0-9]+)?(/[A-Za-z0-9._~/%\-]*)?$`)
	// base64Value is a nonce-source's or hash-source's value (CSP3 §2.3.1).
	base64Value = regexp.MustCompile(`^[A-Za-z0-9+/_\-]+=*$`)
)

// sources appends to the directive; what is no source is left out rather than let it say something else.
func sources(directive string, more []string) string {
	for _, s := range more {
		if source.MatchString(s) {
			directive += " " + s
		}
	}
	return directive
}

// NewCorrelationID returns an id that stands on an error page and in the log line with its cause.
func NewCorrelationID() string { return secret.Short().Reveal()[:12] }
