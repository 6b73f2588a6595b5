package oidc

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/signet-idp/signet/internal/web"
)

func (r *registrar) routes() []web.Route {
	at := func(path, method string, handler http.HandlerFunc) web.Route {
		return web.Route{Path: path, Methods: []string{method}, Class: web.TokenAuthenticated, Handler: handler}
	}
	const managed = pathRegister + "/{client_id}"
	routes := []web.Route{
		at(pathRegister, http.MethodPost, r.serveRegister),
		at(managed, http.MethodGet, r.serveRead), at(managed, http.MethodPut, r.serveUpdate), at(managed, http.MethodDelete, r.serveDelete),
	}
	if r.settings.WSO2 {
		routes = append(routes, at(pathRegister, http.MethodGet, r.serveFind))
	}
	return routes
}

// serveFind answers with the registration of a name (Registration.WSO2).
func (r *registrar) serveFind(w http.ResponseWriter, q *http.Request) {
	r.serveManaged(w, q, func(ctx context.Context, _, token string) (*registration, error) {
		form, err := web.ReadQuery(q)
		switch {
		case err != nil:
			return nil, formError(err)
		case !form.Has("client_name"):
			return nil, invalidRequest("client_name is missing")
		}
		return r.named(ctx, form.Value("client_name"), token)
	})
}

// serveRegister is the registration endpoint (RFC 7591 §3).
func (r *registrar) serveRegister(w http.ResponseWriter, q *http.Request) {
	token, err := headerToken(q)
	if err == nil {
		err = r.admitted(q)
	}
	var document []byte
	if err == nil {
		document, err = readDocument(w, q)
	}
	if err != nil {
		r.refuse(w, q, err)
		return
	}
	made, err := r.register(q.Context(), token, document)
	if err != nil {
		r.refuse(w, q, err)
		return
	}
	web.WriteValue(w, http.StatusCreated, r.document(made))
}

// admitted bounds how many registrations one address may leave behind.
func (r *registrar) admitted(q *http.Request) error {
	if refusal := r.admit(q, ""); refusal != nil {
		return refusal
	}
	return nil
}

// serveRead, serveUpdate and serveDelete are the client configuration endpoint (RFC 7592 §2).
func (r *registrar) serveRead(w http.ResponseWriter, q *http.Request) {
	r.serveManaged(w, q, r.manage)
}

func (r *registrar) serveUpdate(w http.ResponseWriter, q *http.Request) {
	r.serveManaged(w, q, func(ctx context.Context, clientID, token string) (*registration, error) {
		document, err := readDocument(w, q)
		if err != nil {
			return nil, err
		}
		return r.update(ctx, clientID, token, document)
	})
}

func (r *registrar) serveDelete(w http.ResponseWriter, q *http.Request) {
	r.serveManaged(w, q, func(ctx context.Context, clientID, token string) (*registration, error) {
		return nil, r.remove(ctx, clientID, token)
	})
}

// serveManaged answers with what is left of a registration: 204 when nothing is (RFC 7592 §2.3).
func (r *registrar) serveManaged(w http.ResponseWriter, q *http.Request, act func(ctx context.Context, clientID, token string) (*registration, error)) {
	token, err := headerToken(q)
	if err == nil && token == "" {
		err = errNoToken
	}
	var left *registration
	if err == nil {
		left, err = act(q.Context(), q.PathValue("client_id"), token)
	}
	switch {
	case err != nil:
		r.refuse(w, q, err)
	case left == nil:
		web.NoStore(w.Header())
		w.WriteHeader(http.StatusNoContent)
	default:
		web.WriteValue(w, http.StatusOK, r.document(left))
	}
}

// headerToken returns the bearer token of the Authorization header; "" is none.
func headerToken(q *http.Request) (string, error) {
	if err := refuseQuerySecrets(q); err != nil {
		return "", err
	}
	switch headers := q.Header.Values("Authorization"); {
	case len(headers) > 1:
		return "", invalidRequest("the Authorization header stands more than once")
	case len(headers) == 1:
		scheme, token, _ := strings.Cut(headers[0], " ")
		if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
			return "", errNoToken
		}
		return token, nil
	}
	return "", nil
}

// readDocument reads a body of JSON.
func readDocument(w http.ResponseWriter, q *http.Request) ([]byte, error) {
	mediaType, _, err := mime.ParseMediaType(q.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return nil, &Error{Code: "invalid_client_metadata", Description: "the body must be application/json", Status: http.StatusUnsupportedMediaType}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxMetadata))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &Error{Code: "invalid_client_metadata", Description: "the body is too large", Status: http.StatusRequestEntityTooLarge}
	}
	if err != nil {
		return nil, invalidRequest("the body could not be read").because(err)
	}
	return body, nil
}
