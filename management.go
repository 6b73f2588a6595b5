package signet

import (
	"context"
	"net/http"

	"github.com/signet-idp/signet/store/directory"
)

// observed tells Config.Observer what came of each call by which somebody changes something: who it was, and whether it was done. A call
// of which the guard found out no caller is left to the guard.
func (p *Provider) observed(next http.Handler) http.Handler {
	if p.config.Observer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		o := &directory.Observation{Code: r.Pattern}
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r.WithContext(context.WithValue(r.Context(), observedKey{}, o)))
		if o.ClientID == "" && o.Subject == "" {
			return
		}
		missed, ok := p.seen.Admit(p.DB.Now())
		if !ok {
			return
		}
		o.Type, o.Missed, o.Address = managementOutcome(seen.status), missed, p.api.AddressGroup(r)
		p.config.Observer(r.Context(), *o)
	})
}

// managementOutcome is the type of an observation of a call that was answered with a status.
func managementOutcome(status int) string {
	switch {
	case status >= http.StatusInternalServerError:
		return "management.failed"
	case status >= http.StatusBadRequest:
		return "management.refused"
	}
	return "management.done"
}

// observedKey is the key of the Observation of a call in its context.
type observedKey struct{}

// observeCaller notes who makes a call.
func observeCaller(ctx context.Context, client, subject string) {
	if o, ok := ctx.Value(observedKey{}).(*directory.Observation); ok {
		o.ClientID, o.Subject = client, subject
	}
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
