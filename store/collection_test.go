package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

func TestCollection(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		b, ctx := newBench(t, p), t.Context()
		n := &Note{Meta: store.Meta{Org: "acme", ID: "1", Expires: b.Now().Add(time.Hour)}, Title: "hello", Tags: []string{"a"}, Plain: 7}
		b.insert(t, n)
		if n.Version == 0 {
			t.Error("the version did not move")
		}
		got, err := b.notes.Get(ctx, n.Ref())
		if err != nil || !reflect.DeepEqual(got, n) {
			t.Errorf("Get = %+v, %v; want %+v", got, err, n)
		}
		got, err = b.notes.Lookup(ctx, "acme", store.Key{Name: "title", Value: "hello"})
		if err != nil || got.ID != "1" {
			t.Errorf("Lookup = %+v, %v", got, err)
		}
		for what, get := range map[string]func() (*Note, error){
			"another id":           func() (*Note, error) { return b.notes.Get(ctx, store.Ref{Org: "acme", ID: "2"}) },
			"another organization": func() (*Note, error) { return b.notes.Get(ctx, store.Ref{ID: "1"}) },
			"the zero Ref":         func() (*Note, error) { return b.notes.Get(ctx, store.Ref{}) },
			"another title":        func() (*Note, error) { return b.notes.Lookup(ctx, "acme", store.Key{Name: "title", Value: "x"}) },
		} {
			v, err := get()
			is(t, what, err, store.ErrNotFound)
			if v != nil {
				t.Errorf("%s: got %v", what, v)
			}
		}
		b.advance(time.Hour)
		_, err = b.notes.Get(ctx, n.Ref())
		is(t, "expired", err, store.ErrNotFound)
		if b.notes.Kind() != noteType.Kind {
			t.Error("Kind is another")
		}
	})
}

// seed puts a record into the driver as another version of the program would have.
func seed(t *testing.T, b *bench, id, body string) {
	t.Helper()
	_, err := b.faults.Apply(t.Context(), b.Now(), store.Insert(store.Record{Kind: noteType.Kind, ID: id, Body: []byte(body)}))
	if err != nil {
		t.Fatal(err)
	}
}

// body reads a record as it stands.
func body(t *testing.T, b *bench, id string) map[string]any {
	t.Helper()
	r, err := b.faults.Get(t.Context(), b.Now(), noteType.Kind, "", id)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(r.Body, &members); err != nil {
		t.Fatalf("the body is %s: %v", r.Body, err)
	}
	return members
}

func TestUnknownMembers(t *testing.T) {
	t.Parallel()
	b := together(t)
	seed(t, b, "1", `{"title":"old","tags":["x"],"later":{"title":1,"n":[1,{"a":"}\""}]},"z\"q":null,"big":12345678901234567890,"owner":"ann"}`)
	n, err := b.notes.Get(t.Context(), store.Ref{ID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	n.Title, n.Owner, n.Tags = "new", "", nil
	batch := b.Batch()
	b.notes.Replace(batch, n)
	apply(t, batch)
	r, err := b.faults.Get(t.Context(), b.Now(), noteType.Kind, "", "1")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"title":"new","Plain":0,"big":12345678901234567890,"later":{"title":1,"n":[1,{"a":"}\""}]},"z\"q":null}`
	if string(r.Body) != want || r.Schema != 3 {
		t.Errorf("schema %d, body %s\nwant %s", r.Schema, r.Body, want)
	}
}

// TestUnknownMembersOfCase holds that a member which encoding/json took for a known one does not come back beside it and
// undo what was written.
func TestUnknownMembersOfCase(t *testing.T) {
	t.Parallel()
	b := together(t)
	seed(t, b, "1", `{"Title":"old","TAGS":["x"],"other":1}`)
	for _, title := range []string{"new", "newer"} {
		n, err := b.notes.Get(t.Context(), store.Ref{ID: "1"})
		if err != nil {
			t.Fatal(err)
		}
		n.Title = title
		batch := b.Batch()
		b.notes.Replace(batch, n)
		apply(t, batch)
		if n, err = b.notes.Get(t.Context(), store.Ref{ID: "1"}); err != nil || n.Title != title || body(t, b, "1")["other"] != 1.0 {
			t.Errorf("wrote %q, read %+v, %v", title, n, err)
		}
	}
}

func FuzzUnknownMembers(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"title":"a","x":1}`, `{"a\u0022":"}{","b":[[{}],","]}`, ` { "owner" : "o" , "\u0074itle":"t" } `, `{"":0,"":1}`,
		`{"x":"\\","y":"\\\""}`, `{"a":{"b":{"title":1}}}`, `{"é":"è"}`, `{"a\/b":1}`, `{"plain":3,"PLAIN":4}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		notes := store.NewCollection(together(t).DB, noteType)
		n, err := notes.Decode(store.Record{Kind: noteType.Kind, ID: "1", Body: []byte(text)})
		if err != nil {
			return // no body of ours
		}
		var before map[string]any
		if json.Unmarshal([]byte(text), &before) != nil {
			t.Skip()
		}
		r, err := notes.Encode(n)
		if err != nil {
			t.Fatalf("Encode of %q: %v", text, err)
		}
		var after map[string]any
		if err := json.Unmarshal(r.Body, &after); err != nil {
			t.Fatalf("%q became %q: %v", text, r.Body, err)
		}
		for name, value := range before {
			if got, ok := after[name]; ok && !reflect.DeepEqual(got, value) && !slices.Contains([]string{"title", "owner", "tags", "Plain", "extra"}, name) {
				t.Errorf("member %q of %q became %v", name, text, got)
			}
		}
		again, err := notes.Decode(r)
		if err != nil {
			t.Fatalf("Decode of %q: %v", r.Body, err)
		}
		second, err := notes.Encode(again)
		if err != nil || string(second.Body) != string(r.Body) {
			t.Errorf("%q becomes %q and then %q (%v)", text, r.Body, second.Body, err)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	b := together(t)
	for _, s := range []string{``, `[`, `[]`, `{"title":1}`, `{"title":"a"`, `{"title":"a"} x`, `"x"`} {
		if v, err := b.notes.Decode(store.Record{Kind: noteType.Kind, Body: []byte(s)}); err == nil || v != nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q was decoded to %v, %v", s, v, err)
		}
	}
}

// unindexed is a driver that has no index for filters.
type unindexed struct{ store.Driver }

func (u unindexed) List(ctx context.Context, now time.Time, q store.Query) (store.Page, error) {
	if q.Filter != nil {
		return store.Page{}, store.ErrUnindexed
	}
	return u.Driver.List(ctx, now, q)
}

func TestScan(t *testing.T) {
	t.Parallel()
	b := newBench(t, storetest.Placement{Driver: unindexed{memory.New()}}, func(c *store.Config) { c.ScanLimit = 30 })
	owners := []string{"ann", "bob", "cleo"}
	for i := range 30 {
		n := note(fmt.Sprintf("%02d", i), fmt.Sprint("title", i))
		n.Owner = owners[i%3]
		b.insert(t, n)
	}
	bobs := store.Query{Filter: store.Equals("owner", store.Text("bob")), Limit: 4}
	var ids []string
	pages := 0
	for q := bobs; ; pages++ {
		page, err := b.notes.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) > 4 || pages > 5 {
			t.Fatalf("page %d has %d items", pages, len(page.Items))
		}
		for _, n := range page.Items {
			ids = append(ids, n.ID)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if want := []string{"01", "04", "07", "10", "13", "16", "19", "22", "25", "28"}; !slices.Equal(ids, want) {
		t.Errorf("found %v, want %v", ids, want)
	}
	for count, want := range map[int]int{0: 0, 3: 3, 100: 10} {
		q := bobs
		q.Count = count
		if page, err := b.notes.List(t.Context(), q); err != nil || page.Count != want || len(page.Items) != 4 {
			t.Errorf("Count %d: counted %d, listed %d, %v; want %d", count, page.Count, len(page.Items), err, want)
		}
	}
	b.insert(t, note("30", "one too many"))
	_, err := b.notes.List(t.Context(), store.Query{Filter: store.Equals("owner", store.Text("nobody"))})
	is(t, "a scan of 31 with a limit of 30", err, store.ErrTooMany)
	b.faults.FailNext(storetest.MethodList, nil)
	_, err = b.notes.List(t.Context(), bobs)
	is(t, "a failing store", err, storetest.ErrInjected)
}

func TestAll(t *testing.T) {
	t.Parallel()
	b := together(t)
	want := map[string]bool{}
	for i := range 25 {
		id := fmt.Sprint(i)
		b.insert(t, note(id, id))
		want[id] = true
	}
	got := map[string]bool{}
	for n, err := range b.notes.All(t.Context(), store.Query{Limit: 10}) {
		is(t, "all", err, nil)
		got[n.ID] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("walked through %d of %d", len(got), len(want))
	}
	steps := 0
	for _, err := range b.notes.All(t.Context(), store.Query{Limit: 10}) {
		is(t, "stopping early", err, nil)
		if steps++; steps == 3 {
			break
		}
	}
	b.faults.Heal()
	steps = 0
	var last error
	b.faults.FailCall(2, nil)
	for _, err := range b.notes.All(t.Context(), store.Query{Limit: 10}) {
		steps++
		last = err
	}
	if is(t, "the second page", last, storetest.ErrInjected); steps != 11 {
		t.Errorf("%d steps, want ten and the error", steps)
	}
}
