package account

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// detail is a field of the profile, by its name in a directory.User and in its problems.
type detail struct {
	name, autocomplete string
	of                 func(*directory.User) *string
}

var details = [...]detail{
	{"name", "name", func(u *directory.User) *string { return &u.Name }},
	{"givenName", "given-name", func(u *directory.User) *string { return &u.GivenName }},
	{"familyName", "family-name", func(u *directory.User) *string { return &u.FamilyName }},
	{"nickname", "nickname", func(u *directory.User) *string { return &u.Nickname }},
	{"birthdate", "bday", func(u *directory.User) *string { return &u.Birthdate }},
	{"website", "url", func(u *directory.User) *string { return &u.Website }},
	{"locale", "off", func(u *directory.User) *string { return &u.Locale }},
	{"zoneinfo", "off", func(u *directory.User) *string { return &u.Zoneinfo }},
}

// profile is who the person is.
func (p *Portal) profile(v *visit) ([]pages.AccountSection, error) {
	section := pages.AccountSection{ID: "profile"}
	writes := p.Directory.Capabilities(v.user).Write
	for _, d := range details {
		section.Fields = append(section.Fields, flow.Field{
			Name: d.name, Type: flow.TextField, Label: "account." + d.name, Value: *d.of(v.user), Autocomplete: d.autocomplete, ReadOnly: !writes,
		})
	}
	if writes {
		section.Actions = []flow.Action{{Name: "save", Label: "account.save"}}
	} else {
		section.Items = readOnly(v.user)
	}
	rules, err := p.Directory.Attributes(v.Context(), v.subject.Org)
	if err != nil {
		return nil, err
	}
	for _, rule := range rules.Rules {
		value := v.user.Attributes[rule.Name]
		switch {
		case rule.Account == directory.AttributeHidden:
		case rule.Account.Asks() && writes:
			field := flow.AttributeField(rule)
			if rule.Shows(value) {
				field.Value = rule.Text(value)
			}
			field.Required = rule.Account == directory.AttributeRequired && (value == nil || rule.Shows(value))
			section.Fields = append(section.Fields, field)
		case rule.Text(value) != "":
			section.Items = append(section.Items, pages.AccountItem{
				Icon: "badge", Title: flow.Message{ID: flow.AttributeField(rule).Label}, Details: []flow.Message{shown(rule, value)},
			})
		}
	}
	return []pages.AccountSection{section}, nil
}

// shown is the value of an attribute for reading.
func shown(rule directory.AttributeRule, value any) flow.Message {
	switch value {
	case true:
		return flow.Message{ID: "account.yes"}
	case false:
		return flow.Message{ID: "account.no"}
	}
	text := rule.Text(value)
	for _, choice := range flow.AttributeField(rule).Choices {
		if choice.Value == text {
			return flow.Message{ID: choice.Label}
		}
	}
	return literal(text)
}

// readOnly is the profile of somebody whose store does not write.
func readOnly(u *directory.User) (items []pages.AccountItem) {
	for _, d := range details {
		if value := *d.of(u); value != "" {
			items = append(items, pages.AccountItem{Icon: "badge", Title: flow.Message{ID: "account." + d.name}, Details: []flow.Message{literal(value)}})
		}
	}
	return items
}

// literal is a text of the person's own.
func literal(s string) flow.Message {
	return flow.Message{ID: "account.literal", Params: map[string]string{"text": s}}
}

func (p *Portal) saveProfile(v *visit) (outcome, error) {
	rules, err := p.Directory.Attributes(v.Context(), v.subject.Org)
	if err != nil {
		return outcome{}, err
	}
	out, err := p.write(v, "account.saved", func(u *directory.User) error {
		for _, d := range details {
			*d.of(u) = strings.TrimSpace(v.form.Value(d.name))
		}
		return v.writeAttributes(rules, u)
	})
	for _, rule := range rules.Rules { // a box without a tick is not in the form
		if field := flow.AttributeField(rule); v.typed != nil && field.Type == flow.CheckboxField {
			v.typed[field.Name] = v.form.Value(field.Name)
		}
	}
	return out, err
}

// writeAttributes takes over what the form says of attributes that people are asked for; an error has everything that is wrong with it. What the form
// leaves as it was stays as it is stored, whatever that is.
func (v *visit) writeAttributes(rules directory.AttributePolicy, u *directory.User) error {
	attributes := maps.Clone(u.Attributes)
	if attributes == nil {
		attributes = map[string]any{}
	}
	var problems []error
	for _, rule := range rules.Rules {
		if !rule.Account.Asks() {
			continue
		}
		text, was := v.form.Value(flow.AttributeField(rule).Name), attributes[rule.Name]
		unticked := rule.Type == directory.BooleanAttribute && was == false // which is no consent, whoever has stored it
		if was != nil && was != "" && !unticked && (text == rule.Text(was) || text == "" && !rule.Shows(was)) {
			continue
		}
		value, err := rule.Parse(text)
		if err == nil && rule.Account == directory.AttributeRequired {
			err = rule.Missing(value)
		}
		problems = append(problems, err)
		switch _, had := attributes[rule.Name]; {
		case value == nil:
			delete(attributes, rule.Name)
		case value != false || had: // nobody has said no to a box that they have never ticked
			attributes[rule.Name] = value
		}
	}
	u.Attributes = attributes
	return errors.Join(problems...)
}

// write edits what people may write about themselves, and has new addresses confirmed.
func (p *Portal) write(v *visit, done string, edit func(*directory.User) error) (outcome, error) {
	var confirm bool
	err := p.apply(v, func(b *store.Batch) error {
		u, err := p.Directory.UserOf(v.Context(), v.subject)
		if err != nil {
			return err
		}
		if err := edit(u); err != nil {
			return errors.Join(err, u.Validate())
		}
		tickets, err := p.Directory.ReplaceOwn(v.Context(), b, u)
		if err != nil {
			return err
		}
		confirm = len(tickets) > 0
		for _, ticket := range tickets {
			if err := p.ask(v, b, ticket); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case err == nil && confirm:
		return did("account.confirm"), nil
	case err == nil:
		return did(done), nil
	}
	return v.refuse(err)
}

// refuse is the outcome of a form with what directory has found wrong with it. Other errors are failures.
func (v *visit) refuse(err error) (outcome, error) {
	if _, ok := errors.AsType[*directory.TakenError](err); ok {
		return refused("account.taken"), nil
	}
	if conflict, ok := errors.AsType[*store.Conflict](err); ok && conflict.Key.Name != "" {
		return refused("account.taken"), nil
	}
	if _, ok := errors.AsType[*directory.TicketLimitError](err); ok {
		return refused("throttle.wait"), nil
	}
	found := directory.Problems(err)
	if len(found) == 0 {
		return outcome{}, err
	}
	v.problems, v.typed = map[string]flow.Message{}, map[string]string{}
	for _, name := range v.form.Names() {
		v.typed[name] = v.form.Value(name)
	}
	for _, one := range found {
		field := one.Field
		switch field { // an address that was to wait
		case "pendingEmail":
			field = "email"
		case "pendingPhone":
			field = "phone"
		}
		m := flow.Message{ID: "account.bad", Level: flow.Error}
		switch {
		case one.ID != "":
			m = flow.Message{ID: one.ID, Level: flow.Error, Params: one.Params}
		case slices.Contains(explained, field):
			m.ID += "." + field
		}
		v.problems[field] = m
	}
	return refused("account.refused"), nil
}

// explained are the fields of which the person is told what they should look like.
var explained = []string{"birthdate", "website", "locale", "zoneinfo", "email", "phone"}

// contact is how the person is reached.
func (p *Portal) contact(v *visit) ([]pages.AccountSection, error) {
	if !p.Directory.Capabilities(v.user).Write {
		return []pages.AccountSection{{ID: "contact", Intro: flow.Message{ID: "account.elsewhere"}}}, nil
	}
	section := pages.AccountSection{
		ID: "contact",
		Fields: []flow.Field{
			{Name: "email", Type: flow.EmailField, Label: "account.email", Value: v.user.Email, Autocomplete: "email"},
			{Name: "phone", Type: flow.TextField, Label: "account.phone", Value: v.user.Phone, Autocomplete: "tel"},
		},
		Actions: []flow.Action{{Name: "save", Label: "account.save"}},
	}
	for _, a := range []struct {
		icon, value, pending string
		verified             bool
	}{{"mail", v.user.Email, v.user.PendingEmail, v.user.EmailVerified}, {"phone", v.user.Phone, v.user.PendingPhone, v.user.PhoneVerified}} {
		if a.value != "" {
			state := "account.unverified"
			if a.verified {
				state = "account.verified"
			}
			section.Items = append(section.Items, pages.AccountItem{Icon: a.icon, Title: literal(a.value), Details: []flow.Message{{ID: state}}})
		}
		if a.pending != "" {
			section.Items = append(section.Items, pages.AccountItem{
				Icon: "clock", Title: literal(a.pending), Details: []flow.Message{{ID: "account.pending"}},
			})
		}
	}
	return []pages.AccountSection{section}, nil
}

func (p *Portal) contactActions() map[string]func(*visit) (outcome, error) {
	return map[string]func(*visit) (outcome, error){"save": func(v *visit) (outcome, error) {
		return p.write(v, "account.saved", func(u *directory.User) error {
			u.Email, u.Phone = strings.TrimSpace(v.form.Value("email")), strings.TrimSpace(v.form.Value("phone"))
			return nil
		})
	}}
}

// ask adds to the batch the message that has an address confirmed.
func (p *Portal) ask(v *visit, b *store.Batch, issued *directory.IssuedTicket) error {
	if p.Messages == nil {
		return errors.New("account: an address is to be confirmed, and nothing can be sent")
	}
	m := notify.Message{
		Template: notify.VerifyEmailOnUpdate, Channel: notify.Email, To: issued.Ticket.Address, Subject: v.subject.Ref(), Organization: v.subject.Org,
		Expires: issued.Ticket.Expires, Params: map[string]string{notify.Code: issued.Code.Reveal()},
	}
	if issued.Ticket.Purpose == directory.VerifyPhone {
		m.Template, m.Channel = notify.VerifyMobileOnUpdate, notify.SMS
	}
	if issued.Token != "" {
		m.Params[notify.Link] = p.Engine.VerificationLink(issued.Token)
	}
	return p.Messages.Send(b, m)
}
