package pages

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

//go:embed templates/*.html
var templateFiles embed.FS

// The kinds of page, each with a template file of that name.
const (
	promptPage    = "prompt"
	failurePage   = "failure"
	signedOutPage = "signed-out"
)

// frame are the files that every page is made of, besides its own.
var frame = []string{"layout.html", "parts.html"}

// templates are the pages by kind, and those of single steps by step.
type templates struct {
	kinds, steps map[string]*template.Template
}

// newTemplates reads the host's files after ours of the same name, so that a block that they define replaces ours. A file
// with another name is the page of the step so called.
func newTemplates(host fs.FS) (templates, error) {
	own, _ := fs.Sub(templateFiles, "templates") // the compiler put it there
	layers := []fs.FS{own}
	if host != nil {
		layers = append(layers, host)
	}
	t := templates{kinds: map[string]*template.Template{}, steps: map[string]*template.Template{}}
	var problems []error
	for _, kind := range []string{promptPage, failurePage, signedOutPage} {
		page, err := parse(layers, append(slices.Clone(frame), kind+".html")...)
		t.kinds[kind], problems = page, append(problems, err)
	}
	for _, file := range fileNames(layers) {
		step := strings.TrimSuffix(file, ".html")
		if slices.Contains(frame, file) || t.kinds[step] != nil {
			continue
		}
		page, err := parse(layers, append(slices.Clone(frame), promptPage+".html", file)...)
		t.steps[step], problems = page, append(problems, err)
	}
	return t, errors.Join(problems...)
}

func fileNames(layers []fs.FS) []string {
	names := map[string]bool{}
	for _, layer := range layers {
		found, _ := fs.Glob(layer, "*.html") // the pattern is well-formed
		for _, name := range found {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// parse reads each file from every layer that has it.
func parse(layers []fs.FS, files ...string) (*template.Template, error) {
	page := template.New("page")
	for _, file := range files {
		for _, layer := range layers {
			source, err := fs.ReadFile(layer, file)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				_, err = page.New(file).Parse(string(source))
			}
			if err != nil {
				return nil, fmt.Errorf("Templates: %w", err)
			}
		}
	}
	return page, nil
}

func (t templates) render(w io.Writer, page *Page) error {
	tmpl := t.kinds[page.kind]
	if own := t.steps[page.Step]; own != nil && page.kind == promptPage {
		tmpl = own
	}
	return tmpl.ExecuteTemplate(w, "page", page)
}

// rehearse renders every page once, because html/template finds some faults only then.
func (p *Pages) rehearse() error {
	var problems []error
	var discard bytes.Buffer
	for _, sample := range p.samples() {
		if err := p.templates.render(&discard, sample); err != nil {
			problems = append(problems, fmt.Errorf("Templates: %w", err))
		}
		discard.Reset()
	}
	return errors.Join(problems...)
}
