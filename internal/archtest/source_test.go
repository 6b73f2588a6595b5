package archtest_test

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// noInit: importing a package has no effect. A blank import that registers something runs the init of another package.
func noInit(t *tree) (found []violation) {
	for _, p := range t.packages {
		for f := range p.production {
			for _, decl := range f.syntax.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					found = append(found, f.at(fn.Pos(), "init function: importing a package has no effect"))
				}
			}
		}
	}
	return found
}

// immutable are the functions and types of other packages whose values nobody can change, or that only ever hold what the first
// call put there.
var immutable = map[string]string{
	"regexp.MustCompile":             "compiled once, safe for concurrent use",
	"html/template.Must":             "compiled once, safe for concurrent use",
	"text/template.Must":             "compiled once, safe for concurrent use",
	"sync.OnceValue":                 "computed once",
	"sync.OnceValues":                "computed once",
	"strings.NewReplacer":            "safe for concurrent use",
	"net/netip.MustParsePrefix":      "a value",
	"net/netip.MustParseAddr":        "a value",
	"time.Unix":                      "a value",
	"time.Date":                      "a value",
	"reflect.TypeFor":                "a value",
	"encoding/base64.URLEncoding":    "a value",
	"encoding/base64.RawURLEncoding": "a value",
	"encoding/base64.StdEncoding":    "a value",
	"encoding/base64.RawStdEncoding": "a value",
	"encoding/base32.StdEncoding":    "a value",
	"encoding/base32.HexEncoding":    "a value",
	"encoding/base32.NewEncoding":    "a value",
	module + "/store.Kind":           "the declaration of a record",
	module + "/store.Type":           "the declaration of a record",
}

// memos may hold a sync.Map that remembers what a pure function of the key returned: all programs would put the same there, and
// nobody can tell whether it is full or empty but by the time it takes.
var memos = []exception{
	{"internal/strictjson/fields.go", "what a Go type means to a decoder, as encoding/json keeps it"},
}

// packageState: state lives in values that a constructor returns. A package variable is a sentinel (Err…), an embedded file,
// something immutable, a memo, or a table that nothing in its package writes.
func packageState(t *tree) (found []violation) {
	for _, p := range t.packages {
		written := p.written()
		for f := range p.production {
			for _, decl := range f.syntax.Decls {
				group, ok := decl.(*ast.GenDecl)
				if !ok || group.Tok != token.VAR {
					continue
				}
				for _, spec := range group.Specs {
					spec := spec.(*ast.ValueSpec)
					if embeds(group.Doc) || embeds(spec.Doc) {
						continue
					}
					for i, name := range spec.Names {
						if complaint := f.state(spec, i, written); complaint != "" {
							found = append(found, f.at(name.Pos(), "package variable %s %s", name.Name, complaint))
						}
					}
				}
			}
		}
	}
	return found
}

// state returns what is wrong with the i-th name of a package variable; "" means nothing.
func (f *file) state(spec *ast.ValueSpec, i int, written map[string]bool) string {
	name := spec.Names[i].Name
	switch {
	case name == "_":
		return ""
	case written[name]:
		return "is written: state belongs in a value that a constructor returns"
	case f.memo(spec):
		return ""
	case i >= len(spec.Values):
		return "has no value: it can only be state, which belongs in a value that a constructor returns"
	}
	value := spec.Values[i]
	sentinel := strings.HasPrefix(name, "Err") || strings.HasPrefix(name, "err")
	switch {
	case sentinel || f.immutable(value):
		return ""
	case ast.IsExported(name):
		return "is exported: anyone may write it"
	case !isTable(value):
		return "is neither a sentinel, an embedded file, a table nor a row of what is immutable"
	}
	return ""
}

// memo reports whether a variable is one of memos.
func (f *file) memo(spec *ast.ValueSpec) bool {
	importPath, name := f.qualified(spec.Type)
	return importPath == "sync" && name == "Map" && excepted(memos, f)
}

// immutable reports whether an expression is built on one of the functions and types in the table of that name.
func (f *file) immutable(expr ast.Expr) bool {
	for {
		if importPath, name := f.qualified(expr); importPath != "" {
			_, ok := immutable[importPath+"."+name]
			return ok
		}
		switch e := expr.(type) {
		case *ast.CallExpr:
			expr = e.Fun
		case *ast.SelectorExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.CompositeLit:
			expr = e.Type
		default:
			return false
		}
	}
}

// isTable reports whether an expression is a literal: a list, a map, a struct, a function, or bytes spelled as text.
func isTable(expr ast.Expr) bool {
	switch e := expr.(type) {
	case *ast.CompositeLit, *ast.BasicLit, *ast.FuncLit:
		return true
	case *ast.CallExpr:
		_, conversion := e.Fun.(*ast.ArrayType)
		return conversion
	}
	return false
}

func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

// written returns the names that the production code of the package assigns to, through any selector or index.
func (p *pkg) written() map[string]bool {
	names := make(map[string]bool)
	mark := func(expr ast.Expr) {
		if name := rootName(expr); name != "" {
			names[name] = true
		}
	}
	for f := range p.production {
		ast.Inspect(f.syntax, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if n.Tok != token.DEFINE {
						mark(left)
					}
				}
			case *ast.IncDecStmt:
				mark(n.X)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					mark(n.X)
				}
			case *ast.CallExpr:
				if fn, ok := n.Fun.(*ast.Ident); ok && (fn.Name == "delete" || fn.Name == "clear") && len(n.Args) > 0 {
					mark(n.Args[0])
				}
			}
			return true
		})
	}
	return names
}

// rootName returns the variable that an assignable expression starts from: x of x.f[i].
func rootName(expr ast.Expr) string {
	for {
		switch e := expr.(type) {
		case *ast.Ident:
			return e.Name
		case *ast.SelectorExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		case *ast.StarExpr:
			expr = e.X
		default:
			return ""
		}
	}
}

// An exception lets files (patterns of [path.Match]) do what a rule forbids.
type exception struct {
	files, reason string
}

func excepted(table []exception, f *file) bool {
	return slices.ContainsFunc(table, func(e exception) bool { ok, _ := path.Match(e.files, f.path); return ok })
}

// clockReaders may read the clock of the machine.
var clockReaders = []exception{
	{"examples/*/*.go", "a host decides what time it is"},
	{"internal/bench/*.go", "it measures"},
}

// clock: time comes from a Config or a parameter. time.Now appears only as the default of something called now.
func clock(t *tree) (found []violation) {
	for _, p := range t.packages {
		for f := range p.production {
			if excepted(clockReaders, f) || matches(kits, p.path) {
				continue
			}
			defaults := f.clockDefaults()
			ast.Inspect(f.syntax, func(node ast.Node) bool {
				expr, ok := node.(ast.Expr)
				if !ok {
					return true
				}
				switch importPath, name := f.qualified(expr); {
				case importPath != "time" || name != "Now" && name != "Since" && name != "Until":
				case name == "Now" && defaults[expr]:
				default:
					found = append(found, f.at(expr.Pos(), "time.%s: time comes from Config.Now or a parameter", name))
				}
				return true
			})
		}
	}
	return found
}

// clockDefaults returns the expressions that are assigned to a field or variable called now.
func (f *file) clockDefaults() map[ast.Expr]bool {
	defaults := make(map[ast.Expr]bool)
	isNow := func(expr ast.Expr) bool {
		switch e := expr.(type) {
		case *ast.Ident:
			return strings.EqualFold(e.Name, "now")
		case *ast.SelectorExpr:
			return e.Sel.Name == "Now" || e.Sel.Name == "now"
		}
		return false
	}
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if i < len(n.Rhs) && isNow(left) {
					defaults[n.Rhs[i]] = true
				}
			}
		case *ast.KeyValueExpr:
			if isNow(n.Key) {
				defaults[n.Value] = true
			}
		}
		return true
	})
	return defaults
}

// sleepers may call time.Sleep.
var sleepers = []exception{
	{"internal/bench/*.go", "it measures"},
}

// sleep: nobody sleeps, neither tests nor code. Inside synctest.Test sleeping costs no time and is how the clock moves.
func sleep(t *tree) (found []violation) {
	for _, p := range t.packages {
		for _, f := range p.files {
			if excepted(sleepers, f) {
				continue
			}
			ast.Inspect(f.syntax, func(node ast.Node) bool {
				if call, ok := node.(*ast.CallExpr); ok {
					if importPath, _ := f.qualified(call.Fun); importPath == "testing/synctest" {
						return false
					}
				}
				if expr, ok := node.(ast.Expr); ok {
					if importPath, name := f.qualified(expr); importPath == "time" && name == "Sleep" {
						found = append(found, f.at(expr.Pos(), "time.Sleep: wait for an event, move an injected clock or use synctest"))
					}
				}
				return true
			})
		}
	}
	return found
}

// A taboo is something that no library code says.
type taboo struct {
	names  string // space-separated: import path, dot, name; a builtin stands alone
	except string // packages where it is fine, besides programs and kits
	reason string
}

var taboos = []taboo{
	{"panic", "flow/script", "no input and no configuration panics; return an error"},
	{"print println", "", "logging is an injected *slog.Logger"},
	{"fmt.Print fmt.Printf fmt.Println", "", "logging is an injected *slog.Logger"},
	{"log/slog.Default log/slog.SetDefault log/slog.Info log/slog.Warn log/slog.Error log/slog.Debug log/slog.InfoContext log/slog.WarnContext log/slog.ErrorContext log/slog.DebugContext log/slog.Log", "", "logging is an injected *slog.Logger, never the process default"},
	{"net/http.DefaultClient net/http.DefaultTransport net/http.Get net/http.Head net/http.Post net/http.PostForm", "", "the host brings the client; addresses that strangers supply go through internal/fetch"},
	{"net/http.DefaultServeMux net/http.Handle net/http.HandleFunc net/http.ListenAndServe net/http.ListenAndServeTLS", "", "the host owns the mux and the listener"},
	{"os.Exit", "", "the process belongs to the host"},
	{"os.Getenv os.LookupEnv os.Environ", "", "configuration is Config"},
}

// forbiddenCalls holds taboos over everything but programs.
func forbiddenCalls(t *tree) (found []violation) {
	for _, p := range t.packages {
		for f := range p.production {
			ast.Inspect(f.syntax, func(node ast.Node) bool {
				expr, ok := node.(ast.Expr)
				if !ok {
					return true
				}
				said := f.says(expr)
				for _, taboo := range taboos {
					exempt := matches(taboo.except, p.path) || said != "panic" && (p.command() || matches(kits, p.path))
					if said != "" && !exempt && slices.Contains(strings.Fields(taboo.names), said) {
						found = append(found, f.at(expr.Pos(), "%s: %s", said, taboo.reason))
					}
				}
				return true
			})
		}
	}
	return found
}

// says returns what an expression names, in the spelling of taboo; a builtin counts where it is called.
func (f *file) says(expr ast.Expr) string {
	if importPath, name := f.qualified(expr); importPath != "" {
		return importPath + "." + name
	}
	if call, ok := expr.(*ast.CallExpr); ok {
		if fn, ok := call.Fun.(*ast.Ident); ok {
			return fn.Name
		}
	}
	return ""
}

// starters may start goroutines.
var starters = []exception{
	{"examples/*/*.go", "a host does"},
	{"internal/bench/*.go", "it measures load"},
	{"flow/script/run.go", "an interpreter cannot always be stopped: its caller waits for it, and gives it up past a limit"},
	{"internal/password/password.go", "a hash cannot be interrupted: it finishes, and keeps its share of memory, after its caller has left"},
}

// goroutines: the host's calls do the work; Run is a loop in the goroutine of its caller.
func goroutines(t *tree) (found []violation) {
	for _, p := range t.packages {
		for f := range p.production {
			if excepted(starters, f) || matches(kits, p.path) {
				continue
			}
			ast.Inspect(f.syntax, func(node ast.Node) bool {
				if stmt, ok := node.(*ast.GoStmt); ok {
					found = append(found, f.at(stmt.Pos(), "go statement: no goroutine that the host did not ask for"))
				}
				return true
			})
		}
	}
	return found
}

// contexts: a context is the first parameter and never a field.
func contexts(t *tree) (found []violation) {
	for _, p := range t.packages {
		for f := range p.production {
			isContext := func(expr ast.Expr) bool {
				importPath, name := f.qualified(expr)
				return importPath == "context" && name == "Context"
			}
			ast.Inspect(f.syntax, func(node ast.Node) bool {
				switch n := node.(type) {
				case *ast.StructType:
					for _, field := range n.Fields.List {
						if isContext(field.Type) {
							found = append(found, f.at(field.Pos(), "a context in a struct: pass it as the first parameter"))
						}
					}
				case *ast.FuncType:
					found = append(found, f.lateContext(n, isContext)...)
				}
				return true
			})
		}
	}
	return found
}

// lateContext complains about a context that comes after anything but a testing.TB.
func (f *file) lateContext(fn *ast.FuncType, isContext func(ast.Expr) bool) (found []violation) {
	for i, field := range fn.Params.List {
		if !isContext(field.Type) || i == 0 {
			continue
		}
		if importPath, _ := f.qualified(fn.Params.List[0].Type); importPath == "testing" && i == 1 {
			continue
		}
		found = append(found, f.at(field.Pos(), "a context that is not the first parameter"))
	}
	return found
}
