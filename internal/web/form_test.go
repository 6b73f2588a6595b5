package web_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/signet-idp/signet/internal/web"
)

const formType = "application/x-www-form-urlencoded"

// status is the status of a *web.FormError, 0 for no error.
func status(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	refusal, ok := errors.AsType[*web.FormError](err)
	if !ok {
		t.Fatalf("not a *web.FormError: %v", err)
	}
	return refusal.Status
}

func TestReadBody(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		what, contentType, body string
		status                  int
	}{
		{"a form", formType, "a=b", 0},
		{"nothing", formType, "", 0},
		{"a charset", formType + "; charset=UTF-8", "a=b", 0},
		{"another case", "Application/X-WWW-Form-URLEncoded", "a=b", 0},
		{"no type", "", "a=b", http.StatusUnsupportedMediaType},
		{"JSON", "application/json", `{"a":"b"}`, http.StatusUnsupportedMediaType},
		{"multipart", "multipart/form-data; boundary=x", "--x--", http.StatusUnsupportedMediaType},
		{"a type that only begins so", formType + "x", "a=b", http.StatusUnsupportedMediaType},
		{"two types", formType + ", text/plain", "a=b", http.StatusUnsupportedMediaType},
		{"the greatest", formType, "a=" + strings.Repeat("x", web.MaxFormBytes-2), 0},
		{"too great", formType, "a=" + strings.Repeat("x", web.MaxFormBytes-1), http.StatusRequestEntityTooLarge},
		{"malformed", formType, "a=%zz", http.StatusBadRequest},
		{"a semicolon", formType, "a=b;c=d", http.StatusBadRequest},
	} {
		r := httptest.NewRequest(http.MethodPost, "/?a=query", strings.NewReader(tc.body))
		r.Header.Set("Content-Type", tc.contentType)
		form, err := web.ReadBody(httptest.NewRecorder(), r)
		if got := status(t, err); got != tc.status {
			t.Errorf("%s: status %d (%v), want %d", tc.what, got, err, tc.status)
		}
		if form.Value("a") == "query" {
			t.Errorf("%s: the URL was read", tc.what)
		}
	}
}

func TestReadBodyThatBreaks(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader("a=b"), broken{}))
	r.Header.Set("Content-Type", formType)
	form, err := web.ReadBody(httptest.NewRecorder(), r)
	if got := status(t, err); got != http.StatusBadRequest || form.Has("a") {
		t.Errorf("status %d (%v), form %v", got, err, form)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the line is cut") }

func TestReadQuery(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		what, query string
		status      int
	}{
		{"nothing", "", 0},
		{"a query", "a=b&c=d", 0},
		{"long", "a=" + strings.Repeat("x", web.MaxFormBytes-2), 0},
		{"too long", "a=" + strings.Repeat("x", web.MaxFormBytes), http.StatusRequestURITooLong},
		{"twice", "a=b&a=b", http.StatusBadRequest},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = tc.query
		if _, err := web.ReadQuery(r); status(t, err) != tc.status {
			t.Errorf("%s: %v, want %d", tc.what, err, tc.status)
		}
	}
}

func TestParseForm(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		form := url.Values{}
		for i := range n {
			form.Set(strings.Repeat("p", i+1), "x")
		}
		return form.Encode()
	}
	for _, tc := range []struct{ what, text, problem string }{
		{"values", "a=b&c=d+e%26", ""},
		{"an empty value", "a=&b", ""},
		{"an empty value twice", "a=&a=", "the parameter a stands more than once"},
		{"twice", "state=b&state=c", "the parameter state stands more than once"},
		{"twice, once encoded", "state=b&%73tate=c", "the parameter state stands more than once"},
		{"a hostile name twice", "%22%5C=b&%22%5C=c", "a parameter stands more than once"},
		{"a long name twice", strings.Repeat("x", 41) + "=1&" + strings.Repeat("x", 41) + "=2", "a parameter stands more than once"},
		{"repeatable", "resource=b&resource=c", ""},
		{"names in two cases", "a=b&A=c", ""},
		{"arrays", "a[]=b&a[1]=c", ""},
		{"malformed value", "a=%", "the parameters are not well-formed"},
		{"malformed name", "%=a", "the parameters are not well-formed"},
		{"a semicolon", "a=b;c=d", "the parameters are not well-formed"},
		{"not UTF-8", "a=%ff", "a parameter is not UTF-8 text"},
		{"a name that is not UTF-8", "%ff=a", "a parameter is not UTF-8 text"},
		{"a zero", "a=%00", "a parameter is not UTF-8 text"},
		{"a zero in a name", "a%00=b", "a parameter is not UTF-8 text"},
		{"many", many(web.MaxFormParameters), ""},
		{"too many", many(web.MaxFormParameters + 1), "there are too many parameters"},
	} {
		_, err := web.ParseForm(tc.text, "resource")
		got := ""
		if refusal, ok := errors.AsType[*web.FormError](err); ok {
			got = refusal.Problem
		}
		if got != tc.problem || tc.problem == "" && err != nil {
			t.Errorf("%s: %v, want %q", tc.what, err, tc.problem)
		}
	}
}

func TestFormValues(t *testing.T) {
	t.Parallel()
	form, err := web.ParseForm("a=b&empty=&r=1&r=&r=2&c=d+e", "r")
	if err != nil {
		t.Fatal(err)
	}
	if form.Value("a") != "b" || form.Value("c") != "d e" || form.Value("empty") != "" || form.Value("none") != "" {
		t.Errorf("values of %v", form)
	}
	if !form.Has("a") || form.Has("empty") || form.Has("none") {
		t.Error("a parameter without a value counts as present, or one with a value as absent (RFC 6749 §3.1)")
	}
	if got := form.Values("r"); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("values of r: %q", got)
	}
	names := form.Names()
	slices.Sort(names)
	if !slices.Equal(names, []string{"a", "c", "empty", "r"}) {
		t.Errorf("names: %q", names)
	}
	if got := form.Encode(); got != "a=b&c=d+e&empty=&r=1&r=&r=2" {
		t.Errorf("encoded: %q", got)
	}
	var zero web.Form
	if zero.Has("a") || zero.Value("a") != "" || zero.Encode() != "" || len(zero.Names()) != 0 {
		t.Error("the zero Form is not empty")
	}
}

func FuzzParseForm(f *testing.F) {
	for _, seed := range []string{"a=b", "a=b&a=c", "r=1&r=2", "a=%ff", "a=%00", "%zz", "a;b", "&&&", "=", "+=+", "a=%C3%A9", strings.Repeat("a=&", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		form, err := web.ParseForm(text, "r")
		if err != nil {
			refusal, ok := errors.AsType[*web.FormError](err)
			if !ok || refusal.Status < 400 || refusal.Status >= 500 || strings.ContainsFunc(refusal.Problem, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		again, err := web.ParseForm(form.Encode(), "r")
		if err != nil || again.Encode() != form.Encode() {
			t.Errorf("%q reads as %q and then as %q, %v", text, form.Encode(), again.Encode(), err)
		}
		for _, name := range form.Names() {
			if values := form.Values(name); len(values) > 1 && name != "r" {
				t.Errorf("%q has %q %d times", text, name, len(values))
			}
			if v := form.Value(name); !utf8.ValidString(v) || strings.Contains(v, "\x00") || form.Has(name) != (v != "") {
				t.Errorf("%q has %q = %q", text, name, v)
			}
		}
	})
}
