package web

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// The bounds of a form. They are far above what any specification's request needs.
const (
	MaxFormBytes      = 64 << 10
	MaxFormParameters = 200
)

// Form is the parameters of a request, read once. A parameter without a value counts as absent (RFC 6749 §3.1).
type Form struct {
	values url.Values
}

// FormError says why a form was refused. Its text is safe to show.
type FormError struct {
	// Status is the HTTP status that fits: 400, 413 or 415.
	Status int
	// Problem is lower-case text for error_description.
	Problem string
}

// Error implements error.
func (e *FormError) Error() string { return "web: " + e.Problem }

// ReadQuery reads the parameters of the URL. A parameter that stands twice is refused unless it is named in repeatable
// (RFC 6749 §3.1).
func ReadQuery(r *http.Request, repeatable ...string) (Form, error) {
	if len(r.URL.RawQuery) > MaxFormBytes {
		return Form{}, &FormError{http.StatusRequestURITooLong, "the query is too long"}
	}
	return ParseForm(r.URL.RawQuery, repeatable...)
}

// ReadBody reads the parameters of an application/x-www-form-urlencoded body; those of the URL are not looked at.
func ReadBody(w http.ResponseWriter, r *http.Request, repeatable ...string) (Form, error) {
	if !isForm(r.Header.Get("Content-Type")) {
		return Form{}, &FormError{http.StatusUnsupportedMediaType, "the body must be application/x-www-form-urlencoded"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxFormBytes))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return Form{}, &FormError{http.StatusRequestEntityTooLarge, "the body is too large"}
		}
		return Form{}, &FormError{http.StatusBadRequest, "the body could not be read"}
	}
	return ParseForm(string(body), repeatable...)
}

// isForm reports whether a Content-Type is that of a form. Almost all have it without parameters.
func isForm(contentType string) bool {
	const form = "application/x-www-form-urlencoded"
	if contentType == form {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == form
}

// ParseForm decodes application/x-www-form-urlencoded text.
func ParseForm(text string, repeatable ...string) (Form, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return Form{}, &FormError{http.StatusBadRequest, "the parameters are not well-formed"}
	}
	if len(values) > MaxFormParameters {
		return Form{}, &FormError{http.StatusBadRequest, "there are too many parameters"}
	}
	for name, all := range values {
		if notText(name) || slices.ContainsFunc(all, notText) {
			return Form{}, &FormError{http.StatusBadRequest, "a parameter is not UTF-8 text"}
		}
		if len(all) > 1 && !slices.Contains(repeatable, name) {
			return Form{}, &FormError{http.StatusBadRequest, calling(name) + " stands more than once"}
		}
	}
	return Form{values}, nil
}

// calling names a parameter where its name cannot hurt: neither a quote nor a backslash may stand in an error_description
// (RFC 6749 §5.2), and nothing that a stranger made up should.
func calling(name string) string {
	if len(name) > 40 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "a parameter"
	}
	return "the parameter " + name
}

func notText(s string) bool {
	return !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0
}

// Value returns the value of a parameter, "" when it is absent or empty.
func (f Form) Value(name string) string { return f.values.Get(name) }

// Values returns the non-empty values of a repeatable parameter.
func (f Form) Values(name string) []string {
	return slices.DeleteFunc(slices.Clone(f.values[name]), func(s string) bool { return s == "" })
}

// Has reports whether the parameter stands in the form with a value.
func (f Form) Has(name string) bool { return f.values.Get(name) != "" }

// Names lists the parameters that stand in the form, in no order.
func (f Form) Names() []string {
	names := make([]string, 0, len(f.values))
	for name := range f.values {
		names = append(names, name)
	}
	return names
}

// Encode returns the form as application/x-www-form-urlencoded text, sorted by name.
func (f Form) Encode() string { return f.values.Encode() }
