package oidc

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// What a pattern of redirect URIs may cost: how long it and what it is compared with may be, how many a client may have, how many
// instructions it may come to, and how many hosts it may name.
const (
	maxPattern             = 512
	maxPatterns            = 4
	maxPatternInstructions = 2048
	maxPatternHosts        = 32
	maxPatternURI          = 2048
)

// patternPrefix is how WSO2 Identity Server marks a pattern among redirect URIs.
const patternPrefix = "regexp="

// checkRedirectPatterns judges a client's patterns.
func checkRedirectPatterns(c *Client, bad report) {
	const field = "insecure_redirect_patterns"
	if len(c.InsecureRedirectPatterns) > maxPatterns {
		bad(field, "has more than %d", maxPatterns)
		return
	}
	for _, text := range c.InsecureRedirectPatterns {
		if _, err := compileRedirectPattern(text); err != nil {
			bad(field, "%q %v", text, err)
		}
	}
	switch {
	case len(c.InsecureRedirectPatterns) == 0:
	case c.allows(Implicit):
		bad(field, "is not for clients that are handed tokens at the redirect URI")
	case c.SubjectType == subjectPairwise:
		bad(field, "names no sector (OpenID Connect Core §8.1)")
	}
}

// compileRedirectPattern compiles a pattern, in the syntax of RE2, for the whole of a URI. Its hosts must be written out: whatever it matches
// begins with https://, one of at most 32 hosts, and a slash.
func compileRedirectPattern(text string) (*regexp.Regexp, error) {
	text = strings.TrimPrefix(text, patternPrefix)
	if text == "" || len(text) > maxPattern {
		return nil, fmt.Errorf("must have 1 to %d bytes", maxPattern)
	}
	tree, err := syntax.Parse(text, syntax.Perl) // by itself: brackets of its own cannot close those put around it
	if err != nil {
		return nil, errors.New("is not a regular expression (RE2)")
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil || len(program.Inst) > maxPatternInstructions {
		return nil, errors.New("is too large")
	}
	begins, ok := beginnings(tree)
	if !ok {
		return nil, fmt.Errorf("has more than %d ways to begin", maxPatternHosts)
	}
	for _, begin := range begins {
		rest, https := strings.CutPrefix(begin.text, "https://")
		host, _, whole := strings.Cut(rest, "/")
		if !https || !whole || checkRedirectURI("https://"+host+"/") != nil || !isPlainHost(host) {
			return nil, errors.New("must write out https, the host and the slash after it")
		}
	}
	return regexp.Compile(`\A(?:` + text + `)\z`)
}

// isPlainHost accepts names that every reader of URIs takes for the same.
func isPlainHost(host string) bool {
	return host != "" && strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-") == "" && !strings.HasSuffix(host, ".") && !strings.HasPrefix(host, ".")
}

// beginning is a text with which a match begins; ended says that nothing in what was looked at comes after it.
type beginning struct {
	text  string
	ended bool
}

// beginnings lists the texts with which all that matches begins, as far as they are certain; false is too many of them.
func beginnings(tree *syntax.Regexp) ([]beginning, bool) {
	switch tree.Op {
	case syntax.OpLiteral:
		if tree.Flags&syntax.FoldCase == 0 {
			return []beginning{{string(tree.Rune), true}}, true
		}
	case syntax.OpEmptyMatch:
		return []beginning{{"", true}}, true
	case syntax.OpCapture:
		return beginnings(tree.Sub[0])
	case syntax.OpQuest:
		some, ok := beginnings(tree.Sub[0])
		return append(some, beginning{"", true}), ok
	case syntax.OpCharClass:
		return beginningsOfClass(tree.Rune), true
	case syntax.OpAlternate:
		var all []beginning
		for _, sub := range tree.Sub {
			some, ok := beginnings(sub)
			if all = append(all, some...); !ok || len(all) > maxPatternHosts {
				return nil, false
			}
		}
		return all, true
	case syntax.OpConcat:
		return beginningsInTurn(tree.Sub)
	default: // repetitions, any character: nothing is certain
	}
	return []beginning{{}}, true
}

// beginningsOfClass are the characters of a class, when they are few. Runes are the ends of its ranges.
func beginningsOfClass(runes []rune) []beginning {
	var all []beginning
	for i := 0; i+1 < len(runes); i += 2 {
		for r := runes[i]; r <= runes[i+1]; r++ {
			if len(all) == maxPatternHosts {
				return []beginning{{}}
			}
			all = append(all, beginning{string(r), true})
		}
	}
	return all
}

func beginningsInTurn(parts []*syntax.Regexp) ([]beginning, bool) {
	all := []beginning{{"", true}}
	for _, part := range parts {
		if !slices.ContainsFunc(all, func(b beginning) bool { return b.ended }) {
			break
		}
		some, ok := beginnings(part)
		var longer []beginning
		for _, before := range all {
			if !before.ended || hasHost(before.text) { // what comes later is of no interest
				longer = append(longer, beginning{before.text, false})
				continue
			}
			for _, after := range some {
				longer = append(longer, beginning{before.text + after.text, after.ended})
			}
		}
		if all = longer; !ok || len(all) > maxPatternHosts {
			return nil, false
		}
	}
	return all, true
}

// hasHost reports whether a text goes beyond the host of a URI.
func hasHost(text string) bool {
	_, rest, ok := strings.Cut(text, "://")
	return ok && strings.Contains(rest, "/")
}

// mayReturnTo reports whether the client may be answered at the presented URI.
func (p *Provider) mayReturnTo(c *Client, presented string) bool {
	if c.mayReturnTo(presented) {
		return true
	}
	f := p.config.Features.Legacy
	if f == nil || !f.RedirectPatterns || len(c.InsecureRedirectPatterns) == 0 || !isPatternURI(presented) {
		return false
	}
	return slices.ContainsFunc(c.InsecureRedirectPatterns, func(text string) bool {
		pattern, err := compileRedirectPattern(text)
		return err == nil && pattern.MatchString(presented)
	})
}

// isPatternURI accepts URIs that may be matched with a pattern: whose path is what it looks like, with nothing behind escapes that some
// server undoes to a slash, a dot, a line, or another escape.
func isPatternURI(uri string) bool {
	if len(uri) > maxPatternURI || !strings.HasPrefix(uri, "https://") || checkRedirectURI(uri) != nil {
		return false
	}
	rest := strings.TrimPrefix(uri, "https://")
	host, path, ok := strings.Cut(rest, "/")
	if !ok || !isPlainHost(host) {
		return false
	}
	path, _, _ = strings.Cut(path, "?")
	if strings.Contains(path, "//") || strings.HasPrefix(path, "/") || strings.Contains(path, ";") {
		return false
	}
	lower := strings.ToLower(rest)
	for _, escape := range []string{"%0", "%1", "%7f", "%25", "%2e", "%2f", "%5c"} {
		if strings.Contains(lower, escape) {
			return false
		}
	}
	return true
}
