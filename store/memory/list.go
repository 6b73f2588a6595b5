package memory

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/store"
)

// List implements store.Driver.
func (d *Driver) List(ctx context.Context, now time.Time, q store.Query) (store.Page, error) {
	if err := ctx.Err(); err != nil {
		return store.Page{}, err
	}
	var err error
	if q.Limit, err = store.ValidateQuery(q); err != nil {
		return store.Page{}, err
	}
	after, err := parseCursor(q.After)
	if err != nil {
		return store.Page{}, err
	}
	d.mu.RLock()
	s := scan{table: d.tables[q.Kind.Name], query: q, now: now}
	rows, count := s.run(after)
	d.mu.RUnlock()
	page := store.Page{Count: count}
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		page.Next = s.position(rows[q.Limit-1]).cursor()
	}
	for _, r := range rows {
		page.Records = append(page.Records, r.read())
	}
	return page, nil
}

// scan answers one Query.
type scan struct {
	table *table
	query store.Query
	now   time.Time
}

// run returns the rows of one page and, when there are more, one beyond it; and the number of all matches as far as
// the query wants it counted.
func (s *scan) run(after *position) (rows []*row, count int) {
	if s.table == nil {
		return nil, 0
	}
	for r := range s.matches(after) {
		if rows = append(rows, r); len(rows) > s.query.Limit {
			break
		}
	}
	if s.query.Count == 0 {
		return rows, 0
	}
	for range s.matches(nil) {
		if count++; count == s.query.Count {
			break
		}
	}
	return rows, count
}

// matches yields, in the order of the query, the rows that match it and come after a position.
func (s *scan) matches(after *position) iter.Seq[*row] {
	return func(yield func(*row) bool) {
		for r := range s.candidates(after) {
			if s.match(r) && (after == nil || s.compare(s.position(r), *after) > 0) && !yield(r) {
				return
			}
		}
	}
}

func (s *scan) match(r *row) bool {
	return r.alive(s.now) && s.reaches(r.record.Org) && (s.query.Filter == nil || s.query.Filter.Match(r.record.Index))
}

func (s *scan) reaches(org string) bool {
	switch s.query.Within {
	case store.Here:
		return org == s.query.Org
	case store.Subtree:
		return store.InSubtree(s.query.Org, org)
	}
	return true
}

// candidates yields, in the order of the query, a superset of the rows that match. It takes the narrowest stretch of
// an index when that is in order or small enough to be sorted, and all rows in order otherwise.
func (s *scan) candidates(after *position) iter.Seq[*row] {
	c := s.narrowest()
	switch {
	case c != nil && c.equal != nil && s.query.Sort == "":
		return rowsOf(c.index.walk(s.after(c.span, *c.equal, after), s.query.Descending))
	case c != nil && c.size <= 1000+len(s.table.rows)/8:
		return s.sorted(c)
	case s.query.Sort == "":
		return s.inOrder(after)
	}
	return s.bySortField(after)
}

// condition is a part of the filter that every match fulfils and that one stretch of an index answers.
type condition struct {
	index *index
	span  span
	equal *store.Value // the only value in the stretch, which is then in the order of (org, id)
	size  int
}

// narrowest returns the condition that the fewest rows fulfil, or nil when the filter has none.
func (s *scan) narrowest() *condition {
	var best *condition
	for _, c := range s.conditions(s.query.Filter) {
		if c.size = c.index.size(c.span); best == nil || c.size < best.size {
			best = &c
		}
	}
	return best
}

func (s *scan) conditions(f store.Filter) []condition {
	switch f := f.(type) {
	case store.And:
		var all []condition
		for _, part := range f {
			all = append(all, s.conditions(part)...)
		}
		return all
	case store.Present:
		return []condition{{index: s.table.fields[f.Field], span: everything}}
	case store.Compare:
		if f.Operator == store.Eq {
			return []condition{{index: s.table.fields[f.Field], span: s.equalSpan(f.Value), equal: &f.Value}}
		}
		if stretch := valueSpan(f); stretch != nil {
			return []condition{{index: s.table.fields[f.Field], span: stretch}}
		}
	}
	return nil
}

func (s *scan) equalSpan(want store.Value) span {
	orgs := s.orgSpan()
	return func(p posting) int {
		if c := p.value.Compare(want); c != 0 {
			return c
		}
		return orgs(p)
	}
}

// orgSpan is the stretch of one value's postings that holds all organizations within reach, and perhaps a few others.
func (s *scan) orgSpan() span {
	root := s.query.Org
	switch {
	case s.query.Within == store.Here:
		return func(p posting) int { return cmp.Compare(p.row.record.Org, root) }
	case s.query.Within == store.Subtree && root != "":
		end := root + "0" // the byte after "/"
		return func(p posting) int {
			switch org := p.row.record.Org; {
			case org < root:
				return -1
			case org >= end:
				return 1
			}
			return 0
		}
	}
	return everything
}

// valueSpan is the stretch of a field's index that fulfils the comparison, or nil when there is no such stretch.
func valueSpan(f store.Compare) span {
	switch f.Operator {
	case store.StartsWith:
		return func(p posting) int {
			if p.value.Type == store.TextValue && strings.HasPrefix(p.value.Text, f.Value.Text) {
				return 0
			}
			return p.value.Compare(store.Text(f.Value.Text))
		}
	case store.Gt, store.Ge, store.Lt, store.Le:
		return func(p posting) int { return relation(f.Operator, p.value, f.Value) }
	}
	return nil
}

func relation(o store.Operator, have, want store.Value) int {
	if have.Type != want.Type {
		return cmp.Compare(have.Type, want.Type)
	}
	switch c := have.Compare(want); {
	case o == store.Gt && c <= 0, o == store.Ge && c < 0:
		return -1
	case o == store.Lt && c >= 0, o == store.Le && c > 0:
		return 1
	}
	return 0
}

// sorted yields the rows of a stretch in the order of the query, each once.
func (s *scan) sorted(c *condition) iter.Seq[*row] {
	var rows []*row
	for r := range rowsOf(c.index.walk(c.span, false)) {
		if s.match(r) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b *row) int { return s.compare(s.position(a), s.position(b)) })
	return slices.Values(slices.Compact(rows))
}

// inOrder yields the rows by (org, id).
func (s *scan) inOrder(after *position) iter.Seq[*row] {
	return rowsOf(s.table.order.walk(s.after(s.orgSpan(), store.Value{}, after), s.query.Descending))
}

// bySortField yields the rows that have the field by their least value, and those without it after them.
func (s *scan) bySortField(after *position) iter.Seq[*row] {
	var parts []iter.Seq[*row]
	if descending := s.query.Descending; !descending {
		if after == nil || !after.missing {
			parts = append(parts, s.withField(after))
		}
		parts = append(parts, s.withoutField(after))
	} else {
		if after == nil || after.missing {
			parts = append(parts, s.withoutField(after))
		}
		parts = append(parts, s.withField(after))
	}
	return func(yield func(*row) bool) {
		for _, part := range parts {
			for r := range part {
				if !yield(r) {
					return
				}
			}
		}
	}
}

func (s *scan) withField(after *position) iter.Seq[*row] {
	stretch := span(everything)
	if after != nil && !after.missing {
		stretch = s.after(stretch, after.value, after)
	}
	return func(yield func(*row) bool) {
		for p := range s.table.fields[s.query.Sort].walk(stretch, s.query.Descending) {
			if least, _ := p.row.least(s.query.Sort); least == p.value && !yield(p.row) {
				return
			}
		}
	}
}

func (s *scan) withoutField(after *position) iter.Seq[*row] {
	if after != nil && !after.missing {
		after = nil
	}
	return func(yield func(*row) bool) {
		for r := range s.inOrder(after) {
			if _, ok := r.least(s.query.Sort); !ok && !yield(r) {
				return
			}
		}
	}
}

// after cuts from a stretch what comes before the position, and the position itself, in the direction of the query.
func (s *scan) after(stretch span, value store.Value, after *position) span {
	if after == nil {
		return stretch
	}
	last := posting{value: value, row: &row{record: store.Record{Kind: s.query.Kind, Org: after.org, ID: after.id}}}
	return func(p posting) int {
		switch c := p.compare(last); {
		case c <= 0 && !s.query.Descending:
			return -1
		case c >= 0 && s.query.Descending:
			return 1
		}
		return stretch(p)
	}
}

func rowsOf(postings iter.Seq[posting]) iter.Seq[*row] {
	return func(yield func(*row) bool) {
		for p := range postings {
			if !yield(p.row) {
				return
			}
		}
	}
}
