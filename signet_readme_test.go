package signet_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// run is the function run of a source text.
func run(source string) string {
	_, body, found := strings.Cut(source, "func run(")
	body, _, ended := strings.Cut(body, "\n}\n")
	if !found || !ended {
		return ""
	}
	return "func run(" + body + "\n}\n"
}

// The program that the README and the package documentation show is the one that is compiled, and it is short.
func TestREADME(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	want := run(read("examples/minimal/main.go"))
	if lines := strings.Count(want, "\n"); lines == 0 || lines > 25 {
		t.Errorf("the program has %d lines, want 1 to 25", lines)
	}
	shown := ""
	for _, block := range goBlock.FindAllStringSubmatch(read("README.md"), -1) {
		if shown = run(block[1]); shown != "" {
			break
		}
	}
	if shown != want {
		t.Errorf("the README shows\n%s\nexamples/minimal is\n%s", shown, want)
	}
	if documented := strings.NewReplacer("\n//\t", "\n", "\n//\n", "\n\n").Replace(read("doc.go")); !strings.Contains(documented, want) {
		t.Errorf("doc.go does not show\n%s", want)
	}
}
