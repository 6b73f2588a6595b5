package postgres

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/signet-idp/signet/store/sqlstore"
)

// Error codes, https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	codeNotSupported    = "0A000" // among others: a prepared statement whose table has changed
	codeNotANumber      = "22P02"
	codeUnique          = "23505"
	codeReadOnly        = "25006"
	codeNoStatement     = "26000"
	codeNoSchema        = "3F000"
	codeNoDatabase      = "3D000"
	codeSerialization   = "40001"
	codeDeadlock        = "40P01"
	codeNoPermission    = "42501"
	codeNoColumn        = "42703"
	codeNoTable         = "42P01"
	codeSameStatement   = "42P05"
	codeDiskFull        = "53100"
	codeConnections     = "53300"
	codeLimit           = "54000"
	codeLockTimeout     = "55P03"
	codeStatementCancel = "57014"
	codeTerminated      = "57P01"
	codeCrash           = "57P02"
	codeStarting        = "57P03"
)

// severity is how bad an error is: ERROR ends a statement, FATAL and PANIC the connection.
func severity(e *pgconn.PgError) string {
	if e.SeverityUnlocalized != "" {
		return e.SeverityUnlocalized
	}
	return e.Severity
}

// disturbed reports whether statements that were prepared are not what they were: a pool between us and the server shares its
// connections, or somebody has dropped them, or a migration has changed their tables.
func disturbed(e *pgconn.PgError) bool {
	return e.Code == codeNoStatement || e.Code == codeSameStatement || e.Code == codeNotSupported && strings.Contains(e.Message, "cached plan")
}

// fault relies on trip, which has judged what became of a COMMIT already.
func fault(err error) sqlstore.Fault {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return sqlstore.Unknown
	}
	switch e.Code {
	case codeSerialization, codeDeadlock, codeLockTimeout, codeTerminated:
		return sqlstore.Busy
	case codeUnique:
		return sqlstore.Unmet
	case codeNotANumber:
		if strings.Contains(e.Message, unmet) {
			return sqlstore.Unmet
		}
	}
	if disturbed(e) {
		return sqlstore.Busy
	}
	return sqlstore.RolledBack
}

// explain says what happened and what to do. PostgreSQL's own words stand behind.
func (t tables) explain(err error) error {
	var advice string
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if _, ok := errors.AsType[*net.OpError](err); ok {
			return fmt.Errorf("the server cannot be reached: check that it runs, and host and port of the DSN (%w)", err)
		}
		return err
	}
	switch {
	case strings.HasPrefix(e.Code, "28"):
		advice = "the server refuses the role: check user and password of the DSN and pg_hba.conf"
	case e.Code == codeNoDatabase:
		advice = "there is no such database: CREATE DATABASE, or correct the DSN"
	case e.Code == codeNoSchema:
		advice = "there is no schema " + t.schema + ": CREATE SCHEMA, or correct Config.Schema"
	case e.Code == codeNoPermission:
		advice = "the role lacks a permission: it needs USAGE on the schema " + t.schema + " and SELECT, INSERT, UPDATE and DELETE on the tables " +
			t.prefix + "*, and CREATE on the schema while Open migrates (or run the migrations as another role, and set NoMigrate)"
	case e.Code == codeNoTable, e.Code == codeNoColumn:
		advice = "a table is not as the migrations left it: check Config.Schema and Config.Prefix, or restore the backup"
	case e.Code == codeReadOnly:
		advice = "the server takes no writes: it is a standby, or default_transaction_read_only is on; use the primary"
	case e.Code == codeDiskFull:
		advice = "no room on the server's disk: free some; nothing of the step was written"
	case e.Code == codeConnections:
		advice = "the server has no connection left: lower SetMaxOpenConns of all nodes together below max_connections"
	case e.Code == codeLimit:
		advice = "a name is too long for an index; nothing of the step was written"
	case e.Code == codeLockTimeout, e.Code == codeDeadlock, e.Code == codeSerialization:
		advice = "others held what the step needs for too long: look for long transactions in pg_stat_activity; nothing of the step was written"
	case e.Code == codeStatementCancel:
		advice = "the server cancelled the statement: look at statement_timeout; nothing of the step was written"
	case e.Code == codeTerminated, e.Code == codeCrash, e.Code == codeStarting:
		advice = "the server is shutting down or starting"
	default:
		return err
	}
	return fmt.Errorf("%s (%w)", advice, err)
}
