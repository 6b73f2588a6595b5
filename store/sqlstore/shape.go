package sqlstore

import (
	"context"
	"encoding/json"
	"slices"
)

// shapeOf returns the shape of sorted entries: the names of their fields, twice for a field that has several.
func shapeOf(entries []entry) string {
	fields := make([]string, 0, len(entries))
	for _, e := range entries {
		if n := len(fields); n < 2 || fields[n-1] != e.field || fields[n-2] != e.field {
			fields = append(fields, e.field)
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return bare // cannot happen to strings; List would only work harder
	}
	return string(text)
}

// maxKnown bounds the shapes that a Driver remembers to be in the database.
const maxKnown = 10_000

// shape records the shape of a record that is being written.
func (t *transaction) shape(p *plan) error {
	if p.names.shape == "" {
		return nil
	}
	kind := p.op.Record.Kind.Name
	place := kind + " " + p.names.shape
	if _, ok := t.known[place]; ok || slices.Contains(t.learned, place) {
		return nil
	}
	if err := t.exec(t.sql.InsertShape, kind, p.names.shape); err != nil {
		return err
	}
	t.learned = append(t.learned, place)
	return nil
}

// keep remembers what was learned in a transaction that stands. Only the holder of the writing session calls it.
func (t *transaction) keep() {
	if len(t.known)+len(t.learned) > maxKnown {
		clear(t.known)
	}
	for _, place := range t.learned {
		t.known[place] = struct{}{}
	}
}

// presence is what the shapes of a kind say about one field.
type presence struct {
	// lacked is set when records without the field may be there, repeated when records with several entries of it may.
	lacked, repeated bool
}

// presence reads the shapes of the kind.
func (l *listing) presence(ctx context.Context, s querier, field string) (presence, error) {
	var p presence
	err := s.rows(ctx, l.dialect.Statements.Shapes, []any{l.query.Kind.Name}, func(scan func(...any) error) error {
		var shape []byte
		if err := scan(&shape); err != nil {
			return err
		}
		var fields []string
		if err := json.Unmarshal(shape, &fields); err != nil {
			return err
		}
		i := slices.Index(fields, field)
		p.lacked = p.lacked || i < 0
		p.repeated = p.repeated || i >= 0 && i+1 < len(fields) && fields[i+1] == field
		return nil
	})
	return p, err
}
