package pages_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
)

func readCatalogue(t *testing.T, name string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var texts map[string]string
	if err := json.Unmarshal(content, &texts); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(content), "\": \""); lines != len(texts) { // a line for each, as the files have it
		t.Fatalf("%s has %d lines for %d texts: an id stands twice", name, lines, len(texts))
	}
	return texts
}

// TestCatalogues: every language has every text, with the same placeholders.
func TestCatalogues(t *testing.T) {
	t.Parallel()
	placeholder := regexp.MustCompile(`\{[^}]*\}`)
	placeholders := func(text string) []string { return slices.Sorted(slices.Values(placeholder.FindAllString(text, -1))) }
	english := readCatalogue(t, "locales/en.json")
	if got := pages.MessageIDs(); !slices.Equal(got, slices.Sorted(maps.Keys(english))) || len(got) == 0 {
		t.Errorf("MessageIDs: %v", got)
	}
	files, err := filepath.Glob("locales/*.json")
	if want := []string{"locales/ar.json", "locales/de.json", "locales/en.json", "locales/es.json", "locales/fr.json"}; err != nil || !slices.Equal(files, want) {
		t.Fatalf("got %v, %v; want %v", files, err, want)
	}
	for _, file := range files {
		texts := readCatalogue(t, file)
		for _, id := range pages.MessageIDs() {
			if texts[id] == "" {
				t.Errorf("%s has no text for %s", file, id)
			}
			if got, want := placeholders(texts[id]), placeholders(english[id]); !slices.Equal(got, want) {
				t.Errorf("%s: %s has the placeholders %v, not %v", file, id, got, want)
			}
		}
		for id := range texts {
			if english[id] == "" {
				t.Errorf("%s: nobody says %s", file, id)
			}
		}
	}
}

// Whoever is spoken to formally in one text is so in all.
func TestFormalAddress(t *testing.T) {
	t.Parallel()
	for language, familiar := range map[string]string{
		"de": `du|dir|dich|dein(e[mnrs]?)?|wähle|versuche es|gib|nimm|zeige|lege|melde|prüfe|öffne`,
		"fr": `tu|toi|tes|ton`,
		"es": `tu|tus|contigo|inténtalo`,
	} {
		word := regexp.MustCompile(`(?i)(^|\PL)(` + familiar + `)(\PL|$)`) // \b knows ASCII alone
		for id, text := range readCatalogue(t, "locales/"+language+".json") {
			if found := word.FindString(text); found != "" {
				t.Errorf("%s: %s says %q", language, id, found)
			}
		}
	}
}

// TestMessagesHaveTexts finds the message ids that the flow's and our own sources speak of.
func TestMessagesHaveTexts(t *testing.T) {
	t.Parallel()
	known := pages.MessageIDs()
	id := regexp.MustCompile(`^(action|method|password|totp|totp-enroll|select-account|renew-password|session-limit|consent|logout|device|ciba|approval|done|signed-out|flow|throttle|error|failure|qr|footer|page|locale)(\.[a-z_-]+)+$`)
	inTemplate := regexp.MustCompile(`T "([^"]+)"`)
	var used []string
	for _, source := range []string{"*.go", "../*.go"} {
		files, err := filepath.Glob(source)
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				used = append(used, literals(t, file)...)
			}
		}
	}
	templates, err := filepath.Glob("templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range templates {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range inTemplate.FindAllStringSubmatch(string(content), -1) {
			used = append(used, match[1])
		}
	}
	found := 0
	for _, text := range used {
		if id.MatchString(text) {
			found++
			if !slices.Contains(known, text) {
				t.Errorf("%s has no text", text)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d ids found", found)
	}
}

// literals returns the strings of a Go file, without those that name a kind of record.
func literals(t *testing.T, name string) (found []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.CompositeLit:
			if kind, ok := n.Type.(*ast.SelectorExpr); ok && kind.Sel.Name == "Kind" {
				return false
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				found = append(found, text)
			}
		}
		return true
	})
	return found
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	p := newPages(t, func(c *pages.Config) {
		c.Locales = fstest.MapFS{
			"zh-Hant.json": {Data: []byte(`{"password.login":"登入"}`)},
			"de-CH.json":   {Data: []byte(`{"password.title":"Bi {application} aamälde"}`)},
		}
	})
	tests := []struct {
		name     string
		asked    []string
		accepted string
		want     string
	}{
		{"nothing said", nil, "", "en"},
		{"browser", nil, "de", "de"},
		{"request before browser", []string{"ar"}, "de", "ar"},
		{"request names what is not there", []string{"nl", "de"}, "ar", "de"},
		{"only unknown ones", []string{"nl"}, "it;q=0.5, tlh", "en"},
		{"French of Canada", nil, "fr-CA", "fr"},
		{"Spanish of Mexico", []string{"es-MX"}, "", "es"},
		{"weights", nil, "en;q=0.2, de;q=0.9, ar;q=0.5", "de"},
		{"weight zero", nil, "de;q=0, ar;q=0.1", "ar"},
		{"any", nil, "*", "en"},
		{"region", nil, "de-AT", "de"},
		{"region of its own", nil, "de-ch", "de-CH"},
		{"script", []string{"zh-Hant-TW"}, "", "zh-Hant"},
		{"extension", []string{"de-u-co-phonebk"}, "", "de"},
		{"malformed", nil, ";;;q=,de;q=2,,-;q=0.1,\x00", "en"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := passwordView()
			v.Locales = test.asked
			res, page := answer(t, test.accepted, func(w http.ResponseWriter, r *http.Request) { p.Show(w, r, v) })
			if got := res.Header.Get("Content-Language"); got != test.want {
				t.Errorf("language %q, want %q", got, test.want)
			}
			contain(t, page, `<html lang="`+test.want+`"`)
		})
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	p := newPages(t, func(c *pages.Config) {
		c.DefaultLocale = "de"
		c.Locales = fstest.MapFS{
			"de.json": {Data: []byte(`{"password.login":"Los geht's","host.text":"{person} und {nobody} {","only.german":"da"}`)},
			"it.json": {Data: []byte(`{"password.title":"Accedi a {application}"}`)},
		}
	})
	v := passwordView()
	v.Person = "alice"
	v.Prompt.Intro = flow.Message{ID: "host.text"}
	_, german := show(t, p, v)
	contain(t, german,
		`<html lang="de"`,
		`>Los geht&#39;s</span></button>`,
		`>Abbrechen</span></button>`, // built in
		`<p class="intro"><bdi>alice</bdi> und <bdi></bdi> {</p>`,
	)
	v.Prompt.Messages = []flow.Message{{ID: "only.german|soltanto"}, {ID: "no.text.at.all"}}
	_, italian := answer(t, "it", func(w http.ResponseWriter, r *http.Request) { p.Show(w, r, v) })
	contain(t, italian,
		`<h1>Accedi a <bdi>Demo App</bdi></h1>`,
		`>Cancel</span></button>`, // the language of what is missing
		`<span>soltanto</span>`,
		`<span>no.text.at.all</span>`,
	)
}

func TestParamsWinOverThePage(t *testing.T) {
	t.Parallel()
	v := passwordView()
	v.Prompt.Title.Params = map[string]string{"application": "Another"}
	_, page := show(t, newPages(t, nil), v)
	contain(t, page, `<h1>Sign in to <bdi>Another</bdi></h1>`)
}

func TestRightToLeft(t *testing.T) {
	t.Parallel()
	v := enrolView()
	v.Locales = []string{"ar"}
	_, page := show(t, newPages(t, nil), v)
	contain(t, page,
		`<html lang="ar" dir="rtl">`,
		`<code id="manual_key" dir="ltr"`,
		`inputmode="numeric" autocapitalize="none" spellcheck="false" dir="ltr"`,
	)
}

func TestBrokenCatalogues(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"not JSON": `{`, "nested": `{"a":{"b":"c"}}`, "a list": `["a"]`} {
		_, err := pages.New(pages.Config{Issuer: issuer, Locales: fstest.MapFS{"fr.json": {Data: []byte(content)}}})
		if err == nil || !strings.Contains(err.Error(), "fr.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzAcceptLanguage(f *testing.F) {
	for _, seed := range []string{"", "de-CH, de;q=0.9, *;q=0.1", "a;q=NaN,b;q=1e9,c;q=-0", strings.Repeat("x,", 2000), "de;q=0.5;x=y", "\xff;q=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		tags := pages.ParseAcceptLanguage(header)
		if len(tags) > 16 {
			t.Errorf("%d languages", len(tags))
		}
		for _, tag := range tags {
			if tag == "" || tag == "*" || strings.ContainsAny(tag, ",;") {
				t.Errorf("language %q", tag)
			}
		}
	})
}
