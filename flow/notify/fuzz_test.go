package notify_test

import (
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow/notify"
)

// FuzzSource: whatever an administrator sets is refused or rendered, and no value becomes markup.
func FuzzSource(f *testing.F) {
	for _, s := range []string{
		`<p>{{user-name}}</p>`, `<a href="{{link}}">`, `<style>{{x}}</style>`, `{{#x}}<b>{{x}}</b>{{/x}}`, `<p title='{{x}}' {{y}}>`, `<!--{{x}}-->`, `<script>{{x}}`,
		`{{url:x}}`, `<a b=c{{x}}>`, `a < b {{x}}`, `<p/ =">{{x}}`, `<title>{{x}}</title>{{x}}`, `</script {{x}}>`, `<p title="a" "{{x}}">`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		s := notify.Source{Text: source, HTML: source, Subject: source}
		if s.Validate() != nil {
			return
		}
		const mark = "\"'><zzz onzzz=1>"
		text := notify.RenderHTML(source, mark)
		if strings.Contains(text, "<zzz") && !strings.Contains(source, "<zzz") || strings.Contains(text, mark) {
			t.Errorf("%q became %q", source, text)
		}
	})
}
