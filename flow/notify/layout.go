package notify

import (
	_ "embed"
	"html"
	"regexp"
	"strings"
)

// standardLayout is the HTML around the text of an e-mail, which stands in the place of {{content}}.
//
//go:embed layout.html
var standardLayout string

const contentPlace = "{{content}}"

var (
	blankLines = regexp.MustCompile(`\n[ \t]*\n\s*`)
	// sectionEdge is a line with nothing but edges of sections.
	sectionEdge = regexp.MustCompile(`^(?:\{\{[#^/][^}]*\}\}\s*)+$`)
	// lead is "Continue {{link}}".
	lead = regexp.MustCompile(`^(.*\S)\s+(\{\{[^}]+\}\})$`)
)

// paragraphs yields the paragraphs of a text; a line with nothing but edges of sections is one by itself.
func paragraphs(text string) (all []string) {
	for _, block := range blankLines.Split(strings.TrimSpace(text), -1) {
		var lines []string
		flush := func() {
			if len(lines) > 0 {
				all = append(all, strings.Join(lines, "\n"))
			}
			lines = nil
		}
		for line := range strings.SplitSeq(block, "\n") {
			if line = strings.TrimSpace(line); sectionEdge.MatchString(line) {
				flush()
				all = append(all, line)
			} else if line != "" {
				lines = append(lines, line)
			}
		}
		flush()
	}
	return all
}

// plain is the text without its marks.
func plain(text string) string {
	var b strings.Builder
	for i, p := range paragraphs(text) {
		edge := sectionEdge.MatchString(p)
		if i > 0 && !edge {
			b.WriteString("\n\n")
		}
		switch mark, rest, _ := strings.Cut(p, " "); {
		case edge:
			b.WriteString(p)
		case mark == "=":
			b.WriteString("    " + rest)
		case mark == "~":
			b.WriteString(rest)
		case mark == ">" && lead.MatchString(rest):
			b.WriteString(lead.ReplaceAllString(rest, "$1:\n$2"))
		default:
			b.WriteString(p)
		}
	}
	return b.String()
}

// markup is the text as HTML, in the layout.
func markup(text, layout string) string {
	var b strings.Builder
	for _, p := range paragraphs(text) {
		switch mark, rest, _ := strings.Cut(p, " "); {
		case sectionEdge.MatchString(p):
			b.WriteString(p)
		case mark == "=":
			b.WriteString(`<p class="code" dir="ltr" style="margin:0 0 16px;padding:16px;text-align:center;font:600 28px/1.2 ui-monospace,Menlo,Consolas,monospace;letter-spacing:4px;background:#f3f4f8;color:#161a26;border-radius:8px">` + html.EscapeString(rest) + `</p>`)
		case mark == "~":
			b.WriteString(`<p style="margin:0 0 16px;font-size:13px;color:#5b6172">` + html.EscapeString(rest) + `</p>`)
		case mark == ">" && lead.MatchString(rest):
			found := lead.FindStringSubmatch(rest)
			b.WriteString(`<p style="margin:0 0 16px"><a href="` + found[2] + `" style="display:inline-block;padding:12px 20px;border-radius:8px;text-decoration:none;font-weight:600;background:{{organization.color.primary}};color:{{organization.button.font.color}}">` + html.EscapeString(found[1]) + `</a></p>` +
				`<p dir="ltr" style="margin:0 0 16px;font-size:13px;color:#5b6172;word-break:break-all">` + found[2] + `</p>`)
		default:
			b.WriteString(`<p style="margin:0 0 16px">` + strings.ReplaceAll(html.EscapeString(p), "\n", "<br>\n") + `</p>`)
		}
		b.WriteString("\n")
	}
	return strings.Replace(layout, contentPlace, strings.TrimSuffix(b.String(), "\n"), 1)
}
