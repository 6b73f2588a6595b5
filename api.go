package signet

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"github.com/signet-idp/signet/flow/builder"
	"github.com/signet-idp/signet/flow/execute"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/oidc/resource"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// buildAPI finds the places of the product's APIs.
func (p *Provider) buildAPI() (err error) {
	if p.api, err = p.apiSite(); err != nil {
		return err
	}
	return p.api.CheckRoutes(p.apiRoutes())
}

// apiSite is where the APIs are.
func (p *Provider) apiSite() (*web.Site, error) {
	site, err := web.NewSite(p.config.Issuer, p.config.TrustedProxies)
	if err != nil {
		return nil, err
	}
	return site.WithPaths(p.config.paths(ofAPI))
}

// apiRoutes are the product's APIs.
func (p *Provider) apiRoutes() (routes []web.Route) {
	if p.config.FlowExecution {
		handler := func(w http.ResponseWriter, r *http.Request) { p.execution.Handler("", p.flow.Interact).ServeHTTP(w, r) }
		routes = append(routes, p.shared(execute.Path, []string{http.MethodPost}, http.HandlerFunc(handler)))
	}
	if p.config.RecoveryAPI {
		for _, r := range p.recovery.Routes("", func(w http.ResponseWriter, r *http.Request, in directory.Interaction) (*directory.Result, error) {
			return p.flow.Interact(w, r, in)
		}) {
			routes = append(routes, p.shared(r.Path, []string{http.MethodPost}, r.Handler))
		}
	}
	if p.config.SessionExtension {
		routes = append(routes, web.Route{Path: pathExtendSession, Methods: []string{http.MethodGet}, Handler: p.extendSession})
	}
	routes = append(routes, p.management...)
	return append(routes, p.meRoutes()...)
}

// shared is a route that scripts of the origins that may call the token endpoint (oidc.CORS) may call too.
func (p *Provider) shared(path string, methods []string, handler http.Handler) web.Route {
	route := web.Route{Path: path, Methods: methods, Class: web.TokenAuthenticated, Handler: handler.ServeHTTP}
	if p.OIDC != nil && p.config.OIDC.CORS != nil {
		route.Methods = append(slices.Clone(methods), http.MethodOptions)
		route.Handler = p.OIDC.Share(methods, handler).ServeHTTP
	}
	return route
}

// buildManagement makes the API of the flow builder, and what keeps it.
func (p *Provider) buildManagement() error {
	guard, err := p.guardOf(builder.Path, builder.ScopeView, builder.ScopeUpdate)
	if err != nil {
		return err
	}
	routes, err := p.builder.Routes(builder.Management{Guard: guard, Check: p.flow.CheckPlan, Logger: p.log})
	for _, r := range routes {
		p.management = append(p.management, web.Route{
			Path: r.Path, Methods: []string{r.Method}, Class: web.TokenAuthenticated, Handler: r.Handler.ServeHTTP,
		})
	}
	return err
}

// managed is a Source of plans that administrators manage over HTTP besides, as script.Policies.
type managed interface {
	ManagementRoutes(guard func(api string, scopes ...string) func(http.Handler) http.Handler, logger *slog.Logger) ([]web.Route, error)
}

// buildSourceManagement makes the APIs of Config.Source, each with a guard of its own.
func (p *Provider) buildSourceManagement(source managed) error {
	guards := map[string]rootGuard{}
	var problems []error
	routes, err := source.ManagementRoutes(func(api string, scopes ...string) func(http.Handler) http.Handler {
		guard, known := guards[api]
		if !known {
			var err error
			guard, err = p.guardOf(api)
			guards[api], problems = guard, append(problems, err)
		}
		if guard.guard == nil { // New fails
			return func(http.Handler) http.Handler { return http.NotFoundHandler() }
		}
		return guard.Protect(scopes...)
	}, p.log)
	p.management = append(p.management, routes...)
	return errors.Join(append(problems, err)...)
}

// guardOf keeps an API, at a path below the issuer's, which is its identifier (directory.APIResource).
func (p *Provider) guardOf(api string, scopes ...string) (rootGuard, error) {
	site, err := p.apiSite()
	if err != nil {
		return rootGuard{}, err
	}
	guard, err := resource.New(resource.Config{
		Resource: site.URL(api), Issuers: []string{p.config.Issuer}, Verifier: p.OIDC, Scopes: scopes, Now: p.config.Now, Logger: p.log,
	})
	if err != nil {
		return rootGuard{}, err
	}
	p.guards = append(p.guards, guard)
	return rootGuard{p, guard}, nil
}

// rootGuard lets in whom the guard lets in, with a client of the root organization: in another one, anybody who manages it could make an API
// resource of the same name.
type rootGuard struct {
	provider *Provider
	guard    *resource.Guard
}

// Protect implements builder.Guard.
func (g rootGuard) Protect(scopes ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return g.provider.observed(g.guard.Protect(scopes...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token := resource.FromContext(r.Context())
			observeCaller(r.Context(), token.ClientID, token.Subject)
			switch atRoot, err := g.atRoot(r.Context()); {
			case err != nil:
				g.provider.log.ErrorContext(r.Context(), "signet: a client was not found out about", "error", err)
				web.WriteValue(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable"})
			case !atRoot:
				web.WriteValue(w, http.StatusForbidden, map[string]string{"error": "insufficient_scope"})
			default:
				next.ServeHTTP(w, r)
			}
		})))
	}
}

// atRoot reports whether the client of a request's token is one of the root organization.
func (g rootGuard) atRoot(ctx context.Context) (bool, error) {
	client, err := g.provider.Clients.Find(ctx, resource.FromContext(ctx).ClientID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && client.Org == "", err
}
