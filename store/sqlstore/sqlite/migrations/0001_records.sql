-- +goose Up
-- Times are microseconds since 1970, UTC; 9223372036854775807 is never. A value in signet_entries is one byte for its
-- type (0 text, 1 number, 2 boolean, 3 time) and then bytes that compare as the values do.

CREATE TABLE signet_records (
	kind    TEXT    NOT NULL,
	org     TEXT    NOT NULL,
	id      TEXT    NOT NULL,
	version INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	schema  INTEGER NOT NULL,
	count   INTEGER NOT NULL,
	digest  BLOB, -- of the record's keys and entries; NULL when it has none
	body    BLOB, -- a JSON object; NULL when it is empty
	PRIMARY KEY (kind, org, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX signet_records_expires ON signet_records (expires) WHERE expires < 9223372036854775807;

CREATE TABLE signet_keys (
	kind   TEXT    NOT NULL,
	scope  INTEGER NOT NULL, -- 0: unique within an organization, 1: anywhere
	within TEXT    NOT NULL, -- the organization of scope 0, '' for scope 1
	name   TEXT    NOT NULL,
	value  BLOB    NOT NULL,
	org    TEXT    NOT NULL,
	id     TEXT    NOT NULL,
	PRIMARY KEY (kind, scope, within, name, value)
) STRICT, WITHOUT ROWID;

CREATE INDEX signet_keys_record ON signet_keys (kind, org, id);

-- By record; by value in one organization; by value in many.
CREATE TABLE signet_entries (
	kind  TEXT NOT NULL,
	org   TEXT NOT NULL,
	id    TEXT NOT NULL,
	field TEXT NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY (kind, org, id, field, value)
) STRICT, WITHOUT ROWID;

CREATE INDEX signet_entries_here ON signet_entries (kind, field, org, value, id);
CREATE INDEX signet_entries_below ON signet_entries (kind, field, value, org, id);

-- Which fields stand together in records of a kind, now or once, as a JSON array; a field that has several entries in a
-- record stands twice. It tells List what it need not look for.
CREATE TABLE signet_shapes (
	kind  TEXT NOT NULL,
	shape TEXT NOT NULL,
	PRIMARY KEY (kind, shape)
) STRICT, WITHOUT ROWID;

-- The last version that was given out.
CREATE TABLE signet_versions (
	one  INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
	last INTEGER NOT NULL
) STRICT;

INSERT INTO signet_versions (one, last) VALUES (1, 0);
