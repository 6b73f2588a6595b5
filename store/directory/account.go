package directory

import (
	"context"
	"errors"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// TicketWay is how the message of a ticket reaches somebody.
type TicketWay string

// The ways of a ticket.
const (
	// LinkByEmail is a link with a code beside it, for those who read their mail elsewhere.
	LinkByEmail TicketWay = "email_link"
	CodeByEmail TicketWay = "email_code"
	CodeBySMS   TicketWay = "sms_code"
	// LinkByHand is a link that an administrator hands over.
	LinkByHand TicketWay = "offline"
)

// terms fills in how a ticket reaches a person.
func (n *NewTicket) terms(u *User, way TicketWay, code CodeForm) {
	n.Address, n.Code = u.Email, code
	switch way {
	case LinkByEmail:
		n.Link = true
	case LinkByHand:
		n.Link, n.Code, n.Address = true, CodeForm{}, ""
	case CodeBySMS:
		n.Address = u.Phone
	}
}

// Invite adds to the batch that a person comes to be who has no password yet, and returns what their invitation is made of. Unless
// InvitationPolicy says otherwise they are PendingPassword. Errors: as AddUser, and *InvalidError for a person without the address.
func (d *Directory) Invite(ctx context.Context, b *store.Batch, u *User, way TicketWay) (*Subject, *IssuedTicket, error) {
	policy, err := Resolve(ctx, d.Settings, d.Settings.Invitation, u.Org, "")
	if err != nil {
		return nil, nil, err
	}
	n := NewTicket{Purpose: AcceptInvitation, Org: u.Org, Life: policy.Life}
	n.terms(u, way, policy.Code)
	if n.Address == "" && way != LinkByHand {
		return nil, nil, &InvalidError{Field: "address", Problem: "is required for an invitation by " + string(way)}
	}
	var s *Subject
	if policy.Unlocked {
		s, err = d.AddUser(ctx, b, u)
	} else {
		s, err = d.AddUserOnHold(ctx, b, u, PendingPassword)
	}
	if err != nil {
		return nil, nil, err
	}
	n.Holder, n.Subject = s.ID, s
	issued, err := d.Tickets.Issue(ctx, b, n)
	return s, issued, err
}

// InviteAgain adds to the batch that somebody who has not accepted their invitation gets another in its place.
func (d *Directory) InviteAgain(ctx context.Context, b *store.Batch, u *User, way TicketWay) (*IssuedTicket, error) {
	policy, err := Resolve(ctx, d.Settings, d.Settings.Invitation, u.Org, "")
	if err != nil {
		return nil, err
	}
	s, err := d.SubjectOf(ctx, u)
	if err != nil {
		return nil, err
	}
	if s.State() != PendingPassword {
		return nil, &InvalidError{Field: "state", Problem: "is not that of somebody who was invited"}
	}
	n := NewTicket{Purpose: AcceptInvitation, Org: u.Org, Life: policy.Life, Holder: s.ID, Subject: s}
	n.terms(u, way, policy.Code)
	return d.Tickets.Issue(ctx, b, n)
}

// ForceReset adds to the batch that a person has to choose another password before they sign in again, and returns what the message
// about it is made of. The old password is dead at once, and so is everything that was issued to them; the account is PendingReset.
// Errors: *InvalidError for a person without the address, or a way that AdminResetPolicy has not turned on; ErrReadOnly, ErrEnded.
func (d *Directory) ForceReset(ctx context.Context, b *store.Batch, u *User, way TicketWay) (*IssuedTicket, error) {
	policy, err := Resolve(ctx, d.Settings, d.Settings.AdminReset, u.Org, "")
	if err != nil {
		return nil, err
	}
	n := NewTicket{Purpose: ResetPassword, Org: u.Org, Life: policy.Life}
	n.terms(u, way, policy.Code)
	if n.Address == "" && way != LinkByHand || !policy.allows(way) {
		return nil, &InvalidError{Field: "way", Problem: "is not one by which this person can be told"}
	}
	if !d.Capabilities(u).SetPassword {
		return nil, d.readOnly(u)
	}
	s, err := d.SubjectOf(ctx, u)
	if err != nil {
		return nil, err
	}
	if s.Status == Ended {
		return nil, ErrEnded
	}
	if err := d.Users.SetPassword(ctx, b, u, secret.New().Reveal()); err != nil {
		return nil, err
	}
	if err := s.hold(b, PendingReset, ""); err != nil {
		return nil, err
	}
	d.Subjects.all.Replace(b, s)
	n.Holder, n.Subject = s.ID, s
	return d.Tickets.Issue(ctx, b, n)
}

func (p AdminResetPolicy) allows(way TicketWay) bool {
	return map[TicketWay]bool{LinkByEmail: p.EmailLink, CodeByEmail: p.EmailCode, CodeBySMS: p.SMSCode, LinkByHand: p.Offline}[way]
}

// ChoosePassword adds to the batch that the person of a ticket has a new password, for RecoverPassword, ResetPassword and
// AcceptInvitation: the ticket is used up, its address verified, everything that was issued to them ends, and what the account waited
// for is over. It proves nothing else: other factors stand, and are still asked for. Whom an administrator has locked or disabled
// stays so, with ErrTicket. Once the batch is applied, Sessions.EndRevoked marks their sessions as ended. Errors: those of
// SetPassword, after which the ticket is as good as before; ErrTicket. Events: "password.changed", "subject.revoked",
// "account.released", "user.updated".
func (d *Directory) ChoosePassword(ctx context.Context, b *store.Batch, ticket *Ticket, password string) (*Subject, error) {
	if ticket.Purpose != RecoverPassword && ticket.Purpose != ResetPassword && ticket.Purpose != AcceptInvitation {
		return nil, ErrTicket
	}
	u, s, err := d.holderOf(ctx, ticket)
	if err != nil {
		return nil, err
	}
	if state := s.State(); state == AccountDisabled || state == AccountLocked {
		return nil, ErrTicket
	}
	if !d.Capabilities(u).SetPassword {
		return nil, d.readOnly(u)
	}
	if err := d.mayHave(ctx, u, password); err != nil {
		return nil, err
	}
	if err := d.Users.SetPassword(ctx, b, u, password); err != nil {
		return nil, err
	}
	over := []AccountState{PendingPassword, PendingReset}
	if d.Capabilities(u).InBatch && u.confirm(ticket) {
		over = append(over, PendingVerification, PendingRegistration, PendingLite)
		if err := d.Users.Replace(ctx, b, u); err != nil {
			return nil, err
		}
		b.Event(s.event("user.updated"))
	}
	s.release(b, over...)
	s.revoke(b)
	d.Subjects.all.Replace(b, s)
	b.Event(s.event("password.changed"))
	d.Tickets.Redeem(b, ticket)
	return s, nil
}

// RenewPassword adds to the batch that a person has another password in the place of one that they have just proven and may keep no
// longer. Everything that was issued to them ends, s is at its new epoch, and once the batch is applied Sessions.EndRevoked marks their
// sessions as ended. The new password differs from the present one, whatever PasswordHistoryPolicy says, where the store in the DB has
// that; another store judges by rules of its own. Errors: those of SetPassword; ErrEnded for somebody who may not sign in. Events:
// "password.changed", "subject.revoked".
func (d *Directory) RenewPassword(ctx context.Context, b *store.Batch, u *User, s *Subject, password string) error {
	if s.Ref() != d.SubjectRef(u) || s.State() != "" || u.Disabled {
		return ErrEnded
	}
	if !d.Capabilities(u).SetPassword {
		return d.readOnly(u)
	}
	if err := d.CheckPassword(ctx, u, password); err != nil {
		return err
	}
	if err := d.checkHistory(ctx, u, password, 1); err != nil {
		return err
	}
	if err := d.Users.SetPassword(ctx, b, u, password); err != nil {
		return err
	}
	s.revoke(b)
	d.Subjects.all.Replace(b, s)
	b.Event(s.event("password.changed"))
	return nil
}

// mayHave reports why somebody may not have a password: by the policy, or by what they have had before.
func (d *Directory) mayHave(ctx context.Context, u *User, password string) error {
	if err := d.CheckPassword(ctx, u, password); err != nil {
		return err
	}
	return d.checkHistory(ctx, u, password, 0)
}

// HashPassword checks a password for somebody, who may not exist yet, and hashes it: for a flow that asks for it before the person
// comes to be. Errors: as SetPassword; ErrReadOnly where they would not live in the DB.
func (d *Directory) HashPassword(ctx context.Context, u *User, password string) (PasswordHash, error) {
	local := d.localUsers()
	if local == nil || !d.Capabilities(u).InBatch {
		return "", ErrReadOnly
	}
	if err := d.mayHave(ctx, u, password); err != nil {
		return "", err
	}
	password, err := local.clean(ctx, u.Org, password)
	if err != nil {
		return "", err
	}
	hash, err := local.hasher.Hash(ctx, password)
	return PasswordHash(hash), err
}

// PutPassword adds to the batch that a hash which HashPassword returned is the password of somebody new, whom AddUser or AddUserOnHold
// put into the same batch.
func (d *Directory) PutPassword(ctx context.Context, b *store.Batch, u *User, hash PasswordHash) error {
	local := d.localUsers()
	if local == nil || !d.Capabilities(u).InBatch {
		return ErrReadOnly
	}
	if err := local.hasher.Check(string(hash)); err != nil {
		return errors.Join(errors.New("directory: no hash of a password"), err)
	}
	return local.putPassword(ctx, b, u, secret.Text(hash))
}
