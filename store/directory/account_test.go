package directory_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// accounts applies policies of accounts to a world.
func accounts(p directory.AccountPolicies) func(*directory.Config) {
	return func(c *directory.Config) { c.Accounts = p }
}

// everywhereWith runs a test in both placements under policies.
func everywhereWith(t *testing.T, p directory.AccountPolicies, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, place storetest.Placement) { test(t, newWorld(t, place, accounts(p))) })
}

// do fills a batch and applies it.
func (w *world) do(t *testing.T, fill func(*store.Batch) error) error {
	t.Helper()
	b := w.db.Batch()
	if err := fill(b); err != nil {
		return err
	}
	return b.Apply(t.Context())
}

func (w *world) user(t *testing.T, ref store.Ref) *directory.User {
	t.Helper()
	u, err := w.UserOf(t.Context(), w.subject(t, ref))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestHold(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		_, cookie := w.signIn(t, s, false)
		is(t, "hold", w.Subjects.Hold(ctx, s.Ref(), directory.AccountLocked, "asked for by the police"), nil)
		_, err := w.Sessions.Open(ctx, cookie)
		is(t, "session", err, directory.ErrNoSession)
		_, err = w.CheckSubject(ctx, s.Ref(), s.Epoch)
		is(t, "chain", err, directory.ErrChainBroken)
		held := w.subject(t, s.Ref())
		if held.State() != directory.AccountLocked || held.Hold.Reason == "" || held.Status != directory.Held || w.user(t, s.Ref()).Disabled {
			t.Errorf("held: %+v %+v", held, held.Hold)
		}
		// Disabling and enabling, as a directory that is synchronized does, comes back to the lock.
		is(t, "disable", w.Subjects.Disable(ctx, s.Ref()), nil)
		if state := w.subject(t, s.Ref()).State(); state != directory.AccountDisabled {
			t.Errorf("disabled: %q", state)
		}
		is(t, "enable", w.Subjects.Enable(ctx, s.Ref()), nil)
		is(t, "release another", w.Subjects.Release(ctx, s.Ref(), directory.PendingReset), nil)
		if state := w.subject(t, s.Ref()).State(); state != directory.AccountLocked {
			t.Errorf("enabled: %q", state)
		}
		is(t, "release", w.Subjects.Release(ctx, s.Ref()), nil)
		open := w.subject(t, s.Ref())
		if open.State() != "" || open.Status != directory.Active || open.Epoch == s.Epoch {
			t.Errorf("released: %+v", open)
		}
		_, err = w.Sessions.Open(ctx, cookie)
		is(t, "old session", err, directory.ErrNoSession)
		if err := w.Subjects.Hold(ctx, s.Ref(), directory.PasswordExpired, ""); !hasField(err, "state") {
			t.Errorf("a state that is none: %v", err)
		}
		got := w.events(t)
		for _, want := range []string{"account.held", "account.released"} {
			if count(got, want) != 1 {
				t.Errorf("events %v, want one %s", got, want)
			}
		}
	})
}

func TestAddUserOnHold(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		u := &directory.User{Username: "ann"}
		hash, err := w.HashPassword(t.Context(), u, goodPassword)
		is(t, "hash", err, nil)
		if fmt.Sprint(hash) != "[redacted]" {
			t.Error("the hash prints")
		}
		is(t, "add", w.do(t, func(b *store.Batch) error {
			_, err := w.AddUserOnHold(t.Context(), b, u, directory.PendingRegistration)
			return errors.Join(err, w.PutPassword(t.Context(), b, u, hash))
		}), nil)
		s := w.subject(t, u.Ref())
		if s.Status != directory.Held || s.State() != directory.PendingRegistration {
			t.Errorf("subject %+v", s)
		}
		if ok, err := w.Users.VerifyPassword(t.Context(), u, goodPassword); !ok || err != nil {
			t.Errorf("password: %v, %v", ok, err)
		}
		if _, err := w.HashPassword(t.Context(), u, "short"); !hasField(err, "password") {
			t.Errorf("a short one: %v", err)
		}
		is(t, "release", w.do(t, func(b *store.Batch) error {
			w.Subjects.ReleaseIn(b, s, directory.PendingRegistration)
			return nil
		}), nil)
		if s := w.subject(t, u.Ref()); s.Status != directory.Active {
			t.Errorf("released: %+v", s)
		}
	})
}

func TestInvite(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u := &directory.User{Username: "ann", Email: "ann@example.com"}
		var first, second *directory.IssuedTicket
		is(t, "invite", w.do(t, func(b *store.Batch) (err error) {
			_, first, err = w.Invite(ctx, b, u, directory.LinkByEmail)
			return err
		}), nil)
		if s := w.subject(t, u.Ref()); s.State() != directory.PendingPassword {
			t.Errorf("invited: %+v", s)
		}
		is(t, "again", w.do(t, func(b *store.Batch) (err error) {
			second, err = w.InviteAgain(ctx, b, u, directory.LinkByEmail)
			return err
		}), nil)
		_, err := w.Tickets.Open(ctx, first.Token.Reveal(), directory.AcceptInvitation)
		is(t, "the first", err, directory.ErrTicket)
		ticket, err := w.Tickets.Open(ctx, second.Token.Reveal(), directory.AcceptInvitation)
		is(t, "the second", err, nil)
		bad := w.do(t, func(b *store.Batch) error { _, err := w.ChoosePassword(ctx, b, ticket, "short"); return err })
		if !hasField(bad, "password") {
			t.Errorf("a short password: %v", bad)
		}
		is(t, "choose", w.do(t, func(b *store.Batch) error { _, err := w.ChoosePassword(ctx, b, ticket, goodPassword); return err }), nil)
		if s := w.subject(t, u.Ref()); s.Status != directory.Active || !w.user(t, u.Ref()).EmailVerified {
			t.Errorf("accepted: %+v", s)
		}
		if ok, err := w.Users.VerifyPassword(ctx, u, goodPassword); !ok || err != nil {
			t.Errorf("password: %v, %v", ok, err)
		}
		again := w.do(t, func(b *store.Batch) error { _, err := w.ChoosePassword(ctx, b, ticket, "another of them"); return err })
		is(t, "twice", again, directory.ErrTicket)
		nobody := w.do(t, func(b *store.Batch) error {
			_, _, err := w.Invite(ctx, b, &directory.User{Username: "bob"}, directory.CodeBySMS)
			return err
		})
		if !hasField(nobody, "address") {
			t.Errorf("without an address: %v", nobody)
		}
	})
}

func TestForceReset(t *testing.T) {
	everywhereWith(t, directory.AccountPolicies{AdminReset: directory.AdminResetPolicy{Offline: true}}, func(t *testing.T, w *world) {
		ctx := t.Context()
		u, s := w.person(t, "ann")
		_, cookie := w.signIn(t, s, false)
		refused := w.do(t, func(b *store.Batch) error { _, err := w.ForceReset(ctx, b, u, directory.LinkByEmail); return err })
		if !hasField(refused, "way") {
			t.Errorf("a way that is off: %v", refused)
		}
		var issued *directory.IssuedTicket
		is(t, "force", w.do(t, func(b *store.Batch) (err error) {
			issued, err = w.ForceReset(ctx, b, u, directory.LinkByHand)
			return err
		}), nil)
		_, err := w.Sessions.Open(ctx, cookie)
		is(t, "session", err, directory.ErrNoSession)
		if ok, _ := w.Users.VerifyPassword(ctx, u, goodPassword); ok {
			t.Error("the old password lives")
		}
		if s := w.subject(t, s.Ref()); s.State() != directory.PendingReset {
			t.Errorf("state %q", s.State())
		}
		ticket, err := w.Tickets.Open(ctx, issued.Token.Reveal(), directory.ResetPassword)
		is(t, "open", err, nil)
		is(t, "choose", w.do(t, func(b *store.Batch) error {
			_, err := w.ChoosePassword(ctx, b, ticket, "quite another one")
			return err
		}), nil)
		if s := w.subject(t, s.Ref()); s.Status != directory.Active {
			t.Errorf("after the reset: %+v", s)
		}
	})
}

// TestAttackRecoveryOfALockedAccount: a ticket does not open what an administrator has closed, neither one from before nor one from
// after.
func TestAttackRecoveryOfALockedAccount(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for name, closeIt := range map[string]func(store.Ref) error{
			"locked":   func(ref store.Ref) error { return w.Subjects.Hold(ctx, ref, directory.AccountLocked, "") },
			"disabled": func(ref store.Ref) error { return w.Subjects.Disable(ctx, ref) },
		} {
			_, s := w.person(t, name)
			before := w.issue(t, recovery(s))
			is(t, name, closeIt(s.Ref()), nil)
			_, err := w.Tickets.Open(ctx, before.Token.Reveal(), directory.RecoverPassword)
			is(t, name+", from before", err, directory.ErrTicket)
			after := w.issue(t, recovery(w.subject(t, s.Ref())))
			ticket, err := w.Tickets.Open(ctx, after.Token.Reveal(), directory.RecoverPassword)
			is(t, name+", open", err, nil)
			chosen := w.do(t, func(b *store.Batch) error { _, err := w.ChoosePassword(ctx, b, ticket, goodPassword+"!"); return err })
			is(t, name+", from after", chosen, directory.ErrTicket)
		}
		// One of another purpose chooses no password.
		_, s := w.person(t, "eve")
		n := recovery(s)
		n.Purpose = directory.VerifyEmail
		issued := w.issue(t, n)
		ticket, err := w.Tickets.Open(ctx, issued.Token.Reveal(), directory.VerifyEmail)
		is(t, "open", err, nil)
		chosen := w.do(t, func(b *store.Batch) error { _, err := w.ChoosePassword(ctx, b, ticket, goodPassword+"!"); return err })
		is(t, "another purpose", chosen, directory.ErrTicket)
	})
}

func TestPasswordHistory(t *testing.T) {
	everywhereWith(t, directory.AccountPolicies{PasswordHistory: directory.PasswordHistoryPolicy{Count: 3}}, func(t *testing.T, w *world) {
		ctx := t.Context()
		u, _ := w.person(t, "ann") // goodPassword
		used := func(pass string) bool {
			return slices.Equal(broken(w.SetPassword(ctx, u, pass)), []string{"used_before"})
		}
		if !used(goodPassword) {
			t.Error("the present one was taken again")
		}
		for _, pass := range []string{"the second of them", "the third of them"} {
			is(t, pass, w.SetPassword(ctx, u, pass), nil)
		}
		for _, pass := range []string{goodPassword, "the second of them", "the third of them"} {
			if !used(pass) {
				t.Errorf("%q was taken again", pass)
			}
		}
		is(t, "a fourth", w.SetPassword(ctx, u, "the fourth of them"), nil)
		is(t, "the first again", w.SetPassword(ctx, u, goodPassword), nil)
		is(t, "delete", w.DeleteUser(ctx, u), nil)
	})
}

func TestPasswordExpiry(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := together(t)
	ann, s := w.person(t, "ann")
	bob, _ := w.person(t, "bob")
	staff := &directory.Group{Name: "staff"}
	is(t, "group", errors.Join(w.Groups.Create(ctx, staff), w.Groups.AddMember(ctx, staff.Ref(), s.Ref())), nil)
	days := func(u *directory.User, p directory.PasswordExpiryPolicy) int {
		t.Helper()
		is(t, "set", directory.Set(ctx, w.Settings, w.Settings.PasswordExpiry, "", "", p), nil)
		at, err := w.PasswordExpires(ctx, u)
		is(t, "expires", err, nil)
		if at.IsZero() {
			return 0
		}
		return int(at.Sub(w.Now()) / (24 * time.Hour))
	}
	of := func(days int, not bool) directory.PasswordExpiryRule {
		return directory.PasswordExpiryRule{Days: days, Groups: []string{staff.ID}, Not: not}
	}
	for _, c := range []struct {
		p        directory.PasswordExpiryPolicy
		ann, bob int
	}{
		{directory.PasswordExpiryPolicy{}, 0, 0},
		{directory.PasswordExpiryPolicy{Days: 30}, 30, 30},
		{directory.PasswordExpiryPolicy{Days: 30, Rules: []directory.PasswordExpiryRule{of(7, false)}}, 7, 30},
		{directory.PasswordExpiryPolicy{Days: 30, Rules: []directory.PasswordExpiryRule{of(0, false)}}, 0, 30},
		{directory.PasswordExpiryPolicy{Days: 30, Rules: []directory.PasswordExpiryRule{of(7, false)}, RulesOnly: true}, 7, 0},
		{directory.PasswordExpiryPolicy{Days: 30, Rules: []directory.PasswordExpiryRule{of(5, true), of(6, false)}}, 6, 5},
	} {
		if a, b := days(ann, c.p), days(bob, c.p); a != c.ann || b != c.bob {
			t.Errorf("%+v: %d and %d days", c.p, a, b)
		}
	}
	is(t, "set", directory.Set(ctx, w.Settings, w.Settings.PasswordExpiry, "", "", directory.PasswordExpiryPolicy{Days: 30}), nil)
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{30*24*time.Hour - time.Second, false}, {time.Second, true}} {
		w.advance(step.after)
		if expired, err := w.PasswordExpired(ctx, ann); expired != step.want || err != nil {
			t.Errorf("after %v: %v, %v", step.after, expired, err)
		}
	}
	is(t, "new", w.SetPassword(ctx, ann, "quite another one"), nil)
	for expired, err := range w.ExpiredPasswords(ctx, "") {
		if err != nil || expired.User.ID != bob.ID || !expired.Since.Equal(w.Now()) {
			t.Errorf("expired %+v, %v", expired, err)
		}
	}
	if expired, err := w.PasswordExpired(ctx, ann); expired || err != nil {
		t.Errorf("a new one: %v, %v", expired, err)
	}
}

func TestChangeAddress(t *testing.T) {
	everywhereWith(t, directory.AccountPolicies{Addresses: directory.AddressPolicy{VerifyEmail: true, VerifyPhone: true}}, func(t *testing.T, w *world) {
		ctx := t.Context()
		u, s := w.person(t, "ann")
		change := func(purpose directory.TicketPurpose, value string) (issued *directory.IssuedTicket) {
			t.Helper()
			is(t, "change", w.do(t, func(b *store.Batch) (err error) {
				issued, err = w.ChangeAddress(ctx, b, u, purpose, value)
				return err
			}), nil)
			return issued
		}
		issued := change(directory.VerifyEmail, "new@example.com")
		if issued == nil || issued.Token == "" || issued.Ticket.Address != "new@example.com" {
			t.Fatalf("issued %+v", issued)
		}
		if u = w.user(t, s.Ref()); u.Email != "ann@example.com" || u.PendingEmail != "new@example.com" {
			t.Errorf("pending: %+v", u)
		}
		confirm := func(ticket *directory.Ticket) error {
			return w.do(t, func(b *store.Batch) error { _, err := w.ConfirmAddress(ctx, b, ticket); return err })
		}
		ticket, err := w.Tickets.Open(ctx, issued.Token.Reveal(), directory.VerifyEmail)
		is(t, "open", err, nil)
		is(t, "confirm", confirm(ticket), nil)
		if u = w.user(t, s.Ref()); u.Email != "new@example.com" || !u.EmailVerified || u.PendingEmail != "" {
			t.Errorf("confirmed: %+v", u)
		}
		if err := confirm(ticket); store.ConflictOn(err, w.Tickets.Kind()) == nil {
			t.Errorf("twice: %v", err)
		}

		phone := change(directory.VerifyPhone, "+49 30 1234567")
		if phone.Token != "" || len(phone.Code.Reveal()) != 6 {
			t.Errorf("a number is confirmed by a code: %+v", phone)
		}
		try, err := w.Tickets.Try(ctx, directory.TicketSlot{Purpose: directory.VerifyPhone, Holder: s.ID}, phone.Code.Reveal())
		is(t, "try", err, nil)
		is(t, "confirm", confirm(try.Ticket()), nil)
		if u = w.user(t, s.Ref()); u.Phone != "+49 30 1234567" || !u.PhoneVerified {
			t.Errorf("confirmed: %+v", u)
		}

		// Wanted no more, the message is good for nothing.
		first := change(directory.VerifyEmail, "one@example.com")
		u.PendingEmail = ""
		is(t, "replace", w.ReplaceUser(ctx, u), nil)
		ticket, err = w.Tickets.Open(ctx, first.Token.Reveal(), directory.VerifyEmail)
		is(t, "open", err, nil)
		is(t, "confirm", confirm(ticket), directory.ErrTicket)

		// One that is verified already needs no message.
		u = w.user(t, s.Ref())
		u.Emails = []directory.Contact{{Value: "Work@example.com", Verified: true}}
		is(t, "replace", w.ReplaceUser(ctx, u), nil)
		if issued := change(directory.VerifyEmail, "work@example.com"); issued != nil {
			t.Errorf("a message about a verified address: %+v", issued)
		}
		if u = w.user(t, s.Ref()); u.Email != "work@example.com" || !u.EmailVerified || !slices.Equal(u.Emails, []directory.Contact{{Value: "new@example.com", Verified: true}}) {
			t.Errorf("exchanged: %+v", u)
		}
	})
}

// TestAttackOwnClaims: nobody makes themselves verified, unlocked or somebody else, through whatever door.
func TestAttackOwnClaims(t *testing.T) {
	for _, claim := range []string{
		"accountLocked", "http://wso2.org/claims/identity/accountLocked", "urn:scim:wso2:schema:accountState", "failedTOTPAttempts",
		"http://wso2.org/claims/identity/failedLoginAttempts", "emailVerified", "phone_number_verified", "EMAILVERIFIED", "totpEnabled",
		"oneTimePassword", "preferred_username", "managedOrg", "roles", "isReadOnlyUser", "passwordExpiryTime", "unlockTime",
	} {
		if !directory.BlockedClaim(claim) {
			t.Errorf("%s may be written", claim)
		}
	}
	for _, claim := range []string{"name", "http://wso2.org/claims/givenname", "locale", "identity/preferredMFAOption", "nickname"} {
		if directory.BlockedClaim(claim) {
			t.Errorf("%s may not be written", claim)
		}
	}
	everywhereWith(t, directory.AccountPolicies{Addresses: directory.AddressPolicy{VerifyEmail: true}}, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		for field, spoil := range map[string]func(*directory.User){
			"username":                       func(u *directory.User) { u.Username = "root" },
			"emailVerified":                  func(u *directory.User) { u.EmailVerified = true },
			"phoneVerified":                  func(u *directory.User) { u.Phone, u.PhoneVerified = "+4930123", true },
			"pendingEmail":                   func(u *directory.User) { u.PendingEmail = "x@example.com" },
			"disabled":                       func(u *directory.User) { u.Disabled = true },
			"emails":                         func(u *directory.User) { u.Emails = []directory.Contact{{Value: "x@example.com", Verified: true}} },
			"attributes.accountLocked":       func(u *directory.User) { u.Attributes = map[string]any{"accountLocked": false} },
			"attributes.failedLoginAttempts": func(u *directory.User) { u.Attributes = map[string]any{"failedLoginAttempts": 0} },
		} {
			u := w.user(t, s.Ref())
			spoil(u)
			err := w.do(t, func(b *store.Batch) error { _, err := w.ReplaceOwn(ctx, b, u); return err })
			if !hasField(err, field) {
				t.Errorf("%s: %v", field, err)
			}
		}
		u := w.user(t, s.Ref())
		u.Name, u.Email = "Ann Other", "other@example.com"
		var issued []*directory.IssuedTicket
		is(t, "what is theirs", w.do(t, func(b *store.Batch) (err error) { issued, err = w.ReplaceOwn(ctx, b, u); return err }), nil)
		u = w.user(t, s.Ref())
		if len(issued) != 1 || u.Name != "Ann Other" || u.Email != "ann@example.com" || u.PendingEmail != "other@example.com" || u.EmailVerified {
			t.Errorf("%+v, %+v", u, issued)
		}
		is(t, "hold", w.Subjects.Hold(ctx, s.Ref(), directory.AccountLocked, ""), nil)
		u.Name = "Ann Again"
		err := w.do(t, func(b *store.Batch) error { _, err := w.ReplaceOwn(ctx, b, u); return err })
		is(t, "locked", err, directory.ErrChainBroken)
	})
}

// TestAttackVerifiedAddressOfAnother: whoever changes an address without a policy has one that is not verified.
func TestAttackVerifiedAddressOfAnother(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, s := w.person(t, "ann")
		u := w.user(t, s.Ref())
		u.EmailVerified = true
		is(t, "verified", w.ReplaceUser(t.Context(), u), nil)
		u.Email = "victim@example.com"
		is(t, "own", w.do(t, func(b *store.Batch) error { _, err := w.ReplaceOwn(t.Context(), b, u); return err }), nil)
		if u := w.user(t, s.Ref()); u.Email != "victim@example.com" || u.EmailVerified {
			t.Errorf("%+v", u)
		}
	})
}

func TestIdentifiers(t *testing.T) {
	policy := directory.IdentifierPolicy{
		LoginBy: []directory.IdentifierName{directory.ByUsername, directory.ByEmail, directory.ByPhone, "attributes.badge"},
		Unique:  []directory.IdentifierName{"attributes.badge", directory.ByPhone},
	}
	everywhereWith(t, directory.AccountPolicies{Identifiers: policy}, func(t *testing.T, w *world) {
		ctx := t.Context()
		ann := &directory.User{
			Username: "ann", Email: "ann@example.com", EmailVerified: true, Phone: "+49 (30) 123-456", PhoneVerified: true,
			Attributes: map[string]any{"badge": "A-17"},
		}
		is(t, "ann", w.CreateUser(ctx, ann, ""), nil)
		squatter := &directory.User{Username: "eve", Email: "ann@example.com", Phone: "+4911111"}
		is(t, "eve", w.CreateUser(ctx, squatter, ""), nil)
		for _, login := range []string{"ANN", "ann@example.com", "+4930123456", "+49 30 123456", "a-17"} {
			if u, err := w.FindUser(ctx, "", login); err != nil || u.ID != ann.ID {
				t.Errorf("%s: %v, %v", login, u, err)
			}
		}
		_, err := w.FindUser(ctx, "", "+4911111")
		is(t, "a number that is not verified", err, store.ErrNotFound)
		for name, u := range map[string]*directory.User{
			"attributes.badge": {Username: "bob", Attributes: map[string]any{"badge": "a-17"}},
			"phone":            {Username: "bob", Phone: "+4930123456"},
			"username":         {Username: "+4930 123456"},
		} {
			if taken, ok := errors.AsType[*directory.TakenError](w.CreateUser(ctx, u, "")); !ok || taken.Name != name {
				t.Errorf("%s: %v", name, taken)
			}
		}
		var wg sync.WaitGroup
		errs := make([]error, 32)
		for i := range errs {
			wg.Go(func() {
				errs[i] = w.CreateUser(ctx, &directory.User{Username: fmt.Sprint("racer", i), Attributes: map[string]any{"badge": "R-1"}}, "")
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if _, taken := errors.AsType[*directory.TakenError](err); err == nil {
				won++
			} else if !taken {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d have one badge", won)
		}
	})
}

func TestIdentifiersVerifiedOnly(t *testing.T) {
	everywhereWith(t, directory.AccountPolicies{Identifiers: directory.IdentifierPolicy{VerifiedOnly: true}}, func(t *testing.T, w *world) {
		_, s := w.person(t, "ann")
		_, err := w.FindUser(t.Context(), "", "ann@example.com")
		is(t, "not verified", err, store.ErrNotFound)
		u := w.user(t, s.Ref())
		u.EmailVerified = true
		is(t, "verify", w.ReplaceUser(t.Context(), u), nil)
		_, err = w.FindUser(t.Context(), "", "ann@example.com")
		is(t, "verified", err, nil)
	})
}

func TestUsernamePolicy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    directory.UsernamePolicy
		good string
		bad  string
		id   string
	}{
		{directory.UsernamePolicy{Form: directory.EmailUsername}, "ann@example.com", "ann", "email"},
		{directory.UsernamePolicy{Form: directory.AlphanumericUsername}, "Ann17", "ann-17", "alphanumeric"},
		{directory.UsernamePolicy{MinLength: 3}, "ann", "an", "min_length"},
		{directory.UsernamePolicy{MaxLength: 3}, "ann", "anna", "max_length"},
		{directory.UsernamePolicy{Pattern: `[a-z]{3}`}, "ann", "anna", "pattern"},
	} {
		w := together(t, accounts(directory.AccountPolicies{Username: c.p}))
		is(t, c.good, w.CreateUser(t.Context(), &directory.User{Username: c.good}, ""), nil)
		problems := directory.Problems(w.CreateUser(t.Context(), &directory.User{Username: c.bad}, ""))
		if len(problems) != 1 || problems[0].ID != "username.policy."+c.id {
			t.Errorf("%+v: %q: %v", c.p, c.bad, problems)
		}
	}
}

func (w *world) beginSession(t *testing.T, s *directory.Subject, end ...string) (session *directory.Session, err error) {
	t.Helper()
	err = w.do(t, func(b *store.Batch) (err error) {
		session, _, err = w.Sessions.Begin(t.Context(), b, directory.NewSession{
			Subject: s, Evidence: []directory.Evidence{w.proof(s, "password", "pwd")}, End: end, UserAgent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
		})
		return err
	})
	return session, err
}

func TestSessionLimit(t *testing.T) {
	t.Parallel()
	for _, over := range []directory.SessionOverflow{directory.RefuseSession, directory.EndOldestSession, directory.AskSession} {
		t.Run(string(over), func(t *testing.T) {
			everywhereWith(t, directory.AccountPolicies{SessionLimit: directory.SessionLimitPolicy{Max: 2, Over: over}}, func(t *testing.T, w *world) {
				_, s := w.person(t, "ann")
				first, err := w.beginSession(t, s)
				is(t, "first", err, nil)
				w.advance(time.Second)
				second, err := w.beginSession(t, s)
				is(t, "second", err, nil)
				w.advance(time.Second)
				_, err = w.beginSession(t, s)
				if over == directory.EndOldestSession {
					is(t, "third", err, nil)
					list, err := w.ActiveSessions(t.Context(), s)
					if len(list) != 2 || list[0].ID != second.ID || list[0].Device != "Firefox on Linux" || err != nil {
						t.Errorf("sessions %+v, %v", list, err)
					}
					return
				}
				limit, ok := errors.AsType[*directory.SessionLimitError](err)
				if !ok || limit.Ask != (over == directory.AskSession) || limit.Excess != 1 || len(limit.Sessions) != 2 || limit.Sessions[0].ID != first.ID {
					t.Fatalf("third: %v", err)
				}
				_, err = w.beginSession(t, s, second.ID)
				is(t, "instead of the second", err, nil)
				w.advance(16 * time.Minute) // all are idle
				_, err = w.beginSession(t, s)
				is(t, "after idling", err, nil)
			})
		})
	}
}

// TestAttackSessionLimitInParallel: of many sign-ins at once no more than fit are written.
func TestAttackSessionLimitInParallel(t *testing.T) {
	everywhereWith(t, directory.AccountPolicies{SessionLimit: directory.SessionLimitPolicy{Max: 3}}, func(t *testing.T, w *world) {
		_, s := w.person(t, "ann")
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for {
					_, err := w.beginSession(t, s)
					if _, conflict := errors.AsType[*store.Conflict](err); conflict {
						continue
					}
					if _, limit := errors.AsType[*directory.SessionLimitError](err); err != nil && !limit {
						t.Error(err)
					}
					return
				}
			})
		}
		wg.Wait()
		if list, err := w.ActiveSessions(t.Context(), s); len(list) != 3 || err != nil {
			t.Errorf("%d sessions, %v", len(list), err)
		}
	})
}

func TestEndOnPasswordChange(t *testing.T) {
	t.Parallel()
	w := together(t, func(c *directory.Config) { c.Session.EndOnPasswordChange = true })
	u, s := w.person(t, "ann")
	session, cookie := w.signIn(t, s, false)
	fresh, err := w.ChangePassword(t.Context(), u, "quite another one", session)
	if fresh != "" || err != nil {
		t.Errorf("a cookie %v, %v", fresh, err)
	}
	_, err = w.Sessions.Open(t.Context(), cookie)
	is(t, "open", err, directory.ErrNoSession)
}

func TestFunctionLocks(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		lock := directory.FunctionLock{Function: "recover_password", Reason: "asked for", Code: "MANUAL"}
		is(t, "lock", w.FunctionLocks.Lock(ctx, s, lock, time.Hour), nil)
		is(t, "again", w.FunctionLocks.Lock(ctx, s, lock, 2*time.Hour), nil)
		if l, err := w.FunctionLocks.Of(ctx, s.Ref(), "recover_password"); l == nil || l.Code != "MANUAL" || err != nil {
			t.Errorf("%+v, %v", l, err)
		}
		w.advance(2 * time.Hour)
		if l, err := w.FunctionLocks.Of(ctx, s.Ref(), "recover_password"); l != nil || err != nil {
			t.Errorf("after its time: %+v, %v", l, err)
		}
		is(t, "for ever", w.FunctionLocks.Lock(ctx, s, lock, 0), nil)
		w.advance(1000 * time.Hour)
		if list, err := w.FunctionLocks.List(ctx, s.Ref()); len(list) != 1 || err != nil {
			t.Errorf("%+v, %v", list, err)
		}
		is(t, "unlock", w.FunctionLocks.Unlock(ctx, s.Ref(), "recover_password"), nil)
		is(t, "unlock nothing", w.FunctionLocks.Unlock(ctx, s.Ref(), "recover_password"), nil)
		if err := w.FunctionLocks.Lock(ctx, s, directory.FunctionLock{Function: "a b"}, 0); !hasField(err, "function") {
			t.Error(err)
		}
	})
}

func TestIdle(t *testing.T) {
	everywhereWith(t, directory.AccountPolicies{Idle: directory.IdlePolicy{DisableAfter: 90}}, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		_, bob := w.person(t, "bob")
		w.signIn(t, ann, false)
		var reminded []string
		remind := func(_ context.Context, _ *store.Batch, u *directory.User, days int) error {
			reminded = append(reminded, fmt.Sprint(u.Username, days))
			return nil
		}
		for range 100 {
			w.advance(24 * time.Hour)
			w.signIn(t, bob, false)
			is(t, "maintain", w.Maintain(ctx, remind), nil)
			is(t, "at once again", w.Maintain(ctx, remind), nil)
		}
		if want := []string{"ann30", "ann45", "ann60", "ann75"}; !slices.Equal(reminded, want) {
			t.Errorf("reminded %v, want %v", reminded, want)
		}
		if state := w.subject(t, ann.Ref()).State(); state != directory.AccountDisabled {
			t.Errorf("ann: %q", state)
		}
		if state := w.subject(t, bob.Ref()).State(); state != "" {
			t.Errorf("bob: %q", state)
		}
		is(t, "enable", w.Subjects.Enable(ctx, ann.Ref()), nil)
		w.advance(24 * time.Hour)
		is(t, "maintain", w.Maintain(ctx, nil), nil)
		if state := w.subject(t, ann.Ref()).State(); state != "" {
			t.Errorf("enabled, and disabled at once: %q", state)
		}
	})
}

func TestIdleList(t *testing.T) {
	t.Parallel()
	w := together(t)
	_, ann := w.person(t, "ann")
	w.signIn(t, ann, false)
	last := w.Now()
	w.advance(48 * time.Hour)
	_, bob := w.person(t, "bob")
	w.signIn(t, bob, false)
	for name, c := range map[string]struct {
		before, since time.Time
		want          int
	}{
		"all": {w.Now().Add(time.Second), time.Time{}, 2}, "old": {w.Now(), time.Time{}, 1},
		"in between": {w.Now(), last.Add(time.Second), 0}, "since": {w.Now(), last, 1},
	} {
		n := 0
		for idle, err := range w.Idle(t.Context(), "", c.before, c.since) {
			is(t, name, err, nil)
			if n++; n == 1 && idle.Subject != ann.Ref() {
				t.Errorf("%s begins with %v", name, idle.Subject)
			}
		}
		if n != c.want {
			t.Errorf("%s: %d, want %d", name, n, c.want)
		}
	}
}

func TestGuesses(t *testing.T) {
	t.Parallel()
	w := together(t)
	_, s := w.person(t, "ann")
	w.guesses(t, directory.AttemptKey{Account: w.Locks.Account(s, "", "ann"), Factor: "password"}, 5)
	list, err := w.Locks.Guesses(t.Context(), s, "password", "totp")
	if err != nil || len(list) != 2 || list[0].Locks != 1 || list[0].Until.IsZero() || list[1].Locks != 0 || list[1].Failures != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestPersonalData(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		_, cookie := w.signIn(t, s, false)
		w.enroll(t, s, "a very secret seed", 1)
		staff := &directory.Group{Name: "staff"}
		is(t, "group", errors.Join(w.Groups.Create(ctx, staff), w.Groups.AddMember(ctx, staff.Ref(), s.Ref())), nil)
		data, err := w.PersonalData(ctx, w.subject(t, s.Ref()))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(data)
		is(t, "encode", err, nil)
		for _, want := range []string{"ann@example.com", `"staff"`, `"totp"`, "session.started", `"lastSignIn"`} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s is not in %s", want, text)
			}
		}
		session, err := w.Sessions.Open(ctx, cookie)
		is(t, "open", err, nil)
		for _, never := range []string{"secret", session.SecretHash, "argon2", "v1."} {
			if strings.Contains(strings.ToLower(string(text)), strings.ToLower(never)) {
				t.Errorf("%s is in %s", never, text)
			}
		}
	})
}

// TestAttackRemainsOfTheDeleted: nothing holds the name or an address of somebody who was deleted.
func TestAttackRemainsOfTheDeleted(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	driver := &recorder{Driver: memory.New()}
	w := newWorld(t, storetest.Placement{Name: "together", Driver: driver}, accounts(directory.AccountPolicies{
		PasswordHistory: directory.PasswordHistoryPolicy{Count: 5}, Addresses: directory.AddressPolicy{VerifyEmail: true},
		Identifiers: directory.IdentifierPolicy{Unique: []directory.IdentifierName{directory.ByEmail}},
	}))
	u := &directory.User{Username: "hieronymus", Email: "hieronymus@example.com", Name: "Hieronymus", Phone: "+49301234567"}
	is(t, "create", w.CreateUser(ctx, u, goodPassword), nil)
	s := w.subject(t, u.Ref())
	w.signIn(t, s, false)
	w.enroll(t, s, "seed", 1)
	is(t, "change", w.do(t, func(b *store.Batch) error {
		_, err := w.ChangeAddress(ctx, b, u, directory.VerifyEmail, "hieronymus@example.org")
		return err
	}), nil)
	w.guesses(t, directory.AttemptKey{Account: w.Locks.Account(s, "", u.Username), Factor: "password"}, 5)
	is(t, "lock", w.FunctionLocks.Lock(ctx, s, directory.FunctionLock{Function: "f"}, 0), nil)
	is(t, "password", w.SetPassword(ctx, u, "quite another one"), nil)
	is(t, "delete", w.DeleteUser(ctx, w.user(t, u.Ref())), nil)
	for _, r := range driver.standing(t, w.Now()) {
		for _, name := range []string{"hieronymus", "301234567"} {
			if strings.Contains(strings.ToLower(r), name) {
				t.Errorf("%s stands in %s", name, r)
			}
		}
	}
}

// recorder remembers what records were written.
type recorder struct {
	store.Driver
	mu   sync.Mutex
	refs map[string]store.Record
}

func (r *recorder) Apply(ctx context.Context, now time.Time, ops ...store.Op) ([]store.Result, error) {
	r.mu.Lock()
	if r.refs == nil {
		r.refs = map[string]store.Record{}
	}
	for _, op := range ops {
		r.refs[op.Record.Kind.Name+"|"+op.Record.Org+"|"+op.Record.ID] = op.Record
	}
	r.mu.Unlock()
	return r.Driver.Apply(ctx, now, ops...)
}

// standing is the text of every record that is still there, with its keys and index.
func (r *recorder) standing(t *testing.T, now time.Time) []string {
	t.Helper()
	var all []string
	for _, written := range r.refs {
		record, err := r.Get(t.Context(), now, written.Kind, written.Org, written.ID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		is(t, "get", err, nil)
		all = append(all, fmt.Sprintf("%s %s %s %v %v", record.Kind.Name, record.ID, record.Body, record.Keys, record.Index))
	}
	if len(all) < 5 {
		t.Errorf("only %d records", len(all))
	}
	return all
}

func TestAccountPoliciesInvalid(t *testing.T) {
	t.Parallel()
	w := together(t)
	_, err := directory.New(directory.Config{DB: w.db, Accounts: directory.AccountPolicies{
		PasswordHistory: directory.PasswordHistoryPolicy{Count: 25},
		PasswordExpiry:  directory.PasswordExpiryPolicy{Days: -1, Rules: []directory.PasswordExpiryRule{{Days: 1}}},
		SessionLimit:    directory.SessionLimitPolicy{Max: 101, Over: "explode"},
		Identifiers:     directory.IdentifierPolicy{LoginBy: []directory.IdentifierName{"attributes.badge"}, Unique: []directory.IdentifierName{"x"}},
		Username:        directory.UsernamePolicy{Form: "rhyme", Pattern: "("},
		Addresses:       directory.AddressPolicy{LinkLife: time.Second},
		Registration:    directory.RegistrationPolicy{CodeLife: 48 * time.Hour},
		Recovery:        directory.RecoveryPolicy{SMSCodeLife: time.Hour, Tries: 11},
		Invitation:      directory.InvitationPolicy{Life: 1000 * 24 * time.Hour},
		AdminReset:      directory.AdminResetPolicy{Code: directory.CodeForm{Length: 4}},
		Idle:            directory.IdlePolicy{DisableAfter: -1, Remind: []int{3, 2}},
	}})
	for _, field := range []string{"count", "days", "rules.groups", "max", "over", "loginBy", "unique", "form", "pattern", "linkLife", "codeLife", "smsCodeLife", "tries", "life", "code.length", "disableAfter", "remind"} {
		if err == nil || !strings.Contains(err.Error(), "directory: "+field+" ") {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
}

func TestDeviceName(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0":     "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36":                  "Chrome on Android",
		"curl/8.0": "curl", "": "", "something else": "",
	} {
		if got := directory.DeviceName(agent); got != want {
			t.Errorf("%q: %q, want %q", agent, got, want)
		}
	}
}
