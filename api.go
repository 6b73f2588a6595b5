package signet

import (
	"context"
	"errors"
	"net/http"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/builder"
	"github.com/signet-idp/signet/flow/execute"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/oidc/resource"
	"github.com/signet-idp/signet/store"
)

// buildAPI finds the places of the product's APIs.
func (p *Provider) buildAPI() error {
	site, err := web.NewSite(p.config.Issuer, p.config.TrustedProxies)
	if err == nil {
		site, err = site.WithPaths(p.config.paths(ofAPI))
	}
	if err == nil {
		err = site.CheckRoutes(p.apiRoutes())
	}
	p.api = site
	return err
}

// apiRoutes are the product's APIs.
func (p *Provider) apiRoutes() (routes []web.Route) {
	if p.config.FlowExecution {
		routes = append(routes, web.Route{
			Path: execute.Path, Methods: []string{http.MethodPost}, Class: web.TokenAuthenticated,
			Handler: func(w http.ResponseWriter, r *http.Request) { p.execution.Handler("", p.flow.Interact).ServeHTTP(w, r) },
		})
	}
	if p.config.FlowBuilder {
		routes = append(routes, p.builderRoutes()...)
	}
	return append(routes, p.meRoutes()...)
}

// buildGuard makes what keeps the APIs of administrators.
func (p *Provider) buildGuard() (err error) {
	if !p.config.FlowBuilder || p.api == nil {
		return nil
	}
	p.guard, err = resource.New(resource.Config{
		Resource: p.api.URL(builder.Path), Issuers: []string{p.config.Issuer}, Verifier: p.OIDC,
		Scopes: []string{builder.ScopeView, builder.ScopeUpdate}, Now: p.config.Now, Logger: p.log,
	})
	return err
}

// rootGuard lets in whom the guard lets in, with a client of the root organization: in another one, anybody who manages it could make an API
// resource of the same name.
type rootGuard struct{ provider *Provider }

// Protect implements builder.Guard.
func (g rootGuard) Protect(scopes ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			g.provider.guard.Protect(scopes...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch atRoot, err := g.atRoot(r.Context()); {
				case err != nil:
					g.provider.log.ErrorContext(r.Context(), "signet: a client was not found out about", "error", err)
					web.WriteValue(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable"})
				case !atRoot:
					web.WriteValue(w, http.StatusForbidden, map[string]string{"error": "insufficient_scope"})
				default:
					next.ServeHTTP(w, r)
				}
			})).ServeHTTP(w, r)
		})
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

// builderRoutes are those of the flow builder.
func (p *Provider) builderRoutes() (routes []web.Route) {
	if p.builder == nil { // the paths are asked for before there is a store
		for _, path := range builder.Paths() {
			routes = append(routes, web.Route{Path: path})
		}
		return routes
	}
	check := func(plan flow.Plan) error { return p.flow.CheckPlan(plan) }
	for _, r := range p.builder.Routes(builder.Management{Guard: rootGuard{p}, Check: check, Logger: p.log}) {
		routes = append(routes, web.Route{
			Path: r.Path, Methods: []string{r.Method}, Class: web.TokenAuthenticated, Handler: r.Handler.ServeHTTP,
		})
	}
	return routes
}
