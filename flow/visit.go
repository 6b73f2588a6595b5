package flow

import "net/http"

// visit is one request to a flow, and the way its answer goes: a page for a browser.
type visit struct {
	*http.Request
	w         http.ResponseWriter
	transport Transport
}

func (e *Engine) visit(w http.ResponseWriter, r *http.Request) *visit {
	return &visit{Request: r, w: w, transport: e.transport}
}

// show writes a view.
func (r *visit) show(v View) { r.transport.Show(r.w, r.Request, v) }

// goTo sends the browser on.
func (r *visit) goTo(to string) { redirect(r.w, to) }
