package oidc

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// AggregatedClaim is the value, for a ClaimsSource, of a claim that somebody else asserts: the client gets their JWT and verifies
// it by itself (OpenID Connect Core §5.6.2.1). Claims with the same JWT refer to it once.
type AggregatedClaim struct{ JWT string }

// DistributedClaim is the value, for a ClaimsSource, of a claim that somebody else asserts at an endpoint of theirs, where the client
// fetches it (OpenID Connect Core §5.6.2.2). Claims with the same endpoint and token refer to them once.
type DistributedClaim struct {
	// Endpoint is an https URL. Required.
	Endpoint string
	// AccessToken is what the client presents there: meant for it, and for nothing else. "" is none.
	AccessToken string
}

// The members that say where claims are (OpenID Connect Core §5.6.2).
const (
	memberClaimNames   = "_claim_names"
	memberClaimSources = "_claim_sources"
)

// reference is a claim as it is referred to; ok is false for a plain value.
func reference(value any) (source map[string]string, ok bool, err error) {
	switch v := value.(type) {
	case AggregatedClaim:
		if strings.Count(v.JWT, ".") < 2 {
			return nil, true, errors.New("oidc: the JWT of an aggregated claim is none")
		}
		return map[string]string{"JWT": v.JWT}, true, nil
	case DistributedClaim:
		if u, err := url.Parse(v.Endpoint); err != nil || u.Scheme != "https" || u.Host == "" {
			return nil, true, errors.New("oidc: the endpoint of a distributed claim is no https URL")
		}
		source = map[string]string{"endpoint": v.Endpoint}
		if v.AccessToken != "" {
			source["access_token"] = v.AccessToken
		}
		return source, true, nil
	}
	return nil, false, nil
}

// referToSources takes out of the claims those of others, and says where they are instead.
func referToSources(claims map[string]any) error {
	names, sources, known := map[string]string{}, map[string]map[string]string{}, map[any]string{}
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		source, ok, err := reference(claims[name])
		if err != nil {
			return unavailable(err)
		}
		if !ok {
			continue
		}
		at, met := known[claims[name]]
		if !met {
			at = fmt.Sprintf("src%d", len(known)+1)
			known[claims[name]], sources[at] = at, source
		}
		names[name] = at
		delete(claims, name)
	}
	if len(names) > 0 {
		claims[memberClaimNames], claims[memberClaimSources] = names, sources
	}
	return nil
}

// claimBase is the name of a claim without its language (OpenID Connect Core §5.2).
func claimBase(name string) string {
	base, _, _ := strings.Cut(name, "#")
	return base
}

// The bounds of claims_locales: more is nobody's wish.
const (
	maxLocales = 10
	maxLocale  = 35 // characters, as RFC 5646 §4.4.1 has them
)

// parseClaimsLocales reads the languages that a request would like claims in. What cannot be honoured is no error (OpenID Connect
// Core §3.1.2.1).
func parseClaimsLocales(text string) []string {
	tags := slices.DeleteFunc(strings.Fields(text), func(tag string) bool { return len(tag) > maxLocale })
	return tags[:min(len(tags), maxLocales)]
}

// addTranslations releases what all has of the claim in one of the languages: that very one, or a narrower one (RFC 4647 §3.3.1).
func addTranslations(released, all map[string]any, name string, locales []string) {
	for key, value := range all {
		base, tag, translated := strings.Cut(key, "#")
		if !translated || base != name {
			continue
		}
		if slices.ContainsFunc(locales, func(asked string) bool {
			return strings.EqualFold(tag, asked) || len(tag) > len(asked) && tag[len(asked)] == '-' && strings.EqualFold(tag[:len(asked)], asked)
		}) {
			released[key] = value
		}
	}
}
