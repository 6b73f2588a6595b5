package mysql

import "github.com/signet-idp/signet/store/sqlstore"

// What begins and ends a transaction, whatever the defaults of the connection are (tx_read_only, completion_type). The isolation level
// is that of the next transaction alone.
const (
	isolation = `SET TRANSACTION ISOLATION LEVEL READ COMMITTED`
	begin     = `START TRANSACTION READ WRITE`
	commit    = `COMMIT AND NO CHAIN NO RELEASE`
	rollback  = `ROLLBACK AND NO CHAIN NO RELEASE`
)

// statements returns the statements in the words of MySQL and MariaDB. Parameters are $1, $2 and so on, in the order that sqlstore
// documents; one may stand twice or not at all.
func statements(named func(string) string, config Config) sqlstore.Statements {
	schema := `DATABASE()`
	if config.Database != "" {
		schema = `'` + config.Database + `'`
	}
	return sqlstore.Statements{
		Begin:    begin,
		Commit:   commit,
		Rollback: rollback,

		Get: named("SELECT version, expires, `schema`, count, `body` FROM signet_records" + `
		WHERE kind = $1 AND org = $2 AND id = $3 AND expires > $4`),
		Lookup: named("SELECT r.org, r.id, r.version, r.expires, r.`schema`, r.count, r.body" + `
		FROM signet_keys AS k STRAIGHT_JOIN signet_records AS r ON r.kind = k.kind AND r.org = k.org AND r.id = k.id
		WHERE k.kind = $1 AND k.hash = $2 AND r.expires > $3`),
		State: named(`SELECT version, expires, count, digest FROM signet_records WHERE kind = $1 AND org = $2 AND id = $3`),
		Expired: named(`SELECT kind, org, id, digest FROM signet_records FORCE INDEX (records_expires)
		WHERE expires <= $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED`),

		UpdateRecord: named("UPDATE signet_records SET version = $1, expires = $2, `schema` = $3, count = 0, digest = $4, `body` = $5" + `
		WHERE kind = $6 AND org = $7 AND id = $8`),
		UpdateCount:   named(`UPDATE signet_records SET version = $1, count = $2 WHERE kind = $3 AND org = $4 AND id = $5`),
		DeleteRecord:  named(`DELETE FROM signet_records WHERE kind = $1 AND org = $2 AND id = $3`),
		DeleteKeys:    named(`DELETE FROM signet_keys WHERE kind = $1 AND org = $2 AND id = $3`),
		DeleteEntries: named(`DELETE FROM signet_entries WHERE kind = $1 AND org = $2 AND id = $3`),

		InsertShape: named(`INSERT INTO signet_shapes (kind, hash, shape) VALUES ($1, UNHEX(SHA2($2, 256)), $2)
		ON DUPLICATE KEY UPDATE kind = VALUES(kind)`),
		Shapes: named(`SELECT shape FROM signet_shapes WHERE kind = $1`),

		Migration: named(`CREATE TABLE IF NOT EXISTS signet_migrations (
		number INT NOT NULL PRIMARY KEY, name VARBINARY(255) NOT NULL, checksum VARBINARY(64) NOT NULL, done INT NOT NULL)
		ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=binary`),
		HasMigrations: `SELECT 1 FROM information_schema.TABLES
		WHERE TABLE_SCHEMA = ` + schema + ` AND TABLE_NAME = '` + config.Prefix + `migrations'`,
		Migrations:     named(`SELECT number, name, checksum, done FROM signet_migrations ORDER BY number`),
		BeginMigration: named(`INSERT INTO signet_migrations (number, name, checksum, done) VALUES ($1, $2, $3, 0)`),
		EndMigration:   named(`UPDATE signet_migrations SET done = 1 WHERE number = $1`),
	}
}

// never is more than any version can be added to: BIGINT then overflows, which is an error in every SQL mode.
const never = `9223372036854775807`

// noKeys is the first half of the digest of a record without unique keys.
const noKeys = `x'00000000000000000000000000000000'`

func serverStatements(named func(string) string, bundles bool) sqlstore.ServerStatements {
	const at = ` WHERE kind = $1 AND org = $2 AND id = $3`
	s := sqlstore.ServerStatements{
		Isolation: isolation,
		Reserve: [2]string{
			named(`UPDATE signet_versions SET last = LAST_INSERT_ID(last + $1) WHERE one = 1`),
			named(`SELECT LAST_INSERT_ID() FROM signet_versions WHERE one = 1`),
		},

		Insert: named("INSERT INTO signet_records (kind, org, id, version, expires, `schema`, count, digest, `body`)" + `
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)`),
		// A DELETE that joins the record would lock it shared, and two who did would be in each other's way.
		Stale: named(`IF EXISTS (SELECT 1 FROM signet_records` + at + ` AND version = $4 AND expires > $5
		AND NOT (SUBSTRING(digest, 17) <=> SUBSTRING($6, 17)) FOR UPDATE)
		THEN DELETE FROM signet_entries` + at + `; END IF`),
		Replace: named("UPDATE signet_records SET version = $1, expires = $2, `schema` = $3, count = 0, digest = $4, `body` = $5" + `
		WHERE kind = $6 AND org = $7 AND id = $8 AND version = $9 AND expires > $10
		AND COALESCE(LEFT(digest, 16), ` + noKeys + `) = COALESCE(LEFT($4, 16), ` + noKeys + `)`),
		Delete: named(`DELETE FROM signet_records` + at + ` AND version = $4 AND expires > $5`),
		Check:  named(`SELECT 1 FROM signet_records` + at + ` AND version = $4 AND expires > $5 LOCK IN SHARE MODE`),
		// Every assignment reads what stood there before, whatever their order. A counter in the place of an expired record with
		// names overflows: such a record is removed with care. So does a count without an end.
		Add: named("INSERT INTO signet_records (kind, org, id, version, expires, `schema`, count)" + `
		VALUES ($1, $2, $3, $4, $5, 0, $6) ON DUPLICATE KEY UPDATE
		version = IF(expires > $7 OR digest IS NULL, $4, version + ` + never + `),
		count = IF(expires > $7, count + $6, $6),
		` + "`schema` = IF(expires > $7, `schema`, 0)" + `,
		` + "`body` = IF(expires > $7, `body`, NULL)" + `,
		expires = IF(expires > $7, expires, $5)`),
		Count: named(`SELECT count FROM signet_records` + at),

		Lock:       named(`SELECT version, expires, count, digest FROM signet_records` + at + ` FOR UPDATE`),
		LockShared: named(`SELECT version, expires, count, digest FROM signet_records` + at + ` LOCK IN SHARE MODE`),
		Holder: named(`SELECT r.org, r.id, r.expires, r.digest
		FROM signet_keys AS k STRAIGHT_JOIN signet_records AS r ON r.kind = k.kind AND r.org = k.org AND r.id = k.id
		WHERE k.kind = $1 AND k.hash = $2`),
		LockHolder: named(`SELECT r.org, r.id, r.expires, r.digest
		FROM signet_keys AS k STRAIGHT_JOIN signet_records AS r ON r.kind = k.kind AND r.org = k.org AND r.id = k.id
		WHERE k.kind = $1 AND k.hash = $2 FOR UPDATE`),
		InsertRecord: named("INSERT INTO signet_records (kind, org, id, version, expires, `schema`, count, digest, `body`)" + `
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`),

		InsertKeys: [2]string{named(`INSERT INTO signet_keys (kind, hash, org, id) VALUES `), ``},
		InsertEntries: [2]string{
			named(`INSERT INTO signet_entries (kind, org, id, field, value) VALUES `),
			` ON DUPLICATE KEY UPDATE kind = VALUES(kind)`,
		},
		Rows: 200,
	}
	if !bundles { // no IF either; whoever changes names is done with care
		s.Stale = ""
		s.Replace = named("UPDATE signet_records SET version = $1, expires = $2, `schema` = $3, count = 0, `body` = $5" + `
		WHERE kind = $6 AND org = $7 AND id = $8 AND version = $9 AND expires > $10 AND digest <=> $4`)
	}
	return s
}
