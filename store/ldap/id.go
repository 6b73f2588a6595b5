package ldap

import (
	"encoding/hex"
	"regexp"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
)

var (
	uuidPattern  = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	plainPattern = regexp.MustCompile(`^[A-Za-z0-9._:@-]{1,128}$`)
)

// decode returns the id that an attribute's value is, in the one form that it has; false when it is none.
func (s IDSyntax) decode(value []byte) (id string, ok bool) {
	switch s {
	case ObjectGUID:
		return guidText(value)
	case PlainText:
		return string(value), plainPattern.Match(value)
	default:
		id = strings.ToLower(string(value))
		return id, uuidPattern.MatchString(id)
	}
}

// filterValue returns what stands for an id in a filter; false when it is none and nobody can have it. Bytes are escaped
// (RFC 4515 §3): the text of a GUID is not what the server compares.
func (s IDSyntax) filterValue(id string) (value string, ok bool) {
	switch s {
	case ObjectGUID:
		guid, ok := guidBytes(id)
		return escapeBytes(guid), ok
	case PlainText:
		return goldap.EscapeFilter(id), plainPattern.MatchString(id)
	default:
		return id, uuidPattern.MatchString(id)
	}
}

// guidOrder is where the bytes of a GUID stand in its text: the first three parts have the least byte first
// ([MS-DTYP] §2.3.4.2).
var guidOrder = [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}

func guidText(value []byte) (text string, ok bool) {
	if len(value) != 16 {
		return "", false
	}
	var b [16]byte
	for i, from := range guidOrder {
		b[i] = value[from]
	}
	text = hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:], true
}

func guidBytes(text string) (value []byte, ok bool) {
	if !uuidPattern.MatchString(text) {
		return nil, false
	}
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil {
		return nil, false
	}
	value = make([]byte, 16)
	for i, to := range guidOrder {
		value[to] = b[i]
	}
	return value, true
}

// escapeBytes writes every byte as \xx.
func escapeBytes(value []byte) string {
	var b strings.Builder
	for _, c := range value {
		b.WriteByte('\\')
		b.WriteString(hex.EncodeToString([]byte{c}))
	}
	return b.String()
}
