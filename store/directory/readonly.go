package directory

import (
	"context"

	"github.com/signet-idp/signet/store"
)

// ReadOnly refuses everything that a user store may refuse, with ErrReadOnly. A store that only reads embeds it, and writes
// the other methods of Users; one that also sets passwords writes SetPassword over this one.
type ReadOnly struct{}

// Create is refused.
func (ReadOnly) Create(context.Context, *store.Batch, *User) error { return ErrReadOnly }

// Replace is refused.
func (ReadOnly) Replace(context.Context, *store.Batch, *User) error { return ErrReadOnly }

// Delete is refused.
func (ReadOnly) Delete(context.Context, *store.Batch, *User) error { return ErrReadOnly }

// SetPassword is refused.
func (ReadOnly) SetPassword(context.Context, *store.Batch, *User, string) error { return ErrReadOnly }
