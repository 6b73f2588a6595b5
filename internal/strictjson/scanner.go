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
	data   []byte
	pos    int
	depth  int
	rules  rules
	fields map[reflect.Type]*fields
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
		return s.nested(t, '}', s.object)
	case c == '[':
		return s.nested(t, ']', s.array)
	case c == '"':
		_, err := s.text()
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
func (s *scanner) nested(t reflect.Type, end byte, elements func(reflect.Type) (element func() error)) error {
	if s.depth++; s.depth > s.rules.depth {
		return s.fail(Deep, s.pos, "")
	}
	s.pos++
	if s.peek() == end {
		s.pos++
		s.depth--
		return nil
	}
	element := elements(t)
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

func (s *scanner) array(t reflect.Type) func() error {
	inner := elementType(t)
	return func() error { return s.value(inner) }
}

func (s *scanner) object(t reflect.Type) func() error {
	fields := s.fieldsOf(t)
	inner := memberType(t)
	seen := map[string]struct{}{}
	return func() error {
		if s.peek() != '"' {
			return s.fail(Syntax, s.pos, "")
		}
		at := s.pos
		name, err := s.text()
		if err != nil {
			return err
		}
		if _, twice := seen[name]; twice {
			return s.fail(Duplicate, at, name)
		}
		seen[name] = struct{}{}
		if fields != nil {
			if inner, err = s.field(fields, name, at); err != nil {
				return err
			}
		}
		if s.peek() != ':' {
			return s.fail(Syntax, s.pos, "")
		}
		s.pos++
		return s.value(inner)
	}
}

// field returns the type of the field that a member is for, nil if there is none.
func (s *scanner) field(f *fields, name string, at int) (reflect.Type, error) {
	if t, ok := f.exact[name]; ok {
		return t, nil
	}
	if f.takes(name) {
		return nil, s.fail(Case, at, name)
	}
	if s.rules.refuseUnknown {
		return nil, s.fail(Unknown, at, name)
	}
	return nil, nil
}

// text reads a string and returns it unescaped.
func (s *scanner) text() (string, error) {
	start := s.pos
	escaped := false
	for s.pos++; s.pos < len(s.data); {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return unquote(s.data[start:s.pos], escaped), nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return "", err
			}
		case c < ' ':
			return "", s.fail(Syntax, s.pos, "")
		case c < utf8.RuneSelf:
			s.pos++
		default:
			r, size := utf8.DecodeRune(s.data[s.pos:])
			if r == utf8.RuneError && size == 1 {
				return "", s.fail(Encoding, s.pos, "")
			}
			s.pos += size
		}
	}
	return "", s.fail(Syntax, s.pos, "")
}

// unquote leaves the unescaping to encoding/json, which cannot fail on what was scanned.
func unquote(quoted []byte, escaped bool) string {
	if !escaped {
		return string(quoted[1 : len(quoted)-1])
	}
	var text string
	_ = json.Unmarshal(quoted, &text)
	return text
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
