package directory

import (
	"cmp"
	"context"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// AttributePolicy is which attributes of the host's own people have (User.Attributes): what their values look like, and where people are
// asked for them. The zero value has none. An attribute without a rule may hold anything; people meet it on no page.
//
// A rule holds for whoever writes an attribute from then on. What was written before, and what is imported, stays as it is.
type AttributePolicy struct {
	// Rules are up to 64, each about an attribute of its own, in the order in which people see them.
	Rules []AttributeRule `json:"rules,omitempty"`
}

// AttributeRule is about one attribute.
type AttributeRule struct {
	// Name is that in User.Attributes; none of BlockedClaim. Required.
	Name string `json:"name"`
	// Label is what pages call it, and Hint what they say besides, where they have no texts "attributes.NAME" and "attributes.NAME.hint" of
	// their own in the language. A Label of "" is the Name.
	Label string `json:"label,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Type is what its values are; "" is TextAttribute.
	Type AttributeType `json:"type,omitempty"`
	// MinLength and MaxLength bound a text, in characters; a MaxLength of 0 is 256, of which there are no more.
	MinLength int `json:"minLength,omitempty"`
	MaxLength int `json:"maxLength,omitempty"`
	// Pattern is a regular expression of package regexp that a whole text must match; "" is none.
	Pattern string `json:"pattern,omitempty"`
	// Min and Max bound a number; nil does not.
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`
	// Choices are the values of a ChoiceAttribute, 1 to 64.
	Choices []AttributeChoice `json:"choices,omitempty"`
	// Registration is how people meet it who register, and Account how they do who look after their account.
	Registration AttributeUse `json:"registration,omitempty"`
	Account      AttributeUse `json:"account,omitempty"`
}

// AttributeType is what the values of an attribute are, as encoding/json decodes them.
type AttributeType string

// The types of attributes.
const (
	// TextAttribute is a line of text.
	TextAttribute AttributeType = "text"
	// NumberAttribute and IntegerAttribute are float64s.
	NumberAttribute  AttributeType = "number"
	IntegerAttribute AttributeType = "integer"
	// BooleanAttribute is a bool. One that is required has to be true, as an agreement has.
	BooleanAttribute AttributeType = "boolean"
	// DateAttribute is a text YYYY-MM-DD.
	DateAttribute AttributeType = "date"
	// ChoiceAttribute is one of a few texts.
	ChoiceAttribute AttributeType = "choice"
)

// AttributeChoice is a value to choose.
type AttributeChoice struct {
	Value string `json:"value"`
	// Label is as that of the rule; the page's text is "attributes.NAME.choice.VALUE". "" is the Value.
	Label string `json:"label,omitempty"`
}

// AttributeUse is how people meet an attribute somewhere.
type AttributeUse string

// The uses.
const (
	// AttributeHidden shows nothing; nor can they write it.
	AttributeHidden AttributeUse = ""
	// AttributeReadOnly shows what it is. Nobody who registers has anything to be shown.
	AttributeReadOnly AttributeUse = "readOnly"
	// AttributeOptional and AttributeRequired ask for it.
	AttributeOptional AttributeUse = "optional"
	AttributeRequired AttributeUse = "required"
)

// Asks reports whether people are asked for it.
func (u AttributeUse) Asks() bool { return u == AttributeOptional || u == AttributeRequired }

const (
	maxRules   = 64
	maxChoices = 64
	// maxRegistered bounds what somebody who registers may be asked for altogether, in characters.
	maxRegistered = 3000
	// maxInteger is how far a float64 counts.
	maxInteger = 1 << 53
)

// Rule returns the rule about an attribute; nil when there is none.
func (p AttributePolicy) Rule(name string) *AttributeRule {
	i := slices.IndexFunc(p.Rules, func(r AttributeRule) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Rules[i]
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p AttributePolicy) Validate() error {
	var v validation
	if len(p.Rules) > maxRules {
		v.add("rules", "must be at most %d", maxRules)
	}
	registered := 0
	for i, r := range p.Rules {
		v.attributeRule("rules["+strconv.Itoa(i)+"]", r)
		if slices.ContainsFunc(p.Rules[:i], func(other AttributeRule) bool { return strings.EqualFold(other.Name, r.Name) }) {
			v.add("rules", "must have each name once")
		}
		if r.Registration.Asks() {
			registered += r.longest()
		}
	}
	if registered > maxRegistered {
		v.add("rules", "must ask somebody who registers for at most %d characters altogether", maxRegistered)
	}
	return v.err()
}

func (v *validation) attributeRule(field string, r AttributeRule) {
	switch {
	case !isAttributeName(r.Name):
		v.add(field+".name", "must be the name of a claim")
	case slices.Contains(reservedClaims, r.Name), BlockedClaim(r.Name):
		v.add(field+".name", "is a claim with a field or meaning of its own")
	}
	v.text(field+".label", r.Label, maxText)
	v.text(field+".hint", r.Hint, maxText)
	if !slices.Contains([]AttributeType{
		"", TextAttribute, NumberAttribute, IntegerAttribute, BooleanAttribute, DateAttribute, ChoiceAttribute,
	}, r.Type) {
		v.add(field+".type", "is none of the types of attributes")
	}
	v.count(field+".minLength", r.MinLength, 0, r.maxLength())
	v.count(field+".maxLength", r.MaxLength, 0, maxText)
	v.expression(field+".pattern", r.Pattern)
	if r.Min != nil && r.Max != nil && *r.Min > *r.Max {
		v.add(field+".max", "must not be less than min")
	}
	if (r.Type == ChoiceAttribute) != (len(r.Choices) > 0) || len(r.Choices) > maxChoices {
		v.add(field+".choices", "must be 1 to %d for a choice, and none otherwise", maxChoices)
	}
	for i, c := range r.Choices {
		v.required(field+".choices", c.Value, maxText)
		v.text(field+".choices", c.Label, maxText)
		if strings.Contains(c.Value, "|") || strings.TrimSpace(c.Value) != c.Value ||
			slices.ContainsFunc(r.Choices[:i], func(other AttributeChoice) bool { return other.Value == c.Value }) {
			v.add(field+".choices", "must have each value once, without a | and without blanks at its ends")
		}
	}
	if !slices.Contains([]AttributeUse{AttributeHidden, AttributeOptional, AttributeRequired}, r.Registration) {
		v.add(field+".registration", "must be %s, %s or nothing", AttributeOptional, AttributeRequired)
	}
	if !slices.Contains([]AttributeUse{AttributeHidden, AttributeReadOnly, AttributeOptional, AttributeRequired}, r.Account) {
		v.add(field+".account", "must be %s, %s, %s or nothing", AttributeReadOnly, AttributeOptional, AttributeRequired)
	}
}

func (r *AttributeRule) maxLength() int { return cmp.Or(r.MaxLength, maxText) }

// longest is how many characters a value has at the most, as somebody types it.
func (r *AttributeRule) longest() int {
	switch r.Type {
	case NumberAttribute, IntegerAttribute, DateAttribute:
		return maxNumber
	case BooleanAttribute:
		return len("false")
	case ChoiceAttribute:
		n := 0
		for _, c := range r.Choices {
			n = max(n, utf8.RuneCountInString(c.Value))
		}
		return n
	}
	return r.maxLength()
}

// maxNumber is how many characters of a number are read.
const maxNumber = 32

var numberPattern = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?$`)

// Parse reads a value as people type it, in the notation of the web: a full stop in numbers, dates YYYY-MM-DD, "true" for a box that is ticked.
// It is nil for nothing, and false for an empty box. An error is an *InvalidError for the field "attributes.NAME", with an ID that begins with
// "attribute.".
func (r *AttributeRule) Parse(text string) (any, error) {
	if text = strings.TrimSpace(text); text == "" && r.Type != BooleanAttribute {
		return nil, nil
	}
	var value any = text
	switch r.Type {
	case BooleanAttribute:
		if text != "" && text != "true" && text != "false" {
			return nil, r.problem("boolean", "must be true or false")
		}
		value = text == "true"
	case NumberAttribute, IntegerAttribute:
		number, err := strconv.ParseFloat(text, 64)
		if err != nil || len(text) > maxNumber || !numberPattern.MatchString(text) {
			return nil, r.problem("number", "must be a number")
		}
		value = number
	}
	return value, r.check(value)
}

// Text returns a value as Parse reads it; "" for what is of another type.
func (r *AttributeRule) Text(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case bool:
		return strconv.FormatBool(value)
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	}
	return ""
}

// Shows reports whether a field for the attribute can show a value, so that somebody who empties it means it: not one of another type, as a list that
// was imported, nor a choice that is none any more.
func (r *AttributeRule) Shows(value any) bool {
	switch r.Type {
	case NumberAttribute, IntegerAttribute:
		_, ok := value.(float64)
		return ok
	case BooleanAttribute, DateAttribute, ChoiceAttribute:
		return r.check(value) == nil
	}
	return r.Text(value) != ""
}

// Missing reports, as Parse does, that a value that is required is not there.
func (r *AttributeRule) Missing(value any) error {
	if value == nil || value == "" || r.Type == BooleanAttribute && value != true {
		return r.problem("missing", "is required")
	}
	return nil
}

func (r *AttributeRule) problem(id, text string, params ...string) error {
	e := &InvalidError{Field: "attributes." + r.Name, Problem: text, ID: "attribute." + id}
	for i := 0; i+1 < len(params); i += 2 {
		if e.Params == nil {
			e.Params = map[string]string{}
		}
		e.Params[params[i]] = params[i+1]
	}
	return e
}

// check reports what is wrong with a value that is there.
func (r *AttributeRule) check(value any) error {
	switch r.Type {
	case BooleanAttribute:
		if _, ok := value.(bool); !ok {
			return r.problem("boolean", "must be true or false")
		}
		return nil
	case NumberAttribute, IntegerAttribute:
		number, ok := value.(float64)
		if !ok || math.IsNaN(number) || math.IsInf(number, 0) {
			return r.problem("number", "must be a number")
		}
		return r.checkNumber(number)
	}
	text, ok := value.(string)
	if !ok {
		return r.problem("text", "must be a text")
	}
	switch r.Type {
	case DateAttribute:
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return r.problem("date", "must be a date YYYY-MM-DD")
		}
		return nil
	case ChoiceAttribute:
		if !slices.ContainsFunc(r.Choices, func(c AttributeChoice) bool { return c.Value == text }) {
			return r.problem("choice", "must be one of the choices")
		}
		return nil
	}
	return r.checkText(text)
}

func (r *AttributeRule) checkNumber(number float64) error {
	switch {
	case r.Type == IntegerAttribute && (number != math.Trunc(number) || math.Abs(number) > maxInteger):
		return r.problem("integer", "must be a whole number")
	case r.Min != nil && number < *r.Min:
		return r.problem("min", "is too little", "min", r.Text(*r.Min))
	case r.Max != nil && number > *r.Max:
		return r.problem("max", "is too much", "max", r.Text(*r.Max))
	}
	return nil
}

func (r *AttributeRule) checkText(text string) error {
	var v validation
	v.text("", text, math.MaxInt)
	length := utf8.RuneCountInString(text)
	switch {
	case v.err() != nil:
		return r.problem("text", "must not contain control characters")
	case length < r.MinLength:
		return r.problem("min_length", "is too short", "min", strconv.Itoa(r.MinLength))
	case length > r.maxLength():
		return r.problem("max_length", "is too long", "max", strconv.Itoa(r.maxLength()))
	case r.Pattern != "" && !matchesWhole(r.Pattern, text):
		return r.problem("pattern", "must have the form that the administrator has set")
	}
	return nil
}

// Attributes returns the rules of an organization. By an attribute that is in IdentifierPolicy.LoginBy people are found: whoever wrote it about
// themselves could take the place of somebody else whose user name it is. So it is at the most shown to them, whatever its rule says.
func (d *Directory) Attributes(ctx context.Context, org string) (AttributePolicy, error) {
	policy, err := Resolve(ctx, d.Settings, d.Settings.Attributes, org, "")
	if err != nil || len(policy.Rules) == 0 {
		return policy, err
	}
	identifiers, err := Resolve(ctx, d.Settings, d.Settings.Identifiers, org, "")
	if err != nil || !slices.ContainsFunc(identifiers.LoginBy, IdentifierName.isAttribute) {
		return policy, err
	}
	policy.Rules = slices.Clone(policy.Rules) // which others share
	for i, r := range policy.Rules {
		if slices.Contains(identifiers.LoginBy, IdentifierName("attributes."+r.Name)) {
			policy.Rules[i].Registration = AttributeHidden
			if r.Account.Asks() {
				policy.Rules[i].Account = AttributeReadOnly
			}
		}
	}
	return policy, nil
}

// checkAttributes reports what is wrong with the attributes of u that are others than before; nil before is somebody new.
func (p AttributePolicy) checkAttributes(u, before *User) error {
	var v validation
	for _, r := range p.Rules {
		value := u.Attributes[r.Name]
		if value == nil || before != nil && reflect.DeepEqual(value, before.Attributes[r.Name]) {
			continue
		}
		if err := r.check(value); err != nil {
			v.problems = append(v.problems, err)
		}
	}
	return v.err()
}

// ownAttributes reports what somebody may not do to their own attributes: write what is not theirs to write, or leave out what is required
// and was there.
func (p AttributePolicy) ownAttributes(u, before *User) error {
	var v validation
	for _, r := range p.Rules {
		value, was := u.Attributes[r.Name], before.Attributes[r.Name]
		switch {
		case reflect.DeepEqual(value, was):
		case !r.Account.Asks():
			v.problems = append(v.problems, &InvalidError{
				Field: "attributes." + r.Name, Problem: "is not yours to change", ID: "claim.blocked",
			})
		case r.Account == AttributeRequired:
			v.problems = append(v.problems, r.Missing(value))
		}
	}
	return v.err()
}
