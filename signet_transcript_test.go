package signet_test

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

var update = flag.Bool("update", false, "write the answers into the transcripts")

// TestTranscripts tells the stories of testdata/transcripts to a whole provider and compares the answers of its pages: their
// status and headers, their heading, and of their elements those that have an id. A story is an archive of pairs, "NAME
// request" and "NAME answer". A request is
//
//	!directive …   what happens before, see (*teller).direct
//	POST /login    method and path
//	Origin: x      headers
//	               an empty line
//	otp=…          the form of a POST
//
// In an answer random values stand as names in angle brackets, by which later requests may use the last of each.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	transcripts(t, "transcripts", func(t *testing.T, p storetest.Placement, _ *txtar.Archive) func(string) string {
		return newTeller(t, p).step
	})
}

// transcripts plays the archives of a folder of testdata, in both placements, which nobody can tell from outside. What begin returns answers
// the requests of one.
func transcripts(t *testing.T, folder string, begin func(*testing.T, storetest.Placement, *txtar.Archive) func(request string) string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
				told := tell(t, archive, begin(t, p, archive))
				if *update {
					if err := os.WriteFile(file, txtar.Format(told), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

// tell goes through an archive of pairs, "NAME request" and "NAME answer", and returns it with the answers that came.
func tell(t *testing.T, archive *txtar.Archive, answer func(request string) string) *txtar.Archive {
	t.Helper()
	wanted := map[string]string{}
	for _, f := range archive.Files {
		wanted[f.Name] = string(f.Data)
	}
	told := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		name, isRequest := strings.CutSuffix(f.Name, " request")
		if !isRequest {
			continue
		}
		got := answer(string(f.Data))
		told.Files = append(told.Files, f, txtar.File{Name: name + " answer", Data: []byte(got)})
		if want := wanted[name+" answer"]; !*update && got != want {
			t.Errorf("%s:\n--- got\n%s--- want\n%s", name, got, want)
		}
	}
	return told
}

// teller tells one story.
type teller struct {
	*testing.T
	idp     *idptest.Server
	ann     *directory.User
	phone   *idptest.Authenticator
	jars    map[string]http.CookieJar
	browser string
	values  map[string]string // by name
}

func newTeller(t *testing.T, p storetest.Placement) *teller {
	t.Helper()
	s := &teller{T: t, jars: map[string]http.CookieJar{}, values: map[string]string{"password": idptest.Password}}
	s.idp = idptest.New(t, placed(p), func(c *signet.Config) {
		c.Now = func() time.Time { return time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC) }
		c.Throttle = directory.ThrottlePolicy{Password: []directory.Limit{{Count: 4, Per: time.Minute}}}
	})
	s.ann = s.idp.User("ann")
	app := s.idp.App(callback)
	s.values["authorize"] = strings.TrimPrefix(app.Request().URL, s.idp.URL)
	s.direct("browser one")
	return s
}

// direct does what a directive says.
func (s *teller) direct(line string) {
	s.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "browser": // the requests from here on come from the browser of that name
		if s.browser = rest; s.jars[rest] == nil {
			jar, err := cookiejar.New(nil)
			s.must(err)
			s.jars[rest] = jar
		}
	case "advance": // the clock
		d, err := time.ParseDuration(rest)
		s.must(err)
		s.idp.Advance(d)
	case "store": // goes down, or comes up again
		s.idp.Advance(2 * time.Second)
		if s.idp.Heal(); rest == "down" {
			s.idp.Fail(nil)
		}
	case "enroll": // ann has an authenticator app from here on
		s.phone = s.idp.EnrollTOTP(s.ann)
	case "code": // is what it shows next
		s.values["code"] = s.phone.Code()
	default:
		s.Fatalf("unknown directive %q", line)
	}
}

func (s *teller) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// step sends one request and describes the answer. What is refused must be in the log, under the id that is shown.
func (s *teller) step(text string) string {
	s.Helper()
	for strings.HasPrefix(text, "!") {
		line, rest, _ := strings.Cut(text, "\n")
		s.direct(line[1:])
		text = rest
	}
	head, parameters, _ := strings.Cut(s.fill(text), "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	form := url.Values{}
	for line := range strings.Lines(parameters) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		form.Add(name, value)
	}
	r, err := http.NewRequestWithContext(s.Context(), method, s.idp.URL+path, strings.NewReader(form.Encode()))
	s.must(err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", s.idp.URL)
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	client := *s.idp.Client()
	client.Jar = s.jars[s.browser]
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	before := len(s.idp.Log())
	answer, err := client.Do(r)
	s.must(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	s.must(err)
	described := s.describe(answer, string(body))
	if log := s.idp.Log()[before:]; strings.Contains(described, "<correlation>") && !strings.Contains(log, "correlation="+s.values["correlation"]) {
		s.Errorf("%s: correlation %s is not in the log:\n%s", lines[0], s.values["correlation"], log)
	}
	return described
}

var placeholder = regexp.MustCompile(`<([a-z]+)>`)

// fill puts values in the place of their names.
func (s *teller) fill(text string) string {
	s.Helper()
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := s.values[strings.Trim(name, "<>")]
		if !ok {
			s.Fatalf("nothing is called %s yet", name)
		}
		return value
	})
}

var (
	heading = regexp.MustCompile(`(?s)<h1[^>]*>(.*?)</h1>`)
	element = regexp.MustCompile(`(?s)<(\w+)([^>]*) id="(\w+)"([^>]*)>(?:<span>)?([^<]*)`)
	alert   = regexp.MustCompile(`(?s)<p class="message[^"]*"[^>]*>(.*?)</p>`)
	tags    = regexp.MustCompile(`<[^>]*>`)
	issued  = regexp.MustCompile(`signet-[0-9a-f]{8}-`)
	action  = regexp.MustCompile(`form-action [^;]*`)
)

// described are the headers that stand in a transcript.
var described = []string{"Content-Type", "Location", "Allow", "Retry-After", "Cache-Control"}

// describe writes an answer with names in the place of random values.
func (s *teller) describe(answer *http.Response, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", answer.StatusCode)
	for _, name := range described {
		if value := answer.Header.Get(name); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	for _, c := range answer.Cookies() {
		life := "the browser's"
		if c.MaxAge != 0 {
			life = (time.Duration(c.MaxAge) * time.Second).String()
		}
		fmt.Fprintf(&b, "Set-Cookie: %s (%s)\n", issued.ReplaceAllString(c.Name, "signet-…-"), life)
	}
	if policy := action.FindString(answer.Header.Get("Content-Security-Policy")); policy != "" {
		fmt.Fprintf(&b, "Content-Security-Policy: … %s …\n", policy)
	}
	if strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") && answer.StatusCode/100 != 3 {
		describePage(&b, body)
	}
	return s.hide(b.String(), body)
}

// describePage writes what is on a page for a person and for a program.
func describePage(b *strings.Builder, body string) {
	words := func(text string) string { return strings.Join(strings.Fields(tags.ReplaceAllString(text, " ")), " ") }
	b.WriteString("\n")
	if h := heading.FindStringSubmatch(body); h != nil {
		fmt.Fprintf(b, "# %s\n", words(h[1]))
	}
	for _, a := range alert.FindAllStringSubmatch(body, -1) {
		fmt.Fprintf(b, "! %s\n", words(a[1]))
	}
	for _, e := range element.FindAllStringSubmatch(body, -1) {
		if e[3] == "error" {
			_, rest, _ := strings.Cut(body, `id="error"`)
			facts, _, _ := strings.Cut(rest, "</dl>")
			_, facts, _ = strings.Cut(facts, ">")
			fmt.Fprintf(b, "%s #error %s\n", e[1], words(facts))
			continue
		}
		if strings.HasPrefix(e[3], "language_") { // the same on every page
			continue
		}
		fmt.Fprintf(b, "%s\n", strings.TrimSpace(fmt.Sprintf("%s #%s %s", e[1], e[3], words(e[5]))))
	}
}

// hiddenFields of a page are what the answer to it sends along.
var hiddenFields = regexp.MustCompile(`name="(flow|seq|restart)" value="([^"]+)"`)

// random finds random values by where they stand.
var random = map[string]*regexp.Regexp{
	"draft":       regexp.MustCompile(`draft=(v1[\w.-]+)`),
	"flow":        regexp.MustCompile(`flow=([\w-]{43})`),
	"correlation": regexp.MustCompile(`Reference ([\w-]{12})`),
	"request":     regexp.MustCompile(`resume\?id=([\w.%-]+)`),
	"grant":       regexp.MustCompile(`code=([\w.~%-]+)`),
	"challenge":   regexp.MustCompile(`code_challenge=([\w-]{43})`),
	"nonce":       regexp.MustCompile(`nonce=([\w-]{43})`),
	"state":       regexp.MustCompile(`state=([\w-]+)`),
}

// hide puts names in the place of random values and remembers them.
func (s *teller) hide(text, body string) string {
	for _, hidden := range hiddenFields.FindAllStringSubmatch(body, -1) {
		s.values[hidden[1]] = hidden[2]
	}
	for name, form := range random {
		if found := form.FindStringSubmatch(text); found != nil {
			s.values[name] = found[1]
			text = strings.ReplaceAll(text, found[1], "<"+name+">")
		}
	}
	text = strings.ReplaceAll(text, s.idp.URL, "<issuer>")
	return strings.ReplaceAll(text, url.QueryEscape(s.idp.URL), "<issuer>")
}
