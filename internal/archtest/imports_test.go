package archtest_test

import (
	"path"
	"slices"
	"strings"
)

// An edge allows the packages that fit from to import those that fit to. Imports point down only: what no edge allows is
// forbidden. The edges of a package add up.
type edge struct {
	from, to, reason string
}

// edges is the import graph of everything but tests.
var edges = []edge{
	{"examples/...", ". oidc/... saml/... scim/... mfa flow/... store/...", "an example is what an importer can write: public packages only"},
	{"idptest", ". oidc/... saml/... scim/... mfa flow/... store store/directory store/memory internal/...", "an identity provider for tests is the facade over memory"},
	{"idptest", "store/storetest", "a test takes the store of its identity provider down"},
	{"internal/bench", "...", "it measures everything"},
	{"internal/testenv internal/archtest", "", "test tools know no package of ours"},

	{".", "oidc oidc/* saml saml/* scim scim/* mfa flow flow/* store store/directory internal/...", "the facade wires; the host chooses where data lives, so no driver"},

	{"oidc", "store store/directory internal/*", "a protocol keeps its records in the store and finds people in the directory"},
	{"oidc/rp", "internal/*", "who only logs in upstream or verifies tokens links no provider and no store"},
	{"oidc/resource", "oidc/rp internal/*", "an API verifies tokens as a relying party does"},

	{"saml saml/wsfed", "store store/directory internal/*", "a protocol keeps its records in the store and finds people in the directory"},
	{"saml/wsfed", "saml", "WS-Federation carries the assertions of SAML"},
	{"saml/sp", "internal/*", "who only logs in upstream links no provider and no store"},

	{"scim scim/provision", "store store/directory internal/*", "a protocol keeps its records in the store and finds people in the directory"},
	{"scim/provision", "scim", "provisioning sends the resources that the server defines"},

	{"mfa", "internal/secret internal/strictjson internal/jose", "factors are pure ceremonies: no storage, no HTTP, no sibling; devices answer with signed tokens"},

	{"flow", "mfa store store/directory internal/*", "the engine runs factors over records"},
	{"flow", "flow/notify", "an Executor hands over a message; how it is sent is no concern of the engine"},
	{"flow/*", "flow mfa store store/directory internal/*", "transports, scripts and messages are parts of the engine cut off by dependency"},
	{"flow/notify/*", "flow/notify internal/*", "a way to send that costs a library is a package of its own"},
	{"flow/account", "flow/pages flow/notify flow/federated", "the pages of an account have the look of all others, and show links upstream"},
	{"flow/me", "flow/federated", "people see, and remove, their accounts upstream"},
	{"flow/recovery", "flow/notify", "people choose the way by which a code is sent to them"},
	{"flow/service", "flow/notify", "whoever calls a service of the host's authenticates in the same ways"},
	{"flow/federated", "flow/service", "a service with people of its own is one more place where somebody may come from"},
	{"flow/federated", "oidc/rp saml/sp", "an upstream login is a step of a flow; only this package knows both"},

	{"store", "internal/secret internal/strictjson", "the ground floor"},
	{"store/directory", "store internal/secret internal/strictjson internal/password", "the vocabulary stands on the contract; users have passwords"},
	{"store/memory store/sqlstore store/redis", "store", "a driver knows records, not what they mean"},
	{"store/sqlstore/*", "store store/sqlstore", "a dialect knows records, not what they mean"},
	{"store/ldap", "store store/directory", "a directory server is a place where people live, not a driver"},
	{"store/storetest", "store", "the kit proves a driver by the contract alone"},
	{"store/storetest", "store/memory", "a second place for what is ephemeral, so that every test runs in both placements"},
	{"store/directory/directorytest", "store store/directory store/memory", "the kit proves a Users by the contract alone"},

	{"internal/*", "internal/jose internal/secret internal/strictjson internal/fetch internal/xmldoc", "mechanism stands on mechanism, never on vocabulary"},
	{"internal/aba", "internal/web", "an error answer is an answer"},
	{"internal/keyring", "store", "signing keys are a sealed kind"},
	{"internal/admin internal/webhook internal/action", "store store/directory internal/*", "parts of the facade, cut off for their size"},
	{"internal/bench", ". oidc oidc/* flow flow/* store/...", "a whole provider is measured beside its floors"},
}

// testEdges is what tests may import besides what their package may and besides the packages of the same top-level folder.
var testEdges = []edge{
	{"...", "idptest store store/directory store/memory store/storetest store/directory/directorytest store/sqlstore/...", "tests run over a real provider and real drivers"},
	{"...", "internal/...", "tests may use any mechanism, and need internal/testenv"},
	{"store/sqlstore/*", ".", "a provider whose database is locked, full or gone"},
	{"store/redis", ". oidc", "a provider whose Redis forgets, restarts or is gone"},
	{"store/ldap", ". oidc flow", "people of a directory sign in at a whole provider"},
	{"internal/nodes", "store/redis", "nodes share what is ephemeral too"},
	{"internal/e2e", "flow/federated oidc/rp", "people come and go by a provider upstream, all the way in a browser"},
	{"internal/nodes internal/e2e internal/bench", ". oidc flow flow/account flow/pages mfa", "whole providers, in several processes, in a browser, under load"},
}

// never are the edges that nothing may add; they exist for their reasons and win over the tables above. Tests are not meant,
// except where the row says so.
var never = []edge{
	{"oidc/...", ". saml/... scim/... flow/...", "protocols know neither one another nor what stands above them"},
	{"saml/...", ". oidc/... scim/... flow/...", "protocols know neither one another nor what stands above them"},
	{"scim/...", ". oidc/... saml/... flow/...", "protocols know neither one another nor what stands above them"},
	{"flow", "oidc/... saml/... scim/... .", "the protocols call flow through a hook of theirs; flow knows none of them"},
	{"store/...", ". oidc/... saml/... scim/... mfa flow/...", "nothing in store changes when a package remembers something new"},
	{". oidc/... saml/... scim/... mfa flow/... store store/directory store/memory store/sqlstore/... store/redis store/ldap", "idptest internal/archtest internal/bench examples/... " + kits, "production never links what is for tests"},
	{"...", "examples/...", "an example is copied, not imported"},
}

// kits are packages that only tests link, in the manner of testing/slogtest. Their source may do what a test may.
const kits = "store/storetest store/directory/directorytest internal/testenv"

// exclusive packages of internal have few importers on purpose.
var exclusive = []edge{
	{"store/directory idptest", "internal/password", "one place hashes passwords, behind one gate for the memory that costs"},
	{"flow flow/account scim", "internal/password", "who answers for the directory tells a full gate (503, Retry-After) from a failure"},
	{".", "internal/password", "the facade makes the hasher of the cost that the host chose"},
	{"oidc/... saml/... idptest . internal/bench", "internal/keyring", "protocols take keys through small interfaces; the key ring is their default"},
	{"saml/... internal/xmlsig", "internal/xmldoc", "only SAML reads XML"},
	{"saml/...", "internal/xmlsig", "only SAML reads XML"},
	{". internal/bench", "internal/admin internal/webhook internal/action", "parts of the facade"},
}

// importGraph holds edges, never and exclusive.
func importGraph(t *tree) (found []violation) {
	for _, p := range t.packages {
		if !slices.ContainsFunc(edges, func(e edge) bool { return matches(e.from, p.path) }) {
			found = append(found, violation{p.path, "no row of the import graph names this package; a new folder needs a decision record and a row"})
			continue
		}
		for f := range p.production {
			for _, imp := range f.imports {
				if to, ok := own(imp.path); ok {
					if complaint := forbidden(p.path, to); complaint != "" {
						found = append(found, f.at(imp.pos, "%s", complaint))
					}
				}
			}
		}
	}
	return found
}

// forbidden returns why one package may not import another; "" means that it may.
func forbidden(from, to string) string {
	for _, e := range never {
		if matches(e.from, from) && matches(e.to, to) {
			return shown(from) + " never imports " + shown(to) + ": " + e.reason
		}
	}
	for _, e := range exclusive {
		if matches(e.to, to) && !allows(exclusive, from, to) {
			return "only " + e.from + " may import " + to + ": " + e.reason
		}
	}
	if !allows(edges, from, to) {
		return "no row of the import graph lets " + shown(from) + " import " + shown(to)
	}
	return ""
}

// shown is a folder as messages name it.
func shown(dir string) string {
	if dir == "." {
		return "signet"
	}
	return dir
}

func allows(table []edge, from, to string) bool {
	return slices.ContainsFunc(table, func(e edge) bool { return matches(e.from, from) && matches(e.to, to) })
}

// testImports holds testEdges: tests reach further than their package, but not everywhere.
func testImports(t *tree) (found []violation) {
	for _, p := range t.packages {
		for _, f := range p.files {
			for _, imp := range f.imports {
				to, ok := own(imp.path)
				if !f.test || !ok || sameFolder(p.path, to) || allows(edges, p.path, to) || allows(testEdges, p.path, to) {
					continue
				}
				found = append(found, f.at(imp.pos, "no row lets the tests of %s import %s", shown(p.path), shown(to)))
			}
		}
	}
	return found
}

// sameFolder reports whether two packages share their top-level folder.
func sameFolder(a, b string) bool {
	top := func(dir string) string { first, _, _ := strings.Cut(dir, "/"); return first }
	return top(a) == top(b)
}

// A library is a foreign import path (with all below it) and the packages that may import it.
type library struct {
	path, in, tests, reason string
}

// libraries lists every foreign package that may be imported; a further one needs a decision record.
var libraries = []library{
	{"github.com/go-jose/go-jose/v4", "internal/jose", "...", "JOSE is hidden behind internal/jose, so that replacing it breaks nobody; tests read tokens independently"},
	{"github.com/google/jsonschema-go", "oidc", "...", "types of authorization details have a JSON Schema (docs/decisions/013)"},
	{"github.com/go-webauthn/webauthn", "mfa", "mfa idptest", "passkeys are a factor"},
	{"github.com/fxamacker/cbor/v2", "internal/authenticator", "...", "an authenticator for tests speaks CBOR, as go-webauthn reads it (docs/decisions/014)"},
	{"github.com/pquerna/otp", "mfa", "...", "TOTP is a factor; tests play the person's authenticator"},
	{"github.com/boombuler/barcode", "mfa", "mfa", "the QR code of an enrolment (docs/decisions/002)"},
	{"github.com/crewjam/saml", "saml saml/sp", "saml/... idptest", "schema types at the edge, and a peer in tests"},
	{"github.com/russellhaering/goxmldsig", "internal/xmlsig", "internal/xmlsig saml/...", "canonical XML, cross-checked"},
	{"github.com/beevik/etree", "internal/xmldoc internal/xmlsig", "internal/... saml/...", "the XML tree that goxmldsig wants"},
	{"golang.org/x/oauth2", "oidc/rp flow/federated flow/notify flow/notify/smtp idptest examples/...", "...", "upstream login, and tokens for those who carry messages; the client that most importers know, so a peer in tests and what idptest signs in with"},
	{"github.com/coreos/go-oidc/v3", "oidc/rp flow/federated idptest examples/...", "...", "upstream login; the client that most importers know, so a peer in tests and what idptest signs in with"},
	{"golang.org/x/sys", "internal/bench", "", "nodes that are compared have the same CPUs"},
	{"golang.org/x/crypto", "internal/password examples/own-users", "internal/password", "one place hashes passwords"},
	{"golang.org/x/text/unicode/norm", "internal/password store/directory store/ldap", "...", "passwords and names are compared in NFC (docs/decisions/002)"},
	{"github.com/dop251/goja", "flow/script", "flow/script", "policies in JavaScript cost only who uses them"},
	{"github.com/go-ldap/ldap/v3", "store/ldap", "store/ldap", "LDAP costs only who uses it"},
	{"modernc.org/sqlite", "store/sqlstore/sqlite examples/... internal/bench", "...", "a driver costs only who uses it"},
	{"github.com/jackc/pgx/v5", "store/sqlstore/postgres examples/... internal/bench", "store/... . internal/nodes", "a driver costs only who uses it"},
	{"github.com/go-sql-driver/mysql", "store/sqlstore/mysql examples/... internal/bench", "store/... .", "a driver costs only who uses it"},
	{"github.com/redis/go-redis/v9", "store/redis examples/... internal/bench", "store/... .", "a driver costs only who uses it"},
	{"github.com/wneessen/go-mail", "flow/notify/smtp", "flow/notify/smtp", "mail costs only who sends it"},
	{"github.com/modelcontextprotocol/go-sdk", "examples/mcp", "examples/mcp", "an MCP server to protect (docs/decisions/013)"},
	{"github.com/chromedp/chromedp", "internal/testenv", "...", "a browser is for tests"},
	{"github.com/chromedp/cdproto", "internal/testenv", "...", "a browser is for tests"},
	{"golang.org/x/tools/txtar", "", "...", "transcripts as golden files (docs/decisions/002)"},
}

// thirdParty holds libraries.
func thirdParty(t *tree) (found []violation) {
	for _, p := range t.packages {
		for _, f := range p.files {
			for _, imp := range f.imports {
				if !foreign(imp.path) {
					continue
				}
				if complaint := misplaced(p, f, imp.path); complaint != "" {
					found = append(found, f.at(imp.pos, "%s", complaint))
				}
			}
		}
	}
	return found
}

func misplaced(p *pkg, f *file, importPath string) string {
	for _, lib := range libraries {
		if importPath != lib.path && !strings.HasPrefix(importPath, lib.path+"/") {
			continue
		}
		where, who := lib.in, "production code"
		if f.test {
			where, who = lib.in+" "+lib.tests, "tests"
		}
		if !matches(where, p.path) {
			return "no " + who + " of " + p.path + " may import " + importPath + ": " + lib.reason
		}
		return ""
	}
	return importPath + " is no library of ours; a further one needs a decision record and a row"
}

// A linkedModule is what importing the root package costs.
type linkedModule struct {
	path string
	by   string // the package of ours that brings it
}

// linkedModules lists every module that a program links by importing the root package. A module that disappears leaves this list
// too; until the package that brings it is there, it may be listed ahead.
var linkedModules = []linkedModule{
	{"github.com/boombuler/barcode", "mfa"},
	{"github.com/fxamacker/cbor/v2", "mfa"},
	{"github.com/go-jose/go-jose/v4", "internal/jose"},
	{"github.com/go-viper/mapstructure/v2", "mfa"},
	{"github.com/go-webauthn/webauthn", "mfa"},
	{"github.com/go-webauthn/x", "mfa"},
	{"github.com/golang-jwt/jwt/v5", "mfa"},
	{"github.com/google/go-tpm", "mfa"},
	{"github.com/google/uuid", "mfa"},
	{"github.com/philhofer/fwd", "mfa"},
	{"github.com/tinylib/msgp", "mfa"},
	{"github.com/x448/float16", "mfa"},
	{"github.com/google/jsonschema-go", "oidc"},
	{"github.com/pquerna/otp", "mfa"},
	{"golang.org/x/crypto", "internal/password"},
	{"golang.org/x/oauth2", "flow/federated"},
	{"golang.org/x/sys", "internal/password"},
	{"golang.org/x/text", "internal/password"},
}

// linked holds linkedModules against what the go command says.
func linked(t *tree) (found []violation) {
	if len(t.linked) == 0 {
		return nil // no root package yet
	}
	links := func(path string) bool {
		return slices.ContainsFunc(t.linked, func(l string) bool { return l == path || strings.HasPrefix(l, path+"/") })
	}
	for _, m := range linkedModules {
		if !links(m.path) && slices.Contains(t.linked, path.Join(module, m.by)) {
			found = append(found, violation{"signet", "no longer links " + m.path + "; remove its row"})
		}
	}
	for _, importPath := range t.linked {
		listed := slices.ContainsFunc(linkedModules, func(m linkedModule) bool {
			return importPath == m.path || strings.HasPrefix(importPath, m.path+"/")
		})
		if foreign(importPath) && !listed {
			found = append(found, violation{"signet", "links " + importPath + ", which no row names"})
		}
	}
	return found
}

// A ban keeps a package of the standard library out of packages of ours.
type ban struct {
	from, except string // where it holds, and where not
	never        string // import paths; "testing/..." is testing and all below
	reason       string
}

// bans hold for production code.
var bans = []ban{
	{"...", "internal/bench " + kits, "math/rand math/rand/v2", "randomness is crypto/rand"},
	{"...", "examples/... internal/bench", "log log/syslog", "logging is an injected *slog.Logger"},
	{"...", "idptest " + kits, "testing/... net/http/httptest", "production never links what is for tests"},
	{"...", "internal/bench", "net/http/pprof expvar", "they register handlers on the mux of the host when imported"},
	{"...", "", "unsafe plugin C", "a library that guards passwords stays inside the language"},
	{"oidc/... saml/... scim/... flow/pages", "", "text/template", "HTML is written with contextual escaping"},
	{"mfa", "", "net/http database/sql", "factors are pure ceremonies"},
	{"store store/directory store/memory", "", "net/http database/sql", "the contract knows no transport and no dialect"},
	{"internal/jose internal/dpop internal/strictjson internal/secret internal/password internal/keyring internal/xmldoc internal/xmlsig", "", "net/http", "mechanism without a transport is tested without a server"},
}

// standardLibrary holds bans.
func standardLibrary(t *tree) (found []violation) {
	for _, p := range t.packages {
		for _, b := range bans {
			if !matches(b.from, p.path) || matches(b.except, p.path) {
				continue
			}
			for f := range p.production {
				for _, imp := range f.imports {
					if matches(b.never, imp.path) {
						found = append(found, f.at(imp.pos, "%s never imports %s: %s", p.path, imp.path, b.reason))
					}
				}
			}
		}
	}
	return found
}

// httpFiles lists the files of each package that may import net/http. The others parse and decide with typed values, so that they are
// tested without a server and no response is written from two places.
var httpFiles = map[string][]string{
	"oidc": {"oidc.go", "*_http.go"},
}

// httpAtTheEdge holds httpFiles.
func httpAtTheEdge(t *tree) (found []violation) {
	for _, p := range t.packages {
		edges, ok := httpFiles[p.path]
		if !ok {
			continue
		}
		for f := range p.production {
			if slices.ContainsFunc(edges, func(pattern string) bool { ok, _ := path.Match(pattern, f.name); return ok }) {
				continue
			}
			for _, imp := range f.imports {
				if imp.path == "net/http" {
					found = append(found, f.at(imp.pos, "only %s may import net/http: the rest decides with typed values", strings.Join(edges, ", ")))
				}
			}
		}
	}
	return found
}
