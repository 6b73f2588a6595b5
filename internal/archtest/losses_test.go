package archtest_test

import (
	"go/ast"
	"slices"
	"strconv"
	"strings"
)

// lossesFile says, in a table below lossesHeading, what losing each ephemeral kind costs.
const (
	lossesFile    = "docs/operations.md"
	lossesHeading = "## What losing the ephemeral store costs"
)

// ephemeralLosses: whoever may lose a kind knows what that costs. The table has a row for each kind that is declared
// ephemeral, with a cost, and no others.
func ephemeralLosses(t *tree) (found []violation) {
	rows := lossRows(t.losses)
	var declared []string
	for _, p := range t.packages {
		if matches(kits, p.path) {
			continue
		}
		for f := range p.production {
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				name, ok := ephemeralKind(n)
				if !ok {
					return true
				}
				declared = append(declared, name)
				if rows[name] == "" {
					found = append(found, f.at(n.Pos(), "%q is ephemeral: %s must say what its loss costs", name, lossesFile))
				}
				return true
			})
		}
	}
	var gone []string
	for name := range rows {
		if !slices.Contains(declared, name) {
			gone = append(gone, name)
		}
	}
	slices.Sort(gone)
	for _, name := range gone {
		found = append(found, violation{lossesFile, name + " is no ephemeral kind; remove its row"})
	}
	return found
}

// ephemeralKind returns the name of the kind that a literal declares; "" where the name is no literal.
func ephemeralKind(n ast.Node) (name string, ok bool) {
	literal, isLiteral := n.(*ast.CompositeLit)
	if !isLiteral {
		return "", false
	}
	for _, element := range literal.Elts {
		pair, isPair := element.(*ast.KeyValueExpr)
		if !isPair {
			continue
		}
		key, _ := pair.Key.(*ast.Ident)
		switch value := pair.Value.(type) {
		case *ast.BasicLit:
			if key != nil && key.Name == "Name" {
				name, _ = strconv.Unquote(value.Value)
			}
		case *ast.Ident:
			ok = ok || key != nil && key.Name == "Ephemeral" && value.Name == "true"
		}
	}
	return name, ok
}

// lossRows returns the costs by kind.
func lossRows(text string) map[string]string {
	rows := map[string]string{}
	_, section, _ := strings.Cut(text, lossesHeading)
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells, ok := tableRow(line)
		if !ok || len(cells) != 2 || !strings.HasPrefix(cells[0], "`") {
			continue
		}
		rows[strings.Trim(cells[0], "`")] = cells[1]
	}
	return rows
}
