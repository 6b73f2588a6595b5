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
	donePage      = "done"
	accountPage   = "account"
)

// frame are the files that every page is made of, besides its own; icons is the file of what they are adorned with.
var frame = []string{"layout.html", "parts.html"}

const icons = "icons.html"

// templates are the pages by kind, those of single steps by step, and the icons by name, drawn.
type templates struct {
	kinds, steps map[string]*template.Template
	icons        map[string]template.HTML
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
	for _, kind := range []string{promptPage, failurePage, signedOutPage, donePage, accountPage} {
		page, err := parse(layers, append(slices.Clone(frame), kind+".html")...)
		t.kinds[kind], problems = page, append(problems, err)
	}
	for _, file := range fileNames(layers) {
		step := strings.TrimSuffix(file, ".html")
		if file == icons || slices.Contains(frame, file) || t.kinds[step] != nil {
			continue
		}
		page, err := parse(layers, append(slices.Clone(frame), promptPage+".html", file)...)
		t.steps[step], problems = page, append(problems, err)
	}
	var err error
	t.icons, err = drawIcons(layers)
	return t, errors.Join(append(problems, err)...)
}

// drawIcons renders every block of icons, because choosing among them is dear while a page is written.
func drawIcons(layers []fs.FS) (map[string]template.HTML, error) {
	blocks, err := parse(layers, icons)
	if err != nil {
		return nil, err
	}
	drawn := map[string]template.HTML{}
	for _, block := range blocks.Templates() {
		var lines strings.Builder
		if name := block.Name(); name != icons && name != blocks.Name() {
			if err := blocks.ExecuteTemplate(&lines, name, nil); err != nil {
				return nil, fmt.Errorf("Templates: %w", err)
			}
			drawn[name] = template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">` + lines.String() + `</svg>`)
		}
	}
	return drawn, nil
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
