package oidc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// wso2Members are what WSO2 Identity Server adds to a registration; see Registration.WSO2.
type wso2Members struct {
	ClientID         string `json:"ext_param_client_id,omitempty"`
	ClientSecret     string `json:"ext_param_client_secret,omitempty"`
	Template         string `json:"ext_param_sp_template,omitempty"`
	DisplayName      string `json:"ext_application_display_name,omitempty"`
	Owner            string `json:"ext_application_owner,omitempty"`
	TokenType        string `json:"token_type_extension,omitempty"`
	AllowedAudience  string `json:"ext_allowed_audience,omitempty"`
	ApplicationToken int64  `json:"ext_application_token_lifetime,omitempty"`
	UserToken        int64  `json:"ext_user_token_lifetime,omitempty"`
	RefreshToken     int64  `json:"ext_refresh_token_lifetime,omitempty"`
	IDToken          int64  `json:"ext_id_token_lifetime,omitempty"`
	PKCEMandatory    *bool  `json:"ext_pkce_mandatory,omitempty"`
	PKCEPlain        *bool  `json:"ext_pkce_support_plain,omitempty"`
	Public           *bool  `json:"ext_public_client,omitempty"`
}

// wso2Names are the names of the members.
var wso2Names = []string{
	"ext_param_client_id", "ext_param_client_secret", "ext_param_sp_template", "ext_application_display_name", "ext_application_owner",
	"token_type_extension", "ext_allowed_audience", "ext_application_token_lifetime", "ext_user_token_lifetime",
	"ext_refresh_token_lifetime", "ext_id_token_lifetime", "ext_pkce_mandatory", "ext_pkce_support_plain", "ext_public_client",
}

// The values of token_type_extension and of ext_allowed_audience.
const (
	wso2JWT          = "JWT"
	wso2Opaque       = "Default"
	wso2Organization = "organization"
	wso2Application  = "application"
)

// readWSO2 reads the members of WSO2 out of a document.
func readWSO2(members map[string]json.RawMessage) (*wso2Members, error) {
	known := map[string]json.RawMessage{}
	var problems []error
	for _, name := range wso2Names {
		if value, ok := members[name]; ok {
			known[name] = value
			problems = append(problems, checkExtent(name, value))
		}
	}
	encoded, err := json.Marshal(known)
	m := &wso2Members{}
	if err == nil {
		err = strictjson.Unmarshal(encoded, m)
	}
	if err != nil {
		return nil, misshapen(err)
	}
	bad := func(field, problem string) { problems = append(problems, &InvalidClientError{field, problem}) }
	if !slices.Contains([]string{"", wso2JWT, wso2Opaque}, m.TokenType) {
		bad("token_type_extension", "must be JWT or Default")
	}
	if !slices.Contains([]string{"", wso2Organization, wso2Application}, m.AllowedAudience) {
		bad("ext_allowed_audience", "must be organization or application")
	}
	for _, seconds := range []int64{m.ApplicationToken, m.UserToken, m.RefreshToken, m.IDToken} {
		if seconds < 0 {
			bad("ext_user_token_lifetime", "and its like must not be negative")
		}
	}
	for field, name := range map[string]string{"ext_application_display_name": m.DisplayName, "ext_application_owner": m.Owner} {
		if problem := checkText(memberName, name); name != "" && problem != "" {
			bad(field, problem)
		}
	}
	return m, errors.Join(problems...)
}

// apply makes the draft say what the members say. Nothing becomes weaker, or lives longer, than the provider's own settings have it: PKCE stays
// mandatory, and plain is none.
func (m *wso2Members) apply(p *Provider, draft *RegistrationDraft) {
	c, app := draft.Client, draft.Application
	switch m.TokenType {
	case wso2JWT:
		c.AccessTokenFormat = JWT
	case wso2Opaque:
		c.AccessTokenFormat = Opaque
	}
	switch m.AllowedAudience {
	case wso2Organization:
		app.RoleAudience = directory.OrganizationRoles
	case wso2Application:
		app.RoleAudience = directory.ApplicationRoles
	}
	for _, l := range []struct {
		asked int64
		of    *int64
		most  time.Duration
	}{
		{m.ApplicationToken, &c.OwnTokenLifetime, p.config.AccessTokenLifetime},
		{m.UserToken, &c.AccessTokenLifetime, p.config.AccessTokenLifetime},
		{m.RefreshToken, &c.RefreshTokenLifetime, p.config.RefreshTokenLifetime},
		{m.IDToken, &c.IDTokenLifetime, p.config.IDTokenLifetime},
	} {
		if l.asked > 0 {
			*l.of = min(l.asked, int64(l.most/time.Second))
		}
	}
	c.Extensions = map[string]string{memberName: app.Name, "ext_param_sp_template": m.Template, "ext_application_owner": m.Owner}
	maps.DeleteFunc(c.Extensions, func(_, text string) bool { return text == "" })
	app.Name = cmp.Or(m.DisplayName, app.Name)
}

// makePublic makes a client public that says so.
func (m *wso2Members) makePublic(c *Client) error {
	if m.Public == nil || !*m.Public {
		return nil
	}
	if c.AuthMethod != "" && c.AuthMethod != NoAuth {
		return &InvalidClientError{"ext_public_client", "contradicts token_endpoint_auth_method"}
	}
	c.AuthMethod = NoAuth
	return nil
}

// own gives a new client the id and the secret that were made elsewhere, where somebody has a token who may say so.
func (m *wso2Members) own(draft *RegistrationDraft) error {
	if draft.InitialAccess == nil {
		return nil
	}
	draft.Client.ClientID = m.ClientID
	if m.ClientSecret == "" {
		return nil
	}
	if len(m.ClientSecret) < leastSigningSecret {
		return &InvalidClientError{"ext_param_client_secret", "must be random and of at least 32 bytes"}
	}
	draft.secret = secret.Text(m.ClientSecret)
	return nil
}

// wso2Document is what of it a client is told.
func wso2Document(p *Provider, made *registration) map[string]any {
	c, app := made.client, made.application
	yes, no, public := true, false, c.Public()
	told := wso2Members{
		Template: c.Extensions["ext_param_sp_template"], Owner: c.Extensions["ext_application_owner"], DisplayName: app.Name,
		TokenType: wso2JWT, UserToken: seconds(p.accessLifetime(c)), ApplicationToken: seconds(p.ownTokenLifetime(c)),
		RefreshToken: seconds(p.refreshLifetime(c)), IDToken: seconds(p.idLifetime(c)),
		PKCEMandatory: &yes, PKCEPlain: &no, Public: &public,
	}
	if c.InsecureOptionalPKCE {
		told.PKCEMandatory = &no
	}
	if c.AccessTokenFormat == Opaque {
		told.TokenType = wso2Opaque
	}
	switch app.RoleAudience {
	case directory.OrganizationRoles:
		told.AllowedAudience = wso2Organization
	case directory.ApplicationRoles:
		told.AllowedAudience = wso2Application
	}
	document := map[string]any{}
	if encoded, err := json.Marshal(told); err == nil {
		_ = json.Unmarshal(encoded, &document)
	}
	document[memberName] = cmp.Or(c.Extensions[memberName], app.Name)
	return document
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// maxNamesakes bounds how many clients of one name are looked at.
const maxNamesakes = 1000

// named returns the registration of a name that the token manages: WSO2's way to find what one has registered. Whoever has no token of a
// client of that name learns nothing of it.
func (r *registrar) named(ctx context.Context, name, token string) (*registration, error) {
	looked := 0
	for c, err := range r.Clients.stored.All(ctx, store.Query{Within: store.Everywhere, Filter: store.Equals("client_name", store.Text(name))}) {
		if err != nil {
			return nil, err
		}
		if secret.Matches(cmp.Or(c.RegistrationHash, nobodysHash), cutPrefix(registrationPrefix, token)) {
			return r.manage(ctx, c.ClientID, token)
		}
		if looked++; looked >= maxNamesakes {
			break
		}
	}
	return nil, errRegistrationAccess
}
