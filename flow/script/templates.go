package script

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed templates/*.js
var templates embed.FS

// Templates are scripts to begin with, by name: what policies are mostly about. What is to be changed stands in variables at the
// beginning of each. "elk-risk" and "typingdna" need functions of the host.
func Templates() map[string]string {
	all := map[string]string{}
	entries, _ := fs.ReadDir(templates, "templates") // it is in the binary
	for _, entry := range entries {
		text, _ := fs.ReadFile(templates, "templates/"+entry.Name())
		all[strings.TrimSuffix(entry.Name(), ".js")] = string(text)
	}
	return all
}
