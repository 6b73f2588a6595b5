package sqlstore

import (
	"context"

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
	if l.terms, err = promised(dialect, l.filter, nil, new(int)); err != nil {
		return nil, err
	}
	if len(l.terms) == 0 && !isEmpty(l.filter) {
		return nil, store.ErrUnindexed // conditions, but none that an index could lead to
	}
	return l, nil
}

// few is up to how many entries are sorted rather than walked through in order; where a term has less than glance, no other
// term is counted any further: the rest of what a page costs is more than they could save.
const few, glance = 2000, 32

// plan chooses the stages. Where there is a choice it asks how many entries are behind each term, up to few: the answer
// may change from page to page, and only speed depends on it.
func (l *listing) plan(ctx context.Context, s querier) error {
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
func (l *listing) planSorted(ctx context.Context, s querier) error {
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
		p.lacked = false                       // the filter leaves none without
		if !p.repeated && !with.bounds.exact { // what a record is sorted by is what the term is about
			with.bounds, with.term = with.bounds.and(t.bounds), t.filter
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
func (l *listing) repeated(ctx context.Context, s querier, t *term) (bool, error) {
	if t.bounds.exact {
		return false, nil
	}
	p, err := l.presence(ctx, s, t.field)
	return p.repeated, err
}

// narrowest returns the term with the fewest entries and their number, as far as that makes a difference. Where terms
// are alike, the one whose form promises less comes before.
func (l *listing) narrowest(ctx context.Context, s querier) (best *term, least int, err error) {
	if len(l.terms) == 1 && l.query.Sort == "" && l.terms[0].bounds.exact {
		return &l.terms[0], few, nil
	}
	if len(l.terms) > 1 {
		if best, least, err = l.fewest(ctx, s, glance); err != nil || least < glance {
			return best, least, err
		}
	}
	return l.fewest(ctx, s, few)
}

// fewest is narrowest for entries that are counted up to most.
func (l *listing) fewest(ctx context.Context, s querier, most int) (best *term, least int, err error) {
	for i := range l.terms {
		t := &l.terms[i]
		size, err := l.size(ctx, s, t, most)
		if err != nil {
			return nil, 0, err
		}
		if best == nil || size < least || size == least && t.rank > best.rank {
			best, least = t, size
		}
	}
	return best, least, nil
}

// size counts the entries behind a term, no further than most.
func (l *listing) size(ctx context.Context, s querier, t *term, most int) (n int, err error) {
	text := l.newStatement()
	text.add("SELECT COUNT(*) FROM (SELECT 1 FROM signet_entries AS f"+l.index()+
		" WHERE f.kind = ? AND f.field = ?", l.query.Kind.Name, l.dialect.text(t.field))
	t.bounds.add(text, "f.value")
	l.within(text, "f.org")
	text.add(" LIMIT ?) AS b", int64(most))
	err = s.rows(ctx, text.String(), text.args, func(scan func(...any) error) error { return scan(&n) })
	return n, err
}
