package oidc

import (
	"slices"
	"time"
)

// applyDefaults fills in what the client has registered for requests that do not say (OpenID Connect Registration §2). Its
// require_auth_time is met by every ID token.
func (q *authorizationRequest) applyDefaults(c *Client) {
	if q.MaxAge == nil && c.DefaultMaxAge != nil {
		age := time.Duration(min(*c.DefaultMaxAge, int64(longestAge/time.Second))) * time.Second
		q.MaxAge = &age
	}
	if len(q.ACR) == 0 {
		q.ACR = slices.Clone(c.DefaultACRValues)
	}
}

func checkRequestDefaults(c *Client, bad report) {
	if c.DefaultMaxAge != nil && *c.DefaultMaxAge < 0 {
		bad("default_max_age", "must not be negative")
	}
	if slices.Contains(c.DefaultACRValues, "") {
		bad("default_acr_values", "has an empty value")
	}
}
