package main

import (
	"context"
	"strconv"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// users lets the shop's customers sign in through Signet, which looks them up and checks and sets passwords. Becoming a
// customer and changing one's data stays with the shop.
type users struct{ table *customers }

var _ directory.Users = users{}

// Capabilities implements directory.Users. The name is part of what the sub of a token is made of, and stays for ever.
func (u users) Capabilities() directory.Capabilities {
	return directory.Capabilities{Name: "customers", SetPassword: true}
}

// Find implements directory.Users.
func (u users) Find(_ context.Context, org string, by directory.Identifier) (*directory.User, error) {
	found := u.table.where(func(row customer) bool {
		switch by.Name {
		case directory.ByID:
			return strconv.Itoa(row.number) == by.Value
		case directory.ByUsername:
			return directory.Fold(row.login) == directory.Fold(by.Value)
		case directory.ByEmail:
			return row.mail != "" && directory.Fold(row.mail) == directory.Fold(by.Value)
		}
		return false
	})
	if org != "" || len(found) != 1 { // the shop has no organizations, and who shares an address is not found by it
		return nil, store.ErrNotFound
	}
	return found[0].user(), nil
}

// user is the customer in the words of OpenID Connect.
func (c customer) user() *directory.User {
	return &directory.User{
		Meta:     store.Meta{ID: strconv.Itoa(c.number)},
		Username: c.login, Name: c.name, Email: c.mail, Disabled: c.blocked,
	}
}

// List implements directory.Users. The cursor is the last number of the page before.
func (u users) List(_ context.Context, q store.Query) (store.Listing[directory.User], error) {
	if q.Filter != nil || q.Sort != "" {
		return store.Listing[directory.User]{}, store.ErrUnindexed
	}
	after, _ := strconv.Atoi(q.After)
	rows := u.table.where(func(row customer) bool { return q.Org == "" && row.number > after })
	limit := q.Limit
	if limit == 0 {
		limit = 100
	}
	var page store.Listing[directory.User]
	for i, row := range rows {
		if i == limit {
			page.Next = page.Items[i-1].ID
			break
		}
		page.Items = append(page.Items, row.user())
	}
	return page, nil
}

// VerifyPassword implements directory.Users.
func (u users) VerifyPassword(_ context.Context, who *directory.User, password string) (bool, error) {
	var row customer // nobody, on whom as much work is spent
	if who != nil {
		number, _ := strconv.Atoi(who.ID)
		row, _ = u.table.get(number)
	}
	return u.table.verify(row, password)
}

// SetPassword implements directory.Users.
func (u users) SetPassword(_ context.Context, _ *store.Batch, who *directory.User, password string) error {
	number, _ := strconv.Atoi(who.ID)
	there, err := u.table.setPassword(number, password)
	if err == nil && !there {
		return &store.Conflict{Reason: store.Absent, Ref: who.Ref()}
	}
	return err
}

// Create implements directory.Users.
func (users) Create(context.Context, *store.Batch, *directory.User) error {
	return directory.ErrReadOnly
}

// Replace implements directory.Users.
func (users) Replace(context.Context, *store.Batch, *directory.User) error {
	return directory.ErrReadOnly
}

// Delete implements directory.Users.
func (users) Delete(context.Context, *store.Batch, *directory.User) error {
	return directory.ErrReadOnly
}
