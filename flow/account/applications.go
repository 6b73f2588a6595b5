package account

import (
	"slices"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/store/directory"
)

// applications is what the person has allowed applications.
func (p *Portal) applications(v *visit) ([]pages.AccountSection, error) {
	list, err := p.Applications.Authorizations(v.Context(), v.subject.Ref())
	if err != nil {
		return nil, err
	}
	section := pages.AccountSection{ID: "applications"}
	if len(list) == 0 {
		section.Intro = flow.Message{ID: "account.applications.none"}
	}
	for _, a := range list {
		i := pages.AccountItem{
			ID: a.ID, Icon: "badge", Title: literal(a.Name), Actions: []flow.Action{{Name: "revoke", Label: "account.application.revoke", Kind: flow.Secondary}},
		}
		for _, granted := range a.Granted {
			i.Details = append(i.Details, flow.Message{ID: granted.Title, Params: granted.Params})
		}
		i.Details = append(i.Details, at("account.application.since", a.Decided))
		section.Items = append(section.Items, i)
	}
	return []pages.AccountSection{section}, nil
}

// revoke takes back what an application was allowed, and ends its tokens.
func (p *Portal) revoke(v *visit) (outcome, error) {
	list, err := p.Applications.Authorizations(v.Context(), v.subject.Ref())
	if err != nil {
		return outcome{}, err
	}
	id := v.form.Value("id")
	if !slices.ContainsFunc(list, func(a directory.Authorization) bool { return a.ID == id }) {
		return refused("account.gone"), nil
	}
	return did("account.application.revoked"), p.Applications.RevokeConsent(v.Context(), v.subject.Ref(), id)
}
