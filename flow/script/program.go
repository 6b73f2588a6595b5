package script

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"
)

// The bounds of a script. They are for reading code that administrators write, not for programs.
const (
	// MaxSource is the greatest size of a script, and of each library, in bytes.
	MaxSource = 64 << 10
	// maxLibraries bounds how many libraries a script may load.
	maxLibraries = 8
	// maxNesting bounds how deep brackets may stand in one another, and maxDepth the syntax tree: the parser and the compiler
	// call themselves for each level.
	maxNesting = 200
	maxDepth   = 2000
)

// Program is a script that was admitted, with the libraries that it loads. It is immutable and safe for concurrent use.
type Program struct {
	// Hash names the script and its libraries by their contents.
	Hash string
	// Libraries are the names of the libraries, sorted.
	Libraries []string

	names, globals []string // what the script can name; see newRealm

	main      *goja.Program
	libraries map[string]*goja.Program
}

// A SyntaxError says why a script was not admitted. Its text is for whoever wrote the script.
type SyntaxError struct {
	// Name is the script's ("script") or the library's.
	Name string
	// Line and Column begin at 1; 0 is not known.
	Line, Column int
	Problem      string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.Name, e.Problem)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.Name, e.Line, e.Column, e.Problem)
}

// Compile admits a script, or says with SyntaxErrors (joined) why not. Libraries are what loadLocalLibrary can load, by name; only
// those that are named by the script, or by one another, become part of the Program.
func (e *Engine) Compile(source string, libraries map[string]string) (*Program, error) {
	p := &Program{libraries: map[string]*goja.Program{}}
	named := &names{properties: map[string]bool{}, globals: map[string]bool{}}
	main, loads, err := e.admit("script", source, false, named)
	if err != nil {
		return nil, err
	}
	if p.main, err = goja.CompileAST(main, false); err != nil {
		return nil, &SyntaxError{Name: "script", Problem: err.Error()}
	}
	sources := map[string]string{}
	for len(loads) > 0 {
		name := loads[0]
		loads = loads[1:]
		if _, ok := sources[name]; ok {
			continue
		}
		text, ok := libraries[name]
		switch {
		case !ok:
			return nil, &SyntaxError{Name: name, Problem: "there is no such library"}
		case len(sources) == maxLibraries:
			return nil, &SyntaxError{Name: name, Problem: fmt.Sprintf("a script loads at most %d libraries", maxLibraries)}
		}
		sources[name] = text
		tree, further, err := e.admit(name, text, true, named)
		if err != nil {
			return nil, err
		}
		if p.libraries[name], err = goja.CompileAST(tree, false); err != nil {
			return nil, &SyntaxError{Name: name, Problem: err.Error()}
		}
		loads = append(loads, further...)
	}
	p.names, p.globals = e.used(named)
	p.Libraries = slices.Sorted(maps.Keys(sources))
	p.Hash = hashOf(source, sources)
	return p, nil
}

// hashOf is what names a script: each text with its length in front.
func hashOf(source string, libraries map[string]string) string {
	h := sha256.New()
	put := func(s string) {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		_, _ = h.Write([]byte(s))
	}
	put(source)
	for _, name := range slices.Sorted(maps.Keys(libraries)) {
		put(name)
		put(libraries[name])
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// names are what a script and its libraries name.
type names struct{ properties, globals map[string]bool }

// used are the names that mean something of ours or the interpreter's.
func (e *Engine) used(n *names) (properties, globals []string) {
	for name := range n.properties {
		if e.natives[name] != nil {
			properties = append(properties, name)
		}
	}
	for name := range n.globals {
		if e.globals[name] || name[0] == '#' {
			globals = append(globals, name)
		}
	}
	slices.Sort(properties)
	slices.Sort(globals)
	return properties, globals
}

// admit parses a source, refuses what no policy needs, and rewrites what would not be bounded. It returns the tree to compile and
// the libraries that it loads.
func (e *Engine) admit(name, source string, library bool, n *names) (*ast.Program, []string, error) {
	switch {
	case len(source) > MaxSource:
		return nil, nil, &SyntaxError{Name: name, Problem: fmt.Sprintf("longer than %d bytes", MaxSource)}
	case nesting(source) > maxNesting:
		return nil, nil, &SyntaxError{Name: name, Problem: fmt.Sprintf("brackets nested deeper than %d", maxNesting)}
	}
	files := new(file.FileSet)
	tree, err := parser.ParseFile(files, name, source, 0, parser.WithDisableSourceMaps)
	if err != nil {
		return nil, nil, parseError(name, err)
	}
	a := &admission{name: name, file: tree.File, declared: map[string]bool{}, used: map[string]file.Idx{}, known: e.globals, names: n.properties, guards: n.globals}
	if library {
		a.declared["module"], a.declared["exports"] = true, true
	}
	a.statements(tree.Body)
	a.unknown()
	if len(a.problems) > 0 {
		return nil, nil, errors.Join(a.problems...)
	}
	for used := range a.used {
		n.globals[used] = true
	}
	if library {
		wrap(tree)
	}
	return tree, a.loads, nil
}

// parseError is the first complaint of the parser.
func parseError(name string, err error) error {
	var list parser.ErrorList
	if errors.As(err, &list) && len(list) > 0 {
		first := list[0]
		return &SyntaxError{Name: name, Line: first.Position.Line, Column: first.Position.Column, Problem: first.Message}
	}
	return &SyntaxError{Name: name, Problem: err.Error()}
}

// nesting is how deep brackets stand in one another, strings and comments counted as if they were code: too much rather than too
// little.
func nesting(source string) int {
	depth, deepest := 0, 0
	for _, c := range []byte(source) {
		switch c {
		case '(', '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ')', ']', '}':
			depth = max(0, depth-1)
		}
	}
	return deepest
}

// wrap makes of a library's statements a function of module and exports.
func wrap(tree *ast.Program) {
	at := file.Idx(1)
	if len(tree.Body) > 0 {
		at = tree.Body[0].Idx0()
	}
	parameter := func(name string) *ast.Binding { return &ast.Binding{Target: identifier(name, at)} }
	tree.Body = []ast.Statement{&ast.ExpressionStatement{Expression: &ast.FunctionLiteral{
		Function:        at,
		ParameterList:   &ast.ParameterList{Opening: at, Closing: at, List: []*ast.Binding{parameter("module"), parameter("exports")}},
		Body:            &ast.BlockStatement{LeftBrace: at, RightBrace: at, List: tree.Body},
		DeclarationList: tree.DeclarationList,
	}}}
	tree.DeclarationList = nil
}

// isLibraryName reports whether a name can be a library's. Two that are words of a path in a URL cannot.
func isLibraryName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= 128 && !strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r)
	})
}
