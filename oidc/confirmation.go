package oidc

// confirmation is what whoever presents a token must prove to hold (RFC 7800 §3.1), or has proven. Zero is nothing: a bearer
// token, or a sender who proves nothing.
type confirmation struct {
	// JKT is the thumbprint of a DPoP key (RFC 9449 §6.1).
	JKT string `json:"jkt,omitempty"`
	// X5T is the SHA-256 digest of a certificate (RFC 8705 §3.1).
	X5T string `json:"x5t#S256,omitempty"`
}

// provenBy reports whether the sender has proven all that is demanded: every member must hold, not one of them.
func (c confirmation) provenBy(sender confirmation) bool {
	return (c.JKT == "" || c.JKT == sender.JKT) && (c.X5T == "" || c.X5T == sender.X5T)
}

// claim is the member of a token; nil for a bearer token.
func (c confirmation) claim() *confirmation {
	if c == (confirmation{}) {
		return nil
	}
	return &c
}

// demanded is the reverse of claim.
func (c *confirmation) demanded() confirmation {
	if c == nil {
		return confirmation{}
	}
	return *c
}

// tokenType is the token_type of a token that is bound so (RFC 9449 §5, RFC 8705 §3).
func (c confirmation) tokenType() string {
	if c.JKT != "" {
		return "DPoP"
	}
	return "Bearer"
}

// bound is what tokens of the request are bound to. A certificate binds them only where the client asks for it (RFC 8705 §3.4): it may
// be there for authentication alone.
func (r tokenRequest) bound() confirmation {
	b := r.proven
	if !r.client.CertificateBoundTokens {
		b.X5T = ""
	}
	return b
}
