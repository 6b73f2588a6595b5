package signet_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// program is the first indented block of a package's documentation that is a whole program; "" when there is none.
func program(source string) string {
	_, rest, found := strings.Cut(source, "//\tpackage main\n")
	if !found {
		return ""
	}
	text := "package main\n"
	for line := range strings.Lines(rest) {
		code, indented := strings.CutPrefix(line, "//\t")
		if !indented && line != "//\n" {
			break
		}
		if !indented {
			code = "\n"
		}
		text += code
	}
	return text
}

// otherwise are the public packages whose doc.go shows no program, and what shows them at work.
var otherwise = map[string]string{
	"store/sqlstore":                "the programs of sqlite, postgres and mysql",
	"store/memory":                  "every other program, and its Example",
	"store/storetest":               "a test is no program: that of its documentation",
	"store/directory/directorytest": "a test is no program: that of its documentation",
	"idptest":                       "a test is no program: examples/testing, and its Examples",
	"flow/native":                   "docs/app-native.md: a program of the other side, and what it is answered",
	"flow/execute":                  "docs/flow-execution.md: a program of the other side, and what it is answered",
}

// public lists the folders of packages that others can import.
func public(t *testing.T) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "internal" || name == "examples" || d.Name() == "testdata" || len(name) > 1 && d.Name()[0] == '.'):
			return fs.SkipDir
		case !d.IsDir() && filepath.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go"):
			found = append(found, filepath.Dir(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Every public package shows a program in its doc.go, and those programs are complete: the go command takes them as they stand,
// from outside of the module's folders, where nothing internal can be imported.
func TestDocPrograms(t *testing.T) {
	t.Parallel()
	goCommand, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not in PATH")
	}
	for _, folder := range public(t) {
		name := filepath.Join(folder, "doc.go")
		source, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		text := program(string(source))
		if _, excused := otherwise[folder]; (text == "") != excused {
			t.Errorf("%s has a program: %v; excused: %v", name, text != "", excused)
		}
		if text == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "main.go")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), goCommand, "vet", file).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
