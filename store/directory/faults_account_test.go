package directory_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// accountOperations are those of accounts, for TestFaults and TestUncertain.
func accountOperations(
	t *testing.T, batch func(*scene, func(*store.Batch) error) error, check func(bool, error) error,
) map[string]func(*scene) error {
	ctx := t.Context()
	return map[string]func(*scene) error{
		"Tickets.Issue": func(s *scene) error {
			return batch(s, func(b *store.Batch) error { _, err := s.Tickets.Issue(ctx, b, recovery(s.subject)); return err })
		},
		"Tickets.Open": func(s *scene) error {
			_, err := s.Tickets.Open(ctx, s.ticket.Token.Reveal(), directory.RecoverPassword)
			return err
		},
		"Tickets.Try": func(s *scene) error {
			return batch(s, func(b *store.Batch) error {
				try, err := s.Tickets.Try(ctx, slotOf(recovery(s.subject)), s.ticket.Code.Reveal())
				if err != nil {
					return err
				}
				s.Tickets.Settle(b, try)
				return check(try.Ticket() != nil, nil)
			})
		},
		"ConfirmPassword": func(s *scene) error {
			s.advance(10 * time.Minute) // the lock is over
			right, _, err := s.Directory.ConfirmPassword(ctx, s.subject, goodPassword, "192.0.2.1")
			return check(right, err)
		},
		"Subjects.Hold": func(s *scene) error { return s.Subjects.Hold(ctx, s.subject.Ref(), directory.AccountLocked, "") },
		"Subjects.Release": func(s *scene) error {
			if err := s.Subjects.Hold(ctx, s.subject.Ref(), directory.AccountLocked, ""); err != nil {
				return err
			}
			return s.Subjects.Release(ctx, s.subject.Ref())
		},
		"Invite": func(s *scene) error {
			return batch(s, func(b *store.Batch) error {
				_, _, err := s.Invite(ctx, b, &directory.User{Username: "bob", Email: "bob@example.com"}, directory.LinkByEmail)
				return err
			})
		},
		"ChoosePassword": func(s *scene) error {
			ticket, err := s.Tickets.Open(ctx, s.ticket.Token.Reveal(), directory.RecoverPassword)
			if err != nil {
				return err
			}
			return batch(s, func(b *store.Batch) error { _, err := s.ChoosePassword(ctx, b, ticket, "another password"); return err })
		},
		"RemoveCredential": func(s *scene) error { return s.RemoveCredential(ctx, s.subject, s.session, s.subject.ID+"/totp") },
		"BestACR":          func(s *scene) error { _, err := s.BestACR(ctx, s.subject); return err },
		"EndOwnSession":    func(s *scene) error { return s.EndOwnSession(ctx, s.subject, s.session.ID) },
		"RenewPassword": func(s *scene) error {
			return batch(s, func(b *store.Batch) error { return s.RenewPassword(ctx, b, s.user, s.subject, "another password") })
		},
		"VerifyAddress": func(s *scene) error {
			return batch(s, func(b *store.Batch) error {
				_, err := s.VerifyAddress(ctx, b, s.user, directory.VerifyEmail, "new@example.com")
				return err
			})
		},
		"ConfirmAddress": func(s *scene) error {
			ticket, err := s.Tickets.Open(ctx, s.ticket.Token.Reveal(), directory.RecoverPassword)
			if err != nil {
				return err
			}
			return batch(s, func(b *store.Batch) error { _, err := s.ConfirmAddress(ctx, b, ticket); return err })
		},
		"ReplaceOwn": func(s *scene) error {
			s.user.Name = "Ann Other"
			return batch(s, func(b *store.Batch) error { _, err := s.ReplaceOwn(ctx, b, s.user); return err })
		},
		"PasswordExpired": func(s *scene) error { _, err := s.PasswordExpired(ctx, s.user); return err },
		"CheckPassword":   func(s *scene) error { return s.CheckPassword(ctx, s.user, "another password") },
		"ActiveSessions": func(s *scene) error {
			list, err := s.ActiveSessions(ctx, s.subject)
			return check(len(list) == 1, err)
		},
		"PersonalData": func(s *scene) error {
			data, err := s.PersonalData(ctx, s.subject)
			return check(data != nil, err)
		},
		"FunctionLocks.Lock": func(s *scene) error {
			return s.FunctionLocks.Lock(ctx, s.subject, directory.FunctionLock{Function: "f"}, 0)
		},
		"FunctionLocks.Of": func(s *scene) error { _, err := s.FunctionLocks.Of(ctx, s.subject.Ref(), "f"); return err },
		"Locks.Guesses": func(s *scene) error {
			list, err := s.Locks.Guesses(ctx, s.subject, "password")
			return check(len(list) == 1, err)
		},
		"Sessions.LastSignIn": func(s *scene) error {
			last, err := s.Sessions.LastSignIn(ctx, s.subject.Ref())
			return check(!last.IsZero(), err)
		},
		"Tickets.Revoke": func(s *scene) error {
			return batch(s, func(b *store.Batch) error { return s.Tickets.Revoke(ctx, b, slotOf(recovery(s.subject))) })
		},
	}
}
