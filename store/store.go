package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Ephemeral is the smaller half of the contract: one record at a time, enough for Redis. A Driver is an Ephemeral too.
//
// Every method is safe for concurrent use, honours cancellation of ctx (a cancelled call has either done all or nothing,
// see ErrUncertain), neither keeps nor changes what the caller passed in, and hands out values that the caller may change.
//
// Time comes from the caller: a record whose Expires is not after now is absent for every method, whatever the backend's
// own clock says. A backend's time to live is garbage collection and is set later than Expires.
type Ephemeral interface {
	// Get returns the record, without its Keys and Index, which are written but never read back.
	// It returns ErrNotFound for a record that is absent or expired, and for nothing else.
	Get(ctx context.Context, now time.Time, kind Kind, org, id string) (Record, error)

	// Apply does all of ops, or none of them, as one atomic and durable step, and returns one Result for each.
	// An Ephemeral takes exactly one Op, a Driver any number from one; two Ops on one record are an error.
	//
	// When a condition does not hold the error is a *Conflict. An error that wraps ErrUncertain means that the step may
	// or may not have happened. Any other error means that nothing has.
	Apply(ctx context.Context, now time.Time, ops ...Op) ([]Result, error)
}

// Driver is what a database implements: Ephemeral with any number of Ops in one step, lookup by unique key, lists, and
// purging. The promises of Ephemeral hold. storetest.Run proves an implementation; our own pass only through it.
type Driver interface {
	Ephemeral

	// Lookup returns the record of the kind that holds the unique key: within org for a key of OrgScope, anywhere for
	// a key of GlobalScope (org is then ignored). It returns ErrNotFound when no unexpired record holds it.
	Lookup(ctx context.Context, now time.Time, kind Kind, org string, key Key) (Record, error)

	// List returns one page of the records that match q, in the order that q asks for. A record that exists unchanged
	// during the whole walk through all pages appears exactly once, whatever is written meanwhile.
	// A filter that has no index may be answered with ErrUnindexed; see Query for those that always have one.
	List(ctx context.Context, now time.Time, q Query) (Page, error)

	// Purge removes at most limit records that expired at or before now, with their keys and index entries, and returns
	// how many it removed. Versions stay unique afterwards.
	Purge(ctx context.Context, now time.Time, limit int) (int, error)
}

// Kind names a family of records. The package that owns the Go type declares it, once, and prefixes Name with its own
// name ("oidc.grant"). The zero Kind is invalid.
type Kind struct {
	// Name is lower-case ASCII letters, digits, dots and dashes, 1 to 64 bytes.
	Name string
	// Ephemeral kinds hold what may be lost: they have no unique keys and no index, and may live in a separate
	// Ephemeral. The declaration of each says what its loss costs.
	Ephemeral bool
}

// String returns the name.
func (k Kind) String() string { return k.Name }

// Ref names a record of a known kind. The zero Ref names nothing.
type Ref struct {
	Org string `json:"org,omitempty"`
	ID  string `json:"id"`
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// Record is one stored thing.
type Record struct {
	Kind Kind
	// Org is the path of organization ids from the root, joined by "/"; the root is "".
	Org string
	// ID is unique within (Kind, Org): 1 to 256 bytes of UTF-8 without control characters.
	ID string
	// Version is assigned by the driver at each write, is greater than zero and is never used again for the same
	// (Kind, Org, ID), not even after deletion.
	Version int64
	// Expires is when the record stops existing, in the years 0 to 9999; the zero time is never. Precision is one microsecond.
	Expires time.Time
	// Schema is the owner's number for the form of Body.
	Schema int
	// Count is the value of a counter, which only Add changes; Insert and Replace leave it zero.
	Count int64
	// Keys are unique among the unexpired records of the kind. They are empty on records that were read.
	Keys []Key
	// Index holds what List may filter and sort by. It is empty on records that were read.
	Index []Entry
	// Body is a JSON object, or empty for a counter.
	Body []byte
}

// Ref returns the reference to the record.
func (r *Record) Ref() Ref { return Ref{Org: r.Org, ID: r.ID} }

// Scope says among which records a Key is unique.
type Scope uint8

// The scopes of a Key.
const (
	// OrgScope keys are unique among the records of one kind in one organization.
	OrgScope Scope = iota
	// GlobalScope keys are unique among all records of one kind.
	GlobalScope
)

// Key is a unique name of a record. Values are compared byte by byte: the owner normalizes them.
type Key struct {
	Scope Scope
	Name  string
	Value string
}

// Entry is one value under which List finds a record. A record may have many entries of one field; all values of a
// field have the same type. Identical entries count as one.
type Entry struct {
	Field string
	Value Value
}

// Verb is what an Op does.
type Verb uint8

// The verbs. The zero Verb is invalid.
const (
	// VerbInsert writes a record that must be absent.
	VerbInsert Verb = iota + 1
	// VerbReplace writes a record that must stand at Version.
	VerbReplace
	// VerbDelete removes a record that must stand at Version.
	VerbDelete
	// VerbCheck demands that a record stand unchanged at Version and writes nothing.
	VerbCheck
	// VerbAdd adds Delta to Count, creating the record when it is absent.
	VerbAdd
)

// String returns the verb's name.
func (v Verb) String() string {
	names := [...]string{"invalid", "insert", "replace", "delete", "check", "add"}
	if int(v) >= len(names) {
		return names[0]
	}
	return names[v]
}

// Op is one operation of an Apply. Make it with Insert, Replace, Delete, Check or Add.
type Op struct {
	Verb Verb
	// Record is whole for Insert and Replace. Delete and Check use Kind, Org, ID and Version; Add uses Kind, Org, ID
	// and Expires.
	Record Record
	// Delta is what Add adds.
	Delta int64
}

// Insert writes r, which must be absent. Conflicts: Exists for the id or for a unique key.
func Insert(r Record) Op { return Op{Verb: VerbInsert, Record: r} }

// Replace writes r over the record that stands at r.Version, with its Keys, Index and Expires.
// Conflicts: Absent, Version, and Exists for a unique key that another record holds.
func Replace(r Record) Op { return Op{Verb: VerbReplace, Record: r} }

// Delete removes the record that stands at version. Conflicts: Absent, Version.
func Delete(kind Kind, ref Ref, version int64) Op {
	return Op{Verb: VerbDelete, Record: Record{Kind: kind, Org: ref.Org, ID: ref.ID, Version: version}}
}

// Check demands that the record stand at version when the step is done; nothing is written. Conflicts: Absent, Version.
func Check(kind Kind, ref Ref, version int64) Op {
	return Op{Verb: VerbCheck, Record: Record{Kind: kind, Org: ref.Org, ID: ref.ID, Version: version}}
}

// Add adds delta to the counter and never conflicts. An absent or expired counter starts at zero and takes expires; an
// existing one keeps its own expiry. The Result holds the new value.
func Add(kind Kind, ref Ref, delta int64, expires time.Time) Op {
	return Op{Verb: VerbAdd, Record: Record{Kind: kind, Org: ref.Org, ID: ref.ID, Expires: expires}, Delta: delta}
}

// Result is what became of an Op.
type Result struct {
	// Version is the record's version after the step; for Delete, zero.
	Version int64
	// Count is the counter's value after an Add.
	Count int64
}

// Reason says which condition of an Op did not hold.
type Reason uint8

// The reasons.
const (
	// Version: the record stands at another version.
	Version Reason = iota + 1
	// Exists: the record, or another holder of one of its unique keys, is there already.
	Exists
	// Absent: the record is not there.
	Absent
)

// String returns the reason's name.
func (r Reason) String() string {
	names := [...]string{"unknown", "version", "exists", "absent"}
	if int(r) >= len(names) {
		return names[0]
	}
	return names[r]
}

// Conflict is the error of an Apply whose condition did not hold. Nothing was written.
type Conflict struct {
	// Op is the index of the operation among those that were passed.
	Op     int
	Reason Reason
	Kind   Kind
	Ref    Ref
	// Key is the unique key that another record holds, or zero when the record itself is the cause.
	Key Key
}

// Error implements error.
func (c *Conflict) Error() string {
	if c.Key.Name != "" {
		return fmt.Sprintf("store: conflict on %s: key %s %s", c.Kind, c.Key.Name, c.Reason)
	}
	return fmt.Sprintf("store: conflict on %s: %s", c.Kind, c.Reason)
}

var (
	// ErrNotFound is the only way to say that something is absent.
	ErrNotFound = errors.New("store: not found")
	// ErrUncertain says that the answer to a commit was lost. The caller answers 503; it never repeats the step blindly
	// and never takes what it finds afterwards for somebody else's doing.
	ErrUncertain = errors.New("store: outcome of the commit is unknown")
	// ErrUnindexed is a driver's refusal of a filter or order that no index serves.
	ErrUnindexed = errors.New("store: filter has no index")
	// ErrTooMany says that a scan passed its bound (SCIM tooMany, RFC 7644 §3.12).
	ErrTooMany = errors.New("store: filter matches too many records")
	// ErrInvalid says that a record, operation or query breaks the contract: a programming error of the caller.
	ErrInvalid = errors.New("store: invalid")
)

// ConflictOn returns the *Conflict in err when it concerns kind, and nil otherwise.
func ConflictOn(err error, kind Kind) *Conflict {
	if c, ok := errors.AsType[*Conflict](err); ok && c.Kind == kind {
		return c
	}
	return nil
}
