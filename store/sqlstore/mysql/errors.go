package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"

	engine "github.com/go-sql-driver/mysql"

	"github.com/signet-idp/signet/store/sqlstore"
)

// Error numbers of servers, https://mariadb.com/kb/en/mariadb-error-codes/.
const (
	codeDuplicateKey    = 1062
	codeAccessDatabase  = 1044
	codeAccess          = 1045
	codeNoDatabase      = 1046
	codeUnknownDatabase = 1049
	codeTableAccess     = 1142
	codeColumnAccess    = 1143
	codePrivilege       = 1227
	codeNoTable         = 1146
	codeDiskFull        = 1021
	codeTableFull       = 1114
	codePacket          = 1153
	codeLockWait        = 1205
	codeDeadlock        = 1213
	codePrevented       = 1290
	codeReadOnly        = 1792
	codeReadOnlyMode    = 1836
	codeTooLong         = 1406
	codeSignal          = 1644
	codeOverflow        = 1690
	codeSyntax          = 1064
	codeNoColumn        = 1054
	codeNotNull         = 1048
	codeTooManyUsers    = 1040
	codeUserLimit       = 1203
	codeUnknownVariable = 1193
)

// code returns the number of a server's error, zero for another error.
func code(err error) uint16 {
	if e, ok := errors.AsType[*engine.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

// fault relies on this: the named errors are of a statement before COMMIT, or of a COMMIT that was refused, so that nothing stands once
// the transaction is rolled back. Whatever else a server says when it was to commit, that it was interrupted for one, may have come
// after the commit; so may the end of the connection.
func fault(err error) sqlstore.Fault {
	if errors.Is(err, errUnmet) {
		return sqlstore.Unmet
	}
	switch code(err) {
	case codeSignal, codeDuplicateKey, codeOverflow:
		return sqlstore.Unmet
	case codeDeadlock, codeLockWait:
		return sqlstore.Busy
	case codeDiskFull, codeTableFull, codePacket, codePrevented, codeReadOnly, codeReadOnlyMode, codeTooLong, codeTableAccess, codeColumnAccess,
		codeNoTable, codeNoColumn, codeSyntax, codeNotNull, codeNoDatabase:
		return sqlstore.RolledBack
	}
	if errors.Is(err, driver.ErrBadConn) { // the client says so only when it has sent nothing
		return sqlstore.Busy
	}
	if errors.Is(err, engine.ErrPktTooLarge) {
		return sqlstore.RolledBack
	}
	return sqlstore.Unknown
}

// explain says what happened and what to do. The server's own words stand behind.
func explain(err error) error {
	var advice string
	switch code(err) {
	case codeAccess:
		advice = "the server refuses the user or password of the DSN"
	case codeAccessDatabase, codeUnknownDatabase, codeNoDatabase:
		advice = "the database of the DSN is not there or not open to this user: create it and grant the user its privileges"
	case codeTableAccess, codeColumnAccess, codePrivilege:
		advice = "the user lacks a privilege: grant SELECT, INSERT, UPDATE and DELETE on the tables, and CREATE for migrations"
	case codeNoTable, codeNoColumn:
		advice = "a table is missing or has another form: open the database once without NoMigrate, or restore the backup"
	case codeDiskFull, codeTableFull:
		advice = "the server has no room left: free space on its disk; nothing of the step was written"
	case codePrevented, codeReadOnly, codeReadOnlyMode:
		advice = "the server takes no writes: connect to the primary"
	case codeLockWait, codeDeadlock:
		advice = "others have held locks for too long: look for a long transaction on the server"
	case codePacket:
		advice = "a record is larger than the server's max_allowed_packet: raise it"
	case codeTooManyUsers, codeUserLimit:
		advice = "the server has no connection left: lower SetMaxOpenConns of the pools, or raise max_connections"
	default:
		return explainConnection(err)
	}
	return fmt.Errorf("%s (%w)", advice, err)
}

func explainConnection(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("the server does not answer: look whether it runs, and at the address in the DSN (%w)", err)
	}
	if errors.Is(err, engine.ErrInvalidConn) || errors.Is(err, driver.ErrBadConn) {
		return fmt.Errorf("the connection to the server was lost (%w)", err)
	}
	return err
}
