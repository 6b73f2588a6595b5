package script

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
)

// The APIs of administrators, below the issuer's path.
const (
	// SecretsPath is where secrets are managed, in the JSON of WSO2 Identity Server. No call returns the value of one.
	SecretsPath = "/api/server/v1/secrets"
	// LibrariesPath is where script libraries are.
	LibrariesPath = "/api/server/v1/script-libraries"
)

// The scopes of the APIs.
const (
	ScopeSecretView    = "internal_secret_mgt_view"
	ScopeSecretAdd     = "internal_secret_mgt_add"
	ScopeSecretUpdate  = "internal_secret_mgt_update"
	ScopeSecretDelete  = "internal_secret_mgt_delete"
	ScopeLibraryView   = "internal_functional_lib_view"
	ScopeLibraryCreate = "internal_functional_lib_create"
	ScopeLibraryUpdate = "internal_functional_lib_update"
	ScopeLibraryDelete = "internal_functional_lib_delete"
)

// secretType is the type of the secrets that scripts read, the only one there is.
const secretType = "ADAPTIVE_AUTH_CALL_CHOREO"

const (
	// maxManaged bounds how many secrets, and how many libraries, an organization is given by the APIs.
	maxManaged = 500
	// maxSecretBody is more than a secret and its description can be, escaped.
	maxSecretBody = 64 << 10
	// maxLibraryBody is a library with what stands around it.
	maxLibraryBody = MaxSource + 16<<10
)

// Guard lets a handler be reached by administrators alone: with a token for the API at that path below the issuer (SecretsPath, LibrariesPath), that
// permits all of the scopes, for the organization that is managed. It answers all others. It is the Protect of a resource.Guard of package
// oidc/resource for the API, where every client is in that organization.
type Guard = func(api string, scopes ...string) func(http.Handler) http.Handler

// Management is how secrets and script libraries are managed over HTTP.
type Management struct {
	// Guard is required.
	Guard Guard
	// Organization is whose they are; "" is the root.
	Organization string
	// Secrets and Libraries are what is managed; nil leaves out the API of it.
	Secrets   *Secrets
	Libraries *Libraries
	// Logger takes causes of failures. Nil discards them.
	Logger *slog.Logger
}

// Routes are the calls of the APIs, each behind the Guard. The error says that there is none.
func (m Management) Routes() ([]web.Route, error) {
	if m.Guard == nil {
		return nil, errors.New("script: Management.Guard is required")
	}
	if m.Logger == nil {
		m.Logger = slog.New(slog.DiscardHandler)
	}
	var routes []web.Route
	add := func(api, path, method, scope string, call call) {
		routes = append(routes, web.Route{
			Path: api + path, Methods: []string{method}, Class: web.TokenAuthenticated, Handler: m.Guard(api, scope)(m.serve(call)).ServeHTTP,
		})
	}
	if m.Secrets != nil {
		add(SecretsPath, "/{type}", http.MethodGet, ScopeSecretView, m.listSecrets)
		add(SecretsPath, "/{type}", http.MethodPost, ScopeSecretAdd, m.addSecret)
		add(SecretsPath, "/{type}/{name}", http.MethodGet, ScopeSecretView, m.showSecret)
		add(SecretsPath, "/{type}/{name}", http.MethodPut, ScopeSecretUpdate, m.replaceSecret)
		add(SecretsPath, "/{type}/{name}", http.MethodPatch, ScopeSecretUpdate, m.patchSecret)
		add(SecretsPath, "/{type}/{name}", http.MethodDelete, ScopeSecretDelete, m.deleteSecret)
	}
	if m.Libraries != nil {
		add(LibrariesPath, "", http.MethodGet, ScopeLibraryView, m.listLibraries)
		add(LibrariesPath, "", http.MethodPost, ScopeLibraryCreate, m.addLibrary)
		add(LibrariesPath, "/{name}", http.MethodGet, ScopeLibraryView, m.showLibrary)
		add(LibrariesPath, "/{name}/content", http.MethodGet, ScopeLibraryView, m.readLibrary)
		add(LibrariesPath, "/{name}", http.MethodPut, ScopeLibraryUpdate, m.replaceLibrary)
		add(LibrariesPath, "/{name}", http.MethodDelete, ScopeLibraryDelete, m.deleteLibrary)
	}
	if len(routes) == 0 {
		return nil, errors.New("script: Management has neither Secrets nor Libraries")
	}
	return routes, nil
}

// answer is what a call comes to: a status, and a value as JSON; nil is no body. A file is answered as it is.
type answer struct {
	status   int
	value    any
	location string
	file     []byte
}

type call func(w http.ResponseWriter, r *http.Request) (answer, error)

// The problems of requests.
var (
	errMalformed = &web.ProblemError{Status: http.StatusBadRequest, Code: "SCR-60001", Message: "The request is malformed."}
	errNoSuch    = &web.ProblemError{Status: http.StatusNotFound, Code: "SCR-60002", Message: "There is no such secret or library."}
	errTaken     = &web.ProblemError{Status: http.StatusConflict, Code: "SCR-60003", Message: "The name is taken."}
	errFull      = &web.ProblemError{Status: http.StatusConflict, Code: "SCR-60004", Message: "There are as many as there may be."}
)

func malformed(description string) error {
	return errMalformed.Saying(description)
}

// serve answers with what a call returns. What is wrong with a script or a name is said to its administrator; all that is not known to be their
// doing is 503, with its cause in the log.
func (m *Management) serve(call call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := call(w, r)
		switch {
		case err != nil:
			m.refuse(w, r, err)
		case a.file != nil:
			web.NoStore(w.Header())
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.Header().Set("Content-Disposition", "attachment")
			_, _ = w.Write(a.file)
		case a.value == nil:
			web.NoStore(w.Header())
			if a.location != "" {
				w.Header().Set("Location", a.location)
			}
			w.WriteHeader(a.status)
		default:
			if a.location != "" {
				w.Header().Set("Location", a.location)
			}
			web.WriteValue(w, a.status, a.value)
		}
	})
}

func (m *Management) refuse(w http.ResponseWriter, r *http.Request, err error) {
	trace := web.NewCorrelationID()
	p, known := errors.AsType[*web.ProblemError](err)
	refusal, no := errors.AsType[*RefusalError](err)
	_, syntax := errors.AsType[*SyntaxError](err)
	switch {
	case known:
	case errors.Is(err, store.ErrNotFound):
		p = errNoSuch
	case no:
		p = &web.ProblemError{Status: http.StatusBadRequest, Code: "SCR-60005", Message: "It is not admitted.", Description: refusal.Problem}
	case syntax:
		p = &web.ProblemError{Status: http.StatusBadRequest, Code: "SCR-60005", Message: "It is not admitted.", Description: err.Error()}
	default:
		m.Logger.ErrorContext(r.Context(), "script: management failed", "correlation", trace, "error", err)
		p = &web.ProblemError{Status: http.StatusServiceUnavailable, Code: "SCR-65001", Message: "The service cannot answer at the moment."}
	}
	p.Write(w, trace)
}

// secretView is a secret as it is told: without its value.
type secretView struct {
	ID          string `json:"secretId"`
	Name        string `json:"secretName"`
	Created     string `json:"created"`
	Modified    string `json:"lastModified"`
	Type        string `json:"type"`
	Description string `json:"description"`
}

func viewOf(s Secret) secretView {
	return secretView{s.Name, s.Name, stamp(s.Created), stamp(s.Updated), secretType, s.Description}
}

// stamp is a time as text; "" when it is not known.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// secretNamed is the name of a secret in the path.
func secretNamed(r *http.Request) (string, error) {
	if r.PathValue("type") != secretType || !isLibraryName(r.PathValue("name")) {
		return "", errNoSuch
	}
	return r.PathValue("name"), nil
}

// read reads a body of JSON, strictly.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return errMalformed.UnsupportedMediaType("the body must be application/json")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSecretBody))
	if err != nil {
		return malformed("the body is too large, or could not be read")
	}
	if strictjson.Unmarshal(text, into, strictjson.Depth(3)) != nil {
		return malformed("the body is not the JSON of this call")
	}
	return nil
}

func (m *Management) listSecrets(_ http.ResponseWriter, r *http.Request) (answer, error) {
	if r.PathValue("type") != secretType {
		return answer{}, errNoSuch
	}
	all, err := m.Secrets.List(r.Context(), m.Organization)
	views := []secretView{}
	for _, s := range all {
		views = append(views, viewOf(s))
	}
	return answer{status: http.StatusOK, value: views}, err
}

func (m *Management) addSecret(w http.ResponseWriter, r *http.Request) (answer, error) {
	var sent struct {
		Name        string `json:"name"`
		Value       string `json:"value"`
		Description string `json:"description"`
	}
	if r.PathValue("type") != secretType {
		return answer{}, errNoSuch
	}
	if err := read(w, r, &sent); err != nil {
		return answer{}, err
	}
	all, err := m.Secrets.List(r.Context(), m.Organization)
	if err == nil && len(all) >= maxManaged {
		err = errFull
	}
	if err == nil {
		err = m.Secrets.Add(r.Context(), m.Organization, sent.Name, sent.Description, sent.Value)
	}
	if err != nil {
		return answer{}, taken(err)
	}
	return m.secret(r.Context(), sent.Name, http.StatusCreated, r.URL.Path+"/"+url.PathEscape(sent.Name))
}

// taken is a problem in the place of what says that there is one of the name.
func taken(err error) error {
	if conflict, ok := errors.AsType[*store.Conflict](err); ok && conflict.Reason == store.Exists {
		return errTaken
	}
	return err
}

func (m *Management) secret(ctx context.Context, name string, status int, location string) (answer, error) {
	s, err := m.Secrets.Get(ctx, m.Organization, name)
	return answer{status: status, value: viewOf(s), location: location}, err
}

func (m *Management) showSecret(_ http.ResponseWriter, r *http.Request) (answer, error) {
	name, err := secretNamed(r)
	if err != nil {
		return answer{}, err
	}
	return m.secret(r.Context(), name, http.StatusOK, "")
}

func (m *Management) replaceSecret(w http.ResponseWriter, r *http.Request) (answer, error) {
	var sent struct {
		Value       string `json:"value"`
		Description string `json:"description"`
	}
	return m.changeSecret(w, r, &sent, func(s *Secret) (string, bool) {
		s.Description = sent.Description
		return sent.Value, true
	})
}

func (m *Management) patchSecret(w http.ResponseWriter, r *http.Request) (answer, error) {
	var sent struct {
		Operation string `json:"operation"`
		Path      string `json:"path"`
		Value     string `json:"value"`
	}
	return m.changeSecret(w, r, &sent, func(s *Secret) (string, bool) {
		if sent.Operation == "REPLACE" && sent.Path == "/description" {
			s.Description = sent.Value
			return "", false
		}
		if sent.Operation != "REPLACE" || sent.Path != "/value" {
			sent.Value = "" // which is no value
		}
		return sent.Value, true
	})
}

// changeSecret changes a secret that is there by what was sent; edit returns its new value, if it has one.
func (m *Management) changeSecret(w http.ResponseWriter, r *http.Request, sent any, edit func(*Secret) (string, bool)) (answer, error) {
	name, err := secretNamed(r)
	if err == nil {
		err = read(w, r, sent)
	}
	if err == nil {
		err = m.Secrets.change(r.Context(), m.Organization, name, edit)
	}
	if err != nil {
		return answer{}, err
	}
	return m.secret(r.Context(), name, http.StatusOK, "")
}

func (m *Management) deleteSecret(_ http.ResponseWriter, r *http.Request) (answer, error) {
	name, err := secretNamed(r)
	if err == nil {
		err = m.Secrets.Delete(r.Context(), m.Organization, name)
	}
	return answer{status: http.StatusNoContent}, err
}

// libraryView is a library as it is listed.
type libraryView struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Self        string `json:"self,omitempty"`
	Content     string `json:"content-ref,omitempty"`
}

func (m *Management) listLibraries(_ http.ResponseWriter, r *http.Request) (answer, error) {
	query, err := web.ReadQuery(r)
	if err != nil {
		return answer{}, malformed("a parameter stands twice")
	}
	limit, offset := maxManaged, 0
	for name, into := range map[string]*int{"limit": &limit, "offset": &offset} {
		if n, err := strconv.Atoi(query.Value(name)); query.Has(name) {
			if err != nil || n < 0 {
				return answer{}, malformed(name + " is no number")
			}
			*into = n
		}
	}
	all, err := m.Libraries.List(r.Context(), m.Organization)
	if err != nil {
		return answer{}, err
	}
	offset = min(offset, len(all))
	page := all[offset:min(len(all), offset+min(limit, maxManaged))]
	views := []libraryView{}
	for _, l := range page {
		views = append(views, libraryView{Name: l.Name, Description: l.Description, Self: r.URL.Path + "/" + url.PathEscape(l.Name)})
	}
	return answer{status: http.StatusOK, value: map[string]any{
		"totalResults": len(all), "startIndex": offset + 1, "count": len(page), "links": []any{}, "scriptLibraries": views,
	}}, nil
}

// libraryNamed is the name of a library in the path.
func libraryNamed(r *http.Request) (string, error) {
	if !isLibraryName(r.PathValue("name")) {
		return "", errNoSuch
	}
	return r.PathValue("name"), nil
}

// partsOf reads the parts of a body of multipart/form-data, each once (RFC 7578 §4).
func partsOf(w http.ResponseWriter, r *http.Request, names ...string) (map[string]string, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxLibraryBody)
	reader, err := r.MultipartReader()
	if err != nil {
		return nil, errMalformed.UnsupportedMediaType("the body must be multipart/form-data")
	}
	parts := map[string]string{}
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, malformed("the body is too large, or could not be read")
		}
		if err := take(part, parts, names); err != nil {
			return nil, err
		}
	}
}

// take reads one part.
func take(part *multipart.Part, parts map[string]string, names []string) error {
	for _, name := range names {
		if part.FormName() != name {
			continue
		}
		if _, twice := parts[name]; twice {
			return malformed(name + " stands twice")
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return malformed("the body is too large, or could not be read")
		}
		parts[name] = string(text)
		return nil
	}
	return malformed("a part has no name that belongs here")
}

func (m *Management) addLibrary(w http.ResponseWriter, r *http.Request) (answer, error) {
	sent, err := partsOf(w, r, "name", "description", "content")
	if err != nil {
		return answer{}, err
	}
	all, err := m.Libraries.List(r.Context(), m.Organization)
	if err == nil && len(all) >= maxManaged {
		err = errFull
	}
	if err == nil {
		err = m.Libraries.Add(r.Context(), m.Organization, Library{Name: sent["name"], Description: sent["description"], Source: sent["content"]})
	}
	if err != nil {
		return answer{}, taken(err)
	}
	return answer{status: http.StatusCreated, location: r.URL.Path + "/" + url.PathEscape(sent["name"])}, nil
}

func (m *Management) showLibrary(_ http.ResponseWriter, r *http.Request) (answer, error) {
	name, err := libraryNamed(r)
	if err != nil {
		return answer{}, err
	}
	l, err := m.Libraries.Get(r.Context(), m.Organization, name)
	return answer{status: http.StatusOK, value: libraryView{Name: l.Name, Description: l.Description, Content: r.URL.Path + "/content"}}, err
}

func (m *Management) readLibrary(_ http.ResponseWriter, r *http.Request) (answer, error) {
	name, err := libraryNamed(r)
	if err != nil {
		return answer{}, err
	}
	l, err := m.Libraries.Get(r.Context(), m.Organization, name)
	return answer{file: append([]byte{}, l.Source...)}, err
}

func (m *Management) replaceLibrary(w http.ResponseWriter, r *http.Request) (answer, error) {
	name, err := libraryNamed(r)
	if err != nil {
		return answer{}, err
	}
	sent, err := partsOf(w, r, "description", "content")
	if err != nil {
		return answer{}, err
	}
	l, err := m.Libraries.Get(r.Context(), m.Organization, name)
	if err != nil {
		return answer{}, err
	}
	l.Source = sent["content"]
	if text, ok := sent["description"]; ok {
		l.Description = text
	}
	return answer{status: http.StatusOK}, m.Libraries.Set(r.Context(), m.Organization, l)
}

func (m *Management) deleteLibrary(_ http.ResponseWriter, r *http.Request) (answer, error) {
	name, err := libraryNamed(r)
	if err == nil {
		err = m.Libraries.Delete(r.Context(), m.Organization, name)
	}
	return answer{status: http.StatusNoContent}, err
}
