package archtest_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// A rule looks at a module and complains. Its name is also the name of the file in testdata that breaks it.
type rule struct {
	name  string
	check func(*tree) []violation
}

var rules = []rule{
	{"import-graph", importGraph},
	{"test-imports", testImports},
	{"third-party", thirdParty},
	{"linked-modules", linked},
	{"standard-library", standardLibrary},
	{"http-at-the-edge", httpAtTheEdge},
	{"no-init", noInit},
	{"package-state", packageState},
	{"clock", clock},
	{"sleep", sleep},
	{"forbidden-calls", forbiddenCalls},
	{"goroutines", goroutines},
	{"contexts", contexts},
	{"package-docs", packageDocs},
	{"exported-docs", exportedDocs},
	{"exported-types", exportedTypes},
	{"names", names},
	{"white-box-tests", whiteBoxTests},
	{"one-module", oneModule},
	{"security-ledger", securityLedger},
	{"conformance", conformance},
	{"ephemeral-losses", ephemeralLosses},
}

var update = flag.Bool("update", false, "write the complaints into testdata")

func TestModule(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	module, err := load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			checked := *module
			if r.name == "linked-modules" {
				checked.linked = goList(t, root)
			}
			for _, v := range r.check(&checked) {
				t.Error(v)
			}
		})
	}
}

// goList returns the import paths that importing the root package links; none as long as there is no root package.
func goList(t *testing.T, root string) []string {
	t.Helper()
	if sources, _ := filepath.Glob(filepath.Join(root, "*.go")); len(sources) == 0 {
		return nil
	}
	path, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not in PATH")
	}
	var stderr bytes.Buffer
	list := exec.CommandContext(t.Context(), path, "list", "-deps", ".")
	list.Dir, list.Stderr = root, &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	return strings.Fields(string(out))
}

// TestRulesBite runs each rule over a module that breaks it. The comment of the archive holds the complaints that must come
// out, all of them and in order; what the archive holds besides is fine and shows where the rule stops.
func TestRulesBite(t *testing.T) {
	t.Parallel()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata", r.name+".txtar")
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, v := range r.check(broken(t, archive)) {
				got.WriteString(v.String() + "\n")
			}
			if *update {
				archive.Comment = []byte(got.String() + "\n")
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := strings.TrimSpace(string(archive.Comment)); want == "" || strings.TrimSpace(got.String()) != want {
				t.Errorf("complaints:\n%s\nwant:\n%s", &got, want)
			}
		})
	}
}

// broken loads the module in an archive. A file go-list stands for the answer of the go command.
func broken(t *testing.T, archive *txtar.Archive) *tree {
	t.Helper()
	fsys, err := txtar.FS(archive)
	if err != nil {
		t.Fatal(err)
	}
	module, err := load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := fs.ReadFile(fsys, "go-list"); err == nil {
		module.linked = strings.Fields(string(list))
	}
	return module
}

// TestTestdata finds test data of rules that are gone.
func TestTestdata(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(filepath.ToSlash(file)), ".txtar")
		if !slices.ContainsFunc(rules, func(r rule) bool { return r.name == name }) {
			t.Errorf("%s belongs to no rule", file)
		}
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		patterns, dir string
		want          bool
	}{
		{"flow", "flow", true},
		{"flow", "flow/pages", false},
		{"flow", "flows", false},
		{"flow/*", "flow/pages", true},
		{"flow/*", "flow", false},
		{"flow/*", "flow/pages/x", false},
		{"flow/...", "flow", true},
		{"flow/...", "flow/pages/x", true},
		{"flow/...", "flows", false},
		{".", ".", true},
		{".", "flow", false},
		{"...", ".", true},
		{"...", "flow", true},
		{"mfa flow", "flow", true},
		{"", "flow", false},
	}
	for _, test := range tests {
		if got := matches(test.patterns, test.dir); got != test.want {
			t.Errorf("matches(%q, %q) = %v", test.patterns, test.dir, got)
		}
	}
}
