package directory

import (
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// Ticket is a message that was sent to an address, of which the code or the link proves once that somebody has read it. Neither is
// kept: the link's secret lies hashed, the code under the key ring.
type Ticket struct {
	store.Meta
	Purpose TicketPurpose `json:"purpose"`
	// Organization is where it is good; the record lies in the root.
	Organization string `json:"organization,omitempty"`
	// Holder is whose it is: a Subject's ID, or whatever the issuer names somebody by who is none yet.
	Holder string `json:"holder"`
	// Context is where its code counts, as a flow's id; "" is anywhere.
	Context string `json:"context,omitempty"`
	// Subject is the person it was issued for, as they were; zero for nobody.
	Subject      store.Ref `json:"subject,omitzero"`
	SubjectEpoch int64     `json:"subjectEpoch,omitempty"`
	// Address is where it was sent.
	Address string `json:"address,omitempty"`
	// LinkHash and CodeMAC are "" without a link, and without a code.
	LinkHash string `json:"linkHash,omitempty"`
	CodeMAC  string `json:"codeMac,omitempty"`
	// Data is what the issuer needs when it is redeemed; Tickets.Data opens it.
	Data store.Sealed `json:"data,omitempty"`
	// Misses are the wrong codes, of which Tries kill it.
	Misses int `json:"misses,omitempty"`
	Tries  int `json:"tries"`
	// Sends counts what was sent since First, in place of each other; Sent is the last.
	Sends int       `json:"sends"`
	First time.Time `json:"first"`
	Sent  time.Time `json:"sent"`
	// Until is when it ends.
	Until time.Time `json:"until"`
}

// TicketPurpose is what a Ticket lets somebody do, and nothing else. Other packages may have purposes of their own.
type TicketPurpose string

// The purposes of this house.
const (
	// VerifyEmail and VerifyPhone prove that an address is somebody's.
	VerifyEmail TicketPurpose = "verify_email"
	VerifyPhone TicketPurpose = "verify_phone"
	// RecoverPassword lets somebody choose a new password, and ResetPassword whom an administrator has told to.
	RecoverPassword TicketPurpose = "recover_password"
	ResetPassword   TicketPurpose = "reset_password"
	// RecoverUsername tells somebody their name.
	RecoverUsername TicketPurpose = "recover_username"
	// AcceptInvitation lets somebody choose their first password.
	AcceptInvitation TicketPurpose = "accept_invitation"
	// ConfirmRegistration proves the address of somebody who registers.
	ConfirmRegistration TicketPurpose = "confirm_registration"
	// SignInByLink and SignInByCode are proofs of a sign-in.
	SignInByLink TicketPurpose = "sign_in_by_link"
	SignInByCode TicketPurpose = "sign_in_by_code"
)

// NewTicket is what Tickets.Issue makes a Ticket of.
type NewTicket struct {
	// Purpose, Org and Holder name the ticket: of those with the same three only the last one sent is good. Required, but for Org.
	Purpose TicketPurpose
	Org     string
	Holder  string
	// Context is where its code counts; see Ticket.
	Context string
	// Subject is the person, as read; whatever moves their epoch afterwards, as a new password, kills the ticket. Nil is nobody.
	Subject *Subject
	// Address is where it will be sent; up to 256 characters.
	Address string
	// Data is up to 8 KiB that Tickets.Data gives back. It is sealed.
	Data []byte
	// Link and Code say what the message will hold: one or both.
	Link bool
	Code CodeForm
	// Life is how long the ticket is good. Required: a minute to 90 days.
	Life time.Duration
	// Tries is how many wrong codes kill it; zero is 5, and 10 the most.
	Tries int
	// Resends is how often, within an hour, another may take its place; zero is 5, and less than zero never.
	Resends int
	// Cooldown is the shortest time between two; zero is none.
	Cooldown time.Duration
	// Decoy makes a ticket that nothing redeems, for an address that is nobody's: all else is as for anybody.
	Decoy bool
}

// CodeForm is what a code looks like. The zero value is no code.
type CodeForm struct {
	// Length is 6 to 12 characters (NIST SP 800-63B-4 §3.1.3.2: six digits at the least).
	Length int `json:"length"`
	// Letters makes it of capital letters and digits that cannot be taken for each other; otherwise it has digits alone.
	Letters bool `json:"letters,omitempty"`
}

// Count is how many codes there are of the form; at most 2^60.
func (f CodeForm) Count() int64 {
	n := int64(1)
	for range f.Length {
		n *= int64(len(f.alphabet()))
	}
	return n
}

func (f CodeForm) alphabet() string {
	if f.Letters {
		return codeLetters
	}
	return codeDigits
}

// IssuedTicket is what a message is made of. It is nowhere else.
type IssuedTicket struct {
	Ticket *Ticket
	// Token goes into the link; "" without one.
	Token secret.Text
	// Code is "" without one.
	Code secret.Text
}

// TicketSlot names a ticket without its secret.
type TicketSlot struct {
	Purpose TicketPurpose
	Org     string
	Holder  string
	// Context is where the code is being typed.
	Context string
}

// TicketTry is a code that was judged. Nobody may learn of it until Tickets.Settle's batch is applied.
type TicketTry struct {
	ticket *Ticket
	right  bool
}

// Ticket returns the ticket that the code redeems, or nil when it was wrong.
func (t *TicketTry) Ticket() *Ticket {
	if t.right {
		return t.ticket
	}
	return nil
}
