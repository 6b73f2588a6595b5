package memory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
)

// FuzzCursor feeds cursors that clients may have altered: they are refused, or lead to some page of the same records.
func FuzzCursor(f *testing.F) {
	ctx, now, kind := context.Background(), time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC), store.Kind{Name: "example.note"}
	driver := memory.New()
	for n := range 9 {
		r := store.Record{Kind: kind, ID: fmt.Sprint(n)}
		if n%3 != 0 {
			r.Index = []store.Entry{{Field: "f", Value: store.Text(fmt.Sprint("\xff", n/2))}}
		}
		if _, err := driver.Apply(ctx, now, store.Insert(r)); err != nil {
			f.Fatal(err)
		}
	}
	for _, q := range []store.Query{{}, {Sort: "f"}, {Sort: "f", Descending: true}} {
		q.Kind, q.Limit = kind, 2
		for {
			page, err := driver.List(ctx, now, q)
			if err != nil {
				f.Fatal(err)
			}
			if q.After = page.Next; q.After == "" {
				break
			}
			f.Add(q.After, q.Sort, q.Descending)
		}
	}
	f.Add("e30", "f", true)
	f.Add("not a cursor", "", false)
	f.Fuzz(func(t *testing.T, after, sort string, descending bool) {
		page, err := driver.List(ctx, now, store.Query{Kind: kind, After: after, Sort: sort, Descending: descending, Count: 99})
		if err != nil && !errors.Is(err, store.ErrInvalid) {
			t.Errorf("a foreign cursor is an invalid query, not: %v", err)
		}
		if err == nil && (len(page.Records) > 9 || page.Count != 9) {
			t.Errorf("a page of %d of %d records", len(page.Records), page.Count)
		}
	})
}
