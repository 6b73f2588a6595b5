package directory_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
	"github.com/signet-idp/signet/store/storetest"
)

// recovery is a ticket by which a person may choose a new password.
func recovery(s *directory.Subject) directory.NewTicket {
	return directory.NewTicket{
		Purpose: directory.RecoverPassword, Holder: s.ID, Subject: s, Address: "ann@example.com", Data: []byte("as it was"),
		Link: true, Code: directory.CodeForm{Length: 6}, Life: time.Hour,
	}
}

// issue sends a ticket.
func (w *world) issue(t *testing.T, n directory.NewTicket) *directory.IssuedTicket {
	t.Helper()
	b := w.db.Batch()
	issued, err := w.Tickets.Issue(t.Context(), b, n)
	if err != nil {
		t.Fatal(err)
	}
	w.apply(t, b)
	return issued
}

// try types a code, as often as others are faster, and reports whether it was right.
func (w *world) try(t *testing.T, slot directory.TicketSlot, code string) bool {
	t.Helper()
	for {
		b := w.db.Batch()
		try, err := w.Tickets.Try(t.Context(), slot, code)
		if err != nil {
			t.Error(err)
			return false
		}
		w.Tickets.Settle(b, try)
		if err := b.Apply(t.Context()); store.ConflictOn(err, w.Tickets.Kind()) != nil {
			continue
		} else if err != nil {
			t.Error(err)
		}
		return try.Ticket() != nil
	}
}

func slotOf(n directory.NewTicket) directory.TicketSlot {
	return directory.TicketSlot{Purpose: n.Purpose, Org: n.Org, Holder: n.Holder, Context: n.Context}
}

func TestTicketOfALink(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		issued := w.issue(t, recovery(s))
		token := issued.Token.Reveal()
		for range 3 { // a scanner of mails opens links too
			ticket, err := w.Tickets.Open(ctx, token, directory.AcceptInvitation, directory.RecoverPassword)
			if err != nil || ticket.Subject != s.Ref() || ticket.Address != "ann@example.com" {
				t.Fatalf("Open = %+v, %v", ticket, err)
			}
			if data, err := w.Tickets.Data(ticket); string(data) != "as it was" || err != nil {
				t.Errorf("Data = %q, %v", data, err)
			}
		}
		for name, bad := range map[string]string{
			"empty": "", "no secret": issued.Ticket.ID, "another secret": issued.Ticket.ID + ".x", "cut": token[:len(token)-1], "unknown": "x" + token,
		} {
			_, err := w.Tickets.Open(ctx, bad, directory.RecoverPassword)
			is(t, name, err, directory.ErrTicket)
		}
		_, err := w.Tickets.Open(ctx, token, directory.VerifyEmail)
		is(t, "another purpose", err, directory.ErrTicket)

		ticket, err := w.Tickets.Open(ctx, token, directory.RecoverPassword)
		is(t, "open", err, nil)
		b := w.db.Batch()
		w.Tickets.Redeem(b, ticket)
		w.apply(t, b)
		_, err = w.Tickets.Open(ctx, token, directory.RecoverPassword)
		is(t, "used", err, directory.ErrTicket)
		if w.try(t, slotOf(recovery(s)), issued.Code.Reveal()) {
			t.Error("the code of a link that was used is good")
		}
	})
}

func TestTicketOfACode(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, s := w.person(t, "ann")
		n := recovery(s)
		n.Context, n.Code.Letters = "flow", true
		issued := w.issue(t, n)
		code, slot := issued.Code.Reveal(), slotOf(n)
		elsewhere := slot
		elsewhere.Context = "another flow"
		other := slot
		other.Purpose = directory.VerifyEmail
		if w.try(t, elsewhere, code) || w.try(t, other, code) || w.try(t, slot, "") || w.try(t, slot, strings.Repeat("9", 500)) {
			t.Error("a code was taken that is wrong")
		}
		if !w.try(t, slot, " "+strings.ToLower(code[:3])+"-"+code[3:]) {
			t.Error("the code was not taken as people type it")
		}
		if w.try(t, slot, code) {
			t.Error("the code was taken twice")
		}
	})
}

func TestTicketEnds(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u, s := w.person(t, "ann")
		n := recovery(s)
		gone := func(what string, issued *directory.IssuedTicket) {
			t.Helper()
			_, err := w.Tickets.Open(ctx, issued.Token.Reveal(), n.Purpose)
			is(t, what, err, directory.ErrTicket)
			if w.try(t, slotOf(n), issued.Code.Reveal()) {
				t.Errorf("%s: the code is good", what)
			}
		}
		first := w.issue(t, n)
		second := w.issue(t, n)
		if first.Code.Reveal() != second.Code.Reveal() {
			gone("replaced", first)
		}
		w.advance(time.Hour)
		gone("expired", second)

		third := w.issue(t, n)
		is(t, "password", w.SetPassword(ctx, u, "another long password"), nil)
		gone("revoked", third)

		n.Subject = w.subject(t, s.Ref())
		fourth := w.issue(t, n)
		b := w.db.Batch()
		is(t, "revoke", w.Tickets.Revoke(ctx, b, slotOf(n)), nil)
		is(t, "revoke nothing", w.Tickets.Revoke(ctx, b, directory.TicketSlot{Purpose: "none", Holder: "none"}), nil)
		w.apply(t, b)
		gone("taken back", fourth)

		fifth := w.issue(t, n)
		current, err := w.UserOf(ctx, n.Subject)
		is(t, "user", err, nil)
		is(t, "delete", w.DeleteUser(ctx, current), nil)
		gone("deleted", fifth)
	})
}

// TestAttackTicketGuessed: five wrong codes kill a code; a new one brings five more, and no more than six come in an hour.
func TestAttackTicketGuessed(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, s := w.person(t, "ann")
		n := recovery(s)
		for range 6 {
			issued := w.issue(t, n)
			guessInParallel(t, w, slotOf(n), 20)
			if w.try(t, slotOf(n), issued.Code.Reveal()) {
				t.Error("the code was taken after too many wrong ones")
			}
			if ticket, err := w.Tickets.Open(t.Context(), issued.Token.Reveal(), n.Purpose); !errors.Is(err, directory.ErrTicket) {
				t.Errorf("the link beside the code: %+v, %v", ticket, err)
			}
		}
		b := w.db.Batch()
		_, err := w.Tickets.Issue(t.Context(), b, n)
		limit, ok := errors.AsType[*directory.TicketLimitError](err)
		if !ok || limit.RetryAfter != time.Hour || b.Len() != 0 {
			t.Errorf("a seventh: %v, with %d operations", err, b.Len())
		}
		w.advance(time.Hour)
		w.issue(t, n)
	})
}

func guessInParallel(t *testing.T, w *world, slot directory.TicketSlot, guesses int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range guesses {
		wg.Go(func() {
			if w.try(t, slot, fmt.Sprintf("x%05d", i)) {
				t.Error("a wrong code was taken")
			}
		})
	}
	wg.Wait()
}

func TestTicketCooldown(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, s := w.person(t, "ann")
		n := recovery(s)
		n.Cooldown, n.Resends = time.Minute, -1
		w.issue(t, n)
		w.advance(20 * time.Second)
		for _, want := range []time.Duration{40 * time.Second, time.Hour - 60*time.Second} {
			_, err := w.Tickets.Issue(t.Context(), w.db.Batch(), n)
			if limit, ok := errors.AsType[*directory.TicketLimitError](err); !ok || limit.RetryAfter != want {
				t.Errorf("got %v, want to wait %v", err, want)
			}
			w.advance(40 * time.Second)
		}
	})
}

// TestAttackTicketOneWinner: of many who redeem a link, or type a code, or both, at two nodes at once, one does.
func TestAttackTicketOneWinner(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p)
		_, s := w.person(t, "ann")
		issued := w.issue(t, recovery(s))
		other, err := directory.New(directory.Config{DB: w.db, Hasher: cheapHasher(t)})
		is(t, "another node", err, nil)
		won := make([]bool, 64)
		var wg sync.WaitGroup
		for i := range won {
			node := []*directory.Directory{w.Directory, other}[i%2]
			wg.Go(func() {
				if i%4 < 2 {
					won[i] = redeem(t, w.db, node, issued)
				} else {
					won[i] = redeemCode(t, w.db, node, slotOf(recovery(s)), issued)
				}
			})
		}
		wg.Wait()
		winners := 0
		for _, one := range won {
			if one {
				winners++
			}
		}
		if winners != 1 {
			t.Errorf("%d have redeemed the ticket", winners)
		}
	})
}

func redeem(t *testing.T, db *store.DB, node *directory.Directory, issued *directory.IssuedTicket) bool {
	ticket, err := node.Tickets.Open(t.Context(), issued.Token.Reveal(), directory.RecoverPassword)
	if errors.Is(err, directory.ErrTicket) {
		return false
	}
	if err != nil {
		t.Error(err)
		return false
	}
	b := db.Batch()
	node.Tickets.Redeem(b, ticket)
	return appliedOrBeaten(t, b, node)
}

func redeemCode(t *testing.T, db *store.DB, node *directory.Directory, slot directory.TicketSlot, issued *directory.IssuedTicket) bool {
	try, err := node.Tickets.Try(t.Context(), slot, issued.Code.Reveal())
	if err != nil {
		t.Error(err)
		return false
	}
	b := db.Batch()
	node.Tickets.Settle(b, try)
	return try.Ticket() != nil && appliedOrBeaten(t, b, node)
}

func appliedOrBeaten(t *testing.T, b *store.Batch, node *directory.Directory) bool {
	err := b.Apply(t.Context())
	if err != nil && store.ConflictOn(err, node.Tickets.Kind()) == nil {
		t.Error(err)
	}
	return err == nil
}

// TestAttackTicketInTwoProcesses lets two processes redeem the same links over one database.
func TestAttackTicketInTwoProcesses(t *testing.T) {
	if dir := os.Getenv(ticketProcess); dir != "" {
		redeemAll(t, dir)
		return
	}
	t.Parallel()
	dir := t.TempDir()
	d, db := openShared(t, dir)
	var tokens []string
	for i := range 40 {
		b := db.Batch()
		issued, err := d.Tickets.Issue(t.Context(), b, directory.NewTicket{
			Purpose: directory.ConfirmRegistration, Holder: fmt.Sprint(i), Link: true, Life: time.Hour,
		})
		is(t, "issue", errors.Join(err, b.Apply(t.Context())), nil)
		tokens = append(tokens, issued.Token.Reveal())
	}
	is(t, "write", os.WriteFile(filepath.Join(dir, "tokens"), []byte(strings.Join(tokens, "\n")), 0o600), nil)
	outputs := make([][]byte, 2)
	var wg sync.WaitGroup
	for i := range outputs {
		wg.Go(func() {
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAttackTicketInTwoProcesses$", "-test.v")
			child.Env = append(os.Environ(), ticketProcess+"="+dir)
			output, err := child.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, output)
			}
			outputs[i] = output
		})
	}
	wg.Wait()
	for _, token := range tokens {
		if n := strings.Count(string(outputs[0])+string(outputs[1]), "redeemed "+token); n != 1 {
			t.Errorf("a ticket was redeemed %d times", n)
		}
	}
}

const ticketProcess = "SIGNET_TICKET_PROCESS"

func redeemAll(t *testing.T, dir string) {
	d, db := openShared(t, dir)
	tokens, err := os.ReadFile(filepath.Join(dir, "tokens"))
	is(t, "read", err, nil)
	for token := range strings.Lines(string(tokens)) {
		token = strings.TrimSpace(token)
		ticket, err := d.Tickets.Open(t.Context(), token, directory.ConfirmRegistration)
		if errors.Is(err, directory.ErrTicket) {
			continue
		}
		is(t, "open", err, nil)
		b := db.Batch()
		d.Tickets.Redeem(b, ticket)
		if appliedOrBeaten(t, b, d) {
			fmt.Println("redeemed " + token)
		}
	}
}

// openShared opens the database of a folder, with the key ring that lies there.
func openShared(t *testing.T, dir string) (*directory.Directory, *store.DB) {
	t.Helper()
	ctx := context.Background()
	driver, err := sqlite.Open(ctx, filepath.Join(dir, "signet.db"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = driver.Close() })
	ring, err := store.OpenKeyFile(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(store.Config{Driver: driver, Keys: ring})
	if err != nil {
		t.Fatal(err)
	}
	d, err := directory.New(directory.Config{DB: db, Hasher: cheapHasher(t)})
	if err != nil {
		t.Fatal(err)
	}
	return d, db
}

// TestAttackTicketEnumeration: a message to nobody costs the same calls, and so do the codes that are tried afterwards.
func TestAttackTicketEnumeration(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, s := w.person(t, "ann")
		calls := func(n directory.NewTicket) []string {
			w.faults.Forget()
			issued := w.issue(t, n)
			w.try(t, slotOf(n), "000000x")
			_, _ = w.Tickets.Open(t.Context(), issued.Token.Reveal(), directory.VerifyEmail)
			var list []string
			for _, c := range w.faults.Calls() {
				list = append(list, fmt.Sprint(c.Method, c.Verbs()))
			}
			return list
		}
		decoy := recovery(s)
		decoy.Subject, decoy.Holder, decoy.Decoy = nil, w.Locks.Account(nil, "", "nobody"), true
		known, unknown := calls(recovery(s)), calls(decoy)
		if strings.Join(known, ";") != strings.Join(unknown, ";") {
			t.Errorf("calls for somebody: %v, for nobody: %v", known, unknown)
		}
		issued := w.issue(t, decoy)
		if _, err := w.Tickets.Open(t.Context(), issued.Token.Reveal(), decoy.Purpose); !errors.Is(err, directory.ErrTicket) || issued.Ticket.Address != "" {
			t.Errorf("a decoy opens: %v, with the address %q", err, issued.Ticket.Address)
		}
		if w.try(t, slotOf(decoy), issued.Code.Reveal()) {
			t.Error("the code of a decoy is right")
		}
	})
}

func TestTicketInvalid(t *testing.T) {
	t.Parallel()
	w := together(t)
	_, s := w.person(t, "ann")
	for field, spoil := range map[string]func(*directory.NewTicket){
		"purpose":     func(n *directory.NewTicket) { n.Purpose = "" },
		"holder":      func(n *directory.NewTicket) { n.Holder = "" },
		"link":        func(n *directory.NewTicket) { n.Link, n.Code = false, directory.CodeForm{} },
		"code.length": func(n *directory.NewTicket) { n.Code.Length = 5 },
		"life":        func(n *directory.NewTicket) { n.Life = 0 },
		"tries":       func(n *directory.NewTicket) { n.Tries = 11 },
		"resends":     func(n *directory.NewTicket) { n.Resends = 21 },
		"data":        func(n *directory.NewTicket) { n.Data = make([]byte, 9<<10) },
	} {
		n := recovery(s)
		spoil(&n)
		if _, err := w.Tickets.Issue(t.Context(), w.db.Batch(), n); !hasField(err, field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
