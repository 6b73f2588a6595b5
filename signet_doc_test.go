package signet_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
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

// The programs that package documentation shows are complete: the go command takes them as they stand, from outside of the
// module's folders, where nothing internal can be imported.
func TestDocPrograms(t *testing.T) {
	t.Parallel()
	goCommand, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not in PATH")
	}
	found := 0
	err = fs.WalkDir(os.DirFS("."), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(name) != "doc.go" {
			return err
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		text := program(string(source))
		if text == "" {
			return nil
		}
		found++
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
		return nil
	})
	if err != nil || found < 5 {
		t.Errorf("%d programs, %v", found, err)
	}
}
