package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/signet-idp/signet/oidc/resource"
)

// protect serves the MCP server behind a Guard that asks the provider in this program: no network, and a token dies with its session.
func (h *house) protect(issuer string, server *mcp.Server) error {
	guard, err := resource.New(resource.Config{
		Resource: h.server, Issuers: []string{issuer}, Verifier: h.idp.OIDC, Scopes: []string{readNotes}, Name: "Notes",
	})
	if err != nil {
		return err
	}
	guard.Mount(h.mux)
	h.metadata = issuer + "/.well-known/oauth-protected-resource/mcp"
	tools := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true})
	h.mux.Handle("/mcp", guard.Protect(readNotes)(stepUp(guard, tools)))
	return nil
}

// maxCall is how long a call of a tool may be.
const maxCall = 1 << 20

// stepUp sends a client back for the scope that the tool it calls needs beyond reading: to the client a tool is only a name in a body, so
// the body is looked at before the server has it.
func stepUp(guard *resource.Guard, server http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
		if err != nil {
			http.Error(w, "the call is too long", http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if scope := scopeOf(body); scope != "" && !guard.Require(w, r, resource.Requirement{Scopes: []string{readNotes, scope}}) {
			return
		}
		server.ServeHTTP(w, r)
	})
}

// scopeOf is the scope that a call needs beyond reading; "" is none. What cannot be read is for the server to refuse; several calls in one
// body, which MCP has given up, need the most that any could.
func scopeOf(body []byte) string {
	var call struct {
		Method string `json:"method"`
		Params struct {
			Name string `json:"name"`
		} `json:"params"`
	}
	switch err := json.Unmarshal(body, &call); {
	case err != nil && len(body) > 0:
		return deleteNotes
	case call.Method == "tools/call" && call.Params.Name == toolDelete:
		return deleteNotes
	}
	return ""
}
