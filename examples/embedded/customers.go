package main

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
)

// customer is a row of the shop's table of people.
type customer struct {
	number            int
	login, name, mail string
	blocked           bool
	salt, hash        []byte
}

// customers is the table, with an index by number. Only that it is not in a database sets it apart from a real one.
type customers struct {
	rounds int // what a password hash costs

	mu     sync.RWMutex
	rows   map[int]customer
	serial int
}

func newCustomers(rounds int) *customers {
	return &customers{rounds: rounds, rows: map[int]customer{}}
}

// signUp adds a customer.
func (c *customers) signUp(login, name, mail, password string) error {
	salt, hash, err := c.hash(password)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, row := range c.rows {
		if strings.EqualFold(row.login, login) {
			return errors.New("the name is taken")
		}
	}
	c.serial++
	c.rows[c.serial] = customer{number: c.serial, login: login, name: name, mail: mail, salt: salt, hash: hash}
	return nil
}

// where returns the rows that fit, by number.
func (c *customers) where(fits func(customer) bool) []customer {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var found []customer
	for _, row := range c.rows {
		if fits(row) {
			found = append(found, row)
		}
	}
	slices.SortFunc(found, func(a, b customer) int { return a.number - b.number })
	return found
}

// get returns the row with a number.
func (c *customers) get(number int) (customer, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	row, ok := c.rows[number]
	return row, ok
}

// setPassword reports whether there is a row with that number.
func (c *customers) setPassword(number int, password string) (bool, error) {
	salt, hash, err := c.hash(password)
	if err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	row, ok := c.rows[number]
	if ok {
		row.salt, row.hash = salt, hash
		c.rows[number] = row
	}
	return ok, nil
}

// verify reports whether the password is that of a row. It takes as long for a row that does not exist.
func (c *customers) verify(row customer, password string) (bool, error) {
	salt := row.salt
	if salt == nil {
		salt = make([]byte, sha256.Size)
	}
	hash, err := pbkdf2.Key(sha256.New, password, salt, c.rounds, sha256.Size)
	return err == nil && row.hash != nil && hmac.Equal(hash, row.hash), err
}

func (c *customers) hash(password string) (salt, hash []byte, err error) {
	salt = make([]byte, sha256.Size)
	_, _ = rand.Read(salt) // it never fails
	hash, err = pbkdf2.Key(sha256.New, password, salt, c.rounds, sha256.Size)
	return salt, hash, err
}
