package pages

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/signet-idp/signet/flow"
)

//go:embed locales/*.json
var localeFiles embed.FS

// fallbackLocale is the language of the texts that a catalogue lacks. Its own catalogue lacks none.
const fallbackLocale = "en"

// A Text is a message in a person's language. Printed as it is, it is plain text; where markup may stand, print its HTML.
type Text []run

// run is a part of a Text.
type run struct {
	value string
	// foreign is set for what stands in place of a placeholder: a name, whose letters may run the other way.
	foreign bool
	// moment is set for a time: as machines read it (RFC 3339).
	moment string
}

// String returns the text without marks.
func (t Text) String() string {
	var b strings.Builder
	for _, run := range t {
		b.WriteString(run.value)
	}
	return b.String()
}

// HTML returns the text escaped, with what is foreign to the language isolated, so that it cannot turn the direction of
// the words around it, and with times as time elements.
func (t Text) HTML() template.HTML {
	var b strings.Builder
	for _, run := range t {
		value := html.EscapeString(run.value)
		switch {
		case run.moment != "":
			value = `<time datetime="` + html.EscapeString(run.moment) + `" dir="auto">` + value + "</time>"
		case run.foreign:
			value = "<bdi>" + value + "</bdi>"
		}
		b.WriteString(value)
	}
	return template.HTML(b.String())
}

// catalogs are the texts of every language, complete in each.
type catalogs struct {
	byLocale map[string]catalog // by lower-case tag
	standard catalog
}

// catalog holds the texts of one language. In a compiled text, a foreign run holds the name of its placeholder.
type catalog struct {
	tag   string
	texts map[string]Text
}

// MessageIDs lists, in order, the ids of all messages that the built-in catalogues have texts for: what a translation consists of.
func MessageIDs() []string {
	texts, _ := readCatalog(localeFiles, "locales/"+fallbackLocale+".json") // a test reads it
	return slices.Sorted(maps.Keys(texts))
}

// newCatalogs lays the host's catalogues over ours, and each language over its wider one: pt-BR over pt over en.
func newCatalogs(host fs.FS, standard string) (catalogs, error) {
	own, _ := fs.Sub(localeFiles, "locales") // the compiler put it there
	layers, err := readCatalogs(own)
	if host != nil {
		more, errHost := readCatalogs(host)
		err = errors.Join(err, errHost)
		for tag, texts := range more {
			if layers[tag] == nil {
				layers[tag] = map[string]string{}
			}
			maps.Copy(layers[tag], texts)
		}
	}
	if err != nil {
		return catalogs{}, err
	}
	all := catalogs{byLocale: make(map[string]catalog, len(layers))}
	for tag := range layers {
		all.byLocale[strings.ToLower(tag)] = compile(tag, layers)
	}
	if standard == "" {
		standard = fallbackLocale
	}
	var ok bool
	if all.standard, ok = all.lookup(standard); !ok {
		return catalogs{}, fmt.Errorf("DefaultLocale: there is no catalogue for %q", standard)
	}
	return all, all.checkMoments()
}

func readCatalogs(files fs.FS) (map[string]map[string]string, error) {
	names, err := fs.Glob(files, "*.json")
	if err != nil {
		return nil, fmt.Errorf("Locales: %w", err)
	}
	found := make(map[string]map[string]string, len(names))
	var problems []error
	for _, name := range names {
		texts, err := readCatalog(files, name)
		problems = append(problems, err)
		found[strings.TrimSuffix(name, ".json")] = texts
	}
	return found, errors.Join(problems...)
}

func readCatalog(files fs.FS, name string) (map[string]string, error) {
	content, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, fmt.Errorf("Locales: %w", err)
	}
	var texts map[string]string
	if err := json.Unmarshal(content, &texts); err != nil {
		return nil, fmt.Errorf("Locales: %s: %w", name, err)
	}
	return texts, nil
}

func compile(tag string, layers map[string]map[string]string) catalog {
	c := catalog{tag: tag, texts: make(map[string]Text, len(layers[fallbackLocale]))}
	chain := []string{tag}
	for wide := range wider(tag) {
		chain = append(chain, wide)
	}
	slices.Reverse(chain)
	for _, layer := range append([]string{fallbackLocale}, chain...) {
		for id, text := range layers[layer] {
			c.texts[id] = parseText(text)
		}
		if layer == fallbackLocale { // no language is called as another
			c.texts["locale.name"] = Text{{value: tag}}
		}
	}
	if name := layers[fallbackLocale]["locale.name"]; tag == fallbackLocale {
		c.texts["locale.name"] = parseText(name)
	}
	return c
}

// parseText finds the {placeholders} of a text. A brace that belongs to none stands for itself.
func parseText(s string) (t Text) {
	for s != "" {
		start := strings.IndexByte(s, '{')
		length := strings.IndexByte(s[max(start, 0):], '}')
		if start < 0 || length < 0 {
			return append(t, run{value: s})
		}
		if start > 0 {
			t = append(t, run{value: s[:start]})
		}
		t = append(t, run{value: s[start+1 : start+length], foreign: true})
		s = s[start+length+1:]
	}
	return t
}

// text returns the message with its placeholders filled. What no catalogue has is the text behind the "|" of the id, and
// without one the id.
func (c catalog) text(id string, params ...map[string]string) Text { return c.fill(id, nil, params...) }

// message is text for a Message: with its times.
func (c catalog) message(m flow.Message, ambient map[string]string) Text {
	return c.fill(m.ID, m.Times, m.Params, ambient)
}

func (c catalog) fill(id string, times map[string]time.Time, params ...map[string]string) Text {
	if id == "" {
		return nil
	}
	key, spare, _ := strings.Cut(id, "|")
	pattern, ok := c.texts[key]
	if !ok {
		if spare == "" {
			spare = key
		}
		return Text{{value: printable(spare)}}
	}
	filled := make(Text, len(pattern))
	for i, run := range pattern {
		if at, ok := times[run.value]; ok && run.foreign {
			run = c.moment(at)
		} else if run.foreign {
			run.value = printable(param(run.value, params))
		}
		filled[i] = run
	}
	return filled
}

// has reports whether there is a text for the id.
func (c catalog) has(id string) bool {
	_, ok := c.texts[id]
	return ok
}

func param(name string, params []map[string]string) string {
	for _, p := range params {
		if value, ok := p[name]; ok {
			return value
		}
	}
	return ""
}

// printable removes what could make a name look like something else: control characters, and those that turn the
// direction of the text around them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return -1
		}
		return r
	}, s)
}
