package sqlite_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// FuzzFilter builds a filter of any shape around any text. Whatever the text, SQLite finds what the filter matches, in the
// order in which memory finds it, or refuses the filter as one for which no index is promised.
func FuzzFilter(f *testing.F) {
	f.Add([]byte{0x08}, "group1", uint8(0))
	f.Add([]byte{0x10, 0x08, 0x03}, "Name 1%_\\'\"", uint8(1))
	f.Add([]byte{0x10, 0x28, 0x04, 0x05}, "ä\x00", uint8(6))
	f.Add([]byte{0x38, 0x40, 0x03, 0x06, 0x07, 0x04}, "\xff", uint8(3))
	f.Add([]byte{0x01, 0x02, 0x03, 0x0a, 0x03}, "' OR 1=1 --", uint8(2))
	f.Add([]byte{0x06, 0x20, 0x05}, "", uint8(0))
	db, model := openFile(f, filepath.Join(f.TempDir(), "test.db")), memory.New()
	var people []store.Record
	for n := range 60 {
		people = append(people, storetest.Person(thing, now, n))
		for _, driver := range []store.Driver{db, model} {
			if _, err := driver.Apply(f.Context(), now, store.Insert(people[n])); err != nil {
				f.Fatal(err)
			}
		}
	}
	f.Fuzz(func(t *testing.T, program []byte, text string, order uint8) {
		q := store.Query{Kind: thing, Within: store.Everywhere, Filter: assemble(program, text), Limit: 100, Count: 100}
		q.Sort, q.Descending = []string{"", "name", "nick", "created"}[order%4], order&4 != 0
		got, err := db.List(t.Context(), now, q)
		want, errModel := model.List(t.Context(), now, q)
		switch {
		case errors.Is(err, store.ErrUnindexed):
			return
		case errors.Is(err, store.ErrInvalid) && errors.Is(errModel, store.ErrInvalid):
			return
		case err != nil || errModel != nil:
			t.Fatalf("%#v: %v, in memory %v", q.Filter, err, errModel)
		}
		if !slices.Equal(names(got.Records), names(want.Records)) || got.Count != want.Count {
			t.Errorf("%#v: found %v (%d), in memory %v (%d)", q.Filter, names(got.Records), got.Count, names(want.Records), want.Count)
		}
		matches := 0
		for _, r := range people {
			if q.Filter == nil || q.Filter.Match(r.Index) {
				matches++
			}
		}
		if matches != len(got.Records) {
			t.Errorf("%#v: found %d, but it matches %d", q.Filter, len(got.Records), matches)
		}
	})
}

// assemble reads a program in postfix notation: the low three bits of a byte say what it makes or joins, the others of
// which operator and value.
func assemble(program []byte, text string) store.Filter {
	fields := []string{"name", "group", "active", "created"}
	values := []store.Value{store.Text(text), store.Text(text[:len(text)/2]), store.Number(int64(len(text))), store.Bool(len(text)%2 == 0), store.Time(now)}
	stack := []store.Filter{}
	pop := func(n int) []store.Filter {
		n = min(n, len(stack))
		top := slices.Clone(stack[len(stack)-n:])
		stack = stack[:len(stack)-n]
		return top
	}
	for _, b := range program[:min(len(program), 40)] {
		rest := int(b >> 3)
		switch b & 7 {
		case 0, 1, 2:
			stack = append(stack, store.Compare{
				Field: fields[rest%len(fields)], Operator: store.Operator(1 + rest%8), Value: values[(rest+int(b&7))%len(values)],
			})
		case 3:
			stack = append(stack, store.And(pop(2)))
		case 4:
			stack = append(stack, store.Or(pop(rest)))
		case 5:
			for _, part := range pop(1) {
				stack = append(stack, store.Not{Filter: part})
			}
		case 6:
			stack = append(stack, store.Present{Field: text})
		case 7:
			stack = append(stack, store.Present{Field: fields[rest%len(fields)]})
		}
	}
	if len(stack) == 0 {
		return nil
	}
	return store.And(stack)
}

func names(records []store.Record) []string {
	var all []string
	for _, r := range records {
		all = append(all, r.ID)
	}
	return all
}
