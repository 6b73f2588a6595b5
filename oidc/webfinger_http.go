package oidc

import (
	"encoding/json"
	"net/http"

	"github.com/signet-idp/signet/internal/web"
)

const pathWebFinger = "/.well-known/webfinger"

func (f *finger) routes() []web.Route {
	return []web.Route{{Path: pathWebFinger, AtRoot: true, Methods: []string{http.MethodGet}, Class: web.TokenAuthenticated, Handler: f.serve}}
}

func (f *finger) serve(w http.ResponseWriter, r *http.Request) {
	form, err := web.ReadQuery(r, "rel")
	if err != nil {
		f.refuse(w, r, formError(err))
		return
	}
	found, refusal := f.find(form)
	if refusal != nil {
		f.refuse(w, r, refusal)
		return
	}
	body, err := json.Marshal(found)
	if err != nil {
		f.refuse(w, r, unavailable(err))
		return
	}
	writePublic(w, "application/jrd+json", body) // RFC 7033 §5: for every origin
}
