package me

import (
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/store"
)

// association is an account at a provider upstream by which the person signs in here.
type association struct {
	ID   string `json:"id"`
	IDP  string `json:"idpId"`
	User string `json:"federatedUserId"`
}

func (a *API) links(c *call) ([]*federated.Link, error) {
	if a.Connections == nil {
		return nil, nil
	}
	return a.Connections.Links(c.ctx(), c.ref)
}

// listLinks lists the person's accounts upstream.
func (a *API) listLinks(c *call) (answer, error) {
	links, err := a.links(c)
	list := make([]association, 0, len(links))
	for _, l := range links {
		list = append(list, association{ID: l.ID, IDP: l.Connection, User: l.ExternalID})
	}
	return answer{Body: list}, err
}

// unlink removes one of them, unless the person would have no other way to sign in.
func (a *API) unlink(c *call) (answer, error) {
	return noContent, again(func() error {
		links, err := a.links(c)
		if err != nil {
			return err
		}
		for _, l := range links {
			if l.ID == c.r.PathValue("id") {
				return a.Connections.Unlink(c.ctx(), c.Subject, c.Session, l)
			}
		}
		return store.ErrNotFound
	})
}

// unlinkAll removes all of them, one after the other; the last one stays when it is the last way in.
func (a *API) unlinkAll(c *call) (answer, error) {
	return noContent, again(func() error {
		links, err := a.links(c)
		if err != nil {
			return err
		}
		for _, l := range links {
			if err := a.Connections.Unlink(c.ctx(), c.Subject, c.Session, l); err != nil {
				return err
			}
		}
		return nil
	})
}
