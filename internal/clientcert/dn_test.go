package clientcert_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/clientcert"
)

// RFC 4514: the same name in the spellings that people and programs write.
func TestSubjectDNInEverySpelling(t *testing.T) {
	t.Parallel()
	plain := subject(t, one(oidC, "DE"), one(oidO, "Signet, Inc."), one(oidCN, "client"))
	multi := subject(t, one(oidDC, "example"), []attr{{oid: oidOU, value: "Sales"}, {oid: oidCN, value: "J.  Smith"}})
	odd := subject(t, one(oidCN, ` #a+"b\<c>;é `+"\x00"))
	printable := subject(t, []attr{{oidC, "DE", asn1.TagPrintableString}}, []attr{{oidO, "Signet, Inc.", asn1.TagIA5String}},
		[]attr{{oidCN, "\x00c\x00l\x00i\x00e\x00n\x00t", asn1.TagBMPString}})
	psd2 := subject(t, one(oidOrg, "PSDDE-1"))
	for _, row := range []struct {
		subject []byte
		text    string
	}{
		{plain, `CN=client,O=Signet\, Inc.,C=DE`},
		{plain, `cn=client, o=Signet\, Inc. , c=DE`},
		{plain, `2.5.4.3=client,OID.2.5.4.10=Signet\2c Inc.,countryName=DE`},
		{plain, `CN=#0c06636c69656e74,O=#160c5369676e65742c20496e632e,C=#13024445`},
		{plain, `CN=\63\6Cient,O=Signet\2C\20Inc.,C=DE`},
		{printable, `CN=client,O=Signet\, Inc.,C=DE`},
		{multi, `OU=Sales+CN=J.  Smith,DC=example`},
		{multi, `CN=J.  Smith + OU=Sales, 0.9.2342.19200300.100.1.25=example`},
		{odd, `CN=\ #a\+\"b\\\<c\>\;é\ \00`},
		{odd, `CN=\20\23a\2b\22b\5c\3cc\3e\3b\c3\a9\20\00`},
		{psd2, `organizationIdentifier=PSDDE-1`},
		{psd2, `2.5.4.97=PSDDE-1`},
		{psd2, `2.5.4.97=#0c0750534444452d31`},
	} {
		if same, ok := clientcert.SameDN(row.subject, row.text); !ok || !same {
			t.Errorf("%s: same %v, readable %v", row.text, same, ok)
		}
	}
}

// X.509 subject parsing (CVE-2026-22747, CVE-2026-47838): names that look like the registered one, or contain it.
func TestAttackSubjectDN(t *testing.T) {
	t.Parallel()
	const registered = `CN=client,O=Signet,C=DE`
	for name, raw := range map[string][]byte{
		"in one value":       subject(t, one(oidCN, "client,O=Signet,C=DE")),
		"in one value, rest": subject(t, one(oidC, "XX"), one(oidCN, "client,O=Signet,C=DE")),
		"more in front":      subject(t, one(oidC, "DE"), one(oidO, "Signet"), one(oidCN, "client"), one(oidOU, "x")),
		"more behind":        subject(t, one(oidDC, "evil"), one(oidC, "DE"), one(oidO, "Signet"), one(oidCN, "client")),
		"less":               subject(t, one(oidO, "Signet"), one(oidCN, "client")),
		"other order":        subject(t, one(oidCN, "client"), one(oidO, "Signet"), one(oidC, "DE")),
		"one set":            subject(t, one(oidC, "DE"), []attr{{oid: oidO, value: "Signet"}, {oid: oidCN, value: "client"}}),
		"twice in a set":     subject(t, one(oidC, "DE"), one(oidO, "Signet"), []attr{{oid: oidCN, value: "client"}, {oid: oidCN, value: "client"}}),
		"other type":         subject(t, one(oidC, "DE"), one(oidO, "Signet"), one(oidOU, "client")),
		"other case":         subject(t, one(oidC, "DE"), one(oidO, "Signet"), one(oidCN, "Client")),
		"a space":            subject(t, one(oidC, "DE"), one(oidO, "Signet"), one(oidCN, "client ")),
		"NUL":                subject(t, one(oidC, "DE"), one(oidO, "Signet"), one(oidCN, "client\x00.evil")),
		"look-alike":         subject(t, one(oidC, "DE"), one(oidO, "Signet"), one(oidCN, "сlient")),
		"broken UTF-8":       subject(t, one(oidC, "DE"), one(oidO, "Signet"), one(oidCN, "client\xff")),
		"octets":             subject(t, one(oidC, "DE"), one(oidO, "Signet"), []attr{{oidCN, "client", asn1.TagOctetString}}),
		"surrogates":         subject(t, one(oidC, "DE"), one(oidO, "Signet"), []attr{{oidCN, "\xd8\x00\xdc\x00", asn1.TagBMPString}}),
		"none":               subject(t),
	} {
		if same, _ := clientcert.SameDN(raw, registered); same {
			t.Errorf("%s passes for the registered name", name)
		}
	}
	for _, text := range []string{
		"", " ", ",", "CN", "CN=", "=client", "CN=client,", "CN=client,,C=DE", "CN=client+", "CN=client;O=x", `CN="client"`, `CN=a\`, `CN=a\zz`,
		`CN=\ff`, "CN=#", "CN=#0c", "CN=#zz", "CN=#0c016100", "XX=client", "1=a", "1.02=a", "1.-2=a", "1..2=a", "CN=a<b", "CN=a\x00", "CN=\xff",
	} {
		if _, ok := clientcert.ReadDN(text); ok {
			t.Errorf("%q is taken for a name", text)
		}
		if (clientcert.Subject{DN: text}).Names(certificate(t, subject(t))) {
			t.Errorf("%q names a certificate without a subject", text)
		}
	}
}

// RFC 8705 §2.1.2: exact entries of the subjectAltName.
func TestSubjectAlternativeNames(t *testing.T) {
	t.Parallel()
	name := func(tag int, value string) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(value)}
	}
	c := certificate(t, subject(t, one(oidCN, "host.example")),
		name(2, "Client.example"), name(2, "*.wild.example"), name(6, "spiffe://example/client"), name(7, "\xc0\x00\x02\x01"),
		name(7, "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"), name(1, "Ops@Client.example"))
	for _, s := range []clientcert.Subject{
		{DN: "CN=host.example"},
		{DNS: "client.EXAMPLE"},
		{DNS: "*.wild.example"},
		{URI: "spiffe://example/client"},
		{IP: "192.0.2.1"},
		{IP: "2001:db8:0::1"},
		{Email: "Ops@client.example"},
	} {
		if s.Check() != nil || !s.Names(c) {
			t.Errorf("%+v does not name the certificate: %v", s, s.Check())
		}
	}
	for _, s := range []clientcert.Subject{
		{},
		{DN: "CN=host.example", DNS: "client.example"},
		{DNS: "host.example"},
		{DNS: "a.wild.example"},
		{DNS: "lient.example"},
		{DNS: "client.example."},
		{DNS: "*"},
		{DNS: "Ops@Client.example"},
		{URI: "spiffe://example/client/"},
		{URI: "spiffe://EXAMPLE/client"},
		{URI: "client.example"},
		{IP: "192.0.2.2"},
		{IP: "::ffff:192.0.2.1"},
		{IP: "192.0.2.01"},
		{IP: "2001:db8::1%eth0"},
		{Email: "ops@client.example"},
		{Email: "Ops@client"},
		{Email: "Ops@client.example "},
		{Email: "\xff@client.example"},
	} {
		if s.Names(c) {
			t.Errorf("%+v names the certificate", s)
		}
	}
	for _, s := range []clientcert.Subject{{}, {IP: "x"}, {IP: "::1%lo"}, {DN: "x"}, {DNS: "a", URI: "b"}} {
		if s.Check() == nil {
			t.Errorf("%+v passes", s)
		}
	}
	if (clientcert.Subject{DNS: "client.example"}).Names(certificate(t, subject(t, one(oidCN, "client.example")))) {
		t.Error("the common name passes for a DNS name")
	}
}

func FuzzDN(f *testing.F) {
	for _, seed := range []string{`CN=a,O=b\, c+OU=#0c0161,1.2.3=d`, `CN=\20a\`, "", "CN=#04024869", `cn=a;b`, "C=DE , O=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if reflexive, ok := clientcert.ReadDN(text); ok && !reflexive {
			t.Errorf("%q is not itself", text)
		}
	})
}

func FuzzSubject(f *testing.F) {
	f.Add(subject(f, one(oidCN, "client"), []attr{{oid: oidO, value: "a"}, {oid: oidOU, value: "b"}}), "CN=client")
	f.Add(subject(f, []attr{{oidCN, "\x00a", asn1.TagBMPString}}), "CN=a")
	f.Add([]byte{0x30, 0x80}, "CN=a")
	f.Fuzz(func(t *testing.T, raw []byte, text string) {
		if reflexive, ok := clientcert.ReadSubject(raw); ok && !reflexive {
			t.Errorf("%x is not itself", raw)
		}
		clientcert.SameDN(raw, text)
	})
}

// Names are read as they were signed: several, none, and what ends or hides a part are no name.
func TestAttackNames(t *testing.T) {
	t.Parallel()
	mail := func(address string) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, Bytes: []byte(address)}
	}
	long := strings.Repeat("a", 257)
	for name, c := range map[string]*x509.Certificate{
		"two common names":          certificate(t, subject(t, one(oidCN, "ann"), one(oidCN, "bob"))),
		"two in a set":              certificate(t, subject(t, []attr{{oid: oidCN, value: "ann"}, {oid: oidCN, value: "bob"}})),
		"the same twice":            certificate(t, subject(t, one(oidCN, "ann"), one(oidCN, "ann"))),
		"none":                      certificate(t, subject(t, one(oidO, "ann"))),
		"NUL":                       certificate(t, subject(t, one(oidCN, "ann\x00.example"))),
		"a line":                    certificate(t, subject(t, one(oidCN, "ann\nx"))),
		"too long":                  certificate(t, subject(t, one(oidCN, long))),
		"two addresses":             certificate(t, subject(t, one(oidO, "x")), mail("ann@example.com"), mail("bob@example.com")),
		"an address of the subject": certificate(t, subject(t, one(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, "ann@example.com"))),
	} {
		for _, part := range []clientcert.Name{clientcert.CommonName, clientcert.Email, clientcert.UPN, clientcert.UserID, clientcert.SerialNumber, "other"} {
			if got, ok := part.Of(c); ok {
				t.Errorf("%s: %s is %q", name, part, got)
			}
		}
	}
	c := certificate(t, subject(t, one(oidO, "x"), one(oidCN, "Ann")), mail("ann@example.com"))
	for part, want := range map[clientcert.Name]string{clientcert.CommonName: "Ann", clientcert.Email: "ann@example.com"} {
		if got, ok := part.Of(c); !ok || got != want {
			t.Errorf("%s is %q", part, got)
		}
	}
}

func FuzzName(f *testing.F) {
	utf8String := []byte{0x0c, 0x03, 'a', 'n', 'n'}
	upn := append([]byte{0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02, 0x03, 0xa0, byte(len(utf8String))}, utf8String...)
	f.Add(append([]byte{0x30, byte(len(upn) + 2), 0xa0, byte(len(upn))}, upn...))
	f.Add([]byte{0x30, 0x05, 0x81, 0x03, 'a', '@', 'b'})
	f.Add([]byte{0x30, 0x02, 0xa0, 0x00})
	f.Fuzz(func(t *testing.T, names []byte) {
		c := &x509.Certificate{Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: names}}}
		for _, part := range []clientcert.Name{clientcert.Email, clientcert.UPN} {
			if got, ok := part.Of(c); ok && (got == "" || !bytes.Contains(names, []byte(got))) {
				t.Errorf("%s of %x is %q", part, names, got)
			}
		}
	})
}
