package account

import (
	"encoding/json"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/internal/web"
)

// data is what is kept of the person, and the end of it.
func (p *Portal) data(v *visit) ([]pages.AccountSection, error) {
	sections := []pages.AccountSection{{
		ID: "export_section", Title: flow.Message{ID: "account.export"}, Intro: flow.Message{ID: "account.export.intro"},
		Actions: []flow.Action{{Name: "export", Label: "account.export.download", Kind: flow.Secondary}},
	}}
	if p.mayDelete(v) {
		sections = append(sections, pages.AccountSection{
			ID: "delete_section", Title: flow.Message{ID: "account.delete"}, Intro: flow.Message{ID: "account.delete.intro"},
			Fields: []flow.Field{{
				Name: "confirm", Type: flow.CheckboxField, Label: "account.delete.confirm", Required: true,
			}},
			Actions: []flow.Action{{Name: "delete_account", Label: "account.delete.button", Kind: flow.Secondary}},
		})
	}
	return sections, nil
}

func (p *Portal) dataActions() map[string]func(*visit) (outcome, error) {
	return map[string]func(*visit) (outcome, error){"export": p.export, "delete_account": p.deleteAccount}
}

func (p *Portal) mayDelete(v *visit) bool {
	return !p.NoDeletion && p.Directory.Capabilities(v.user).Write
}

// export sends all that is known of the person as a file (GDPR articles 15 and 20).
func (p *Portal) export(v *visit) (outcome, error) {
	known, err := p.Directory.PersonalData(v.Context(), v.subject)
	if err != nil {
		return outcome{}, err
	}
	known.Further = map[string]any{}
	if p.Applications != nil {
		if known.Further["applications"], err = p.Applications.Authorizations(v.Context(), v.subject.Ref()); err != nil {
			return outcome{}, err
		}
	}
	if p.Connections != nil {
		if known.Further["linkedAccounts"], err = p.Connections.Links(v.Context(), v.subject.Ref()); err != nil {
			return outcome{}, err
		}
	}
	body, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return outcome{}, err
	}
	web.NoStore(v.w.Header())
	v.w.Header().Set("Content-Disposition", `attachment; filename="account.json"`)
	v.w.Header().Set("X-Content-Type-Options", "nosniff")
	web.WriteAs(v.w, 200, "application/json", body)
	return answered, nil
}

// deleteAccount deletes the account, and everything that hangs on it.
func (p *Portal) deleteAccount(v *visit) (outcome, error) {
	if !p.mayDelete(v) {
		return outcome{}, errMalformed
	}
	if v.form.Value("confirm") != "true" {
		v.problems = map[string]flow.Message{"confirm": {ID: "account.delete.unconfirmed", Level: flow.Error}}
		return refused("account.refused"), nil
	}
	branding, err := p.branding(v)
	if err != nil {
		return outcome{}, err
	}
	if err := p.Directory.DeleteUser(v.Context(), v.user); err != nil {
		return outcome{}, err
	}
	if err := p.Engine.EndSession(v.w, v.Request, v.session.Ref(), "user.deleted"); err != nil {
		p.log.WarnContext(v.Context(), "the session of a deleted account was not ended", "session", v.session.ID, "error", err)
	}
	p.Look.Done(v.w, v.Request, flow.View{
		Prompt: flow.Prompt{Title: flow.Message{ID: "account.deleted.title"}, Intro: flow.Message{ID: "account.deleted.intro"}}, Branding: branding,
	})
	return answered, nil
}
