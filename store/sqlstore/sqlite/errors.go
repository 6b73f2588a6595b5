package sqlite

import (
	"errors"
	"fmt"

	engine "modernc.org/sqlite"

	"github.com/signet-idp/signet/store/sqlstore"
)

// Result codes, https://www.sqlite.org/rescode.html. The low byte of an extended code is its primary one.
const (
	codeError    = 1
	codePerm     = 3
	codeBusy     = 5
	codeLocked   = 6
	codeReadOnly = 8
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeSchema   = 17
	codeTooBig   = 18
	codeNotADB   = 26
)

// errSetting is the error of a connection that does not take a setting.
var errSetting = errors.New("this SQLite or file system does not do what durability needs")

// dialect is SQLite for one file.
func dialect(path string) *sqlstore.Dialect {
	return &sqlstore.Dialect{
		Name:       "sqlite",
		Statements: statements(),
		Using:      func(index string) string { return " INDEXED BY signet_" + index },
		Fault:      fault,
		Explain:    func(err error) error { return explain(path, err) },
	}
}

// code returns the primary result code, zero for an error that is not SQLite's.
func code(err error) int {
	if e, ok := errors.AsType[*engine.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// fault relies on this: a COMMIT that ends in one of these codes has not made the transaction valid in the WAL. A frame
// that does not fit on the disk is incomplete, and its checksum says so. After any other error, above all SQLITE_IOERR
// of a sync, the frames may be whole.
func fault(err error) sqlstore.Fault {
	switch code(err) {
	case codeBusy, codeLocked:
		return sqlstore.Busy
	case codeFull, codeReadOnly, codeTooBig, codeError, codeSchema:
		return sqlstore.RolledBack
	}
	return sqlstore.Unknown
}

// explain says what happened and what to do. SQLite's own words stand behind.
func explain(path string, err error) error {
	var advice string
	switch code(err) {
	case codeBusy, codeLocked:
		advice = "%s is locked: another process has been writing for longer than BusyTimeout; " +
			"look for a long transaction, a backup or a shell with an open BEGIN"
	case codeFull:
		advice = "no room for %s: free space on its disk, or raise its quota; nothing of the step was written"
	case codeReadOnly, codePerm:
		advice = "%s cannot be written: this process needs write permission for the file and its folder"
	case codeCantOpen:
		advice = "%s cannot be opened: its folder must exist and be writable, and file descriptors must be left"
	case codeNotADB:
		advice = "%s is not a SQLite database: choose another path, or restore the backup"
	case codeCorrupt:
		advice = "%s is damaged: stop, keep a copy, and restore the backup"
	default:
		return fmt.Errorf("%s: %w", path, err)
	}
	return fmt.Errorf(advice+" (%v)", path, err)
}
