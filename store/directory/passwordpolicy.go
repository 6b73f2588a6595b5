package directory

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store"
)

// PasswordPolicy is which passwords are accepted. The zero value follows NIST SP 800-63B-4 §3.1.1.2 for a password beside which
// there is a second factor: length counts, composition does not, and what everybody tries first is refused.
// PasswordPolicyNIST80063B4 and PasswordPolicyWSO2 are others by name.
//
// Characters are Unicode's code points in the form NFC. No password has more than 1,024 bytes.
type PasswordPolicy struct {
	// MinLength is in characters, 8 to 64; in a Config zero is 8.
	MinLength int `json:"minLength"`
	// MinLengthWithFactor is the MinLength of somebody who has a second factor; zero makes no difference.
	MinLengthWithFactor int `json:"minLengthWithFactor,omitempty"`
	// MaxLength is in characters, 64 or more; zero is no bound.
	MaxLength int `json:"maxLength,omitempty"`
	// Digits, Upper, Lower and Special are how many characters of a class there must be, up to 16. Special are all that are
	// neither letters nor digits.
	Digits  int `json:"digits,omitempty"`
	Upper   int `json:"upper,omitempty"`
	Lower   int `json:"lower,omitempty"`
	Special int `json:"special,omitempty"`
	// Unique is how many different characters there must be, up to 64.
	Unique int `json:"unique,omitempty"`
	// Repeats is how often one character may stand in a row; zero is no bound.
	Repeats int `json:"repeats,omitempty"`
	// Pattern is a regular expression of package regexp that the whole password must match; "" is none.
	Pattern string `json:"pattern,omitempty"`
	// InsecureCommon accepts what is among the most common passwords, or on Config.Blocklist.
	InsecureCommon bool `json:"insecureCommon,omitempty"`
	// InsecurePersonal accepts little more than the person's own names, or the service's.
	InsecurePersonal bool `json:"insecurePersonal,omitempty"`
	// Trim cuts blanks at the ends, when a password is chosen and when it is typed. When it is turned on, passwords that have some
	// are not right any more.
	Trim bool `json:"trim,omitempty"`
}

// PasswordPolicyNIST80063B4 is NIST SP 800-63B-4 §3.1.1.2 to the letter: 15 characters, 8 beside a second factor.
func PasswordPolicyNIST80063B4() PasswordPolicy {
	return PasswordPolicy{MinLength: 15, MinLengthWithFactor: 8}
}

// PasswordPolicyWSO2 asks for what WSO2 Identity Server 7.1 asks for by default, and refuses common passwords besides.
func PasswordPolicyWSO2() PasswordPolicy {
	return PasswordPolicy{MinLength: 8, MaxLength: 64, Digits: 1, Upper: 1, Lower: 1, Special: 1}
}

func (p *PasswordPolicy) setDefaults() { setDefault(&p.MinLength, 8) }

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p PasswordPolicy) Validate() error {
	var v validation
	v.count("minLength", p.MinLength, 8, 64)
	if p.MinLengthWithFactor != 0 {
		v.count("minLengthWithFactor", p.MinLengthWithFactor, 8, 64)
	}
	if p.MaxLength != 0 {
		v.count("maxLength", p.MaxLength, 64, password.MaxLength) // NIST SP 800-63B-4 §3.1.1.2: at least 64
	}
	v.count("digits", p.Digits, 0, 16)
	v.count("upper", p.Upper, 0, 16)
	v.count("lower", p.Lower, 0, 16)
	v.count("special", p.Special, 0, 16)
	v.count("unique", p.Unique, 0, 64)
	v.count("repeats", p.Repeats, 0, 64)
	v.expression("pattern", p.Pattern)
	return v.err()
}

// Requirements lists what the policy asks for, for a page to show before anything is typed: what would be wrong with a password
// that meets none of it.
func (p PasswordPolicy) Requirements(withFactor bool) []*InvalidError {
	var all []*InvalidError
	for _, r := range p.rules(withFactor) {
		all = append(all, r.problem)
	}
	return all
}

// Check reports, as *InvalidErrors for the field "password", joined, every rule that a password breaks which can be told from the
// password alone. Directory.CheckPassword knows more.
func (p PasswordPolicy) Check(pass string, withFactor bool) error {
	if len(pass) > password.MaxLength || !utf8.ValidString(pass) { // nothing is computed over what is never accepted
		return passwordProblem("text", "must be text of at most 1024 bytes")
	}
	var v validation
	typed := newTypedPassword(p.clean(pass))
	for _, r := range p.rules(withFactor) {
		if !r.holds(typed) {
			v.problems = append(v.problems, r.problem)
		}
	}
	return v.err()
}

// clean is a password as it counts.
func (p PasswordPolicy) clean(pass string) string {
	if p.Trim {
		return strings.TrimSpace(pass)
	}
	return pass
}

// passwordRule is one thing that a policy asks for.
type passwordRule struct {
	problem *InvalidError
	holds   func(*typedPassword) bool
}

// rules are those that are in force.
func (p PasswordPolicy) rules(withFactor bool) []passwordRule {
	least := p.MinLength
	if withFactor && p.MinLengthWithFactor != 0 {
		least = p.MinLengthWithFactor
	}
	var rules []passwordRule
	rule := func(bound int, id, problem string, holds func(*typedPassword) bool) {
		if bound > 0 {
			rules = append(rules, passwordRule{passwordProblem(id, problem, "count", strconv.Itoa(bound)), holds})
		}
	}
	rule(least, "min_length", "must have at least %s characters", func(t *typedPassword) bool { return t.length >= least })
	rule(p.MaxLength, "max_length", "must have at most %s characters", func(t *typedPassword) bool { return t.length <= p.MaxLength })
	rule(p.Digits, "digits", "must have digits: at least %s", func(t *typedPassword) bool { return t.digits >= p.Digits })
	rule(p.Upper, "upper", "must have capital letters: at least %s", func(t *typedPassword) bool { return t.upper >= p.Upper })
	rule(p.Lower, "lower", "must have small letters: at least %s", func(t *typedPassword) bool { return t.lower >= p.Lower })
	rule(p.Special, "special", "must have special characters: at least %s", func(t *typedPassword) bool { return t.special >= p.Special })
	rule(p.Unique, "unique", "must have at least %s different characters", func(t *typedPassword) bool { return t.unique >= p.Unique })
	rule(p.Repeats, "repeats", "must not have one character more than %s times in a row", func(t *typedPassword) bool { return t.repeats <= p.Repeats })
	if p.Pattern != "" {
		rules = append(rules, passwordRule{
			passwordProblem("pattern", "must have the form that the administrator has set"),
			func(t *typedPassword) bool { return matchesWhole(p.Pattern, t.text) },
		})
	}
	return rules
}

// passwordProblem is an InvalidError about a password: the first parameter's value stands in the text.
func passwordProblem(id, problem string, params ...string) *InvalidError {
	e := &InvalidError{Field: "password", Problem: problem, ID: "password.policy." + id}
	if len(params) == 2 {
		e.Problem, e.Params = fmt.Sprintf(problem, params[1]), map[string]string{params[0]: params[1]}
	}
	return e
}

// typedPassword is what the rules look at.
type typedPassword struct {
	text                                  string // in NFC
	length, digits, upper, lower, special int
	unique, repeats                       int
}

func newTypedPassword(pass string) *typedPassword {
	t := &typedPassword{text: norm.NFC.String(pass)}
	seen := map[rune]bool{}
	last, run := utf8.RuneError, 0
	for _, r := range t.text {
		t.length++
		switch {
		case unicode.IsDigit(r):
			t.digits++
		case unicode.IsUpper(r):
			t.upper++
		case unicode.IsLower(r):
			t.lower++
		case !unicode.IsLetter(r):
			t.special++
		}
		if run++; r != last {
			run = 1
		}
		last, t.repeats, seen[r] = r, max(t.repeats, run), true
	}
	t.unique = len(seen)
	return t
}

// matchesWhole reports whether all of a text matches an expression that was validated.
func matchesWhole(expression, text string) bool {
	re, err := regexp.Compile(`^(?:` + expression + `)$`)
	return err == nil && re.MatchString(text)
}

// CheckPassword reports, as *InvalidErrors for the field "password", joined, everything for which the password policy of the user's
// organization refuses a password; each has an ID that begins with "password.policy.". u may be a user who does not exist yet.
// What somebody has had before is CheckPasswordHistory's.
func (d *Directory) CheckPassword(ctx context.Context, u *User, pass string) error {
	policy, err := Resolve(ctx, d.Settings, d.Settings.Password, u.Org, "")
	if err != nil {
		return err
	}
	second := false
	if policy.MinLengthWithFactor != 0 && u.ID != "" {
		if second, err = d.hasSecondFactor(ctx, d.SubjectRef(u)); err != nil {
			return err
		}
	}
	var v validation
	for _, problem := range Problems(policy.Check(pass, second)) {
		v.problems = append(v.problems, problem)
		if problem.ID == "password.policy.text" {
			return v.err()
		}
	}
	pass = policy.clean(pass)
	if !policy.InsecurePersonal {
		words, err := d.personalWords(ctx, u)
		if err != nil {
			return err
		}
		if isPersonal(pass, words) {
			v.problems = append(v.problems, passwordProblem("personal", "must have more to it than names and addresses of your own, or of this service"))
		}
	}
	if !policy.InsecureCommon {
		common, err := d.isCommon(pass)
		if err != nil {
			return err
		}
		if common {
			v.problems = append(v.problems, passwordProblem("common", "is one of those that everybody tries first"))
		}
	}
	return v.err()
}

// hasSecondFactor reports whether a subject has anything besides a password.
func (d *Directory) hasSecondFactor(ctx context.Context, subject store.Ref) (bool, error) {
	list, err := d.Credentials.List(ctx, subject)
	for _, c := range list {
		if c.Type != PasswordCredential {
			return true, nil
		}
	}
	return false, err
}

// personalWords are what somebody who knows the person, or the service, would try.
func (d *Directory) personalWords(ctx context.Context, u *User) ([]string, error) {
	branding, err := Resolve(ctx, d.Settings, d.Settings.Branding, u.Org, "")
	if err != nil {
		return nil, err
	}
	return append(u.words(), append(slices.Clone(d.serviceWords), branding.Name)...), nil
}

// words are the names under which a person is known.
func (u *User) words() []string {
	return append([]string{
		u.Username, u.Name, u.GivenName, u.FamilyName, u.MiddleName, u.Nickname, u.Phone, u.Birthdate, u.Email,
	}, strings.FieldsFunc(u.Email, func(r rune) bool { return r == '@' || r == '.' })...)
}

func (v *validation) count(field string, n, least, most int) {
	if n < least || n > most {
		v.add(field, "must be %d to %d", least, most)
	}
}

// expression checks a regular expression of an administrator's: package regexp takes time that is linear in the text.
func (v *validation) expression(field, value string) {
	if _, err := regexp.Compile(`^(?:` + value + `)$`); err != nil || len(value) > 1000 {
		v.add(field, "must be a regular expression of at most 1000 bytes")
	}
}
