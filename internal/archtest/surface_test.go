package archtest_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// packageDocs: every package says what it is for.
func packageDocs(t *tree) (found []violation) {
	for _, p := range t.packages {
		var docs []string
		production := 0
		for f := range p.production {
			production++
			if f.syntax.Doc != nil {
				docs = append(docs, f.name)
			}
		}
		switch {
		case production == 0:
		case len(docs) == 0:
			found = append(found, violation{p.path, "no package comment; write doc.go"})
		case len(docs) > 1:
			found = append(found, violation{p.path, "package comments in " + strings.Join(docs, " and ") + "; one is enough"})
		}
	}
	return found
}

// standardMethods promise what the interface of the standard library promises, and nothing else.
const standardMethods = " Error Is Unwrap String "

// exportedDocs: every exported name says what it promises, and every field of a Config what its zero value means.
func exportedDocs(t *tree) (found []violation) {
	for _, p := range t.packages {
		if p.command() {
			continue
		}
		for f := range p.production {
			for _, d := range f.exported() {
				_, method, _ := strings.Cut(d.name, ".")
				if !d.documented && !strings.Contains(standardMethods, " "+method+" ") {
					found = append(found, f.at(d.pos, "%s has no comment", d.name))
				}
				if config, ok := d.typ.(*ast.StructType); ok && strings.HasSuffix(d.name, "Config") {
					found = append(found, f.bareFields(d.name, config)...)
				}
			}
		}
	}
	return found
}

// bareFields complains about exported fields without a comment of their own or of the line above them.
func (f *file) bareFields(name string, config *ast.StructType) (found []violation) {
	documented, last := false, 0
	for _, field := range config.Fields.List {
		line := f.set.Position(field.Pos()).Line
		documented = field.Doc != nil || field.Comment != nil || documented && line == last+1
		last = f.set.Position(field.End()).Line
		for _, n := range field.Names {
			if n.IsExported() && !documented {
				found = append(found, f.at(n.Pos(), "%s.%s has no comment", name, n.Name))
			}
		}
	}
	return found
}

// A declared is an exported name of a package: a function, a method of an exported type, a type, a variable or a constant.
type declared struct {
	name       string
	pos        token.Pos
	documented bool
	typ        ast.Expr // type of what is declared; nil if only value tells
	value      ast.Expr // of a variable or constant
}

// exported returns the exported names that the file declares at package level.
func (f *file) exported() (names []declared) {
	for _, decl := range f.syntax.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if name, ok := exportedFunc(d); ok {
				names = append(names, declared{name: name, pos: d.Pos(), documented: d.Doc != nil, typ: d.Type})
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				names = append(names, exportedSpec(d, spec)...)
			}
		}
	}
	return names
}

func exportedFunc(fn *ast.FuncDecl) (name string, ok bool) {
	if !fn.Name.IsExported() {
		return "", false
	}
	if fn.Recv == nil {
		return fn.Name.Name, true
	}
	receiver := rootName(fn.Recv.List[0].Type)
	if list, generic := fn.Recv.List[0].Type.(*ast.IndexListExpr); generic {
		receiver = rootName(list.X)
	}
	return receiver + "." + fn.Name.Name, ast.IsExported(receiver)
}

func exportedSpec(group *ast.GenDecl, spec ast.Spec) (names []declared) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			documented := s.Doc != nil || s.Comment != nil || group.Doc != nil
			names = append(names, declared{name: s.Name.Name, pos: s.Pos(), documented: documented, typ: s.Type})
		}
	case *ast.ValueSpec:
		for i, name := range s.Names {
			if !name.IsExported() {
				continue
			}
			d := declared{name: name.Name, pos: name.Pos(), typ: s.Type}
			d.documented = s.Doc != nil || s.Comment != nil || group.Doc != nil
			if i < len(s.Values) {
				d.value = s.Values[i]
			}
			names = append(names, d)
		}
	}
	return names
}

// lent are the modules whose types may appear in exported signatures.
var lent = map[string]string{
	"golang.org/x/oauth2": "the Token and Config that every Go program with an upstream login already holds",
}

// exportedTypes: no type of another module appears in an exported signature, so that replacing a library breaks nobody.
func exportedTypes(t *tree) (found []violation) {
	for _, p := range t.packages {
		if p.command() || matches("internal/...", p.path) {
			continue
		}
		for f := range p.production {
			for _, d := range f.exported() {
				for _, expr := range []ast.Expr{d.typ, d.value} {
					found = append(found, f.foreignTypes(d, expr)...)
				}
			}
		}
	}
	return found
}

// foreignTypes walks what importers see of an expression: not the bodies of functions, not unexported fields and methods.
func (f *file) foreignTypes(d declared, expr ast.Expr) (found []violation) {
	if expr == nil {
		return nil
	}
	ast.Inspect(expr, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.Field:
			return len(n.Names) == 0 || slices.ContainsFunc(n.Names, func(name *ast.Ident) bool {
				return name.IsExported() || !isMember(expr, n)
			})
		case *ast.FuncLit:
			found = append(found, f.foreignTypes(d, n.Type)...)
			return false
		case *ast.SelectorExpr:
			importPath, name := f.qualified(n)
			if _, ok := lent[importPath]; foreign(importPath) && !ok {
				found = append(found, f.at(n.Pos(), "%s shows %s.%s of another module", d.name, importPath, name))
			}
		}
		return true
	})
	return found
}

// isMember reports whether a field belongs to a struct or interface inside the type, and is not a parameter or a result.
func isMember(typ ast.Expr, field *ast.Field) (member bool) {
	ast.Inspect(typ, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.StructType:
			member = member || slices.Contains(n.Fields.List, field)
		case *ast.InterfaceType:
			member = member || slices.Contains(n.Methods.List, field)
		}
		return !member
	})
	return member
}

// kinds are names that say what sort of thing is inside instead of what it is about.
const kinds = " util utils common helper helpers models type types manager managers misc shared base lib constant constants "

// names: packages and files are named for what they are about, and exported names read well behind their package.
func names(t *tree) (found []violation) {
	for _, p := range t.packages {
		for element := range strings.SplitSeq(p.path, "/") {
			if strings.Contains(kinds, " "+element+" ") {
				found = append(found, violation{p.path, "a package is cut by audience or dependency, never by kind"})
			}
		}
		for _, f := range p.files {
			stem := strings.TrimSuffix(strings.TrimSuffix(f.name, ".go"), "_test")
			if strings.Contains(kinds, " "+stem+" ") {
				found = append(found, violation{f.path, "a file is named with the word of its concept"})
			}
		}
		for f := range p.production {
			for _, d := range f.exported() {
				if complaint := badName(f.syntax.Name.Name, d); complaint != "" {
					found = append(found, f.at(d.pos, "%s %s", d.name, complaint))
				}
			}
		}
	}
	return found
}

// badName returns what is wrong with an exported name; "" means nothing.
func badName(pkgName string, d declared) string {
	_, isFunc := d.typ.(*ast.FuncType)
	receiver, name, method := strings.Cut(d.name, ".")
	if !method {
		receiver, name = "", d.name
	}
	switch {
	case isFunc && prefixed(name, "Get"):
		return "needs no Get"
	case receiver == "" && prefixed(strings.ToLower(name[:min(len(name), len(pkgName))])+name[min(len(name), len(pkgName)):], pkgName):
		return "stutters: its package already says " + pkgName
	}
	for _, suffix := range []string{"Manager", "Helper", "Util", "Utils"} {
		if strings.HasSuffix(name, suffix) {
			return "says " + suffix + " instead of what it does"
		}
	}
	return ""
}

// prefixed reports whether a name is prefix followed by another word.
func prefixed(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	return ok && rest != "" && strings.ToUpper(rest[:1]) == rest[:1] && strings.ToLower(rest[:1]) != rest[:1]
}

// whiteBoxTests: tests see what importers see; export_test.go opens what they need of the inside.
func whiteBoxTests(t *tree) (found []violation) {
	for _, p := range t.packages {
		for _, f := range p.files {
			if f.test && f.name != "export_test.go" && !strings.HasSuffix(f.syntax.Name.Name, "_test") && !p.command() {
				found = append(found, violation{f.path, "a test inside its package; use package " + f.syntax.Name.Name + "_test and export_test.go"})
			}
		}
	}
	return found
}

// oneModule: go build ./... sees every Go file that is not test data.
func oneModule(t *tree) (found []violation) {
	for _, name := range t.stray {
		found = append(found, violation{name, "go build ./... does not see it"})
	}
	return found
}
