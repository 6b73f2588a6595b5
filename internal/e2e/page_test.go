package e2e_test

import (
	"context"
	"testing"
)

// inspect holds a page to what everybody needs who does not look at it: a language, a title, one heading, a name for all that can be
// used (WCAG 2.2 §1.1.1, §2.4.2, §2.4.6, §3.1.1, §3.3.2, §4.1.2).
func inspect(t *testing.T, tab context.Context) {
	t.Helper()
	for _, fault := range evaluate[[]string](t, tab, faults) {
		t.Errorf("%s %s", fault, describe(tab))
	}
}

// faults lists what is wrong with the page that is shown.
const faults = `(() => {
	const found = [], all = selector => [...document.querySelectorAll(selector)];
	const expect = (good, fault) => { if (!good) found.push(fault) };
	const name = e => (e.getAttribute('aria-label') || e.innerText || '').trim();
	expect(document.documentElement.lang, 'no language');
	expect(document.title.trim(), 'no title');
	expect(all('main').length === 1, 'not one main part');
	expect(all('h1').length === 1 && name(all('h1')[0]), 'not one heading');
	for (const e of all('input:not([type=hidden]), select, textarea').filter(e => e.checkVisibility()))
		expect([...(e.labels ?? [])].some(name) || name(e), 'no label: ' + e.outerHTML);
	for (const e of all('a, button').filter(e => e.checkVisibility())) expect(name(e) || e.title, 'no name: ' + e.outerHTML);
	for (const e of all('img')) expect(e.hasAttribute('alt'), 'no alternative: ' + e.outerHTML.slice(0, 80));
	const ids = all('[id]').map(e => e.id);
	expect(new Set(ids).size === ids.length, 'an id stands twice: ' + ids);
	return found;
})()`
