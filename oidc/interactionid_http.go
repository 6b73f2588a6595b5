package oidc

import (
	"net/http"
	"strings"

	"github.com/signet-idp/signet/store"
)

// headerInteraction names a call in the logs of both sides (FAPI 1.0 Baseline §6.2.1-11).
const headerInteraction = "X-Fapi-Interaction-Id"

// longestInteraction is how long a name may be to be given back; a UUID has 36 bytes.
const longestInteraction = 128

// tellInteraction gives back the name that the client has for its call, or one of ours where it has none, in profiles of FAPI.
func (p *Provider) tellInteraction(w http.ResponseWriter, r *http.Request) {
	if p.config.Profile.algorithms() == nil { // none of FAPI's
		return
	}
	id := r.Header.Get(headerInteraction)
	if id == "" || len(id) > longestInteraction || strings.ContainsFunc(id, notInURL) {
		id = store.NewID()
	}
	w.Header().Set(headerInteraction, id)
}
