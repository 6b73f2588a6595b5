package directory

import (
	"context"
	"time"

	"github.com/signet-idp/signet/store"
)

// User is a person as a user store describes them: the standard claims of OpenID Connect Core §5.1 under Go names, and
// Attributes for the rest. In the default store Meta.ID is the Subject's id.
type User struct {
	store.Meta
	// Store names the user store that holds the person, where there are several (Config.UserStores): DefaultStore for the
	// one in the DB. It never changes. A new person goes to the store it names, or, with "", to the one that registers.
	Store string `json:"-"`
	// Username is required: 1 to 256 characters without blanks at the ends. It is compared without regard to case, in
	// Unicode's NFC form, and unique in the organization.
	Username      string   `json:"username"`
	Name          string   `json:"name,omitempty"`
	GivenName     string   `json:"givenName,omitempty"`
	FamilyName    string   `json:"familyName,omitempty"`
	MiddleName    string   `json:"middleName,omitempty"`
	Nickname      string   `json:"nickname,omitempty"`
	Profile       string   `json:"profile,omitempty"`
	Picture       string   `json:"picture,omitempty"`
	Website       string   `json:"website,omitempty"`
	Gender        string   `json:"gender,omitempty"`
	Birthdate     string   `json:"birthdate,omitempty"`
	Zoneinfo      string   `json:"zoneinfo,omitempty"`
	Locale        string   `json:"locale,omitempty"`
	Email         string   `json:"email,omitempty"`
	EmailVerified bool     `json:"emailVerified,omitempty"`
	Phone         string   `json:"phone,omitempty"`
	PhoneVerified bool     `json:"phoneVerified,omitempty"`
	Address       *Address `json:"address,omitempty"`
	// PendingEmail and PendingPhone wait to be confirmed; until then Email and Phone are in use. Directory.ChangeAddress sets them.
	PendingEmail string `json:"pendingEmail,omitempty"`
	PendingPhone string `json:"pendingPhone,omitempty"`
	// Emails and Phones are further addresses, up to 16 each.
	Emails []Contact `json:"emails,omitempty"`
	Phones []Contact `json:"phones,omitempty"`
	// Attributes are further claims by name; values are what encoding/json decodes. A name of the fields above is refused.
	Attributes map[string]any `json:"attributes,omitempty"`
	// Unique names what of the above nobody else has, as IdentifierPolicy said when the person was last written. The store sets it.
	Unique []IdentifierName `json:"unique,omitempty"`
	// Disabled people cannot sign in. Set it through Subjects.Disable, which also ends what they have.
	Disabled bool      `json:"disabled,omitempty"`
	Created  time.Time `json:"created"`
	Updated  time.Time `json:"updated"`

	rehash *Rehash  // what became due when the person proved their password
	bound  *binding // to be written when the person proves their password
}

// Contact is one of several addresses of a person.
type Contact struct {
	Value    string `json:"value"`
	Verified bool   `json:"verified,omitempty"`
}

// Address is the address claim of OpenID Connect Core §5.1.1.
type Address struct {
	Formatted     string `json:"formatted,omitempty"`
	StreetAddress string `json:"streetAddress,omitempty"`
	Locality      string `json:"locality,omitempty"`
	Region        string `json:"region,omitempty"`
	PostalCode    string `json:"postalCode,omitempty"`
	Country       string `json:"country,omitempty"`
}

// Location is the time zone that the user lives in (Zoneinfo); UTC where that is unknown, also to this machine.
func (u *User) Location() *time.Location {
	place, err := time.LoadLocation(u.Zoneinfo) // which keeps to its own folder
	if err != nil || place == time.Local {      // "Local" is the zone of a machine, not of a person
		return time.UTC
	}
	return place
}

// Identifier is a name under which a user is found. Value is normalized by the store, not by the caller.
type Identifier struct {
	Name  IdentifierName
	Value string
}

// IdentifierName is which name an Identifier is.
type IdentifierName string

// The identifiers that every store understands. A store without an e-mail index answers ErrNotFound to ByEmail.
const (
	// ByID is the id within the user store (User.ID).
	ByID IdentifierName = "id"
	// ByUsername is User.Username.
	ByUsername IdentifierName = "username"
	// ByEmail is User.Email, when exactly one user has it.
	ByEmail IdentifierName = "email"
	// ByPhone is User.Phone, when it is verified and exactly one user has it. A store without an index of numbers answers
	// ErrNotFound.
	ByPhone IdentifierName = "phone"
)

// Users is where people live. The default keeps them in the DB; a host implements it over its own table, and
// directorytest.Run proves it. All methods are safe for concurrent use. A store that cannot be reached returns an error
// that is not ErrNotFound. Where several stores stand side by side each has its time (UserStore.Timeout): a method returns
// soon after its context is done, since the others' people wait for it. ReadOnly has the methods of a store that does not
// write.
//
// The writing methods take the batch that carries the Subject and the events of the change. A store in the DB adds its
// own operations and lets the caller apply it; a foreign store makes its own write first, and the caller applies the
// batch afterwards. Either way the caller applies it exactly when the method returned nil.
type Users interface {
	// Find returns the user, or store.ErrNotFound. A disabled user is found.
	Find(ctx context.Context, org string, by Identifier) (*User, error)
	// List returns a page of users. Fields: id, username, email, name, disabled, created, updated; names are compared
	// without regard to case. A filter or order that the store cannot answer is store.ErrUnindexed.
	List(ctx context.Context, q store.Query) (store.Listing[User], error)
	// Create adds a user; User.ID is set when the store chooses it. A name that is taken is a *TakenError.
	Create(ctx context.Context, b *store.Batch, u *User) error
	// Replace writes a user over the version that was read; a stale one is a *store.Conflict.
	Replace(ctx context.Context, b *store.Batch, u *User) error
	// Delete removes a user and their password.
	Delete(ctx context.Context, b *store.Batch, u *User) error
	// VerifyPassword reports whether the password is the user's. A nil user costs the same and is never right: callers
	// pass it for an unknown name, so that time says nothing about who exists. A store that judges accounts itself
	// refuses one for its state with false and an *AccountError, which is no failure of the store.
	VerifyPassword(ctx context.Context, u *User, password string) (bool, error)
	// SetPassword replaces the password. The policy has been checked.
	SetPassword(ctx context.Context, b *store.Batch, u *User, password string) error
	// Capabilities tells what the store can do.
	Capabilities() Capabilities
}

// Capabilities is what a user store can do. What it cannot do it answers with ErrReadOnly.
type Capabilities struct {
	// Name is the store's name in Subject.Store; "" for the default store. It never changes: ids of Subjects are made of it.
	Name string
	// Write says that Create, Replace and Delete work; SetPassword that SetPassword does.
	Write       bool
	SetPassword bool
	// InBatch says that the writing methods add to the batch rather than write themselves.
	InBatch bool
}
