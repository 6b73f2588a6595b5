package ldap

import (
	"context"
	"encoding/binary"
	"errors"
	"unicode/utf16"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// maxPassword is the longest password in bytes that is tried or set.
const maxPassword = 1 << 10

// VerifyPassword implements directory.Users: it binds as the person, on a connection that serves nothing else. An empty password is
// wrong without asking, since a server takes it for a bind as nobody, which succeeds (RFC 4513 §5.1.2). An account that the server
// refuses for its state is a *directory.AccountError.
//
// For nobody the same requests are made, and the bind goes to Config.Decoy.
func (u *Users) VerifyPassword(ctx context.Context, user *directory.User, password string) (bool, error) {
	if password == "" || len(password) > maxPassword {
		return false, nil
	}
	id := store.NewID() // nobody's
	if user != nil {
		id = user.ID
	}
	dn := ""
	err := u.with(ctx, func(ctx context.Context, c *conn) error {
		e, err := u.entryOf(ctx, c, id)
		dn = e.dn
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	nobody := user == nil || err != nil
	if nobody {
		dn = u.decoy()
	}
	right, err := u.try(ctx, dn, password)
	if nobody { // whatever the decoy thinks of it
		if _, ok := errors.AsType[*directory.AccountError](err); ok {
			err = nil
		}
		return false, err
	}
	return right, err
}

// try binds with a password as an entry.
func (u *Users) try(ctx context.Context, dn, password string) (right bool, err error) {
	people := func(s *server) chan struct{} { return s.people }
	err = u.ask(ctx, people, func(ctx context.Context, s *server) error {
		limited, cancel := context.WithTimeout(ctx, s.config.DialTimeout)
		defer cancel()
		c, err := s.dial(limited)
		if err != nil {
			return err
		}
		defer c.close()
		result, err := c.bind(ctx, dn, password, goldap.NewControlBeheraPasswordPolicy())
		if isDown(err) {
			return down("%s: bind: %w", s.name, err)
		}
		right, err = judge(result, err)
		if _, ok := errors.AsType[*directory.AccountError](err); err != nil && !ok {
			return failed("bind", err)
		}
		return err
	})
	return right, err
}

func (u *Users) decoy() string {
	if u.config.Decoy != "" {
		return u.config.Decoy
	}
	return rdn(u.nameAttribute(), store.NewID()) + "," + u.config.CreateBase
}

// nameAttribute is the attribute that names new entries.
func (u *Users) nameAttribute() string {
	if u.schema.RDN != "" {
		return u.schema.RDN
	}
	return "cn"
}

// rdn is a relative distinguished name of one attribute (RFC 4514 §2.4).
func rdn(attribute, value string) string { return attribute + "=" + goldap.EscapeDN(value) }

// SetPassword implements directory.Users, as the service account. A password that the server's policy refuses is a
// *directory.InvalidError. What is written does not depend on the version of user that was read; a version that was current stays so.
func (u *Users) SetPassword(ctx context.Context, _ *store.Batch, user *directory.User, password string) error {
	if !u.config.SetPassword {
		return directory.ErrReadOnly
	}
	if password == "" || len(password) > maxPassword {
		// RFC 3062 §2: without a new password the server makes one up.
		return &directory.InvalidError{Field: "password", Problem: "is empty or too long"}
	}
	return u.with(ctx, func(ctx context.Context, c *conn) error {
		e, err := u.entryOf(ctx, c, user.ID)
		if errors.Is(err, store.ErrNotFound) {
			return &store.Conflict{Reason: store.Absent, Ref: user.Ref()}
		}
		if err != nil {
			return err
		}
		if err := passwordError(c.change(ctx, func() error { return u.write(c, e.dn, password) })); err != nil {
			return err
		}
		u.follow(ctx, c, e, user)
		return nil
	})
}

// follow brings the version of a user who was read as e to where a change that was just made has moved it. When it cannot, the user is
// stale, which the next change finds out.
func (u *Users) follow(ctx context.Context, c *conn, e entry, user *directory.User) {
	if version(e.first(u.schema.Attributes.Version)) != user.Version {
		return
	}
	if e, err := u.reread(ctx, c, e.dn); err == nil {
		user.Version = version(e.first(u.schema.Attributes.Version))
	}
}

// write sets the password of an entry.
func (u *Users) write(c *conn, dn, password string) error {
	if u.schema.Password == PasswordModify {
		_, err := c.ldap.PasswordModify(goldap.NewPasswordModifyRequest(dn, "", password))
		return err
	}
	if !c.tls {
		return errors.New("ldap: unicodePwd is written over TLS only") // New has seen to it
	}
	r := goldap.NewModifyRequest(dn, nil)
	r.Replace("unicodePwd", []string{unicodePassword(password)})
	return c.ldap.Modify(r)
}

// unicodePassword is a password in quotes as UTF-16 with the least byte first ([MS-ADTS] §3.1.1.3.1.5.1).
func unicodePassword(password string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return string(b)
}

// passwordError tells a password that the server's policy refuses from other errors.
func passwordError(err error) error {
	switch {
	case err == nil:
		return nil
	case is(err, goldap.LDAPResultConstraintViolation, goldap.LDAPResultUnwillingToPerform, goldap.LDAPResultInvalidAttributeSyntax):
		return &directory.InvalidError{Field: "password", Problem: "is refused by the directory's policy"}
	}
	return failed("set the password", err)
}
