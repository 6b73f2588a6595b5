package sqlstore

import "github.com/signet-idp/signet/store"

// RoundTrip reads q.After and writes it again; "" is no cursor.
func RoundTrip(q store.Query) (string, error) {
	c, err := parseCursor(q)
	if c == nil || err != nil {
		return "", err
	}
	return c.encode(q), nil
}

// CursorOf writes a cursor.
func CursorOf(q store.Query, key []byte, org, id string) string {
	return cursor{key: key, org: org, id: id}.encode(q)
}

// Encode writes a value as it is stored.
var Encode = encode
