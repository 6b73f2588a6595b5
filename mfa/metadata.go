package mfa

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/metadata/providers/memory"

	"github.com/signet-idp/signet/internal/strictjson"
)

// A MetadataSource is where knowledge about models of authenticators comes from. At least one part is needed.
type MetadataSource struct {
	// Blob is the signed list of the FIDO Metadata Service, as https://mds3.fidoalliance.org serves it. The host fetches it, and again
	// when [Metadata.NextUpdate] is there; nothing here calls anybody.
	Blob []byte
	// Root is whose word the Blob is. Nil is the root that the FIDO Alliance uses.
	Root *x509.Certificate
	// Statements are metadata statements of the host's own, each a JSON object (FIDO Metadata Statement §4). They win over the Blob.
	Statements [][]byte
}

// Metadata is what is known about models of authenticators (FIDO Metadata Service 3). It is immutable and safe for concurrent
// use.
type Metadata struct {
	// Number counts the versions of the blob: who holds a newer one does not go back. NextUpdate is when it ought to be fetched anew.
	// Both are zero without a blob.
	Number     int
	NextUpdate time.Time

	models   map[[16]byte]*metadata.Entry
	provider metadata.Provider
}

const (
	maxBlob      = 64 << 20
	maxStatement = 1 << 20
)

// ParseMetadata reads and verifies a MetadataSource. Revocation of the certificates that sign the blob is not looked up. An entry
// of the blob that cannot be understood is left out, so its model is not known.
func ParseMetadata(source MetadataSource, now time.Time) (*Metadata, error) {
	m := &Metadata{models: map[[16]byte]*metadata.Entry{}}
	var problems []error
	if len(source.Blob) == 0 && len(source.Statements) == 0 {
		problems = append(problems, errors.New("mfa: MetadataSource is empty"))
	}
	if len(source.Blob) > 0 {
		problems = append(problems, m.addBlob(source, now))
	}
	for i, statement := range source.Statements {
		if err := m.addStatement(statement); err != nil {
			problems = append(problems, fmt.Errorf("mfa: MetadataSource.Statements[%d]: %w", i, err))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	var entries []metadata.Entry
	for model, entry := range m.models {
		entry.AaGUID = model
		entries = append(entries, *entry)
	}
	known := metadata.Metadata{Parsed: metadata.Parsed{Entries: entries}}
	var err error
	m.provider, err = memory.New(memory.WithMetadata(known.ToMap()))
	return m, err
}

func (m *Metadata) addStatement(data []byte) error {
	if len(data) > maxStatement {
		return errors.New("too long")
	}
	var text metadata.StatementJSON
	if err := strictjson.Unmarshal(data, &text); err != nil {
		return err
	}
	statement, err := text.Parse()
	if err != nil {
		return err
	}
	if statement.AaGUID == [16]byte{} {
		return errors.New("it has no aaguid")
	}
	m.models[statement.AaGUID] = &metadata.Entry{AaGUID: statement.AaGUID, MetadataStatement: statement}
	return nil
}

// addBlob is FIDO Metadata Service §3.2 without its steps that call others.
func (m *Metadata) addBlob(source MetadataSource, now time.Time) error {
	payload, err := verifyBlob(source.Blob, source.Root, now)
	if err != nil {
		return fmt.Errorf("mfa: MetadataSource.Blob: %w", err)
	}
	var text metadata.PayloadJSON
	if err := json.Unmarshal(payload, &text); err != nil { // whose word it is has been verified
		return fmt.Errorf("mfa: MetadataSource.Blob: %w", err)
	}
	if m.NextUpdate, err = time.Parse(time.DateOnly, text.NextUpdate); err != nil {
		return fmt.Errorf("mfa: MetadataSource.Blob: nextUpdate: %w", err)
	}
	m.Number = text.Number
	for _, entry := range text.Entries {
		if parsed, err := entry.Parse(); err == nil && parsed.AaGUID != [16]byte{} {
			m.models[parsed.AaGUID] = &parsed
		}
	}
	return nil
}

// verifyBlob verifies the JWS that a blob is (RFC 7515 §5.2), and that its certificates lead to the root.
func verifyBlob(blob []byte, root *x509.Certificate, now time.Time) ([]byte, error) {
	parts := bytes.Split(bytes.TrimSpace(blob), []byte("."))
	if len(blob) > maxBlob || len(parts) != 3 {
		return nil, errors.New("it is no compact JWS of up to 64 MiB")
	}
	var decoded [3][]byte
	for i, part := range parts {
		raw, err := base64.RawURLEncoding.AppendDecode(nil, part)
		if err != nil {
			return nil, err
		}
		decoded[i] = raw
	}
	var header struct {
		Algorithm string   `json:"alg"`
		Chain     [][]byte `json:"x5c"` // standard base64, as encoding/json has it
	}
	if err := strictjson.Unmarshal(decoded[0], &header); err != nil {
		return nil, err
	}
	signer, err := chain(header.Chain, root, now)
	if err != nil {
		return nil, err
	}
	return decoded[1], verifyJWS(signer, header.Algorithm, bytes.Join(parts[:2], []byte(".")), decoded[2])
}

// chain returns the first certificate when it leads to the root.
func chain(raw [][]byte, root *x509.Certificate, now time.Time) (*x509.Certificate, error) {
	if len(raw) == 0 || len(raw) > 8 {
		return nil, errors.New("x5c is empty or too long")
	}
	var certificates []*x509.Certificate
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, der := range raw {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, certificate)
		options.Intermediates.AddCert(certificate)
	}
	if root == nil {
		der, err := base64.StdEncoding.DecodeString(metadata.ProductionMDSRoot)
		if err != nil {
			return nil, err
		}
		if root, err = x509.ParseCertificate(der); err != nil {
			return nil, err
		}
	}
	options.Roots.AddCert(root)
	_, err := certificates[0].Verify(options)
	return certificates[0], err
}

// verifyJWS verifies a signature by one of the algorithms that the blob may have (RFC 7518 §3.1).
func verifyJWS(signer *x509.Certificate, algorithm string, signed, signature []byte) error {
	digest := sha256.Sum256(signed)
	switch key := signer.PublicKey.(type) {
	case *rsa.PublicKey:
		if algorithm == "RS256" {
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature)
		}
	case *ecdsa.PublicKey:
		if algorithm == "ES256" && key.Params().BitSize == 256 && len(signature) == 64 {
			r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
			if ecdsa.Verify(key, digest[:], r, s) {
				return nil
			}
			return errors.New("wrong signature")
		}
	}
	return fmt.Errorf("algorithm %q does not fit the certificate", algorithm)
}
