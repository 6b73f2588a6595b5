package sqlstore

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/signet-idp/signet/store"
)

// names are the index entries of a record in stored form, and the digest of them and of its unique keys.
type names struct {
	entries []entry
	// digest is nil when the record has neither keys nor entries.
	digest []byte
	// shape is "" for a record of an ephemeral kind, which is never listed.
	shape string
}

// bare is the shape of a record without entries.
const bare = "[]"

// entry is an index entry in stored form.
type entry struct {
	field string
	value []byte
}

func newNames(dialect *Dialect, r *store.Record) names {
	if r.Kind.Ephemeral {
		return names{}
	}
	if len(r.Keys) == 0 && len(r.Index) == 0 {
		return names{shape: bare}
	}
	n := names{entries: make([]entry, 0, len(r.Index))}
	for _, e := range r.Index {
		n.entries = append(n.entries, entry{e.Field, dialect.cut(encode(e.Value))})
	}
	slices.SortFunc(n.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.field, b.field), bytes.Compare(a.value, b.value))
	})
	n.entries = slices.CompactFunc(n.entries, entry.equal)
	n.digest = digest(r.Keys, n.entries)
	n.shape = shapeOf(n.entries)
	return n
}

func (e entry) equal(other entry) bool {
	return e.field == other.field && bytes.Equal(e.value, other.value)
}

// digest is the same for the same names in whatever order they were given. Its first half is that of the keys, its second
// that of the entries; either is zero when there are none.
func digest(keys []store.Key, entries []entry) []byte {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(a, b store.Key) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	})
	both := make([]byte, 32)
	var text []byte
	for _, k := range keys {
		text = appendWords(append(text, byte(k.Scope)), k.Name, k.Value)
	}
	if len(text) > 0 {
		sum := sha256.Sum256(text)
		copy(both[:16], sum[:])
	}
	text = text[:0]
	for _, e := range entries {
		text = appendWords(text, e.field, string(e.value))
	}
	if len(text) > 0 {
		sum := sha256.Sum256(text)
		copy(both[16:], sum[:])
	}
	return both
}

// appendWords appends words so that no other words give the same bytes.
func appendWords(text []byte, words ...string) []byte {
	for _, word := range words {
		text = binary.AppendUvarint(text, uint64(len(word)))
		text = append(text, word...)
	}
	return text
}

// hash names a unique key within its kind in as many bytes as any other, for databases whose indexes do not take long ones.
func hash(org string, k store.Key) []byte {
	if k.Scope == store.GlobalScope {
		org = ""
	}
	sum := sha256.Sum256(appendWords([]byte{byte(k.Scope)}, org, k.Name, k.Value))
	return sum[:]
}

// encode writes a value so that bytes compare as values do: the type, then text as it is, or a number with its sign
// turned, most significant byte first.
func encode(v store.Value) []byte {
	if v.Type == store.TextValue {
		return append([]byte{byte(v.Type)}, v.Text...)
	}
	return binary.BigEndian.AppendUint64([]byte{byte(v.Type)}, uint64(v.Number)^1<<63)
}
