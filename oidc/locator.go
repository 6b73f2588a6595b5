package oidc

import (
	"strings"

	"github.com/signet-idp/signet/store"
)

// Every value that we hand out says what it is and where its record lies: a prefix that secret scanners can look for, the
// id of the record, and behind a "~" its organization when that is not the root.
const (
	codePrefix    = "sgac_"
	accessPrefix  = "sgat_"
	refreshPrefix = "sgrt_"
	initialPrefix = "sgia_"
	// registrationPrefix stands before a registration access token, whose client is named by where it is used.
	registrationPrefix = "sgra_"
)

func locate(prefix string, ref store.Ref) string { return prefix + grantLocator(ref) }

// grantLocator is the text form of a reference.
func grantLocator(ref store.Ref) string {
	if ref.Org == "" {
		return ref.ID
	}
	return ref.ID + "~" + ref.Org
}

// parseLocator reads what grantLocator writes, and nothing else: a value has one spelling. It returns the zero Ref, which
// names nothing, for everything that cannot be one.
func parseLocator(text string) store.Ref {
	id, org, _ := strings.Cut(text, "~")
	ref := store.Ref{Org: org, ID: id}
	if len(text) > maxPresented || strings.ContainsFunc(text, notPrintable) || grantLocator(ref) != text {
		return store.Ref{}
	}
	return ref
}

func notPrintable(r rune) bool { return r <= ' ' || r > '~' }

// maxPresented is how long a value may be that somebody presents as one of ours.
const maxPresented = 1024

// cutLocated reads "prefix locator . secret".
func cutLocated(prefix, presented string) (ref store.Ref, rest string, ok bool) {
	text, ok := strings.CutPrefix(presented, prefix)
	if !ok || len(presented) > maxPresented {
		return store.Ref{}, "", false
	}
	locator, rest, ok := strings.Cut(text, ".")
	ref = parseLocator(locator)
	return ref, rest, ok && ref.ID != "" && rest != ""
}

// cutPrefix returns what stands behind the prefix; "" when it does not.
func cutPrefix(prefix, presented string) string {
	rest, ok := strings.CutPrefix(presented, prefix)
	if !ok {
		return ""
	}
	return rest
}
