package web_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/signet-idp/signet/internal/web"
)

// The answer has all four members, whatever is in them, and what is said of one request stays out of the others.
func TestProblem(t *testing.T) {
	t.Parallel()
	base := &web.ProblemError{Status: http.StatusBadRequest, Code: "XY-60001", Message: "The request is malformed."}
	for _, test := range []struct {
		problem *web.ProblemError
		status  int
		body    string
	}{
		{base.Saying("the body is too large"), http.StatusBadRequest, `{"code":"XY-60001","message":"The request is malformed.","description":"the body is too large","traceId":"t1"}`},
		{base.UnsupportedMediaType("must be JSON"), http.StatusUnsupportedMediaType, `{"code":"XY-60001","message":"The request is malformed.","description":"must be JSON","traceId":"t1"}`},
		{base, http.StatusBadRequest, `{"code":"XY-60001","message":"The request is malformed.","description":"","traceId":"t1"}`},
	} {
		w := httptest.NewRecorder()
		found, ok := errors.AsType[*web.ProblemError](errors.Join(test.problem))
		if !ok {
			t.Fatalf("%v is not found among errors", test.problem)
		}
		found.Write(w, "t1")
		if w.Code != test.status || w.Body.String() != test.body || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("got %d %s %v", w.Code, w.Body, w.Header())
		}
	}
}
