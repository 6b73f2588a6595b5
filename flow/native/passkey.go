package native

import "github.com/signet-idp/signet/internal/challenge"

// passkeyParam is what a program sends for a passkey.
var passkeyParam = Param{Name: challenge.Param, Field: "credential"}
