package clientcert

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"net/netip"
	"strings"
)

// Subject is by what a client's certificate is known: exactly one member (RFC 8705 §2.1.2).
type Subject struct {
	DN    string // of the certificate's subject, as RFC 4514 writes it
	DNS   string // the others are entries of its subjectAltName
	URI   string
	IP    string
	Email string
}

// Check returns what is wrong with a Subject.
func (s Subject) Check() error {
	set := 0
	for _, member := range []string{s.DN, s.DNS, s.URI, s.IP, s.Email} {
		if member != "" {
			set++
		}
	}
	if set != 1 {
		return errors.New("exactly one name of the certificate is needed (RFC 8705 §2.1.2)")
	}
	if s.DN != "" {
		if _, err := parseDN(s.DN); err != nil {
			return errors.New("is not a distinguished name (RFC 4514)")
		}
	}
	if _, err := netip.ParseAddr(s.IP); s.IP != "" && err != nil || strings.Contains(s.IP, "%") {
		return errors.New("is not an IP address")
	}
	return nil
}

// Names reports whether a certificate is of the Subject. Names are compared whole and taken apart, never as text within text; there
// are no wildcards.
func (s Subject) Names(c *x509.Certificate) bool {
	switch {
	case s.Check() != nil:
		return false
	case s.DN != "":
		want, err := parseDN(s.DN)
		if err != nil {
			return false
		}
		have, err := subjectOf(c.RawSubject)
		return err == nil && have.equal(want)
	case s.DNS != "": // RFC 5280 §7.2: without case
		return hasName(c, sanDNS, func(name []byte) bool { return foldASCII(string(name)) == foldASCII(s.DNS) })
	case s.URI != "":
		return hasName(c, sanURI, func(name []byte) bool { return string(name) == s.URI })
	case s.Email != "":
		return hasName(c, sanEmail, func(name []byte) bool { return foldDomain(string(name)) == foldDomain(s.Email) })
	}
	want, err := netip.ParseAddr(s.IP)
	return err == nil && hasName(c, sanIP, func(name []byte) bool { return bytes.Equal(name, want.AsSlice()) })
}

// The tags of GeneralName (RFC 5280 §4.2.1.6).
const (
	sanOther = 0
	sanEmail = 1
	sanDNS   = 2
	sanURI   = 6
	sanIP    = 7
)

// hasName reports whether an entry of the subjectAltName fits.
func hasName(c *x509.Certificate, tag int, fits func([]byte) bool) (found bool) {
	eachName(c, func(name asn1.RawValue) {
		found = found || name.Class == asn1.ClassContextSpecific && name.Tag == tag && !name.IsCompound && fits(name.Bytes)
	})
	return found
}

// eachName goes through the subjectAltName. The extension is read as it is: what crypto/x509 makes of URIs is no longer what was
// signed, byte by byte.
func eachName(c *x509.Certificate, do func(asn1.RawValue)) {
	oid := asn1.ObjectIdentifier{2, 5, 29, 17}
	for _, e := range c.Extensions {
		if !e.Id.Equal(oid) {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(e.Value, &names); err != nil || len(rest) > 0 {
			return
		}
		for _, name := range names {
			do(name)
		}
	}
}

// foldASCII folds the letters of ASCII alone: Unicode has others that fold into them.
func foldASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// foldDomain folds what stands behind the last @ (RFC 5280 §7.5).
func foldDomain(email string) string {
	at := strings.LastIndexByte(email, '@') + 1
	return email[:at] + foldASCII(email[at:])
}
