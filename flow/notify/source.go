package notify

import (
	"errors"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Source is the text of a template in one language, with literals such as {{user-name}} where values go. {{url:user-name}} is the
// value escaped for a URL. {{#link}}…{{/link}} stands only if the literal has a value, and {{^link}}…{{/link}} if it has none.
//
// In HTML each value is escaped for the place where it stands: text, an attribute, a part of a URL, a whole one (https, http, mailto
// and tel only), a style. Where no value can be made safe, as in a script or without quotes, no literal may stand.
type Source struct {
	// Subject is that of an e-mail, or the title of a notification. A text message has none.
	Subject string `json:"subject,omitempty"`
	// Text is in paragraphs. One that begins with "= " shows a code, one with "~ " small print, and "> Continue {{link}}" leads on.
	Text string `json:"text"`
	// HTML is that of an e-mail; "" makes it of Text, in the layout.
	HTML string `json:"html,omitempty"`
}

// maxSource bounds a Source, in bytes.
const maxSource = 64 << 10

// Validate reports every literal that is malformed or stands where none may.
func (s Source) Validate() error {
	var problems []error
	if len(s.Subject)+len(s.Text)+len(s.HTML) > maxSource {
		return fmt.Errorf("notify: a template is larger than %d bytes", maxSource)
	}
	if strings.TrimSpace(s.Text) == "" {
		problems = append(problems, errors.New("notify: a template needs a text"))
	}
	for _, part := range []struct {
		field, text string
		markup      bool
	}{{"subject", s.Subject, false}, {"text", s.Text, false}, {"html", s.HTML, true}} {
		if _, err := compile(part.text, part.markup); err != nil {
			problems = append(problems, fmt.Errorf("notify: %s: %w", part.field, err))
		}
	}
	return errors.Join(problems...)
}

// pieces is a compiled text.
type pieces []piece

// piece is literal text, a value, or the edge of a section.
type piece struct {
	kind  pieceKind
	text  string // or the name of the value
	as    escaping
	after int // of a section that does not stand: what follows it
}

type pieceKind uint8

const (
	verbatim pieceKind = iota
	value
	ifSet
	ifUnset
	end
)

// escaping is how a value is written.
type escaping uint8

const (
	asText escaping = iota
	asMarkup
	asQuery
	asAddress
	asStyle
)

// literal is the name of a value, with what stands before it.
var literal = regexp.MustCompile(`^(url:|[#^/])?([A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*)$`)

// compile finds the literals of a text. In HTML it finds out how the value of each must be written.
func compile(source string, markup bool) (pieces, error) {
	var (
		all  pieces
		open []section
		scan scanner
	)
	for source != "" {
		start := strings.Index(source, "{{")
		if start < 0 {
			all = append(all, piece{text: source})
			scan.read(source)
			break
		}
		length := strings.Index(source[start:], "}}")
		if length < 0 {
			return nil, errors.New("{{ has no }}")
		}
		if start > 0 {
			all = append(all, piece{text: source[:start]})
			scan.read(source[:start])
		}
		found := literal.FindStringSubmatch(strings.TrimSpace(source[start+2 : start+length]))
		if found == nil {
			return nil, fmt.Errorf("%q is no literal", source[start:start+length+2])
		}
		p := piece{text: found[2]}
		var err error
		switch found[1] {
		case "#", "^":
			p.kind = ifSet
			if found[1] == "^" {
				p.kind = ifUnset
			}
			open = append(open, section{at: len(all), state: scan})
		case "/":
			p.kind = end
			open, err = all.close(open, p.text, scan)
		default:
			p.kind = value
			if markup {
				p.as, err = scan.escaping()
				scan.filled()
			}
			if found[1] == "url:" {
				p.as = asQuery
			}
		}
		if err != nil {
			return nil, fmt.Errorf("{{%s}} %w", found[0], err)
		}
		all = append(all, p)
		source = source[start+length+2:]
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("{{#%s}} has no {{/%[1]s}}", all[open[len(open)-1].at].text)
	}
	if markup && scan.active != "" {
		return nil, fmt.Errorf("has an element <%s>", strings.TrimPrefix(scan.active, "/"))
	}
	return all, nil
}

// section is one that has been opened: where, and in what state of the HTML.
type section struct {
	at    int
	state scanner
}

// close ends the innermost section. With or without it, the HTML around it must read the same.
func (p pieces) close(open []section, name string, now scanner) ([]section, error) {
	if len(open) == 0 || p[open[len(open)-1].at].text != name {
		return open, errors.New("closes what is not open")
	}
	last := open[len(open)-1]
	if last.state != now {
		return open, errors.New("closes a section in the middle of an element that begins in it")
	}
	p[last.at].after = len(p)
	return open[:len(open)-1], nil
}

// literals lists the names of all values, each once.
func (p pieces) literals() []string {
	var names []string
	for _, piece := range p {
		if piece.kind != verbatim && piece.kind != end {
			names = append(names, piece.text)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// render writes the text with its values, made printable.
func (p pieces) render(values func(name string) string) string {
	return p.exactly(func(name string) string { return printable(values(name)) })
}

// exactly writes the text with its values as they are.
func (p pieces) exactly(values func(name string) string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		switch piece := p[i]; piece.kind {
		case verbatim:
			b.WriteString(piece.text)
		case value:
			b.WriteString(piece.as.write(values(piece.text)))
		case ifSet, ifUnset:
			if (values(piece.text) != "") != (piece.kind == ifSet) {
				i = piece.after
			}
		case end:
		}
	}
	return b.String()
}

// styleValue is what a value may be within a style: colours, lengths, names of fonts.
var styleValue = regexp.MustCompile(`^[#A-Za-z0-9 ,.%-]*(?:\([0-9a-z.,%/ +-]*\))?$`)

func (e escaping) write(s string) string {
	switch e {
	case asMarkup:
		return html.EscapeString(s)
	case asQuery:
		return html.EscapeString(url.QueryEscape(s))
	case asAddress:
		return html.EscapeString(safeAddress(s))
	case asStyle:
		if !styleValue.MatchString(s) || strings.HasPrefix(strings.ToLower(s), "url") || strings.HasPrefix(strings.ToLower(s), "expression") {
			return ""
		}
		return s
	default:
		return s
	}
}

// safeAddress is the URL if it is one that a message may lead to, else "".
func safeAddress(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	switch u.Scheme {
	case "https", "http", "mailto", "tel":
		return s
	}
	return ""
}

// printable removes what could make a value look like something else: control characters, and those that turn the direction of
// the text around them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, s)
}
