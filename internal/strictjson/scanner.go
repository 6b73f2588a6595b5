package strictjson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks a text by the grammar of RFC 8259 with the target's type at its side: a
// nil type is one that has no struct fields to compare names with.
type scanner struct {
	data  []byte
	pos   int
	depth int
	rules rules
}

func (s *scanner) fail(kind Kind, at int, member string) error {
	return &Error{Kind: kind, Offset: int64(at), Member: member}
}

// peek skips white space and returns the byte after it, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) document(t reflect.Type) error {
	if err := s.value(t); err != nil {
		return err
	}
	if s.peek(); s.pos < len(s.data) {
		return s.fail(Trailing, s.pos, "")
	}
	return nil
}

func (s *scanner) value(t reflect.Type) error {
	switch c := s.peek(); {
	case c == '{':
		return s.object(shapeOf(t))
	case c == '[':
		return s.array(shapeOf(t))
	case c == '"':
		_, _, err := s.text()
		return err
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
			s.pos += len(word)
			return nil
		}
	}
	return s.fail(Syntax, s.pos, "")
}

// nested walks what is between two brackets: nothing, or elements separated by commas.
func (s *scanner) nested(end byte, element func() error) error {
	if s.depth++; s.depth > s.rules.depth {
		return s.fail(Deep, s.pos, "")
	}
	s.pos++
	if s.peek() == end {
		s.pos++
		s.depth--
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case end:
			s.pos++
			s.depth--
			return nil
		default:
			return s.fail(Syntax, s.pos, "")
		}
	}
}

func (s *scanner) array(target *shape) error {
	return s.nested(']', func() error { return s.value(target.element) })
}

func (s *scanner) object(target *shape) error {
	var seen names
	return s.nested('}', func() error {
		if s.peek() != '"' {
			return s.fail(Syntax, s.pos, "")
		}
		at := s.pos
		quoted, escaped, err := s.text()
		if err != nil {
			return err
		}
		name := unquote(quoted, escaped)
		if seen.add(name) {
			return s.fail(Duplicate, at, string(name))
		}
		inner, err := s.member(target, name, at)
		if err != nil {
			return err
		}
		if s.peek() != ':' {
			return s.fail(Syntax, s.pos, "")
		}
		s.pos++
		return s.value(inner)
	})
}

// member returns the type that a member is decoded into, nil if nothing takes it.
func (s *scanner) member(target *shape, name []byte, at int) (reflect.Type, error) {
	if target.fields == nil {
		return target.member, nil
	}
	if t, ok := target.fields[string(name)]; ok {
		return t, nil
	}
	if _, ok := target.folded[fold(string(name))]; ok {
		return nil, s.fail(Case, at, string(name))
	}
	if s.rules.refuseUnknown {
		return nil, s.fail(Unknown, at, string(name))
	}
	return nil, nil
}

// text reads a string and returns it as it stands, with its quotation marks, and whether it has escapes.
func (s *scanner) text() (quoted []byte, escaped bool, err error) {
	start := s.pos
	for s.pos++; s.pos < len(s.data); {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.data[start:s.pos], escaped, nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return nil, false, err
			}
		case c < ' ':
			return nil, false, s.fail(Syntax, s.pos, "")
		case c < utf8.RuneSelf:
			s.pos++
		default:
			r, size := utf8.DecodeRune(s.data[s.pos:])
			if r == utf8.RuneError && size == 1 {
				return nil, false, s.fail(Encoding, s.pos, "")
			}
			s.pos += size
		}
	}
	return nil, false, s.fail(Syntax, s.pos, "")
}

// unquote leaves the unescaping to encoding/json, which cannot fail on what was scanned.
func unquote(quoted []byte, escaped bool) []byte {
	if !escaped {
		return quoted[1 : len(quoted)-1]
	}
	var text string
	_ = json.Unmarshal(quoted, &text)
	return []byte(text)
}

func (s *scanner) escape() error {
	at := s.pos
	if at+1 >= len(s.data) {
		return s.fail(Syntax, len(s.data), "")
	}
	switch s.data[at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return nil
	case 'u':
	default:
		return s.fail(Syntax, at, "")
	}
	first, ok := s.hex(at)
	if !ok {
		return s.fail(Syntax, at, "")
	}
	s.pos += 6
	if !utf16.IsSurrogate(first) {
		return nil
	}
	if second, ok := s.hex(s.pos); !ok || utf16.DecodeRune(first, second) == utf8.RuneError {
		return s.fail(Encoding, at, "")
	}
	s.pos += 6
	return nil
}

// hex reads the escape \uXXXX at a position.
func (s *scanner) hex(at int) (rune, bool) {
	if at+6 > len(s.data) || s.data[at] != '\\' || s.data[at+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s.data[at+2:at+6]), 16, 16)
	return rune(n), err == nil
}

func (s *scanner) number() error {
	if s.data[s.pos] == '-' {
		s.pos++
	}
	switch c := s.at(); {
	case c == '0':
		s.pos++
	case '1' <= c && c <= '9':
		s.digits()
	default:
		return s.fail(Syntax, s.pos, "")
	}
	if s.at() == '.' {
		s.pos++
		if !s.digits() {
			return s.fail(Syntax, s.pos, "")
		}
	}
	if c := s.at(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.at(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.fail(Syntax, s.pos, "")
		}
	}
	return nil
}

// at returns the byte at the position, 0 at the end.
func (s *scanner) at() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) digits() bool {
	start := s.pos
	for c := s.at(); '0' <= c && c <= '9'; c = s.at() {
		s.pos++
	}
	return s.pos > start
}
