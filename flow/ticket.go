package flow

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// The facts of a flow that rests on a ticket.
const (
	// linkFact is the token of the link by which somebody came, and codeFact the code that they typed and that was right.
	linkFact = "ticket.link"
	codeFact = "ticket.code"
	// provenFact is when one of them was brought, in the form of RFC 3339: what follows may take as long as the flow does.
	provenFact = "ticket.proven"
	// holderFact names whose ticket was sent, askedFact what was typed, and whoseFact the person; all are there for nobody's as well.
	holderFact = "ticket.holder"
	askedFact  = "ticket.asked"
	whoseFact  = "ticket.subject"
	// purposeFact is the directory.TicketPurpose, of those that a step takes; "" is the first of them.
	purposeFact = "ticket.purpose"
	// channelFact is the notify.Channel by which it was sent; "" is e-mail.
	channelFact = "ticket.channel"
)

// ticketField is the parameter of a link that holds its token.
const ticketField = "ticket"

// mailing sends tickets: a link, and a code for the browser in which it was asked for. It does the same for an address that is nobody's.
type mailing struct {
	db       *store.DB
	dir      *directory.Directory
	out      notify.Outbox
	site     *web.Site
	purpose  directory.TicketPurpose
	template notify.Template
	// channel is the way it goes; "" is notify.Email.
	channel notify.Channel
	// taken, if any, is said instead to somebody who has an account already.
	taken notify.Template
	path  string
}

// addressee is whom a ticket is for.
type addressee struct {
	// holder is what was typed in the form in which it is compared, and not whose it is: that two names are one person's would else be
	// known by the limits of tickets. Whose is a Subject's ID, or stands for nobody's.
	holder  string
	whose   string
	subject *directory.Subject
	address string
	// decoy says that the ticket is to be good for nothing.
	decoy bool
}

// terms are how long a ticket is good and what its code looks like.
type terms struct {
	life    time.Duration
	code    directory.CodeForm
	link    bool
	tries   int
	resends int
}

// dispatch sends a ticket and remembers whom it was for.
func (m mailing) dispatch(ctx context.Context, s *State, to addressee, asked string, t terms) (Verdict, error) {
	write, wait, err := m.send(ctx, s, to, asked, t)
	if err != nil {
		return Verdict{}, err
	}
	if wait > 0 {
		return Verdict{
			Outcome: Again, Blameless: true, Messages: []Message{waitMessage(wait)},
			Keep: map[string]string{usernameField: asked, emailField: asked},
		}, nil
	}
	return Verdict{Outcome: Proceed, Write: write, Facts: map[string]string{
		holderFact: to.holder, askedFact: asked, whoseFact: to.whose, channelFact: string(m.channel),
	}}, nil
}

// reaches reports whether anything can be sent that way.
func (m mailing) reaches(c notify.Channel) bool { return m.out.Reaches(c) }

// channelOf is the way by which the flow's ticket was sent.
func channelOf(s *State) notify.Channel {
	return cmp.Or(notify.Channel(s.Facts[channelFact]), notify.Email)
}

// room reads whether there is room for a message to whom somebody has named. It returns what counts it, and how long to wait when there is none.
// Whoever may not be written to again yet, by another of their names, gets no message, and nobody learns that by the answer: silent.
func (m mailing) room(ctx context.Context, s *State, to addressee, asked string) (count func(*store.Batch), silent bool, wait time.Duration, err error) {
	org, name := s.Request.Organization, m.dir.Locks.Account(nil, s.Request.Organization, asked)
	typed, err := m.dir.Sends.Weigh(ctx, directory.SendKey{
		Org: org, Purpose: string(m.purpose) + "/typed", Destination: asked, Account: name, Address: s.Client().Address.String(),
	})
	if err != nil {
		return nil, false, 0, err
	}
	if typed.Wait() > 0 {
		return nil, false, typed.Wait(), nil
	}
	real, err := m.dir.Sends.Weigh(ctx, directory.SendKey{Org: org, Purpose: string(m.purpose), Destination: to.address, Account: to.whose})
	if err != nil {
		return nil, false, 0, err
	}
	return func(b *store.Batch) {
		m.dir.Sends.Add(b, typed)
		m.dir.Sends.Add(b, real)
	}, real.Wait() > 0, 0, nil
}

// send lays out that a ticket is sent. When there is no room for another message, it returns how long to wait.
func (m mailing) send(
	ctx context.Context, s *State, to addressee, asked string, t terms,
) (write func(*store.Batch) error, wait time.Duration, err error) {
	count, silent, wait, err := m.room(ctx, s, to, asked)
	if err != nil || wait > 0 {
		return nil, wait, err
	}
	ticket := directory.NewTicket{
		Purpose: m.purpose, Org: s.Request.Organization, Holder: to.holder, Context: s.Flow, Subject: to.subject, Address: to.address,
		Link: t.link, Code: t.code, Life: t.life, Tries: t.tries, Resends: t.resends, Decoy: to.decoy || silent,
	}
	if _, err = m.dir.Tickets.Issue(ctx, m.db.Batch(), ticket); err != nil { // whether there is room for another one
		if limit, ok := errors.AsType[*directory.TicketLimitError](err); ok {
			return nil, max(limit.RetryAfter, time.Second), nil
		}
		return nil, 0, err
	}
	return func(b *store.Batch) error {
		count(b)
		issued, err := m.dir.Tickets.Issue(ctx, b, ticket)
		if err != nil {
			return err
		}
		letter := m.letter(s, to, issued, t)
		letter.Decoy = letter.Decoy || silent
		return m.out.Send(b, letter)
	}, 0, nil
}

// letter is the message of a ticket.
func (m mailing) letter(s *State, to addressee, issued *directory.IssuedTicket, t terms) notify.Message {
	letter := notify.Message{
		Template: m.template, Channel: cmp.Or(m.channel, notify.Email), To: to.address, Organization: s.Request.Organization,
		Application: s.Request.Application, Locales: s.Request.Locales, Expires: s.Now.Add(t.life), Decoy: to.decoy,
		Params: map[string]string{notify.Code: issued.Code.Reveal()},
	}
	if t.link {
		letter.Params[notify.Link] = m.site.URL(m.path) + "?" + ticketField + "=" + issued.Token.Reveal()
	}
	if to.decoy && m.taken != "" {
		letter.Template, letter.Decoy = m.taken, false
		letter.Params = map[string]string{notify.Link: m.site.URL(pages[directory.SignIn])}
	}
	if to.subject != nil {
		letter.Subject = to.subject.Ref()
	}
	return letter
}

// held finds the ticket that a flow rests on, by its link or its code: directory.ErrTicket when it is good no more.
func held(ctx context.Context, dir *directory.Directory, s *State, purposes ...directory.TicketPurpose) (*directory.Ticket, error) {
	if token := s.Facts[linkFact]; token != "" {
		ticket, err := dir.Tickets.Open(ctx, token, purposes...)
		if err == nil && ticket.Organization != s.Request.Organization {
			return nil, directory.ErrTicket
		}
		return ticket, err
	}
	try, err := dir.Tickets.Try(ctx, directory.TicketSlot{
		Purpose: purposeOf(s, purposes), Org: s.Request.Organization, Holder: s.Facts[holderFact], Context: s.Flow,
	}, s.Facts[codeFact])
	if err != nil {
		return nil, err
	}
	if try.Ticket() == nil {
		return nil, directory.ErrTicket
	}
	return try.Ticket(), nil
}

// void leads back to where another ticket can be had.
func void() Verdict {
	return Verdict{
		Outcome: Proceed, Facts: map[string]string{linkFact: "", codeFact: "", provenFact: "", holderFact: "", channelFact: ""},
		Messages: []Message{{ID: "ticket.void", Level: Error}},
	}
}

// forgotten are the facts of a ticket without any of them.
func forgotten() map[string]string {
	return map[string]string{
		endFact: "", linkFact: "", codeFact: "", provenFact: "", holderFact: "", askedFact: "", whoseFact: "", purposeFact: "", channelFact: "",
	}
}

// brought are the facts of a ticket whose link or code, which the fact names, was brought at a time.
func brought(fact, value string, at time.Time) map[string]string {
	return map[string]string{fact: value, provenFact: at.UTC().Format(time.RFC3339Nano)}
}

// lacksTicket: none was sent or brought along.
func lacksTicket(_ context.Context, s *State) (bool, error) {
	return s.Facts[endFact] == "" && s.Facts[holderFact] == "" && s.Facts[linkFact] == "", nil
}

// lacksCode: a ticket was sent, and neither its code nor its link has come back.
func lacksCode(_ context.Context, s *State) (bool, error) {
	return s.Facts[endFact] == "" && s.Facts[codeFact] == "" && s.Facts[linkFact] == "", nil
}

// ticketExecutor takes the code of a ticket. A wrong one is counted; a right one is used up by what it leads to.
type ticketExecutor struct {
	dir     *directory.Directory
	step    string
	purpose directory.TicketPurpose
	again   func(ctx context.Context, s *State) (Verdict, error)
	letters bool
}

var _ Guarded = ticketExecutor{}

func (ticketExecutor) Prepare(context.Context, *State) error { return nil }

func (t ticketExecutor) Prompt(_ context.Context, s *State) (Prompt, error) {
	texts := t.step
	if channelOf(s) == notify.SMS {
		texts += "-sms"
	}
	code := codeField(texts + ".otp")
	if t.letters {
		code.Type = LettersField
	}
	return Prompt{
		Step: t.step, Title: Message{ID: texts + ".title"},
		Intro:  Message{ID: texts + ".intro", Params: map[string]string{"address": s.Facts[askedFact]}},
		Fields: []Field{code}, Channels: []notify.Channel{channelOf(s)},
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
	subject, err := t.dir.Subjects.Get(ctx, store.Ref{Org: s.Request.Organization, ID: s.Facts[whoseFact]})
	if err == nil {
		account.Subject = subject
	} else if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return account, err
}

func (t ticketExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	if in.Action == resendAction {
		v, err := t.again(ctx, s)
		if v.Outcome == Proceed { // asked on the same page
			v.Outcome, v.Messages, v.sent = Again, []Message{{ID: "code.resent", Level: Success}}, true
		}
		v.Blameless = true
		return v, err
	}
	code := in.Value(otpField)
	try, err := t.dir.Tickets.Try(ctx, directory.TicketSlot{
		Purpose: t.purpose, Org: s.Request.Organization, Holder: s.Facts[holderFact], Context: s.Flow,
	}, code)
	if err != nil {
		return Verdict{}, err
	}
	if !in.Locked && try.Ticket() != nil {
		return Verdict{Outcome: Proceed, Facts: brought(codeFact, code, s.Now)}, nil
	}
	v := Verdict{Outcome: Again, Messages: []Message{{ID: "code.wrong", Level: Error}}}
	if !in.Locked { // a right code is not used up by somebody who may not try it
		v.Write = func(b *store.Batch) error {
			t.dir.Tickets.Settle(b, try)
			return nil
		}
	}
	return v, nil
}
