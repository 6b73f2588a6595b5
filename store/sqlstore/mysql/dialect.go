package mysql

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/signet-idp/signet/store/sqlstore"
)

// dialect is MySQL or MariaDB, for one database.
type dialect struct {
	server server
	tables string // what stands in the place of "signet_"
	place  string // the database and what the names of the tables begin with
	words  *sqlstore.Dialect
	hints  *strings.Replacer
}

// maxText is how long an organization, a field or a value may be: four of them and a kind fit into a key of InnoDB.
const maxText = 768

func newDialect(server server, config Config) *dialect {
	d := &dialect{server: server, tables: config.tables(), place: cmp.Or(config.Database, server.database) + "." + config.Prefix}
	d.words = &sqlstore.Dialect{
		Name:        "mysql",
		Statements:  statements(d.named, config),
		Server:      serverStatements(d.named, server.bundles),
		Tables:      d.tables,
		Script:      d.named,
		Placeholder: func(n int) string { return "$" + strconv.Itoa(n) },
		Using:       func(index string) string { return " FORCE INDEX (" + index + ")" },
		Stepwise:    true,
		Text:        func(s string) any { return fitting(s) },
		LongValue:   maxText - 1,
		LongOrg:     maxText,
		Hashed:      true,
		Fault:       fault,
		Explain:     explain,
	}
	d.hints = newHints(d.named)
	return d
}

// named puts the names of the tables into a statement.
func (d *dialect) named(text string) string { return strings.ReplaceAll(text, "signet_", d.tables) }

// fitting cuts the name of a field that is too long, so that no two become one. Ids are never as long, and organizations that are
// have been refused, or are not there.
func fitting(s string) string {
	if len(s) <= maxText {
		return s
	}
	digest := hex.EncodeToString(sum(s))
	return s[:maxText-len(digest)] + digest
}

func sum(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}
