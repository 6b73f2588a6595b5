package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/signet-idp/signet/store/directory"
)

func username(n int) string { return fmt.Sprintf("user-%07d", n) }

// populate makes so many people. The first is imported; the database copies the others from that one by itself, since an import of a
// million takes longer than all that is measured. Their passwords, subjects and events are left out.
func (s *server) populate(ctx context.Context, count int) error {
	if s.people == 0 {
		if err := s.importFirst(ctx); err != nil {
			return err
		}
		s.people = 1
	}
	if s.people >= count {
		return nil
	}
	if err := s.lower(ctx); err != nil {
		return err
	}
	first, err := s.world.provider.Directory.FindUser(ctx, "", username(0))
	if err != nil {
		return err
	}
	if s.raw == nil { // memory
		return fmt.Errorf("nobody wrote how %s copies people", s.opened.kind)
	}
	const portion = 20_000
	for from := s.people; from < count; from += portion {
		if err := s.raw.copyPeople(ctx, first.ID, from, min(from+portion, count)-1); err != nil {
			return err
		}
	}
	s.people = count
	return nil
}

func (s *server) importFirst(ctx context.Context) error {
	name := username(0)
	_, err := s.world.provider.Directory.Import(ctx, directory.Import{
		Source: "bench",
		Rows: func(yield func(*directory.ImportRow, error) bool) {
			yield(&directory.ImportRow{ExternalID: name, User: directory.User{
				Username: name, Name: "Ann Example", GivenName: "Ann", FamilyName: "Example", Locale: "en",
				Email: name + "@example.com", EmailVerified: true,
			}}, nil)
		},
		Rejected: func(r directory.Rejection) error { return fmt.Errorf("a row was rejected: %v", r) },
	})
	return err
}

// lower opens the floor under the driver.
func (s *server) lower(ctx context.Context) (err error) {
	if s.raw == nil {
		s.raw, err = newRaw(ctx, s.opened)
	}
	return err
}

// copying is how a database writes copies of a person: all statements, with FROM and TO for the numbers, and the id of the person as $1.
type copying []string

// copyPeople copies the person of an id to the numbers from and to and those between.
func (w *raw) copyPeople(ctx context.Context, id string, from, to int) error {
	var all []statement
	for _, text := range w.words.begin {
		all = append(all, statement{text: text})
	}
	numbers := strings.NewReplacer("{from}", fmt.Sprint(from), "{to}", fmt.Sprint(to))
	for _, text := range w.words.copying {
		all = append(all, statement{text: numbers.Replace(text), args: []any{w.words.text(id)}, once: true})
	}
	for _, text := range w.words.commit {
		all = append(all, statement{text: text})
	}
	return w.trip(ctx, true, all)
}

// newCopying writes the statements: the numbers as a table with a column n, the expressions of an id and a user name as they are stored,
// of the bytes that an index has of them (? is the text), of a body (? is the user name), and the columns of a unique key.
func newCopying(numbers, id, name, value, body, keyColumns, key, schema string) copying {
	from := ` FROM %s AS t, ` + numbers + ` WHERE t.kind = 'directory.user' AND t.org = '' AND t.id = $1`
	of := func(text string) string { return strings.ReplaceAll(value, "?", text) }
	return copying{
		`INSERT INTO signet_records (kind, org, id, version, expires, ` + schema + `, count, digest, body)
			SELECT t.kind, t.org, ` + id + `, t.version, t.expires, t.` + schema + `, 0, t.digest, ` + strings.ReplaceAll(body, "?", name) + fmt.Sprintf(from, "signet_records"),
		`INSERT INTO signet_entries (kind, org, id, field, value)
			SELECT t.kind, t.org, ` + id + `, t.field, CASE t.field WHEN 'id' THEN ` + of("{id}") + ` WHEN 'username' THEN ` + of(name) +
			` WHEN 'email' THEN ` + of("{mail}") + ` ELSE t.value END` + fmt.Sprintf(from, "signet_entries"),
		`INSERT INTO signet_keys (` + keyColumns + `, org, id) SELECT ` + key + `, t.org, ` + id + fmt.Sprintf(from, "signet_keys"),
	}
}

// postgresCopying, mariaDBCopying and sqliteCopying are those of the databases.
func postgresCopying() copying {
	const id, name = `'00000000-0000-4000-8000-' || lpad(n::text, 12, '0')`, `'user-' || lpad(n::text, 7, '0')`
	bytes := func(text string) string { return `convert_to(` + text + `, 'UTF8')` }
	all := newCopying(`generate_series({from}, {to}) AS s(n)`, bytes(id), name, `'\x00'::bytea || `+bytes("?"),
		bytes(`replace(convert_from(t.body, 'UTF8'), 'user-0000000', ?)`), `kind, hash`,
		`t.kind, sha256('\x000008757365726e616d650c'::bytea || `+bytes(name)+`)`, `schema`)
	return all.with(id, name+` || '@example.com'`, `convert_from(t.field, 'UTF8')`)
}

func mariaDBCopying() copying {
	const id, name = `CONCAT('00000000-0000-4000-8000-', LPAD(n, 12, '0'))`, `CONCAT('user-', LPAD(n, 7, '0'))`
	all := newCopying(`(SELECT seq AS n FROM seq_{from}_to_{to}) AS s`, id, name, `CONCAT(x'00', ?)`,
		`REPLACE(t.body, 'user-0000000', ?)`, `kind, hash`,
		`t.kind, UNHEX(SHA2(CONCAT(x'000008757365726e616d650c', `+name+`), 256))`, "`schema`")
	return all.with(id, `CONCAT(`+name+`, '@example.com')`, `t.field`)
}

func sqliteCopying() copying {
	const id, name = `printf('00000000-0000-4000-8000-%012d', n)`, `printf('user-%07d', n)`
	all := newCopying(`(WITH RECURSIVE s(n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM s WHERE n < {to}) SELECT n FROM s) AS s`,
		id, name, `CAST(x'00' || ? AS BLOB)`, `CAST(replace(CAST(t.body AS TEXT), 'user-0000000', ?) AS BLOB)`,
		`kind, scope, within, name, value`, `t.kind, t.scope, t.within, t.name, CAST(`+name+` AS BLOB)`, `schema`)
	return all.with(id, name+` || '@example.com'`, `t.field`)
}

// with writes what the values of id and e-mail address are, and how a field is read.
func (c copying) with(id, mail, field string) copying {
	r := strings.NewReplacer("{id}", id, "{mail}", mail, "CASE t.field", "CASE "+field)
	for i := range c {
		c[i] = r.Replace(c[i])
	}
	return c
}
