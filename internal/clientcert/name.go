package clientcert

import (
	"crypto/x509"
	"encoding/asn1"
	"unicode/utf8"
)

// Name is where a certificate says whose it is.
type Name string

// The names: attributes of the subject, and entries of the subjectAltName.
const (
	CommonName   Name = "CN"
	UserID       Name = "UID"
	SerialNumber Name = "serialNumber"
	Email        Name = "email"
	UPN          Name = "UPN"
)

// maxName bounds a name, as no user name is longer.
const maxName = 256

// oidUPN is the type of the otherName of a user principal name.
var oidUPN = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}

// Of returns the one value that a certificate has for the name, as it was signed. It reports false for none, for several, of which each
// reader may choose another, and for what is no text.
func (n Name) Of(c *x509.Certificate) (string, bool) {
	var values []string
	switch n {
	case CommonName, UserID, SerialNumber:
		subject, err := subjectOf(c.RawSubject)
		if err != nil {
			return "", false
		}
		for _, relative := range subject {
			for _, a := range relative {
				if a.oid == attributeTypes[foldASCII(string(n))] {
					values = append(values, a.text) // "" when it is no text
				}
			}
		}
	case Email:
		hasName(c, sanEmail, func(name []byte) bool { values = append(values, string(name)); return false })
	case UPN:
		values = principalNames(c)
	}
	if len(values) != 1 || !plain(values[0]) {
		return "", false
	}
	return values[0], true
}

// plain reports whether a value is text that a name may be, without what ends or hides a part of it.
func plain(value string) bool {
	if value == "" || len(value) > maxName || !utf8.ValidString(value) {
		return false
	}
	for _, r := range value {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return true
}

// principalNames are the user principal names of the subjectAltName: otherName, [0] of an identifier and, explicitly tagged, a UTF8String
// (RFC 5280 §4.2.1.6).
func principalNames(c *x509.Certificate) (values []string) {
	eachName(c, func(name asn1.RawValue) {
		if name.Class != asn1.ClassContextSpecific || name.Tag != sanOther || !name.IsCompound {
			return
		}
		var id asn1.ObjectIdentifier
		rest, err := asn1.Unmarshal(name.Bytes, &id)
		if err != nil || !id.Equal(oidUPN) {
			return
		}
		var tagged, text asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &tagged); err != nil || len(rest) > 0 || tagged.Class != asn1.ClassContextSpecific || tagged.Tag != 0 {
			values = append(values, "") // which nobody has
			return
		}
		rest, err = asn1.Unmarshal(tagged.Bytes, &text)
		if err != nil || len(rest) > 0 || text.Class != asn1.ClassUniversal || text.Tag != asn1.TagUTF8String {
			values = append(values, "")
			return
		}
		values = append(values, string(text.Bytes))
	})
	return values
}
