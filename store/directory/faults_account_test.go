package directory_test

import (
	"testing"

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
		"Tickets.Revoke": func(s *scene) error {
			return batch(s, func(b *store.Batch) error { return s.Tickets.Revoke(ctx, b, slotOf(recovery(s.subject))) })
		},
	}
}
