package sqlstore

// Dialect is what databases say differently. It is made once by the package of a database and not changed afterwards.
type Dialect struct {
	// Name stands in front of error messages.
	Name string
	// Statements are the fixed statements.
	Statements Statements
	// Placeholder writes the n-th parameter of a statement, counted from one. Nil writes "?".
	Placeholder func(n int) string
	// Using writes the hint, behind a table's alias, that one index of it be used. Nil writes none.
	Using func(index string) string
	// Fault says what an error of the database tells about the transaction in which it happened.
	Fault func(error) Fault
	// Explain turns an error of the database into one that says what to do.
	Explain func(error) error
}

// Fault is what an error tells about the transaction in which it happened.
type Fault uint8

const (
	// Unknown: when COMMIT returned it, the transaction may stand or not.
	Unknown Fault = iota
	// RolledBack: the transaction has surely left nothing behind.
	RolledBack
	// Busy: like RolledBack, and somebody else's lock was the cause: worth waiting for.
	Busy
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
	// Lookup (kind, scope, within, name, value, now) returns org, id, version, expires, schema, count, body.
	Lookup string
	// State (record) returns version, expires, count, digest, whether the record has expired or not.
	State string
	// Expired (now, limit) returns kind, org, id, digest.
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
