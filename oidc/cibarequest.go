package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// cibaParameters are those of an authentication request (CIBA Core §7.1). In a signed request they stand in it and nowhere else.
var cibaParameters = []string{
	"scope", "client_notification_token", "acr_values", "login_hint_token", "id_token_hint", "login_hint", "binding_message", "user_code",
	"requested_expiry", "resource", memberDetails,
}

// memberDetails is JSON in a form and in a signed request alike (RFC 9396 §2).
const memberDetails = "authorization_details"

// cibaObject is what a signed request must say besides (CIBA Core §7.1.1).
type cibaObject struct {
	Issuer   string   `json:"iss"`
	Audience audience `json:"aud"`
	jose.Times
	JTI string `json:"jti"`
}

const (
	// cibaObjectLife is how long a signed request may live, and how old it may be (FAPI-CIBA §5.2.2).
	cibaObjectLife = time.Hour
	// cibaObjectSkew is how far the clocks of a client and of ours may be apart.
	cibaObjectSkew = 30 * time.Second
)

// signed returns the parameters of a request, out of the JWT of a client that signs its requests, which is to be spent; without one, it
// is nil.
func (g *cibaGrant) signed(ctx context.Context, form web.Form, c *Client) (web.Form, *cibaObject, error) {
	text := form.Value("request")
	switch {
	case c.BackChannelRequestSigningAlg == "" && text == "":
		return form, nil, nil
	case c.BackChannelRequestSigningAlg == "":
		return form, nil, invalidRequest("the client is not registered for signed requests")
	case text == "":
		return form, nil, invalidRequest("the client is registered to sign its requests")
	case slices.ContainsFunc(cibaParameters, form.Has):
		return form, nil, invalidRequest("a parameter stands beside the signed request")
	}
	verifier := jose.Verifier{
		Algorithms: []jose.Algorithm{jose.Algorithm(c.BackChannelRequestSigningAlg)}, Types: []string{"", "JWT", "oauth-authz-req+jwt"},
	}
	_, payload, err := verifier.Verify(text, func(h jose.Header) (jose.PublicKey, error) { return g.clientSigningKey(ctx, c, h) })
	if isClientKeyFault(err) {
		return form, nil, invalidRequest("the signed request is not one of the client's").because(err)
	}
	if err != nil {
		return form, nil, unavailable(err)
	}
	inner, object, err := parseCIBAObject(payload, c.ClientID, g.site.Issuer(), g.db.Now())
	if err != nil {
		return form, nil, invalidRequest("the signed request is not acceptable").because(err)
	}
	return inner, object, nil
}

// spendObject uses a signed request up (CIBA Core §7.1.1: jti). Nobody can use one without authenticating as the client, and the client once.
func (g *cibaGrant) spendObject(ctx context.Context, o *cibaObject, c *Client) error {
	if o == nil {
		return nil
	}
	id := secret.Hash("ciba request\x00" + c.ClientID + "\x00" + o.JTI)
	first, err := g.spend(ctx, id, o.Iat.Time, o.Exp.Add(cibaObjectSkew+replayMargin), cibaObjectSkew)
	if err != nil {
		return err
	}
	if !first {
		g.observe(ctx, directory.Observation{Type: "ciba_request.reused", ClientID: c.ClientID})
		return invalidRequest("the signed request was used before")
	}
	return nil
}

// parseCIBAObject reads and judges the claims of a signed request.
func parseCIBAObject(payload []byte, clientID, issuer string, now time.Time) (web.Form, *cibaObject, error) {
	var o cibaObject
	var all map[string]json.RawMessage
	if err := errors.Join(strictjson.Unmarshal(payload, &o), strictjson.Unmarshal(payload, &all)); err != nil {
		return web.Form{}, nil, err
	}
	if err := o.judge(clientID, issuer, now); err != nil {
		return web.Form{}, nil, err
	}
	values := url.Values{}
	for _, name := range cibaParameters {
		if raw := all[name]; raw != nil {
			text, err := string(raw), error(nil)
			if name != memberDetails {
				text, err = parameterText(raw)
			}
			if err != nil {
				return web.Form{}, nil, errors.New(name + " is neither a text nor a number")
			}
			values.Set(name, text)
		}
	}
	form, err := web.ParseForm(values.Encode())
	return form, &o, err
}

// parameterText reads a member as what it would be in a form: requested_expiry may be a number too.
func parameterText(raw json.RawMessage) (string, error) {
	var number json.Number
	if len(raw) > 0 && raw[0] != '"' {
		err := json.Unmarshal(raw, &number)
		return number.String(), err
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}

// judge returns what is wrong with the object: all of its members are demanded (CIBA Core §7.1.1).
func (o *cibaObject) judge(clientID, issuer string, now time.Time) error {
	switch {
	case o.Issuer != clientID:
		return errors.New("iss is not the client")
	case !slices.Contains(o.Audience, issuer):
		return errors.New("aud is not the issuer")
	case o.JTI == "" || o.Exp.IsZero() || o.Iat.IsZero() || o.Nbf.IsZero():
		return errors.New("jti, exp, iat or nbf is missing")
	case !now.Before(o.Exp.Add(cibaObjectSkew)):
		return errors.New("it has expired")
	case now.Add(cibaObjectSkew).Before(o.Nbf.Time), now.Add(cibaObjectSkew).Before(o.Iat.Time):
		return errors.New("it does not hold yet")
	case now.Sub(o.Nbf.Time) > cibaObjectLife+cibaObjectSkew, o.Exp.Sub(o.Nbf.Time) > cibaObjectLife+cibaObjectSkew:
		return errors.New("it is older than an hour, or lives for longer")
	}
	return nil
}
