package oidc_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/oidc"
)

// at is when assertions are judged here, and claimed what a good one says then.
var at = time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)

func claimed(edit map[string]any) map[string]any {
	all := map[string]any{
		"iss": "https://other.example", "sub": "u1", "aud": issuer, "jti": "1",
		"iat": at.Unix(), "exp": at.Add(time.Minute).Unix(),
	}
	maps.Copy(all, edit)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// TestAssertionDemands goes through the claims of RFC 7523 §3.
func TestAssertionDemands(t *testing.T) {
	t.Parallel()
	second := func(d time.Duration) int64 { return at.Add(d).Unix() }
	for _, c := range []struct {
		name string
		edit map[string]any
		want oidc.Demands
		ok   bool
	}{
		{name: "good", ok: true},
		{name: "iss missing", edit: map[string]any{"iss": nil}},
		{name: "iss in other case", edit: map[string]any{"iss": "https://OTHER.example"}},
		{name: "iss with a slash behind", edit: map[string]any{"iss": "https://other.example/"}},
		{name: "iss of a wrong type", edit: map[string]any{"iss": []string{"https://other.example"}}},
		{name: "sub missing", edit: map[string]any{"sub": nil}},
		{name: "sub empty", edit: map[string]any{"sub": ""}},
		{name: "sub a number", edit: map[string]any{"sub": 1}},
		{name: "sub too long", edit: map[string]any{"sub": strings.Repeat("a", 256)}},
		{name: "sub of two lines", edit: map[string]any{"sub": "a\nb"}},
		{name: "aud missing", edit: map[string]any{"aud": nil}},
		{name: "aud empty", edit: map[string]any{"aud": []string{}}},
		{name: "aud with a slash behind", edit: map[string]any{"aud": issuer + "/"}},
		{name: "aud a prefix", edit: map[string]any{"aud": "https://id.exampl"}},
		{name: "aud begins with ours", edit: map[string]any{"aud": issuer + ".evil.example"}},
		{name: "aud in other case", edit: map[string]any{"aud": "https://ID.example"}},
		{name: "aud as a list of one", edit: map[string]any{"aud": []string{issuer}}, ok: true},
		{name: "aud of others too", edit: map[string]any{"aud": []string{issuer, "https://third.example"}}, ok: true},
		{name: "aud of others too, exclusive", edit: map[string]any{"aud": []string{issuer, "https://third.example"}}, want: oidc.Demands{Exclusive: true}},
		{name: "aud twice ours, exclusive", edit: map[string]any{"aud": []string{issuer, "alias"}}, want: oidc.Demands{Exclusive: true}, ok: true},
		{name: "aud an alias", edit: map[string]any{"aud": "alias"}, ok: true},
		{name: "exp missing", edit: map[string]any{"exp": nil}},
		{name: "exp null", edit: map[string]any{"exp": json.RawMessage("null")}},
		{name: "exp as text", edit: map[string]any{"exp": "1"}},
		{name: "exp that wraps around", edit: map[string]any{"exp": json.RawMessage("1e300")}},
		{name: "expired within the skew", edit: map[string]any{"exp": second(-29 * time.Second)}, ok: true},
		{name: "expired", edit: map[string]any{"exp": second(-30 * time.Second)}},
		{name: "nbf soon", edit: map[string]any{"nbf": second(30 * time.Second)}, ok: true},
		{name: "nbf later", edit: map[string]any{"nbf": second(31 * time.Second)}},
		{name: "iat missing", edit: map[string]any{"iat": nil}, ok: true},
		{name: "iat soon", edit: map[string]any{"iat": second(30 * time.Second)}, ok: true},
		{name: "iat later", edit: map[string]any{"iat": second(31 * time.Second)}},
		{name: "iat old, without a window", edit: map[string]any{"iat": second(-24 * time.Hour)}, ok: true},
		{name: "iat old", edit: map[string]any{"iat": second(-31 * time.Minute)}, want: oidc.Demands{Window: 30 * time.Minute}},
		{name: "iat at the end of the window", edit: map[string]any{"iat": second(-30 * time.Minute)}, want: oidc.Demands{Window: 30 * time.Minute}, ok: true},
		{name: "iat missing and exp within the window", edit: map[string]any{"iat": nil, "exp": second(30 * time.Minute)}, want: oidc.Demands{Window: 30 * time.Minute}, ok: true},
		{name: "iat missing and exp far away", edit: map[string]any{"iat": nil, "exp": second(time.Hour)}, want: oidc.Demands{Window: 30 * time.Minute}},
		{name: "exp far away", edit: map[string]any{"exp": second(1000 * time.Hour)}, want: oidc.Demands{Window: 30 * time.Minute}, ok: true},
		{name: "jti missing", edit: map[string]any{"jti": nil}, ok: true},
		{name: "jti missing where it is demanded", edit: map[string]any{"jti": nil}, want: oidc.Demands{Named: true}},
		{name: "member of another case", edit: map[string]any{"SUB": "u2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			payload, err := json.Marshal(claimed(c.edit))
			if err != nil {
				t.Fatal(err)
			}
			c.want.Issuer, c.want.Audiences = "https://other.example", []string{issuer, "alias"}
			if _, err := oidc.JudgeAssertion(payload, c.want, at); (err == nil) != c.ok {
				t.Errorf("%s: %v", payload, err)
			}
		})
	}
}

// TestAssertionRemembered: what is remembered of an assertion stands for as long as it could be taken again.
func TestAssertionRemembered(t *testing.T) {
	t.Parallel()
	want := oidc.Demands{Issuer: "https://other.example", Audiences: []string{issuer}, Window: 30 * time.Minute}
	for _, edit := range []map[string]any{
		{}, {"exp": at.Add(time.Hour).Unix()}, {"iat": nil, "exp": at.Add(30 * time.Minute).Unix()}, {"iat": at.Add(-29 * time.Minute).Unix()},
	} {
		payload, err := json.Marshal(claimed(edit))
		if err != nil {
			t.Fatal(err)
		}
		until, err := oidc.JudgeAssertion(payload, want, at)
		if err != nil {
			t.Fatal(err)
		}
		if until.After(at.Add(32 * time.Minute)) {
			t.Errorf("%s is remembered until %v", payload, until)
		}
		if _, err := oidc.JudgeAssertion(payload, want, until); err == nil {
			t.Errorf("%s is taken when it is forgotten, at %v", payload, until)
		}
	}
}

// FuzzAssertion judges any claims. Those that are taken are for us, about somebody, and of now.
func FuzzAssertion(f *testing.F) {
	for _, edit := range []map[string]any{{}, {"aud": []string{issuer, "x"}}, {"exp": 1e300}, {"sub": "\u202e"}, {"cnf": map[string]any{"jkt": "x"}}} {
		payload, err := json.Marshal(claimed(edit))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Add([]byte(`{"iss":"https://other.example","sub":"u","aud":"https://id.example","exp":1e400}`))
	f.Add([]byte(`{"iss":"https://other.example","iss":"x"}`))
	f.Add([]byte(`null`))
	f.Add([]byte(``))
	want := oidc.Demands{Issuer: "https://other.example", Audiences: []string{issuer}, Exclusive: true, Window: 30 * time.Minute}
	f.Fuzz(func(t *testing.T, payload []byte) {
		until, err := oidc.JudgeAssertion(payload, want, at)
		if err != nil {
			return
		}
		var c struct {
			Iss, Sub string
			Aud      any
			Exp      float64
		}
		if err := json.Unmarshal(payload, &c); err != nil {
			t.Fatalf("%q is taken, but not JSON: %v", payload, err)
		}
		if c.Iss != want.Issuer || c.Sub == "" || int64(c.Exp) < at.Add(-time.Minute).Unix() || !until.After(at) {
			t.Errorf("%q is taken until %v", payload, until)
		}
		for _, name := range list(c.Aud) {
			if name != issuer {
				t.Errorf("%q is taken, and for %v", payload, name)
			}
		}
	})
}

func list(v any) []any {
	if many, ok := v.([]any); ok {
		return many
	}
	return []any{v}
}
