-- +goose Up
-- Times are microseconds since 1970, UTC; 9223372036854775807 is never. Organizations, ids and fields are UTF-8, kept as bytes
-- so that no collation has a say; a client shows them after SET bytea_output = 'escape'. A value in signet_entries is one byte
-- for its type (0 text, 1 number, 2 boolean, 3 time) and then bytes that compare as the values do; a long one is cut and ends
-- in a hash.

CREATE TABLE signet_records (
	kind    text COLLATE "C" NOT NULL,
	org     bytea  NOT NULL,
	id      bytea  NOT NULL,
	version bigint NOT NULL,
	expires bigint NOT NULL,
	schema  bigint NOT NULL,
	count   bigint NOT NULL,
	digest  bytea, -- of the record's keys and, in its second half, of its entries; NULL when it has none
	body    bytea, -- a JSON object; NULL when it is empty
	PRIMARY KEY (kind, org, id)
) WITH (fillfactor = 90);

CREATE INDEX signet_records_expires ON signet_records (expires) WHERE expires < 9223372036854775807;

CREATE TABLE signet_keys (
	kind text COLLATE "C" NOT NULL,
	hash bytea NOT NULL, -- SHA-256 of scope, organization, name and value
	org  bytea NOT NULL,
	id   bytea NOT NULL,
	PRIMARY KEY (kind, hash)
);

CREATE INDEX signet_keys_record ON signet_keys (kind, org, id);

-- By record; by value in one organization; by value in many.
CREATE TABLE signet_entries (
	kind  text COLLATE "C" NOT NULL,
	org   bytea NOT NULL,
	id    bytea NOT NULL,
	field bytea NOT NULL,
	value bytea NOT NULL,
	PRIMARY KEY (kind, org, id, field, value)
);

CREATE INDEX signet_entries_here ON signet_entries (kind, field, org, value, id);
CREATE INDEX signet_entries_below ON signet_entries (kind, field, value, org, id);

-- Which fields stand together in records of a kind, now or once, as a JSON array; a field that has several entries in a
-- record stands twice. It tells List what it need not look for.
CREATE TABLE signet_shapes (
	kind  text COLLATE "C" NOT NULL,
	hash  bytea NOT NULL,
	shape text  NOT NULL,
	PRIMARY KEY (kind, hash)
);

-- The last version that was reserved.
CREATE TABLE signet_versions (
	one  bigint NOT NULL PRIMARY KEY CHECK (one = 1),
	last bigint NOT NULL
);

INSERT INTO signet_versions (one, last) VALUES (1, 0);
