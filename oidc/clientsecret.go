package oidc

import (
	"errors"
	"slices"

	"github.com/signet-idp/signet/internal/secret"
)

// usesSecret reports whether a client that authenticates so has a secret; "" is client_secret_basic.
func usesSecret(method AuthMethod) bool {
	return slices.Contains([]AuthMethod{"", ClientSecretBasic, ClientSecretPost, ClientSecretJWT}, method)
}

// renewSecret gives the client a new secret, and none to one that has no use for it.
func (c *Client) renewSecret() string {
	c.SecretHash, c.fresh = "", ""
	if !usesSecret(c.AuthMethod) {
		return ""
	}
	c.setSecret(secret.New())
	return c.fresh.Reveal()
}

// setSecret gives the client a secret, which is hashed. Before the client is written, keepSecret decides what becomes of the secret
// itself.
func (c *Client) setSecret(s secret.Text) { c.SecretHash, c.fresh = s.Hash(), s }

// sealedSecret is the member under which the secret itself is sealed.
const sealedSecret = "client_secret_sealed"

// keepSecret seals a new secret beside its hash for a client that signs with it. For all others nothing but the hash is kept, also when
// they signed with it before.
func (s *Clients) keepSecret(c *Client) {
	switch {
	case !c.signsBySecret():
		c.SealedSecret = ""
	case c.fresh != "":
		c.SealedSecret = s.db.Seal(clientKind, c.Ref(), sealedSecret, []byte(c.fresh.Reveal()))
	}
	c.fresh = ""
}

// secret returns the secret itself of a client that signs with it.
func (s *Clients) secret(c *Client) (secret.Text, error) {
	plain, err := s.db.Unseal(clientKind, c.Ref(), sealedSecret, c.SealedSecret)
	if err != nil {
		return "", err
	}
	if !secret.Matches(c.SecretHash, string(plain)) {
		return "", errors.New("oidc: the sealed secret of client " + c.ClientID + " is not the one that was hashed")
	}
	return secret.Text(plain), nil
}
