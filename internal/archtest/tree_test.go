package archtest_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// module is the path of the module that the rules hold.
const module = "github.com/signet-idp/signet"

// A tree is the parsed source of a module.
type tree struct {
	packages []*pkg   // sorted by path
	stray    []string // Go files and go.mod files that go build ./... does not see
	linked   []string // import paths that importing the root package links; empty without a root package
	ledger   string   // the text of ledgerFile; "" when there is none
	losses   string   // the text of lossesFile; "" when there is none

	conformance string              // the text of conformanceFile; "" when there is none
	stories     map[string][]string // the names of the transcripts, by the package that they are of
}

// A pkg is one folder with Go files.
type pkg struct {
	path  string // inside the module; "." is the root
	files []*file
}

// A file is one parsed Go file.
type file struct {
	path    string // inside the module
	name    string // without the folder
	test    bool
	set     *token.FileSet
	syntax  *ast.File
	imports []imported
}

// An imported is one import of a file.
type imported struct {
	pos  token.Pos
	path string
	name string // "" unless the file renames it
}

// A violation says where a rule is broken, and how.
type violation struct {
	where string
	what  string
}

func (v violation) String() string { return v.where + ": " + v.what }

// load parses every Go file under fsys, except in testdata.
func load(fsys fs.FS) (*tree, error) {
	t := &tree{stories: map[string][]string{}}
	byPath := make(map[string]*pkg)
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasSuffix(name, ".txtar") && path.Base(path.Dir(name)) == "transcripts":
			of := path.Base(strings.TrimSuffix(path.Dir(name), "/testdata/transcripts"))
			t.stories[of] = append(t.stories[of], strings.TrimSuffix(path.Base(name), ".txtar"))
		case entry.IsDir() && entry.Name() == "testdata":
			if _, err := fs.Stat(fsys, name+"/transcripts"); err != nil {
				return fs.SkipDir
			}
		case entry.IsDir() && entry.Name() == ".git":
			return fs.SkipDir
		case name == ledgerFile:
			text, err := fs.ReadFile(fsys, name)
			t.ledger = string(text)
			return err
		case name == conformanceFile:
			text, err := fs.ReadFile(fsys, name)
			t.conformance = string(text)
			return err
		case name == lossesFile:
			text, err := fs.ReadFile(fsys, name)
			t.losses = string(text)
			return err
		case strings.Contains(name, "testdata/"):
		case name != "go.mod" && path.Base(name) == "go.mod":
			t.stray = append(t.stray, name)
		case strings.HasSuffix(name, ".go"):
			return t.add(fsys, byPath, name)
		}
		return nil
	})
	for _, p := range byPath {
		t.packages = append(t.packages, p)
	}
	slices.SortFunc(t.packages, func(a, b *pkg) int { return strings.Compare(a.path, b.path) })
	return t, err
}

// add parses one Go file into its package.
func (t *tree) add(fsys fs.FS, byPath map[string]*pkg, name string) error {
	if hidden(name) {
		t.stray = append(t.stray, name)
		return nil
	}
	source, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if ignored(syntax) {
		t.stray = append(t.stray, name)
		return nil
	}
	f := &file{
		path: name, name: path.Base(name), set: set, syntax: syntax,
		test: strings.HasSuffix(name, "_test.go"),
	}
	for _, spec := range syntax.Imports {
		imp := imported{pos: spec.Pos()}
		if imp.path, err = strconv.Unquote(spec.Path.Value); err != nil {
			return fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		if spec.Name != nil {
			imp.name = spec.Name.Name
		}
		f.imports = append(f.imports, imp)
	}
	dir := path.Dir(name)
	if byPath[dir] == nil {
		byPath[dir] = &pkg{path: dir}
	}
	byPath[dir].files = append(byPath[dir].files, f)
	return nil
}

// hidden reports whether the go command passes over a file because of its name or a folder's.
func hidden(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(element string) bool {
		return strings.HasPrefix(element, "_") || strings.HasPrefix(element, ".")
	})
}

// ignored reports whether a build constraint keeps the file out of every build.
func ignored(syntax *ast.File) bool {
	for _, group := range syntax.Comments {
		if group.Pos() > syntax.Package {
			break
		}
		for _, comment := range group.List {
			if comment.Text == "//go:build ignore" {
				return true
			}
		}
	}
	return false
}

// production yields the files that are not tests.
func (p *pkg) production(yield func(*file) bool) {
	for _, f := range p.files {
		if !f.test && !yield(f) {
			return
		}
	}
}

// command reports whether the package is a program.
func (p *pkg) command() bool {
	return slices.ContainsFunc(p.files, func(f *file) bool { return f.syntax.Name.Name == "main" })
}

// at makes a violation at a place in the file.
func (f *file) at(pos token.Pos, format string, args ...any) violation {
	return violation{
		where: fmt.Sprintf("%s:%d", f.path, f.set.Position(pos).Line),
		what:  fmt.Sprintf(format, args...),
	}
}

// own returns the folder of an import of this module.
func own(importPath string) (dir string, ok bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// foreign reports whether an import comes from another module: its first element looks like a host.
func foreign(importPath string) bool {
	if _, ok := own(importPath); ok {
		return false
	}
	host, _, _ := strings.Cut(importPath, "/")
	return strings.Contains(host, ".")
}

// called reports whether code in the file says name for this import.
func (i imported) called(name string) bool {
	if i.name != "" {
		return i.name == name
	}
	return slices.Contains(packageNames(i.path), name)
}

// packageNames guesses the names that the package behind an import path may have: its last element without a version and
// without the habit of putting "go" before or after.
func packageNames(importPath string) []string {
	base := path.Base(importPath)
	if len(base) > 1 && base[0] == 'v' && strings.Trim(base[1:], "0123456789") == "" {
		base = path.Base(path.Dir(importPath))
	}
	base, _, _ = strings.Cut(base, ".")
	bare := strings.TrimSuffix(strings.TrimPrefix(base, "go-"), "-go")
	return []string{base, bare, strings.ReplaceAll(base, "-", "")}
}

// qualified returns the import path and the name of a selector such as time.Now; an import path of "" means that the
// expression does not name something of another package.
func (f *file) qualified(expr ast.Expr) (importPath, name string) {
	selector, ok := expr.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	ident, ok := selector.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	for _, imp := range f.imports {
		if imp.called(ident.Name) {
			return imp.path, selector.Sel.Name
		}
	}
	return "", ""
}

// matches reports whether one of the space-separated patterns fits the folder: "flow" is the folder, "flow/*" those directly below,
// "flow/..." the folder and all below, "..." everything.
func matches(patterns, dir string) bool {
	for pattern := range strings.FieldsSeq(patterns) {
		switch tree, all := strings.CutSuffix(pattern, "..."); {
		case pattern == "..." || pattern == dir:
			return true
		case all && (dir+"/" == tree || strings.HasPrefix(dir, tree)):
			return true
		}
		if parent, children := strings.CutSuffix(pattern, "/*"); children && path.Dir(dir) == parent {
			return true
		}
	}
	return false
}
