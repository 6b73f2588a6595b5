package directory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
	"unicode"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

var (
	ticketKind = store.Kind{Name: "directory.ticket"}
	ticketType = store.Type[Ticket]{
		Kind: ticketKind,
		Index: func(t *Ticket) []store.Entry {
			if t.Subject == (store.Ref{}) {
				return nil
			}
			return []store.Entry{{Field: "subject", Value: pointer(t.Subject)}}
		},
	}
)

// ErrTicket says that a link or a code is good for nothing: unknown, used, replaced, expired, or of somebody for whom it was
// issued before everything of theirs was revoked. Which of these it is nobody learns.
var ErrTicket = errors.New("directory: the ticket is not good, or not any more")

// TicketLimitError says that no further ticket may take the place of the last one yet.
type TicketLimitError struct {
	// RetryAfter is how long until one may.
	RetryAfter time.Duration
}

// Error implements error.
func (e *TicketLimitError) Error() string {
	return fmt.Sprintf("directory: too many tickets: retry after %v", e.RetryAfter)
}

// Tickets are the links and codes of messages. Each is redeemed once, on however many nodes: what it leads to is written in the
// step that removes its durable record. There is one ticket for each purpose and holder, so that a new one kills the old, and no
// number of messages gets anybody more than Tries guesses at each. Whoever takes codes bounds the guesses at an account besides, with Locks.
//
//	issued, err := tickets.Issue(ctx, b, directory.NewTicket{
//		Purpose: directory.RecoverPassword, Holder: ann.ID, Subject: ann, Address: user.Email,
//		Link: true, Code: directory.CodeForm{Length: 6}, Life: time.Hour,
//	})
//	err = outbox.Send(b, messageWith(issued.Token, issued.Code)) // in the same step
//	err = b.Apply(ctx)                                            // on a Conflict: once more from Issue
//
// A link that is opened shows what it leads to, and is redeemed by what is posted then:
//
//	ticket, err := tickets.Open(ctx, token, directory.RecoverPassword) // ErrTicket; changes nothing
//	tickets.Redeem(b, ticket)                                          // beside what it leads to
//	err = b.Apply(ctx)                                                 // on a Conflict over Kind: it was used, or replaced
//
// A code is judged and settled:
//
//	try, err := tickets.Try(ctx, slot, typed)
//	tickets.Settle(b, try)         // a right one is used up, a wrong one counted
//	err = b.Apply(ctx)             // on a Conflict over Kind: once more from Try
//	right := try.Ticket() != nil   // now it may be told
type Tickets struct {
	db       *store.DB
	all      *store.Collection[Ticket]
	subjects *Subjects
}

func newTickets(db *store.DB, subjects *Subjects) *Tickets {
	return &Tickets{db: db, all: store.NewCollection(db, ticketType), subjects: subjects}
}

const (
	maxTicketData = 8 << 10
	maxTicketLife = 90 * 24 * time.Hour
	// sendWindow is how long what was sent is counted together.
	sendWindow = time.Hour
)

// Kind is the kind of the records, for telling what a Conflict is about.
func (t *Tickets) Kind() store.Kind { return ticketKind }

// ref is where the one ticket of a purpose and holder lies: in the root, where the token of a link finds it.
func (s TicketSlot) ref() store.Ref {
	return store.Ref{ID: secret.Hash(strings.Join([]string{string(s.Purpose), s.Org, s.Holder}, "\x00"))}
}

// Issue adds to the batch that a ticket is sent, in the place of any other of the same purpose and holder, and returns what its
// message is made of. It reads and writes the same for a Decoy. Errors: *TicketLimitError, *InvalidError.
func (t *Tickets) Issue(ctx context.Context, b *store.Batch, n NewTicket) (*IssuedTicket, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	ref := TicketSlot{Purpose: n.Purpose, Org: n.Org, Holder: n.Holder}.ref()
	old, err := t.all.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		old = nil
	} else if err != nil {
		return nil, err
	}
	now := b.Now()
	ticket := &Ticket{
		Meta:    store.Meta{ID: ref.ID},
		Purpose: n.Purpose, Organization: n.Org, Holder: n.Holder, Context: n.Context,
		Tries: n.Tries, Sends: 1, First: now, Sent: now, Until: now.Add(n.Life),
	}
	if err := ticket.follow(old, n); err != nil {
		return nil, err
	}
	ticket.Expires = latest(ticket.Until, ticket.First.Add(sendWindow))
	if n.Subject != nil {
		ticket.Subject, ticket.SubjectEpoch = n.Subject.Ref(), n.Subject.Epoch
	}
	if !n.Decoy {
		ticket.Address = n.Address
	}
	issued := t.arm(ticket, n)
	if ticket.Version == 0 {
		t.all.Insert(b, ticket)
	} else {
		t.all.Replace(b, ticket)
	}
	return issued, nil
}

// arm gives a ticket its secrets. Those of a decoy go nowhere.
func (t *Tickets) arm(ticket *Ticket, n NewTicket) *IssuedTicket {
	issued := &IssuedTicket{Ticket: ticket}
	if n.Link {
		key := secret.New()
		ticket.LinkHash = key.Hash()
		issued.Token = cookieValue(ticket.ID, key)
	}
	if n.Code.Length > 0 {
		issued.Code = n.Code.random()
		ticket.CodeMAC = t.db.Keys().MAC(t.codeWords(ticket, issued.Code.Reveal())...)
	}
	if len(n.Data) > 0 {
		ticket.Data = t.db.Seal(ticketKind, ticket.Ref(), "data", n.Data)
	}
	if n.Decoy {
		ticket.LinkHash, ticket.CodeMAC = secret.New().Hash(), t.db.Keys().MAC(t.codeWords(ticket, secret.New().Reveal())...)
	}
	return issued
}

// follow counts what was sent before, and refuses what comes too often.
func (t *Ticket) follow(old *Ticket, n NewTicket) error {
	if old == nil {
		return nil
	}
	t.Version = old.Version
	if wait := old.Sent.Add(n.Cooldown).Sub(t.Sent); n.Cooldown > 0 && wait > 0 {
		return &TicketLimitError{RetryAfter: wait}
	}
	if age := t.Sent.Sub(old.First); age < sendWindow {
		t.First, t.Sends = old.First, old.Sends+1
		if t.Sends > 1+max(0, n.Resends) {
			return &TicketLimitError{RetryAfter: sendWindow - age}
		}
	}
	return nil
}

// Open returns the ticket of a link, for one of the purposes, and changes nothing. The token must come with a post before anything
// is done about it: what only opens links must use up none. Errors: ErrTicket.
func (t *Tickets) Open(ctx context.Context, token string, purposes ...TicketPurpose) (*Ticket, error) {
	id, presented, ok := splitCookie(token)
	if !ok {
		return nil, ErrTicket
	}
	ticket, err := t.standing(ctx, store.Ref{ID: id})
	if err != nil {
		return nil, err
	}
	for _, purpose := range purposes {
		if ticket.Purpose == purpose && secret.Matches(ticket.LinkHash, presented) {
			return ticket, nil
		}
	}
	return nil, ErrTicket
}

// Redeem adds to the batch that a ticket which Open returned is used up. Of several who redeem it one is applied; the others get a
// *store.Conflict on Kind, which means ErrTicket.
func (t *Tickets) Redeem(b *store.Batch, ticket *Ticket) { t.all.Delete(b, ticket) }

// Try judges a code that somebody types. That there is no ticket, or not any more, is a wrong code.
func (t *Tickets) Try(ctx context.Context, slot TicketSlot, code string) (*TicketTry, error) {
	ticket, err := t.standing(ctx, slot.ref())
	if errors.Is(err, ErrTicket) {
		return &TicketTry{}, nil
	}
	if err != nil {
		return nil, err
	}
	right := t.db.Keys().MatchesMAC(ticket.CodeMAC, t.codeWords(ticket, normalCode(code))...)
	return &TicketTry{ticket: ticket, right: right && (ticket.Context == "" || ticket.Context == slot.Context)}, nil
}

// Settle adds to the batch what becomes of a ticket at which a code was tried: a right one uses it up, a wrong one counts.
func (t *Tickets) Settle(b *store.Batch, try *TicketTry) {
	switch {
	case try.ticket == nil:
	case try.right:
		t.all.Delete(b, try.ticket)
	default:
		try.ticket.Misses++
		t.all.Replace(b, try.ticket)
	}
}

// Revoke adds to the batch that the ticket of a purpose and holder is good no more, if there is one.
func (t *Tickets) Revoke(ctx context.Context, b *store.Batch, slot TicketSlot) error {
	ticket, err := t.all.Get(ctx, slot.ref())
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		t.all.Delete(b, ticket)
	}
	return err
}

// Data returns NewTicket.Data.
func (t *Tickets) Data(ticket *Ticket) ([]byte, error) {
	if ticket.Data == "" {
		return nil, nil
	}
	return t.db.Unseal(ticketKind, ticket.Ref(), "data", ticket.Data)
}

// standing returns a ticket that is good, or ErrTicket. For one of nobody it reads as much as for one of somebody.
func (t *Tickets) standing(ctx context.Context, ref store.Ref) (*Ticket, error) {
	ticket, err := t.all.Get(ctx, ref)
	absent := errors.Is(err, store.ErrNotFound)
	if err != nil && !absent {
		return nil, err
	}
	of := nobody
	if !absent && ticket.Subject.ID != "" {
		of = ticket.Subject
	}
	subject, err := t.subjects.Get(ctx, of)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if absent {
		return nil, ErrTicket
	}
	revoked := of != nobody && (subject == nil || subject.Status == Ended || subject.Epoch != ticket.SubjectEpoch)
	if revoked || ticket.Misses >= ticket.Tries || !t.db.Now().Before(ticket.Until) {
		return nil, ErrTicket
	}
	return ticket, nil
}

// forget removes all tickets of a subject, whose addresses they hold.
func (t *Tickets) forget(ctx context.Context, subject store.Ref) error {
	for ticket, err := range t.all.All(ctx, store.Query{Filter: store.Equals("subject", pointer(subject))}) {
		if err != nil {
			return err
		}
		b := t.db.Batch()
		t.all.Delete(b, ticket)
		if err := b.Apply(ctx); err != nil && store.ConflictOn(err, ticketKind) == nil {
			return err
		}
	}
	return nil
}

// codeWords are what a code's MAC is made of: with the time of sending in them, no two codes of one ticket have one MAC.
func (t *Tickets) codeWords(ticket *Ticket, code string) []string {
	return []string{ticketKind.Name, ticket.ID, ticket.Sent.Format(time.RFC3339Nano), code}
}

// normalCode is a code without what people add to it when they type.
func normalCode(code string) string {
	if len(code) > 64 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return unicode.ToUpper(r)
	}, code)
}

const (
	codeDigits  = "0123456789"
	codeLetters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789" // no I and O beside 1 and 0
)

func (f CodeForm) random() secret.Text {
	alphabet, code := f.alphabet(), make([]byte, f.Length)
	for i := range code {
		n, _ := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet)))) // never fails: crypto/rand ends the program instead
		code[i] = alphabet[n.Int64()]
	}
	return secret.Text(code)
}

// check fills in defaults and reports every field that breaks its rule.
func (n *NewTicket) check() error {
	setDefault(&n.Tries, 5)
	setDefault(&n.Resends, 5)
	var v validation
	v.required("purpose", string(n.Purpose), 64)
	v.required("holder", n.Holder, maxText)
	v.text("context", n.Context, maxText)
	v.text("address", n.Address, maxText)
	v.within("life", n.Life, time.Minute, maxTicketLife)
	if !n.Link && n.Code == (CodeForm{}) {
		v.add("link", "or code is required")
	}
	if n.Code != (CodeForm{}) {
		v.codeForm("code.length", n.Code)
	}
	if n.Tries < 1 || n.Tries > 10 {
		v.add("tries", "must be 1 to 10")
	}
	if n.Resends > 20 || n.Cooldown < 0 || n.Cooldown > sendWindow {
		v.add("resends", "must be at most 20, with at most an hour between them")
	}
	if len(n.Data) > maxTicketData {
		v.add("data", "must have at most %d bytes", maxTicketData)
	}
	return v.err()
}

func (v *validation) codeForm(field string, f CodeForm) {
	if f.Length < 6 || f.Length > 12 {
		v.add(field, "must be 6 to 12")
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// absent is ErrTicket for what the ticket was issued for and is no more.
func absent(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return ErrTicket
	}
	return err
}
