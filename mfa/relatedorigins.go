package mfa

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
)

// RelatedOriginsPath is where, on the host that is the RPID, browsers look for RelatedOrigins (WebAuthn §5.11).
const RelatedOriginsPath = "/.well-known/webauthn"

// RelatedOrigins returns the JSON document that lets the origins outside of the RPID use its passkeys, and nil when there are none.
// It is served as application/json at RelatedOriginsPath.
func (rp *RelyingParty) RelatedOrigins() []byte {
	if len(rp.related) == 0 {
		return nil
	}
	document, _ := json.Marshal(struct { // strings always encode
		Origins []string `json:"origins"`
	}{rp.related})
	return document
}

// relate finds the origins outside of the RPID, and refuses more names than browsers look at.
func (rp *RelyingParty) relate() error {
	for _, origin := range rp.config.Origins {
		u, err := url.Parse(origin)
		if err != nil || u.Hostname() == rp.config.RPID || strings.HasSuffix(u.Hostname(), "."+rp.config.RPID) {
			continue
		}
		if !slices.Contains(rp.related, origin) {
			rp.related = append(rp.related, origin)
		}
	}
	if len(rp.related) == 0 {
		return nil
	}
	if _, err := protocol.NewRelatedOrigins(rp.related...); err != nil {
		return fmt.Errorf("mfa: Passkeys.Origins: %w", err)
	}
	return nil
}
