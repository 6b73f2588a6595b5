package federated

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/service"
	"github.com/signet-idp/signet/oidc/rp"
)

// claimDialect is what URIs of attributes begin with in answers of services.
const claimDialect = "http://wso2.org/claims/"

// openService makes the steps of a connection to a service.
func (c *connection) openService(issuer string) (err error) {
	if c.Connection.Provider.Issuer != "" || c.Connection.Provider.ClientID != "" {
		return errors.New("there is either a Provider or a Service")
	}
	if c.ProgramURL != "" || len(c.NativeClients) > 0 {
		return errors.New("ProgramURL and NativeClients are for a Provider: a Service is asked again when somebody comes back to us")
	}
	if c.TrustAMR {
		return errors.New("TrustAMR is for a Provider: a Service says nothing of what it has asked for")
	}
	if c.RPInitiatedLogout {
		return errors.New("RPInitiatedLogout is for a Provider: a Service has no sessions that it could end")
	}
	config := service.StepConfig{Name: c.Name, Title: c.Title, Issuer: issuer, Endpoint: *c.Service, Now: c.db.Now, Logger: c.log}
	config.Confirmed = executor{connection: c}.confirmed
	if c.signsIn, err = service.NewStep(config); err != nil {
		return err
	}
	config.Confirmed = executor{connection: c, links: true}.confirmed
	c.linksTo, err = service.NewStep(config)
	return err
}

// confirmed is the verdict on somebody whom a service has confirmed: as on anybody who comes from a provider.
func (e executor) confirmed(ctx context.Context, s *flow.State, u *service.User) (flow.Verdict, error) {
	if u == nil || u.ID == "" {
		e.warn(ctx, errors.New("the service has named nobody"))
		return e.again("federated.failed"), nil
	}
	if !e.links && (s.Request.Reauthenticate || s.Request.MaxAge != nil) && !e.InsecureAssumeFresh { // see request: a link is no proof of who they are here
		return e.again("federated.stale"), nil
	}
	return e.welcome(ctx, s, e.identity(u))
}

// identity is who somebody is at a service. Accounts there are linked under the name of the connection: the URL of a service may change. An
// address counts as verified when the service says so.
func (e executor) identity(u *service.User) *rp.Identity {
	claims := map[string]any{}
	for _, c := range u.Claims {
		claims[c.URI] = c.Value
	}
	verified := claims[claimDialect+"identity/emailVerified"]
	return &rp.Identity{
		Issuer: "service:" + e.Name, Subject: u.ID, Claims: claims,
		Username: u.Claim(claimDialect + "username"), Name: u.Claim(claimDialect + "fullname"),
		GivenName: u.Claim(claimDialect + "givenname"), FamilyName: u.Claim(claimDialect + "lastname"),
		Picture: u.Claim(claimDialect + "photourl"), Locale: u.Claim(claimDialect + "local"),
		Email: u.Claim(claimDialect + "emailaddress"), EmailVerified: verified == true || verified == "true",
	}
}
