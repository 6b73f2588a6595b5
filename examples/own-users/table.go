package main

import (
	"context"
	"database/sql"

	"golang.org/x/crypto/bcrypt"
	_ "modernc.org/sqlite" // the driver of database/sql
)

// schema is the table as it has always been. Any columns do, if each person has an id that never changes.
const schema = `CREATE TABLE IF NOT EXISTS customers (
	id      INTEGER PRIMARY KEY,
	login   TEXT NOT NULL UNIQUE COLLATE NOCASE,
	mail    TEXT NOT NULL UNIQUE COLLATE NOCASE,
	name    TEXT NOT NULL,
	hash    TEXT,                       -- bcrypt; NULL for those who never set a password
	blocked INTEGER NOT NULL DEFAULT 0
)`

// openTable opens the database of the program that was there before, with a customer in it.
func openTable(ctx context.Context, path string, cost int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, err
	}
	return db, signUp(ctx, db, cost, "ann", "Ann Example", "ann@example.com", demoPassword)
}

// signUp adds a customer who is not there yet.
func signUp(ctx context.Context, db *sql.DB, cost int, login, name, mail, password string) error {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `INSERT INTO customers (login, name, mail, hash) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		login, name, mail, string(hash))
	return err
}
