package signet

import (
	"errors"
	"fmt"
	"strings"

	"github.com/signet-idp/signet/flow/pages"
)

// paths are those of Config.Paths that package oidc has, or the others, which are those of the flow's pages.
func (c *Config) paths(ofProtocol bool) map[string]string {
	some := map[string]string{}
	for from, to := range c.Paths {
		top, _, _ := strings.Cut(strings.TrimPrefix(from, "/"), "/")
		if (top == "oauth2" || top == "oidc") == ofProtocol {
			some[from] = to
		}
	}
	return some
}

// checkPaths reports what was moved to where something else is: a mux would panic.
func (p *Provider) checkPaths() error {
	var problems []error
	taken := map[string]bool{"GET " + p.prefix() + pages.Assets: true}
	claim := func(pattern string) {
		if taken[pattern] {
			problems = append(problems, fmt.Errorf("signet: Config.Paths: %q is taken twice", pattern))
		}
		taken[pattern] = true
	}
	for _, pattern := range p.OIDC.Patterns() {
		claim(pattern)
	}
	for _, r := range p.flow.Routes() {
		claim("GET " + r.Path)
		claim("POST " + r.Path)
	}
	return errors.Join(problems...)
}
