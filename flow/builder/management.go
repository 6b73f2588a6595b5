package builder

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// Path is where flows are managed, below the issuer's path.
const Path = "/api/server/v1/flow"

// The scopes of administrators.
const (
	ScopeView   = "internal_flow_mgt_view"
	ScopeUpdate = "internal_flow_mgt_update"
)

// Guard lets a handler be reached by administrators alone: with a token that permits all of the scopes, for the organization that is
// managed. It answers all others. A resource.Guard of package oidc/resource is one where every client is in that organization.
type Guard interface {
	Protect(scopes ...string) func(http.Handler) http.Handler
}

// Management is how flows are managed over HTTP.
type Management struct {
	// Guard is required.
	Guard Guard
	// Organization is whose flows they are; "" is the root.
	Organization string
	// Check is flow.Engine.CheckPlan: a flow that the engine cannot go by is refused. Required.
	Check func(flow.Plan) error
	// Logger takes causes of failures. Nil discards them.
	Logger *slog.Logger
}

// Route is one call of the API.
type Route struct {
	Method, Path string
	Handler      http.Handler
}

// management serves the API.
type management struct {
	Management
	builder *Builder
}

// Routes are the calls of the API below the issuer's path, each behind the Guard. The error says that Guard or Check is missing.
func (b *Builder) Routes(m Management) ([]Route, error) {
	if m.Guard == nil || m.Check == nil {
		return nil, errors.New("builder: Management.Guard and Management.Check are required")
	}
	if m.Logger == nil {
		m.Logger = slog.New(slog.DiscardHandler)
	}
	api := &management{m, b}
	view, update := m.Guard.Protect(ScopeView), m.Guard.Protect(ScopeUpdate)
	return []Route{
		{http.MethodGet, Path, view(api.serve(api.get))},
		{http.MethodPut, Path, update(api.serve(api.put))},
		{http.MethodDelete, Path, update(api.serve(api.remove))},
		{http.MethodGet, Path + "/meta", view(api.serve(api.meta))},
		{http.MethodGet, Path + "/configs", view(api.serve(api.configs))},
		{http.MethodGet, Path + "/config", view(api.serve(api.readConfig))},
		{http.MethodPatch, Path + "/config", update(api.serve(api.patchConfig))},
	}, nil
}

// The problems of requests.
var (
	errType      = &web.ProblemError{Status: http.StatusBadRequest, Code: "FM-60001", Message: "The flowType is missing or none that there is."}
	errMalformed = &web.ProblemError{Status: http.StatusBadRequest, Code: "FM-60002", Message: "The request is malformed."}
	errMissing   = &web.ProblemError{Status: http.StatusNotFound, Code: "FM-60003", Message: "No flow of this type was drawn."}
)

// serve answers with what a call returns: a value as JSON, nothing, or an error. What is wrong with a flow is said to its administrator; all
// that is not known to be their doing is 503, with its cause in the log.
func (m *management) serve(call func(w http.ResponseWriter, r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := call(w, r)
		if err == nil && answer == nil {
			web.NoStore(w.Header())
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if err == nil {
			web.WriteValue(w, http.StatusOK, answer)
			return
		}
		trace := web.NewCorrelationID()
		p, known := errors.AsType[*web.ProblemError](err)
		_, rule := errors.AsType[*RuleError](err)
		switch {
		case known:
		case errors.Is(err, ErrNoFlow):
			p = errMissing
		case rule:
			p = &web.ProblemError{Status: http.StatusBadRequest, Code: "FM-60004", Message: "The flow breaks a rule.", Description: err.Error()}
		default:
			m.Logger.ErrorContext(r.Context(), "builder: management failed", "correlation", trace, "error", err)
			p = &web.ProblemError{Status: http.StatusServiceUnavailable, Code: "FM-65001", Message: "The service cannot answer at the moment."}
		}
		p.Write(w, trace)
	})
}

// typeOf is the type of flow that a request is about.
func typeOf(r *http.Request) (Type, error) {
	query, err := web.ReadQuery(r)
	if err != nil {
		return "", errMalformed
	}
	of := Type(query.Value("flowType")).canonical()
	if of == "" {
		return "", errType
	}
	return of, nil
}

// body reads what an administrator sends.
func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, errMalformed.UnsupportedMediaType("the body must be application/json")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFlow))
	if err != nil {
		return nil, errMalformed.Saying("the body is too large, or could not be read")
	}
	return text, nil
}

func (m *management) get(_ http.ResponseWriter, r *http.Request) (any, error) {
	of, err := typeOf(r)
	if err != nil {
		return nil, err
	}
	held, err := m.builder.Get(r.Context(), m.Organization, of)
	if err == nil && len(held.Flow) == 0 {
		err = ErrNoFlow
	}
	return held.Flow, err
}

func (m *management) put(w http.ResponseWriter, r *http.Request) (any, error) {
	text, err := body(w, r)
	if err != nil {
		return nil, err
	}
	f, err := Parse(text)
	if err != nil {
		return nil, err
	}
	plan, err := m.builder.compile(r.Context(), m.Organization, f)
	if err != nil {
		return nil, err
	}
	if err := m.Check(plan); err != nil {
		return nil, broken("the flow needs an executor that is not there")
	}
	if err := m.builder.Put(r.Context(), m.Organization, text); err != nil {
		return nil, err
	}
	return json.RawMessage(text), nil
}

func (m *management) remove(_ http.ResponseWriter, r *http.Request) (any, error) {
	of, err := typeOf(r)
	if err != nil {
		return nil, err
	}
	return nil, m.builder.Delete(r.Context(), m.Organization, of)
}

// config is the wire form of what is said about a type.
type config struct {
	FlowType   Type              `json:"flowType"`
	Enabled    bool              `json:"isEnabled"`
	Completion map[string]string `json:"flowCompletionConfigs"`
}

func (m *management) config(ctx context.Context, of Type) (config, error) {
	held, err := m.builder.Get(ctx, m.Organization, of)
	c := config{of, held.Enabled, held.Completion}
	if c.Completion == nil {
		c.Completion = map[string]string{}
	}
	return c, err
}

func (m *management) readConfig(_ http.ResponseWriter, r *http.Request) (any, error) {
	of, err := typeOf(r)
	if err != nil {
		return nil, err
	}
	return m.config(r.Context(), of)
}

func (m *management) configs(_ http.ResponseWriter, r *http.Request) (any, error) {
	var all []config
	for _, t := range types {
		c, err := m.config(r.Context(), t.of)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// patchConfig changes what is in the body, and leaves what is not.
func (m *management) patchConfig(w http.ResponseWriter, r *http.Request) (any, error) {
	text, err := body(w, r)
	if err != nil {
		return nil, err
	}
	var sent struct {
		FlowType   Type              `json:"flowType"`
		Enabled    *bool             `json:"isEnabled"`
		Completion map[string]string `json:"flowCompletionConfigs"`
	}
	if strictjson.Unmarshal(text, &sent, strictjson.Depth(3)) != nil {
		return nil, errMalformed
	}
	of := sent.FlowType.canonical()
	if r.URL.RawQuery != "" {
		asked, err := typeOf(r)
		if err != nil || sent.FlowType != "" && of != asked {
			return nil, errType
		}
		of = asked
	}
	if of == "" {
		return nil, errType
	}
	c, err := m.config(r.Context(), of)
	if err != nil {
		return nil, err
	}
	if sent.Enabled != nil {
		c.Enabled = *sent.Enabled
	}
	if sent.Completion != nil {
		c.Completion = sent.Completion
	}
	if err := m.builder.Configure(r.Context(), m.Organization, of, c.Enabled, c.Completion); err != nil {
		return nil, err
	}
	return c, nil
}

// meta is what can be drawn for a type.
type meta struct {
	FlowType    Type         `json:"flowType"`
	Executors   []string     `json:"supportedExecutors"`
	Connections []connection `json:"executorConnections"`
	Profile     string       `json:"attributeProfile"`
	Attributes  []attribute  `json:"attributeMetadata"`
	Completions []string     `json:"supportedFlowCompletionConfigs"`
	Connectors  struct{}     `json:"connectorConfigs"`
	Workflow    bool         `json:"workflowEnabled"`
}

type connection struct {
	Executor    string   `json:"executorName"`
	Connections []string `json:"connections"`
}

type attribute struct {
	Name       string   `json:"name"`
	Claim      string   `json:"claimURI"`
	Required   bool     `json:"required"`
	ReadOnly   bool     `json:"readOnly"`
	Validators []string `json:"validators"`
}

// standard are the attributes of every account, in the order in which they are told.
var standard = []attribute{
	{Name: "username", Claim: usernameInput, Validators: []string{}},
	{Name: "email", Claim: emailInput, Validators: []string{}},
	{Name: "given_name", Claim: givenNameInput, Validators: []string{}},
	{Name: "family_name", Claim: lastNameInput, Validators: []string{}},
	{Name: "phone", Claim: mobileInput, Validators: []string{}},
}

// serves are the engine's Executors that each type needs.
var serves = map[Type][]string{
	Registration: {"register", "register-code", "register-profile", "register-phone", "register-account"},
	Recovery:     {"recover", "recover-code", "recover-link", "recover-password"},
	InvitedUser:  {"invite-ticket", "invite-mail", "invite-sms", "invite"},
}

func (m *management) meta(_ http.ResponseWriter, r *http.Request) (any, error) {
	of, err := typeOf(r)
	if err != nil {
		return nil, err
	}
	told := meta{
		FlowType: of, Executors: []string{}, Connections: []connection{}, Attributes: []attribute{}, Completions: Completions(), Profile: "endUser",
	}
	if of == Registration {
		told.Profile = "selfRegistration"
	}
	if m.engineHas(of) {
		told.Executors = slices.DeleteFunc(slices.Clone(executorsOf[of]), func(name string) bool {
			return name == smsOTP && !m.builder.config.SMS
		})
		if of == Registration {
			told.Connections = m.connections()
			for _, c := range told.Connections {
				told.Executors = append(told.Executors, c.Executor)
			}
		}
	}
	for _, a := range standard {
		if _, ok := inputsOf[of][a.Claim]; ok {
			a.Required = of == Registration && a.Claim == emailInput
			told.Attributes = append(told.Attributes, a)
		}
	}
	if of == Registration {
		policy, err := m.builder.config.Directory.Attributes(r.Context(), m.Organization)
		if err != nil {
			return nil, err
		}
		for _, rule := range policy.Rules {
			if rule.Registration.Asks() {
				told.Attributes = append(told.Attributes, attributeOf(rule))
			}
		}
	}
	return told, nil
}

// connections are the providers at which people may register, by the executors that are for each.
func (m *management) connections() (all []connection) {
	all = []connection{}
	for _, executor := range slices.Sorted(maps.Keys(providers)) {
		c := connection{Executor: executor}
		for _, known := range m.builder.config.Connections {
			if standard := providers[executor]; standard == "" || standard == known.Name {
				c.Connections = append(c.Connections, known.Name)
			}
		}
		if len(c.Connections) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// attributeOf is an attribute of the host's own, as somebody draws it who asks for it.
func attributeOf(rule directory.AttributeRule) attribute {
	a := attribute{Name: rule.Name, Claim: rule.Name, Required: rule.Registration == directory.AttributeRequired, Validators: []string{}}
	if !strings.Contains(rule.Name, ":") {
		a.Claim = claims + rule.Name
	}
	return a
}

// engineHas reports whether the engine has every Executor that a type needs.
func (m *management) engineHas(of Type) bool {
	probe := flow.Step{Name: "probe", Options: serves[of], When: func(context.Context, *flow.State) (bool, error) { return false, nil }}
	plan, err := flow.Compile(probe)
	return err == nil && m.Check(plan) == nil
}
