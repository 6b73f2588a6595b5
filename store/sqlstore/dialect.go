package sqlstore

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/signet-idp/signet/store"
)

// Dialect is what databases say differently. It is made once by the package of a database and not changed afterwards.
type Dialect struct {
	// Name stands in front of error messages.
	Name string
	// Statements are the fixed statements.
	Statements Statements
	// Server are further statements, for those who use NewServer.
	Server ServerStatements
	// Tables stands in front of the name of every table in the statements of List, in the place of "signet_". "" is that.
	// Statements hold the whole names already.
	Tables string
	// Script makes the text of a migration ready to run. Nil leaves it as it is.
	Script func(text string) string
	// Placeholder writes the n-th parameter of a statement, counted from one. Nil writes "?".
	Placeholder func(n int) string
	// Using writes the hint, behind a table's alias, that one index of it be used: entries_here or entries_below. Nil
	// writes none.
	Using func(index string) string
	// Unsought writes a column so that no index is chosen for a comparison with it: that of the field, where List looks for entries of a record it
	// has. A planner that knows nothing of the table yet may take an index in which those of all records stand together. Nil leaves it
	// as it is.
	Unsought func(column string) string
	// Fence stands at the end of a subquery that must be done for each row by itself, whatever the planner believes about
	// the number of rows. "" leaves it to CROSS JOIN and EXISTS.
	Fence string
	// Stepwise says that an index does not serve a comparison of several columns at once, as in (a, b) > (?, ?): List then
	// writes it column by column.
	Stepwise bool
	// Lacks is the literal of the byte ff; "" is x'ff'.
	Lacks string
	// Text makes a parameter of an organization, an id or a field. Nil leaves it a string.
	Text func(string) any
	// LongValue is how many bytes of a value an index takes: what is longer is cut to one byte more than that and ends in a
	// hash, so that equality stays exact, and order as far as the bytes before the hash. Zero is any number.
	LongValue int
	// LongOrg is how many bytes the path of an organization may have. Zero is any number.
	LongOrg int
	// Hashed says that unique keys are stored as a hash of scope, organization, name and value.
	Hashed bool
	// Fault says what an error of the database tells about the transaction in which it happened.
	Fault func(error) Fault
	// Explain turns an error of the database into one that says what to do.
	Explain func(error) error
}

// cutSum is how many bytes of a cut value are a hash.
const cutSum = sha256.Size

// cut returns a value as the index takes it.
func (d *Dialect) cut(value []byte) []byte {
	if !d.long(value) {
		return value
	}
	sum := sha256.Sum256(value)
	return append(value[:d.kept():d.kept()], sum[:]...)
}

func (d *Dialect) long(value []byte) bool { return d.LongValue > 0 && len(value) > d.LongValue }

// kept is how much of a long value stands in front of its hash.
func (d *Dialect) kept() int { return d.LongValue + 1 - cutSum }

// fits refuses operations that the database has no room for.
func (d *Dialect) fits(ops []store.Op) error {
	if d.LongOrg == 0 {
		return nil
	}
	for i := range ops {
		if n := len(ops[i].Record.Org); n > d.LongOrg {
			return fmt.Errorf("%w: operation %d: %s takes organization paths of %d bytes, not of %d", store.ErrInvalid, i, d.Name, d.LongOrg, n)
		}
	}
	return nil
}

func (d *Dialect) named(text string) string {
	if d.Tables == "" {
		return text
	}
	return strings.ReplaceAll(text, "signet_", d.Tables)
}

func (d *Dialect) script(text string) string {
	if d.Script == nil {
		return text
	}
	return d.Script(text)
}

func (d *Dialect) placeholder(n int) string {
	if d.Placeholder == nil {
		return "?"
	}
	return d.Placeholder(n)
}

func (d *Dialect) lacks() string {
	if d.Lacks == "" {
		return "x'ff'"
	}
	return d.Lacks
}

func (d *Dialect) unsought(column string) string {
	if d.Unsought == nil {
		return column
	}
	return d.Unsought(column)
}

func (d *Dialect) text(s string) any {
	if d.Text == nil {
		return s
	}
	return d.Text(s)
}

// keyArgs are the parameters that name a unique key.
func (d *Dialect) keyArgs(kind store.Kind, org string, key store.Key) []any {
	if d.Hashed {
		return []any{kind.Name, hash(org, key)}
	}
	return keyArgs(kind, org, key)
}

// Fault is what an error tells about the transaction in which it happened.
type Fault uint8

const (
	// Unknown: when COMMIT returned it, the transaction may stand or not.
	Unknown Fault = iota
	// RolledBack: the transaction has surely left nothing behind.
	RolledBack
	// Busy: like RolledBack, and somebody else was the cause: worth waiting for, or repeating.
	Busy
	// Unmet: like RolledBack, and the cause was that a condition of a statement did not hold, or that a unique key or a
	// record was there already.
	Unmet
)

// Statements are the fixed statements of a Dialect, with the parameters in the order that is given here. "record" stands
// for the three parameters kind, org, id.
type Statements struct {
	// Begin opens a transaction that nobody else's write can disturb any more.
	Begin, Commit, Rollback string
	// Savepoint, Undo and Release bracket one caller's work inside a shared transaction.
	Savepoint, Undo, Release string

	// Versions (n) reserves n versions and returns the last of them.
	Versions string
	// Get (record, now) returns version, expires, schema, count, body.
	Get string
	// Lookup (kind, scope, within, name, value, now; of a Hashed dialect: kind, hash, now) returns org, id, version, expires, schema, count, body.
	Lookup string
	// State (record) returns version, expires, count, digest, whether the record has expired or not.
	State string
	// Expired (now, limit) returns kind, org, id, digest. On a server it locks what it returns and skips what others have locked.
	Expired string

	// InsertRecord (record, version, expires, schema, count, digest, body) leaves a record that is there alone.
	InsertRecord string
	// UpdateRecord (version, expires, schema, digest, body, record) also resets the counter.
	UpdateRecord string
	// UpdateCount (version, count, record).
	UpdateCount string
	// DeleteRecord (record).
	DeleteRecord string

	// InsertKey (kind, scope, within, name, value, org, id) leaves a key that is held alone.
	InsertKey string
	// KeyHolder (kind, scope, within, name, value) returns org, id, expires, digest.
	KeyHolder string
	// Keys (record) returns scope, name, value.
	Keys string
	// DeleteKey (kind, scope, within, name, value).
	DeleteKey string
	// DeleteKeys (record).
	DeleteKeys string

	// InsertEntry (record, field, value).
	InsertEntry string
	// Entries (record) returns field, value.
	Entries string
	// DeleteEntry (record, field, value).
	DeleteEntry string
	// DeleteEntries (record).
	DeleteEntries string

	// InsertShape (kind, shape) leaves a shape that is there alone.
	InsertShape string
	// Shapes (kind) returns shape.
	Shapes string

	// Migration declares the table of migrations unless it is there.
	Migration string
	// HasMigrations returns one row when the table of migrations is there.
	HasMigrations string
	// Migrations returns number, name, checksum, done of those that were begun, in order.
	Migrations string
	// BeginMigration (number, name, checksum) records that a migration was begun.
	BeginMigration string
	// EndMigration (number) records that it is done.
	EndMigration string
}

// ServerStatements are further fixed statements, for a database that many write to at once. One names a statement that must
// change or return exactly one row. A database whose statements follow each other without waiting has to make sure of that
// in the statement itself, which fails otherwise.
type ServerStatements struct {
	// Isolation stands before Begin, where Begin cannot ask for READ COMMITTED by itself. "" is left out.
	Isolation string
	// Reserve (n) takes n versions out of the counter, in a transaction of its own, and the second statement, or the first where that is
	// "", returns the last of them.
	Reserve [2]string

	// Insert (record, version, expires, schema, digest, body, now) writes a record that is not there. It may do so over
	// an expired one that has no names. One.
	Insert string
	// Stale (record, version, now, digest) locks the record if it stands at the version, and deletes its entries if the second half of
	// its digest is another. "" has Replace leave names alone.
	Stale string
	// Replace (version, expires, schema, digest, body, record, version before, now) writes over a record that stands at the
	// version before, and whose names are the same: the first half of the digest, or, without Stale, all of it. One.
	Replace string
	// Delete (record, version, now) removes a record that stands at the version. One.
	Delete string
	// Check (record, version, now) locks a record that stands at the version against changes. One.
	Check string
	// Add (record, version, expires, delta, now) adds to a counter that is there, or makes it, also over an expired one
	// that has no names. It returns the count, unless Count does. One.
	Add string
	// Count (record) returns the count. "" when Add does.
	Count string

	// Plan opens a transaction before every statement of List and has the planner go through indexes in their order. Nil has
	// List do without.
	Plan []string
	// Lock (record) and LockShared (record) are State and lock the record against others who write, or write and lock.
	Lock, LockShared string
	// Holder (kind, hash) returns org, id, expires, digest of the record that holds a unique key, and LockHolder locks it.
	Holder, LockHolder string
	// InsertRecord (record, version, expires, schema, count, digest, body) fails where a record is.
	InsertRecord string

	// InsertKeys and InsertEntries are what stands before and behind the rows of an INSERT: (kind, hash, org, id), which fails where a
	// key is held, and (record, field, value), which leaves an entry alone that is there.
	InsertKeys, InsertEntries [2]string
	// Rows is how many rows an INSERT has at most; zero means 8.
	Rows int
}
