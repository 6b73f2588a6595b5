package me

import (
	"strings"

	"github.com/signet-idp/signet/store/directory"
)

// authorizedApp is an application that the person has allowed something.
type authorizedApp struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	ClientID string   `json:"clientId"`
	Scopes   []string `json:"approvedScopes"`
}

func toAuthorizedApp(one directory.Authorization) authorizedApp {
	app := authorizedApp{ID: one.Application.ID, Name: one.Name, ClientID: one.ID, Scopes: []string{}}
	for _, item := range one.Granted {
		if !strings.HasPrefix(item.ID, "claim:") && !strings.HasPrefix(item.ID, "agent ") { // neither is a scope
			app.Scopes = append(app.Scopes, item.ID)
		}
	}
	return app
}

// listAuthorizedApps lists the applications that are still there.
func (a *API) listAuthorizedApps(c *call) (answer, error) {
	all, err := a.authorizations(c)
	list := make([]authorizedApp, 0, len(all))
	for _, one := range all {
		if !one.Application.IsZero() {
			list = append(list, toAuthorizedApp(one))
		}
	}
	return answer{Body: list}, err
}

// byApplication is the authorization of the application that the path names.
func (a *API) byApplication(c *call) (directory.Authorization, error) {
	return a.authorization(c, func(one directory.Authorization) bool {
		return !one.Application.IsZero() && one.Application.ID == c.r.PathValue("id")
	})
}

func (a *API) showAuthorizedApp(c *call) (answer, error) {
	one, err := a.byApplication(c)
	if err != nil {
		return answer{}, err
	}
	return answer{Body: toAuthorizedApp(one)}, nil
}

// revokeAuthorizedApp takes back all that an application was allowed, and ends its tokens.
func (a *API) revokeAuthorizedApp(c *call) (answer, error) {
	one, err := a.byApplication(c)
	if err != nil {
		return answer{}, err
	}
	return noContent, a.Applications.RevokeConsent(c.ctx(), c.ref, one.ID)
}

// revokeAuthorizedApps does so for all of them.
func (a *API) revokeAuthorizedApps(c *call) (answer, error) {
	all, err := a.authorizations(c)
	if err != nil {
		return answer{}, err
	}
	for _, one := range all {
		if err := a.Applications.RevokeConsent(c.ctx(), c.ref, one.ID); err != nil {
			return answer{}, err
		}
	}
	return noContent, nil
}
