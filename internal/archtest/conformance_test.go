package archtest_test

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// conformanceFile says which test proves which clause of which specification, in tables of three columns: the clause, what it demands, and
// the tests as package.TestName, or package.TestTranscripts/story, with commas between them, or why there is none.
const conformanceFile = "docs/conformance.md"

// notHere stands before the reason for which a clause has no test.
const notHere = "not implemented:"

// section stands in every name of a clause: in the first column, and in the comment of a test.
const section = "§"

// story is a transcript, as the catalogue names it.
var story = regexp.MustCompile(`^([a-z][a-z0-9]*)\.TestTranscripts/([a-z0-9_]+)$`)

// conformance: a clause is met when a test says so. A row names tests that exist; a test of a protocol package whose comment claims a
// clause stands in a row.
func conformance(t *tree) (found []violation) {
	if t.conformance == "" {
		return []violation{{conformanceFile, "is missing, or empty"}}
	}
	tests, named := t.tests(), map[string]bool{}
	for i, line := range strings.Split(t.conformance, "\n") {
		cells, ok := tableRow(line)
		if !ok || slices.Equal(cells, []string{"clause", "requirement", "test"}) {
			continue
		}
		for _, complaint := range t.judgeClause(cells, tests, named) {
			found = append(found, violation{fmt.Sprintf("%s:%d", conformanceFile, i+1), complaint})
		}
	}
	for _, claim := range t.claims() {
		if !named[claim] {
			found = append(found, violation{conformanceFile, claim + " claims a clause in its comment, but no row names it"})
		}
	}
	return found
}

// judgeClause returns what is wrong with a row, and adds the tests that it names.
func (t *tree) judgeClause(cells []string, tests map[string][]string, named map[string]bool) (complaints []string) {
	if len(cells) != 3 || !strings.Contains(cells[0], section) || cells[1] == "" {
		return []string{"a row is a clause with its " + section + ", what it demands, and its tests"}
	}
	if reason, ok := strings.CutPrefix(cells[2], notHere); ok {
		if strings.TrimSpace(reason) == "" {
			return []string{cells[0] + ": not implemented without a reason"}
		}
		return nil
	}
	for reference := range strings.SplitSeq(cells[2], ",") {
		reference = strings.TrimSpace(reference)
		if told := story.FindStringSubmatch(reference); told != nil {
			if !slices.Contains(t.stories[told[1]], told[2]) {
				complaints = append(complaints, cells[0]+": there is no transcript "+reference)
			}
			continue
		}
		parts := testReference.FindStringSubmatch(reference)
		switch {
		case parts == nil:
			complaints = append(complaints, fmt.Sprintf("%s: %q is neither a test nor \"%s why\"", cells[0], reference, notHere))
		case !slices.Contains(tests[parts[1]], parts[2]):
			complaints = append(complaints, cells[0]+": there is no test "+reference)
		}
		named[reference] = true
	}
	return complaints
}

// claims lists the tests of the protocol packages whose comments name a clause.
func (t *tree) claims() (claims []string) {
	for _, p := range t.packages {
		if p.path != "oidc" && !strings.HasPrefix(p.path, "oidc/") {
			continue
		}
		for _, f := range p.files {
			for _, decl := range f.syntax.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if ok && f.test && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") && strings.Contains(fn.Doc.Text(), section) {
					claims = append(claims, path.Base(p.path)+"."+fn.Name.Name)
				}
			}
		}
	}
	return claims
}
