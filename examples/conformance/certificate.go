package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/url"
	"time"
)

// certificate reads the server's certificate, or makes one for the hosts that it is reached at: the suite does not ask who signed it. Its
// key is for RSA, which all of the cipher suites of FAPI 1.0 Advanced §8.5 are for.
func (o options) certificate() (tls.Certificate, error) {
	if o.cert != "" {
		return tls.LoadX509KeyPair(o.cert, o.key)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 3, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, base := range []string{o.base, o.mtlsBase} {
		at, err := url.Parse(base)
		if err != nil {
			return tls.Certificate{}, err
		}
		if ip := net.ParseIP(at.Hostname()); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if at.Hostname() != "" {
			template.DNSNames = append(template.DNSNames, at.Hostname())
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
