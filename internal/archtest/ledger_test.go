package archtest_test

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// ledgerFile says which test holds which class of attack, in tables of two columns: the class, and the tests as package.TestName
// with commas between them, or why there is none yet.
const ledgerFile = "docs/security-ledger.md"

// notYet stands before the reason for which a class of attack has no test.
const notYet = "not applicable yet:"

// testReference is how the ledger names a test: by package and function.
var testReference = regexp.MustCompile(`^([a-z][a-z0-9]*)\.((?:Test|Fuzz)\w*)$`)

// securityLedger: a defence is what its test says. A row names tests that exist, or says why there cannot be one yet.
func securityLedger(t *tree) (found []violation) {
	if t.ledger == "" {
		return []violation{{ledgerFile, "is missing, or empty"}}
	}
	tests, rows := t.tests(), 0
	for i, line := range strings.Split(t.ledger, "\n") {
		cells, ok := tableRow(line)
		if !ok {
			continue
		}
		rows++
		for _, complaint := range judgeRow(cells, tests) {
			found = append(found, violation{fmt.Sprintf("%s:%d", ledgerFile, i+1), complaint})
		}
	}
	if rows == 0 {
		found = append(found, violation{ledgerFile, "has no rows"})
	}
	return found
}

// tableRow returns the cells of a row; false for what is none: text, the head of a table and the line below that.
func tableRow(line string) (cells []string, ok bool) {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") || strings.Trim(line, "|-: ") == "" {
		return nil, false
	}
	for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
		cells = append(cells, strings.TrimSpace(cell))
	}
	return cells, !slices.Equal(cells, []string{"attack class", "test"})
}

// judgeRow returns what is wrong with a row.
func judgeRow(cells []string, tests map[string][]string) (complaints []string) {
	if len(cells) != 2 || cells[0] == "" {
		return []string{"a row is a class of attack and its tests"}
	}
	if reason, ok := strings.CutPrefix(cells[1], notYet); ok {
		if strings.TrimSpace(reason) == "" {
			return []string{cells[0] + ": not applicable without a reason"}
		}
		return nil
	}
	for reference := range strings.SplitSeq(cells[1], ",") {
		reference = strings.TrimSpace(reference)
		parts := testReference.FindStringSubmatch(reference)
		switch {
		case parts == nil:
			complaints = append(complaints, fmt.Sprintf("%s: %q is neither package.TestName nor \"%s why\"", cells[0], reference, notYet))
		case !slices.Contains(tests[parts[1]], parts[2]):
			complaints = append(complaints, cells[0]+": there is no test "+reference)
		}
	}
	return complaints
}

// tests lists the tests and fuzz targets of the module by the name of the package that they test.
func (t *tree) tests() map[string][]string {
	found := map[string][]string{}
	for _, p := range t.packages {
		name := path.Base(p.path)
		if p.path == "." {
			name = path.Base(module)
		}
		for _, f := range p.files {
			if !f.test {
				continue
			}
			for _, decl := range f.syntax.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if ok && fn.Recv == nil && (strings.HasPrefix(fn.Name.Name, "Test") || strings.HasPrefix(fn.Name.Name, "Fuzz")) {
					found[name] = append(found[name], fn.Name.Name)
				}
			}
		}
	}
	return found
}
