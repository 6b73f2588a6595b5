package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// server is what Open learns about the server and about how connections to it begin. The latter comes from the DSN or the
// server's configuration and is the same for all of them.
type server struct {
	mariaDB      bool
	version      string
	major, minor int
	database     string
	// bundles says that several statements can be sent as one: MariaDB has compound statements.
	bundles bool
	// explicit says that a statement alone is no transaction of its own, or that it sees what is not committed.
	explicit bool
	// cut says that results end after fewer rows than there are.
	cut bool
	// losses are the settings by which a crash loses what was acknowledged.
	losses []string
}

func probe(ctx context.Context, db *sql.DB) (server, error) {
	var s server
	var database sql.NullString
	var mode, isolation string
	var autocommit, flush, binlog, sync int
	var most uint64
	err := db.QueryRowContext(ctx, `SELECT VERSION(), DATABASE(), @@autocommit, @@sql_mode, @@global.innodb_flush_log_at_trx_commit,
		@@global.log_bin, @@global.sync_binlog, @@sql_select_limit`).Scan(&s.version, &database, &autocommit, &mode, &flush, &binlog, &sync, &most)
	if err != nil {
		return s, err
	}
	s.database = database.String
	s.mariaDB = strings.Contains(strings.ToLower(s.version), "mariadb")
	s.major, s.minor = parseVersion(s.version)
	if isolation, err = isolationOf(ctx, db); err != nil {
		return s, err
	}
	s.bundles = s.mariaDB && !strings.Contains(mode, "ORACLE") // which has another grammar
	s.cut = most < math.MaxInt64
	s.explicit = autocommit == 0 || isolation == "READ-UNCOMMITTED"
	if flush != 1 && !(s.mariaDB && flush == 3) {
		s.losses = append(s.losses, fmt.Sprintf("innodb_flush_log_at_trx_commit is %d, must be 1", flush))
	}
	if binlog != 0 && sync != 1 {
		s.losses = append(s.losses, fmt.Sprintf("sync_binlog is %d, must be 1", sync))
	}
	return s, nil
}

// isolationOf returns the isolation level of transactions that ask for none. The variable has two names, and not every release
// knows both.
func isolationOf(ctx context.Context, db *sql.DB) (level string, err error) {
	for _, name := range []string{"transaction_isolation", "tx_isolation"} {
		err = db.QueryRowContext(ctx, "SELECT @@"+name).Scan(&level)
		if code(err) != codeUnknownVariable {
			break
		}
	}
	return level, err
}

// parseVersion reads what VERSION() says, as in 8.0.36 or 5.5.5-10.11.6-MariaDB.
func parseVersion(text string) (major, minor int) {
	text = strings.TrimPrefix(text, "5.5.5-") // what MariaDB used to put before its own
	words := strings.SplitN(text, ".", 3)
	if len(words) < 2 {
		return 0, 0
	}
	major, _ = strconv.Atoi(words[0])
	minor, _ = strconv.Atoi(words[1])
	return major, minor
}

// check refuses a server that cannot keep the promises of a Driver.
func (s *server) check(config Config) error {
	var problems []error
	least := [2]int{8, 0}
	if s.mariaDB {
		least = [2]int{10, 6}
	}
	if s.major < least[0] || s.major == least[0] && s.minor < least[1] {
		problems = append(problems, fmt.Errorf("mysql: the server is %s: MySQL 8.0 or MariaDB 10.6 is the oldest that is supported", s.version))
	}
	if s.database == "" && config.Database == "" {
		problems = append(problems, errors.New("mysql: the connection is in no database: name one in the DSN, behind the slash, or in Config.Database"))
	}
	if s.cut {
		problems = append(problems, errors.New("mysql: the connection cuts results (sql_select_limit): take that out of the DSN or the configuration of the server"))
	}
	if len(s.losses) > 0 && !config.InsecureDurability {
		problems = append(problems, fmt.Errorf("mysql: the server loses acknowledged writes when it crashes: %s; "+
			"change its configuration, or accept that with Config.InsecureDurability", strings.Join(s.losses, ", ")))
	}
	return errors.Join(problems...)
}
