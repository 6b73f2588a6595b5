package directory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// ErrImportChanged says that the rows of an Import are not those of which it has done a part already.
var ErrImportChanged = errors.New("directory: the rows are not those that the import began with; name another Part")

// ErrImportTwice says that another Import of the same Source and Part is under way.
var ErrImportTwice = errors.New("directory: the same import is under way elsewhere")

// Import moves people from another system into the user store in the DB. See Directory.Import.
type Import struct {
	// Source names the other system, as "auth0": 1 to 64 characters. Ids are made of it; see ImportedID.
	Source string
	// Part names these rows where people come in several portions. How far an import has got is remembered by Source and
	// Part.
	Part string
	// Org is where people go.
	Org string
	// Rows are the people, from the first on, also when an import continues; JSONLines reads them from a file. An error
	// that is an *InvalidError is about its row alone, which is rejected; any other ends the import. A nil row is an empty
	// line.
	Rows iter.Seq2[*ImportRow, error]
	// Batch is how many rows are written in one step, up to 500; zero is 200.
	Batch int
	// CreateGroups makes the groups that are not there. Otherwise a row that names one is rejected.
	CreateGroups bool
	// DryRun says what would happen and writes nothing. Names that stand twice in Rows are noticed only within a Batch.
	DryRun bool
	// Rejected is told of everything that is wrong with a row, before the row counts as done. After a crash it may be told
	// again. An error from it ends the import. Nil is told nothing, and only the count remains.
	Rejected func(Rejection) error
	// Progress is told how far the import has got, after each step. Nil is told nothing.
	Progress func(ImportCount)
}

// ImportRow is one person. In JSON it has the members of User and those with the names below.
type ImportRow struct {
	User
	// ID is the person's public id, a UUID, where the old one is to be kept. "" is ImportedID.
	ID string `json:"id,omitempty"`
	// ExternalID is the person's id in the other system. Without it and ID a row whose username is there already is a
	// namesake and rejected, since nothing tells that it is the same person.
	ExternalID string `json:"externalId,omitempty"`
	// Hash is the password's hash, as docs/migration.md says; "" is nobody's, and its owner has to reset it.
	Hash PasswordHash `json:"hash,omitempty"`
	// Elsewhere says that the password is still in the other system, and Config.Verifier is to be asked.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// Groups are the names of the groups that the person belongs to; at most 100.
	Groups []string `json:"groups,omitempty"`
}

// PasswordHash is an encoded hash that was made elsewhere. It prints as "[redacted]".
type PasswordHash string

// String implements fmt.Stringer without revealing the hash.
func (h PasswordHash) String() string { return secret.Text(h).String() }

// GoString implements fmt.GoStringer without revealing the hash.
func (h PasswordHash) GoString() string { return secret.Text(h).GoString() }

// LogValue implements slog.LogValuer without revealing the hash.
func (h PasswordHash) LogValue() slog.Value { return secret.Text(h).LogValue() }

// Rejection is one thing that is wrong with one row. It holds no hash.
type Rejection struct {
	// Row counts from one; empty lines count.
	Row                  int64
	Username, ExternalID string
	Field, Reason        string
}

// ImportCount is how many rows have been done, and what became of them. Empty lines are Rows and nothing else.
type ImportCount struct {
	Rows int64 `json:"rows"`
	// Created is how many people were added, and Present how many were there already: with the row's id, or the one of its
	// externalId, and its username.
	Created int64 `json:"created"`
	Present int64 `json:"present"`
	// Rejected is how many rows were rejected, however much is wrong with each.
	Rejected int64 `json:"rejected"`
}

const (
	// maxImportGroups bounds the groups of one person.
	maxImportGroups = 100
	// maxKnownGroups bounds what is remembered of groups from one step to the next.
	maxKnownGroups = 10_000
)

// importState is how far an import has got. It is written in the very step that writes the rows, so that none is done
// twice and none is left out, and its version keeps two imports of the same rows from each other.
type importState struct {
	store.Meta
	Source string `json:"source"`
	Part   string `json:"part,omitempty"`
	ImportCount
	// Last tells whether the rows are the same when the import continues: the hash of the names of the last row done.
	Last string `json:"last,omitempty"`
}

var (
	importKind  = store.Kind{Name: "directory.import"}
	importType  = store.Type[importState]{Kind: importKind}
	uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// ImportedID is the public id that a person from another system gets: a UUID made of the system's name and the person's
// id there, so that what refers to the old id can be moved without a table.
func ImportedID(source, externalID string) string { return foreignID("import:"+source, externalID) }

// Import adds people, with their Subjects, hashes and memberships, in steps of a Batch. It needs no more memory than one
// step has rows, and ends with ctx. A row that is wrong, or whose name is taken, is rejected and all others go on; a row
// whose person is there already is left as it is. What Config.Password demands is not asked of people who come with a
// hash. Every person is an event "user.created", every membership a "group.member_added".
//
// The count is what has been done for certain, by this call and those before; zero when that cannot be read. After an error, a crash or store.ErrUncertain
// the same import, begun anew with the same Rows, goes on where it was: every row is done exactly once. An import that is
// done does nothing. Errors besides those of the store, of Rows and of Rejected: ErrReadOnly without a user store in the DB,
// ErrImportChanged, ErrImportTwice, *InvalidError for Source, Part and Batch.
func (d *Directory) Import(ctx context.Context, in Import) (ImportCount, error) {
	run, err := d.newImporting(ctx, in)
	if err != nil {
		return ImportCount{}, err
	}
	for row, err := range in.Rows {
		if ctx.Err() != nil {
			return run.done.ImportCount, ctx.Err()
		}
		if err := run.take(ctx, row, err); err != nil {
			return run.done.ImportCount, err
		}
	}
	if run.row < run.done.Rows {
		return run.done.ImportCount, ErrImportChanged
	}
	err = run.flush(ctx)
	return run.done.ImportCount, err
}

func (in *Import) validate() error {
	var v validation
	v.required("source", in.Source, 64)
	v.text("part", in.Part, maxText)
	if in.Rows == nil {
		v.add("rows", "are required")
	}
	if in.Batch == 0 {
		in.Batch = 200
	}
	if in.Batch < 1 || in.Batch > 500 {
		v.add("batch", "must be 1 to 500")
	}
	return v.err()
}

// importing is an Import at work. It is not safe for concurrent use.
type importing struct {
	in     Import
	dir    *Directory
	users  *defaultUsers
	states *store.Collection[importState]
	done   *importState
	// row is the number of the last row taken, and next what done becomes with the rows taken since.
	row    int64
	next   ImportCount
	last   string
	people []*newcomer
	// ids and names are those of people, the names folded; who was taken out since stays in them.
	ids, names map[string]*newcomer
	groups     map[string]*Group // by folded name
}

// newcomer is a row that is to be written.
type newcomer struct {
	row        int64
	user       *User
	externalID string
	idField    string // which field of the row the id comes from; "username" when the row has none of its own
	subject    *Subject
	credential *Credential // nil without a password
	groups     []string    // folded names
}

// identified says that the row has an id of its own, so that somebody who has it is the same person and not a namesake.
func (p *newcomer) identified() bool { return p.idField != "username" }

func (d *Directory) newImporting(ctx context.Context, in Import) (*importing, error) {
	if err := errors.Join(in.validate(), d.Organizations.check(in.Org)); err != nil {
		return nil, err
	}
	users := d.localUsers()
	if users == nil {
		return nil, fmt.Errorf("%w: an import needs the one in the DB", ErrReadOnly)
	}
	run := &importing{in: in, dir: d, users: users, states: store.NewCollection(d.db, importType), groups: map[string]*Group{}}
	run.forget()
	meta := store.Meta{Org: in.Org, ID: secret.Hash(in.Source + "\x00" + in.Part)}
	run.done = &importState{Meta: meta, Source: in.Source, Part: in.Part}
	if in.DryRun {
		return run, nil
	}
	done, err := run.states.Get(ctx, meta.Ref())
	if err == nil {
		run.done, run.next = done, done.ImportCount
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return run, nil
}

// forget begins a step.
func (run *importing) forget() {
	run.people, run.ids, run.names = nil, map[string]*newcomer{}, map[string]*newcomer{}
}

// localUser is a Users that is, or has within, the user store in the DB.
type localUser interface{ local() *defaultUsers }

func (d *defaultUsers) local() *defaultUsers { return d }

func (s *userStores) local() *defaultUsers {
	for _, m := range s.members {
		if l, ok := m.Users.(localUser); ok {
			return l.local()
		}
	}
	return nil
}

// localUsers returns the user store in the DB, nil when people live only elsewhere.
func (d *Directory) localUsers() *defaultUsers {
	if l, ok := d.Users.(localUser); ok {
		return l.local()
	}
	return nil
}

// take takes the next row, and writes what was taken when that is enough for a step.
func (run *importing) take(ctx context.Context, row *ImportRow, err error) error {
	invalid, isInvalid := errors.AsType[*InvalidError](err)
	if err != nil && !isInvalid {
		return err
	}
	run.row++
	switch {
	case run.row < run.done.Rows:
		return nil
	case run.row == run.done.Rows && mark(row) != run.done.Last:
		return ErrImportChanged
	case run.row == run.done.Rows:
		return nil
	}
	run.next.Rows, run.last = run.row, mark(row)
	switch {
	case isInvalid:
		err = run.reject(run.refused(row), invalid)
	case row != nil:
		err = run.admit(ctx, row)
	}
	if err == nil && run.row-run.done.Rows >= int64(run.in.Batch) {
		err = run.flush(ctx)
	}
	return err
}

// mark is the hash of a row's names.
func mark(row *ImportRow) string {
	if row == nil {
		return ""
	}
	return secret.Hash(strings.Join([]string{row.ID, row.ExternalID, row.Username}, "\x00"))
}

// refused is who a rejected row is about, as far as is known.
func (run *importing) refused(row *ImportRow) *newcomer {
	p := &newcomer{row: run.row, user: &User{}}
	if row != nil {
		p.user.Username, p.externalID = row.Username, row.ExternalID
	}
	return p
}

// admit makes a newcomer of a row that is right.
func (run *importing) admit(ctx context.Context, row *ImportRow) error {
	p, problems := run.newcomer(row)
	more, err := run.resolve(ctx, p, row.Groups)
	if err != nil {
		return err
	}
	if problems = append(problems, more...); len(problems) > 0 {
		return run.reject(p, problems...)
	}
	name := Fold(p.user.Username)
	byID, byName := run.ids[p.user.ID], run.names[name]
	switch {
	case byID != nil && byID == byName && p.identified():
		run.next.Present++
		return nil
	case byName != nil:
		return run.reject(p, &InvalidError{Field: "username", Problem: fmt.Sprintf("is that of row %d", byName.row)})
	case byID != nil:
		return run.reject(p, &InvalidError{Field: p.idField, Problem: fmt.Sprintf("is that of row %d", byID.row)})
	}
	run.ids[p.user.ID], run.names[name] = p, p
	run.people = append(run.people, p)
	return nil
}

// newcomer builds what is to be written, and says what is wrong with it.
func (run *importing) newcomer(row *ImportRow) (*newcomer, []*InvalidError) {
	u := row.User
	p := &newcomer{row: run.row, user: &u, externalID: row.ExternalID, idField: "id"}
	u.Meta = store.Meta{Org: run.in.Org, ID: row.ID}
	switch {
	case row.ID == "" && row.ExternalID == "":
		u.ID, p.idField = ImportedID(run.in.Source, Fold(row.Username)), "username"
	case row.ID == "":
		u.ID, p.idField = ImportedID(run.in.Source, row.ExternalID), "externalId"
	}
	u.Updated = run.dir.db.Now()
	if u.Created.IsZero() {
		u.Created = u.Updated
	}
	p.subject = &Subject{Meta: u.Meta, Kind: Person, Status: Active, ExternalID: u.ID}
	if u.Disabled {
		p.subject.Status = Disabled
	}
	problems := run.check(row, &u)
	if row.Elsewhere {
		p.credential = run.credential(&u, elsewhere)
	} else if row.Hash != "" {
		p.credential = run.credential(&u, secret.Text(row.Hash))
	}
	return p, problems
}

func (run *importing) check(row *ImportRow, u *User) []*InvalidError {
	problems := invalid(u.Validate())
	add := func(field, problem string) {
		problems = append(problems, &InvalidError{Field: field, Problem: problem})
	}
	if row.ID != "" && !uuidPattern.MatchString(row.ID) {
		add("id", "must be a UUID in lower case; the ids of another kind go into externalId")
	}
	if len(row.ExternalID) > maxText {
		add("externalId", fmt.Sprintf("must have at most %d bytes", maxText))
	}
	if row.Elsewhere && row.Hash != "" {
		add("elsewhere", "must not stand beside a hash")
	}
	if row.Hash != "" {
		if err := run.users.hasher.Check(string(row.Hash)); errors.Is(err, password.ErrBounds) {
			add("hash", "asks for work out of bounds: "+strings.TrimPrefix(err.Error(), password.ErrBounds.Error()+": "))
		} else if err != nil {
			add("hash", "is of a kind that is not read")
		}
	}
	if len(row.Groups) > maxImportGroups {
		add("groups", fmt.Sprintf("must be at most %d", maxImportGroups))
	}
	return problems
}

// invalid takes joined *InvalidErrors apart.
func invalid(err error) []*InvalidError {
	var list []*InvalidError
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			list = append(list, invalid(err)...)
		}
	} else if one, ok := errors.AsType[*InvalidError](err); ok {
		list = append(list, one)
	}
	return list
}

func (run *importing) credential(u *User, text secret.Text) *Credential {
	ref := passwordRef(u.Ref())
	c := &Credential{
		Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Subject: u.Ref(), Type: PasswordCredential, Epoch: firstEpoch(), Created: u.Updated,
	}
	run.dir.Credentials.seal(c, text)
	return c
}

// resolve finds the groups of a newcomer, or makes them.
func (run *importing) resolve(ctx context.Context, p *newcomer, names []string) (problems []*InvalidError, err error) {
	for _, name := range names[:min(len(names), maxImportGroups)] {
		key := Fold(name)
		if slices.Contains(p.groups, key) {
			continue
		}
		p.groups = append(p.groups, key)
		_, err := run.group(ctx, name)
		switch missing, isInvalid := errors.AsType[*InvalidError](err); {
		case isInvalid:
			problems = append(problems, &InvalidError{Field: "groups", Problem: missing.Problem})
		case err != nil:
			return nil, err
		}
	}
	return problems, nil
}

// group returns the group that a name means; an *InvalidError when there is none.
func (run *importing) group(ctx context.Context, name string) (*Group, error) {
	if g, ok := run.groups[Fold(name)]; ok {
		return g, nil
	}
	groups := run.dir.Groups
	g, err := groups.Find(ctx, run.in.Org, name)
	if errors.Is(err, store.ErrNotFound) {
		if g, err = run.newGroup(ctx, name); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	run.groups[Fold(name)] = g
	return g, nil
}

func (run *importing) newGroup(ctx context.Context, name string) (*Group, error) {
	g := &Group{Meta: store.Meta{Org: run.in.Org}, Name: name}
	if !run.in.CreateGroups {
		return nil, &InvalidError{Field: "groups", Problem: "name one that is not there"}
	}
	if err := g.Validate(); err != nil || run.in.DryRun {
		return g, err
	}
	err := run.dir.Groups.Create(ctx, g)
	if _, isTaken := errors.AsType[*TakenError](err); isTaken { // another was faster
		return run.dir.Groups.Find(ctx, run.in.Org, name)
	}
	return g, err
}

// reject counts a row and tells what is wrong with it.
func (run *importing) reject(p *newcomer, problems ...*InvalidError) error {
	run.next.Rejected++
	for _, problem := range problems {
		if run.in.Rejected == nil {
			break
		}
		err := run.in.Rejected(Rejection{
			Row: p.row, Username: p.user.Username, ExternalID: p.externalID, Field: problem.Field, Reason: problem.Problem,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
