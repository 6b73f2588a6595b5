package me

import (
	"context"
	"strings"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Applications are those that act for people. An *oidc.Provider implements it. It is safe for concurrent use.
type Applications interface {
	// Authorizations returns what somebody has allowed applications.
	Authorizations(ctx context.Context, subject store.Ref) ([]directory.Authorization, error)
	// RevokeConsent takes everything back that somebody has allowed the application of an Authorization, and ends its tokens. For an id that
	// is none it does nothing.
	RevokeConsent(ctx context.Context, subject store.Ref, id string) error
}

// The states of a consent. What was revoked is no more.
const consentActive = "ACTIVE"

// consent is what the person has allowed an application.
type consent struct {
	ID        string `json:"id"`
	SubjectID string `json:"subjectId,omitempty"`
	Service   string `json:"serviceId"`
	State     string `json:"state"`
	Timestamp int64  `json:"timestamp"`

	Purposes       []consentPurpose `json:"purposes,omitempty"`
	Authorizations []consentAnswer  `json:"authorizations,omitempty"`
}

type consentPurpose struct {
	ID       string           `json:"id"`
	Name     string           `json:"name"`
	Elements []consentElement `json:"elements"`
}

type consentElement struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type consentAnswer struct {
	User    string `json:"userId"`
	State   string `json:"state"`
	Updated int64  `json:"updatedTime"`
}

// receipt is a consent in the older form.
type receipt struct {
	ID       string           `json:"consentReceiptID"`
	Language string           `json:"language,omitempty"`
	Subject  string           `json:"piiPrincipalId"`
	Tenant   string           `json:"tenantDomain"`
	State    string           `json:"state"`
	Time     int64            `json:"consentTimestamp,omitempty"`
	Services []receiptService `json:"services,omitempty"`
	SPName   string           `json:"spDisplayName,omitempty"`
}

type receiptService struct {
	Service  string           `json:"service"`
	Name     string           `json:"serviceDisplayName"`
	Tenant   string           `json:"tenantDomain"`
	Purposes []receiptPurpose `json:"purposes"`
}

type receiptPurpose struct {
	Purpose    string            `json:"purpose"`
	Categories []receiptCategory `json:"piiCategory"`
}

type receiptCategory struct {
	Name    string `json:"piiCategoryName"`
	Display string `json:"piiCategoryDisplayName"`
}

// consentID names a consent: how a protocol calls an application may be a URL, which does not fit into a path.
func consentID(a directory.Authorization) string { return secret.Hash("me.consent\x00" + a.ID)[:32] }

// label is the readable part of an item's title.
func label(item directory.ConsentItem) string {
	if _, text, ok := strings.Cut(item.Title, "|"); ok {
		return text
	}
	return item.ID
}

func (a *API) authorizations(c *call) ([]directory.Authorization, error) {
	if a.Applications == nil {
		return nil, nil
	}
	return a.Applications.Authorizations(c.ctx(), c.ref)
}

// authorization is the one that is meant, or store.ErrNotFound.
func (a *API) authorization(c *call, meant func(directory.Authorization) bool) (directory.Authorization, error) {
	all, err := a.authorizations(c)
	if err != nil {
		return directory.Authorization{}, err
	}
	for _, one := range all {
		if meant(one) {
			return one, nil
		}
	}
	return directory.Authorization{}, store.ErrNotFound
}

// byConsent is the authorization that the path names as a consent.
func (a *API) byConsent(c *call) (directory.Authorization, error) {
	return a.authorization(c, func(one directory.Authorization) bool { return consentID(one) == c.r.PathValue("id") })
}

func summary(one directory.Authorization) consent {
	return consent{ID: consentID(one), Service: one.Name, State: consentActive, Timestamp: one.Decided.UnixMilli()}
}

func (c *call) whole(one directory.Authorization) consent {
	s := summary(one)
	s.SubjectID = c.ref.ID
	purpose := consentPurpose{ID: one.ID, Name: one.Name, Elements: []consentElement{}}
	for _, item := range one.Granted {
		purpose.Elements = append(purpose.Elements, consentElement{ID: item.ID, Name: label(item)})
	}
	s.Purposes = []consentPurpose{purpose}
	s.Authorizations = []consentAnswer{{User: c.ref.ID, State: "APPROVED", Updated: s.Timestamp}}
	return s
}

// listConsents lists what the person has allowed.
func (a *API) listConsents(c *call) (answer, error) {
	all, err := a.authorizations(c)
	list := make([]consent, 0, len(all))
	q := c.r.URL.Query()
	for _, one := range all {
		s := summary(one)
		if service := q.Get("serviceId"); service != "" && service != s.Service {
			continue
		}
		if state := q.Get("state"); state != "" && state != s.State {
			continue
		}
		list = append(list, s)
	}
	return answer{Body: list}, err
}

func (a *API) showConsent(c *call) (answer, error) {
	one, err := a.byConsent(c)
	if err != nil {
		return answer{}, err
	}
	return answer{Body: c.whole(one)}, nil
}

// validateConsent says whether it stands.
func (a *API) validateConsent(c *call) (answer, error) {
	_, err := a.byConsent(c)
	return answer{Body: map[string]any{"state": consentActive, "expiryTime": nil}}, err
}

// revokeConsent takes one back, and ends the application's tokens.
func (a *API) revokeConsent(c *call) (answer, error) {
	one, err := a.byConsent(c)
	if err != nil {
		return answer{}, err
	}
	return answer{}, a.Applications.RevokeConsent(c.ctx(), c.ref, one.ID)
}

func (c *call) toReceipt(one directory.Authorization) receipt {
	return receipt{
		ID: consentID(one), Subject: c.ref.ID, Tenant: c.ref.Org, State: consentActive, SPName: one.Name, Time: one.Decided.UnixMilli(),
	}
}

// listReceipts is listConsents in the older form.
func (a *API) listReceipts(c *call) (answer, error) {
	all, err := a.authorizations(c)
	list := make([]receipt, 0, len(all))
	for _, one := range all {
		list = append(list, c.toReceipt(one))
	}
	return answer{Body: list}, err
}

func (c *call) wholeReceipt(one directory.Authorization) receipt {
	r := c.toReceipt(one)
	purpose := receiptPurpose{Purpose: one.Name, Categories: []receiptCategory{}}
	for _, item := range one.Granted {
		purpose.Categories = append(purpose.Categories, receiptCategory{Name: item.ID, Display: label(item)})
	}
	r.Services = []receiptService{{Service: one.ID, Name: one.Name, Tenant: c.ref.Org, Purposes: []receiptPurpose{purpose}}}
	return r
}

func (a *API) showReceipt(c *call) (answer, error) {
	one, err := a.byConsent(c)
	if err != nil {
		return answer{}, err
	}
	return answer{Body: c.wholeReceipt(one)}, nil
}

func (a *API) revokeReceipt(c *call) (answer, error) { return a.revokeConsent(c) }
