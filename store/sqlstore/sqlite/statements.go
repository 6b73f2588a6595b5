package sqlite

import "github.com/signet-idp/signet/store/sqlstore"

// statements returns all fixed statements in the words of SQLite.
func statements() sqlstore.Statements {
	return sqlstore.Statements{
		Begin:     `BEGIN IMMEDIATE`,
		Commit:    `COMMIT`,
		Rollback:  `ROLLBACK`,
		Savepoint: `SAVEPOINT step`,
		Undo:      `ROLLBACK TO step`,
		Release:   `RELEASE step`,

		Versions: `UPDATE signet_versions SET last = last + ? WHERE one = 1 RETURNING last`,

		Get: `SELECT version, expires, schema, count, body FROM signet_records
		WHERE kind = ? AND org = ? AND id = ? AND expires > ?`,
		Lookup: `SELECT r.org, r.id, r.version, r.expires, r.schema, r.count, r.body
		FROM signet_keys AS k JOIN signet_records AS r ON r.kind = k.kind AND r.org = k.org AND r.id = k.id
		WHERE k.kind = ? AND k.scope = ? AND k.within = ? AND k.name = ? AND k.value = ? AND r.expires > ?`,
		State: `SELECT version, expires, count, digest FROM signet_records WHERE kind = ? AND org = ? AND id = ?`,
		// The second condition is what lets the planner use the partial index.
		Expired: `SELECT kind, org, id, digest FROM signet_records
		WHERE expires <= ? AND expires < 9223372036854775807 ORDER BY expires LIMIT ?`,

		InsertRecord: `INSERT INTO signet_records (kind, org, id, version, expires, schema, count, digest, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, org, id) DO NOTHING`,
		UpdateRecord: `UPDATE signet_records SET version = ?, expires = ?, schema = ?, count = 0, digest = ?, body = ?
		WHERE kind = ? AND org = ? AND id = ?`,
		UpdateCount:  `UPDATE signet_records SET version = ?, count = ? WHERE kind = ? AND org = ? AND id = ?`,
		DeleteRecord: `DELETE FROM signet_records WHERE kind = ? AND org = ? AND id = ?`,

		InsertKey: `INSERT INTO signet_keys (kind, scope, within, name, value, org, id)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, scope, within, name, value) DO NOTHING`,
		KeyHolder: `SELECT r.org, r.id, r.expires, r.digest
		FROM signet_keys AS k JOIN signet_records AS r ON r.kind = k.kind AND r.org = k.org AND r.id = k.id
		WHERE k.kind = ? AND k.scope = ? AND k.within = ? AND k.name = ? AND k.value = ?`,
		Keys: `SELECT scope, name, value FROM signet_keys WHERE kind = ? AND org = ? AND id = ?`,
		DeleteKey: `DELETE FROM signet_keys
		WHERE kind = ? AND scope = ? AND within = ? AND name = ? AND value = ?`,
		DeleteKeys: `DELETE FROM signet_keys WHERE kind = ? AND org = ? AND id = ?`,

		InsertEntry: `INSERT INTO signet_entries (kind, org, id, field, value) VALUES (?, ?, ?, ?, ?)`,
		Entries:     `SELECT field, value FROM signet_entries WHERE kind = ? AND org = ? AND id = ?`,
		DeleteEntry: `DELETE FROM signet_entries
		WHERE kind = ? AND org = ? AND id = ? AND field = ? AND value = ?`,
		DeleteEntries: `DELETE FROM signet_entries WHERE kind = ? AND org = ? AND id = ?`,

		InsertShape: `INSERT INTO signet_shapes (kind, shape) VALUES (?, ?) ON CONFLICT (kind, shape) DO NOTHING`,
		Shapes:      `SELECT shape FROM signet_shapes WHERE kind = ?`,

		Migration: `CREATE TABLE IF NOT EXISTS signet_migrations (
		number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, done INTEGER NOT NULL) STRICT`,
		HasMigrations:  `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'signet_migrations'`,
		Migrations:     `SELECT number, name, checksum, done FROM signet_migrations ORDER BY number`,
		BeginMigration: `INSERT INTO signet_migrations (number, name, checksum, done) VALUES (?, ?, ?, 0)`,
		EndMigration:   `UPDATE signet_migrations SET done = 1 WHERE number = ?`,
	}
}
