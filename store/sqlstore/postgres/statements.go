package postgres

import (
	"strings"

	"github.com/signet-idp/signet/store/sqlstore"
)

// unmet is what the server says when a condition does not hold. Only an error ends what was sent behind it.
const unmet = "signet: a condition of this step does not hold, nothing of it is written"

// one is a statement that fails unless the one inside, which returns something, changes or finds exactly one row.
func one(text string) string { return "WITH one AS (" + text + ") SELECT " + demand + " FROM one" }

// The cast fails at the text that is no number. It is not evaluated before the rows are counted.
const demand = "CAST(CASE COUNT(*) WHEN 1 THEN '1' ELSE '" + unmet + "' END AS bigint)"

const state = `SELECT version, expires, count, digest FROM signet_records WHERE kind = $1 AND org = $2 AND id = $3`

const holder = `SELECT r.org, r.id, r.expires, r.digest FROM signet_keys AS k CROSS JOIN signet_records AS r
	WHERE k.kind = $1 AND k.hash = $2 AND r.kind = $1 AND r.org = k.org AND r.id = k.id`

// statements returns all fixed statements. Tables have the prefix signet_, which named replaces. A parameter whose type does
// not follow from where it stands is cast.
func statements(t tables) sqlstore.Statements {
	return sqlstore.Statements{
		Begin:    `BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE`,
		Commit:   `COMMIT`,
		Rollback: `ROLLBACK`,

		Get: t.named(`SELECT version, expires, schema, count, body FROM signet_records
			WHERE kind = $1 AND org = $2 AND id = $3 AND expires > $4`),
		// OFFSET 0 has the record looked up by the key's row, whatever the planner believes about an empty table.
		Lookup: t.named(`SELECT r.org, r.id, r.version, r.expires, r.schema, r.count, r.body
			FROM signet_keys AS k CROSS JOIN LATERAL (SELECT * FROM signet_records AS r
				WHERE r.kind = $1 AND r.org = k.org AND r.id = k.id AND r.expires > $3 OFFSET 0) AS r
			WHERE k.kind = $1 AND k.hash = $2`),
		State: t.named(state),
		// The second condition is what lets the planner use the partial index.
		Expired: t.named(`SELECT kind, org, id, digest FROM signet_records
			WHERE expires <= $1 AND expires < 9223372036854775807 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED`),

		UpdateRecord: t.named(`UPDATE signet_records SET version = $1, expires = $2, schema = $3, count = 0, digest = $4, body = $5
			WHERE kind = $6 AND org = $7 AND id = $8`),
		UpdateCount:   t.named(`UPDATE signet_records SET version = $1, count = $2 WHERE kind = $3 AND org = $4 AND id = $5`),
		DeleteRecord:  t.named(`DELETE FROM signet_records WHERE kind = $1 AND org = $2 AND id = $3`),
		DeleteKeys:    t.named(`DELETE FROM signet_keys WHERE kind = $1 AND org = $2 AND id = $3`),
		DeleteEntries: t.named(`DELETE FROM signet_entries WHERE kind = $1 AND org = $2 AND id = $3`),

		InsertShape: t.named(`INSERT INTO signet_shapes (kind, hash, shape) VALUES ($1, sha256(convert_to($2, 'UTF8')), $2)
			ON CONFLICT DO NOTHING`),
		Shapes: t.named(`SELECT shape FROM signet_shapes WHERE kind = $1`),

		Migration: t.named(`CREATE TABLE IF NOT EXISTS signet_migrations (
			number bigint NOT NULL PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, done bigint NOT NULL)`),
		HasMigrations: `SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
			WHERE n.nspname = ` + literal(t.schema) + ` AND c.relname = ` + literal(t.prefix+"migrations"),
		Migrations:     t.named(`SELECT number, name, checksum, done FROM signet_migrations ORDER BY number`),
		BeginMigration: t.named(`INSERT INTO signet_migrations (number, name, checksum, done) VALUES ($1, $2, $3, 0)`),
		EndMigration:   t.named(`UPDATE signet_migrations SET done = 1 WHERE number = $1`),
	}
}

func serverStatements(t tables) sqlstore.ServerStatements {
	return sqlstore.ServerStatements{
		Reserve: [2]string{t.named(`UPDATE signet_versions SET last = last + $1 WHERE one = 1 RETURNING last`)},

		Insert: t.named(one(`INSERT INTO signet_records AS r (kind, org, id, version, expires, schema, count, digest, body)
			VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)
			ON CONFLICT (kind, org, id) DO UPDATE SET version = excluded.version, expires = excluded.expires,
				schema = excluded.schema, count = 0, digest = excluded.digest, body = excluded.body
			WHERE r.expires <= $9 AND r.digest IS NULL RETURNING 1`)),
		Stale: t.named(`WITH r AS (SELECT digest FROM signet_records
				WHERE kind = $1 AND org = $2 AND id = $3 AND version = $4 AND expires > $5 FOR UPDATE)
			DELETE FROM signet_entries AS e USING r WHERE e.kind = $1 AND e.org = $2 AND e.id = $3
				AND substring(r.digest FROM 17) IS DISTINCT FROM substring(CAST($6 AS bytea) FROM 17)`),
		Replace: t.named(one(`UPDATE signet_records SET version = $1, expires = $2, schema = $3, count = 0, digest = $4, body = $5
			WHERE kind = $6 AND org = $7 AND id = $8 AND version = $9 AND expires > $10
				AND substring(digest FROM 1 FOR 16) IS NOT DISTINCT FROM substring(CAST($4 AS bytea) FROM 1 FOR 16) RETURNING 1`)),
		Delete: t.named(one(`DELETE FROM signet_records
			WHERE kind = $1 AND org = $2 AND id = $3 AND version = $4 AND expires > $5 RETURNING 1`)),
		Check: t.named(one(`SELECT 1 FROM signet_records
			WHERE kind = $1 AND org = $2 AND id = $3 AND version = $4 AND expires > $5 FOR SHARE`)),
		// What has expired starts from nothing, keeping no body.
		Add: t.named(`WITH one AS (INSERT INTO signet_records AS r (kind, org, id, version, expires, schema, count)
			VALUES ($1, $2, $3, $4, $5, 0, $6)
			ON CONFLICT (kind, org, id) DO UPDATE SET version = excluded.version,
				count = excluded.count + CASE WHEN r.expires > $7 THEN r.count ELSE 0 END,
				schema = CASE WHEN r.expires > $7 THEN r.schema ELSE 0 END,
				body = CASE WHEN r.expires > $7 THEN r.body END,
				expires = CASE WHEN r.expires > $7 THEN r.expires ELSE excluded.expires END
			WHERE r.expires > $7 OR r.digest IS NULL RETURNING count)
			SELECT CAST(COALESCE(CAST(MAX(count) AS text), '` + unmet + `') AS bigint) FROM one`),

		// What List sends is made for the indexes, in their order. The planner does not know that of tables that grow.
		Plan: []string{`BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY`, `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
			set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
			set_config('jit', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)`},

		Lock:       t.named(state + ` FOR UPDATE`),
		LockShared: t.named(state + ` FOR SHARE`),
		Holder:     t.named(holder),
		LockHolder: t.named(holder + ` FOR UPDATE`),

		InsertRecord: t.named(`INSERT INTO signet_records (kind, org, id, version, expires, schema, count, digest, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`),
		InsertKeys:    [2]string{t.named(`INSERT INTO signet_keys (kind, hash, org, id) VALUES `), ``},
		InsertEntries: [2]string{t.named(`INSERT INTO signet_entries (kind, org, id, field, value) VALUES `), ` ON CONFLICT DO NOTHING`},
		Rows:          32,
	}
}

// tables is where the tables are.
type tables struct{ schema, prefix string }

// named writes the names that the tables have.
func (t tables) named(text string) string { return strings.ReplaceAll(text, "signet_", t.before()) }

// before is what stands in front of the name of a table.
func (t tables) before() string { return quoted(t.schema) + "." + t.prefix }

// quoted writes an identifier.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal writes a text, whatever standard_conforming_strings says.
func literal(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), `'`, `''`)
	return `E'` + text + `'`
}
