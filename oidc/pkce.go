package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/signet-idp/signet/internal/secret"
)

// checkChallenge judges code_challenge and code_challenge_method of an authorization request. S256 is the only method:
// "plain" protects against nobody who can see the request (RFC 9700 §2.1.1).
func checkChallenge(challenge, method string, optional bool) *Error {
	switch {
	case challenge == "" && method != "":
		return invalidRequest("code_challenge_method without code_challenge")
	case challenge == "" && optional:
		return nil
	case challenge == "":
		return invalidRequest("code_challenge is required (RFC 7636)")
	case method != "S256": // an absent method means plain, RFC 7636 §4.3
		return invalidRequest("code_challenge_method must be S256")
	case len(challenge) != 43 || !isUnreserved(challenge):
		return invalidRequest("code_challenge is not a SHA-256 digest in base64url")
	}
	return nil
}

// checkVerifier judges code_verifier of a token request against the challenge of the authorization request. A verifier
// without a challenge is refused as firmly as the reverse: somebody has stripped the challenge (RFC 9700 §4.8.2).
func checkVerifier(challenge, verifier string) *Error {
	switch {
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		return invalidGrant("code_verifier without a code_challenge in the authorization request")
	case verifier == "":
		return invalidGrant("code_verifier is missing")
	case len(verifier) < 43 || len(verifier) > 128 || !isUnreserved(verifier): // RFC 7636 §4.1
		return invalidGrant("code_verifier is not well-formed")
	}
	sum := sha256.Sum256([]byte(verifier))
	if !secret.Equal(base64.RawURLEncoding.EncodeToString(sum[:]), challenge) { // RFC 7636 §4.6
		return invalidGrant("code_verifier does not match")
	}
	return nil
}

func isUnreserved(s string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	return strings.Trim(s, alphabet) == ""
}
