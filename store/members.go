package store

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// unknownMembers returns the top-level members of a JSON object whose names are not known, nil when there are none.
// body has been accepted by encoding/json already, so the walk only needs to find where members begin and end: it is on
// the path of every read, and almost every read finds nothing.
func unknownMembers(body []byte, known map[string]bool) (map[string]json.RawMessage, error) {
	for name := range memberNames(body) {
		if !known[string(name)] {
			return splitMembers(body, known)
		}
	}
	return nil, nil
}

func splitMembers(body []byte, known map[string]bool) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, err
	}
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool { return taken(known, name) })
	return all, nil
}

// taken reports whether encoding/json took the member for a known one, which it also does when only the case differs.
// Such a member must not come back beside the known one: read after it, it would undo what was written.
func taken(known map[string]bool, name string) bool {
	if known[name] {
		return true
	}
	for k := range known {
		if strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}

// memberNames yields the raw names of the top-level members. A name with an escape is yielded as it stands, which makes
// it unknown and sends the caller to the slow, exact way.
func memberNames(body []byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		depth, expectName := 0, false
		for i := 0; i < len(body); i++ {
			switch body[i] {
			case '{', '[':
				depth++
				expectName = depth == 1
			case '}', ']':
				depth--
			case ',':
				expectName = depth == 1
			case '"':
				end := stringEnd(body, i)
				if depth == 1 && expectName {
					if !yield(body[i+1 : end]) {
						return
					}
					expectName = false
				}
				i = end
			}
		}
	}
}

// stringEnd returns the index of the quote that ends the string that begins at start, or the last index.
func stringEnd(body []byte, start int) int {
	for i := start + 1; i < len(body); i++ {
		switch body[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return max(start+1, len(body)-1)
}

// appendMembers adds members to a JSON object that does not have them.
func appendMembers(body []byte, extra map[string]json.RawMessage) ([]byte, error) {
	if len(extra) == 0 {
		return body, nil
	}
	out := bytes.TrimSuffix(body, []byte("}"))
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, quoted...), ':'), extra[name]...)
	}
	return append(out, '}'), nil
}
