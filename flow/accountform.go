package flow

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// hashFact is the hash of the password of somebody who registers, in a plan that asks for it before it makes the account.
const hashFact = registerFacts + "hash"

// stockFields are what the plan "register" asks for, beside the attributes of the organization.
const stockFields = emailField + "+ " + givenNameField + " " + familyNameField

// attributeField stands before the name of an attribute in that of its field.
const attributeField = "attributes."

// asking is a field that a step of a registration asks for. The rule is an attribute's.
type asking struct {
	name     string
	required bool
	rule     *directory.AttributeRule
}

// form is what a step of a registration asks for. An attribute that was drawn, and of which the organization asks nobody any more, is left out.
func form(ctx context.Context, s *State) (fields []asking, err error) {
	rules, err := s.dir.Attributes(ctx, s.Request.Organization)
	if err != nil {
		return nil, err
	}
	text := s.Params[ParamFields]
	if text == "" {
		text = stockFields
		for _, rule := range rules.Rules {
			if rule.Registration.Asks() {
				text += " " + attributeField + rule.Name
			}
		}
	}
	for _, name := range strings.Fields(text) {
		name, must := strings.CutSuffix(name, "+")
		f := asking{name: name, required: must}
		if attribute, ok := strings.CutPrefix(name, attributeField); ok {
			if f.rule = rules.Rule(attribute); f.rule == nil || !f.rule.Registration.Asks() {
				continue
			}
			f.required = must || f.rule.Registration == directory.AttributeRequired
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// formFields are the fields of such a step.
func formFields(ctx context.Context, s *State) ([]Field, error) {
	asked, err := form(ctx, s)
	if err != nil {
		return nil, err
	}
	var fields []Field
	for i, a := range asked {
		f := Field{Name: a.name, Type: TextField, Required: a.required, Focus: i == 0}
		switch {
		case a.rule != nil:
			f = AttributeField(*a.rule)
			f.Required, f.Focus = a.required, i == 0
		case a.name == emailField:
			f.Type, f.Label, f.Value, f.Autocomplete = EmailField, "register.email", s.Request.Hint, "email"
		case a.name == usernameField:
			f.Label, f.Autocomplete = "register.username", "username"
		case a.name == givenNameField:
			f.Label, f.Autocomplete = "register.given-name", "given-name"
		case a.name == familyNameField:
			f.Label, f.Autocomplete = "register.family-name", "family-name"
		case a.name == phoneField:
			f.Label, f.Autocomplete = "register.phone", "tel"
		case a.name == newPasswordField:
			policy, err := directory.Resolve(ctx, s.dir.Settings, s.dir.Settings.Password, s.Request.Organization, "")
			if err != nil {
				return nil, err
			}
			f.Type, f.Label, f.Autocomplete, f.Required, f.Policy = PasswordField, "new-password.password", "new-password", true, &policy
		default:
			return nil, errors.New("flow: a registration has no field " + a.name)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// AttributeField is the field of a form that asks for an attribute, without a value. Its Name is "attributes." and that of the attribute, and
// the answer is for AttributeRule.Parse.
func AttributeField(rule directory.AttributeRule) Field {
	id := attributeField + rule.Name
	f := Field{Name: id, Type: TextField, Label: id + "|" + cmp.Or(rule.Label, rule.Name), Autocomplete: "off"}
	if rule.Hint != "" {
		f.Hint = Message{ID: id + ".hint|" + rule.Hint}
	}
	switch rule.Type {
	case directory.NumberAttribute, directory.IntegerAttribute:
		f.Type = NumberField
	case directory.BooleanAttribute:
		f.Type = CheckboxField
	case directory.DateAttribute:
		f.Type = DateField
	case directory.ChoiceAttribute:
		f.Type = ChoiceField
		for _, c := range rule.Choices {
			f.Choices = append(f.Choices, FieldChoice{Value: c.Value, Label: id + ".choice." + c.Value + "|" + cmp.Or(c.Label, c.Value)})
		}
	}
	return f
}

// unfilled are the problems of fields that must be filled and are not, and of attributes that are not what they should be.
func unfilled(asked []asking, in Input) Verdict {
	v := Verdict{Outcome: Again, Problems: map[string]Message{}, Keep: map[string]string{}}
	for _, a := range asked {
		if a.name != newPasswordField {
			v.Keep[a.name] = in.Value(a.name)
		}
		if a.rule != nil {
			value, err := a.rule.Parse(in.Value(a.name))
			if err == nil && a.required {
				err = a.rule.Missing(value)
			}
			if problems := directory.Problems(err); len(problems) > 0 {
				v.Problems[a.name] = inWords(problems[0], "register.refused")
			}
		} else if a.required && strings.TrimSpace(in.Value(a.name)) == "" {
			v.Problems[a.name] = Message{ID: "register.missing", Level: Error}
		} else if number := numberOf(in); a.name == phoneField && number != "" && !directory.IsPhone(number) {
			v.Problems[a.name] = Message{ID: "register.phone-form", Level: Error}
		}
	}
	return v
}

// numberOf is the telephone number of a form, as messages are sent to it.
func numberOf(in Input) string { return spaces.Replace(strings.TrimSpace(in.Value(phoneField))) }

// learned are the facts that a form of a registration leaves, with the hash of the password if it asks for one.
func (m mailing) learned(ctx context.Context, asked []asking, in Input, user *directory.User) (map[string]string, error) {
	facts := map[string]string{}
	for _, a := range asked {
		switch {
		case a.rule != nil:
			facts[registerFacts+a.name] = strings.TrimSpace(in.Value(a.name))
		case a.name == usernameField:
			facts[registerFacts+a.name] = user.Username
		case a.name == givenNameField:
			facts[registerFacts+a.name] = user.GivenName
		case a.name == familyNameField:
			facts[registerFacts+a.name] = user.FamilyName
		case a.name == phoneField:
			facts[registerFacts+a.name] = numberOf(in)
		case a.name == newPasswordField:
			hash, err := m.dir.HashPassword(ctx, user, in.Value(newPasswordField))
			if err != nil {
				return nil, err
			}
			facts[hashFact] = string(hash)
		}
	}
	return facts, nil
}

// judgeName is the problem of a user name that somebody has chosen on a form, with "" for none. Whether somebody has it is said where
// RegistrationPolicy says so; elsewhere whoever has proven an address learns it, when the account is made.
func (m mailing) judgeName(ctx context.Context, s *State, asked []asking, in Input) (problem Message, err error) {
	if !slices.ContainsFunc(asked, func(a asking) bool { return a.name == usernameField }) {
		return Message{}, nil
	}
	name := strings.TrimSpace(in.Value(usernameField))
	if err := m.dir.CheckUsername(ctx, s.Request.Organization, name); err != nil {
		if problems := directory.Problems(err); len(problems) > 0 {
			return inWords(problems[0], "register.refused"), nil
		}
		return Message{}, err
	}
	if another, err := m.anothers(ctx, s, name, cmp.Or(typed(s, asked, in, emailField), s.Facts[askedFact])); err != nil || another {
		return nameOfAnother, err
	}
	policy, err := directory.Resolve(ctx, m.dir.Settings, m.dir.Settings.Registration, s.Request.Organization, "")
	if err != nil || !policy.ShowTaken {
		return Message{}, err
	}
	_, err = m.dir.FindUser(ctx, s.Request.Organization, name)
	if errors.Is(err, store.ErrNotFound) {
		return Message{}, nil
	}
	return nameTaken, err
}

var (
	// nameTaken says that somebody has a user name.
	nameTaken = Message{ID: "register.username-taken", Level: Error}
	// nameOfAnother says that a user name is an address, or a number, that the person has not shown to be theirs.
	nameOfAnother = Message{ID: "register.username-address", Level: Error}
)

// anothers reports whether a user name is what somebody else may sign in with, or be looked for by, one day: an address that is not the one that is
// confirmed, "" where that is asked for later, or a number where those are logins.
func (m mailing) anothers(ctx context.Context, s *State, name, address string) (bool, error) {
	if strings.Contains(name, "@") {
		return address != "" && directory.Fold(name) != directory.Fold(strings.TrimSpace(address)), nil
	}
	if !directory.IsPhone(name) {
		return false, nil
	}
	return m.dir.LogsInBy(ctx, s.Request.Organization, directory.ByPhone)
}

// typed is what somebody has typed in a field now or before.
func typed(s *State, asked []asking, in Input, name string) string {
	if slices.ContainsFunc(asked, func(a asking) bool { return a.name == name }) {
		return in.Value(name)
	}
	return s.Facts[registerFacts+name]
}

// registered is the person of whom the flow has learned, with what they have said about themselves. An attribute that nobody is asked for any
// more, or that is not what it should be by now, is left out.
func (m mailing) registered(ctx context.Context, s *State, address string) (*directory.User, error) {
	user := newcomer(s, address, s.Facts[registerFacts+givenNameField], s.Facts[registerFacts+familyNameField])
	user.Username = cmp.Or(s.Facts[registerFacts+usernameField], address)
	rules, err := m.dir.Attributes(ctx, user.Org)
	if err != nil {
		return nil, err
	}
	for _, rule := range rules.Rules {
		text, asked := s.Facts[registerFacts+attributeField+rule.Name]
		if !asked || !rule.Registration.Asks() {
			continue
		}
		if value, err := rule.Parse(text); err == nil && value != nil {
			if user.Attributes == nil {
				user.Attributes = map[string]any{}
			}
			user.Attributes[rule.Name] = value
		}
	}
	user.Phone = s.Facts[registerFacts+phoneField]
	user.PhoneVerified = user.Phone != "" && s.Facts[phoneProvenFact] == user.Phone
	user.EmailVerified, user.ID = true, accountOfFlow(s)
	return user, nil
}

// refusedName is the verdict on a form whose user name will not do.
func refusedName(asked []asking, in Input, problem Message) Verdict {
	return Verdict{Outcome: Again, Problems: map[string]Message{usernameField: problem}, Keep: unfilled(asked, in).Keep}
}

// refusedForm is the verdict on a form whose password will not do.
func refusedForm(asked []asking, in Input, err error) (Verdict, error) {
	v, err := refusedPassword(err)
	v.Keep = unfilled(asked, in).Keep
	return v, err
}

// profileExecutor asks somebody who registers for more, and sends nothing.
type profileExecutor struct{ mailing }

var _ Executor = profileExecutor{}

func (profileExecutor) Prepare(context.Context, *State) error { return nil }

func (profileExecutor) Prompt(ctx context.Context, s *State) (Prompt, error) {
	fields, err := formFields(ctx, s)
	return Prompt{
		Step: "register-profile", Title: Message{ID: "register.title"}, Fields: fields,
		Actions: []Action{{Name: continueAction, Label: "action.continue"}},
	}, err
}

func (p profileExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	asked, err := form(ctx, s)
	if err != nil {
		return Verdict{}, err
	}
	if v := unfilled(asked, in); len(v.Problems) > 0 {
		return v, nil
	}
	if problem, err := p.judgeName(ctx, s, asked, in); err != nil || problem.ID != "" {
		return refusedName(asked, in, problem), err
	}
	user := newcomer(s, s.Facts[askedFact], typed(s, asked, in, givenNameField), typed(s, asked, in, familyNameField))
	user.Username = cmp.Or(strings.TrimSpace(typed(s, asked, in, usernameField)), user.Username)
	if user.Username == "" { // the address is asked for later
		user.Username = "-"
	}
	if err := user.Validate(); err != nil {
		return refusedProfile(err, asked, in), nil
	}
	facts, err := p.learned(ctx, asked, in, user)
	if err != nil {
		return refusedForm(asked, in, err)
	}
	return Verdict{Outcome: Proceed, Facts: facts}, nil
}

// makeAccount is the Act "register-account": it makes the account of somebody who has proven their address and chosen a password before, or of an Introduction. It fails
// when the proof is good no more, or somebody else was faster with the same address.
func (e entering) makeAccount(ctx context.Context, s *State) (Verdict, error) {
	if i, by, err := introduction(s); err != nil {
		return Verdict{}, err
	} else if i != nil {
		return e.makeIntroduced(ctx, s, i, by)
	}
	hash := directory.PasswordHash(s.Facts[hashFact])
	if hash == "" {
		return Verdict{}, errors.New("flow: a registration that was drawn makes an account without a way in")
	}
	a, err := e.admit(ctx, s, func(*directory.User) (enter, error) {
		return func(b *store.Batch, user *directory.User, _ *directory.Subject) error {
			return e.dir.PutPassword(ctx, b, user, hash)
		}, nil
	})
	if problems := directory.Problems(err); len(problems) > 0 { // the policies have changed since it was typed
		v := void()
		v.Outcome, v.Messages = Again, []Message{inWords(problems[0], "register.refused")}
		return v, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	v, err := e.end(ctx, s, a)
	if a.verdict != nil {
		v.Outcome = Again
	} else if err == nil {
		v.Facts[hashFact] = ""
	}
	return v, err
}
