package strictjson

import "fmt"

// Kind says what is wrong with an input.
type Kind int

const (
	// Syntax: not JSON, or not all of it.
	Syntax Kind = iota + 1
	// Trailing: something other than white space after the value.
	Trailing
	// Encoding: not UTF-8, or an escape that is half a surrogate pair.
	Encoding
	// Duplicate: a member that its object already has.
	Duplicate
	// Case: a member whose name differs from a field's by case alone.
	Case
	// Unknown: a member without a field, under [RefuseUnknown].
	Unknown
	// Deep: nested beyond [Depth].
	Deep
	// Size: more bytes than the limit.
	Size
	// Type: JSON, but not what the target holds.
	Type
)

func (k Kind) String() string {
	switch k {
	case Syntax:
		return "syntax error"
	case Trailing:
		return "data after the value"
	case Encoding:
		return "invalid UTF-8"
	case Duplicate:
		return "duplicate member"
	case Case:
		return "member name in the wrong case"
	case Unknown:
		return "unknown member"
	case Deep:
		return "nested too deeply"
	case Size:
		return "too long"
	case Type:
		return "wrong type"
	}
	return "unknown error"
}

// Error says what is wrong with an input and where.
type Error struct {
	Kind Kind
	// Offset is the byte at which the fault was seen; for a Type as encoding/json reports
	// it, 0 where it does not.
	Offset int64
	// Member names the member at fault for Duplicate, Case and Unknown, and the path of
	// the field for a Type where it is known. It is the sender's text, of any length.
	Member string

	cause error
}

// Error quotes at most the beginning of the member's name and no value.
func (e *Error) Error() string {
	text := fmt.Sprintf("strictjson: %v at byte %d", e.Kind, e.Offset)
	if e.Member != "" {
		text += fmt.Sprintf(" (%.40q)", e.Member)
	}
	return text
}

// Unwrap returns the error of encoding/json, or of a type that unmarshals itself, for a
// Type; else nil.
func (e *Error) Unwrap() error { return e.cause }
