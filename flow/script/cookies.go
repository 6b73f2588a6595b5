package script

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/signet-idp/signet/store"
)

// cookiePlace is what signed and sealed cookies are bound to, with their name and the organization whose logins they are for: its
// scripts have written what they say, and prove nothing to those of another.
const cookiePlace = "script.cookie"

// setCookie is setCookie(response, name, value, options). Without options a cookie is secure, closed to scripts of pages, and Lax.
func (p *people) setCookie(_ context.Context, c *Call) (any, error) {
	name, err := c.Text(1)
	if err != nil {
		return nil, err
	}
	value, err := c.Text(2)
	if err != nil {
		return nil, err
	}
	if reserved(name) {
		return nil, &RefusalError{"this cookie is not a script's"}
	}
	options := speltMap(c.Map(3))
	switch {
	case options["encrypt"] == "true":
		value = string(p.DB.Keys().Seal([]byte(value), cookiePlace, c.Login.Organization, name))
	case options["sign"] == "true":
		value = base64.RawURLEncoding.EncodeToString([]byte(value)) + "." + p.DB.Keys().MAC(cookiePlace, c.Login.Organization, name, value)
	}
	cookie := &http.Cookie{
		Name: name, Value: value, Path: "/", Domain: options["domain"], HttpOnly: options["httpOnly"] != "false",
		Secure: options["secure"] != "false", SameSite: sameSite(options["sameSite"]),
	}
	if options["path"] != "" {
		cookie.Path = options["path"]
	}
	if age, err := strconv.Atoi(options["max-age"]); err == nil {
		cookie.MaxAge = age
	}
	if err := cookie.Valid(); err != nil || len(cookie.String()) > 4000 {
		return nil, &RefusalError{"this cannot be a cookie"}
	}
	c.SetCookie(cookie)
	return true, nil
}

func sameSite(s string) http.SameSite {
	switch strings.ToLower(s) {
	case "strict":
		return http.SameSiteStrictMode
	case "none":
		return http.SameSiteNoneMode
	}
	return http.SameSiteLaxMode
}

// cookieValue is getCookieValue(request, name, options): null when there is none, or it is not what was set.
func (p *people) cookieValue(_ context.Context, c *Call) (any, error) {
	name, err := c.Text(1)
	if err != nil {
		return nil, err
	}
	value, ok := c.Login.Browser.cookie(name).(string)
	if !ok {
		return nil, nil
	}
	options := speltMap(c.Map(2))
	if options["decrypt"] == "true" {
		plain, err := p.DB.Keys().Open(store.Sealed(value), cookiePlace, c.Login.Organization, name)
		if err != nil {
			return nil, nil //nolint:nilerr // whatever the browser made of it is no cookie of ours
		}
		return string(plain), nil
	}
	if options["validateSignature"] != "true" {
		return value, nil
	}
	encoded, mac, _ := strings.Cut(value, ".")
	plain, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || !p.DB.Keys().MatchesMAC(mac, cookiePlace, c.Login.Organization, name, string(plain)) {
		return nil, nil //nolint:nilerr // as above
	}
	return string(plain), nil
}
