package directorytest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/signet-idp/signet/store"
)

// list walks through all pages: everybody must appear exactly once.
func list(p *proof) {
	var want []string
	for i := range 7 {
		want = append(want, p.made(fmt.Sprint("user", i)).ID)
	}
	var got []string
	q := store.Query{Limit: 3}
	for range 10 {
		page, err := p.Users.List(p.Context(), q)
		if err != nil {
			p.Fatalf("List: %v", err)
		}
		if len(page.Items) > q.Limit {
			p.Errorf("a page of %d, at most %d were asked for", len(page.Items), q.Limit)
		}
		for _, u := range page.Items {
			got = append(got, u.ID)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		p.Errorf("listed %v, want %v", got, want)
	}
}

// listFiltered holds that a filter is answered rightly or refused.
func listFiltered(p *proof) {
	p.made("ann")
	bob := p.made("bob")
	for field, value := range map[string]string{"id": bob.ID, "username": "BOB", "email": "bob@EXAMPLE.com"} {
		page, err := p.Users.List(p.Context(), store.Query{Filter: store.Equals(field, store.Text(value))})
		if errors.Is(err, store.ErrUnindexed) {
			continue
		}
		if err != nil {
			p.Errorf("%s: %v", field, err)
		} else if len(page.Items) != 1 || page.Items[0].ID != bob.ID {
			p.Errorf("%s %q: listed %d, want bob alone", field, value, len(page.Items))
		}
	}
}
