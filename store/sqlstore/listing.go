package sqlstore

import (
	"context"
	"strings"

	"github.com/signet-idp/signet/store"
)

// listing turns a Query into statements. Its records come in one or two stages:
//
//   - where few entries meet some term of the filter, one stage goes through those, and sorts what it finds;
//   - else, where a field is to be sorted by, one stage goes through the field's entries in their order, and another,
//     before or behind it, through the records that have none, if there may be any;
//   - else, where some term is an eq, one stage goes through its entries, which are in order;
//   - else one stage goes through the records.
//
// Whatever else the filter demands is probed for each candidate by the primary key of the entries. CROSS JOIN says what
// it says everywhere, and to SQLite also that the tables be gone through in this order.
type listing struct {
	dialect *Dialect
	now     int64
	query   store.Query
	filter  store.Filter
	terms   []term
	stages  []stage
	// counted is the stage that finds all matches, in whatever order.
	counted stage
}

// stage is one walk through an index.
type stage struct {
	// field and bounds are the entries to go through; without a field, the stage goes through the records.
	field  string
	bounds bounds
	// sorted says that the entries' own order is the one that is asked for.
	sorted bool
	// repeated says that a record may have several entries within the bounds.
	repeated bool
	// lacking is a field that records must not have.
	lacking string
	// term is the part of the filter that the stage meets by itself.
	term store.Filter
}

// alias is the table whose org and id are in the order of the walk.
func (st stage) alias() string {
	if st.field == "" {
		return "r"
	}
	return "f"
}

func newListing(dialect *Dialect, now int64, q store.Query) (*listing, error) {
	l := &listing{dialect: dialect, now: now, query: q, filter: q.Filter}
	if q.Filter == nil {
		l.filter = store.And(nil)
	}
	var err error
	if l.terms, err = promised(l.filter, nil, new(int)); err != nil {
		return nil, err
	}
	if len(l.terms) == 0 && !isEmpty(l.filter) {
		return nil, store.ErrUnindexed // conditions, but none that an index could lead to
	}
	return l, nil
}

// few is up to how many entries are sorted rather than walked through in order.
const few = 2000

// plan chooses the stages. Where there is a choice it asks how many entries are behind each term, up to few: the answer
// may change from page to page, and only speed depends on it.
func (l *listing) plan(ctx context.Context, s *session) error {
	best, least, err := l.narrowest(ctx, s)
	if err != nil {
		return err
	}
	if best != nil {
		l.counted = stage{field: best.field, bounds: best.bounds, term: best.filter}
		if l.counted.repeated, err = l.repeated(ctx, s, best); err != nil {
			return err
		}
	}
	switch {
	case best != nil && (least < few || l.query.Sort == "" && best.bounds.exact):
		l.stages = []stage{l.counted}
	case l.query.Sort == "":
		l.stages = []stage{{}}
	default:
		return l.planSorted(ctx, s)
	}
	return nil
}

// planSorted chooses the stages that go through the field to sort by.
func (l *listing) planSorted(ctx context.Context, s *session) error {
	p, err := l.presence(ctx, s, l.query.Sort)
	if err != nil {
		return err
	}
	with := stage{field: l.query.Sort, sorted: true, repeated: p.repeated, term: store.Present{Field: l.query.Sort}}
	without := stage{lacking: l.query.Sort}
	for _, t := range l.terms {
		if t.field != l.query.Sort {
			continue
		}
		p.lacked = false // the filter leaves none without
		if !p.repeated { // what a record is sorted by is what the term is about
			with.bounds, with.term = t.bounds, t.filter
		}
	}
	switch {
	case !p.lacked:
		l.stages = []stage{with}
	case l.query.Descending:
		l.stages = []stage{without, with}
	default:
		l.stages = []stage{with, without}
	}
	return nil
}

// repeated reports whether a record may have several entries behind a term.
func (l *listing) repeated(ctx context.Context, s *session, t *term) (bool, error) {
	if t.bounds.exact {
		return false, nil
	}
	p, err := l.presence(ctx, s, t.field)
	return p.repeated, err
}

// narrowest returns the term with the fewest entries and their number, as far as that makes a difference. Where terms
// are alike, the one whose form promises less comes before.
func (l *listing) narrowest(ctx context.Context, s *session) (best *term, least int, err error) {
	for i := range l.terms {
		t, size := &l.terms[i], few
		if len(l.terms) > 1 || l.query.Sort != "" || !t.bounds.exact {
			if size, err = l.size(ctx, s, t); err != nil {
				return nil, 0, err
			}
		}
		if best == nil || size < least || size == least && t.rank > best.rank {
			best, least = t, size
		}
	}
	return best, least, nil
}

// size counts the entries behind a term, no further than few.
func (l *listing) size(ctx context.Context, s *session, t *term) (n int, err error) {
	text := l.newStatement()
	text.add("SELECT COUNT(*) FROM (SELECT 1 FROM signet_entries AS f"+l.index()+
		" WHERE f.kind = ? AND f.field = ?", l.query.Kind.Name, t.field)
	t.bounds.add(text, "f.value")
	l.within(text, "f.org")
	text.add(" LIMIT ?) AS b", int64(few))
	err = s.rows(ctx, text.String(), text.args, func(scan func(...any) error) error { return scan(&n) })
	return n, err
}

// isEmpty reports whether f is an And of nothing.
func isEmpty(f store.Filter) bool {
	and, ok := f.(store.And)
	if !ok {
		return false
	}
	for _, part := range and {
		if !isEmpty(part) {
			return false
		}
	}
	return true
}

// term is a condition that an index leads to.
type term struct {
	filter store.Filter
	field  string
	bounds bounds
	rank   int
}

// The ranks of terms: how few records are behind one, as far as its form tells.
const (
	byPresence = iota
	byRange
	byPrefix
	byValue
)

// maxTerms bounds a filter: beyond it a statement would be refused by the database.
const maxTerms = 50

// promised lists the terms of f that an index serves, itself or the parts of an And. A filter that cannot be probed for
// is store.ErrUnindexed.
func promised(f store.Filter, terms []term, size *int) ([]term, error) {
	if *size++; *size > maxTerms {
		return nil, store.ErrUnindexed
	}
	switch f := f.(type) {
	case store.And:
		for _, part := range f {
			var err error
			if terms, err = promised(part, terms, size); err != nil {
				return nil, err
			}
		}
		return terms, nil
	case store.Present:
		return append(terms, term{filter: f, field: f.Field, rank: byPresence}), nil
	case store.Compare:
		b, ok := boundsOf(f)
		if !ok {
			return nil, store.ErrUnindexed
		}
		rank := byRange
		switch f.Operator {
		case store.Eq:
			rank = byValue
		case store.StartsWith:
			rank = byPrefix
		}
		return append(terms, term{filter: f, field: f.Field, bounds: b, rank: rank}), nil
	case store.Or:
		for _, part := range f {
			if _, err := promised(part, nil, size); err != nil {
				return nil, err
			}
		}
		return terms, nil
	case store.Not:
		_, err := promised(f.Filter, nil, size)
		return terms, err
	default:
		return nil, store.ErrUnindexed
	}
}

// bounds are the stored values between which a condition holds. Without low, all do.
type bounds struct {
	low, high []byte
	// exact means low alone.
	exact bool
	// open excludes low, and closed includes high.
	open, closed bool
}

// boundsOf returns the bounds of a comparison that an index serves.
func boundsOf(c store.Compare) (bounds, bool) {
	if c.Value.Type > store.TimeValue {
		return bounds{}, false
	}
	value := encode(c.Value)
	first, last := []byte{byte(c.Value.Type)}, []byte{byte(c.Value.Type) + 1}
	switch c.Operator {
	case store.Eq:
		return bounds{low: value, exact: true}, true
	case store.StartsWith:
		if c.Value.Type != store.TextValue {
			return bounds{low: value, high: value}, true // never holds
		}
		return bounds{low: value, high: successor(value)}, true
	case store.Gt:
		return bounds{low: value, open: true, high: last}, true
	case store.Ge:
		return bounds{low: value, high: last}, true
	case store.Lt:
		return bounds{low: first, high: value}, true
	case store.Le:
		return bounds{low: first, high: value, closed: true}, true
	}
	return bounds{}, false
}

// successor returns the least value that is greater than all that begin with prefix. Its first byte is a type, which is
// never 0xff.
func successor(prefix []byte) []byte {
	next := append([]byte(nil), prefix...)
	for next[len(next)-1] == 0xff {
		next = next[:len(next)-1]
	}
	next[len(next)-1]++
	return next
}

// lacks is what records without an entry of the sorted field are sorted by: behind every stored value.
var lacks = []byte{0xff}

// statement is a statement that is being written.
type statement struct {
	strings.Builder
	placeholder func(int) string
	args        []any
}

func (l *listing) newStatement() *statement { return &statement{placeholder: l.dialect.Placeholder} }

// add writes text and takes one argument for each question mark in it.
func (s *statement) add(text string, args ...any) {
	for _, arg := range args {
		before, after, _ := strings.Cut(text, "?")
		s.args = append(s.args, arg)
		s.WriteString(before)
		if s.placeholder == nil {
			s.WriteByte('?')
		} else {
			s.WriteString(s.placeholder(len(s.args)))
		}
		text = after
	}
	s.WriteString(text)
}

// pageText is the statement that reads up to limit records of a stage behind after.
func (l *listing) pageText(st stage, after *cursor, limit int) *statement {
	s := l.newStatement()
	s.add("SELECT r.org, r.id, r.version, r.expires, r.schema, r.count, r.body, p.k FROM (")
	l.candidates(s, st)
	if after != nil {
		l.behind(s, st, after)
	}
	s.add(" ORDER BY "+l.order(st, "")+" LIMIT ?", int64(limit))
	s.add(") AS p CROSS JOIN signet_records AS r WHERE r.kind = ? AND r.org = p.org AND r.id = p.id", l.query.Kind.Name)
	s.add(" ORDER BY " + l.order(st, "p."))
	return s
}

// behind writes that a candidate comes after the last one of the page before. A cursor is a place in the order that
// was asked for, whatever the stages were that found it.
func (l *listing) behind(s *statement, st stage, after *cursor) {
	relation := " > "
	if l.query.Descending {
		relation = " < "
	}
	place := st.alias() + ".org, " + st.alias() + ".id)"
	if l.query.Sort == "" || st.lacking != "" {
		s.add(" AND ("+place+relation+"(?, ?)", after.org, after.id)
		return
	}
	s.add(" AND (")
	l.key(s, st)
	s.add(", "+place+relation+"(?, ?, ?)", after.key, after.org, after.id)
}

// countText is the statement that counts matches up to bound.
func (l *listing) countText(bound int) *statement {
	s := l.newStatement()
	s.add("SELECT COUNT(*) FROM (SELECT 1 FROM (")
	l.candidates(s, l.counted)
	s.add(") AS c LIMIT ?) AS b", int64(bound))
	return s
}

// order is the ORDER BY of a stage. Descending is the exact reverse.
func (l *listing) order(st stage, alias string) string {
	way := ""
	if l.query.Descending {
		way = " DESC"
	}
	place := alias + "org" + way + ", " + alias + "id" + way
	if l.query.Sort == "" || st.lacking != "" {
		return place
	}
	return alias + "k" + way + ", " + place
}

// index is the hint for going through entries: by value within one organization, or across many.
func (l *listing) index() string {
	switch {
	case l.dialect.Using == nil:
		return ""
	case l.query.Within == store.Here:
		return l.dialect.Using("signet_entries_here")
	}
	return l.dialect.Using("signet_entries_below")
}

// candidates writes the selection of org, id and k of all matches of a stage.
func (l *listing) candidates(s *statement, st stage) {
	kind := l.query.Kind.Name
	if st.field == "" {
		s.add("SELECT r.org AS org, r.id AS id, ")
		l.key(s, st)
		s.add(" AS k FROM signet_records AS r WHERE r.kind = ?", kind)
		l.within(s, "r.org")
	} else {
		s.add("SELECT f.org AS org, f.id AS id, ")
		l.key(s, st)
		s.add(" AS k FROM signet_entries AS f"+l.index()+" CROSS JOIN signet_records AS r"+
			" WHERE r.kind = ? AND r.org = f.org AND r.id = f.id AND f.kind = ? AND f.field = ?", kind, kind, st.field)
		st.bounds.add(s, "f.value")
		l.within(s, "f.org")
		if st.repeated { // of several entries of one record, the first stands for it
			s.add(" AND NOT EXISTS (SELECT 1 FROM signet_entries AS e"+
				" WHERE e.kind = ? AND e.org = f.org AND e.id = f.id AND e.field = ? AND e.value < f.value", kind, st.field)
			st.bounds.addLow(s, "e.value")
			s.add(")")
		}
	}
	s.add(" AND r.expires > ?", l.now)
	if st.lacking != "" {
		s.add(" AND NOT ")
		l.probe(s, st.lacking, bounds{})
	}
	l.condition(s, st, l.filter)
}

// key writes the expression of the value that a match is sorted by.
func (l *listing) key(s *statement, st stage) {
	switch {
	case l.query.Sort == "":
		s.add("NULL")
	case st.sorted:
		s.add("f.value")
	case st.lacking != "":
		s.add("?", lacks)
	default:
		s.add("COALESCE((SELECT MIN(e.value) FROM signet_entries AS e WHERE e.kind = ? AND e.org = "+st.alias()+".org"+
			" AND e.id = "+st.alias()+".id AND e.field = ?), x'ff')", l.query.Kind.Name, l.query.Sort)
	}
}

// within writes where the query looks.
func (l *listing) within(s *statement, column string) {
	org := l.query.Org
	switch {
	case l.query.Within == store.Here:
		s.add(" AND "+column+" = ?", org)
	case l.query.Within == store.Subtree && org != "":
		// One range that an index can walk, less the few neighbours in it: "/" and "0" are successive bytes.
		s.add(" AND "+column+" >= ? AND "+column+" < ? AND ("+column+" = ? OR "+column+" >= ?)", org, org+"0", org, org+"/")
	}
}

// condition writes the whole filter, except the term that the stage goes through anyway.
func (l *listing) condition(s *statement, st stage, f store.Filter) {
	if and, ok := f.(store.And); ok {
		for _, part := range and {
			l.condition(s, st, part)
		}
		return
	}
	switch f.(type) {
	case store.Compare, store.Present: // the others are not comparable
		if f == st.term {
			return
		}
	}
	s.add(" AND ")
	l.expression(s, f)
}

// expression writes a filter as a condition on the record r.
func (l *listing) expression(s *statement, f store.Filter) {
	switch f := f.(type) {
	case store.And:
		l.join(s, f, " AND ", "1 = 1")
	case store.Or:
		l.join(s, f, " OR ", "1 = 0")
	case store.Not:
		s.add("NOT (")
		l.expression(s, f.Filter)
		s.add(")")
	case store.Present:
		l.probe(s, f.Field, bounds{})
	case store.Compare:
		b, _ := boundsOf(f)
		l.probe(s, f.Field, b)
	}
}

func (l *listing) join(s *statement, parts []store.Filter, operator, empty string) {
	s.add("(")
	for i, part := range parts {
		if i > 0 {
			s.add(operator)
		}
		l.expression(s, part)
	}
	if len(parts) == 0 {
		s.add(empty)
	}
	s.add(")")
}

// probe writes whether the record r has an entry of the field within the bounds.
func (l *listing) probe(s *statement, field string, b bounds) {
	s.add("EXISTS (SELECT 1 FROM signet_entries AS e WHERE e.kind = ? AND e.org = r.org AND e.id = r.id AND e.field = ?",
		l.query.Kind.Name, field)
	b.add(s, "e.value")
	s.add(")")
}

func (b bounds) add(s *statement, column string) {
	if b.exact {
		s.add(" AND "+column+" = ?", b.low)
		return
	}
	b.addLow(s, column)
	switch {
	case b.high == nil:
	case b.closed:
		s.add(" AND "+column+" <= ?", b.high)
	default:
		s.add(" AND "+column+" < ?", b.high)
	}
}

func (b bounds) addLow(s *statement, column string) {
	switch {
	case b.low == nil:
	case b.open:
		s.add(" AND "+column+" > ?", b.low)
	default:
		s.add(" AND "+column+" >= ?", b.low)
	}
}
