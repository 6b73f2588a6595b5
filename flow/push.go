package flow

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// pushExecutor asks a person on their own devices. The page shows a number that they type there, so that nobody agrees to what
// somebody else has begun; the device signs the answer, and the page goes on with it.
type pushExecutor struct {
	dir  *directory.Directory
	out  notify.Outbox
	push mfa.Push
	site *web.Site
}

var _ Selective = pushExecutor{}

const pushFactor = "push"

// question is what the step keeps of what was asked.
type question struct {
	// Prompt is the id of the question, "" while none is out, and Number what the page shows.
	Prompt string `json:"prompt,omitempty"`
	Number string `json:"number,omitempty"`
	// Resends is how often it was asked again.
	Resends int `json:"resends,omitempty"`
	// Wait is how long the person is left alone, when they are.
	Wait time.Duration `json:"wait,omitempty"`
}

// Verifying implements Verifying.
func (pushExecutor) Verifying() {}

// Proves implements Prover.
func (pushExecutor) Proves() []directory.Evidence {
	return []directory.Evidence{{Method: pushFactor, AMR: []string{"swk"}}}
}

// Usable implements Selective.
func (p pushExecutor) Usable(ctx context.Context, s *State) (bool, error) {
	if !p.out.Reaches(notify.Push) {
		return false, nil
	}
	return s.Enrolled(ctx, directory.PushCredential)
}

// Prepare asks at once, but for somebody whose browser another page has sent here: they would learn to agree to what they did not begin.
func (p pushExecutor) Prepare(ctx context.Context, s *State) (err error) {
	if s.unbidden {
		s.Data, err = json.Marshal(question{})
		return err
	}
	q, write, err := p.ask(ctx, s, question{})
	if err != nil {
		return err
	}
	if write != nil {
		s.Write(write)
	}
	s.Data, err = json.Marshal(q)
	return err
}

func (p pushExecutor) Prompt(ctx context.Context, s *State) (Prompt, error) {
	var q question
	if err := json.Unmarshal(s.Data, &q); err != nil {
		return Prompt{}, err
	}
	prompt := Prompt{
		Step:    pushFactor,
		Title:   Message{ID: "push.title"},
		Actions: []Action{{Name: loginAction, Label: "push.login"}, {Name: resendAction, Label: "push.resend", Kind: Quiet}},
	}
	if q.Prompt == "" {
		prompt.Intro, prompt.Actions = Message{ID: "push.none"}, []Action{{Name: resendAction, Label: "push.send"}}
		if q.Wait > 0 {
			prompt.Messages = []Message{pushWait(q.Wait)}
		}
		return prompt, nil
	}
	prompt.Intro = Message{ID: "push.intro", Params: map[string]string{"number": q.Number}}
	open, err := p.open(ctx, s, q)
	if err != nil {
		return Prompt{}, err
	}
	if !open {
		prompt.Intro = Message{ID: "push.answered"}
		return prompt, nil
	}
	prompt.Poll = &Poll{URL: p.site.Path(pushStatusPath) + "?" + url.Values{"pushAuthId": {q.Prompt}}.Encode(), Action: loginAction, Number: q.Number}
	return prompt, nil
}

// open reports whether an answer is still awaited.
func (p pushExecutor) open(ctx context.Context, s *State, q question) (bool, error) {
	push, err := p.dir.Pushes.Find(ctx, q.Prompt)
	if errors.Is(err, directory.ErrPushOver) {
		return false, nil
	}
	return err == nil && push.Open(s.Now), err
}

func (p pushExecutor) Judge(ctx context.Context, s *State, in Input) (Verdict, error) {
	var q question
	if err := json.Unmarshal(s.Data, &q); err != nil {
		return Verdict{}, err
	}
	if in.Action == resendAction || q.Prompt == "" {
		return p.resend(ctx, s, q)
	}
	push, err := p.dir.Pushes.Find(ctx, q.Prompt)
	switch {
	case errors.Is(err, directory.ErrPushOver):
		return pushAgain("push.over", Error), nil
	case err != nil:
		return Verdict{}, err
	case push.Subject != s.Subject || push.Flow != s.Flow:
		return pushAgain("push.over", Error), nil
	case push.Open(s.Now):
		return pushAgain("push.waiting", Info), nil
	}
	switch push.Answer {
	case directory.PushApproved:
		return p.approved(ctx, s, push)
	case directory.PushDenied:
		return pushAgain("push.denied", Error), nil
	case directory.PushMismatched:
		return pushAgain("push.mismatched", Error), nil
	}
	return pushAgain("push.expired", Error), nil
}

func pushAgain(message string, level Level) Verdict {
	return Verdict{Outcome: Again, Messages: []Message{{ID: message, Level: level}}}
}

// approved lets the person in by the device that has agreed, which must still be theirs.
func (p pushExecutor) approved(ctx context.Context, s *State, push *directory.Push) (Verdict, error) {
	if !s.Now.Before(push.Until) {
		return pushAgain("push.expired", Error), nil
	}
	device, err := p.dir.Pushes.Device(ctx, s.Subject, push.Device)
	if errors.Is(err, store.ErrNotFound) || err == nil && device.Epoch != push.DeviceEpoch {
		return pushAgain("push.over", Error), nil
	}
	if err != nil {
		return Verdict{}, err
	}
	subject, err := p.dir.Subjects.Get(ctx, s.Subject)
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{
		Outcome: Proceed, Subject: subject, Evidence: []directory.Evidence{credentialEvidence(pushFactor, "swk", device, s)},
		Write: func(b *store.Batch) error {
			used := *push
			return p.dir.Pushes.Use(b, &used)
		},
	}, nil
}

// resend asks anew, in the place of the question before, or for the first time.
func (p pushExecutor) resend(ctx context.Context, s *State, q question) (Verdict, error) {
	sent := []Message{{ID: "push.resent", Level: Success}}
	switch {
	case q.Prompt == "":
		sent = nil
	case q.Resends >= maxResends:
		return pushAgain("code.resends", Error), nil
	default:
		q.Resends++
	}
	next, write, err := p.ask(ctx, s, q)
	if err != nil {
		return Verdict{}, err
	}
	if next.Wait > 0 {
		return Verdict{Outcome: Again, Messages: []Message{pushWait(next.Wait)}}, nil
	}
	data, err := json.Marshal(next)
	return Verdict{Outcome: Again, Messages: sent, Data: data, Write: write}, err
}

// pushWait says how long somebody is left alone.
func pushWait(wait time.Duration) Message {
	m := waitMessage(wait)
	m.ID = strings.Replace(m.ID, "code.", "push.", 1)
	return m
}

// ask lays out that all devices of the person are asked: what to keep, and what to write in the step that keeps it, nil when the person
// is to be left alone.
func (p pushExecutor) ask(ctx context.Context, s *State, q question) (question, func(*store.Batch) error, error) {
	q.Wait = 0
	asking, err := p.dir.Pushes.Weigh(ctx, s.Subject, s.Flow)
	if err != nil {
		return q, nil, err
	}
	if asking.Wait() > 0 {
		q.Wait = asking.Wait()
		return q, nil, nil
	}
	prompt, err := p.push.New(s.Now)
	if err != nil {
		return q, nil, err
	}
	messages, err := p.messages(ctx, s, prompt)
	if err != nil {
		return q, nil, err
	}
	q.Prompt, q.Number = prompt.ID, prompt.Number.Reveal()
	return q, func(b *store.Batch) error {
		p.dir.Pushes.Ask(b, asking, directory.PushQuestion{
			Prompt: prompt.ID, Flow: s.Flow, Challenge: prompt.Challenge, Number: prompt.Number, Until: prompt.Expires,
		})
		for _, m := range messages {
			if err := p.out.Send(b, m); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// messages are one for each device. They hold the challenge and not the number.
func (p pushExecutor) messages(ctx context.Context, s *State, prompt mfa.PushPrompt) ([]notify.Message, error) {
	user, err := s.User(ctx)
	if err != nil {
		return nil, err
	}
	devices, err := p.dir.Pushes.Devices(ctx, s.Subject)
	if err != nil {
		return nil, err
	}
	client := s.Client()
	var messages []notify.Message
	for _, device := range devices {
		token, err := p.dir.Pushes.Token(device)
		if err != nil {
			return nil, err
		}
		params := map[string]string{
			"username": user.Username, "deviceId": device.ID, "applicationName": s.Request.ApplicationName,
			"notificationScenario": "AUTHENTICATION", "pushId": prompt.ID, "challenge": prompt.Challenge.Reveal(),
			"ipAddress": client.Address.String(), "deviceOS": systemOf(client.UserAgent), "browser": browserOf(client.UserAgent),
		}
		if s.Request.Organization != "" {
			params["organizationId"] = s.Request.Organization
		}
		if user.Store != "" {
			params["userStoreDomain"] = user.Store
		}
		messages = append(messages, notify.Message{
			Template: notify.PushAuthentication, Channel: notify.Push, To: token.Reveal(), Subject: s.Subject,
			Organization: s.Request.Organization, Application: s.Request.Application, Locales: s.Request.Locales, Params: params,
			Expires: prompt.Expires,
		})
	}
	return messages, nil
}

// systemOf and browserOf say in a word what a user agent claims to be, for the person to compare; "" is nothing known.
func systemOf(agent string) string {
	return firstIn(agent, "Android", "Android", "iPhone", "iOS", "iPad", "iPadOS", "Windows", "Windows", "CrOS", "ChromeOS", "Mac OS X", "macOS", "Linux", "Linux")
}

func browserOf(agent string) string {
	return firstIn(agent, "Edg/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chrome/", "Chrome", "Safari/", "Safari")
}

// firstIn returns the name behind the first mark that stands in the text: mark, name, mark, name.
func firstIn(text string, pairs ...string) string {
	for pair := range slices.Chunk(pairs, 2) {
		if strings.Contains(text, pair[0]) {
			return pair[1]
		}
	}
	return ""
}
