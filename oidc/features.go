package oidc

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
)

// Features are what a Provider offers beyond the authorization code flow with PKCE, refresh tokens and client credentials.
// Each is off while its pointer is nil, and on with safe defaults when it points to a zero struct.
type Features struct {
	// What requests and responses may look like.

	// PAR lets clients push their requests, JAR sign them.
	PAR *PAR
	JAR *JAR

	// JARM signs responses.
	JARM *JARM
	// CreateAccount is prompt=create.
	CreateAccount *CreateAccount

	// WebMessage is the response mode for a script that waits in another window, or around a frame.
	WebMessage *WebMessage

	// Direct lets apps sign people in without a browser.
	Direct *Direct

	// Agents lets software agents sign in, and act for people.
	Agents *Agents

	// What tokens and clients are bound to.
	ClientAssertions *ClientAssertions
	MutualTLS        *MutualTLS
	DPoP             *DPoP
	TokenBinding     *TokenBinding
	// TokenReuse gives a token again that still lives.
	TokenReuse *TokenReuse

	// Further grants.

	// TokenExchange is RFC 8693.
	TokenExchange *TokenExchange
	// Device is the grant of a device without a browser (RFC 8628).
	Device *Device
	// CIBA is the grant of a client that asks for a person who is elsewhere (CIBA Core).
	CIBA *CIBA
	// JWTBearer is RFC 7523 §2.1, SAMLBearer RFC 7522 §2.1.
	JWTBearer  *JWTBearer
	SAMLBearer *SAMLBearer
	// Impersonation lets people act as others.
	Impersonation *Impersonation
	// CustomGrants are the host's own (RFC 6749 §4.5).
	CustomGrants []CustomGrant

	// How clients come to be registered.

	// Registration lets clients register themselves.
	Registration *Registration
	// MetadataDocuments lets clients be known by the URL of a document.
	MetadataDocuments *MetadataDocuments
	// CORS lets scripts in browsers call as the clients whose origins they come from.
	CORS *CORS
	// WebFinger tells which issuer is responsible for a person.
	WebFinger *WebFinger
	// SignedMetadata is RFC 8414 §2.1.
	SignedMetadata *SignedMetadata

	// What is in tokens.

	// ResourceIndicators is RFC 8707.
	ResourceIndicators *ResourceIndicators
	// PairwiseSubjects is OpenID Connect Core §8.
	PairwiseSubjects *PairwiseSubjects
	// RAR is RFC 9396.
	RAR *RAR
	// SignedUserInfo is OpenID Connect Core §5.3.2, SignedIntrospection RFC 9701, and Encryption what clients have encrypted to them.
	SignedUserInfo      *SignedUserInfo
	SignedIntrospection *SignedIntrospection
	Encryption          *Encryption
	// WSO2Claims is what WSO2 Identity Server says in access tokens besides.
	WSO2Claims *WSO2Claims
	// SecretSignatures is HS256 (OpenID Connect Core §10.1).
	SecretSignatures *SecretSignatures

	// How sessions end.

	// BackChannelLogout tells clients from here that a session has ended, FrontChannelLogout by the browser, and SessionManagement lets
	// their pages ask.
	BackChannelLogout  *BackChannelLogout
	FrontChannelLogout *FrontChannelLogout
	SessionManagement  *SessionManagement

	// What weakens the provider, and what is not a standard yet.

	// Legacy is what RFC 9700 advises against.
	Legacy *Legacy
	// Experimental are drafts.
	Experimental Experimental
}

// Experimental are features by drafts: what they do follows the draft, and may change or go with any version.
type Experimental struct {
	// IDJAG is draft-ietf-oauth-identity-assertion-authz-grant.
	IDJAG *IDJAG
}

// Consumers are those that store.Config.Consumers must have beside the host's, so that what the features send is never lost.
// Package signet sees to it by itself.
func (f Features) Consumers() []store.Consumer {
	var consumers []store.Consumer
	if f.CIBA != nil && (f.CIBA.Ping || f.CIBA.Push) {
		consumers = append(consumers, store.Consumer{Name: cibaConsumer, Types: []string{cibaDecided}})
	}
	if f.BackChannelLogout != nil {
		consumers = append(consumers, logoutConsumers()...)
	}
	return consumers
}

// part is what a feature adds to a Provider.
type part struct {
	// features are the names by which the feature tags of Client ask for it.
	features []string
	// check judges the client's settings of the feature; nil judges nothing.
	check func(c *Client, bad report)
	// approve judges what of a client's settings needs a look elsewhere, after check and before the client is written; nil
	// judges nothing. What is wrong is an *InvalidClientError.
	approve func(context.Context, *Client) error
	// methods are further ways for a client to authenticate.
	methods []AuthMethod
	// responseTypes and responseModes are what the authorization endpoint answers with besides.
	responseTypes, responseModes []string
	// grants are what the token endpoint answers besides.
	grants map[GrantType]exchange
	// routes are its endpoints.
	routes []web.Route
	// describe adds to the discovery document; nil adds nothing.
	describe func(*metadata)
	// maintain does one round of its work in the background (Provider.Maintain); nil has none.
	maintain func(context.Context) error
}

// exchange answers a token request of one grant type.
type exchange func(context.Context, tokenRequest) (*tokenResponse, error)

// buildFeatures asks every feature that is on for its part, and reports every problem at once.
func (p *Provider) buildFeatures() error {
	var problems []error
	add := func(made part, err error) {
		problems = append(problems, err)
		p.parts = append(p.parts, made)
	}
	add(p.core())
	if f := p.config.Features.BackChannelLogout; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.FrontChannelLogout; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.SessionManagement; f != nil {
		add(f.part(p))
	}
	add(p.clientKeysPart(), nil)
	p.buildGrants(add)
	if f := p.config.Features.ClientAssertions; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.MutualTLS; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.DPoP; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.TokenBinding; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.TokenReuse; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.Device; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.CIBA; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.PAR; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.JAR; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.JARM; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.CreateAccount; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.WebMessage; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.Direct; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.Agents; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.Legacy; f != nil {
		add(f.part(p))
	}
	add(aboutClients())
	if f := p.config.Features.Registration; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.MetadataDocuments; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.ResourceIndicators; f != nil {
		add(f.part())
	}
	if f := p.config.Features.PairwiseSubjects; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.RAR; f != nil {
		add(f.part())
	}
	if f := p.config.Features.SignedUserInfo; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.SignedIntrospection; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.Encryption; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.SecretSignatures; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.WSO2Claims; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.CORS; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.WebFinger; f != nil {
		add(f.part(p))
	}
	if f := p.config.Features.SignedMetadata; f != nil {
		add(f.part(p))
	}
	return errors.Join(problems...)
}

// buildGrants asks the features that are grants of their own.
func (p *Provider) buildGrants(add func(part, error)) {
	f := p.config.Features
	var exchange *tokenExchange
	if f.TokenExchange != nil {
		x, made, err := f.TokenExchange.part(p)
		exchange = x
		add(made, err)
	}
	if f.Impersonation != nil {
		add(f.Impersonation.part(p))
	}
	if len(f.CustomGrants) > 0 {
		add(p.customGrantPart(f.CustomGrants))
	}
	if f.Experimental.IDJAG != nil {
		add(p.idJAGPart(exchange))
	}
	if f.JWTBearer != nil || f.SAMLBearer != nil || f.Experimental.IDJAG != nil {
		add(p.assertionPart())
	}
}

// core is the part that cannot be left out.
func (p *Provider) core() (part, error) {
	return part{
		features:      []string{"refresh policy", "response types", "request defaults", "ID token audiences", "access token claims"},
		methods:       []AuthMethod{ClientSecretBasic, ClientSecretPost},
		responseTypes: []string{responseCode},
		responseModes: []string{modeQuery, modeFragment, modeFormPost},
		grants: map[GrantType]exchange{
			AuthorizationCode: p.exchangeCode,
			RefreshToken:      p.exchangeRefreshToken,
			ClientCredentials: p.exchangeClientCredentials,
		},
		routes: p.coreRoutes(),
		check: func(c *Client, bad report) {
			p.checkAlgorithms(c, bad)
			p.checkSecretSignatures(c, bad)
			checkRefreshPolicy(c, bad)
			p.checkProfiles(c, bad)
		},
		approve: p.prepareKeys,
	}, nil
}

// joinParts lays the parts together.
func (p *Provider) joinParts() {
	rules := &p.Clients.rules
	rules.profile = p.config.Profile
	p.grantTypes = map[GrantType]exchange{}
	for _, made := range p.parts {
		rules.features = append(rules.features, made.features...)
		rules.methods = append(rules.methods, made.methods...)
		rules.responseTypes = append(rules.responseTypes, made.responseTypes...)
		p.responseModes = append(p.responseModes, made.responseModes...)
		if made.check != nil {
			rules.checks = append(rules.checks, made.check)
		}
		if made.approve != nil {
			rules.approvals = append(rules.approvals, made.approve)
		}
		for grant, exchange := range made.grants {
			p.grantTypes[grant] = exchange
		}
		p.routes = append(p.routes, made.routes...)
	}
	if p.shared != nil {
		p.routes = p.shared.share(p.routes)
	}
	rules.grants = sortedKeys(p.grantTypes)
	rules.algorithm = p.keys.standard()
}

// Due receives when this node has left something in the outbox that should not wait for the next round: package signet then calls
// Maintain at once. What is missed is delivered with the round.
func (p *Provider) Due() <-chan struct{} { return p.due }

// hurry makes Due receive.
func (p *Provider) hurry() {
	select {
	case p.due <- struct{}{}:
	default: // it will already
	}
}

// Maintain does one round of what the features must do from time to time: deliver logouts and notifications, for example. Any
// number of nodes may call it at once. Package signet calls it from its own Maintain.
func (p *Provider) Maintain(ctx context.Context) error {
	var problems []error
	for _, made := range p.parts {
		if made.maintain != nil {
			problems = append(problems, made.maintain(ctx))
		}
	}
	return errors.Join(problems...)
}
