package directory_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
)

// broken lists the ids of what a password breaks, without what they have in common.
func broken(err error) []string {
	var ids []string
	for _, p := range directory.Problems(err) {
		ids = append(ids, strings.TrimPrefix(p.ID, "password.policy."))
	}
	return ids
}

func TestPasswordPolicyRules(t *testing.T) {
	t.Parallel()
	wso2, nist := directory.PasswordPolicyWSO2(), directory.PasswordPolicyNIST80063B4()
	for _, c := range []struct {
		policy     directory.PasswordPolicy
		pass       string
		withFactor bool
		want       []string
	}{
		{wso2, "Tr0ub4dor&3", false, nil},
		{wso2, "trombone", false, []string{"digits", "upper", "special"}},
		{wso2, "TROMBONE", false, []string{"digits", "lower", "special"}},
		{wso2, "", false, []string{"min_length", "digits", "upper", "lower", "special"}},
		{wso2, "Aa1!" + strings.Repeat("xyz", 21), false, []string{"max_length"}},
		{nist, "fourteen chars", false, []string{"min_length"}},
		{nist, "fifteen chars !", false, nil},
		{nist, "eight ch", true, nil},
		{nist, "seven c", true, []string{"min_length"}},
		{directory.PasswordPolicy{MinLength: 8}, "e\u0301e\u0301e\u0301e\u0301", false, []string{"min_length"}}, // four characters in NFC
		{directory.PasswordPolicy{MinLength: 8}, "日本語のパスワード", false, nil},
		{directory.PasswordPolicy{MinLength: 8, Unique: 5, Repeats: 2}, "aabbaabb", false, []string{"unique"}},
		{directory.PasswordPolicy{MinLength: 8, Unique: 2, Repeats: 2}, "abababbb", false, []string{"repeats"}},
		{directory.PasswordPolicy{MinLength: 8, Pattern: `[a-z]+[0-9]`}, "abcdefgh1", false, nil},
		{directory.PasswordPolicy{MinLength: 8, Pattern: `[a-z]+[0-9]`}, "abcdefgh12", false, []string{"pattern"}},
		{directory.PasswordPolicy{MinLength: 8, Pattern: `a|b`}, "xxxxxxxxa", false, []string{"pattern"}},
		{directory.PasswordPolicy{MinLength: 8, Trim: true}, "   short   ", false, []string{"min_length"}},
		{directory.PasswordPolicy{MinLength: 8}, "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", false, []string{"text"}},
		{directory.PasswordPolicy{MinLength: 8}, strings.Repeat("long", 257), false, []string{"text"}},
	} {
		got := broken(c.policy.Check(c.pass, c.withFactor))
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v of %.20q: broken %v, want %v", c.policy, c.pass, got, c.want)
		}
	}
	shown := wso2.Requirements(false)
	if len(shown) != 6 || shown[0].ID != "password.policy.min_length" || shown[0].Params["count"] != "8" || shown[0].Problem != "must have at least 8 characters" {
		t.Errorf("requirements = %+v", shown)
	}
}

func TestPasswordPolicyInvalid(t *testing.T) {
	t.Parallel()
	for field, p := range map[string]directory.PasswordPolicy{
		"minLength":           {MinLength: 7},
		"minLengthWithFactor": {MinLength: 8, MinLengthWithFactor: 6},
		"maxLength":           {MinLength: 8, MaxLength: 30},
		"digits":              {MinLength: 8, Digits: 17},
		"special":             {MinLength: 8, Special: -1},
		"pattern":             {MinLength: 8, Pattern: `(`},
		"repeats":             {MinLength: 8, Repeats: -1},
	} {
		if err := p.Validate(); !hasField(err, field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, p := range []directory.PasswordPolicy{directory.PasswordPolicyNIST80063B4(), directory.PasswordPolicyWSO2()} {
		is(t, "profile", p.Validate(), nil)
	}
}

// TestAttackWeakPasswords: what is tried first is refused however it is dressed up, and what is long enough is not.
func TestAttackWeakPasswords(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		u := &directory.User{Username: "jsmithers", GivenName: "Jan", FamilyName: "Smithers", Email: "jan.s@kittens.example", Birthdate: "1990-06-05"}
		for pass, want := range map[string][]string{
			"password":                 {"common"},
			"Password1":                {"common"},
			"p@ssw0rd!":                {"common"},
			"P@$$w0rd2031!":            {"common"},
			"qwertyuiop":               {"common"},
			"PASSWORDPASSWORD":         {"common"},
			"00000000000":              {"common"},
			"xyxyxyxyxy":               {"common"},
			"jsmithers":                {"personal"},
			"JSmithers1":               {"personal"},
			"jan.s@kittens.example":    {"personal"},
			"Jan Smithers":             {"personal"},
			"5m1ther5":                 {"personal"},
			"janjanjan":                {"personal"},
			"19900605":                 {"personal"},
			"monkey-trombone-lantern":  nil,
			"smithers likes trombones": nil,
			"correct horse battery":    nil,
			"Zaq!quiet-river":          nil,
		} {
			if got := broken(w.CheckPassword(t.Context(), u, pass)); !slices.Equal(got, want) {
				t.Errorf("%q: broken %v, want %v", pass, got, want)
			}
		}
	})
}

func TestPasswordPolicyOfTheService(t *testing.T) {
	t.Parallel()
	list, err := directory.OpenBlocklist(fstest.MapFS{"list": {Data: []byte("Hauptbahnhof\r\n\nzwei worte\n")}}, "list")
	if err != nil {
		t.Fatal(err)
	}
	w := together(t, func(c *directory.Config) { c.Blocklist, c.ServiceWords = list, []string{"login.example.org"} })
	u := &directory.User{Username: "ann"}
	for pass, want := range map[string][]string{
		"hauptBAHNHOF": {"common"}, "Zwei Worte": {"common"}, "login.example.org1": {"personal"}, "drei worte hier": nil,
	} {
		if got := broken(w.CheckPassword(t.Context(), u, pass)); !slices.Equal(got, want) {
			t.Errorf("%q: broken %v, want %v", pass, got, want)
		}
	}
	weak := directory.PasswordPolicy{MinLength: 8, InsecureCommon: true, InsecurePersonal: true}
	is(t, "set", directory.Set(t.Context(), w.Settings, w.Settings.Password, "", "", weak), nil)
	is(t, "password", w.CheckPassword(t.Context(), u, "password"), nil)
	is(t, "username", w.CheckPassword(t.Context(), &directory.User{Username: "ann-ann-ann"}, "ann-ann-ann"), nil)
}

func TestPasswordPolicyWithFactor(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u, s := w.person(t, "ann")
		is(t, "set", directory.Set(ctx, w.Settings, w.Settings.Password, "", "", directory.PasswordPolicyNIST80063B4()), nil)
		if got := broken(w.SetPassword(ctx, u, "short lamp")); !slices.Equal(got, []string{"min_length"}) {
			t.Errorf("without a factor: %v", got)
		}
		w.enroll(t, s, "seed", 1)
		is(t, "with a factor", w.SetPassword(ctx, u, "short lamp"), nil)
	})
}

func TestPasswordTrim(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		is(t, "set", directory.Set(ctx, w.Settings, w.Settings.Password, "", "", directory.PasswordPolicy{MinLength: 8, Trim: true}), nil)
		u, _ := w.person(t, "ann")
		is(t, "set password", w.SetPassword(ctx, u, "  lantern trombone\n"), nil)
		for pass, want := range map[string]bool{"lantern trombone": true, "\tlantern trombone ": true, "lantern  trombone": false} {
			if ok, err := w.Users.VerifyPassword(ctx, u, pass); ok != want || err != nil {
				t.Errorf("%q: %v, %v", pass, ok, err)
			}
		}
		if ok, err := w.Users.VerifyPassword(ctx, nil, " x "); ok || err != nil {
			t.Errorf("nobody: %v, %v", ok, err)
		}
	})
}

func TestProblems(t *testing.T) {
	t.Parallel()
	a, b := &directory.InvalidError{Field: "a"}, &directory.InvalidError{Field: "b"}
	err := fmt.Errorf("outside: %w", errors.Join(a, errors.New("else"), errors.Join(b)))
	if got := directory.Problems(err); !slices.Equal(got, []*directory.InvalidError{a, b}) {
		t.Errorf("got %v", got)
	}
	if got := directory.Problems(nil); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

func TestBlocklist(t *testing.T) {
	t.Parallel()
	text := "Lantern\n" + strings.ToUpper(fmt.Sprintf("%x", sha1.Sum([]byte("Stolen One")))) + ":42\ntrombone\nlantern\n"
	var compiled bytes.Buffer
	is(t, "write", directory.WriteBlocklist(&compiled, strings.NewReader(text)), nil)
	dir := t.TempDir()
	is(t, "file", os.WriteFile(filepath.Join(dir, "list"), compiled.Bytes(), 0o600), nil)
	for name, open := range map[string]func() (*directory.Blocklist, error){
		"text": func() (*directory.Blocklist, error) {
			return directory.OpenBlocklist(fstest.MapFS{"list": {Data: []byte(text)}}, "list")
		},
		"compiled": func() (*directory.Blocklist, error) {
			return directory.OpenBlocklist(fstest.MapFS{"list": {Data: compiled.Bytes()}}, "list")
		},
		"in place": func() (*directory.Blocklist, error) { return directory.OpenBlocklist(os.DirFS(dir), "list") },
	} {
		list, err := open()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if list.Len() != 3 {
			t.Errorf("%s: %d entries", name, list.Len())
		}
		for pass, want := range map[string]bool{"lantern": true, "LANTERN": true, "Trombone": true, "Stolen One": true, "stolen one": false, "": false, "x": false} {
			if got, err := list.Contains(pass); got != want || err != nil {
				t.Errorf("%s: Contains(%q) = %v, %v", name, pass, got, err)
			}
		}
		is(t, "close", list.Close(), nil)
	}
	for name, data := range map[string]string{
		"cut off": compiled.String()[:len(compiled.String())-1], "not text": "\xff\xfe\n", "endless line": strings.Repeat("x", 70_000),
	} {
		if _, err := directory.OpenBlocklist(fstest.MapFS{"list": {Data: []byte(data)}}, "list"); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	_, err := directory.OpenBlocklist(fstest.MapFS{}, "list")
	is(t, "absent", err, os.ErrNotExist)
}

// TestBlocklistFails: a list that cannot be read refuses as a failure, not as an answer.
func TestBlocklistFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var compiled bytes.Buffer
	is(t, "write", directory.WriteBlocklist(&compiled, strings.NewReader("a\nb\n")), nil)
	is(t, "file", os.WriteFile(filepath.Join(dir, "list"), compiled.Bytes(), 0o600), nil)
	list, err := directory.OpenBlocklist(os.DirFS(dir), "list")
	is(t, "open", err, nil)
	is(t, "close", list.Close(), nil)
	w := together(t, func(c *directory.Config) { c.Blocklist = list })
	err = w.CheckPassword(t.Context(), &directory.User{Username: "ann"}, goodPassword)
	if err == nil || directory.Problems(err) != nil {
		t.Errorf("got %v", err)
	}
}

func FuzzBlocklist(f *testing.F) {
	var compiled bytes.Buffer
	_ = directory.WriteBlocklist(&compiled, strings.NewReader("a\nb\n"))
	f.Add(compiled.Bytes())
	f.Add([]byte("one\ntwo\r\n\n"))
	f.Add([]byte("signet blocklist 1\nabc"))
	f.Add([]byte("signet"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := directory.OpenBlocklist(fstest.MapFS{"list": {Data: data}}, "list")
		if err != nil {
			return
		}
		for line := range strings.Lines(string(data)) {
			if _, err := list.Contains(line); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzPassword(f *testing.F) {
	for _, seed := range []string{"", "password", "qwertyuiop1990", "aaaaaaaa", "\xff", "e\u0301", "ﬃ", strings.Repeat("ab", 600)} {
		f.Add(seed, "ann")
	}
	w := newWorldFor(f)
	f.Fuzz(func(t *testing.T, pass, name string) {
		s := directory.StrengthOfPassword(pass, name)
		if s.Score < 0 || s.Score > 4 || (s.Score == 4) != (len(s.Hints) == 0) && pass != "" {
			t.Errorf("%+v of %q", s, pass)
		}
		_ = w.CheckPassword(context.Background(), &directory.User{Username: name, Email: name}, pass)
	})
}

func newWorldFor(f *testing.F) *directory.Directory {
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		f.Fatal(err)
	}
	db, err := store.Open(store.Config{Driver: memory.New(), Keys: ring})
	if err != nil {
		f.Fatal(err)
	}
	d, err := directory.New(directory.Config{DB: db})
	if err != nil {
		f.Fatal(err)
	}
	return d
}

func TestStrengthOfPassword(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pass string
		most int // the best score that is believable
		hint string
	}{
		{"", 0, "password.hint.longer"},
		{"password", 0, "password.hint.common"},
		{"P@ssw0rd", 0, "password.hint.common"},
		{"password123", 1, "password.hint.common"},
		{"jsmithers1990", 1, "password.hint.personal"},
		{"abcdefghijkl", 1, "password.hint.sequence"},
		{"asdfghjkl;", 1, "password.hint.sequence"},
		{"aaaaaaaaaaaaaaa", 1, "password.hint.repeat"},
		{"20310605", 1, "password.hint.date"},
		{"trombone", 3, "password.hint.longer"},
	} {
		got := directory.StrengthOfPassword(c.pass, "jsmithers")
		if got.Score > c.most || len(got.Hints) == 0 || got.Hints[0] != c.hint {
			t.Errorf("%q: %+v, want at most %d and %s", c.pass, got, c.most, c.hint)
		}
	}
	for _, strong := range []string{"correct horse battery", "kX9#mP2$vL5!", "日本語のパスワード文章です", "quiet-river-lantern-42"} {
		if got := directory.StrengthOfPassword(strong); got.Score != 4 || got.Hints != nil {
			t.Errorf("%q: %+v", strong, got)
		}
	}
}
