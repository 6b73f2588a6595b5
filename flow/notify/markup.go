package notify

import (
	"errors"
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
var rawElements = []string{"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext"}

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
			i := strings.Index(strings.ToLower(text), "</"+s.tag)
			if i < 0 {
				return
			}
			s.where, text = inTag, text[i+2+len(s.tag):]
			s.tag = "/" + s.tag
		case inComment:
			i := strings.Index(text, "-->")
			if i < 0 {
				return
			}
			s.where, text = inText, text[i+3:]
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
		return text[i+4:]
	}
	name := text[i+1:]
	if end := strings.IndexAny(name, " \t\r\n\f/>\"'="); end > 0 {
		name = name[:end]
	} else if end == 0 && strings.HasPrefix(name, "/") {
		name = "/"
	}
	if name == "" || name[0] != '/' && name[0] != '!' && !letter(name[0]) {
		return text[i+1:] // a mere sign
	}
	s.where, s.tag = inTag, strings.ToLower(name)
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
	s.attribute = strings.ToLower(text[:end])
	return text[end:]
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
