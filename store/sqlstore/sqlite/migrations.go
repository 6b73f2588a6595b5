package sqlite

import (
	"embed"
	"io/fs"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations returns the files that make the schema, NNNN_name.sql, for those who let a tool of their own run them.
// Files that were released never change. A tool must also fill signet_migrations, as Open does.
func Migrations() fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		return files // cannot happen: the name is valid
	}
	return sub
}
