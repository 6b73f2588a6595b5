package oidc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/signet-idp/signet/oidc"
)

// RFC 7591 §2, §3.2.1: what is understood is given back as it came, and what is not is ignored.
func TestClientMetadata(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ document, want string }{
		"empty": {`{}`, `{}`},
		"plain": {
			`{"redirect_uris":["https://app.example/cb"],"grant_types":["authorization_code"],"token_endpoint_auth_method":"none"}`,
			`{"grant_types":["authorization_code"],"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`,
		},
		"scope":             {`{"scope":"  openid email openid "}`, `{"scope":"openid email"}`},
		"null says nothing": {`{"redirect_uris":null,"client_name":null,"scope":null}`, `{}`},
		"unknown":           {`{"unknown":{"deep":[1]},"redirect_uris#de":["x"],"Client_Name":"x","policy_uri_":1}`, `{}`},
		"languages (§2.2)": {
			`{"client_name":"Shop","client_name#de":"Laden","client_name#ja-Jpan-JP":"店","tos_uri#fr":"https://app.example/fr"}`,
			`{"client_name":"Shop","client_name#de":"Laden","client_name#ja-Jpan-JP":"店","tos_uri#fr":"https://app.example/fr"}`,
		},
		"an empty text says nothing": {`{"client_name":"","logo_uri":""}`, `{}`},
		"not for clients to decide": {
			`{"client_id":"mine","client_secret":"s","client_secret_hash":"x","insecure_optional_pkce":true,"audience":["https://api.example"],
			"resources":["https://api.example"],"access_token_lifetime":1,"application":{"ID":"x"},"scopes":["admin"],"id":"1","org":"o","version":7,
			"registration_access_token_hash":"x","claims":["salary"]}`,
			`{}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := oidc.RewriteMetadata(tc.document)
			if err != nil || got != tc.want {
				t.Errorf("%s becomes %s, %v; want %s", tc.document, got, err, tc.want)
			}
		})
	}
}

// hostileMetadata is what a stranger may send, and the member that must be named in the refusal.
var hostileMetadata = map[string]struct{ document, field string }{
	"no JSON":                    {`redirect_uris=https://app.example/cb`, "document"},
	"no object":                  {`["https://app.example/cb"]`, "document"},
	"null":                       {`null`, "document"},
	"two documents":              {`{}{}`, "document"},
	"a member twice":             {`{"redirect_uris":["https://a.example/"],"redirect_uris":["https://b.example/"]}`, "document"},
	"deep":                       {strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), "document"},
	"long":                       {`{"x":"` + strings.Repeat("a", 65<<10) + `"}`, "document"},
	"no UTF-8":                   {"{\"client_name\":\"\xff\"}", "document"},
	"list as text":               {`{"redirect_uris":"https://app.example/cb"}`, "redirect_uris"},
	"numbers in a list":          {`{"grant_types":[1]}`, "grant_types"},
	"text as number":             {`{"token_endpoint_auth_method":7}`, "token_endpoint_auth_method"},
	"scope as list":              {`{"scope":["openid"]}`, "scope"},
	"scope with a quote":         {`{"scope":"a\"b"}`, "scope"},
	"many redirect URIs":         {`{"redirect_uris":[` + strings.Repeat(`"https://app.example/cb",`, 100) + `"https://app.example/cb"]}`, "redirect_uris"},
	"many scopes":                {`{"scope":"` + manyScopes(101) + `"}`, "scope"},
	"a long redirect URI":        {`{"redirect_uris":["https://app.example/` + strings.Repeat("a", 2048) + `"]}`, "redirect_uris"},
	"a control character":        {`{"software_id":"a\u0000b","contacts":["a\nb@app.example"]}`, "contacts"},
	"a name as list":             {`{"client_name":["Shop"]}`, "client_name"},
	"a long name":                {`{"client_name":"` + strings.Repeat("ä", 121) + `"}`, "client_name"},
	"a blank name":               {`{"client_name":"  "}`, "client_name"},
	"a name that turns around":   {`{"client_name":"Shop \u202egro.knab"}`, "client_name"},
	"a name with an unseen mark": {`{"client_name":"Sh\u200bop"}`, "client_name"},
	"a name on two lines":        {`{"client_name":"Shop\u2028Trusted by the bank"}`, "client_name"},
	"no language tag":            {`{"client_name#":"Shop"}`, "client_name"},
	"a wild language tag":        {`{"client_name#<b>":"Shop"}`, "client_name"},
	"too many languages":         {`{` + manyNames(101) + `}`, "client_name"},
	"javascript logo":            {`{"logo_uri":"javascript:alert(1)"}`, "logo_uri"},
	"data logo":                  {`{"logo_uri":"data:image/svg+xml,<svg onload=alert(1)>"}`, "logo_uri"},
	"http policy":                {`{"policy_uri":"http://app.example/policy"}`, "policy_uri"},
	"terms with user info":       {`{"tos_uri":"https://bank.example@evil.example/"}`, "tos_uri"},
	"terms in German":            {`{"tos_uri#de":"javascript:alert(1)"}`, "tos_uri#de"},
	"client_uri with a quote":    {`{"client_uri":"https://app.example/\"onclick=\"x"}`, "client_uri"},
	"client_uri without a host":  {`{"client_uri":"https:///x"}`, "client_uri"},
	"a relative logo":            {`{"logo_uri":"/logo.png"}`, "logo_uri"},
}

func manyScopes(n int) string {
	var scopes []string
	for i := range n {
		scopes = append(scopes, fmt.Sprintf("s%d", i))
	}
	return strings.Join(scopes, " ")
}

func manyNames(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf(`"client_name#x-%d":"Shop"`, i))
	}
	return strings.Join(names, ",")
}

// Hostile metadata, RFC 7591 §5: refused with an error of §3.2.2 that names the member and repeats nothing dangerous.
func TestAttackHostileMetadata(t *testing.T) {
	t.Parallel()
	for name, tc := range hostileMetadata {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := oidc.RewriteMetadata(tc.document)
			refusal, ok := errors.AsType[*oidc.Error](err)
			if !ok {
				t.Fatalf("taken as %s, %v", got, err)
			}
			want := "invalid_client_metadata"
			if tc.field == "redirect_uris" {
				want = "invalid_redirect_uri"
			}
			if refusal.Code != want || !strings.Contains(refusal.Description, tc.field) {
				t.Errorf("refused with %s: %s, want %s naming %s", refusal.Code, refusal.Description, want, tc.field)
			}
			if strings.ContainsAny(refusal.Description, "\"\\<>\n") || len(refusal.Description) > 500 {
				t.Errorf("the description is %q", refusal.Description)
			}
		})
	}
}

const documentURL = "https://app.example/client.json"

// draft-ietf-oauth-client-id-metadata-document §3.
func TestMetadataDocumentURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{documentURL, "https://app.example/", "https://app.example:8443/a/b.json", "https://app.example/a?v=1", "https://xn--bcher-kva.example/c", "https://93.184.216.34/c"} {
		if problem := oidc.CheckDocumentURL(url); problem != "" {
			t.Errorf("%s %s", url, problem)
		}
	}
	for _, url := range []string{
		"", "https://", "https://app.example", "https://app.example?x", "http://app.example/c", "HTTPS://app.example/c", "https:app.example/c", "https:///c",
		"https://app.example/c#", "https://app.example/c#x", "https://@app.example/c", "https://u@app.example/c", "https://u:p@app.example/c",
		"https://app.example/../c", "https://app.example/./c", "https://app.example/a/..", "https://app.example/%2e%2E/c", "https://app.example/.%2e/c",
		"https://app.example/c?", "https://app.example:/c", "https://app.example:0/c", "https://app.example:080/c", "https://APP.example/c", "https://app.example./c",
		"https://app.example/ c", "https://app.example/c\n", "https://app.example/ü", "https://app.example/\\c", "https://app.example/\"c",
		"https://app.example/" + strings.Repeat("a", 200),
	} {
		if oidc.CheckDocumentURL(url) == "" {
			t.Errorf("%q is taken for the URL of a document", url)
		}
	}
}

// draft-ietf-oauth-client-id-metadata-document §4.1, §6.1: what a document says of its client is narrowed to what can be believed.
func TestMetadataDocument(t *testing.T) {
	t.Parallel()
	const head = `{"client_id":"` + documentURL + `",`
	for name, tc := range map[string]struct{ document, want string }{
		"public": {
			head + `"client_name":"Shop","redirect_uris":["https://app.example/cb","http://127.0.0.1/cb","com.example.app:/cb"],"grant_types":["authorization_code","refresh_token"]}`,
			`{"client_name":"Shop","grant_types":["authorization_code","refresh_token"],"redirect_uris":["https://app.example/cb","http://127.0.0.1/cb","com.example.app:/cb"],"token_endpoint_auth_method":"none"}`,
		},
		"elsewhere is left out": {
			head + `"redirect_uris":["https://evil.example/cb","HTTPS://evil.example/cb","https://app.example:444/cb","https://app.example/cb","javascript:x","cursor://x/cb"]}`,
			`{"grant_types":["authorization_code"],"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`,
		},
		"other grants are left out": {
			head + `"redirect_uris":["https://app.example/cb"],"grant_types":["client_credentials","password","authorization_code"]}`,
			`{"grant_types":["authorization_code"],"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := oidc.RewriteMetadataDocument(documentURL, tc.document, false)
			if err != nil || got != tc.want {
				t.Errorf("becomes %s, %v; want %s", got, err, tc.want)
			}
		})
	}
	if got, err := oidc.RewriteMetadataDocument(documentURL, head+`"redirect_uris":["https://other.example/cb"]}`, true); err != nil || !strings.Contains(got, "other.example") {
		t.Errorf("with redirect URIs anywhere: %s, %v", got, err)
	}
}

// The same, for documents that say what a document must not.
func TestAttackMetadataDocument(t *testing.T) {
	t.Parallel()
	const rest = `"redirect_uris":["https://app.example/cb"]}`
	for name, tc := range map[string]struct{ document, field string }{
		"of another URL":        {`{"client_id":"https://app.example/other.json",` + rest, "client_id"},
		"in another case":       {`{"client_id":"https://app.example/Client.json",` + rest, "client_id"},
		"with a slash more":     {`{"client_id":"` + documentURL + `/",` + rest, "client_id"},
		"without client_id":     {`{` + rest, "client_id"},
		"client_id as list":     {`{"client_id":["` + documentURL + `"],` + rest, "client_id"},
		"with a secret":         {`{"client_id":"` + documentURL + `","client_secret":"s",` + rest, "client_secret"},
		"with a secret's end":   {`{"client_id":"` + documentURL + `","client_secret_expires_at":0,` + rest, "client_secret_expires_at"},
		"secret basic":          {`{"client_id":"` + documentURL + `","token_endpoint_auth_method":"client_secret_basic",` + rest, "token_endpoint_auth_method"},
		"secret post":           {`{"client_id":"` + documentURL + `","token_endpoint_auth_method":"client_secret_post",` + rest, "token_endpoint_auth_method"},
		"secret jwt":            {`{"client_id":"` + documentURL + `","token_endpoint_auth_method":"client_secret_jwt",` + rest, "token_endpoint_auth_method"},
		"for itself alone":      {`{"client_id":"` + documentURL + `","grant_types":["client_credentials"],` + rest, "grant_types"},
		"no redirect URI":       {`{"client_id":"` + documentURL + `"}`, "redirect_uris"},
		"redirect elsewhere":    {`{"client_id":"` + documentURL + `","redirect_uris":["https://evil.example/cb"]}`, "redirect_uris"},
		"redirect to a script":  {`{"client_id":"` + documentURL + `","redirect_uris":["javascript:alert(1)"]}`, "redirect_uris"},
		"a page, not JSON":      {`<!doctype html><title>404</title>`, "document"},
		"client_id, then again": {`{"client_id":"` + documentURL + `","client_id":"x",` + rest, "document"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := oidc.RewriteMetadataDocument(documentURL, tc.document, false)
			if refusal, ok := errors.AsType[*oidc.Error](err); !ok || !strings.Contains(refusal.Description, tc.field) {
				t.Errorf("taken as %s, %v; want a refusal naming %s", got, err, tc.field)
			}
		})
	}
}

// FuzzClientMetadata holds that what is understood is understood the same when it is read again, and shown without a trick.
func FuzzClientMetadata(f *testing.F) {
	for _, tc := range hostileMetadata {
		if len(tc.document) < 1000 {
			f.Add(tc.document)
		}
	}
	f.Add(`{"redirect_uris":["https://app.example/cb"],"scope":"openid","client_name#de":"Laden","jwks":{"keys":[]},"default_max_age":5}`)
	f.Fuzz(func(t *testing.T, document string) {
		first, err := oidc.RewriteMetadata(document)
		if err != nil {
			if refusal, ok := errors.AsType[*oidc.Error](err); !ok || refusal.Status != 400 || strings.ContainsAny(refusal.Description, "\"\\\n") {
				t.Errorf("refused with %v", err)
			}
			return
		}
		second, err := oidc.RewriteMetadata(first)
		if err != nil || first != second {
			t.Errorf("%s is read as %s, and that as %s, %v", document, first, second, err)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(first), &members); err != nil || !utf8.ValidString(first) {
			t.Fatalf("%q is no document: %v", first, err)
		}
		for name, value := range members {
			base, _, _ := strings.Cut(name, "#")
			if slices.Contains([]string{"client_uri", "logo_uri", "policy_uri", "tos_uri"}, base) && !strings.HasPrefix(string(value), `"https://`) {
				t.Errorf("%s is %s", name, value)
			}
		}
	})
}

// FuzzMetadataDocument holds that a document speaks for its own URL alone.
func FuzzMetadataDocument(f *testing.F) {
	f.Add(documentURL, `{"client_id":"`+documentURL+`","redirect_uris":["https://app.example/cb"]}`)
	f.Add("https://app.example/%2e%2e/c", `{"client_id":"https://app.example/%2e%2e/c","redirect_uris":["http://[::1]/cb"]}`)
	f.Add("https://a.example:0/?", `{}`)
	f.Fuzz(func(t *testing.T, clientID, document string) {
		if oidc.CheckDocumentURL(clientID) != "" {
			return
		}
		if !strings.HasPrefix(clientID, "https://") || strings.ContainsAny(clientID, "#@\\ \"") && !strings.Contains(clientID[8:], "/") {
			t.Errorf("%q is taken for the URL of a document", clientID)
		}
		text, err := oidc.RewriteMetadataDocument(clientID, document, false)
		if err != nil {
			return
		}
		var read struct {
			ClientID  string   `json:"client_id"`
			Redirects []string `json:"redirect_uris"`
			Method    string   `json:"token_endpoint_auth_method"`
		}
		if err := json.Unmarshal([]byte(document), &read); err != nil || read.ClientID != clientID {
			t.Errorf("%s speaks for %s", document, clientID)
		}
		if err := json.Unmarshal([]byte(text), &read); err != nil || len(read.Redirects) == 0 || read.Method != "none" && read.Method != "private_key_jwt" {
			t.Errorf("%s becomes %s, %v", document, text, err)
		}
	})
}
