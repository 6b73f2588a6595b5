package web

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Paths says where endpoints are instead of where they are by default: the default path, below the issuer, and the other one. What is
// below a path moves with it.
type Paths map[string]string

// WithPaths returns a site whose endpoints are moved. It reports every path that is not plain, two that are the same, and
// well-known names, which are where their specifications say.
func (s *Site) WithPaths(moved Paths) (*Site, error) {
	var problems []error
	taken := map[string]string{}
	for from, to := range moved {
		for _, p := range []string{from, to} {
			if !plainPath(p) {
				problems = append(problems, fmt.Errorf("%q must be a plain path that begins with a slash", p))
			}
			if strings.HasPrefix(p, "/.well-known/") {
				problems = append(problems, fmt.Errorf("%q is where it is for everybody (RFC 8615)", p))
			}
		}
		if other, ok := taken[to]; ok {
			problems = append(problems, fmt.Errorf("%q and %q are both moved to %q", min(from, other), max(from, other), to))
		}
		taken[to] = from
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	other := *s
	other.moved = moved
	return &other, nil
}

// plainPath reports whether a path is spelled in its one way, without anything that a pattern or a URL would read as something else.
func plainPath(p string) bool {
	return len(p) > 1 && p[0] == '/' && path.Clean(p) == p && !strings.ContainsAny(p, "{}%?# \\\"")
}

// place is where an endpoint is: below the nearest of its parents that is moved.
func (s *Site) place(p string) string {
	for parent := p; len(parent) > 1; parent = parent[:strings.LastIndexByte(parent, '/')] {
		if to, ok := s.moved[parent]; ok {
			return to + p[len(parent):]
		}
	}
	return p
}

// CheckRoutes reports paths that were moved although none of the routes is there or below, and routes that would be in one place.
func (s *Site) CheckRoutes(routes []Route) error {
	var problems []error
	for from := range s.moved {
		here := func(r Route) bool { return r.Path == from || strings.HasPrefix(r.Path, from+"/") }
		if !slices.ContainsFunc(routes, here) {
			problems = append(problems, fmt.Errorf("nothing is at %q", from))
		}
	}
	taken := map[string]string{}
	for _, r := range routes {
		for _, method := range r.Methods {
			at := method + " " + s.pattern(r)
			if other, ok := taken[at]; ok {
				problems = append(problems, fmt.Errorf("%q and %q are both at %q", other, r.Path, at))
			}
			taken[at] = r.Path
		}
	}
	return errors.Join(problems...)
}
