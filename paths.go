package signet

import (
	"errors"
	"fmt"
	"strings"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/account"
	"github.com/signet-idp/signet/flow/pages"
)

// part is whose paths some of Config.Paths are.
type part int

const (
	ofFlow     part = iota // the pages
	ofProtocol             // package oidc
	ofAPI                  // the APIs of the product
	ofAccount              // the pages of accounts
)

// paths are those of Config.Paths that a part has. Devices for pushes register with the flow, among the APIs.
func (c *Config) paths(of part) map[string]string {
	some := map[string]string{}
	for from, to := range c.Paths {
		top, _, _ := strings.Cut(strings.TrimPrefix(from, "/"), "/")
		whose := ofFlow
		switch top {
		case "oauth2", "oidc":
			whose = ofProtocol
		case "api", "identity":
			whose = ofAPI
		case strings.TrimPrefix(account.Home, "/"):
			if c.Account != nil { // else nobody has that path, as the flow will say
				whose = ofAccount
			}
		}
		devices := of == ofFlow && strings.HasPrefix(flow.PushDevicesPath+"/", from+"/")
		if whose == of || devices {
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
	for _, r := range p.routes() {
		claim(r.pattern)
	}
	for _, pattern := range p.api.Patterns(p.apiRoutes()) {
		claim(pattern)
	}
	return errors.Join(problems...)
}
