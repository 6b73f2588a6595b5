package directory

import (
	"context"
	"slices"

	"github.com/signet-idp/signet/store"
)

// ScopeRequest is what somebody asks to be allowed.
type ScopeRequest struct {
	// Application is who asks. Required.
	Application *Application
	// Subject is for whom; zero is for the application itself, of which nobody has roles, and for what it could get for
	// anybody at all.
	Subject store.Ref
	// Scopes are what is asked for.
	Scopes []string
	// Resources are the identifiers of the APIs that it is for; empty is all.
	Resources []string
}

// EffectiveScopes is what of a ScopeRequest may be granted.
type EffectiveScopes struct {
	// Scopes are those of APIs, in the order in which they were asked for, each once.
	Scopes []string
	// Audience are the identifiers of the APIs that they belong to, in that order.
	Audience []string
	// Other are the scopes that belong to no API: whether they are granted is for the protocol to say.
	Other []string
}

// EffectiveScopes returns what of the requested scopes the application was granted and, where the API or the grant asks for it,
// the subject's roles permit: those it has by itself and through its groups, as far as they count in the application. What is
// not granted is left out silently.
//
// APIs, grants and roles are remembered, and a change by another node may be unknown for store.Staleness. Who is in which
// group and has which role is read: one List of each, and only if a scope depends on it.
func (d *Directory) EffectiveScopes(ctx context.Context, q ScopeRequest) (EffectiveScopes, error) {
	var e EffectiveScopes
	apis, err := d.APIs.catalog(ctx, q.Application.Org)
	if err != nil {
		return e, err
	}
	var permitted map[string]bool // by the subject's roles; nil until it matters
	for i, scope := range q.Scopes {
		api := apis.byScope[scope]
		switch {
		case slices.Contains(q.Scopes[:i], scope):
			continue
		case api == nil:
			e.Other = append(slices.Grow(e.Other, len(q.Scopes)-i), scope)
			continue
		case len(q.Resources) > 0 && !slices.Contains(q.Resources, api.Identifier):
			continue
		}
		policy, granted, err := d.AuthorizedAPIs.grants(ctx, q.Application, api, scope)
		if err != nil {
			return EffectiveScopes{}, err
		}
		if granted && !q.Subject.IsZero() && api.judgesPeople(policy) {
			if permitted == nil {
				if permitted, err = d.Roles.permissions(ctx, q.Subject, q.Application); err != nil {
					return EffectiveScopes{}, err
				}
			}
			granted = permitted[scope]
		}
		if granted {
			e.add(scope, api.Identifier)
		}
	}
	return e, nil
}

func (e *EffectiveScopes) add(scope, identifier string) {
	e.Scopes = append(e.Scopes, scope)
	if !slices.Contains(e.Audience, identifier) {
		e.Audience = append(e.Audience, identifier)
	}
}

// grants reports whether an application may have a scope of an API, and under which policy.
func (a *AuthorizedAPIs) grants(ctx context.Context, app *Application, api *APIResource, scope string) (AuthorizationPolicy, bool, error) {
	all, err := a.of(ctx, app.Ref())
	if err != nil {
		return AuthorizeByRole, false, err
	}
	for _, grant := range all {
		if grant.API == api.Ref() && slices.Contains(grant.Scopes, scope) {
			return grant.Policy, true, nil
		}
	}
	return AuthorizeByConsent, api.AllApplications, nil
}

// permissions returns what the roles of a subject permit that count in an application.
func (r *Roles) permissions(ctx context.Context, subject store.Ref, app *Application) (map[string]bool, error) {
	permitted := map[string]bool{}
	refs, err := r.refsOf(ctx, subject)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		role, err := r.remembered(ctx, ref)
		if err != nil {
			return nil, err
		}
		if role == nil || !app.counts(role) {
			continue
		}
		for _, p := range role.Permissions {
			permitted[p] = true
		}
	}
	return permitted, nil
}

// refsOf returns the roles that a subject has, by itself or through groups: one List of each.
func (r *Roles) refsOf(ctx context.Context, subject store.Ref) (refs []store.Ref, err error) {
	q := bySubject(subject)
	q.Limit = wholePage
	for a, err := range r.assignments.All(ctx, q) {
		if err != nil {
			return nil, err
		}
		refs = append(refs, a.Role)
	}
	for m, err := range r.groups.members.All(ctx, q) {
		if err != nil {
			return nil, err
		}
		byGroup, err := r.ofGroups(ctx, m.Group.Org)
		if err != nil {
			return nil, err
		}
		refs = append(refs, byGroup[m.Group]...)
	}
	return refs, nil
}

// ofGroups returns the roles of all groups in an organization that have any, as of at most store.Staleness ago.
func (r *Roles) ofGroups(ctx context.Context, org string) (map[store.Ref][]store.Ref, error) {
	return r.byGroup.Get(ctx, org, func() (map[store.Ref][]store.Ref, string, error) {
		byGroup := map[store.Ref][]store.Ref{}
		for a, err := range r.groupAssignments.All(ctx, store.Query{Org: org, Limit: wholePage}) {
			if err != nil {
				return nil, "", err
			}
			byGroup[a.Group] = append(byGroup[a.Group], a.Role)
		}
		return byGroup, org, nil
	})
}
