package flow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// codeExecutor sends a person a code and asks for it. As a second factor it is sent when the flow comes to the step; as the way to
// begin, when somebody has said who they are: then nothing that is shown or done says whether there is such a person.
type codeExecutor struct {
	// name is the Executor's and the second factor's, and first the Method of a sign-in that begins with it.
	name, first string
	amr         string
	dir         *directory.Directory
	db          *store.DB
	out         notify.Outbox
	channel     notify.Channel
	// template says the code, and again says it once more.
	template, again notify.Template
	code            mfa.OneTimeCode
	// address is where a code for the person goes, "" when they have no address that was verified.
	address func(*directory.User) string
	masked  func(string) string
	// link, if any, is how a link is made that stands beside the code, and site where it leads.
	link *mfa.MagicLink
	site *web.Site
}

var (
	_ Guarded   = codeExecutor{}
	_ Selective = codeExecutor{}
)

const (
	emailFactor  = directory.EmailCode
	smsFactor    = "sms-code"
	resendAction = "resend"
	// maxResends bounds how often a code is sent again at one step.
	maxResends = 5
)

func emailCode(c *Config, site *web.Site) codeExecutor {
	return codeExecutor{
		site: site,
		name: emailFactor, first: directory.EmailSignIn, amr: "otp", dir: c.Directory, db: c.DB, out: c.Messages,
		channel: notify.Email, template: notify.EmailOTP, again: notify.ResendEmailOTP, code: c.EmailCode,
		address: verifiedEmail, masked: notify.Email.Mask,
	}
}

func smsCode(c *Config, site *web.Site) codeExecutor {
	return codeExecutor{
		site: site,
		name: smsFactor, first: directory.SMSSignIn, amr: "sms", dir: c.Directory, db: c.DB, out: c.Messages,
		channel: notify.SMS, template: notify.SMSOTP, again: notify.SMSOTP, code: c.SMSCode,
		address: verifiedPhone, masked: notify.SMS.Mask,
	}
}

func verifiedEmail(u *directory.User) string {
	if u == nil || !u.EmailVerified {
		return ""
	}
	return u.Email
}

func verifiedPhone(u *directory.User) string {
	if u == nil || !u.PhoneVerified {
		return ""
	}
	return u.Phone
}

// pending is what the step keeps of a code that is out.
type pending struct {
	// Person is what was typed, "" for a second factor, and Remember whether they want to stay signed in.
	Person   string `json:"person,omitempty"`
	Remember bool   `json:"remember,omitempty"`
	// First says that the sign-in begins with the code, though it is known whose it is.
	First bool `json:"first,omitempty"`
	// Subject is whom the code proves, "" for nobody, and Address where it went.
	Subject string       `json:"subject,omitempty"`
	Address string       `json:"address,omitempty"`
	Code    mfa.SentCode `json:"code,omitzero"`
	Link    mfa.SentLink `json:"link,omitzero"`
	// Unsent says that no code is out before somebody asks for it.
	Unsent bool `json:"unsent,omitempty"`
	// Resends is how often it was sent again.
	Resends int `json:"resends,omitempty"`
	// Wait is how long there was no room for a code, when there was none.
	Wait time.Duration `json:"wait,omitempty"`
}

// pendingOf is what the step keeps, nil when nobody has said yet who they are.
func pendingOf(s *State) (*pending, error) {
	if len(s.Data) == 0 {
		return nil, nil
	}
	p := &pending{}
	return p, json.Unmarshal(s.Data, p)
}

func (p pending) keep() ([]byte, error) { return json.Marshal(p) }

// Proves implements Prover, as a second factor.
func (c codeExecutor) Proves() []directory.Evidence {
	return []directory.Evidence{{Method: c.name, AMR: []string{c.amr}}}
}

// Usable implements Selective. As the way to begin it is offered to everybody.
func (c codeExecutor) Usable(ctx context.Context, s *State) (bool, error) {
	if !c.out.Reaches(c.channel) {
		return false, nil
	}
	if s.Subject.IsZero() {
		return true, nil
	}
	if c.link != nil { // to begin with alone
		return !slices.ContainsFunc(s.Evidence, isPrimary), nil
	}
	user, err := s.User(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && c.address(user) != "", err
}

func (c codeExecutor) Prepare(ctx context.Context, s *State) error {
	if s.Subject.IsZero() {
		return nil
	}
	user, err := s.User(ctx)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	p := pending{Subject: s.Subject.ID, Address: c.address(user), First: !slices.ContainsFunc(s.Evidence, isPrimary)}
	if s.unbidden {
		p.Unsent = true
		s.Data, err = p.keep()
		return err
	}
	p, write, err := c.send(ctx, s, p, c.template)
	if err != nil {
		return err
	}
	s.Write(write)
	s.Data, err = json.Marshal(p)
	return err
}

func (c codeExecutor) Prompt(_ context.Context, s *State) (Prompt, error) {
	p, err := pendingOf(s)
	if err != nil {
		return Prompt{}, err
	}
	if p == nil {
		return c.who(s), nil
	}
	if p.Unsent {
		return c.offer(*p), nil
	}
	prompt := Prompt{
		Step:  c.name,
		Title: Message{ID: c.name + ".title"},
		Intro: Message{ID: c.name + ".maybe", Params: map[string]string{"person": p.Person}},
		Fields: []Field{{
			Name: otpField, Type: c.fieldType(), Label: c.name + ".otp", Autocomplete: "one-time-code", Required: true, Focus: true,
		}},
		Actions: []Action{{Name: loginAction, Label: c.name + ".login"}, {Name: resendAction, Label: "code.resend", Kind: Quiet}},
	}
	if c.link != nil {
		prompt.Fields = append(prompt.Fields, Field{Name: linkField, Type: HiddenField, Label: c.name + ".otp"})
		prompt.Fields[0].Required = false
	}
	if p.Person == "" {
		prompt.Intro = Message{ID: c.name + ".sent", Params: map[string]string{"address": c.masked(p.Address)}}
	}
	if p.Code.MAC == "" && p.Wait > 0 {
		prompt.Messages = []Message{waitMessage(p.Wait)}
	}
	return prompt, nil
}

// offer asks whether to send a code to somebody whose browser came here without their doing: any page can have it do that, and each code
// may cost money and disturbs.
func (c codeExecutor) offer(p pending) Prompt {
	return Prompt{
		Step:    c.name,
		Title:   Message{ID: c.name + ".who"},
		Intro:   Message{ID: "code.offer", Params: map[string]string{"address": c.masked(p.Address)}},
		Actions: []Action{{Name: resendAction, Label: c.name + ".send"}},
	}
}

// who asks who somebody is.
func (c codeExecutor) who(s *State) Prompt {
	name := s.Request.Hint
	return Prompt{
		Step:  c.name,
		Title: Message{ID: c.name + ".who"},
		Intro: Message{ID: c.name + ".who-intro"},
		Fields: []Field{
			{
				Name: usernameField, Type: TextField, Label: "password.username", Value: name, Autocomplete: "username", Required: true,
				Focus: true,
			},
			{Name: rememberField, Type: CheckboxField, Label: "password.remember"},
		},
		Actions: []Action{{Name: loginAction, Label: c.name + ".send"}},
	}
}

func (c codeExecutor) fieldType() FieldType {
	if c.code.Alphabet == mfa.UpperAndDigits {
		return LettersField
	}
	return CodeField
}

func (c codeExecutor) Account(ctx context.Context, s *State, in Input) (Account, error) {
	if !s.Subject.IsZero() {
		return accountOf(ctx, c.dir, s, c.name)
	}
	p, err := pendingOf(s)
	if err != nil {
		return Account{}, err
	}
	person := sayable(in.Value(usernameField))
	if p != nil {
		person = p.Person
	}
	account, err := accountNamed(ctx, c.dir, s, c.first, person)
	account.Quick = true
	return account, err
}

func (c codeExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	p, err := pendingOf(s)
	switch {
	case err != nil:
		return Verdict{}, err
	case p == nil:
		return c.begin(ctx, s, in)
	case p.Unsent:
		return c.sendFirst(ctx, s, *p)
	case in.Action == resendAction:
		return c.resend(ctx, s, *p)
	}
	return c.judge(ctx, s, in, *p)
}

// begin sends a code to whoever somebody says they are.
func (c codeExecutor) begin(ctx context.Context, s *State, in Input) (Verdict, error) {
	p := pending{Person: in.Account.Person, Remember: in.Value(rememberField) != ""}
	if u := in.Account.User; u != nil && mayBegin(in.Account) {
		p.Subject, p.Address = in.Account.Subject.ID, c.address(u)
	}
	next, write, err := c.send(ctx, s, p, c.template)
	if err != nil {
		return Verdict{}, err
	}
	if next.Wait > 0 {
		keep := map[string]string{usernameField: in.Account.Person, rememberField: in.Value(rememberField)}
		return Verdict{Outcome: Again, Blameless: true, Messages: []Message{waitMessage(next.Wait)}, Keep: keep, Write: write}, nil
	}
	return c.pause(next, write)
}

// mayBegin reports whether the person of an account may sign in at all.
func mayBegin(a Account) bool {
	return a.User != nil && !a.User.Disabled && a.Subject != nil && a.Subject.Status == directory.Active
}

// sendFirst sends the code that was offered.
func (c codeExecutor) sendFirst(ctx context.Context, s *State, p pending) (Verdict, error) {
	p.Unsent = false
	next, write, err := c.send(ctx, s, p, c.template)
	if err != nil {
		return Verdict{}, err
	}
	if next.Wait > 0 { // the offer stands
		return Verdict{Outcome: Again, Blameless: true, Messages: []Message{waitMessage(next.Wait)}, Write: write}, nil
	}
	return c.pause(next, write)
}

// resend sends another code, which takes the place of the one before. What was guessed wrong stays counted for the account.
func (c codeExecutor) resend(ctx context.Context, s *State, p pending) (Verdict, error) {
	if p.Resends >= maxResends {
		return Verdict{Outcome: Again, Blameless: true, Messages: []Message{{ID: "code.resends", Level: Error}}}, nil
	}
	p.Resends++
	next, write, err := c.send(ctx, s, p, c.again)
	if err != nil {
		return Verdict{}, err
	}
	if next.Wait > 0 { // the code that is out stays good
		return Verdict{Outcome: Again, Blameless: true, Messages: []Message{waitMessage(next.Wait)}, Write: write}, nil
	}
	return c.pause(next, write, Message{ID: "code.resent", Level: Success})
}

// pause asks for the code that is on its way.
func (c codeExecutor) pause(p pending, write func(*store.Batch) error, messages ...Message) (Verdict, error) {
	data, err := json.Marshal(p)
	return Verdict{Outcome: Again, Blameless: true, Data: data, Write: write, Messages: messages}, err
}

// judge decides about a code. For one that was sent to nobody it does the same, and it is wrong.
func (c codeExecutor) judge(ctx context.Context, s *State, in Input, p pending) (Verdict, error) {
	left, err := c.weighAnswer(s, in, p)
	right := err == nil && !in.Locked && p.Address != ""
	if p.Person != "" { // whom the code was sent to is still that person, at that address
		right = right && mayBegin(in.Account) && in.Account.Subject.ID == p.Subject && c.address(in.Account.User) == p.Address
	}
	if !right {
		return c.wrong(p, left, err)
	}
	subject := in.Account.Subject
	if subject.Version == 0 { // the first contact with somebody of a foreign store
		if subject, err = c.dir.SubjectOf(ctx, in.Account.User); err != nil {
			return Verdict{}, err
		}
	}
	method := c.name
	if p.Person != "" || p.First {
		method = c.first
	}
	return Verdict{
		Outcome: Proceed, Subject: subject, Remember: p.Remember,
		Evidence: []directory.Evidence{{Method: method, AMR: []string{c.amr}, Subject: subject.ID, Time: s.Now}},
	}, nil
}

// weighAnswer judges a code, or what a link has brought in its place.
func (c codeExecutor) weighAnswer(s *State, in Input, p pending) (mfa.SentCode, error) {
	if token := in.Value(linkField); token != "" && c.link != nil {
		return p.Code, p.Link.Verify(token, s.Now)
	}
	return p.Code.Judge(c.db.Keys(), c.binding(s, p), in.Value(otpField), s.Now)
}

// wrong asks again. A code that is dead says so: guessing at it goes on being counted.
func (c codeExecutor) wrong(p pending, left mfa.SentCode, err error) (Verdict, error) {
	message := Message{ID: c.name + ".wrong", Level: Error}
	switch {
	case errors.Is(err, mfa.ErrExpired):
		message.ID = "code.expired"
	case errors.Is(err, mfa.ErrExhausted):
		message.ID = "code.exhausted"
	case err == nil: // right, and not to be told: it counts as a wrong guess at the code too
		left = p.Code
		left.Left--
	}
	p.Code = left
	data, err := json.Marshal(p)
	return Verdict{Outcome: Again, Messages: []Message{message}, Data: data}, err
}

func (c codeExecutor) binding(s *State, p pending) mfa.Binding {
	return mfa.Binding{Flow: s.Flow, Purpose: c.name, Destination: p.Address, Subject: p.Subject}
}

// send lays out that a code is sent: what to keep, and what to write in the step that keeps it. When there is no room for a message, it
// returns how long to wait. To an address that is nobody's a message is made that is not delivered.
func (c codeExecutor) send(ctx context.Context, s *State, p pending, template notify.Template) (pending, func(*store.Batch) error, error) {
	p.Wait = 0
	asked, wait, err := c.weigh(ctx, s, p)
	if err != nil {
		return p, nil, err
	}
	count := func(b *store.Batch) error {
		for _, sending := range asked {
			c.dir.Sends.Add(b, sending)
		}
		return nil
	}
	if wait > 0 {
		p.Wait = wait
		return p, count, nil
	}
	code, sent, err := c.code.Issue(c.db.Keys(), c.binding(s, p), s.Now)
	if err != nil {
		return p, nil, err
	}
	p.Code = sent
	params := map[string]string{notify.Code: code.Reveal()}
	if c.link != nil {
		var token secret.Text
		if token, p.Link, err = c.link.Issue(s.Now); err != nil {
			return p, nil, err
		}
		params[notify.Link] = c.site.URL(linkPath) + "?" + url.Values{flowField: {s.Flow}, linkField: {token.Reveal()}}.Encode()
	}
	message := notify.Message{
		Template: template, Channel: c.channel, To: p.Address, Organization: s.Request.Organization, Application: s.Request.Application,
		Locales: s.Request.Locales, Params: params, Expires: sent.Expires,
		// Whoever may not be written to again yet gets no message, and nobody learns that by the answer.
		Decoy: p.Address == "" || asked[len(asked)-1].Wait() > 0,
	}
	if p.Subject != "" {
		message.Subject = store.Ref{Org: s.Request.Organization, ID: p.Subject}
	}
	if message.To == "" {
		message.To = p.Person
	}
	return p, func(b *store.Batch) error {
		if err := count(b); err != nil {
			return err
		}
		return c.out.Send(b, message)
	}, nil
}

// weigh reads whether there is room for a message. As the way to begin, what was typed is bounded, which may be told, and besides the
// recipient, which may not: two names of one person would else be known as such.
func (c codeExecutor) weigh(ctx context.Context, s *State, p pending) (asked []*directory.Sending, wait time.Duration, err error) {
	org := s.Request.Organization
	if p.Person == "" {
		account := cmp.Or(p.Subject, c.dir.Locks.Account(nil, org, p.Address)) // who registers is nobody yet
		sending, err := c.dir.Sends.Weigh(ctx, directory.SendKey{
			Org: org, Purpose: c.name, Destination: p.Address, Account: account, Address: s.Client().Address.String(),
		})
		if err != nil {
			return nil, 0, err
		}
		if sending.Wait() > 0 {
			return []*directory.Sending{sending}, sending.Wait(), nil
		}
		return []*directory.Sending{sending}, 0, nil
	}
	name := c.dir.Locks.Account(nil, org, p.Person)
	typed, err := c.dir.Sends.Weigh(ctx, directory.SendKey{
		Org: org, Purpose: c.first + "/typed", Destination: p.Person, Account: name, Address: s.Client().Address.String(),
	})
	if err != nil {
		return nil, 0, err
	}
	key := directory.SendKey{Org: org, Purpose: c.first, Destination: p.Address, Account: p.Subject}
	if p.Address == "" {
		key.Destination, key.Account = name, name
	}
	real, err := c.dir.Sends.Weigh(ctx, key)
	return []*directory.Sending{typed, real}, typed.Wait(), err
}

// waitMessage says when there is room for another message.
func waitMessage(wait time.Duration) Message {
	if wait <= 2*time.Minute {
		return Message{ID: "code.wait", Level: Warning, Params: map[string]string{"seconds": strconv.Itoa(int(wait / time.Second))}}
	}
	minutes := strconv.Itoa(int((wait + time.Minute - 1) / time.Minute))
	return Message{ID: "code.wait-long", Level: Warning, Params: map[string]string{"minutes": minutes}}
}
