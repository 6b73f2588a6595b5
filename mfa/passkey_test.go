package mfa_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/authenticator"
	"github.com/signet-idp/signet/mfa"
)

const (
	rpID   = "example.com"
	origin = "https://id.example.com"
)

var today = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func relyingParty(t testing.TB, edit ...func(*mfa.Passkeys)) *mfa.RelyingParty {
	t.Helper()
	config := mfa.Passkeys{RPID: rpID, Origins: []string{origin}}
	for _, e := range edit {
		e(&config)
	}
	rp, err := mfa.NewRelyingParty(config)
	if err != nil {
		t.Fatal(err)
	}
	return rp
}

// register makes a passkey and returns what a server keeps of it.
func register(t testing.TB, rp *mfa.RelyingParty, device *authenticator.Authenticator, edit ...func(*mfa.Registration)) (mfa.Passkey, error) {
	t.Helper()
	r := mfa.Registration{UserHandle: mfa.NewUserHandle(), Username: "ann"}
	for _, e := range edit {
		e(&r)
	}
	ceremony, err := rp.BeginRegistration(r, today)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := device.Create(ceremony.Options)
	if err != nil {
		t.Fatal(err)
	}
	return rp.FinishRegistration(ceremony.Session, answer, today.Add(time.Minute))
}

func mustRegister(t testing.TB, rp *mfa.RelyingParty, device *authenticator.Authenticator) mfa.Passkey {
	t.Helper()
	key, err := register(t, rp, device)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// authenticate asks for a passkey of those allowed, or any, and judges the answer by key.
func authenticate(t testing.TB, rp *mfa.RelyingParty, device *authenticator.Authenticator, key mfa.Passkey, a mfa.Authentication) (mfa.Assertion, error) {
	t.Helper()
	ceremony, err := rp.BeginAuthentication(a, today)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := device.Get(ceremony.Options)
	if err != nil {
		t.Fatal(err)
	}
	return rp.FinishAuthentication(ceremony.Session, answer, key, today.Add(time.Minute))
}

// fails holds that an error is a PasskeyError of a reason.
func fails(t *testing.T, what string, err error, reason mfa.PasskeyReason) {
	t.Helper()
	var failure *mfa.PasskeyError
	if !errors.As(err, &failure) || failure.Reason != reason {
		t.Errorf("%s: got %v, want reason %q", what, err, reason)
	}
}

func TestPasskeyRoundTrip(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []int{authenticator.ES256, authenticator.EdDSA, authenticator.RS256} {
		rp, device := relyingParty(t), authenticator.New(origin)
		device.Algorithm, device.Eligible = algorithm, true
		key := mustRegister(t, rp, device)
		if key.Algorithm != int64(algorithm) || key.RPID != rpID || len(key.UserHandle) != 64 || key.Counter != 1 || !key.UserVerified ||
			key.BackupEligible == nil || !*key.BackupEligible || key.BackedUp || key.Discoverable == nil || !*key.Discoverable ||
			!slices.Equal(key.Transports, []string{"hybrid", "internal"}) || !strings.HasPrefix(key.AAGUID, "cafe0000-") || key.Attestation != nil {
			t.Errorf("%d: kept %+v", algorithm, key)
		}
		device.BackedUp = true
		proven, err := authenticate(t, rp, device, key, mfa.Authentication{})
		if err != nil {
			t.Fatalf("%d: %v", algorithm, err)
		}
		if !proven.UserVerified || proven.CounterRegressed || proven.BackupChanged || proven.Passkey.Counter != 2 || !proven.Passkey.BackedUp {
			t.Errorf("%d: proven %+v", algorithm, proven)
		}
		if _, err := authenticate(t, rp, device, proven.Passkey, mfa.Authentication{Allow: []mfa.Passkey{key}}); err != nil {
			t.Errorf("%d: as the second factor: %v", algorithm, err)
		}
	}
}

func TestPasskeyOptions(t *testing.T) {
	t.Parallel()
	rp := relyingParty(t)
	key := mustRegister(t, rp, authenticator.New(origin))
	ceremony, err := rp.BeginRegistration(mfa.Registration{UserHandle: []byte("handle"), Username: "ann", Exclude: []mfa.Passkey{key}, Conditional: true, UserVerification: mfa.VerificationRequired}, today)
	if err != nil {
		t.Fatal(err)
	}
	var creation struct {
		User struct{ ID, Name, DisplayName string }
		RP   struct{ ID, Name string }

		Challenge              string
		Timeout                int
		ExcludeCredentials     []struct{ Type, ID string }
		AuthenticatorSelection struct {
			ResidentKey, UserVerification string
			RequireResidentKey            bool
		}
		Attestation string
	}
	if err := json.Unmarshal(ceremony.Options, &creation); err != nil {
		t.Fatal(err)
	}
	selection := creation.AuthenticatorSelection
	if creation.User.ID != "aGFuZGxl" || creation.User.DisplayName != "ann" || creation.RP.Name != rpID || creation.Timeout != 300_000 || len(creation.ExcludeCredentials) != 1 ||
		selection.ResidentKey != "required" || !selection.RequireResidentKey || selection.UserVerification != "preferred" || creation.Attestation != "none" {
		t.Errorf("options %s", ceremony.Options)
	}
	again, err := rp.BeginRegistration(mfa.Registration{UserHandle: []byte("handle"), Username: "ann"}, today)
	if err != nil || bytes.Contains(again.Options, []byte(creation.Challenge)) {
		t.Errorf("a challenge twice: %v", err)
	}
	if !bytes.Contains(again.Options, []byte(`"excludeCredentials":[]`)) {
		t.Errorf("options %s", again.Options)
	}
	for want, a := range map[string]mfa.Authentication{
		`"allowCredentials":[],"userVerification":"required"`: {},
		`"userVerification":"preferred"`:                      {Allow: []mfa.Passkey{key}},
		`"userVerification":"discouraged"`:                    {UserVerification: mfa.VerificationDiscouraged},
	} {
		if ceremony, err := rp.BeginAuthentication(a, today); err != nil || !bytes.Contains(ceremony.Options, []byte(want)) {
			t.Errorf("%s, %v, want %s", ceremony.Options, err, want)
		}
	}
	if _, err := rp.BeginAuthentication(mfa.Authentication{UserVerification: "maybe"}, today); err == nil {
		t.Error("an unknown user verification was taken")
	}
	if _, err := rp.BeginRegistration(mfa.Registration{Username: "ann"}, today); err == nil {
		t.Error("a registration for nobody was taken")
	}
}

// TestAttackPasskeyLies has an authenticator and its browser lie about one thing at a time, in both ceremonies.
func TestAttackPasskeyLies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lie    func(*authenticator.Statement)
		reason mfa.PasskeyReason
	}{
		"origin":          {func(s *authenticator.Statement) { s.Origin = "https://id.example.com.evil.example" }, mfa.PasskeyRefused},
		"subdomain":       {func(s *authenticator.Statement) { s.Origin = "https://evil.example.com" }, mfa.PasskeyRefused},
		"plain http":      {func(s *authenticator.Statement) { s.Origin = "http://id.example.com" }, mfa.PasskeyRefused},
		"application":     {func(s *authenticator.Statement) { s.Origin = "android:apk-key-hash:AAAA" }, mfa.PasskeyRefused},
		"framed":          {func(s *authenticator.Statement) { s.CrossOrigin = true }, mfa.PasskeyRefused},
		"RP id":           {func(s *authenticator.Statement) { s.RPID = "example.org" }, mfa.PasskeyRefused},
		"challenge":       {func(s *authenticator.Statement) { s.Challenge = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }, mfa.PasskeyRefused},
		"no challenge":    {func(s *authenticator.Statement) { s.Challenge = "" }, mfa.PasskeyRefused},
		"ceremony":        {func(s *authenticator.Statement) { s.Type = "payment.get" }, mfa.PasskeyRefused},
		"nobody there":    {func(s *authenticator.Statement) { s.Flags &^= authenticator.UserPresent }, mfa.PasskeyRefused},
		"unverified":      {func(s *authenticator.Statement) { s.Flags &^= authenticator.UserVerified }, mfa.PasskeyUnverified},
		"backup unlikely": {func(s *authenticator.Statement) { s.Flags |= authenticator.BackedUp }, mfa.PasskeyBackup},
		"long id":         {func(s *authenticator.Statement) { s.ID = bytes.Repeat([]byte{1}, 1024) }, mfa.PasskeyMalformed},
	} {
		rp, device := relyingParty(t), authenticator.New(origin)
		key := mustRegister(t, rp, device)
		device.Lie = c.lie
		_, err := authenticate(t, rp, device, key, mfa.Authentication{})
		fails(t, name+", authentication", err, c.reason)
		_, err = register(t, rp, device, func(r *mfa.Registration) { r.UserVerification = mfa.VerificationRequired })
		fails(t, name+", registration", err, c.reason)
	}
}

// TestAttackPasskeyOfAnother has somebody answer with a passkey that is not theirs, not asked for, or not for this.
func TestAttackPasskeyOfAnother(t *testing.T) {
	t.Parallel()
	rp := relyingParty(t)
	ann, eve := authenticator.New(origin), authenticator.New(origin)
	anns, eves := mustRegister(t, rp, ann), mustRegister(t, rp, eve)

	eve.Lie = func(s *authenticator.Statement) { s.ID = anns.ID }
	_, err := authenticate(t, rp, eve, anns, mfa.Authentication{})
	fails(t, "ann's id, eve's handle", err, mfa.PasskeyForeign)
	eve.Lie = func(s *authenticator.Statement) { s.ID, s.UserHandle = anns.ID, anns.UserHandle }
	_, err = authenticate(t, rp, eve, anns, mfa.Authentication{})
	fails(t, "ann's id and handle, eve's key", err, mfa.PasskeyRefused)
	eve.Lie = func(s *authenticator.Statement) { s.UserHandle = anns.UserHandle }
	_, err = authenticate(t, rp, eve, eves, mfa.Authentication{})
	fails(t, "eve's key, ann's handle", err, mfa.PasskeyForeign)
	eve.Lie = func(s *authenticator.Statement) { s.UserHandle = nil }
	_, err = authenticate(t, rp, eve, eves, mfa.Authentication{})
	fails(t, "nobody's handle", err, mfa.PasskeyForeign)

	eve.Lie = func(s *authenticator.Statement) { s.ID = []byte("a key that eve does not have") }
	_, err = authenticate(t, rp, eve, eves, mfa.Authentication{})
	fails(t, "eve's key by another id", err, mfa.PasskeyForeign)
	eve.Lie = func(s *authenticator.Statement) { s.UserHandle = nil } // as of a key that keeps none
	if _, err := authenticate(t, rp, eve, eves, mfa.Authentication{Allow: []mfa.Passkey{anns, eves}}); err != nil {
		t.Errorf("one of those that were asked for: %v", err)
	}

	eve.Lie = nil
	ceremony, err := rp.BeginAuthentication(mfa.Authentication{Allow: []mfa.Passkey{anns}}, today)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rp.BeginAuthentication(mfa.Authentication{}, today)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := eve.Get(bytes.Replace(other.Options, challengeOf(t, other), challengeOf(t, ceremony), 1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = rp.FinishAuthentication(ceremony.Session, answer, eves, today)
	fails(t, "eve's passkey where ann's was asked for", err, mfa.PasskeyForeign)
	elsewhere := eves
	elsewhere.RPID = "example.org"
	_, err = rp.FinishAuthentication(other.Session, answer, elsewhere, today)
	fails(t, "a passkey of another domain", err, mfa.PasskeyForeign)

	// A signature under a session that is not the challenge's.
	_, err = rp.FinishAuthentication(other.Session, answer, eves, today)
	fails(t, "the challenge of another ceremony", err, mfa.PasskeyRefused)
	registration, err := rp.BeginRegistration(mfa.Registration{UserHandle: []byte{1}, Username: "eve"}, today)
	if err != nil {
		t.Fatal(err)
	}
	_, err = rp.FinishAuthentication(registration.Session, answer, eves, today)
	fails(t, "the session of a registration", err, mfa.PasskeyRestart)
}

// challengeOf is the challenge as it stands in the options.
func challengeOf(t *testing.T, c mfa.Ceremony) []byte {
	t.Helper()
	var o struct{ Challenge string }
	if err := json.Unmarshal(c.Options, &o); err != nil || o.Challenge == "" {
		t.Fatal(err)
	}
	return []byte(o.Challenge)
}

// TestPasskeySession holds that what is not a session of now begins the ceremony anew.
func TestPasskeySession(t *testing.T) {
	t.Parallel()
	rp, device := relyingParty(t), authenticator.New(origin)
	key := mustRegister(t, rp, device)
	ceremony, err := rp.BeginAuthentication(mfa.Authentication{}, today)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := device.Get(ceremony.Options)
	if err != nil {
		t.Fatal(err)
	}
	for name, session := range map[string]string{
		"nothing":         "",
		"another version": strings.Replace(string(ceremony.Session), "signet-passkey-1", "signet-passkey-0", 1),
		"another domain":  strings.Replace(string(ceremony.Session), `"example.com"`, `"example.org"`, 1),
		"a field more":    strings.Replace(string(ceremony.Session), `{`, `{"more":1,`, 1),
		"no challenge":    `{"version":"signet-passkey-1","type":"get","rpId":"example.com","challenge":"","verify":"required","expires":"2099-01-01T00:00:00Z"}`,
	} {
		_, err := rp.FinishAuthentication([]byte(session), answer, key, today)
		fails(t, name, err, mfa.PasskeyRestart)
		_, err = rp.FinishRegistration([]byte(session), answer, today)
		fails(t, name, err, mfa.PasskeyRestart)
	}
	_, err = rp.FinishAuthentication(ceremony.Session, answer, key, today.Add(5*time.Minute))
	fails(t, "too late", err, mfa.PasskeyRestart)
	if _, err := rp.FinishAuthentication(ceremony.Session, answer, key, today.Add(5*time.Minute-time.Second)); err != nil {
		t.Errorf("just in time: %v", err)
	}
	if bytes.Contains(ceremony.Options, ceremony.Session) {
		t.Error("the browser sees the session")
	}
}

// TestAttackPasskeyCounter has a copy of an authenticator sign after the original did.
func TestAttackPasskeyCounter(t *testing.T) {
	t.Parallel()
	for _, strict := range []bool{false, true} {
		rp, device := relyingParty(t, func(c *mfa.Passkeys) { c.StrictCounter = strict }), authenticator.New(origin)
		key := mustRegister(t, rp, device)
		thief := device.Clone()
		proven, err := authenticate(t, rp, device, key, mfa.Authentication{})
		if err != nil {
			t.Fatal(err)
		}
		stolen, err := authenticate(t, rp, thief, proven.Passkey, mfa.Authentication{})
		if strict {
			fails(t, "strict", err, mfa.PasskeyCloned)
		} else if err != nil || !stolen.CounterRegressed || stolen.Passkey.Counter != 2 {
			t.Errorf("got %+v, %v", stolen, err)
		}
	}
	rp, device := relyingParty(t, func(c *mfa.Passkeys) { c.StrictCounter = true }), authenticator.New(origin)
	device.Counts = 0
	key := mustRegister(t, rp, device)
	if proven, err := authenticate(t, rp, device, key, mfa.Authentication{}); err != nil || proven.CounterRegressed {
		t.Errorf("one that does not count: %+v, %v", proven, err)
	}
	key.Counter = 5
	_, err := authenticate(t, rp, device, key, mfa.Authentication{})
	fails(t, "one that does not count any more", err, mfa.PasskeyCloned)
}

// TestAttackPasskeyBackupFlips has the eligibility for backup change, and begins with it unknown.
func TestAttackPasskeyBackupFlips(t *testing.T) {
	t.Parallel()
	for _, strict := range []bool{false, true} {
		rp, device := relyingParty(t, func(c *mfa.Passkeys) { c.StrictBackup = strict }), authenticator.New(origin)
		key := mustRegister(t, rp, device)
		unknown := key
		unknown.BackupEligible = nil
		device.Eligible = true
		proven, err := authenticate(t, rp, device, unknown, mfa.Authentication{})
		if err != nil || proven.BackupChanged || proven.Passkey.BackupEligible == nil || !*proven.Passkey.BackupEligible {
			t.Errorf("unknown before: %+v, %v", proven, err)
		}
		proven, err = authenticate(t, rp, device, key, mfa.Authentication{})
		if strict {
			fails(t, "strict", err, mfa.PasskeyBackup)
		} else if err != nil || !proven.BackupChanged || !*proven.Passkey.BackupEligible {
			t.Errorf("got %+v, %v", proven, err)
		}
	}
}

func TestPasskeyUserVerification(t *testing.T) {
	t.Parallel()
	rp, device := relyingParty(t), authenticator.New(origin)
	device.Verifies = false
	key := mustRegister(t, rp, device)
	if key.UserVerified {
		t.Error("verified by one that does not")
	}
	if _, err := authenticate(t, rp, device, key, mfa.Authentication{}); !errors.Is(err, &mfa.PasskeyError{Reason: mfa.PasskeyUnverified}) {
		t.Errorf("alone: %v", err)
	}
	proven, err := authenticate(t, rp, device, key, mfa.Authentication{Allow: []mfa.Passkey{key}})
	if err != nil || proven.UserVerified {
		t.Errorf("as the second factor: %+v, %v", proven, err)
	}
	if proven.Passkey.UserVerified {
		t.Error("kept as one that verifies people")
	}
	device.Verifies = true
	if proven, err = authenticate(t, rp, device, key, mfa.Authentication{}); err != nil || !proven.UserVerified || !proven.Passkey.UserVerified {
		t.Errorf("since it verifies people: %+v, %v", proven, err)
	}
	device.Verifies = false
	proven, err = authenticate(t, rp, device, proven.Passkey, mfa.Authentication{Allow: []mfa.Passkey{key}})
	if err != nil || proven.UserVerified || !proven.Passkey.UserVerified { // once it did: WebAuthn §7.2 step 25
		t.Errorf("touched again: %+v, %v", proven, err)
	}
	conditional := func(r *mfa.Registration) { r.Conditional = true }
	device.Lie = func(s *authenticator.Statement) { s.Flags &^= authenticator.UserPresent }
	if _, err := register(t, rp, device, conditional); err != nil {
		t.Errorf("in passing, with nobody touching it: %v", err)
	}
}

func TestPasskeyMalformed(t *testing.T) {
	t.Parallel()
	rp, device := relyingParty(t), authenticator.New(origin)
	key := mustRegister(t, rp, device)
	ceremony, err := rp.BeginAuthentication(mfa.Authentication{}, today)
	if err != nil {
		t.Fatal(err)
	}
	good, err := device.Get(ceremony.Options)
	if err != nil {
		t.Fatal(err)
	}
	claim, err := rp.Claim(good)
	if err != nil || !bytes.Equal(claim.ID, key.ID) || !bytes.Equal(claim.UserHandle, key.UserHandle) {
		t.Errorf("Claim = %v, %v", claim, err)
	}
	for name, answer := range map[string]string{
		"nothing":           "",
		"null":              "null",
		"an array":          "[]",
		"cut":               string(good[:len(good)-9]),
		"twice":             strings.Replace(string(good), `"type"`, `"type":"public-key","type"`, 1),
		"another case":      strings.Replace(string(good), `"rawId"`, `"rawid"`, 1),
		"padding":           strings.Replace(string(good), `"id":"`, `"id":"=`, 1),
		"type":              strings.Replace(string(good), `"public-key"`, `"password"`, 1),
		"oversize":          string(good) + strings.Repeat(" ", 64<<10),
		"ids differ":        strings.Replace(string(good), `"id":"`, `"id":"AAAA`, 1),
		"an endless handle": strings.Replace(string(good), `"userHandle":"`, `"userHandle":"`+strings.Repeat("A", 88), 1),
		"no id":             strings.ReplaceAll(string(good), base64.RawURLEncoding.EncodeToString(key.ID), ""),
		"an endless id":     strings.ReplaceAll(string(good), base64.RawURLEncoding.EncodeToString(key.ID), strings.Repeat("A", 1368)),
		"no data":           `{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30"}}`,
	} {
		claimed := key
		switch claim, err := rp.Claim([]byte(answer)); {
		case err == nil && name != "no data": // which is for Finish to find
			t.Errorf("%s: Claim = %v", name, claim)
		case err == nil:
			claimed.ID, claimed.UserHandle = claim.ID, claim.UserHandle
		default:
			fails(t, name+", Claim", err, mfa.PasskeyMalformed)
		}
		if _, err := rp.FinishAuthentication(ceremony.Session, []byte(answer), claimed, today); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPasskeysConfig(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]mfa.Passkeys{
		"RPID":                             {Origins: []string{origin}},
		`RPID "127.0.0.1"`:                 {RPID: "127.0.0.1", Origins: []string{origin}},
		"Origins":                          {RPID: rpID},
		"https origin":                     {RPID: rpID, Origins: []string{"http://id.example.com"}},
		`"https://id.example.com/" is not`: {RPID: rpID, Origins: []string{"https://id.example.com/"}},
		"AppOrigins":                       {RPID: rpID, Origins: []string{origin}, AppOrigins: []string{"https://x.example"}},
		"UserVerification":                 {RPID: rpID, Origins: []string{origin}, UserVerification: "x"},
		"ResidentKey":                      {RPID: rpID, Origins: []string{origin}, ResidentKey: "x"},
		"Attestation \"indirect\"":         {RPID: rpID, Origins: []string{origin}, Attestation: "indirect"},
		"Timeout":                          {RPID: rpID, Origins: []string{origin}, Timeout: time.Second},
		"Metadata needs":                   {RPID: rpID, Origins: []string{origin}, Metadata: func() *mfa.Metadata { return nil }},
		"AllowAAGUIDs needs":               {RPID: rpID, Origins: []string{origin}, AllowAAGUIDs: []string{"00000000-0000-0000-0000-000000000001"}},
		"DenyAAGUIDs":                      {RPID: rpID, Origins: []string{origin}, DenyAAGUIDs: []string{"one"}},
		"distinct":                         {RPID: rpID, Origins: []string{origin, "https://a.example", "https://b.example", "https://c.example", "https://d.example", "https://e.example", "https://f.test"}},
	} {
		if _, err := mfa.NewRelyingParty(config); err == nil || !strings.Contains(err.Error(), want) && want != "distinct" {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	for _, at := range []string{
		"https://ID.example.com", "https://", "https:///x", "ftp://localhost", "http://localhost.example.com", "%zz", "id.example.com", "https://id.example.com?x",
		"https://ann@id.example.com",
	} {
		if _, err := mfa.NewRelyingParty(mfa.Passkeys{RPID: rpID, Origins: []string{at}}); err == nil || !strings.Contains(err.Error(), "https origin") {
			t.Errorf("at %q: %v", at, err)
		}
	}
	for name, config := range map[string]mfa.Passkeys{
		"half a minute":  {Timeout: 30 * time.Second},
		"ten minutes":    {Timeout: 10 * time.Minute},
		"a name of 256":  {Name: strings.Repeat("n", 256)},
		"at .localhost":  {RPID: "id.localhost", Origins: []string{"http://id.localhost:8080"}},
		"denied models":  {DenyAAGUIDs: []string{"00000000-0000-0000-0000-00000000000f", "AAAAAAAA-0000-0000-0000-000000000001"}},
		"an app besides": {AppOrigins: []string{"android:apk-key-hash:pNiP5iKyQ8JwgGOaKA1zGPUPJIS-0H1xKCQcfIoGLck"}},
	} {
		if config.RPID == "" {
			config.RPID, config.Origins = rpID, []string{origin}
		}
		if _, err := mfa.NewRelyingParty(config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, config := range []mfa.Passkeys{{Timeout: 10*time.Minute + time.Second}, {Name: strings.Repeat("n", 257)}} {
		config.RPID, config.Origins = rpID, []string{origin}
		if _, err := mfa.NewRelyingParty(config); err == nil {
			t.Errorf("Timeout %v and a Name of %d bytes were taken", config.Timeout, len(config.Name))
		}
	}
	for _, model := range []string{
		"000000000000-0000-0000-000000000001", "0000000000000-0000-0000-000000000001", "00000000-000000000-0000-000000000001",
		"00000000-0000-000000000-000000000001", "00000000-0000-0000-00000000000000001", "00000000-0000-0000-0000-00000000000g",
		"00000000-0000-0000-0000-0000000000011", "00000000-0000-0000-0000-0000000-0001", "",
	} {
		config := mfa.Passkeys{RPID: rpID, Origins: []string{origin}, DenyAAGUIDs: []string{model}}
		if _, err := mfa.NewRelyingParty(config); err == nil || !strings.Contains(err.Error(), "DenyAAGUIDs") {
			t.Errorf("model %q: %v", model, err)
		}
	}
	_, err := mfa.NewRelyingParty(mfa.Passkeys{})
	if err == nil || !strings.Contains(err.Error(), "RPID") || !strings.Contains(err.Error(), "Origins") {
		t.Errorf("not every problem: %v", err)
	}
	if _, err := mfa.NewRelyingParty(mfa.Passkeys{RPID: "localhost", Origins: []string{"http://localhost:8080"}}); err != nil {
		t.Errorf("localhost: %v", err)
	}
}

// WebAuthn §5.4.3: a user handle has up to 64 bytes.
func TestRegistrationIsChecked(t *testing.T) {
	t.Parallel()
	rp := relyingParty(t)
	for name, c := range map[string]struct {
		registration mfa.Registration
		good         bool
	}{
		"a handle of 64 bytes":  {mfa.Registration{UserHandle: make([]byte, 64), Username: "ann"}, true},
		"a handle of 65 bytes":  {mfa.Registration{UserHandle: make([]byte, 65), Username: "ann"}, false},
		"no handle":             {mfa.Registration{Username: "ann"}, false},
		"no username":           {mfa.Registration{UserHandle: mfa.NewUserHandle()}, false},
		"unknown verification":  {mfa.Registration{UserHandle: mfa.NewUserHandle(), Username: "ann", UserVerification: "x"}, false},
		"conditional, the same": {mfa.Registration{UserHandle: mfa.NewUserHandle(), Username: "ann", UserVerification: "x", Conditional: true}, false},
	} {
		if _, err := rp.BeginRegistration(c.registration, today); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	for demanded, asked := range map[mfa.UserVerification]mfa.UserVerification{
		mfa.VerificationRequired: mfa.VerificationPreferred, mfa.VerificationPreferred: mfa.VerificationPreferred,
		mfa.VerificationDiscouraged: mfa.VerificationDiscouraged, "": mfa.VerificationPreferred,
	} {
		begun, err := rp.BeginRegistration(mfa.Registration{
			UserHandle: mfa.NewUserHandle(), Username: "ann", Conditional: true, UserVerification: demanded,
		}, today)
		if want := `"userVerification":"` + string(asked) + `"`; err != nil || !strings.Contains(string(begun.Options), want) {
			t.Errorf("conditional, and verification %q: %s, %v", demanded, begun.Options, err)
		}
	}
}

func TestPasskeyErrorIs(t *testing.T) {
	t.Parallel()
	rp := relyingParty(t)
	begun, err := rp.BeginRegistration(mfa.Registration{UserHandle: mfa.NewUserHandle(), Username: "ann"}, today)
	if err != nil {
		t.Fatal(err)
	}
	_, err = rp.FinishRegistration(begun.Session, []byte("{"), today)
	if !errors.Is(err, &mfa.PasskeyError{Reason: mfa.PasskeyMalformed}) || errors.Is(err, &mfa.PasskeyError{Reason: mfa.PasskeyRefused}) ||
		errors.Is(err, mfa.ErrForged) {
		t.Errorf("got %v", err)
	}
	if text := (&mfa.PasskeyError{Reason: mfa.PasskeyCloned}).Error(); text != "mfa: passkey cloned" {
		t.Errorf("got %q", text)
	}
	if text := err.Error(); !strings.HasPrefix(text, "mfa: passkey malformed: ") {
		t.Errorf("the cause is not told: %q", text)
	}
}

func TestRelatedOrigins(t *testing.T) {
	t.Parallel()
	if got := relyingParty(t).RelatedOrigins(); got != nil {
		t.Errorf("got %s for an own origin", got)
	}
	const foreign, app = "https://shop.example.org", "android:apk-key-hash:pNiP5iKyQ8JwgGOaKA1zGPUPJIS-0H1xKCQcfIoGLck"
	rp := relyingParty(t, func(c *mfa.Passkeys) {
		c.Origins, c.AppOrigins = append(c.Origins, "https://example.com", foreign), []string{app}
	})
	if got := string(rp.RelatedOrigins()); got != `{"origins":["https://shop.example.org"]}` {
		t.Errorf("got %s", got)
	}
	device := authenticator.New(foreign)
	key := mustRegister(t, rp, device)
	device.Origin = app
	if _, err := authenticate(t, rp, device, key, mfa.Authentication{}); err != nil {
		t.Errorf("at an application: %v", err)
	}
}

func TestPasskeySignals(t *testing.T) {
	t.Parallel()
	rp := relyingParty(t)
	key := mfa.Passkey{ID: []byte{1, 2, 3}}
	if got := string(rp.AcceptedPasskeys([]byte{9}, []mfa.Passkey{key})); got != `{"rpId":"example.com","userId":"CQ","allAcceptedCredentialIds":["AQID"]}` {
		t.Errorf("got %s", got)
	}
	if got := string(rp.AcceptedPasskeys([]byte{9}, nil)); !strings.Contains(got, "[]") {
		t.Errorf("got %s", got)
	}
	if got := string(rp.UnknownPasskey(key.ID)); got != `{"rpId":"example.com","credentialId":"AQID"}` {
		t.Errorf("got %s", got)
	}
}

func FuzzPasskeyAnswer(f *testing.F) {
	rp, device := relyingParty(f), authenticator.New(origin)
	begun, err := rp.BeginRegistration(mfa.Registration{UserHandle: mfa.NewUserHandle(), Username: "ann"}, today)
	if err != nil {
		f.Fatal(err)
	}
	created, err := device.Create(begun.Options)
	if err != nil {
		f.Fatal(err)
	}
	key, err := rp.FinishRegistration(begun.Session, created, today)
	if err != nil {
		f.Fatal(err)
	}
	ceremony, err := rp.BeginAuthentication(mfa.Authentication{}, today)
	if err != nil {
		f.Fatal(err)
	}
	signed, err := device.Get(ceremony.Options)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(created)
	f.Add(signed)
	f.Add([]byte(`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if _, err := rp.FinishRegistration(begun.Session, answer, today); err != nil && !errors.As(err, new(*mfa.PasskeyError)) {
			t.Errorf("registration: %v", err)
		}
		if proven, err := rp.FinishAuthentication(ceremony.Session, answer, key, today); err == nil && !bytes.Equal(proven.Passkey.ID, key.ID) {
			t.Error("another passkey was proven")
		} else if err != nil && !errors.As(err, new(*mfa.PasskeyError)) {
			t.Errorf("authentication: %v", err)
		}
	})
}

// FuzzAttestation puts foreign bytes where the attestation object and the authenticator data stand.
func FuzzAttestation(f *testing.F) {
	rp, device := relyingParty(f, func(c *mfa.Passkeys) { c.Attestation = mfa.AttestationDirect }), authenticator.New(origin)
	device.Attest = true
	begun, err := rp.BeginRegistration(mfa.Registration{UserHandle: mfa.NewUserHandle(), Username: "ann"}, today)
	if err != nil {
		f.Fatal(err)
	}
	created, err := device.Create(begun.Options)
	if err != nil {
		f.Fatal(err)
	}
	var shape struct {
		ID       string `json:"id"`
		Response struct {
			ClientDataJSON    []byte `json:"-"`
			Client            string `json:"clientDataJSON"`
			AttestationObject rawURL `json:"attestationObject"`
		} `json:"response"`
	}
	if err := json.Unmarshal(created, &shape); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(shape.Response.AttestationObject))
	f.Fuzz(func(t *testing.T, object []byte) {
		answer, err := json.Marshal(map[string]any{
			"id": shape.ID, "rawId": shape.ID, "type": "public-key",
			"response": map[string]any{"clientDataJSON": shape.Response.Client, "attestationObject": rawURL(object)},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rp.FinishRegistration(begun.Session, answer, today); err != nil && !errors.As(err, new(*mfa.PasskeyError)) {
			t.Errorf("registration: %v", err)
		}
	})
}
