-- +goose Up
-- Every statement can be run again: the database ends a transaction with each CREATE, so that a migration may stop in the middle.
-- Times are microseconds since 1970, UTC; 9223372036854775807 is never. A value in signet_entries is one byte for its
-- type (0 text, 1 number, 2 boolean, 3 time) and then bytes that compare as the values do; InnoDB indexes no more than 3072 bytes
-- of a row, and so a value of more than 767 bytes is its first 736 and the SHA-256 of the whole.

CREATE TABLE IF NOT EXISTS signet_records (
	kind     VARBINARY(64)  NOT NULL,
	org      VARBINARY(768) NOT NULL,
	id       VARBINARY(256) NOT NULL,
	version  BIGINT         NOT NULL,
	expires  BIGINT         NOT NULL,
	`schema` BIGINT         NOT NULL,
	count    BIGINT         NOT NULL,
	digest   VARBINARY(32), -- of the record's keys and entries; NULL when it has none
	`body`   LONGBLOB,      -- a JSON object; NULL when it is empty
	PRIMARY KEY (kind, org, id),
	KEY records_expires (expires)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=binary;

CREATE TABLE IF NOT EXISTS signet_keys (
	kind VARBINARY(64)  NOT NULL,
	hash BINARY(32)     NOT NULL, -- SHA-256 of scope, organization, name and value
	org  VARBINARY(768) NOT NULL,
	id   VARBINARY(256) NOT NULL,
	PRIMARY KEY (kind, hash),
	KEY keys_record (kind, org, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=binary;

-- By record; by value in one organization; by value in many.
CREATE TABLE IF NOT EXISTS signet_entries (
	kind  VARBINARY(64)  NOT NULL,
	org   VARBINARY(768) NOT NULL,
	id    VARBINARY(256) NOT NULL,
	field VARBINARY(768) NOT NULL,
	value VARBINARY(768) NOT NULL,
	PRIMARY KEY (kind, org, id, field, value),
	KEY entries_here (kind, field, org, value, id),
	KEY entries_below (kind, field, value, org, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=binary;

-- Which fields stand together in records of a kind, now or once, as a JSON array; a field that has several entries in a
-- record stands twice. It tells List what it need not look for.
CREATE TABLE IF NOT EXISTS signet_shapes (
	kind  VARBINARY(64) NOT NULL,
	hash  BINARY(32)    NOT NULL, -- SHA-256 of the shape
	shape LONGBLOB      NOT NULL,
	PRIMARY KEY (kind, hash)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=binary;

-- The last version of the last block that a process has taken.
CREATE TABLE IF NOT EXISTS signet_versions (
	one  INT    NOT NULL PRIMARY KEY,
	last BIGINT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

INSERT IGNORE INTO signet_versions (one, last) VALUES (1, 0);
