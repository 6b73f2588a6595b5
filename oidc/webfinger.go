package oidc

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/web"
)

// WebFinger tells which issuer is responsible for a person or a site (RFC 7033, OpenID Connect Discovery §2), at
// /.well-known/webfinger of the host. It knows no accounts: the answer for every name at a host is the same.
type WebFinger struct {
	// Hosts are those whose accounts are here, as "example.com" for acct:ann@example.com. Empty is the issuer's own.
	Hosts []string
}

// relIssuer is the relation of OpenID Connect Discovery §2.
const relIssuer = "http://openid.net/specs/connect/1.0/issuer"

// finger is the feature at work.
type finger struct {
	*Provider
	hosts []string
}

func (f WebFinger) part(p *Provider) (part, error) {
	var problems []error
	for _, host := range f.Hosts {
		if u, err := url.Parse("https://" + host); err != nil || u.Host != host || host != strings.ToLower(host) || host == "" {
			problems = append(problems, fmt.Errorf("oidc: Features.WebFinger.Hosts: %q is no host in lower case", host))
		}
	}
	hosts := slices.Clone(f.Hosts)
	if len(hosts) == 0 {
		hosts = []string{strings.TrimPrefix(strings.TrimPrefix(p.site.Origin(), "https://"), "http://")}
	}
	return part{routes: (&finger{p, hosts}).routes()}, errors.Join(problems...)
}

// descriptor is a JSON Resource Descriptor (RFC 7033 §4.4).
type descriptor struct {
	Subject string `json:"subject"`
	Links   []link `json:"links"`
}

type link struct {
	Relation string `json:"rel"`
	Target   string `json:"href"`
}

// find answers a query (RFC 7033 §4.2): of the relations that were asked for those that there are, or all.
func (f *finger) find(q web.Form) (*descriptor, *Error) {
	resource := q.Value("resource")
	host, ok := resourceHost(resource)
	switch {
	case !ok:
		return nil, invalidRequest("resource must be one acct: or https: URI")
	case !slices.Contains(f.hosts, host):
		return nil, &Error{Code: "not_found", Description: "nothing is known of this host", Status: 404}
	}
	d := &descriptor{Subject: resource, Links: []link{}}
	if asked := q.Values("rel"); len(asked) == 0 || slices.Contains(asked, relIssuer) {
		d.Links = append(d.Links, link{relIssuer, f.site.Issuer()})
	}
	return d, nil
}

// resourceHost is the host of an account (RFC 7565) or of a URL.
func resourceHost(resource string) (host string, ok bool) {
	if len(resource) > maxMetadataValue || strings.ContainsFunc(resource, notInURL) {
		return "", false
	}
	if account, isAccount := strings.CutPrefix(resource, "acct:"); isAccount {
		at := strings.LastIndexByte(account, '@')
		return strings.ToLower(account[at+1:]), at > 0 && at < len(account)-1
	}
	u, err := url.Parse(resource)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", false
	}
	return strings.ToLower(u.Host), true
}
