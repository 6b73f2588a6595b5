package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/signet-idp/signet/internal/testenv"
)

// TestChromium runs every journey in one browser, each as a person of its own.
func TestChromium(t *testing.T) {
	t.Parallel()
	browser := testenv.Chromium(t)
	for name, journey := range journeys {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			journey(t, browser)
		})
	}
}

// journeys by name.
var journeys = map[string]func(*testing.T, context.Context){
	"redirect to another site":      redirectToAnotherSite,
	"redirect to another origin":    redirectToAnotherOrigin,
	"redirect to any loopback port": redirectToAnyLoopbackPort,
	"redirect to custom scheme":     redirectToCustomScheme,
	"cancel":                        cancel,
	"cross-site post":               crossSitePost,
	"form post":                     formPost,
	"form post without JavaScript":  formPostWithoutScript,
	"without JavaScript":            withoutJavaScript,
	"two tabs":                      twoTabs,
	"waiting tab":                   waitingTab,
	"back button":                   backButton,
	"double click":                  doubleClick,
	"expired page":                  expiredPage,
	"another browser":               anotherBrowser,
	"prompt login":                  promptLogin,
	"prompt none":                   promptNone,
	"logout":                        logoutConfirm,
	"logout by the application":     logoutByApplication,
	"logout by frames":              logoutByFrames,
	"session frame":                 sessionFrame,
	"logout for the application":    logoutAskedByApplication,
	"logout upstream":               logoutUpstream,
	"remember me":                   rememberMe,
	"locked account":                lockedAccount,
	"register":                      register,
	"recover":                       recoverAccount,
	"account without JavaScript":    accountWithoutScript,
	"account factors":               accountFactors,
	"account passkey":               accountPasskey,
	"account sessions":              accountSessions,
	"device grant":                  deviceGrant,
	"backchannel authentication":    backchannelAuthentication,
	"language and theme":            languageAndTheme,
	"invitation":                    invitation,
	"session limit":                 sessionLimit,
	"passkey":                       passkey,
	"passkey in passing":            passkeyInPassing,
	"passkey offered":               passkeyOffered,
	"passkey without JavaScript":    passkeyWithoutScript,
}

// patience is how long a page may take on a machine that is busy with other things.
const patience = time.Minute

// newPerson returns the first tab of somebody without cookies.
func newPerson(t *testing.T, browser context.Context) context.Context {
	t.Helper()
	return open(t, browser, chromedp.WithNewBrowserContext())
}

// newTab returns another tab of the same person.
func newTab(t *testing.T, person context.Context) context.Context {
	t.Helper()
	return open(t, person)
}

func open(t *testing.T, parent context.Context, options ...chromedp.ContextOption) context.Context {
	t.Helper()
	said := &console{}
	tab, cancel := chromedp.NewContext(parent, append(options, chromedp.WithListener(said.hear))...)
	t.Cleanup(func() {
		cancel()
		said.check(t)
	})
	if err := chromedp.Do(tab, call(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	return tab
}

// withoutScript switches JavaScript off in a tab.
func withoutScript(t *testing.T, tab context.Context) {
	t.Helper()
	do(t, tab, call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
}

func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, command, params)
		return chromedp.Void{}, err
	}
}

// console collects what a browser says against the pages of a tab.
type console struct {
	mu    sync.Mutex
	lines []string
}

func (c *console) hear(event any) {
	line := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		// An answer that is a refusal has a status that says so; a file that is missing is no answer to a person.
		refusal := e.Entry.Source == log.EntrySourceNetwork && strings.Contains(e.Entry.Text, "responded with a status of 4") &&
			!strings.Contains(e.Entry.URL, "/assets/")
		if (e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning) && !refusal {
			line = fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		line = fmt.Sprintf("console.%s", e.Type)
	case *runtime.EventExceptionThrown:
		line = e.ExceptionDetails.Text
	}
	if line == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
}

func (c *console) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range c.lines {
		t.Errorf("the browser complains: %s", line)
	}
}

// do performs actions, or ends the test with what the tab shows.
func do(t *testing.T, tab context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatalf("%v %s", err, describe(tab))
	}
}

// visit goes to an address, by redirects if need be, and looks the page over.
func visit(t *testing.T, tab context.Context, address string) *network.Response {
	t.Helper()
	return load(t, tab, chromedp.Navigate(address))
}

// press clicks a button or link, waits for the page that this leads to, and looks it over.
func press(t *testing.T, tab context.Context, id string) *network.Response {
	t.Helper()
	return load(t, tab, chromedp.Click(chromedp.ID(id)))
}

// passThrough clicks what leads to a page that goes on by itself, too soon for a look.
func passThrough(t *testing.T, tab context.Context, id string) {
	t.Helper()
	navigate(t, tab, chromedp.Click(chromedp.ID(id)))
}

// load does what makes the tab load a page, and looks it over.
func load(t *testing.T, tab context.Context, action chromedp.Action[chromedp.Void]) *network.Response {
	t.Helper()
	response := navigate(t, tab, action)
	inspect(t, tab)
	return response
}

func navigate(t *testing.T, tab context.Context, action chromedp.Action[chromedp.Void]) *network.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, action)
	if err != nil {
		t.Fatalf("%v %s", err, describe(tab))
	}
	return response
}

// enter puts text into fields as a password manager does, in one go: id, text, id, text.
func enter(t *testing.T, tab context.Context, fields ...string) {
	t.Helper()
	for i := 0; i+1 < len(fields); i += 2 {
		do(t, tab, chromedp.Clear(chromedp.ID(fields[i])), chromedp.Focus(chromedp.ID(fields[i])),
			call(input.InsertText, input.InsertTextParams{Text: fields[i+1]}))
	}
}

// await waits until an element shows.
func await(t *testing.T, tab context.Context, id string) {
	t.Helper()
	do(t, tab, chromedp.WaitVisible(chromedp.ID(id)))
}

// text is what an element says.
func text(t *testing.T, tab context.Context, id string) string {
	t.Helper()
	return evaluate[string](t, tab, fmt.Sprintf("document.getElementById(%q)?.innerText ?? ''", id))
}

// has reports whether the page that is shown has an element.
func has(t *testing.T, tab context.Context, id string) bool {
	t.Helper()
	return evaluate[bool](t, tab, fmt.Sprintf("document.getElementById(%q) !== null", id))
}

func evaluate[T any](t *testing.T, tab context.Context, expression string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v %s", expression, err, describe(tab))
	}
	return value
}

// describe says what a tab shows, for a failure.
func describe(tab context.Context) string {
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	where, _ := chromedp.Run(ctx, chromedp.Location())
	body, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body?.innerText ?? ''"))
	return fmt.Sprintf("at %s:\n%s", where, body)
}
