package script_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow/script"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// api is the management of a world, for whoever calls.
func (w *world) api() http.Handler {
	w.Helper()
	management := script.Management{
		Secrets: w.secrets, Libraries: script.NewLibraries(w.db, w.engine),
		Guard: func(api string, scopes ...string) func(http.Handler) http.Handler {
			return func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					rw.Header().Set("Scope", api+" "+strings.Join(scopes, " "))
					next.ServeHTTP(rw, r)
				})
			}
		},
	}
	routes, err := management.Routes()
	w.must(err)
	mux := http.NewServeMux()
	for _, r := range routes {
		for _, method := range r.Methods {
			mux.HandleFunc(method+" "+r.Path, r.Handler)
		}
	}
	return mux
}

// call sends JSON to a path, or parts (name, text, …) as a form.
func call(t testing.TB, api http.Handler, method, path, body string, parts ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if len(parts) > 0 {
		var form bytes.Buffer
		writer := multipart.NewWriter(&form)
		for i := 0; i+1 < len(parts); i += 2 {
			if err := writer.WriteField(parts[i], parts[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
		r = httptest.NewRequest(method, path, &form)
		r.Header.Set("Content-Type", writer.FormDataContentType())
	}
	rec := httptest.NewRecorder()
	api.ServeHTTP(rec, r)
	return rec
}

const (
	secretsAPI   = script.SecretsPath + "/ADAPTIVE_AUTH_CALL_CHOREO"
	librariesAPI = script.LibrariesPath
)

// wants is an answer's status, the scope that it takes, and words that are in it.
func wants(t *testing.T, rec *httptest.ResponseRecorder, status int, words ...string) {
	t.Helper()
	if rec.Code != status {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	told := rec.Body.String() + fmt.Sprint(rec.Header())
	for _, word := range words {
		if !strings.Contains(told, word) {
			t.Errorf("no %q in %d %s", word, rec.Code, told)
		}
	}
}

func TestManageSecrets(t *testing.T) {
	everywhere(t, func(w *world) {
		api, t := w.api(), w.T
		wants(t, call(t, api, http.MethodGet, secretsAPI, ""), http.StatusOK, "[]", "internal_secret_mgt_view")
		wants(t, call(t, api, http.MethodPost, secretsAPI, `{"name":"key","value":"v4lue-of-it","description":"of the API"}`), http.StatusCreated,
			`"secretName":"key"`, `"created":"2031-05-06T12:00:00Z"`, "Location:["+secretsAPI+"/key]", "internal_secret_mgt_add")
		wants(t, call(t, api, http.MethodPost, secretsAPI, `{"name":"key","value":"x"}`), http.StatusConflict, "SCR-60003")
		wants(t, call(t, api, http.MethodGet, secretsAPI+"/key", ""), http.StatusOK, `"description":"of the API"`, `"type":"ADAPTIVE_AUTH_CALL_CHOREO"`)
		w.policy(inLogin(`fail({ errorCode: secrets.key });`))
		w.browser().begin(directory.Interaction{}).refuses(t, "v4lue-of-it")
		wants(t, call(t, api, http.MethodPut, secretsAPI+"/key", `{"value":"an0ther"}`), http.StatusOK, `"description":""`, "internal_secret_mgt_update")
		w.browser().begin(directory.Interaction{}).refuses(t, "an0ther")
		wants(t, call(t, api, http.MethodPatch, secretsAPI+"/key", `{"operation":"REPLACE","path":"/description","value":"new"}`), http.StatusOK, `"description":"new"`)
		w.browser().begin(directory.Interaction{}).refuses(t, "an0ther")
		wants(t, call(t, api, http.MethodPatch, secretsAPI+"/key", `{"operation":"REPLACE","path":"/value","value":"th1rd"}`), http.StatusOK, `"description":"new"`)
		w.browser().begin(directory.Interaction{}).refuses(t, "th1rd")
		wants(t, call(t, api, http.MethodDelete, secretsAPI+"/key", ""), http.StatusNoContent, "internal_secret_mgt_delete")
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPatch} {
			wants(t, call(t, api, method, secretsAPI+"/key", `{"value":"x"}`), http.StatusNotFound, "SCR-60002")
		}
	})
}

func TestManageLibraries(t *testing.T) {
	everywhere(t, func(w *world) {
		api, t := w.api(), w.T
		wants(t, call(t, api, http.MethodPost, librariesAPI, "", "name", "codes.js", "description", "words", "content", `module.exports.code = 'first';`),
			http.StatusCreated, "Location:["+librariesAPI+"/codes.js]", "internal_functional_lib_create")
		wants(t, call(t, api, http.MethodPost, librariesAPI, "", "name", "codes.js", "content", `1;`), http.StatusConflict, "SCR-60003")
		wants(t, call(t, api, http.MethodPost, librariesAPI, "", "name", "a.js", "content", `1;`), http.StatusCreated)
		wants(t, call(t, api, http.MethodGet, librariesAPI+"?limit=1&offset=1", ""), http.StatusOK, `"totalResults":2`, `"startIndex":2`, `"count":1`, `"name":"codes.js"`)
		wants(t, call(t, api, http.MethodGet, librariesAPI+"/codes.js", ""), http.StatusOK, `"content-ref":"`+librariesAPI+`/codes.js/content"`, `"description":"words"`)
		if rec := call(t, api, http.MethodGet, librariesAPI+"/codes.js/content", ""); rec.Body.String() != `module.exports.code = 'first';` || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v %s", rec.Header(), rec.Body)
		}
		w.policy(inLogin(`var lib = loadLocalLibrary('codes.js'); executeStep(1, { onSuccess: function () { fail({ errorCode: lib.code }); } });`))
		b := w.browser()
		p := b.begin(directory.Interaction{}).shows(t, "password")
		w.user("ann")
		wants(t, call(t, api, http.MethodPut, librariesAPI+"/codes.js", "", "content", `module.exports.code = 'second';`), http.StatusOK, "internal_functional_lib_update")
		b.password(p, "ann").refuses(t, "first") // a login goes by what it began with
		wants(t, call(t, api, http.MethodGet, librariesAPI+"/codes.js", ""), http.StatusOK, `"description":"words"`)
		wants(t, call(t, api, http.MethodDelete, librariesAPI+"/codes.js", ""), http.StatusNoContent, "internal_functional_lib_delete")
		for _, path := range []string{"/codes.js", "/codes.js/content"} {
			wants(t, call(t, api, http.MethodGet, librariesAPI+path, ""), http.StatusNotFound, "SCR-60002")
		}
		wants(t, call(t, api, http.MethodPut, librariesAPI+"/codes.js", "", "content", `1;`), http.StatusNotFound, "SCR-60002")
	})
}

// TestAttackSecretReadBack: no call of the API, well-formed or not, returns the value of a secret, and no log holds it.
func TestAttackSecretReadBack(t *testing.T) {
	everywhere(t, func(w *world) {
		api, t := w.api(), w.T
		const value = "s3cret-that-nobody-reads"
		for _, answer := range []*httptest.ResponseRecorder{
			call(t, api, http.MethodPost, secretsAPI, `{"name":"key","value":"`+value+`"}`),
			call(t, api, http.MethodPost, secretsAPI, `{"name":"key","value":"`+value+`"}`),
			call(t, api, http.MethodPost, secretsAPI, `{"name":"`+value+` x","value":"`+value+`"}`),
			call(t, api, http.MethodPost, secretsAPI, `{"name":"long","value":"`+strings.Repeat(value, 100)+`"}`),
			call(t, api, http.MethodPut, secretsAPI+"/key", `{"value":"`+value+`","value":"`+value+`"}`),
			call(t, api, http.MethodPut, secretsAPI+"/key", `{"value":"`+value+`"}`),
			call(t, api, http.MethodGet, secretsAPI, ""),
			call(t, api, http.MethodGet, secretsAPI+"/key", ""),
			call(t, api, http.MethodGet, secretsAPI+"/key?value=true", ""),
			call(t, api, http.MethodPatch, secretsAPI+"/key", `{"operation":"COPY","path":"/value","value":"`+value+`"}`),
		} {
			body := strings.ReplaceAll(answer.Body.String(), value+` x`, "") // the name that was refused
			if strings.Contains(body, value) {
				t.Errorf("told: %d %s", answer.Code, body)
			}
		}
		if strings.Contains(w.log.String(), value) {
			t.Error("the log has it")
		}
	})
}

// TestAttackManagementBodies: bodies that are read in two ways, too long, or not what they say are refused, and change nothing.
func TestAttackManagementBodies(t *testing.T) {
	everywhere(t, func(w *world) {
		api, t := w.api(), w.T
		for name, rec := range map[string]*httptest.ResponseRecorder{
			"twice":             call(t, api, http.MethodPost, secretsAPI, `{"name":"a","value":"x","value":"y"}`),
			"other case":        call(t, api, http.MethodPost, secretsAPI, `{"name":"a","Value":"x"}`),
			"trailing":          call(t, api, http.MethodPost, secretsAPI, `{"name":"a","value":"x"} {}`),
			"no value":          call(t, api, http.MethodPost, secretsAPI, `{"name":"a"}`),
			"long value":        call(t, api, http.MethodPost, secretsAPI, `{"name":"a","value":"`+strings.Repeat("x", 2049)+`"}`),
			"long body":         call(t, api, http.MethodPost, secretsAPI, `{"name":"a","value":"x","description":"`+strings.Repeat("x", 70000)+`"}`),
			"odd name":          call(t, api, http.MethodPost, secretsAPI, `{"name":"../a","value":"x"}`),
			"name of a folder":  call(t, api, http.MethodPost, secretsAPI, `{"name":"..","value":"x"}`),
			"library so named":  call(t, api, http.MethodPost, librariesAPI, "", "name", ".", "content", "1;"),
			"form as secret":    call(t, api, http.MethodPost, secretsAPI, "", "name", "a", "value", "x"),
			"JSON as library":   call(t, api, http.MethodPost, librariesAPI, `{"name":"a","content":"1;"}`),
			"part twice":        call(t, api, http.MethodPost, librariesAPI, "", "name", "a", "content", "1;", "content", "2;"),
			"unknown part":      call(t, api, http.MethodPost, librariesAPI, "", "name", "a", "content", "1;", "admin", "true"),
			"long library":      call(t, api, http.MethodPost, librariesAPI, "", "name", "a", "content", "//"+strings.Repeat("x", script.MaxSource)),
			"very long library": call(t, api, http.MethodPost, librariesAPI, "", "name", "a", "content", strings.Repeat("x", 2*script.MaxSource)),
			"no JavaScript":     call(t, api, http.MethodPost, librariesAPI, "", "name", "a", "content", "eval('1')"),
			"odd library":       call(t, api, http.MethodPost, librariesAPI, "", "name", "a/b", "content", "1;"),
			"no number":         call(t, api, http.MethodGet, librariesAPI+"?limit=-1", ""),
			"another type":      call(t, api, http.MethodPost, script.SecretsPath+"/OTHER", `{"name":"a","value":"x"}`),
		} {
			var told map[string]string
			if err := json.Unmarshal(rec.Body.Bytes(), &told); err != nil || rec.Code < 400 || rec.Code >= 500 || told["code"] == "" || told["traceId"] == "" {
				t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
			}
		}
		wants(t, call(t, api, http.MethodGet, secretsAPI, ""), http.StatusOK, "[]")
		wants(t, call(t, api, http.MethodGet, librariesAPI, ""), http.StatusOK, `"totalResults":0`)
	})
}

// TestManagementFaults: a store that fails is 503 at every call, with its cause in the log alone.
func TestManagementFaults(t *testing.T) {
	everywhere(t, func(w *world) {
		api, t := w.api(), w.T
		wants(t, call(t, api, http.MethodPost, secretsAPI, `{"name":"key","value":"x"}`), http.StatusCreated)
		wants(t, call(t, api, http.MethodPost, librariesAPI, "", "name", "a.js", "content", `1;`), http.StatusCreated)
		w.faults.FailAll(errors.New("the disk is on fire"))
		defer w.faults.Heal()
		for name, rec := range map[string]*httptest.ResponseRecorder{
			"list":             call(t, api, http.MethodGet, secretsAPI, ""),
			"show":             call(t, api, http.MethodGet, secretsAPI+"/key", ""),
			"add":              call(t, api, http.MethodPost, secretsAPI, `{"name":"b","value":"x"}`),
			"replace":          call(t, api, http.MethodPut, secretsAPI+"/key", `{"value":"y"}`),
			"delete":           call(t, api, http.MethodDelete, secretsAPI+"/key", ""),
			"list libraries":   call(t, api, http.MethodGet, librariesAPI, ""),
			"show a library":   call(t, api, http.MethodGet, librariesAPI+"/a.js", ""),
			"read a library":   call(t, api, http.MethodGet, librariesAPI+"/a.js/content", ""),
			"add a library":    call(t, api, http.MethodPost, librariesAPI, "", "name", "b.js", "content", `1;`),
			"replace one":      call(t, api, http.MethodPut, librariesAPI+"/a.js", "", "content", `2;`),
			"delete a library": call(t, api, http.MethodDelete, librariesAPI+"/a.js", ""),
		} {
			if rec.Code != http.StatusServiceUnavailable || strings.Contains(rec.Body.String(), "fire") {
				t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
			}
		}
	})
}

// FuzzManagement: whatever is sent is answered, and by no failure of ours.
func FuzzManagement(f *testing.F) {
	f.Add("POST", "application/json", `{"name":"a","value":"x"}`)
	f.Add("PATCH", "application/json", `{"operation":"REPLACE","path":"/value","value":"x"}`)
	f.Add("POST", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\na\r\n--x\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\n1;\r\n--x--\r\n")
	f.Fuzz(func(t *testing.T, method, contentType, body string) {
		w := newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()})
		api := w.api()
		for _, path := range []string{secretsAPI, secretsAPI + "/a", librariesAPI, librariesAPI + "/a"} {
			switch method {
			case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
			default:
				method = http.MethodPost
			}
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			rec := httptest.NewRecorder()
			api.ServeHTTP(rec, r)
			if rec.Code >= 500 {
				t.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
			}
		}
	})
}
