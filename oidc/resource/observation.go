package resource

import "net/http"

// Observation is a request that was refused, for those who watch for attacks. It holds no token.
type Observation struct {
	// Code is the error of the answer: invalid_token, invalid_dpop_proof, insufficient_scope, …
	Code string
	// Method and Path are those of the request, and Address is where its connection comes from.
	Method, Path, Address string
	// Issuer, Subject and ClientID are those of a token that is good and not enough; "" of any other, for nothing that it says is proven.
	Issuer, Subject, ClientID string
	// Missed is how many were left out before it.
	Missed int
}

// observe tells the Observer of a refusal, unless there is a flood. A request without any token is no news.
func (g *Guard) observe(r *http.Request, e *refusal) {
	if g.config.Observer == nil || e.code == "" {
		return
	}
	missed, ok := g.seen.Admit(g.config.Now())
	if !ok {
		return
	}
	o := Observation{Code: e.code, Method: r.Method, Path: r.URL.Path, Address: r.RemoteAddr, Missed: missed}
	if t := e.token; t != nil {
		o.Issuer, o.Subject, o.ClientID = t.Issuer, t.Subject, t.ClientID
	}
	g.config.Observer(r.Context(), o)
}
