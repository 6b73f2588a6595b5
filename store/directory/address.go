package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/signet-idp/signet/store"
)

// address is one of the two kinds of address of a person, as fields of the User.
type address struct {
	field    string
	primary  *string
	verified *bool
	pending  *string
	others   *[]Contact
	plain    func(string) string
}

// address returns that of a purpose, VerifyEmail or VerifyPhone.
func (u *User) address(purpose TicketPurpose) (address, error) {
	switch purpose {
	case VerifyEmail:
		return address{"email", &u.Email, &u.EmailVerified, &u.PendingEmail, &u.Emails, Fold}, nil
	case VerifyPhone:
		return address{"phone", &u.Phone, &u.PhoneVerified, &u.PendingPhone, &u.Phones, plainPhone}, nil
	}
	return address{}, &InvalidError{Field: "purpose", Problem: "must be " + string(VerifyEmail) + " or " + string(VerifyPhone)}
}

func (a address) same(x, y string) bool { return a.plain(x) == a.plain(y) }

// other returns where among the further ones a value is, or -1.
func (a address) other(value string) int {
	return slices.IndexFunc(*a.others, func(c Contact) bool { return a.same(c.Value, value) })
}

// become makes a value the address in use. One that was verified and further stays among the further ones.
func (a address) become(value string, verified bool) {
	if i := a.other(value); i >= 0 {
		*a.others = slices.Delete(slices.Clone(*a.others), i, i+1)
		if *a.primary != "" {
			*a.others = append(*a.others, Contact{Value: *a.primary, Verified: *a.verified})
		}
	}
	*a.primary, *a.verified, *a.pending = value, verified, ""
}

// change takes up what a person wants as their address, and reports whether it has to be confirmed first.
func (a address) change(value string, verify bool) (confirm bool) {
	i := a.other(value)
	known := i >= 0 && (*a.others)[i].Verified
	switch {
	case value == "":
		*a.primary, *a.verified, *a.pending = "", false, ""
	case a.same(value, *a.primary):
		*a.primary, *a.pending = value, ""
		return !*a.verified && verify
	case known:
		a.become(value, true)
	case verify:
		*a.pending = value
		return true
	default:
		a.become(value, false)
	}
	return false
}

// ticket says whether an address is to be verified, and how.
func (p AddressPolicy) ticket(purpose TicketPurpose) (verify bool, n NewTicket) {
	n = NewTicket{Purpose: purpose, Code: p.Code, Life: p.CodeLife}
	if purpose == VerifyPhone {
		return p.VerifyPhone, n
	}
	if !p.EmailCode {
		n.Link, n.Life = true, p.LinkLife
	}
	return p.VerifyEmail, n
}

// ChangeAddress adds to the batch that a person has another e-mail address (VerifyEmail) or telephone number (VerifyPhone), or, where
// AddressPolicy wants it verified, that they will have once it is confirmed. In that case it returns what the message to the new
// address is made of, which the caller puts into the same batch; nil when there is none to be sent. The one they have may be asked
// for again, to be verified. One that they have verified before needs no confirmation; "" removes it. The event is "user.updated".
func (d *Directory) ChangeAddress(ctx context.Context, b *store.Batch, u *User, purpose TicketPurpose, value string) (*IssuedTicket, error) {
	return d.changeAddress(ctx, b, u, purpose, value, false)
}

// VerifyAddress is ChangeAddress, whatever AddressPolicy says: also one that is in use already is confirmed.
func (d *Directory) VerifyAddress(ctx context.Context, b *store.Batch, u *User, purpose TicketPurpose, value string) (*IssuedTicket, error) {
	return d.changeAddress(ctx, b, u, purpose, value, true)
}

func (d *Directory) changeAddress(
	ctx context.Context, b *store.Batch, u *User, purpose TicketPurpose, value string, always bool,
) (*IssuedTicket, error) {
	policy, err := Resolve(ctx, d.Settings, d.Settings.Addresses, u.Org, "")
	if err != nil {
		return nil, err
	}
	a, err := u.address(purpose)
	if err != nil {
		return nil, err
	}
	verify, n := policy.ticket(purpose)
	confirm := a.change(value, verify || always)
	if err := d.mayWrite(ctx, u); err != nil {
		return nil, err
	}
	s, err := d.SubjectOf(ctx, u)
	if err != nil {
		return nil, err
	}
	if s.Status == Ended {
		return nil, ErrEnded
	}
	if err := d.Users.Replace(ctx, b, u); err != nil {
		return nil, err
	}
	b.Event(s.event("user.updated"))
	if !confirm {
		return nil, nil
	}
	n.Org, n.Holder, n.Subject, n.Address = u.Org, s.ID, s, value
	return d.Tickets.Issue(ctx, b, n)
}

// ConfirmAddress adds to the batch that the address of a ticket is the person's, and verified, and that the ticket is used up: of
// ChangeAddress, VerifyAddress, or a registration. The subject is released from what waited for that. Events: "user.updated",
// "address.verified", "account.released". Errors: ErrTicket when the person wants it no more; over a *store.Conflict of the batch
// the caller begins again at Tickets.Open or Try.
func (d *Directory) ConfirmAddress(ctx context.Context, b *store.Batch, ticket *Ticket) (*User, error) {
	u, s, err := d.holderOf(ctx, ticket)
	if err != nil {
		return nil, err
	}
	if !u.confirm(ticket) {
		return nil, ErrTicket
	}
	if err := d.Users.Replace(ctx, b, u); err != nil {
		return nil, err
	}
	if s.release(b, PendingVerification, PendingRegistration, PendingLite) {
		d.Subjects.all.Replace(b, s)
	} else {
		d.Subjects.Check(b, s)
	}
	b.Event(s.event("user.updated"))
	verified := s.event("address.verified")
	verified.Data = details("store", s.storeName(), "purpose", string(ticket.Purpose))
	b.Event(verified)
	d.Tickets.Redeem(b, ticket)
	return u, nil
}

// AwaitsConfirmation reports whether the address of a ticket is one that the person still wants: nil, ErrTicket, or a failure.
func (d *Directory) AwaitsConfirmation(ctx context.Context, ticket *Ticket) error {
	u, _, err := d.holderOf(ctx, ticket)
	if err == nil && !u.confirm(ticket) {
		err = ErrTicket
	}
	return err
}

// confirm makes the address of a ticket a verified one, and reports whether it is still wanted.
func (u *User) confirm(ticket *Ticket) bool {
	purposes := []TicketPurpose{ticket.Purpose}
	if ticket.Purpose != VerifyEmail && ticket.Purpose != VerifyPhone {
		purposes = []TicketPurpose{VerifyEmail, VerifyPhone}
	}
	for _, purpose := range purposes {
		a, _ := u.address(purpose)
		switch i := a.other(ticket.Address); {
		case ticket.Address == "":
		case a.same(ticket.Address, *a.pending):
			a.become(*a.pending, true)
			return true
		case a.same(ticket.Address, *a.primary):
			*a.verified = true
			return true
		case i >= 0:
			*a.others = slices.Clone(*a.others)
			(*a.others)[i].Verified = true
			return true
		}
	}
	return false
}

// holderOf returns the person of a ticket as they are now, or ErrTicket.
func (d *Directory) holderOf(ctx context.Context, ticket *Ticket) (*User, *Subject, error) {
	s, err := d.Subjects.Get(ctx, ticket.Subject)
	if err != nil {
		return nil, nil, absent(err)
	}
	if s.Status == Ended || s.Epoch != ticket.SubjectEpoch {
		return nil, nil, ErrTicket
	}
	u, err := d.UserOf(ctx, s)
	return u, s, absent(err)
}

// ReplaceOwn adds to the batch what a person writes about themselves over the version that was read: another e-mail address or number is
// taken up as ChangeAddress does, and what the messages about them are made of is returned. Errors: as ReplaceUser, and *InvalidError
// with the ID "claim.blocked" for what is not theirs to change, an attribute that AttributePolicy keeps from them among it. The event is "user.updated".
func (d *Directory) ReplaceOwn(ctx context.Context, b *store.Batch, u *User) ([]*IssuedTicket, error) {
	s, err := d.SubjectOf(ctx, u)
	if err != nil {
		return nil, err
	}
	if s.Status != Active {
		return nil, ErrChainBroken
	}
	before, err := d.UserOf(ctx, s)
	if err != nil {
		return nil, err
	}
	rules, err := d.Attributes(ctx, u.Org)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(u.blockedChanges(before), rules.ownAttributes(u, before), rules.checkAttributes(u, before)); err != nil {
		return nil, err
	}
	policy, err := Resolve(ctx, d.Settings, d.Settings.Addresses, u.Org, "")
	if err != nil {
		return nil, err
	}
	email, phone := u.Email, u.Phone
	u.Email, u.Phone = before.Email, before.Phone
	var tickets []NewTicket
	for purpose, value := range map[TicketPurpose]string{VerifyEmail: email, VerifyPhone: phone} {
		a, _ := u.address(purpose)
		verify, n := policy.ticket(purpose)
		if !a.same(value, *a.primary) && a.change(value, verify) {
			n.Org, n.Holder, n.Subject, n.Address = u.Org, s.ID, s, value
			tickets = append(tickets, n)
		}
	}
	if err := d.mayWrite(ctx, u); err != nil {
		return nil, err
	}
	if err := d.Users.Replace(ctx, b, u); err != nil {
		return nil, err
	}
	b.Event(s.event("user.updated"))
	var issued []*IssuedTicket
	for _, n := range tickets {
		ticket, err := d.Tickets.Issue(ctx, b, n)
		if err != nil {
			return nil, err
		}
		issued = append(issued, ticket)
	}
	return issued, nil
}
