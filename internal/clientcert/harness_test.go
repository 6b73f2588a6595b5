package clientcert_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"
)

// certificate makes a self-signed certificate with a subject in DER and a subjectAltName of GeneralNames.
func certificate(t testing.TB, rawSubject []byte, names ...asn1.RawValue) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), RawSubject: rawSubject,
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	if len(names) > 0 {
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: der(t, names)}}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func der(t testing.TB, v any) []byte {
	t.Helper()
	b, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An attr is one attribute of a subject; tag 0 is UTF8String.
type attr struct {
	oid   asn1.ObjectIdentifier
	value string
	tag   int
}

var (
	oidCN  = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidC   = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidO   = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidOU  = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidOrg = asn1.ObjectIdentifier{2, 5, 4, 97}
	oidDC  = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
)

// subject is the DER of a name, whose relative names are given in the order of the certificate.
func subject(t testing.TB, sets ...[]attr) []byte {
	t.Helper()
	type typeAndValue struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	type relativeNameSET []typeAndValue
	var name []relativeNameSET
	for _, set := range sets {
		var relative relativeNameSET
		for _, a := range set {
			if a.tag == 0 {
				a.tag = asn1.TagUTF8String
			}
			relative = append(relative, typeAndValue{a.oid, asn1.RawValue{Tag: a.tag, Bytes: []byte(a.value)}})
		}
		name = append(name, relative)
	}
	return der(t, name)
}

func one(oid asn1.ObjectIdentifier, value string) []attr { return []attr{{oid: oid, value: value}} }
