package me

import (
	"net/http"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// enabledFactors is which second factors the person has, with commas between them.
type enabledFactors struct {
	Enabled string `json:"enabledAuthenticators"`
}

// factorNames are the factors by the credential that is one, in the order in which they are listed.
var factorNames = []struct {
	credential directory.CredentialType
	name       string
}{
	{directory.TOTPCredential, "TOTP"},
	{directory.HOTPCredential, "HOTP"},
	{directory.PushCredential, "Push"},
	{directory.PasskeyCredential, "FIDO"},
	{directory.CertificateCredential, "x509Certificate"},
	{directory.BackupCodesCredential, "Backup Code"},
}

// factors are those that the person has.
func (a *API) factors(c *call) ([]string, error) {
	credentials, err := a.Directory.Credentials.List(c.ctx(), c.ref)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range factorNames {
		if slices.ContainsFunc(credentials, func(c *directory.Credential) bool { return c.Type == f.credential }) {
			names = append(names, f.name)
		}
	}
	return names, nil
}

// listFactors says which factors are in use: what is enrolled is enabled.
func (a *API) listFactors(c *call) (answer, error) {
	names, err := a.factors(c)
	return answer{Body: enabledFactors{strings.Join(names, ",")}}, err
}

var errFactors = &web.ProblemError{
	Status: 400, Code: "ME-60001", Message: "Invalid request",
	Description: "A factor is enabled by enrolling it, and disabled by removing it: the list has to be that of the factors that are enrolled.",
}

// putFactors takes the list as it is, as clients send it behind an enrolment, and no other: a factor that is enrolled and not asked for
// would be one that whoever has a token turns off.
func (a *API) putFactors(c *call) (answer, error) {
	var body enabledFactors
	if err := c.decode(&body, maxBody); err != nil {
		return answer{}, err
	}
	names, err := a.factors(c)
	if err != nil {
		return answer{}, err
	}
	var listed []string
	for name := range strings.SplitSeq(body.Enabled, ",") {
		if name = strings.TrimSpace(name); name != "" {
			listed = append(listed, name)
		}
	}
	slices.Sort(listed)
	sorted := slices.Sorted(slices.Values(names))
	if !slices.Equal(slices.Compact(listed), sorted) {
		return answer{}, errFactors
	}
	return answer{Status: http.StatusOK, Body: enabledFactors{strings.Join(names, ",")}}, nil
}
