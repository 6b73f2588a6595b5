package mfa_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/authenticator"
	"github.com/signet-idp/signet/mfa"
)

// rawURL is bytes in base64url.
type rawURL []byte

func (r rawURL) MarshalJSON() ([]byte, error) {
	return json.Marshal(base64.RawURLEncoding.EncodeToString(r))
}

func (r *rawURL) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	*r = b
	return err
}

// maker is a CA and an authenticator that it vouches for. Its certificates are good now, as chains are judged by the clock of the machine.
func maker(t *testing.T) (*authenticator.CA, *authenticator.Authenticator) {
	t.Helper()
	ca, err := authenticator.NewCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	device := authenticator.New(origin)
	device.Attest, device.CA = true, ca
	return ca, device
}

func metadata(t *testing.T, source mfa.MetadataSource) *mfa.Metadata {
	t.Helper()
	m, err := mfa.ParseMetadata(source, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func workforce(t *testing.T, m *mfa.Metadata, edit ...func(*mfa.Passkeys)) *mfa.RelyingParty {
	t.Helper()
	return relyingParty(t, append(edit, func(c *mfa.Passkeys) {
		c.Attestation, c.Metadata = mfa.AttestationDirect, func() *mfa.Metadata { return m }
	})...)
}

func TestAttestation(t *testing.T) {
	t.Parallel()
	ca, device := maker(t)
	for name, source := range map[string]mfa.MetadataSource{
		"local statement": {Statements: [][]byte{ca.Statement(device.AAGUID)}},
		"blob":            {Blob: blob(t, ca, device.AAGUID, "FIDO_CERTIFIED_L1"), Root: ca.Certificate},
	} {
		rp := workforce(t, metadata(t, source))
		key := mustRegister(t, rp, device)
		if key.Attestation == nil || key.Attestation.Format != "packed" || key.Attestation.Type != "basic_full" || len(key.Attestation.Object) == 0 {
			t.Errorf("%s: kept %+v", name, key.Attestation)
		}
		if _, err := authenticate(t, rp, device, key, mfa.Authentication{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := rp.Reverify(key, today); err != nil {
			t.Errorf("%s: again: %v", name, err)
		}
		revoked := workforce(t, metadata(t, mfa.MetadataSource{Blob: blob(t, ca, device.AAGUID, "REVOKED"), Root: ca.Certificate}))
		fails(t, name+", revoked since", revoked.Reverify(key, time.Now()), mfa.PasskeyUntrusted)
		_, err := authenticate(t, revoked, device, key, mfa.Authentication{})
		fails(t, name+", revoked, used", err, mfa.PasskeyUntrusted)
	}
	unjudged := relyingParty(t, func(c *mfa.Passkeys) { c.Attestation = mfa.AttestationDirect })
	if key := mustRegister(t, unjudged, device); key.Attestation == nil {
		t.Error("the attestation was not kept")
	}
}

func blob(t *testing.T, ca *authenticator.CA, model [16]byte, status string) []byte {
	t.Helper()
	b, err := ca.Blob(model, status, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAttackAttestation has authenticators claim to be a model that they are not.
func TestAttackAttestation(t *testing.T) {
	t.Parallel()
	ca, device := maker(t)
	model := device.AAGUID
	known := metadata(t, mfa.MetadataSource{Statements: [][]byte{ca.Statement(model)}})
	rp := workforce(t, known, func(c *mfa.Passkeys) { c.AllowAAGUIDs = []string{"cafe0000-0000-0000-0000-000000000000"} })
	if _, err := register(t, rp, device); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		edit   func(d *authenticator.Authenticator)
		reason mfa.PasskeyReason
	}{
		"no attestation": {func(d *authenticator.Authenticator) { d.Attest = false }, mfa.PasskeyUntrusted},
		"by itself":      {func(d *authenticator.Authenticator) { d.CA = nil }, mfa.PasskeyUntrusted},
		"another maker":  {func(d *authenticator.Authenticator) { d.CA, _ = maker(t) }, mfa.PasskeyUntrusted},
		"another model":  {func(d *authenticator.Authenticator) { d.AAGUID = [16]byte{1} }, mfa.PasskeyDisallowed},
		"wrong signature": {func(d *authenticator.Authenticator) {
			d.Lie = func(s *authenticator.Statement) { s.Signature = []byte{1} }
		}, mfa.PasskeyRefused},
	} {
		liar := *device
		c.edit(&liar)
		_, err := register(t, rp, &liar)
		fails(t, name, err, c.reason)
	}
	stranger := *device
	stranger.AAGUID = [16]byte{2}
	_, err := register(t, workforce(t, known), &stranger)
	fails(t, "a model that nobody knows", err, mfa.PasskeyUntrusted)
	_, err = register(t, workforce(t, nil), device)
	fails(t, "without metadata", err, mfa.PasskeyUntrusted)
	_, err = register(t, relyingParty(t, func(c *mfa.Passkeys) { c.DenyAAGUIDs = []string{"cafe0000-0000-0000-0000-000000000000"} }), device)
	fails(t, "a model that is denied", err, mfa.PasskeyDisallowed)
	stranger.Eligible = true
	_, err = register(t, relyingParty(t, func(c *mfa.Passkeys) { c.RefuseSynced = true }), &stranger)
	fails(t, "one that is copied", err, mfa.PasskeyDisallowed)
	stranger.Eligible = false
	if _, err = register(t, relyingParty(t, func(c *mfa.Passkeys) { c.RefuseSynced = true }), &stranger); err != nil {
		t.Errorf("one that is not copied: %v", err)
	}
	alone := *device
	alone.CA = nil
	_, err = register(t, workforce(t, known), &alone)
	fails(t, "one of a model with certificates, by itself", err, mfa.PasskeyUntrusted)

	key := mustRegister(t, rp, device)
	swapped := mustRegister(t, rp, device)
	swapped.Attestation = key.Attestation
	fails(t, "the attestation of another", rp.Reverify(swapped, today), mfa.PasskeyForeign)
	bare, odd, this := key, key, mfa.Authentication{Allow: []mfa.Passkey{key}}
	bare.Attestation, odd.AAGUID = nil, "cafe"
	fails(t, "nothing kept", rp.Reverify(bare, today), mfa.PasskeyUntrusted)
	fails(t, "no model", rp.Reverify(odd, today), mfa.PasskeyUntrusted)
	fails(t, "nobody who knows models", relyingParty(t).Reverify(key, today), mfa.PasskeyUntrusted)
	if _, err := authenticate(t, rp, device, bare, this); err != nil {
		t.Errorf("one from before attestation was asked for: %v", err)
	}
	if _, err := authenticate(t, relyingParty(t), device, key, this); err != nil {
		t.Errorf("one that was attested, where nobody asks any more: %v", err)
	}
	_, err = authenticate(t, rp, device, odd, this)
	fails(t, "one of no model", err, mfa.PasskeyUntrusted)
	_, err = authenticate(t, workforce(t, nil), device, key, this)
	fails(t, "one that was attested, without metadata", err, mfa.PasskeyUntrusted)
}

// TestAttackMetadata feeds lists that the root has not signed.
func TestAttackMetadata(t *testing.T) {
	t.Parallel()
	ca, device := maker(t)
	other, _ := maker(t)
	good := blob(t, ca, device.AAGUID, "FIDO_CERTIFIED")
	m := metadata(t, mfa.MetadataSource{Blob: good, Root: ca.Certificate})
	if m.Number != 7 || m.NextUpdate.IsZero() {
		t.Errorf("got number %d, next update %v", m.Number, m.NextUpdate)
	}
	parts := bytes.Split(good, []byte("."))
	for name, source := range map[string]mfa.MetadataSource{
		"nothing":        {},
		"another root":   {Blob: good, Root: other.Certificate},
		"the FIDO root":  {Blob: good},
		"no signature":   {Blob: append(bytes.Join(parts[:2], []byte(".")), '.'), Root: ca.Certificate},
		"another list":   {Blob: bytes.Join([][]byte{parts[0], []byte("e30"), parts[2]}, []byte(".")), Root: ca.Certificate},
		"alg none":       {Blob: bytes.Join([][]byte{[]byte(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))), parts[1], {}}, []byte(".")), Root: ca.Certificate},
		"four parts":     {Blob: append(bytes.Clone(good), ".e30"...), Root: ca.Certificate},
		"two parts":      {Blob: bytes.Join(parts[:2], []byte(".")), Root: ca.Certificate},
		"no statement":   {Statements: [][]byte{[]byte(`{}`)}},
		"not JSON":       {Statements: [][]byte{[]byte(`x`)}},
		"long statement": {Statements: [][]byte{bytes.Repeat([]byte(" "), 2<<20)}},
	} {
		if _, err := mfa.ParseMetadata(source, time.Now()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := mfa.ParseMetadata(mfa.MetadataSource{Blob: good, Root: ca.Certificate}, time.Now().Add(72*time.Hour)); err == nil {
		t.Error("signed by a certificate whose time is over")
	}
}

func FuzzMetadata(f *testing.F) {
	ca, err := authenticator.NewCA(time.Now())
	if err != nil {
		f.Fatal(err)
	}
	list, err := ca.Blob([16]byte{1}, "REVOKED", time.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(list, ca.Statement([16]byte{1}))
	f.Add([]byte("e30.e30."), []byte(`{}`))
	f.Fuzz(func(_ *testing.T, blob, statement []byte) {
		_, _ = mfa.ParseMetadata(mfa.MetadataSource{Blob: blob, Statements: [][]byte{statement}, Root: ca.Certificate}, time.Now())
	})
}
