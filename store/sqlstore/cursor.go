package sqlstore

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"

	"github.com/signet-idp/signet/store"
)

// cursor is where a page ended: a place in the order of the query. Its text form is opaque for the caller and foreign for
// us: it is not authenticated, as it leads nowhere that the query itself does not lead.
type cursor struct {
	key     []byte
	org, id string
}

// cursorForm is the first byte of a cursor.
const cursorForm = 1

func (c cursor) encode(q store.Query) string {
	b := append([]byte{cursorForm}, fingerprint(q)...)
	for _, word := range []string{string(c.key), c.org, c.id} {
		b = binary.AppendUvarint(b, uint64(len(word)))
		b = append(b, word...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor reads q.After; without one it returns nil.
func parseCursor(q store.Query) (*cursor, error) {
	if q.After == "" {
		return nil, nil
	}
	refused := fmt.Errorf("%w: Query.After is not the cursor of a page of this query", store.ErrInvalid)
	b, err := base64.RawURLEncoding.Strict().DecodeString(q.After)
	mark := fingerprint(q)
	if err != nil || len(b) < 1+len(mark) || b[0] != cursorForm || string(b[1:1+len(mark)]) != string(mark) {
		return nil, refused
	}
	b = b[1+len(mark):]
	var words [3]string
	for i := range words {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, refused
		}
		words[i], b = string(b[size:size+int(n)]), b[size+int(n):]
	}
	if len(b) != 0 {
		return nil, refused
	}
	return &cursor{key: []byte(words[0]), org: words[1], id: words[2]}, nil
}

// fingerprint tells one query from another, whatever the size of its pages.
func fingerprint(q store.Query) []byte {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %d %q %t %#v", q.Kind.Name, q.Org, q.Within, q.Sort, q.Descending, q.Filter)
	return h.Sum(nil)
}
