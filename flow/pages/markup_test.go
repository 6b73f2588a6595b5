package pages_test

import (
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/store/directory"
)

// allPages renders every page in plain and in troubled form.
func allPages(t *testing.T, p *pages.Pages, change func(*flow.View)) map[string]string {
	t.Helper()
	views := map[string]flow.View{
		"password": passwordView(), "totp": codeView(), "enrol": enrolView(), "consent": consentView(), "logout": logoutView(),
	}
	found := map[string]string{}
	for name, v := range views {
		if change != nil {
			change(&v)
		}
		_, found[name] = show(t, p, v)
		v.Prompt.Messages = append(v.Prompt.Messages, flow.Message{ID: "password.wrong", Level: flow.Error})
		v.Prompt.Fields = slices.Clone(v.Prompt.Fields)
		for i := range v.Prompt.Fields {
			v.Prompt.Fields[i].Problem = flow.Message{ID: "totp.wrong"}
		}
		_, found[name+" in trouble"] = show(t, p, v)
	}
	v := flow.View{}
	if change != nil {
		change(&v)
	}
	_, found["signed out"] = signedOut(t, p, v)
	v.Prompt.Title = flow.Message{ID: "device.done"}
	_, found["done"] = done(t, p, v)
	_, found["device"] = device(t, p, pages.DeviceView{Submit: "/oauth2/device", UserCode: "BCDF-GHJK", Branding: v.Branding})
	_, found["device in trouble"] = device(t, p, pages.DeviceView{Submit: "/oauth2/device", Wrong: true, Branding: v.Branding})
	f := someFailure()
	f.Branding = v.Branding
	_, found["failure"] = fail(t, p, f)
	return found
}

// element is a start tag.
type element struct {
	name       string
	attributes map[string]string
	inLabel    bool
	text       string
}

// parse reads a page as far as encoding/xml understands HTML, which the pages keep to, and complains about what is not closed.
func parse(t *testing.T, page string) (elements []*element) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var open []*element
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, page)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			e := &element{name: tok.Name.Local, attributes: map[string]string{}}
			e.inLabel = slices.ContainsFunc(open, func(e *element) bool { return e.name == "label" })
			for _, a := range tok.Attr {
				if _, twice := e.attributes[a.Name.Local]; twice {
					t.Errorf("<%s> has %s twice", e.name, a.Name.Local)
				}
				e.attributes[a.Name.Local] = a.Value
			}
			elements, open = append(elements, e), append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			for _, e := range open {
				e.text += string(tok)
			}
		}
	}
}

// TestMarkup holds every page to what assistive technology, password managers and the Content-Security-Policy need.
func TestMarkup(t *testing.T) {
	t.Parallel()
	branded := func(v *flow.View) {
		v.Branding = directory.Branding{
			Name: "Acme", Logo: "/logo.png", Light: map[string]string{"accent": "#123456"}, SupportEmail: "a@acme.example", TermsURL: "/terms",
		}
	}
	p := newPages(t, nil)
	all := allPages(t, p, nil)
	for name, page := range allPages(t, p, branded) {
		all[name+", branded"] = page
	}
	for name, page := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkMarkup(t, parse(t, page))
			if t.Failed() {
				t.Log(page)
			}
		})
	}
}

func checkMarkup(t *testing.T, elements []*element) {
	t.Helper()
	ids, labelled, count := map[string]bool{}, map[string]bool{}, map[string]int{}
	for _, e := range elements {
		count[e.name]++
		if id, ok := e.attributes["id"]; ok {
			if ids[id] || id == "" {
				t.Errorf("id %q stands twice or is empty", id)
			}
			ids[id] = true
		}
		if e.name == "label" && strings.TrimSpace(e.text) != "" {
			labelled[e.attributes["for"]] = true
		}
	}
	for _, name := range []string{"html", "title", "h1", "main"} {
		if count[name] != 1 {
			t.Errorf("%d elements %s", count[name], name)
		}
	}
	for _, e := range elements {
		checkElement(t, e, ids, labelled)
	}
}

func checkElement(t *testing.T, e *element, ids, labelled map[string]bool) {
	t.Helper()
	_, alt := e.attributes["alt"]
	inputType := e.attributes["type"]
	switch e.name {
	case "script", "iframe", "object", "embed", "base":
		t.Errorf("an element %s", e.name)
	case "html":
		if e.attributes["lang"] == "" || e.attributes["dir"] == "" {
			t.Error("the page has no language or direction")
		}
	case "img":
		if !alt {
			t.Error("an image without alternative text")
		}
	case "input":
		if inputType != "hidden" && !labelled[e.attributes["id"]] && !e.inLabel {
			t.Errorf("the input %v has no label", e.attributes)
		}
	case "button", "a", "h1", "title":
		if strings.TrimSpace(e.text) == "" {
			t.Errorf("an empty %s", e.name)
		}
	case "form":
		if e.attributes["method"] != "post" {
			t.Error("a form that is not posted")
		}
	case "svg":
		if e.attributes["aria-hidden"] != "true" {
			t.Error("an icon that is read out")
		}
	case "style":
		if e.attributes["nonce"] == "" {
			t.Error("a style without nonce")
		}
	}
	for _, attribute := range slices.Sorted(maps.Keys(e.attributes)) {
		value := e.attributes[attribute]
		switch {
		case strings.HasPrefix(attribute, "on"), attribute == "style":
			t.Errorf("<%s> has %s", e.name, attribute)
		case attribute == "aria-describedby", attribute == "aria-labelledby", attribute == "for":
			for id := range strings.FieldsSeq(value) {
				if !ids[id] {
					t.Errorf("%s of <%s> refers to %q, which is not there", attribute, e.name, id)
				}
			}
		case attribute == "src", attribute == "href" && e.name == "link":
			if !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "data:") {
				t.Errorf("<%s> loads %s", e.name, value)
			}
		}
	}
}

// TestHostileText puts text that wants out of its place wherever text comes from outside.
func TestHostileText(t *testing.T) {
	t.Parallel()
	p := newPages(t, nil)
	for name, hostile := range map[string]string{
		"script":         `</script></title></style><script>alert(1)</script>`,
		"attribute":      `" autofocus onfocus="alert(1)" x="`,
		"single quotes":  `' onfocus='alert(1)`,
		"template":       `{{.Nonce}}{application}`,
		"comment":        `<!--><img src=x onerror=alert(1)>`,
		"entities":       `&lt;script&gt;&#x22;&amp;`,
		"right to left":  "\u202egnp.exe\u2066\u2069\u202a",
		"control":        "a\x00b\x1b[31m\r\nSet-Cookie: a=b",
		"broken UTF-8":   "\xff\xfe<b>",
		"url":            `javascript:alert(1)`,
		"combining":      strings.Repeat("\u0301", 50),
		"arabic letters": "متجر <b>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for where, page := range allPages(t, p, func(v *flow.View) { poison(v, hostile) }) {
				checkHostile(t, where, page, hostile)
			}
			f := flow.Failure{Code: hostile, Detail: hostile, Correlation: hostile, StartOver: hostile, Message: flow.Message{ID: "x.y|" + hostile}}
			_, page := fail(t, p, f)
			checkHostile(t, "failure", page, hostile)
		})
	}
}

// poison puts the text in every place of a view that holds text from outside, and leaves a legible page behind it.
func poison(v *flow.View, hostile string) {
	v.ApplicationName, v.Person, v.Flow, v.Restart, v.ApplicationLogo = hostile+"x", hostile, hostile, hostile, hostile
	v.ApplicationLinks = directory.ApplicationLinks{Site: hostile, URL: hostile, Logo: hostile, Policy: hostile, Terms: hostile}
	v.Locales = []string{hostile}
	v.Branding = directory.Branding{
		Name: hostile + "x", Logo: hostile, Favicon: hostile, SupportEmail: hostile, PrivacyURL: hostile, TermsURL: hostile,
		Light: map[string]string{hostile: hostile, "accent": hostile}, Dark: map[string]string{"x": hostile},
	}
	v.Prompt.Messages = []flow.Message{{ID: "password.title", Params: map[string]string{"application": hostile}}, {ID: "x.y|" + hostile}}
	v.Prompt.Fields = slices.Clone(v.Prompt.Fields)
	for i := range v.Prompt.Fields {
		v.Prompt.Fields[i].Value, v.Prompt.Fields[i].Autocomplete = hostile, hostile
	}
	v.Prompt.Consent = slices.Clone(v.Prompt.Consent)
	for i := range v.Prompt.Consent {
		v.Prompt.Consent[i].ID, v.Prompt.Consent[i].Title, v.Prompt.Consent[i].Detail = hostile, "x.y|"+hostile+"x", "x.y|"+hostile
	}
	if v.Prompt.QR != "" {
		v.Prompt.QR, v.Prompt.QRText = "otpauth://totp/"+hostile, hostile
	}
}

func checkHostile(t *testing.T, where, page, hostile string) {
	t.Helper()
	for _, bad := range []string{
		"<script", "<img src=x", "<b>", "<!--", ` onfocus="`, ` onfocus='`, `href="javascript:`, `src="javascript:`, "ZgotmplZ",
	} {
		if strings.Contains(page, bad) {
			t.Errorf("%s: the page has %q", where, bad)
		}
	}
	if strings.Contains(hostile, "\xff") {
		return // encoding/xml reads no page that is not UTF-8
	}
	elements := parse(t, strings.Map(legible, page))
	for _, e := range elements {
		switch e.name {
		case "h1", "title", "bdi":
			if strings.ContainsAny(e.text, "\u202e\u2066\u202a\x1b") {
				t.Errorf("%s: <%s> turns direction", where, e.name)
			}
		}
	}
	checkMarkup(t, elements)
	if t.Failed() {
		t.Log(page)
	}
}

// legible removes what XML does not know.
func legible(r rune) rune {
	if r < ' ' && r != '\n' {
		return -1
	}
	return r
}
