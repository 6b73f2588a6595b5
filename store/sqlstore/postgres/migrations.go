package postgres

import (
	"embed"
	"io/fs"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations returns the files that make the schema, NNNN_name.sql, for those who let a tool of their own run them, with the
// prefix signet_ and no schema in front of names. Files that were released never change. A tool must also make and fill
// signet_migrations (number, name, checksum, done), as Open does: the name is that of the file without .sql, the checksum the SHA-256
// of the file in hexadecimal, and done 1.
func Migrations() fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		return files // cannot happen: the name is valid
	}
	return sub
}
