package memory

import (
	"cmp"
	"iter"
	"slices"
	"sort"

	"github.com/signet-idp/signet/store"
)

// posting is one place of a row in an index.
type posting struct {
	value store.Value
	row   *row
}

// compare orders by (value, org, id); the kind decides in the index by expiry, which holds rows of all kinds.
func (p posting) compare(q posting) int {
	a, b := &p.row.record, &q.row.record
	if c := p.value.Compare(q.value); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Kind.Name, b.Kind.Name))
}

// index is a sorted list of postings, cut into chunks so that a write moves few of them however long the list is.
type index struct {
	chunks [][]posting // none is empty
}

// chunkSize is how many postings a chunk may hold before it is cut in two.
const chunkSize = 128

func (x *index) insert(p posting) {
	c, i := x.search(func(q posting) bool { return q.compare(p) >= 0 })
	if c == len(x.chunks) && c > 0 {
		c--
		i = len(x.chunks[c])
	}
	if c == len(x.chunks) {
		x.chunks = append(x.chunks, nil)
	}
	chunk := slices.Insert(x.chunks[c], i, p)
	x.chunks[c] = chunk
	if len(chunk) > chunkSize {
		half := len(chunk) / 2
		x.chunks = slices.Insert(x.chunks, c+1, slices.Clone(chunk[half:]))
		clear(chunk[half:])
		x.chunks[c] = chunk[:half]
	}
}

func (x *index) remove(p posting) {
	c, i := x.search(func(q posting) bool { return q.compare(p) >= 0 })
	x.chunks[c] = slices.Delete(x.chunks[c], i, i+1)
	if len(x.chunks[c]) == 0 {
		x.chunks = slices.Delete(x.chunks, c, c+1)
	}
}

// search returns the place of the first posting for which reached holds. It must hold for all postings after that too.
func (x *index) search(reached func(posting) bool) (chunk, i int) {
	chunk = sort.Search(len(x.chunks), func(c int) bool { return reached(x.chunks[c][len(x.chunks[c])-1]) })
	if chunk == len(x.chunks) {
		return chunk, 0
	}
	i = sort.Search(len(x.chunks[chunk]), func(i int) bool { return reached(x.chunks[chunk][i]) })
	return chunk, i
}

// span is a stretch of an index: negative for postings before it, zero within, positive after it.
type span func(posting) int

func everything(posting) int { return 0 }

// walk yields the postings of a span in order, or in the opposite order.
func (x *index) walk(within span, descending bool) iter.Seq[posting] {
	if x == nil {
		return func(func(posting) bool) {}
	}
	if descending {
		return x.descend(within)
	}
	return x.ascend(within)
}

func (x *index) ascend(within span) iter.Seq[posting] {
	return func(yield func(posting) bool) {
		c, i := x.search(func(p posting) bool { return within(p) >= 0 })
		for ; c < len(x.chunks); c, i = c+1, 0 {
			for _, p := range x.chunks[c][i:] {
				if within(p) > 0 || !yield(p) {
					return
				}
			}
		}
	}
}

func (x *index) descend(within span) iter.Seq[posting] {
	return func(yield func(posting) bool) {
		c, i := x.search(func(p posting) bool { return within(p) > 0 })
		for {
			for i--; i >= 0; i-- {
				if p := x.chunks[c][i]; within(p) < 0 || !yield(p) {
					return
				}
			}
			if c--; c < 0 {
				return
			}
			i = len(x.chunks[c])
		}
	}
}

// size estimates how many postings a span holds, without walking through it.
func (x *index) size(within span) int {
	if x == nil {
		return 0
	}
	c0, i0 := x.search(func(p posting) bool { return within(p) >= 0 })
	c1, i1 := x.search(func(p posting) bool { return within(p) > 0 })
	return (c1-c0)*chunkSize + i1 - i0
}
