package flow

import (
	"errors"
	"net/http"
	"slices"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/web"
)

const (
	// linkMethod is a mailed link, with a code beside it for who reads mail elsewhere. It is a way to begin and no second factor.
	linkMethod = "magic-link"
	// linkPath is where a link leads, and linkField the parameter that proves it.
	linkPath  = "/login/link"
	linkField = "mlt"
)

func magicLink(c *Config, site *web.Site) codeExecutor {
	executor := emailCode(c, site)
	executor.name, executor.template, executor.again = linkMethod, notify.MagicLink, notify.MagicLink
	executor.link = &c.MagicLink
	return executor
}

// openLink shows what a link from a message leads to, and changes nothing: programs that look through mail open links. In the browser
// that the flow belongs to there is a button, which proves it; another is told to type the code where the sign-in was begun, and gets
// nothing else.
func (e *Engine) openLink(w http.ResponseWriter, r *http.Request) {
	v := e.visit(w, r)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		e.fail(v, &Failure{Status: http.StatusMethodNotAllowed, Code: errMalformed.Code, Message: errMalformed.Message}, "")
		return
	}
	query, err := web.ReadQuery(r)
	if err != nil {
		e.fail(v, err, "")
		return
	}
	x, err := e.find(v, query.Value(flowField))
	switch {
	case errors.Is(err, errForeign):
		e.elsewhere(v)
	case err != nil:
		e.fail(v, err, "")
	default:
		if err := e.showLink(v, x, query.Value(linkField)); err != nil {
			e.fail(v, err, e.page(x))
		}
	}
}

// elsewhere is for a browser in which the sign-in was not begun. Nothing has failed.
func (e *Engine) elsewhere(r *visit) {
	web.NoStore(r.w.Header())
	r.transport.Fail(r.w, r.Request, Failure{
		Status: http.StatusOK, Code: "opened_elsewhere", Message: Message{ID: "magic-link.elsewhere", Level: Info},
		Correlation: web.NewCorrelationID(),
	})
}

// showLink asks to go on by the link. A flow that waits for none is shown as it stands.
func (e *Engine) showLink(r *visit, x *execution, token string) error {
	executor, ok := e.executors[x.Option].(codeExecutor)
	if x.Done || !ok || executor.link == nil {
		return e.show(r, x)
	}
	prompt, err := e.prompt(r.Context(), x)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(prompt.Fields, func(f Field) bool { return f.Name == linkField })
	if i < 0 {
		return e.show(r, x)
	}
	prompt.Fields = prompt.Fields[i : i+1]
	prompt.Fields[0].Value = token
	prompt.Title, prompt.Intro, prompt.Messages = Message{ID: "magic-link.confirm"}, Message{ID: "magic-link.confirm-intro"}, nil
	prompt.Actions = slices.DeleteFunc(prompt.Actions, func(a Action) bool { return a.Name != loginAction && a.Name != cancelAction })
	view, err := e.view(r.Context(), x, prompt)
	if err == nil {
		r.show(view)
	}
	return err
}
