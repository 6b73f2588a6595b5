package resource

import (
	"net/http"
	"strings"
)

// metadata is the protected resource metadata document (RFC 9728 §2).
type metadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	Scopes               []string `json:"scopes_supported,omitempty"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	Name                 string   `json:"resource_name,omitempty"`
	Documentation        string   `json:"resource_documentation,omitempty"`
	DPoPAlgorithms       []string `json:"dpop_signing_alg_values_supported,omitempty"`
	DPoPRequired         bool     `json:"dpop_bound_access_tokens_required,omitempty"`
	JWKSURI              string   `json:"jwks_uri,omitempty"`
}

const wellKnown = "/.well-known/oauth-protected-resource"

func (g *Guard) describe() metadata {
	c := g.config
	m := metadata{
		Resource: c.Resource, AuthorizationServers: c.Issuers, Scopes: c.Scopes, BearerMethods: []string{"header"},
		Name: c.Name, Documentation: c.Documentation, DPoPAlgorithms: g.proofs.AlgorithmNames(), DPoPRequired: c.RequireDPoP,
	}
	if c.SignedMetadata != nil {
		m.JWKSURI = c.SignedMetadata.JWKSURI
	}
	return m
}

// metadataPath is where the document lies: between host and path of the Resource, of which a lone slash does not count (RFC 9728
// §3.1).
func (g *Guard) metadataPath() string {
	if path := g.base.EscapedPath(); path != "/" {
		return wellKnown + path
	}
	return wellKnown
}

func (g *Guard) metadataURL() string { return g.base.Scheme + "://" + g.base.Host + g.metadataPath() }

// Mount registers the metadata document at the root of the host, where clients look for it (RFC 9728 §3).
func (g *Guard) Mount(mux *http.ServeMux) {
	pattern := "GET " + g.metadataPath()
	if strings.HasSuffix(pattern, "/") {
		pattern += "{$}"
	}
	mux.Handle(pattern, g.Metadata())
}

// Metadata serves the metadata document, which anybody may read, for hosts with a mux of their own.
func (g *Guard) Metadata() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("Access-Control-Allow-Origin", "*") // a public document, read without credentials
		h.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(g.metadata) // a client that went away is nobody's error
	})
}
