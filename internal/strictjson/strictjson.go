// Package strictjson is the one decoder for JSON that somebody else wrote.
//
// It accepts what encoding/json accepts, decodes it to the same values, and refuses the
// inputs that two readers can understand differently (RFC 8259 §4, RFC 7493): a member
// that appears twice, a member whose name differs only by case from a field of the Go
// struct (encoding/json would take it for the field), bytes after the value, text that
// is not UTF-8, escapes that are half a surrogate pair; and those that cost too much:
// deep nesting and, in [Decode], length.
//
// Case variants are looked for along the static type of the target. A type that
// unmarshals itself, or a value that waits in an interface, gets a text without
// duplicates, but has to mind case variants on its own.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
)

// DefaultDepth is how deep arrays and objects may nest unless [Depth] says otherwise.
const DefaultDepth = 32

// Option changes one rule for one call.
type Option func(rules) rules

type rules struct {
	depth         int
	refuseUnknown bool
	useNumber     bool
}

// Depth sets how deep arrays and objects may nest; a value that is neither has depth 0.
func Depth(n int) Option { return func(r rules) rules { r.depth = n; return r } }

// RefuseUnknown refuses members for which the target struct has no field.
func RefuseUnknown() Option { return func(r rules) rules { r.refuseUnknown = true; return r } }

// UseNumber decodes numbers into an interface as [json.Number] instead of float64, which
// loses integers beyond 2^53.
func UseNumber() Option { return func(r rules) rules { r.useNumber = true; return r } }

// Unmarshal decodes data into what v points to, as [json.Unmarshal] does. Its error is an
// [*Error]. After an error *v is what it was before, except for what it refers to through
// pointers, maps and slices of its own.
func Unmarshal(data []byte, v any, opts ...Option) error {
	r := rules{depth: DefaultDepth}
	for _, opt := range opts {
		r = opt(r)
	}
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return &Error{Kind: Type, cause: &json.InvalidUnmarshalError{Type: reflect.TypeOf(v)}}
	}
	s := scanner{data: data, rules: r}
	if err := s.document(staticType(target)); err != nil {
		return err
	}
	before := copyOf(target.Elem())
	if err := r.decode(data, v); err != nil {
		target.Elem().Set(before)
		return typeError(err, len(data))
	}
	return nil
}

func copyOf(v reflect.Value) reflect.Value {
	if v.IsZero() {
		return reflect.Zero(v.Type()) // as most targets are, and it costs nothing
	}
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

// Decode reads one value from r, which has to end with it, and decodes it like
// [Unmarshal]. An input of more than limit bytes is refused with [Size]. An error of r
// itself is no [*Error]; it is wrapped.
func Decode(r io.Reader, limit int64, v any, opts ...Option) error {
	limit = max(0, min(limit, math.MaxInt64-1))
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return fmt.Errorf("strictjson: reading: %w", err)
	}
	if int64(len(data)) > limit {
		return &Error{Kind: Size, Offset: limit}
	}
	return Unmarshal(data, v, opts...)
}

func (r rules) decode(data []byte, v any) error {
	if !r.useNumber {
		return json.Unmarshal(data, v)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v)
}

// staticType is the type that is decoded into. A pointer that waits in v, or in an
// interface that v points to, is followed as encoding/json follows it; an interface that
// holds its own address ends the search, there as here.
func staticType(v reflect.Value) reflect.Type {
	for {
		inner := v.Elem()
		if inner.Kind() == reflect.Interface && !inner.Elem().Equal(v) {
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Pointer || inner.IsNil() {
			return v.Type().Elem()
		}
		v = inner
	}
}

func typeError(err error, length int) error {
	e := &Error{Kind: Type, cause: err}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		// encoding/json counts one byte too many for a number that is the whole text.
		e.Offset = min(mismatch.Offset, int64(length))
		e.Member = mismatch.Field
	}
	return e
}
