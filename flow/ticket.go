package flow

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// The facts of a flow that proves an address by a ticket.
const (
	// linkFact is the token of the link by which somebody came.
	linkFact = "ticket.link"
	// holderFact names whose ticket was sent, addressFact where to, and askedFact what was typed; all are there for nobody's as well.
	holderFact  = "ticket.holder"
	addressFact = "ticket.address"
	askedFact   = "ticket.asked"
	// provenFact is the holder of a ticket that was redeemed, and epochFact the subject's epoch then.
	provenFact = "ticket.proven"
	epochFact  = "ticket.epoch"
)

// mailing sends tickets: a link, and a code for the browser in which it was asked for. It does the same for an address that is nobody's.
type mailing struct {
	db       *store.DB
	dir      *directory.Directory
	out      notify.Outbox
	site     *web.Site
	purpose  directory.TicketPurpose
	template notify.Template
	// taken, if any, is said instead to somebody who has an account already.
	taken notify.Template
	path  string
	life  time.Duration
}

// addressee is whom a ticket is for.
type addressee struct {
	holder  string
	subject *directory.Subject
	address string
	// decoy says that the ticket is to be good for nothing.
	decoy bool
}

// send lays out that a ticket is sent. When there is no room for another message, it returns how long to wait.
func (m mailing) send(ctx context.Context, s *State, to addressee, asked string) (write func(*store.Batch) error, wait time.Duration, err error) {
	org := s.Request.Organization
	sending, err := m.dir.Sends.Weigh(ctx, directory.SendKey{
		Org: org, Purpose: string(m.purpose), Destination: asked, Account: m.dir.Locks.Account(nil, org, asked),
		Address: s.Client().Address.String(),
	})
	if err != nil {
		return nil, 0, err
	}
	if sending.Wait() > 0 {
		return nil, sending.Wait(), nil
	}
	ticket := directory.NewTicket{
		Purpose: m.purpose, Org: org, Holder: to.holder, Context: s.Flow, Subject: to.subject, Address: to.address,
		Link: true, Code: directory.CodeForm{Length: 6}, Life: m.life, Decoy: to.decoy,
	}
	if _, err = m.dir.Tickets.Issue(ctx, m.db.Batch(), ticket); err != nil { // whether there is room for another one
		if limit, ok := errors.AsType[*directory.TicketLimitError](err); ok {
			return nil, max(limit.RetryAfter, time.Second), nil
		}
		return nil, 0, err
	}
	return func(b *store.Batch) error {
		m.dir.Sends.Add(b, sending)
		issued, err := m.dir.Tickets.Issue(ctx, b, ticket)
		if err != nil {
			return err
		}
		message := notify.Message{
			Template: m.template, Channel: notify.Email, To: to.address, Organization: org, Application: s.Request.Application,
			Locales: s.Request.Locales, Expires: s.Now.Add(m.life), Decoy: to.decoy,
			Params: map[string]string{
				notify.Code: issued.Code.Reveal(), notify.Link: m.site.URL(m.path) + "?" + ticketField + "=" + issued.Token.Reveal(),
			},
		}
		if to.decoy && m.taken != "" {
			message.Template, message.Decoy = m.taken, false
			message.Params = map[string]string{notify.Link: m.site.URL(pages[directory.SignIn])}
		}
		if to.subject != nil {
			message.Subject = to.subject.Ref()
		}
		return m.out.Send(b, message)
	}, 0, nil
}

// ticketField is the parameter of a link that holds its token.
const ticketField = "ticket"

// ticketExecutor takes the code of a ticket, or the link. Who came by a link is asked whether to go on: what merely opens
// links uses nothing up.
type ticketExecutor struct {
	dir     *directory.Directory
	step    string
	purpose directory.TicketPurpose
	again   func(ctx context.Context, s *State) (Verdict, error)
}

var _ Guarded = ticketExecutor{}

func (ticketExecutor) Prepare(context.Context, *State) error { return nil }

func (t ticketExecutor) Prompt(_ context.Context, s *State) (Prompt, error) {
	if s.Facts[linkFact] != "" {
		return Prompt{
			Step: t.step, Title: Message{ID: t.step + ".link"}, Intro: Message{ID: t.step + ".link-intro"},
			Actions: []Action{{Name: continueAction, Label: "action.continue"}},
		}, nil
	}
	return Prompt{
		Step: t.step, Title: Message{ID: t.step + ".title"},
		Intro:  Message{ID: t.step + ".intro", Params: map[string]string{"address": s.Facts[askedFact]}},
		Fields: []Field{codeField(t.step + ".otp")},
		Actions: []Action{
			{Name: loginAction, Label: "action.continue"},
			{Name: resendAction, Label: "code.resend", Kind: Quiet},
		},
	}, nil
}

const continueAction = "continue"

// Account is whose ticket it is. For nobody's the same is read and counted.
func (t ticketExecutor) Account(ctx context.Context, s *State, _ Input) (Account, error) {
	account := Account{Factor: string(t.purpose), Person: s.Facts[askedFact], Quick: true}
	subject, err := t.dir.Subjects.Get(ctx, store.Ref{Org: s.Request.Organization, ID: s.Facts[holderFact]})
	if err == nil {
		account.Subject = subject
	} else if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return account, err
}

func (t ticketExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	switch {
	case s.Facts[linkFact] != "":
		return t.redeem(ctx, s)
	case in.Action == resendAction:
		return t.again(ctx, s)
	}
	try, err := t.dir.Tickets.Try(ctx, directory.TicketSlot{
		Purpose: t.purpose, Org: s.Request.Organization, Holder: s.Facts[holderFact], Context: s.Flow,
	}, in.Value(otpField))
	if err != nil {
		return Verdict{}, err
	}
	settle := func(b *store.Batch) error {
		t.dir.Tickets.Settle(b, try)
		return nil
	}
	if in.Locked || try.Ticket() == nil {
		if in.Locked { // a right code is not used up by somebody who may not try it
			settle = nil
		}
		return Verdict{Outcome: Again, Messages: []Message{{ID: "code.wrong", Level: Error}}, Write: settle}, nil
	}
	return proven(try.Ticket(), settle), nil
}

// redeem takes the link. One that is good no more leads to where another can be had.
func (t ticketExecutor) redeem(ctx context.Context, s *State) (Verdict, error) {
	ticket, err := t.dir.Tickets.Open(ctx, s.Facts[linkFact], t.purpose)
	if errors.Is(err, directory.ErrTicket) {
		return Verdict{
			Outcome: Proceed, Facts: map[string]string{linkFact: ""}, Messages: []Message{{ID: "ticket.void", Level: Error}},
		}, nil
	}
	if err != nil {
		return Verdict{}, err
	}
	return proven(ticket, func(b *store.Batch) error {
		t.dir.Tickets.Redeem(b, ticket)
		return nil
	}), nil
}

// proven is the verdict on a ticket that was redeemed.
func proven(ticket *directory.Ticket, write func(*store.Batch) error) Verdict {
	return Verdict{Outcome: Proceed, Write: write, Facts: map[string]string{
		linkFact: "", provenFact: ticket.Holder, addressFact: ticket.Address, epochFact: strconv.FormatInt(ticket.SubjectEpoch, 10),
	}}
}

// lacksProof: no ticket was redeemed, and one was sent or brought along.
func lacksProof(_ context.Context, s *State) (bool, error) {
	return s.Facts[provenFact] == "", nil
}

// lacksTicket: no ticket was sent or brought along.
func lacksTicket(_ context.Context, s *State) (bool, error) {
	return s.Facts[provenFact] == "" && s.Facts[holderFact] == "" && s.Facts[linkFact] == "", nil
}
