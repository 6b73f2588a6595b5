package pages

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// maxLanguages bounds what a request may ask for; browsers send a handful.
const maxLanguages = 16

// choose returns the catalogue for a person: the first that fits the languages asked for (their choice, ui_locales), then of the browser
// (Accept-Language), else the standard one.
func (c catalogs) choose(asked []string, acceptLanguage string) catalog {
	for _, tag := range asked[:min(len(asked), maxLanguages)] {
		if found, ok := c.lookup(tag); ok {
			return found
		}
	}
	for _, tag := range parseAcceptLanguage(acceptLanguage) {
		if found, ok := c.lookup(tag); ok {
			return found
		}
	}
	return c.standard
}

// lookup finds the most specific catalogue for a language tag (RFC 4647 §3.4).
func (c catalogs) lookup(tag string) (catalog, bool) {
	tag = strings.ToLower(tag)
	if found, ok := c.byLocale[tag]; ok {
		return found, true
	}
	for wide := range wider(tag) {
		if found, ok := c.byLocale[wide]; ok {
			return found, true
		}
	}
	return catalog{}, false
}

// wider yields the wider ranges of a language tag: zh-Hant-TW has zh-Hant and zh. A single-letter subtag goes with what
// follows it (RFC 4647 §3.4).
func wider(tag string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			cut := strings.LastIndexByte(tag, '-')
			if cut < 0 {
				return
			}
			tag = tag[:cut]
			if cut >= 2 && tag[cut-2] == '-' {
				tag = tag[:cut-2]
			}
			if !yield(tag) {
				return
			}
		}
	}
}

// parseAcceptLanguage returns the languages of the header, best first (RFC 9110 §12.5.4). What is malformed is left out.
func parseAcceptLanguage(header string) []string {
	type language struct {
		tag    string
		weight float64
	}
	var found []language
	for part := range strings.SplitSeq(header[:min(len(header), 1024)], ",") {
		tag, weight, ok := parseLanguage(part)
		if ok && len(found) < maxLanguages {
			found = append(found, language{tag, weight})
		}
	}
	slices.SortStableFunc(found, func(a, b language) int { return cmp.Compare(b.weight, a.weight) })
	tags := make([]string, len(found))
	for i, l := range found {
		tags[i] = l.tag
	}
	return tags
}

// parseLanguage reads one member of Accept-Language. A weight of zero means "not this one".
func parseLanguage(part string) (tag string, weight float64, ok bool) {
	tag, rest, weighted := strings.Cut(part, ";")
	tag, weight = strings.TrimSpace(tag), 1
	if weighted {
		q, isQ := strings.CutPrefix(strings.TrimSpace(rest), "q=")
		w, err := strconv.ParseFloat(q, 64)
		if !isQ || err != nil || w < 0 || w > 1 {
			return "", 0, false
		}
		weight = w
	}
	return tag, weight, tag != "" && tag != "*" && weight > 0
}
