package authenticator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"time"
)

// CA is a maker of authenticators who vouches for them.
type CA struct {
	// Certificate is the root of its attestations.
	Certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewCA returns a maker whose certificates are good for a day around now.
func NewCA(now time.Time) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Maker"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &CA{Certificate: certificate, key: key}, err
}

// aaguidExtension is id-fido-gen-ce-aaguid (WebAuthn §8.2.1).
var aaguidExtension = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}

// issue makes an attestation certificate for a model (WebAuthn §8.2.1).
func (ca *CA) issue(model [16]byte) (der []byte, key *ecdsa.PrivateKey, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, err
	}
	value, err := asn1.Marshal(model[:])
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: ca.Certificate.NotBefore, NotAfter: ca.Certificate.NotAfter, BasicConstraintsValid: true,
		Subject: pkix.Name{
			Country: []string{"SE"}, Organization: []string{"Test Maker"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Model",
		},
		ExtraExtensions: []pkix.Extension{{Id: aaguidExtension, Value: value}},
	}
	der, err = x509.CreateCertificate(rand.Reader, template, ca.Certificate, key.Public(), ca.key)
	return der, key, err
}

// Statement is a metadata statement about a model, as JSON, with the status of the maker's certificates as the root.
func (ca *CA) Statement(model [16]byte) []byte {
	text := hex.EncodeToString(model[:])
	statement, _ := json.Marshal(map[string]any{
		"description": "Test model", "aaguid": text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:],
		"protocolFamily": "fido2", "schema": 3, "authenticatorVersion": 1, "upv": []any{map[string]int{"major": 1, "minor": 1}},
		"authenticationAlgorithms": []string{"secp256r1_ecdsa_sha256_raw"}, "publicKeyAlgAndEncodings": []string{"cose"},
		"attestationTypes": []string{"basic_full"}, "attestationRootCertificates": []string{base64.StdEncoding.EncodeToString(ca.Certificate.Raw)},
		"userVerificationDetails": []any{}, "keyProtection": []string{"hardware"}, "matcherProtection": []string{"on_chip"}, "tcDisplay": []string{},
	})
	return statement
}

// Blob is a list as the FIDO Metadata Service makes it, with a model in a status, signed by the maker.
func (ca *CA) Blob(model [16]byte, status string, now time.Time) ([]byte, error) {
	certificate, key, err := ca.issue(model)
	if err != nil {
		return nil, err
	}
	header, err := json.Marshal(map[string]any{"alg": "ES256", "typ": "JWT", "x5c": [][]byte{certificate}})
	if err != nil {
		return nil, err
	}
	var statement map[string]any
	if err := json.Unmarshal(ca.Statement(model), &statement); err != nil {
		return nil, err
	}
	payload, err := json.Marshal(map[string]any{
		"no": 7, "nextUpdate": now.Add(24 * time.Hour).Format(time.DateOnly), "legalHeader": "none",
		"entries": []any{map[string]any{
			"aaguid": statement["aaguid"], "metadataStatement": statement, "timeOfLastStatusChange": now.Format(time.DateOnly),
			"statusReports": []any{map[string]any{"status": status, "effectiveDate": now.Add(-48 * time.Hour).Format(time.DateOnly)}},
		}},
	})
	if err != nil {
		return nil, err
	}
	signed := encode(header) + "." + encode(payload)
	hash := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, hash[:])
	if err != nil {
		return nil, err
	}
	return []byte(signed + "." + encode(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))), nil
}

// attest makes an attestation object (WebAuthn §6.5.4).
func (a *Authenticator) attest(preference string, key *passkey, s *Statement, client, data []byte) ([]byte, error) {
	if preference != "direct" || !a.Attest {
		return canonical(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	}
	statement := map[string]any{"alg": key.algorithm}
	signer := key.key
	if a.CA != nil {
		certificate, pair, err := a.CA.issue(a.AAGUID)
		if err != nil {
			return nil, err
		}
		signer, statement["alg"], statement["x5c"] = pair, ES256, [][]byte{certificate}
	}
	signature, err := sign(signer, client, data)
	if err != nil {
		return nil, err
	}
	if s.Signature != nil {
		signature = s.Signature
	}
	statement["sig"] = signature
	return canonical(map[string]any{"fmt": "packed", "attStmt": statement, "authData": data})
}
