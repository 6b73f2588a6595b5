package directory_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
	"github.com/signet-idp/signet/store/storetest"
)

// sshaOfPassword is {SSHA} of "password".
const sshaOfPassword = "{SSHA}pKqkNr1tq3wtQqk+UcPyA3HnA2NsU5NJ"

// importing is an import and everything that it tells.
type importing struct {
	directory.Import
	rejections []directory.Rejection
	progress   []directory.ImportCount
}

func newImporting(rows ...*directory.ImportRow) *importing {
	i := &importing{}
	i.Import = directory.Import{
		Source: "old", Rows: sequence(rows),
		Rejected: func(r directory.Rejection) error {
			i.rejections = append(i.rejections, r)
			return nil
		},
		Progress: func(c directory.ImportCount) { i.progress = append(i.progress, c) },
	}
	return i
}

func sequence(rows []*directory.ImportRow) iter.Seq2[*directory.ImportRow, error] {
	return func(yield func(*directory.ImportRow, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func row(username string, edits ...func(*directory.ImportRow)) *directory.ImportRow {
	r := &directory.ImportRow{User: directory.User{Username: username}, Hash: sshaOfPassword}
	for _, edit := range edits {
		edit(r)
	}
	return r
}

// told returns what was told of rejections, as "row field".
func (i *importing) told() []string {
	var told []string
	for _, r := range i.rejections {
		told = append(told, fmt.Sprint(r.Row, " ", r.Field))
	}
	return told
}

func (w *world) imported(t *testing.T, username string) *directory.User {
	t.Helper()
	u, err := w.Users.Find(t.Context(), "", directory.Identifier{Name: directory.ByUsername, Value: username})
	if err != nil {
		t.Fatalf("finding %s: %v", username, err)
	}
	return u
}

func TestImport(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		joined := time.Date(2019, 1, 2, 3, 4, 5, 0, time.UTC)
		i := newImporting(
			row("Ann", func(r *directory.ImportRow) {
				r.Email, r.EmailVerified, r.GivenName, r.Created = "ann@example.com", true, "Ann", joined
				r.ID, r.Groups = "7b0c4f6e-93a1-4f6e-8a57-2f6f1c1e0d11", []string{"Staff", "staff", "Sales"}
				r.Attributes = map[string]any{"team": "blue"}
			}),
			nil,
			row("bob", func(r *directory.ImportRow) { r.ExternalID, r.Disabled = "auth0|17", true }),
			row("cleo", func(r *directory.ImportRow) { r.Hash = "" }),
		)
		i.Batch = 2
		i.CreateGroups = true
		count, err := w.Import(ctx, i.Import)
		if want := (directory.ImportCount{Rows: 4, Created: 3}); err != nil || count != want || len(i.rejections) > 0 {
			t.Fatalf("Import = %+v, %v, %+v; want %+v", count, err, i.rejections, want)
		}
		ann, bob, cleo := w.imported(t, "ann"), w.imported(t, "bob"), w.imported(t, "cleo")
		if ann.ID != "7b0c4f6e-93a1-4f6e-8a57-2f6f1c1e0d11" || !ann.EmailVerified || ann.Attributes["team"] != "blue" || !ann.Created.Equal(joined) {
			t.Errorf("ann = %+v", ann)
		}
		if want := directory.ImportedID("old", "auth0|17"); bob.ID != want || w.subject(t, bob.Ref()).Status != directory.Disabled {
			t.Errorf("bob = %+v, want id %s and a disabled subject", bob, want)
		}
		for u, want := range map[*directory.User]bool{ann: true, bob: true, cleo: false} {
			if ok, err := w.Users.VerifyPassword(ctx, u, "password"); ok != want || err != nil {
				t.Errorf("the password of %s: %v, %v", u.Username, ok, err)
			}
		}
		var groups []string
		for g, err := range w.Groups.GroupsOf(ctx, ann.Ref()) {
			is(t, "groups", err, nil)
			groups = append(groups, g.Name)
		}
		if slices.Sort(groups); !slices.Equal(groups, []string{"Sales", "Staff"}) {
			t.Errorf("groups = %v", groups)
		}
		events, err := w.db.Events(ctx, store.Query{Filter: store.Equals("type", store.Text("user.created"))})
		if err != nil || len(events.Items) != 3 {
			t.Errorf("%d events, %v", len(events.Items), err)
		}

		i.progress = nil
		if count, err := w.Import(ctx, i.Import); err != nil || count.Created != 3 || len(i.progress) > 0 {
			t.Errorf("the same once more = %+v, %v, progress %v", count, err, i.progress)
		}
		i.Part = "again"
		if count, err := w.Import(ctx, i.Import); err != nil || count != (directory.ImportCount{Rows: 4, Present: 2, Rejected: 1}) {
			t.Errorf("the same as another part = %+v, %v", count, err)
		}
	})
}

// TestImportRejects: each row that is wrong is told of with its number and field, and all others are there.
func TestImportRejects(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.person(t, "taken")
		gone, _ := w.person(t, "gone")
		is(t, "delete", w.DeleteUser(ctx, gone), nil)
		i := newImporting(
			row("fine1"),
			row(" blank"),
			row("Taken"),
			row("hash", func(r *directory.ImportRow) { r.Hash = "{MD5}X03MO1qnZdYdgyfeuILPmQ==" }),
			row("bounds", func(r *directory.ImportRow) { r.Hash = "$2b$31$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga" }),
			row("fine2", func(r *directory.ImportRow) { r.ExternalID = "17" }),
			row("FINE1"),
			row("seventeen", func(r *directory.ImportRow) { r.ExternalID = "17" }),
			row("both", func(r *directory.ImportRow) { r.Elsewhere = true }),
			row("id", func(r *directory.ImportRow) { r.ID = "17" }),
			row("group", func(r *directory.ImportRow) { r.Groups = []string{"nobodies"} }),
			row("much", func(r *directory.ImportRow) { r.Email, r.Birthdate = "no address", "yesterday" }),
			row("gone2", func(r *directory.ImportRow) { r.ID = gone.ID }),
			row("fine3"),
		)
		want := []string{
			"2 username", "4 hash", "5 hash", "7 username", "8 externalId", "9 elsewhere", "10 id", "11 groups", "12 birthdate",
			"12 email", "3 username", "13 id",
		}
		for _, dry := range []bool{true, false} {
			i.DryRun, i.rejections = dry, nil
			count, err := w.Import(ctx, i.Import)
			if wanted := (directory.ImportCount{Rows: 14, Created: 3, Rejected: 11}); err != nil || count != wanted {
				t.Errorf("dry %v: Import = %+v, %v; want %+v", dry, count, err, wanted)
			}
			if told := i.told(); !slices.Equal(told, want) {
				t.Errorf("dry %v: told\n%v, want\n%v", dry, told, want)
			}
			for _, r := range i.rejections {
				if text := fmt.Sprintf("%+v", r); strings.Contains(text, "X03MO1") || strings.Contains(text, "XajjQ") {
					t.Errorf("told a hash: %s", text)
				}
			}
			_, err = w.Users.Find(ctx, "", directory.Identifier{Name: directory.ByUsername, Value: "fine3"})
			if found := err == nil; found == dry {
				t.Errorf("dry %v: fine3 is there: %v", dry, err)
			}
		}
	})
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	w := together(t)
	for field, edit := range map[string]func(*directory.Import){
		"source": func(i *directory.Import) { i.Source = "" },
		"part":   func(i *directory.Import) { i.Part = strings.Repeat("x", 300) },
		"rows":   func(i *directory.Import) { i.Rows = nil },
		"batch":  func(i *directory.Import) { i.Batch = 501 },
	} {
		i := newImporting(row("ann"))
		edit(&i.Import)
		if _, err := w.Import(t.Context(), i.Import); !hasField(err, field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestImportOfOtherRows(t *testing.T) {
	t.Parallel()
	w := together(t)
	rows := []*directory.ImportRow{row("ann"), row("bob")}
	_, err := w.Import(t.Context(), newImporting(rows...).Import)
	is(t, "import", err, nil)
	for name, other := range map[string][]*directory.ImportRow{
		"fewer":  rows[:1],
		"others": {row("ann"), row("cleo"), row("dan")},
	} {
		if _, err := w.Import(t.Context(), newImporting(other...).Import); !errors.Is(err, directory.ErrImportChanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	count, err := w.Import(t.Context(), newImporting(append(rows, row("cleo"))...).Import)
	if want := (directory.ImportCount{Rows: 3, Created: 3}); err != nil || count != want {
		t.Errorf("more = %+v, %v; want %+v", count, err, want)
	}
}

func TestImportStops(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		var rows []*directory.ImportRow
		for n := range 20 {
			rows = append(rows, row(fmt.Sprint("user", n)))
		}
		ctx, cancel := context.WithCancel(t.Context())
		i := newImporting(rows...)
		i.Batch = 5
		i.Progress = func(c directory.ImportCount) {
			if c.Rows == 10 {
				cancel()
			}
		}
		count, err := w.Import(ctx, i.Import)
		if !errors.Is(err, context.Canceled) || count.Created != 10 {
			t.Errorf("cancelled: %+v, %v", count, err)
		}
		torn := errors.New("torn cable")
		i.Rows = func(yield func(*directory.ImportRow, error) bool) {
			for _, r := range rows[:17] {
				if !yield(r, nil) {
					return
				}
			}
			yield(nil, torn)
		}
		if count, err = w.Import(t.Context(), i.Import); !errors.Is(err, torn) || count.Created != 15 {
			t.Errorf("torn: %+v, %v", count, err)
		}
		i.Rows = sequence(rows)
		if count, err = w.Import(t.Context(), i.Import); err != nil || count != (directory.ImportCount{Rows: 20, Created: 20}) {
			t.Errorf("whole: %+v, %v", count, err)
		}
	})
}

// TestImportTwiceAtOnce: of two imports of the same rows one ends with ErrImportTwice, and nothing is done twice.
func TestImportTwiceAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		other := newImporting(row("ann"), row("bob"))
		w.faults.Hook(func(c storetest.Call) error {
			if c.Method != storetest.MethodApply {
				return nil
			}
			w.faults.Hook(nil)
			_, err := w.Import(t.Context(), other.Import)
			return err
		})
		_, err := w.Import(t.Context(), newImporting(row("ann"), row("bob")).Import)
		if !errors.Is(err, directory.ErrImportTwice) {
			t.Errorf("the slower: %v", err)
		}
		w.onceEach(t, []string{"ann", "bob"})
	})
}

// TestImportMeetsAnotherWriter: a name that is taken between the look and the write is rejected alone.
func TestImportMeetsAnotherWriter(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.faults.Hook(func(c storetest.Call) error {
			if c.Method == storetest.MethodApply {
				w.faults.Hook(nil)
				w.person(t, "bob")
			}
			return nil
		})
		i := newImporting(row("ann"), row("bob"), row("cleo"))
		count, err := w.Import(t.Context(), i.Import)
		if want := (directory.ImportCount{Rows: 3, Created: 2, Rejected: 1}); err != nil || count != want {
			t.Errorf("Import = %+v, %v; want %+v", count, err, want)
		}
		if told := i.told(); !slices.Equal(told, []string{"2 username"}) {
			t.Errorf("told %v", told)
		}
	})
}

// TestImportMeetsAnotherGroup: a group that is renamed, or deleted, under an import.
func TestImportMeetsAnotherGroup(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		staff, sales := &directory.Group{Name: "staff"}, &directory.Group{Name: "sales"}
		is(t, "groups", errors.Join(w.Groups.Create(ctx, staff), w.Groups.Create(ctx, sales)), nil)
		in := func(names ...string) func(*directory.ImportRow) {
			return func(r *directory.ImportRow) { r.Groups = names }
		}
		i := newImporting(row("ann", in("staff")), row("bob", in("staff", "sales")), row("cleo"))
		w.faults.Hook(func(c storetest.Call) error {
			if c.Method == storetest.MethodApply {
				w.faults.Hook(nil)
				staff.Description = "changed"
				return errors.Join(w.Groups.Replace(ctx, staff), w.Groups.Delete(ctx, sales))
			}
			return nil
		})
		count, err := w.Import(ctx, i.Import)
		if want := (directory.ImportCount{Rows: 3, Created: 2, Rejected: 1}); err != nil || count != want {
			t.Errorf("Import = %+v, %v; want %+v", count, err, want)
		}
		if told := i.told(); !slices.Equal(told, []string{"2 groups"}) {
			t.Errorf("told %v", told)
		}
		if member, err := w.Groups.IsMember(ctx, staff.Ref(), w.imported(t, "ann").Ref()); !member || err != nil {
			t.Errorf("ann in staff: %v, %v", member, err)
		}
	})
}

// TestImportBesideOtherStores: people go to the store in the DB, and nobody gets a name that means somebody in another.
func TestImportBesideOtherStores(t *testing.T) {
	t.Parallel()
	w := together(t, func(c *directory.Config) { c.UserStores = stand(newShelf("crm", "ann"), nil) })
	i := newImporting(
		row("ann"), row("bob"), row("ann2", func(r *directory.ImportRow) { r.Email = "ann@crm.example" }), row("crm/cleo"),
	)
	count, err := w.Import(t.Context(), i.Import)
	if want := (directory.ImportCount{Rows: 4, Created: 1, Rejected: 3}); err != nil || count != want {
		t.Errorf("Import = %+v, %v; want %+v", count, err, want)
	}
	if told, want := i.told(), []string{"1 username", "3 email", "4 username"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	bob := w.imported(t, "bob")
	if ok, err := w.Users.VerifyPassword(t.Context(), bob, "password"); !ok || err != nil || w.RehashOf(bob) == nil {
		t.Errorf("bob's password: %v, %v, due %v", ok, err, w.RehashOf(bob))
	}
}

func TestImportWithoutOwnStore(t *testing.T) {
	t.Parallel()
	w := together(t, func(c *directory.Config) { c.UserStores = stand(newShelf("crm")) })
	_, err := w.Import(t.Context(), newImporting(row("ann")).Import)
	is(t, "Import", err, directory.ErrReadOnly)
}

// onceEach counts people, subjects, passwords and events.
func (w *world) onceEach(t *testing.T, usernames []string) {
	t.Helper()
	want := map[string]bool{}
	for _, name := range usernames {
		want[name] = true
	}
	ids := map[string]string{}
	q := store.Query{Limit: 1000}
	for {
		page, err := w.Users.List(t.Context(), q)
		is(t, "list", err, nil)
		for _, u := range page.Items {
			if !want[u.Username] {
				t.Errorf("%s is there", u.Username)
			}
			delete(want, u.Username)
			ids[u.ID] = u.Username
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	for name := range want {
		t.Errorf("%s is not there", name)
	}
	q = store.Query{Limit: 1000, Filter: store.Equals("type", store.Text("user.created"))}
	for {
		page, err := w.db.Events(t.Context(), q)
		is(t, "events", err, nil)
		for _, e := range page.Items {
			if _, ok := ids[e.Subject]; !ok {
				t.Errorf("an event more for %s", e.Subject)
			}
			delete(ids, e.Subject)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	for _, name := range ids {
		t.Errorf("no event for %s", name)
	}
}

// TestImportSurvivesFaults imports ten thousand rows, every call of which fails once, in both ways that an Apply can: before it was
// carried out and after. Begun anew each time, it does every row exactly once.
func TestImportSurvivesFaults(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		const total, bad = 10_000, 97
		var rows []*directory.ImportRow
		var names []string
		for n := range total {
			r := row(fmt.Sprint("user", n), func(r *directory.ImportRow) { r.Groups = []string{fmt.Sprint("group", n%7)} })
			switch {
			case n%bad == 1:
				r.Hash = "plain"
			case n%bad == 2:
				r.Username, r.ExternalID = fmt.Sprint("USER", n-2), fmt.Sprint("x", n)
			default:
				names = append(names, r.Username)
			}
			rows = append(rows, r)
		}
		i := newImporting(rows...)
		i.CreateGroups = true
		var count directory.ImportCount
		var err error
		var sure int64
		for call, uncertain := 1, false; ; uncertain = !uncertain {
			w.faults.Heal()
			if uncertain {
				w.faults.Uncertain()
			} else {
				w.faults.FailCall(call, nil)
				call = call%4 + 1
			}
			w.faults.Forget()
			count, err = w.Import(t.Context(), i.Import)
			if err == nil {
				break
			}
			if !errors.Is(err, storetest.ErrInjected) && !errors.Is(err, store.ErrUncertain) {
				t.Fatal(err)
			}
			if count.Rows > 0 && count.Created < sure { // zero is what cannot be read
				t.Fatalf("%+v, when %d were there for certain", count, sure)
			}
			sure = max(sure, count.Created)
		}
		w.faults.Heal()
		want := directory.ImportCount{Rows: total, Created: int64(len(names)), Rejected: int64(total - len(names))}
		if count != want {
			t.Errorf("Import = %+v, want %+v", count, want)
		}
		told := map[int64]bool{}
		for _, r := range i.rejections {
			told[r.Row] = true
			if n := (r.Row - 1) % bad; n != 1 && n != 2 {
				t.Errorf("row %d is rejected: %s %s", r.Row, r.Field, r.Reason)
			}
		}
		if int64(len(told)) != want.Rejected {
			t.Errorf("told of %d rows, want %d", len(told), want.Rejected)
		}
		w.onceEach(t, names)
	})
}

// TestImportEveryCallFails fails each call of a small import in turn, and finishes it without a fault.
func TestImportEveryCallFails(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.person(t, "taken")
		for n := 1; ; n++ {
			i := newImporting(
				row(fmt.Sprint("ann", n), func(r *directory.ImportRow) { r.Groups = []string{fmt.Sprint("group", n)} }),
				row(fmt.Sprint("bob", n)), row("taken"),
			)
			i.Part, i.CreateGroups, i.Batch = fmt.Sprint(n), true, 2
			w.faults.FailCall(n, nil)
			_, err := w.Import(t.Context(), i.Import)
			over := w.faults.Waits()
			w.faults.Heal()
			if over {
				if err != nil || n < 6 {
					t.Errorf("%d calls could fail, then %v", n-1, err)
				}
				return
			}
			is(t, fmt.Sprint("call ", n), err, storetest.ErrInjected)
			count, err := w.Import(t.Context(), i.Import)
			if err != nil || count != (directory.ImportCount{Rows: 3, Created: 2, Rejected: 1}) {
				t.Fatalf("after call %d failed: %+v, %v", n, count, err)
			}
		}
	})
}

func TestJSONLines(t *testing.T) {
	t.Parallel()
	w := together(t)
	file := "\xef\xbb\xbf" + `{"username":"ann","email":"ann@example.com","emailVerified":true,"externalId":"1","hash":"` + sshaOfPassword + `"}` + "\r\n\n" +
		`{"username":"bob","Username":"eve"}` + "\n" +
		`{"username":"cleo","pasword":"x"}` + "\n" +
		`{"username":` + "\n" +
		`{"username":"long","name":"` + strings.Repeat("x", 300<<10) + `"}` + "\n" +
		`["username"]` + "\n" +
		`{"username":"dan"}`
	i := newImporting()
	i.Rows = directory.JSONLines(strings.NewReader(file))
	count, err := w.Import(t.Context(), i.Import)
	if want := (directory.ImportCount{Rows: 8, Created: 2, Rejected: 5}); err != nil || count != want {
		t.Errorf("Import = %+v, %v; want %+v", count, err, want)
	}
	if told, want := i.told(), []string{"3 row", "4 row", "5 row", "6 row", "7 row"}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	if ok, err := w.Users.VerifyPassword(t.Context(), w.imported(t, "ann"), "password"); !ok || err != nil {
		t.Errorf("ann's password: %v, %v", ok, err)
	}
	w.onceEach(t, []string{"ann", "dan"})
}

func FuzzJSONLines(f *testing.F) {
	f.Add([]byte(`{"username":"ann","hash":"x","groups":["a"],"id":"x","elsewhere":true}` + "\n\n{"))
	f.Add([]byte("\xef\xbb\xbf{}\r\n[]"))
	f.Add([]byte(strings.Repeat("x", 300<<10)))
	f.Fuzz(func(t *testing.T, file []byte) {
		lines := 0
		for row, err := range directory.JSONLines(strings.NewReader(string(file))) {
			lines++
			if _, isInvalid := errors.AsType[*directory.InvalidError](err); err != nil && (!isInvalid || row != nil) {
				t.Fatalf("line %d: %v, %v", lines, row, err)
			}
		}
		want := strings.Count(string(file), "\n")
		if len(file) > 0 && file[len(file)-1] != '\n' {
			want++
		}
		if lines != want {
			t.Fatalf("%d rows of %d lines", lines, want)
		}
	})
}

func TestHashIsNotPrinted(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, *row("ann")); strings.Contains(text, "pKqkNr1") {
			t.Errorf("%s prints %s", format, text)
		}
	}
}

// BenchmarkImport writes rows with a hash and one group each.
func BenchmarkImport(b *testing.B) {
	for name, open := range map[string]func() (store.Driver, error){
		"memory": func() (store.Driver, error) { return memory.New(), nil },
		"sqlite": func() (store.Driver, error) {
			return sqlite.Open(b.Context(), b.TempDir()+"/signet.db", sqlite.Config{})
		},
	} {
		b.Run(name, func(b *testing.B) {
			driver, err := open()
			if err != nil {
				b.Fatal(err)
			}
			ring, err := store.NewKeyRing(store.GenerateRingKey())
			if err != nil {
				b.Fatal(err)
			}
			db, err := store.Open(store.Config{Driver: driver, Keys: ring})
			if err != nil {
				b.Fatal(err)
			}
			hasher, err := password.New(password.Config{})
			if err != nil {
				b.Fatal(err)
			}
			dir, err := directory.New(directory.Config{DB: db, Hasher: hasher})
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			rows := func(yield func(*directory.ImportRow, error) bool) {
				for n := range b.N {
					if !yield(row(fmt.Sprint("user", n), func(r *directory.ImportRow) { r.Groups = []string{"all"} }), nil) {
						return
					}
				}
			}
			count, err := dir.Import(b.Context(), directory.Import{Source: "bench", Rows: rows, CreateGroups: true})
			if err != nil || count.Created != int64(b.N) {
				b.Fatalf("%+v, %v", count, err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
