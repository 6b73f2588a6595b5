package me

import (
	"github.com/signet-idp/signet/store/directory"
)

// exported is all that is known of a person (GDPR articles 15 and 20), without what proves who they are.
type exported struct {
	Basic    basicData    `json:"basic"`
	Consents []receipt    `json:"consents"`
	Security securityData `json:"security"`
}

// basicData is who they are.
type basicData struct {
	*directory.PersonalData
	// Sessions, Credentials, Locks and Events stand among what is about security.
	Sessions    struct{} `json:"sessions,omitzero"`
	Credentials struct{} `json:"credentials,omitzero"`
	Locks       struct{} `json:"locks,omitzero"`
	Events      struct{} `json:"events,omitzero"`
}

// securityData is how they sign in, and what has happened.
type securityData struct {
	Credentials []directory.PersonalCredential `json:"credentials"`
	Sessions    []directory.PersonalSession    `json:"sessions"`
	Locks       []directory.AccountLocks       `json:"locks"`
	Events      []directory.PersonalEvent      `json:"events"`
	Links       []association                  `json:"federatedAssociations"`
}

// export is everything that is known of the person.
func (a *API) export(c *call) (answer, error) {
	known, err := a.Directory.PersonalData(c.ctx(), c.Subject)
	if err != nil {
		return answer{}, err
	}
	all, err := a.authorizations(c)
	if err != nil {
		return answer{}, err
	}
	out := exported{
		Basic: basicData{PersonalData: known}, Consents: make([]receipt, 0, len(all)),
		Security: securityData{
			Credentials: known.Credentials, Sessions: known.Sessions, Locks: known.Locks, Events: known.Events, Links: []association{},
		},
	}
	for _, one := range all {
		out.Consents = append(out.Consents, c.wholeReceipt(one))
	}
	links, err := a.links(c)
	for _, l := range links {
		out.Security.Links = append(out.Security.Links, association{ID: l.ID, IDP: l.Connection, User: l.ExternalID})
	}
	return answer{Body: out}, err
}
