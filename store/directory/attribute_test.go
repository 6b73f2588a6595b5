package directory_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/store/directory"
)

// rules are one of each type.
func rules() directory.AttributePolicy {
	least, most := 1.0, 99.5
	return directory.AttributePolicy{Rules: []directory.AttributeRule{
		{Name: "department", MinLength: 2, MaxLength: 10, Pattern: "[a-z]*", Account: directory.AttributeOptional},
		{Name: "shoe", Type: directory.NumberAttribute, Min: &least, Max: &most, Account: directory.AttributeOptional},
		{Name: "seats", Type: directory.IntegerAttribute, Account: directory.AttributeOptional},
		{Name: "agreed", Type: directory.BooleanAttribute, Registration: directory.AttributeRequired, Account: directory.AttributeReadOnly},
		{Name: "hired", Type: directory.DateAttribute, Account: directory.AttributeRequired},
		{Name: "size", Type: directory.ChoiceAttribute, Choices: []directory.AttributeChoice{{Value: "S"}, {Value: "L", Label: "Large"}}},
	}}
}

func TestAttributeParse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		want       any
		problem    string
	}{
		{"department", " sales ", "sales", ""},
		{"department", "", nil, ""},
		{"department", "s", nil, "attribute.min_length"},
		{"department", "salessalessales", nil, "attribute.max_length"},
		{"department", "Sales", nil, "attribute.pattern"},
		{"department", "sal\x00es", nil, "attribute.text"},
		{"department", "\xff\xfe\xfd", nil, "attribute.text"},
		{"shoe", "42.5", 42.5, ""},
		{"shoe", "0.5", nil, "attribute.min"},
		{"shoe", "100", nil, "attribute.max"},
		{"shoe", "NaN", nil, "attribute.number"},
		{"shoe", "1e1", nil, "attribute.number"},
		{"shoe", "0x10", nil, "attribute.number"},
		{"shoe", strings.Repeat("0", 40) + "1", nil, "attribute.number"},
		{"seats", "-3", -3.0, ""},
		{"seats", "3.5", nil, "attribute.integer"},
		{"seats", "90071992547409930", nil, "attribute.integer"},
		{"agreed", "true", true, ""},
		{"agreed", "", false, ""},
		{"agreed", "yes", nil, "attribute.boolean"},
		{"hired", "2024-02-29", "2024-02-29", ""},
		{"hired", "2023-02-29", nil, "attribute.date"},
		{"size", "L", "L", ""},
		{"size", "Large", nil, "attribute.choice"},
	} {
		got, err := rules().Rule(test.name).Parse(test.text)
		if problems := directory.Problems(err); test.problem != "" {
			if len(problems) != 1 || problems[0].ID != test.problem || problems[0].Field != "attributes."+test.name {
				t.Errorf("%s %q: got %v, want %s", test.name, test.text, err, test.problem)
			}
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("%s %q: got %v, %v; want %v", test.name, test.text, got, err, test.want)
		}
		if back := rules().Rule(test.name).Text(got); test.want != nil && test.want != false && back != strings.TrimSpace(test.text) {
			t.Errorf("%s %q: reads back as %q", test.name, test.text, back)
		}
	}
}

func TestAttributePolicyValidate(t *testing.T) {
	t.Parallel()
	if err := rules().Validate(); err != nil {
		t.Fatal(err)
	}
	least, most := 2.0, 1.0
	var many []directory.AttributeRule
	for i := range 13 {
		many = append(many, directory.AttributeRule{Name: "n" + string(rune('a'+i)), Registration: directory.AttributeOptional})
	}
	for field, bad := range map[string][]directory.AttributeRule{
		"rules[0].name":         {{Name: "email"}},
		"rules[0].minLength":    {{Name: "x", MinLength: 300}},
		"rules[0].maxLength":    {{Name: "x", MaxLength: 300}},
		"rules[0].pattern":      {{Name: "x", Pattern: "("}},
		"rules[0].max":          {{Name: "x", Type: directory.NumberAttribute, Min: &least, Max: &most}},
		"rules[0].choices":      {{Name: "x", Type: directory.ChoiceAttribute}},
		"rules[0].type":         {{Name: "x", Type: "colour"}},
		"rules[0].registration": {{Name: "x", Registration: directory.AttributeReadOnly}},
		"rules[0].account":      {{Name: "x", Account: "sometimes"}},
		"rules[0].label":        {{Name: "x", Label: strings.Repeat("x", 257)}},
		"rules":                 {{Name: "x"}, {Name: "X"}},
	} {
		if err := (directory.AttributePolicy{Rules: bad}).Validate(); !hasField(err, field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if err := (directory.AttributePolicy{Rules: many}).Validate(); !hasField(err, "rules") {
		t.Errorf("more than a registration holds: %v", err)
	}
	for _, name := range []string{"accountLocked", "emailVerified", "http://example.com/claims/failedLoginAttempts", "sub", "roles", "", "a b"} {
		if err := (directory.AttributePolicy{Rules: []directory.AttributeRule{{Name: name}}}).Validate(); !hasField(err, "rules[0].name") {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

// What an administrator's rules say holds at every door that writes a person: for what is written, not for what was there before.
func TestAttributeRulesAtTheDoors(t *testing.T) {
	w := together(t)
	u := &directory.User{Username: "ann", Attributes: map[string]any{"department": "IT & more", "free": "as ever"}}
	is(t, "before there are rules", w.CreateUser(t.Context(), u, ""), nil)
	is(t, "rules", directory.Set(t.Context(), w.Settings, w.Settings.Attributes, "", "", rules()), nil)

	bad := &directory.User{Username: "bob", Attributes: map[string]any{"seats": "three"}}
	if err := w.CreateUser(t.Context(), bad, ""); !hasField(err, "attributes.seats") {
		t.Errorf("created with a bad value: %v", err)
	}
	u.Nickname = "Annie"
	is(t, "what was there stays", w.ReplaceUser(t.Context(), u), nil)
	u.Attributes = map[string]any{"department": "IT!"}
	if err := w.ReplaceUser(t.Context(), u); !hasField(err, "attributes.department") {
		t.Errorf("replaced by a bad value: %v", err)
	}
	u.Attributes = map[string]any{"department": "sales", "size": "L", "agreed": true, "hired": "2024-01-02"}
	is(t, "an administrator writes all", w.ReplaceUser(t.Context(), u), nil)

	for field, edit := range map[string]func(map[string]any){
		"attributes.agreed": func(a map[string]any) { a["agreed"] = false },
		"attributes.size":   func(a map[string]any) { a["size"] = "S" },
		"attributes.hired":  func(a map[string]any) { delete(a, "hired") },
		"attributes.seats":  func(a map[string]any) { a["seats"] = 1.5 },
	} {
		changed := *u
		changed.Attributes = maps.Clone(u.Attributes)
		edit(changed.Attributes)
		_, err := w.ReplaceOwn(t.Context(), w.db.Batch(), &changed)
		if !hasField(err, field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	own := *u
	own.Attributes = maps.Clone(u.Attributes)
	own.Attributes["department"], own.Attributes["hired"], own.Attributes["other"] = "it", "2024-01-03", "free"
	b := w.db.Batch()
	_, err := w.ReplaceOwn(t.Context(), b, &own)
	is(t, "what is theirs", errors.Join(err, b.Apply(t.Context())), nil)
	found, err := w.FindUser(t.Context(), "", "ann")
	if err != nil || found.Attributes["department"] != "it" || found.Attributes["size"] != "L" {
		t.Errorf("got %v %v", err, found.Attributes)
	}
	if keys := slices.Sorted(maps.Keys(found.Attributes)); !slices.Equal(keys, []string{"agreed", "department", "hired", "other", "size"}) {
		t.Errorf("attributes %v", keys)
	}
}

// Nobody takes somebody else's user name by an attribute of their own by which people are found before their names are.
func TestAttackLoginByAnOwnAttribute(t *testing.T) {
	w := together(t)
	is(t, "rules", directory.Set(t.Context(), w.Settings, w.Settings.Attributes, "", "", directory.AttributePolicy{Rules: []directory.AttributeRule{
		{Name: "badge", Registration: directory.AttributeRequired, Account: directory.AttributeOptional},
		{Name: "department", Registration: directory.AttributeOptional, Account: directory.AttributeOptional},
	}}), nil)
	is(t, "identifiers", directory.Set(t.Context(), w.Settings, w.Settings.Identifiers, "", "", directory.IdentifierPolicy{
		LoginBy: []directory.IdentifierName{"attributes.badge", directory.ByUsername}, Unique: []directory.IdentifierName{"attributes.badge"},
	}), nil)
	is(t, "ann", w.CreateUser(t.Context(), &directory.User{Username: "ann"}, ""), nil)
	mallory := &directory.User{Username: "mallory"}
	is(t, "mallory", w.CreateUser(t.Context(), mallory, ""), nil)
	mallory.Attributes = map[string]any{"badge": "ann"}
	if _, err := w.ReplaceOwn(t.Context(), w.db.Batch(), mallory); !hasField(err, "attributes.badge") {
		t.Errorf("got %v", err)
	}
	for range 2 { // the setting itself stays as it is
		got, err := w.Attributes(t.Context(), "")
		if err != nil || got.Rule("badge").Registration.Asks() || got.Rule("badge").Account != directory.AttributeReadOnly || !got.Rule("department").Account.Asks() {
			t.Errorf("%v %+v", err, got)
		}
		kept, err := directory.Resolve(t.Context(), w.Settings, w.Settings.Attributes, "", "")
		if err != nil || kept.Rule("badge").Account != directory.AttributeOptional {
			t.Errorf("%v %+v", err, kept)
		}
	}
}
