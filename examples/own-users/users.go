package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"

	"golang.org/x/crypto/bcrypt"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// customers lets the people in the table sign in, and set their passwords. Becoming a customer and changing one's data stays
// with the program that owns the table: the rest is ReadOnly.
type customers struct {
	directory.ReadOnly
	table  *sql.DB
	cost   int    // of the bcrypt hashes
	nobody []byte // a hash of that cost
}

var _ directory.Users = (*customers)(nil)

func newCustomers(table *sql.DB, cost int) (*customers, error) {
	nobody, err := bcrypt.GenerateFromPassword([]byte("the password of nobody"), cost)
	return &customers{table: table, cost: cost, nobody: nobody}, err
}

// Capabilities implements directory.Users. The name stays for ever: it is part of what the sub of a token is made of.
func (c *customers) Capabilities() directory.Capabilities {
	return directory.Capabilities{Name: "customers", SetPassword: true}
}

const columns = `SELECT id, login, mail, name, blocked FROM customers `

// Find implements directory.Users.
func (c *customers) Find(ctx context.Context, org string, by directory.Identifier) (*directory.User, error) {
	where, ok := map[directory.IdentifierName]string{
		directory.ByID: `WHERE id = ?`, directory.ByUsername: `WHERE login = ?`, directory.ByEmail: `WHERE mail = ?`,
	}[by.Name]
	if !ok || org != "" { // the table knows no organizations
		return nil, store.ErrNotFound
	}
	u, err := user(c.table.QueryRowContext(ctx, columns+where, by.Value))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, store.ErrNotFound // and any other error is a failure, which is answered with 503
	}
	return u, err
}

// user is a row in the words of OpenID Connect.
func user(row interface{ Scan(columns ...any) error }) (*directory.User, error) {
	var u directory.User
	if err := row.Scan(&u.ID, &u.Username, &u.Email, &u.Name, &u.Disabled); err != nil {
		return nil, err
	}
	return &u, nil
}

// VerifyPassword implements directory.Users. As much work is spent on nobody, so that time does not tell who is a customer.
func (c *customers) VerifyPassword(ctx context.Context, who *directory.User, password string) (bool, error) {
	id, hash := "", string(c.nobody)
	if who != nil {
		id = who.ID
	}
	err := c.table.QueryRowContext(ctx, `SELECT hash FROM customers WHERE id = ? AND hash IS NOT NULL`, id).Scan(&hash)
	known := err == nil
	if !known && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	err = bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, nil
	}
	return known && err == nil && len(password) <= 72, err // bcrypt reads no further
}

// SetPassword implements directory.Users.
func (c *customers) SetPassword(ctx context.Context, _ *store.Batch, who *directory.User, password string) error {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), c.cost)
	if errors.Is(err, bcrypt.ErrPasswordTooLong) {
		return &directory.InvalidError{Field: "password", Problem: "must have at most 72 bytes"}
	}
	if err == nil {
		_, err = c.table.ExecContext(ctx, `UPDATE customers SET hash = ? WHERE id = ?`, string(hash), who.ID)
	}
	return err
}

// List implements directory.Users, for administration. The cursor is the last id of the page before.
func (c *customers) List(ctx context.Context, q store.Query) (page store.Listing[directory.User], err error) {
	if q.Filter != nil || q.Sort != "" || q.Org != "" {
		return page, store.ErrUnindexed
	}
	limit := cmp.Or(q.Limit, 100)
	rows, err := c.table.QueryContext(ctx, columns+`WHERE id > ? ORDER BY id LIMIT ?`, cmp.Or(q.After, "0"), limit+1)
	if err != nil {
		return page, err
	}
	defer rows.Close()
	for rows.Next() {
		if len(page.Items) == limit {
			page.Next = page.Items[limit-1].ID
			break
		}
		u, err := user(rows)
		if err != nil {
			return page, err
		}
		page.Items = append(page.Items, u)
	}
	return page, rows.Err()
}
