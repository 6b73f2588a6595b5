package oidc

import (
	"net/http"
	"strconv"
)

// serveMetadata is the discovery document. It has no secrets and changes with deployments alone, so anybody may read and
// keep it for a while.
func (p *Provider) serveMetadata(w http.ResponseWriter, r *http.Request) {
	document, err := p.discovery(r.Context())
	if err != nil {
		p.refuse(w, r, unavailable(err))
		return
	}
	writePublic(w, "application/json", document)
}

// serveJWKS is the key set. It may be kept for less time than a key is published before its first use.
func (p *Provider) serveJWKS(w http.ResponseWriter, r *http.Request) {
	_, document, err := p.keys.current(r.Context())
	if err != nil {
		p.refuse(w, r, unavailable(err))
		return
	}
	writePublic(w, "application/jwk-set+json", document)
}

func writePublic(w http.ResponseWriter, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Access-Control-Allow-Origin", "*") // public documents, read without credentials
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // a client that went away is nobody's error
}
