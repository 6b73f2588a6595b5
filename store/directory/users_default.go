package directory

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

var (
	userKind = store.Kind{Name: "directory.user"}
	userType = store.Type[User]{
		Kind: userKind,
		Keys: func(u *User) []store.Key {
			return append(u.uniqueKeys(), store.Key{Name: "username", Value: Fold(u.Username)})
		},
		Index: func(u *User) []store.Entry {
			entries := []store.Entry{
				{Field: "id", Value: store.Text(u.ID)},
				{Field: "username", Value: store.Text(Fold(u.Username))},
				{Field: "disabled", Value: store.Bool(u.Disabled)},
				{Field: "created", Value: store.Time(u.Created)},
				{Field: "updated", Value: store.Time(u.Updated)},
			}
			if u.Email != "" {
				entries = append(entries, store.Entry{Field: "email", Value: store.Text(Fold(u.Email))})
			}
			if u.Phone != "" {
				entries = append(entries, store.Entry{Field: "phone", Value: store.Text(plainPhone(u.Phone))})
			}
			if u.Name != "" {
				entries = append(entries, store.Entry{Field: "name", Value: store.Text(Fold(u.Name))})
			}
			return entries
		},
	}
)

// defaultUsers keeps people in the DB. A user and their Subject have one id.
type defaultUsers struct {
	db          *store.DB
	all         *store.Collection[User]
	credentials *Credentials
	history     *store.Collection[passwordHistory]
	settings    *Settings
	hasher      *password.Hasher
	external    *external // nil when nobody is asked
	byEmail     bool      // e-mail addresses are logins too
	byPhone     bool      // telephone numbers are, where IdentifierPolicy says nothing
	logger      *slog.Logger
}

func newDefaultUsers(config Config, credentials *Credentials, settings *Settings) (*defaultUsers, error) {
	if config.Hasher == nil {
		hasher, err := password.New(password.Config{})
		if err != nil {
			return nil, err
		}
		config.Hasher = hasher
	}
	return &defaultUsers{
		db: config.DB, all: store.NewCollection(config.DB, userType),
		credentials: credentials, history: store.NewCollection(config.DB, historyType), settings: settings, hasher: config.Hasher, external: newExternal(config.Verifier), logger: config.Logger,
		byEmail: slices.Contains(config.LoginBy, ByEmail), byPhone: slices.Contains(config.LoginBy, ByPhone),
	}, nil
}

// Capabilities implements Users.
func (d *defaultUsers) Capabilities() Capabilities {
	return Capabilities{Write: true, SetPassword: true, InBatch: true}
}

// Find implements Users.
func (d *defaultUsers) Find(ctx context.Context, org string, by Identifier) (*User, error) {
	switch by.Name {
	case ByID:
		if !validID(by.Value) {
			return nil, store.ErrNotFound
		}
		return d.all.Get(ctx, store.Ref{Org: org, ID: by.Value})
	case ByUsername:
		return d.all.Lookup(ctx, org, store.Key{Name: "username", Value: Fold(by.Value)})
	case ByEmail:
		return d.findByAddress(ctx, org, "email", Fold(by.Value), func(u *User) bool { return u.EmailVerified })
	case ByPhone:
		u, err := d.findByAddress(ctx, org, "phone", plainPhone(by.Value), func(u *User) bool { return u.PhoneVerified })
		if err == nil && !u.PhoneVerified {
			return nil, store.ErrNotFound
		}
		return u, err
	}
	if by.Name.isAttribute() {
		return d.all.Lookup(ctx, org, store.Key{Name: string(by.Name), Value: Fold(by.Value)})
	}
	return nil, store.ErrNotFound
}

// maxSharers is how many people with one address are looked at for the one who has verified it.
const maxSharers = 20

// findByAddress returns whose an address is: who alone has it, or alone has verified it. What two people share signs neither in, and
// nobody can take somebody's away by claiming it too.
func (d *defaultUsers) findByAddress(ctx context.Context, org, field, value string, verified func(*User) bool) (*User, error) {
	page, err := d.all.List(ctx, store.Query{Org: org, Filter: store.Equals(field, store.Text(value)), Limit: maxSharers})
	if err != nil {
		return nil, err
	}
	if len(page.Items) == 1 {
		return page.Items[0], nil
	}
	sure := slices.DeleteFunc(page.Items, func(u *User) bool { return !verified(u) })
	if len(sure) != 1 || page.Next != "" {
		return nil, store.ErrNotFound
	}
	return sure[0], nil
}

// List implements Users. Names in the filter are compared without regard to case.
func (d *defaultUsers) List(ctx context.Context, q store.Query) (store.Listing[User], error) {
	q.Filter = foldFilter(q.Filter)
	return d.all.List(ctx, q)
}

// foldFilter brings what a filter compares names with into the form in which the index has them.
func foldFilter(f store.Filter) store.Filter {
	switch f := f.(type) {
	case store.And:
		folded := make(store.And, len(f))
		for i, part := range f {
			folded[i] = foldFilter(part)
		}
		return folded
	case store.Or:
		folded := make(store.Or, len(f))
		for i, part := range f {
			folded[i] = foldFilter(part)
		}
		return folded
	case store.Not:
		return store.Not{Filter: foldFilter(f.Filter)}
	case store.Compare:
		if f.Field == "username" || f.Field == "email" || f.Field == "name" {
			f.Value.Text = Fold(f.Value.Text)
		}
		return f
	}
	return f
}

// Create implements Users.
func (d *defaultUsers) Create(ctx context.Context, b *store.Batch, u *User) error {
	if u.ID == "" {
		u.ID = store.NewID()
	}
	switch _, err := d.Find(ctx, u.Org, Identifier{Name: ByUsername, Value: u.Username}); {
	case err == nil:
		return &TakenError{Name: "username"}
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if err := d.free(ctx, u); err != nil {
		return err
	}
	if err := d.claimKeys(ctx, u); err != nil {
		return err
	}
	u.Created = b.Now()
	u.Updated = u.Created
	d.all.Insert(b, u) // the key decides between two who come at once
	return nil
}

// free reports that a login would name somebody else too: a user name that is another's e-mail address would keep them from
// signing in by it, and the other way round.
func (d *defaultUsers) free(ctx context.Context, u *User) error {
	if err := d.freeNumber(ctx, u); err != nil || !d.byEmail {
		return err
	}
	if strings.Contains(u.Username, "@") {
		page, err := d.all.List(ctx, store.Query{Org: u.Org, Filter: store.Equals("email", store.Text(Fold(u.Username))), Limit: 2})
		if err != nil {
			return err
		}
		if slices.ContainsFunc(page.Items, func(other *User) bool { return other.ID != u.ID }) {
			return &TakenError{Name: "username"}
		}
	}
	if u.Email == "" {
		return nil
	}
	other, err := d.Find(ctx, u.Org, Identifier{Name: ByUsername, Value: u.Email})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil && other.ID != u.ID {
		return &TakenError{Name: "email"}
	}
	return err
}

// Replace implements Users.
func (d *defaultUsers) Replace(ctx context.Context, b *store.Batch, u *User) error {
	if err := d.free(ctx, u); err != nil {
		return err
	}
	if err := d.claimKeys(ctx, u); err != nil {
		return err
	}
	u.Updated = b.Now()
	d.all.Replace(b, u)
	return nil
}

// Delete implements Users.
func (d *defaultUsers) Delete(ctx context.Context, b *store.Batch, u *User) error {
	c, err := d.credentials.Get(ctx, passwordRef(u.Ref()))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil {
		d.credentials.all.Delete(b, c)
	}
	if err := d.forgetPasswords(ctx, b, u.Ref()); err != nil {
		return err
	}
	d.all.Delete(b, u)
	return nil
}

// nobody stands for the user who does not exist, so that the same reads are made for them.
var nobody = store.Ref{ID: "nobody"}

// VerifyPassword implements Users. What becomes due for a password that was hashed at other costs, or elsewhere, is found
// with Directory.RehashOf.
func (d *defaultUsers) VerifyPassword(ctx context.Context, u *User, pass string) (bool, error) {
	if len(pass) > password.MaxLength {
		return false, nil
	}
	ref := nobody
	if u != nil {
		ref, u.rehash = u.Ref(), nil
	}
	pass, err := d.clean(ctx, ref.Org, pass)
	if err != nil {
		return false, err
	}
	c, err := d.credentials.Get(ctx, passwordRef(ref))
	if errors.Is(err, store.ErrNotFound) {
		return false, d.hasher.Dummy(ctx, pass)
	}
	if err != nil {
		return false, err
	}
	encoded, err := d.credentials.open(c)
	if err != nil {
		return false, err
	}
	result, err := d.judge(ctx, u, encoded, pass)
	if err != nil {
		return false, err
	}
	if result.Rehash {
		u.rehash = d.newHash(ctx, c, pass)
	}
	return result.OK, nil
}

// SetPassword implements Users.
func (d *defaultUsers) SetPassword(ctx context.Context, b *store.Batch, u *User, pass string) error {
	pass, err := d.clean(ctx, u.Org, pass)
	if err != nil {
		return err
	}
	encoded, err := d.hasher.Hash(ctx, pass)
	if err != nil {
		return err
	}
	return d.putPassword(ctx, b, u, secret.Text(encoded))
}

// putPassword adds to the batch that a hash is that of somebody's password.
func (d *defaultUsers) putPassword(ctx context.Context, b *store.Batch, u *User, encoded secret.Text) error {
	if err := d.keepPassword(ctx, b, u.Ref()); err != nil {
		return err
	}
	return d.credentials.put(ctx, b, &Credential{
		Meta: store.Meta{Org: u.Org, ID: passwordRef(u.Ref()).ID}, Subject: u.Ref(), Type: PasswordCredential,
	}, encoded)
}

// clean is a password as it counts where the person is.
func (d *defaultUsers) clean(ctx context.Context, org, pass string) (string, error) {
	policy, err := Resolve(ctx, d.settings, d.settings.Password, org, "")
	return policy.clean(pass), err
}
