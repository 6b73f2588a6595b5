package sqlstore

import (
	"strings"

	"github.com/signet-idp/signet/store"
)

// lacks is what records without an entry of the sorted field are sorted by: behind every stored value.
var lacks = []byte{0xff}

// statement is a statement that is being written.
type statement struct {
	strings.Builder
	dialect *Dialect
	args    []any
}

func (l *listing) newStatement() *statement { return &statement{dialect: l.dialect} }

// String returns the statement with the names that the tables have.
func (s *statement) String() string { return s.dialect.named(s.Builder.String()) }

// add writes text and takes one argument for each question mark in it.
func (s *statement) add(text string, args ...any) {
	for _, arg := range args {
		before, after, _ := strings.Cut(text, "?")
		s.args = append(s.args, arg)
		s.WriteString(before)
		s.WriteString(s.dialect.placeholder(len(s.args)))
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
	s.add(") AS p")
	l.record(s, "p")
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
	if byKey := l.query.Sort != "" && st.lacking == ""; l.dialect.Stepwise && (!byKey || st.sorted) {
		l.stepwise(s, st, after, relation, byKey)
		return
	}
	// Within one organization its path says nothing, and would only keep an index from being walked from the right place.
	place, marks, args := st.alias()+".id", "?", []any{l.dialect.text(after.id)}
	if l.query.Within != store.Here {
		place, marks, args = st.alias()+".org, "+place, "?, ?", append([]any{l.dialect.text(after.org)}, args...)
	}
	if l.query.Sort == "" || st.lacking != "" {
		s.add(" AND ("+place+")"+relation+"("+marks+")", args...)
		return
	}
	s.add(" AND (")
	l.key(s, st)
	s.add(", "+place+")"+relation+"(?, "+marks+")", append([]any{after.key}, args...)...)
}

// stepwise is behind for a stage that goes through an index in the order that was asked for: one range for each column.
func (l *listing) stepwise(s *statement, st stage, after *cursor, relation string, byKey bool) {
	var columns []string
	var values []any
	if byKey {
		columns, values = append(columns, "f.value"), append(values, after.key)
	}
	if l.query.Within != store.Here {
		columns, values = append(columns, st.alias()+".org"), append(values, l.dialect.text(after.org))
	}
	columns, values = append(columns, st.alias()+".id"), append(values, l.dialect.text(after.id))
	s.add(" AND (")
	for i := range columns {
		if i > 0 {
			s.add(" OR ")
		}
		for j := range i {
			s.add(columns[j]+" = ? AND ", values[j])
		}
		s.add(columns[i]+relation+"?", values[i])
	}
	s.add(")")
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
		return l.dialect.Using("entries_here")
	}
	return l.dialect.Using("entries_below")
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
		s.add(" AS k FROM signet_entries AS f" + l.index())
		l.record(s, "f")
		s.add(" AND f.kind = ? AND f.field = ?", kind, l.dialect.text(st.field))
		st.bounds.add(s, "f.value")
		l.within(s, "f.org")
		if st.repeated { // of several entries of one record, the first stands for it
			s.add(" AND NOT EXISTS (SELECT 1 FROM signet_entries AS e"+
				" WHERE e.kind = ? AND e.org = f.org AND e.id = f.id AND "+l.dialect.unsought("e.field")+" = ? AND e.value < f.value", kind, l.dialect.text(st.field))
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

// record joins the record r of each row of alias, and begins the WHERE.
func (l *listing) record(s *statement, alias string) {
	fence := l.dialect.Fence
	if fence == "" {
		s.add(" CROSS JOIN signet_records AS r WHERE r.kind = ? AND r.org = "+alias+".org AND r.id = "+alias+".id", l.query.Kind.Name)
		return
	}
	s.add(" CROSS JOIN LATERAL (SELECT * FROM signet_records AS r WHERE r.kind = ? AND r.org = "+alias+".org AND r.id = "+alias+".id"+
		fence+") AS r WHERE 1 = 1", l.query.Kind.Name)
}

// key writes the expression of the value that a match is sorted by.
func (l *listing) key(s *statement, st stage) {
	switch {
	case l.query.Sort == "":
		s.add("NULL")
	case st.sorted:
		s.add("f.value")
	case st.lacking != "":
		s.add(l.dialect.lacks())
	default:
		s.add("COALESCE((SELECT e.value FROM signet_entries AS e WHERE e.kind = ? AND e.org = "+st.alias()+".org"+
			" AND e.id = "+st.alias()+".id AND "+l.dialect.unsought("e.field")+" = ? ORDER BY e.value LIMIT 1), "+l.dialect.lacks()+")",
			l.query.Kind.Name, l.dialect.text(l.query.Sort))
	}
}

// within writes where the query looks.
func (l *listing) within(s *statement, column string) {
	text := l.dialect.text
	org := l.query.Org
	switch {
	case l.query.Within == store.Here:
		s.add(" AND "+column+" = ?", text(org))
	case l.query.Within == store.Subtree && org != "":
		// One range that an index can walk, less the few neighbours in it: "/" and "0" are successive bytes.
		s.add(" AND "+column+" >= ? AND "+column+" < ? AND ("+column+" = ? OR "+column+" >= ?)", text(org), text(org+"0"), text(org), text(org+"/"))
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
		b, _ := boundsOf(l.dialect, f)
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
	column := "e.field"
	if !b.exact { // an exact one has one place in every index
		column = l.dialect.unsought(column)
	}
	s.add("EXISTS (SELECT 1 FROM signet_entries AS e WHERE e.kind = ? AND e.org = r.org AND e.id = r.id AND "+column+" = ?",
		l.query.Kind.Name, l.dialect.text(field))
	b.add(s, "e.value")
	s.add(l.dialect.Fence + ")")
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
