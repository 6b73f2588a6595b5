package clientcert

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrDN: a text is no distinguished name.
var ErrDN = errors.New("clientcert: not a distinguished name (RFC 4514)")

// distinguishedName is a name taken apart, in the order of a certificate: the last of RFC 4514's text first.
type distinguishedName []relativeName

// relativeName is a set of attributes.
type relativeName []attribute

// attribute is a type, as a dotted object identifier, with its value: text, or for what is none its DER form.
type attribute struct {
	oid  string
	text string
	der  []byte
}

func (a attribute) equal(b attribute) bool {
	return a.oid == b.oid && a.text == b.text && bytes.Equal(a.der, b.der)
}

// equal compares two names attribute by attribute: the same types and values, in the same order of relative names. Values
// are compared as they are: whoever issues certificates may tell apart what folding would make one.
func (n distinguishedName) equal(other distinguishedName) bool {
	return slices.EqualFunc(n, other, relativeName.equal)
}

// equal compares two sets.
func (r relativeName) equal(other relativeName) bool {
	if len(r) != len(other) {
		return false
	}
	left := slices.Clone(other)
	for _, a := range r {
		i := slices.IndexFunc(left, a.equal)
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	return true
}

// attributeTypes are the names of RFC 4514 §3 and RFC 4519, and those that certificates, openssl and Java use besides.
var attributeTypes = map[string]string{
	"cn": "2.5.4.3", "commonname": "2.5.4.3",
	"sn": "2.5.4.4", "surname": "2.5.4.4",
	"serialnumber": "2.5.4.5",
	"c":            "2.5.4.6", "countryname": "2.5.4.6",
	"l": "2.5.4.7", "localityname": "2.5.4.7",
	"st": "2.5.4.8", "s": "2.5.4.8", "stateorprovincename": "2.5.4.8",
	"street": "2.5.4.9", "streetaddress": "2.5.4.9",
	"o": "2.5.4.10", "organizationname": "2.5.4.10",
	"ou": "2.5.4.11", "organizationalunitname": "2.5.4.11",
	"title": "2.5.4.12", "t": "2.5.4.12",
	"description":      "2.5.4.13",
	"businesscategory": "2.5.4.15",
	"postalcode":       "2.5.4.17",
	"name":             "2.5.4.41",
	"givenname":        "2.5.4.42", "gn": "2.5.4.42",
	"initials":            "2.5.4.43",
	"generationqualifier": "2.5.4.44", "generation": "2.5.4.44",
	"dnqualifier": "2.5.4.46", "dnq": "2.5.4.46",
	"pseudonym":              "2.5.4.65",
	"organizationidentifier": "2.5.4.97",
	"dc":                     "0.9.2342.19200300.100.1.25", "domaincomponent": "0.9.2342.19200300.100.1.25",
	"uid": "0.9.2342.19200300.100.1.1", "userid": "0.9.2342.19200300.100.1.1",
	"emailaddress": "1.2.840.113549.1.9.1", "email": "1.2.840.113549.1.9.1", "e": "1.2.840.113549.1.9.1",
	"jurisdictionlocalityname": "1.3.6.1.4.1.311.60.2.1.1", "jurisdictionl": "1.3.6.1.4.1.311.60.2.1.1",
	"jurisdictionstateorprovincename": "1.3.6.1.4.1.311.60.2.1.2", "jurisdictionst": "1.3.6.1.4.1.311.60.2.1.2",
	"jurisdictioncountryname": "1.3.6.1.4.1.311.60.2.1.3", "jurisdictionc": "1.3.6.1.4.1.311.60.2.1.3",
}

const maxDN = 2048

// parseDN reads the text form (RFC 4514 §3). Beyond it, spaces around separators are taken, as in RFC 2253 §4. The empty name is
// none: it would fit every certificate without a subject.
func parseDN(text string) (distinguishedName, error) {
	if len(text) > maxDN || !utf8.ValidString(text) || strings.Trim(text, " ") == "" {
		return nil, ErrDN
	}
	var name distinguishedName
	var set relativeName
	for {
		a, separator, rest, err := cutAttribute(text)
		if err != nil {
			return nil, err
		}
		set = append(set, a)
		if separator != '+' {
			name, set = append(name, set), nil
		}
		if separator == 0 {
			slices.Reverse(name) // RFC 4514 §2.1
			return name, nil
		}
		text = rest
	}
}

// cutAttribute reads one type=value and the separator behind it: a comma, a plus sign, or 0 at the end.
func cutAttribute(text string) (a attribute, separator byte, rest string, err error) {
	name, value, ok := strings.Cut(text, "=")
	if a.oid = attributeOID(strings.Trim(name, " ")); !ok || a.oid == "" {
		return a, 0, "", ErrDN
	}
	value = strings.TrimLeft(value, " ")
	if hexed, isHex := strings.CutPrefix(value, "#"); isHex {
		end := strings.IndexAny(hexed, ",+")
		if end < 0 {
			end = len(hexed)
		}
		der, err := hex.DecodeString(strings.TrimRight(hexed[:end], " "))
		if err != nil {
			return a, 0, "", ErrDN
		}
		if a.text, a.der, ok = attributeValue(der); !ok {
			return a, 0, "", ErrDN
		}
		value = hexed[end:]
	} else if a.text, value, err = cutText(value); err != nil {
		return a, 0, "", err
	}
	if value == "" {
		return a, 0, "", nil
	}
	return a, value[0], value[1:], nil
}

// attributeOID returns the dotted form of a type; "" is not known.
func attributeOID(name string) string {
	name = strings.ToLower(name)
	if oid, ok := attributeTypes[name]; ok {
		return oid
	}
	name = strings.TrimPrefix(name, "oid.")
	arcs := strings.Split(name, ".")
	if len(arcs) < 2 || len(arcs) > 32 {
		return ""
	}
	for _, arc := range arcs { // RFC 4512 §1.4: numericoid, without leading zeros
		if n, err := strconv.ParseUint(arc, 10, 31); err != nil || strconv.FormatUint(n, 10) != arc {
			return ""
		}
	}
	return name
}

// cutText reads a value up to a separator that is not escaped (RFC 4514 §2.4, §3).
func cutText(text string) (value, rest string, err error) {
	var b []byte
	keep := 0 // what is escaped is not trimmed
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case ',', '+':
			return finish(b, keep, text[i:])
		case '"', ';', '<', '>', 0: // RFC 4514 §2.4: must be escaped
			return "", "", ErrDN
		case '\\':
			decoded, length := unescape(text[i+1:])
			if length == 0 {
				return "", "", ErrDN
			}
			b = append(b, decoded)
			i += length
			keep = len(b)
		default:
			b = append(b, c)
		}
	}
	return finish(b, keep, "")
}

func finish(b []byte, keep int, rest string) (string, string, error) {
	end := len(b)
	for end > keep && b[end-1] == ' ' {
		end--
	}
	if end == 0 || !utf8.Valid(b[:end]) {
		return "", "", ErrDN
	}
	return string(b[:end]), rest, nil
}

// unescape decodes what follows a backslash; a length of 0 means that nothing may.
func unescape(text string) (decoded byte, length int) {
	if text != "" && strings.IndexByte(` "#+,;<=>\`, text[0]) >= 0 {
		return text[0], 1
	}
	if len(text) < 2 {
		return 0, 0
	}
	pair, err := hex.DecodeString(text[:2])
	if err != nil {
		return 0, 0
	}
	return pair[0], 2
}

// subjectOf reads the subject of a certificate. encoding/asn1 needs the names of sets to end in SET.
func subjectOf(rawSubject []byte) (distinguishedName, error) {
	type attributeTypeAndValue struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	type relativeNameSET []attributeTypeAndValue
	var sequence []relativeNameSET
	if rest, err := asn1.Unmarshal(rawSubject, &sequence); err != nil || len(rest) > 0 {
		return nil, ErrDN
	}
	name := make(distinguishedName, 0, len(sequence))
	for _, set := range sequence {
		var relative relativeName
		for _, member := range set {
			a := attribute{oid: member.Type.String()}
			var ok bool
			if a.text, a.der, ok = attributeValue(member.Value.FullBytes); !ok {
				return nil, ErrDN
			}
			relative = append(relative, a)
		}
		name = append(name, relative)
	}
	return name, nil
}

// The tags of the string types (X.680).
const (
	tagUTF8      = asn1.TagUTF8String
	tagNumeric   = asn1.TagNumericString
	tagPrintable = asn1.TagPrintableString
	tagTeletex   = asn1.TagT61String
	tagIA5       = asn1.TagIA5String
	tagVisible   = 26
	tagUniversal = 28
	tagBMP       = asn1.TagBMPString
)

// attributeValue reads a value: the text of a string type, whichever it is, and the DER form of all else. A string with characters
// that its type cannot have is all else: what it means depends on who reads it.
func attributeValue(der []byte) (text string, other []byte, ok bool) {
	var raw asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &raw); err != nil || len(rest) > 0 {
		return "", nil, false
	}
	if raw.Class == asn1.ClassUniversal && !raw.IsCompound {
		if text, ok = stringValue(raw.Tag, raw.Bytes); ok && text != "" {
			return text, nil, true
		}
	}
	return "", bytes.Clone(der), true
}

func stringValue(tag int, content []byte) (string, bool) {
	switch tag {
	case tagUTF8:
		return string(content), utf8.Valid(content)
	case tagNumeric, tagPrintable, tagTeletex, tagIA5, tagVisible:
		return string(content), !slices.ContainsFunc(content, func(c byte) bool { return c >= utf8.RuneSelf })
	case tagBMP:
		return wide(content, 2)
	case tagUniversal:
		return wide(content, 4)
	}
	return "", false
}

// wide decodes big-endian characters of a width.
func wide(content []byte, width int) (string, bool) {
	if len(content)%width != 0 {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(content); i += width {
		var r rune
		for _, c := range content[i : i+width] {
			r = r<<8 | rune(c)
		}
		if r < 0 || r > utf8.MaxRune || utf16.IsSurrogate(r) {
			return "", false
		}
		b.WriteRune(r)
	}
	return b.String(), true
}
