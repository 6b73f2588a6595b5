package sqlstore

import (
	"bytes"
	"context"
	"time"

	"github.com/signet-idp/signet/store"
)

// List implements store.Driver.
func (d *Driver) List(ctx context.Context, now time.Time, q store.Query) (store.Page, error) {
	limit, err := store.ValidateQuery(q)
	if err != nil {
		return store.Page{}, err
	}
	l, err := newListing(d.dialect, now.UnixMicro(), q)
	if err != nil {
		return store.Page{}, err
	}
	after, err := parseCursor(q)
	if err != nil {
		return store.Page{}, err
	}
	var rows []row
	var count int
	err = d.read(ctx, func(ctx context.Context, s querier) error {
		if err := l.plan(ctx, s); err != nil {
			return err
		}
		if rows, err = l.page(ctx, s, after, limit+1); err != nil || q.Count == 0 {
			return err
		}
		text := l.countText(q.Count)
		return s.rows(ctx, text.String(), text.args, func(scan func(...any) error) error { return scan(&count) })
	})
	if err != nil {
		return store.Page{}, err
	}
	page := store.Page{Count: count}
	if len(rows) > limit {
		rows = rows[:limit]
		page.Next = rows[limit-1].cursor().encode(q)
	}
	page.Records = make([]store.Record, len(rows))
	for i := range rows {
		page.Records[i] = rows[i].record
	}
	return page, nil
}

// row is a record that was listed, with the value by which it was sorted.
type row struct {
	record store.Record
	key    []byte
}

func (r *row) cursor() cursor {
	return cursor{key: r.key, org: r.record.Org, id: r.record.ID}
}

// page reads up to limit rows behind after, which may be nil, from one stage after another.
func (l *listing) page(ctx context.Context, s querier, after *cursor, limit int) ([]row, error) {
	var rows []row
	for i, stage := range l.stages {
		if after != nil && len(l.stages) == 2 && i == 0 && (stage.lacking != "") != bytes.Equal(after.key, lacks) {
			continue // the page before ended in the other stage
		}
		text := l.pageText(stage, after, limit-len(rows))
		err := s.rows(ctx, text.String(), text.args, func(scan func(...any) error) error {
			r := row{record: store.Record{Kind: l.query.Kind}}
			var expires int64
			err := scan(&r.record.Org, &r.record.ID, &r.record.Version, &expires, &r.record.Schema, &r.record.Count,
				&r.record.Body, &r.key)
			r.record.Expires = fromMicros(expires)
			rows = append(rows, r)
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(rows) == limit {
			break
		}
		after = nil
	}
	return rows, nil
}
