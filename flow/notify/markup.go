package notify

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// scanner follows HTML as far as is needed to know what a value at this place would be part of. It is comparable: two equal
// scanners are at places of one kind.
type scanner struct {
	where where
	// tag is the element whose tag this is, or whose text is no HTML; attribute the one whose value this is.
	tag, attribute string
	quote          byte
	// begun says that the value of the attribute has begun.
	begun bool
	// active is the first element that no program for mail runs or shows.
	active string
}

type where uint8

const (
	inText where = iota
	inTag
	inValue // of an attribute, in quotes
	inBare  // of an attribute, without quotes
	inRaw   // of an element such as script
	inComment
)

// rawElements hold text that is no HTML.
var rawElements = []string{"style", "title", "textarea"}

// activeElements are refused: they do nothing in mail, and what a value would be within them depends on who reads it.
var activeElements = []string{
	"script", "noscript", "iframe", "object", "embed", "template", "svg", "math", "xmp", "plaintext", "noembed", "noframes", "base", "frameset",
}

// addressAttributes hold URLs.
var addressAttributes = []string{"href", "src", "action", "formaction", "background", "cite", "poster", "data", "longdesc", "xlink:href"}

// read goes on over text without literals.
func (s *scanner) read(text string) {
	for text != "" {
		switch s.where {
		case inText:
			text = s.readText(text)
		case inTag:
			text = s.readTag(text)
		case inValue:
			i := strings.IndexByte(text, s.quote)
			s.begun = s.begun || i != 0
			if i < 0 {
				return
			}
			s.where, s.attribute, s.quote, s.begun, text = inTag, "", 0, false, text[i+1:]
		case inBare:
			i := strings.IndexAny(text, " \t\r\n\f>")
			if i < 0 {
				return
			}
			s.where, s.attribute, text = inTag, "", text[i:]
		case inRaw:
			i := rawEnd(text, s.tag)
			if i < 0 {
				return
			}
			s.where, text = inTag, text[i+2+len(s.tag):]
			s.tag = "/" + s.tag
		case inComment:
			i := commentEnd.FindStringIndex(text)
			if i == nil {
				return
			}
			s.where, text = inText, text[i[1]:]
		}
	}
}

func (s *scanner) readText(text string) string {
	i := strings.IndexByte(text, '<')
	switch {
	case i < 0:
		return ""
	case strings.HasPrefix(text[i:], "<!--"):
		s.where = inComment
		return text[i+2:] // "<!-->" is a whole comment
	}
	name := text[i+1:]
	if name == "" { // a value would be the name of an element
		s.where, s.tag = inTag, ""
		return ""
	}
	if end := strings.IndexAny(name, " \t\r\n\f/>\"'="); end > 0 {
		name = name[:end]
	} else if end == 0 && strings.HasPrefix(name, "/") {
		name = "/"
	}
	if name == "" || name[0] != '/' && name[0] != '!' && !letter(name[0]) {
		return text[i+1:] // a mere sign
	}
	s.where, s.tag = inTag, lowered(name)
	if s.active == "" && slices.Contains(activeElements, strings.TrimPrefix(s.tag, "/")) {
		s.active = s.tag
	}
	return text[i+1+len(name):]
}

// readTag reads one thing of a tag: its end, or an attribute up to its value.
func (s *scanner) readTag(text string) string {
	text = strings.TrimLeft(text, " \t\r\n\f/")
	if text == "" {
		return ""
	}
	if text[0] == '>' {
		s.where = inText
		if slices.Contains(rawElements, s.tag) {
			s.where = inRaw
		} else {
			s.tag = ""
		}
		s.attribute = ""
		return text[1:]
	}
	if text[0] == '=' {
		text = strings.TrimLeft(text[1:], " \t\r\n\f")
		switch {
		case text == "":
			s.where = inBare
		case text[0] == '"' || text[0] == '\'':
			s.where, s.quote, s.begun, text = inValue, text[0], false, text[1:]
		default:
			s.where = inBare
		}
		return text
	}
	end := strings.IndexAny(text[1:], " \t\r\n\f/>=") + 1
	if end == 0 {
		end = len(text)
	}
	s.attribute = lowered(text[:end])
	return text[end:]
}

// commentEnd is what ends a comment, its own beginning included.
var commentEnd = regexp.MustCompile(`--!?>|^--?>`)

// rawEnd is where the element ends whose text is no HTML, -1 when it does not.
func rawEnd(text, tag string) int {
	lower := lowered(text)
	for from := 0; ; {
		i := strings.Index(lower[from:], "</"+tag)
		if i < 0 {
			return -1
		}
		i += from
		if after := i + 2 + len(tag); after < len(lower) && strings.IndexByte(" \t\r\n\f/>", lower[after]) >= 0 {
			return i
		}
		from = i + 2
	}
}

// lowered is text with the letters of ASCII in lower case, as HTML compares names (§13.1.2): of the same length whatever bytes it has.
func lowered(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// filled says that a value has been written here.
func (s *scanner) filled() {
	if s.where == inValue {
		s.begun = true
	}
}

// escaping is how a value must be written here.
func (s *scanner) escaping() (escaping, error) {
	switch {
	case s.where == inText || s.where == inRaw && (s.tag == "title" || s.tag == "textarea"):
		return asMarkup, nil
	case s.where == inRaw && s.tag == "style":
		return asStyle, nil
	case s.where != inValue:
		return 0, errors.New("stands where no value can be made safe")
	case strings.HasPrefix(s.attribute, "on") || s.attribute == "srcdoc" || s.attribute == "srcset":
		return 0, errors.New("stands in an attribute where no value can be made safe")
	case s.attribute == "style":
		return asStyle, nil
	case slices.Contains(addressAttributes, s.attribute) && s.begun:
		return asQuery, nil
	case slices.Contains(addressAttributes, s.attribute):
		return asAddress, nil
	default:
		return asMarkup, nil
	}
}
