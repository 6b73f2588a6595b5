package mysql

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// newText puts the arguments into a statement: int, int64, string, []byte or nil in the place of $1, $2 and so on.
//
// Statements are sent as text, because preparing one is a round trip of its own that nothing remembers beyond the connection. Text
// and bytes stand in them as hexadecimal literals and numbers as digits, so that no value can be anything but a value, whatever the
// character set, the SQL mode and the parameters of the connection are.
func newText(words string, args ...any) string {
	text := make([]byte, 0, len(words)+roomFor(args))
	for {
		before, after, more := strings.Cut(words, "$")
		text = append(text, before...)
		if !more {
			return string(text)
		}
		digits := len(after) - len(strings.TrimLeft(after, "0123456789"))
		if n, err := strconv.Atoi(after[:digits]); err == nil && n >= 1 && n <= len(args) {
			text = appendLiteral(text, args[n-1])
		}
		words = after[digits:]
	}
}

// roomFor is about how long the literals are.
func roomFor(args []any) int {
	n := 0
	for _, arg := range args {
		switch v := arg.(type) {
		case string:
			n += 2*len(v) + 3
		case []byte:
			n += 2*len(v) + 3
		default:
			n += 20
		}
	}
	return n
}

func appendLiteral(text []byte, arg any) []byte {
	switch v := arg.(type) {
	case string:
		return appendHex(text, []byte(v))
	case []byte:
		return appendHex(text, v)
	case int64:
		return strconv.AppendInt(text, v, 10)
	case int:
		return strconv.AppendInt(text, int64(v), 10)
	}
	return append(text, "NULL"...) // nil; nothing else is ever passed
}

func appendHex(text, value []byte) []byte {
	text = append(text, "x'"...)
	text = hex.AppendEncode(text, value)
	return append(text, '\'')
}
