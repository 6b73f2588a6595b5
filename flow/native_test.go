package flow_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/authenticator"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/storetest"
)

// program speaks for a person without a browser.
type program struct {
	*world
	in      directory.Interaction
	flow    secret.Text
	address string
}

// program begins nothing yet.
func (w *world) program(in directory.Interaction) *program {
	in.ID, in.Purpose, in.Resume = store.NewID(), directory.SignIn, "https://id.example.com/t/oauth2/authn"
	return &program{world: w, in: in, flow: secret.Text(store.NewID()), address: "192.0.2.1"}
}

// spoken is an answer to a program.
type spoken struct {
	Status int
	Result *directory.Result
	Text   string

	FlowStatus string `json:"flowStatus"`
	NextStep   struct {
		StepType       string `json:"stepType"`
		Authenticators []struct {
			ID       string `json:"authenticatorId"`
			Metadata struct {
				Additional map[string]string `json:"additionalData"`
				Params     []struct {
					Param string `json:"param"`
				} `json:"params"`
			} `json:"metadata"`
			RequiredParams []string `json:"requiredParams"`
		} `json:"authenticators"`
	} `json:"nextStep"`
	Code string `json:"code"`
}

// say sends an answer, nil to begin.
func (p *program) say(answer []byte) (s spoken) {
	p.Helper()
	in := p.in
	in.Native = &directory.Native{Flow: p.flow, Answer: answer}
	r := httptest.NewRequest(http.MethodPost, in.Resume, nil)
	r.RemoteAddr = p.address + ":1234"
	rec := httptest.NewRecorder()
	result, err := p.engine.Interact(rec, r, in)
	p.must(err)
	if s = (spoken{Status: rec.Code, Result: result, Text: rec.Body.String()}); result == nil {
		p.must(json.Unmarshal(rec.Body.Bytes(), &s))
	}
	if len(rec.Result().Cookies()) > 0 {
		p.Errorf("cookies for a program: %v", rec.Result().Cookies())
	}
	return s
}

// try sends an answer, which may be a failure.
func (p *program) try(answer []byte) (*directory.Result, error) {
	p.Helper()
	in := p.in
	in.Native = &directory.Native{Flow: p.flow, Answer: answer}
	return p.engine.Interact(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, in.Resume, nil), in)
}

// answer answers by an authenticator: name, value, name, value.
func (p *program) answer(name string, pairs ...string) spoken {
	p.Helper()
	params := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		params[pairs[i]] = pairs[i+1]
	}
	body, err := json.Marshal(map[string]any{"authenticatorId": base64.RawURLEncoding.EncodeToString([]byte(name + ":LOCAL")), "params": params})
	p.must(err)
	return p.say(body)
}

// takes reports whether an authenticator can be answered at once.
func (s spoken) takes(name string) bool {
	id := base64.RawURLEncoding.EncodeToString([]byte(name + ":LOCAL"))
	for _, a := range s.NextStep.Authenticators {
		if a.ID == id {
			return len(a.RequiredParams) > 0
		}
	}
	return false
}

// challenge is what the program's platform is asked.
func (s spoken) challenge(t *testing.T) (requestID string, options []byte) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(s.NextStep.Authenticators[0].Metadata.Additional["challengeData"])
	var c struct {
		RequestID string          `json:"requestId"`
		Get       json.RawMessage `json:"publicKeyCredentialRequestOptions"`
	}
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil || c.RequestID == "" {
		t.Fatalf("no challenge in %s: %v", s.Text, err)
	}
	return c.RequestID, c.Get
}

// tokenResponse is what the platform answers, as the program sends it.
func tokenResponse(t *testing.T, requestID string, credential []byte) string {
	t.Helper()
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(credential, &parts); err != nil {
		t.Fatal(err)
	}
	delete(parts, "rawId") // as some platforms do
	text, err := json.Marshal(map[string]any{"requestId": requestID, "credential": parts})
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}

// stage is where a scene is played.
type stage struct {
	*world
	out   *outbox
	seen  *witness
	seed  []byte
	phone *authenticator.Authenticator
	// invitation is the code by which ivy was invited.
	invitation string
}

func newStage(t *testing.T, open opener, first []string) *stage {
	t.Helper()
	s := &stage{out: &outbox{}, seen: &witness{}, phone: device()}
	steps := flow.LoginSteps{First: first, Second: []string{"totp", "email-code", "sms-code", "backup-code"}}
	if len(first) > 0 {
		steps.Second = steps.Second[:1]
	}
	s.world = open(t, post(s.out, steps), func(c *flow.Config, _ *directory.Config) {
		c.Passkeys, c.Observer = &flow.Passkeys{}, s.seen.observe
	})
	s.user("ann")
	bob := s.user("bob")
	s.seed = s.totp(bob)
	codes := s.db.Batch()
	s.must(s.Credentials.SetBackupCodes(s.Context(), codes, bob.Ref(), []secret.Text{"AAAAABBBBBCCCCC", "DDDDDEEEEEFFFFF"}))
	s.must(codes.Apply(s.Context()))
	s.must(s.CreateUser(s.Context(), &directory.User{Username: "pam", Phone: "+49170123457", PhoneVerified: true}, goodPassword))
	s.passkey(s.user("cid"), s.phone)
	dee := s.user("dee")
	dee.Disabled = true
	s.must(s.ReplaceUser(s.Context(), dee))
	s.reachable("eve")
	expiring := &directory.Group{Name: "expiring"}
	s.must(s.Groups.Create(s.Context(), expiring))
	s.must(s.Groups.AddMember(s.Context(), expiring.Ref(), s.SubjectRef(s.user("old"))))
	s.must(directory.Set(s.Context(), s.Settings, s.Settings.PasswordExpiry, "", "", directory.PasswordExpiryPolicy{
		RulesOnly: true, Rules: []directory.PasswordExpiryRule{{Days: 1, Groups: []string{expiring.ID}}},
	}))
	s.advance(25 * time.Hour)
	return s
}

// value is what stands in a field.
func (s *stage) value(text string) string {
	switch text {
	case "$totp":
		return s.code(s.seed)
	case "$invitation":
		return s.invitation
	case "$code":
		return s.out.last()
	case "$wrong":
		return other(s.out.last())
	}
	return text
}

// facts are the events and observations of a scene.
func (s *stage) facts() (facts []string) {
	s.Helper()
	listing, err := s.db.Events(s.Context(), store.Query{Limit: 1000})
	s.must(err)
	for _, event := range listing.Items {
		facts = append(facts, event.Type)
	}
	slices.Sort(facts)
	for _, o := range s.seen.news() {
		facts = append(facts, o.Type+" "+o.Code)
	}
	return facts
}

// worth is what a result proves, without what is of one world.
func worth(r *directory.Result) string {
	var text strings.Builder
	for _, e := range r.Evidence {
		text.WriteString(e.Method + " " + strings.Join(e.AMR, ",") + " " + e.Time.String() + "\n")
	}
	return text.String()
}

// Two nodes complete one sign-in of a program at once: there is one session, whoever is told of it.
func TestAttackProgramAtTwoNodes(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ann := w.user("ann")
		seed := w.totp(ann)
		p := w.program(directory.Interaction{})
		p.say(nil)
		p.answer("BasicAuthenticator", "username", "ann", "password", goodPassword)
		other := w.rebuild(func(*flow.Config) {})
		code := w.code(seed)
		var wg sync.WaitGroup
		var won atomic.Int64
		for i := range 20 {
			wg.Go(func() {
				twin := *p
				twin.world = &world{T: w.T, engine: w.engine}
				if i%2 == 0 {
					twin.engine = other
				}
				if s := twin.answer("totp", "token", code); s.Result != nil && s.Result.Refusal == "" {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if n := w.sessions(ann); n != 1 || won.Load() == 0 {
			t.Errorf("%d sessions, %d answers", n, won.Load())
		}
	})
}

// Another program cannot go on with a flow, nor can a browser: neither has its secret.
func TestAttackProgramOfAnother(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.user("ann")
		p := w.program(directory.Interaction{})
		p.say(nil)
		eve := *p
		eve.flow = secret.Text(store.NewID())
		if s := eve.answer("BasicAuthenticator", "username", "ann", "password", goodPassword); s.Code != "ABA-60009" {
			t.Errorf("another secret: %s", s.Text)
		}
		b := w.browser()
		in := p.in
		w.requests["native"] = in
		if got := b.get("/t/authorize?id=native"); got.Failure == nil || got.Failure.Code != "flow_foreign" {
			t.Errorf("a browser: %v", got)
		}
		if s := p.answer("BasicAuthenticator", "username", "ann", "password", goodPassword); s.Result == nil {
			t.Errorf("afterwards: %s", s.Text)
		}
		if s := eve.answer("BasicAuthenticator", "username", "ann", "password", goodPassword); s.Code != "ABA-60009" {
			t.Errorf("a flow that is done: %s", s.Text)
		}
	})
}

// Whatever programs send in whatever order, there is no success without the assurance that was asked for, about one person.
func TestRandomPrograms(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, placement storetest.Placement) {
		t.Parallel()
		s := newStage(t, func(t *testing.T, edit ...func(*flow.Config, *directory.Config)) *world {
			t.Helper()
			return newWorld(t, placement, edit...)
		}, []string{"password", "email-code", "passkey"})
		d, wins := dice(4711), 0
		var all []*program
		for range 1500 {
			if len(all) == 0 || d.roll(6) == 0 {
				in := directory.Interaction{ACR: []string{directory.ACR2}, EssentialACR: d.roll(2) == 0}
				all = append(all, s.program(in))
				all[len(all)-1].say(nil)
			}
			p := all[len(all)-1-d.roll(min(len(all), 4))]
			s.world.advance(time.Duration(d.roll(40)) * time.Second)
			answer := p.say([]byte(s.anything(&d)))
			if answer.Result == nil || answer.Result.Refusal != "" {
				continue
			}
			wins++
			if reached := directory.Assess(answer.Result.Evidence); reached.ACR == "" || p.in.EssentialACR && !reached.Satisfies(directory.ACR2) {
				t.Fatalf("%+v answered with %+v", p.in, answer.Result)
			}
			for _, e := range answer.Result.Evidence {
				if e.Subject != answer.Result.Subject.ID {
					t.Fatalf("two people: %+v", answer.Result)
				}
			}
		}
		if wins < 10 {
			t.Errorf("only %d successes: the walk proves nothing", wins)
		}
	})
}

// anything is an answer that may fit.
func (s *stage) anything(d *dice) string {
	name := pick(d, []string{"BasicAuthenticator", "totp", "email-otp-authenticator", "FIDOAuthenticator", "backup-code-authenticator", "choose"})
	params := map[string]any{}
	for range d.roll(4) {
		field := pick(d, []string{"username", "password", "token", "OTPCode", "OTPcode", "resendCode", "tokenResponse", "action", "consent", "flow"})
		params[field] = pick(d, []any{"ann", "bob", "eve", goodPassword, "000000", s.value("$totp"), s.out.last(), "true", []string{"a", "b"}, 7})
	}
	if name == "BasicAuthenticator" && d.roll(2) == 0 {
		params = map[string]any{"username": pick(d, []string{"ann", "bob", "eve"}), "password": goodPassword}
	}
	if name == "totp" && d.roll(2) == 0 {
		params = map[string]any{"token": s.value("$totp")}
	}
	body, err := json.Marshal(map[string]any{"authenticatorId": base64.RawURLEncoding.EncodeToString([]byte(name + ":LOCAL")), "params": params})
	s.must(err)
	return string(body)
}

// A store that fails is a failure, and nothing is lost by it.
func TestProgramFaults(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		for call := 1; ; call++ {
			w := open(t)
			w.user("ann")
			p := w.program(directory.Interaction{})
			p.say(nil)
			w.advance(2 * time.Second)
			w.faults.FailCall(call, nil)
			in := p.in
			in.Native = &directory.Native{Flow: p.flow, Answer: []byte(`{"authenticatorId":"QmFzaWNBdXRoZW50aWNhdG9yOkxPQ0FM","params":{"username":"ann","password":"` + goodPassword + `"}}`)}
			rec := httptest.NewRecorder()
			result, err := w.engine.Interact(rec, httptest.NewRequest(http.MethodPost, in.Resume, nil), in)
			over := w.faults.Waits()
			w.faults.Heal()
			if over {
				if err != nil || result == nil || call < 8 {
					t.Errorf("%d calls could fail, then %v, %v", call-1, result, err)
				}
				return // no call is left that could fail
			}
			if err == nil {
				t.Fatalf("call %d: answered with %d %s", call, rec.Code, rec.Body)
			}
			w.advance(11 * time.Second) // a claim that a crash has left
			if s := p.answer("BasicAuthenticator", "username", "ann", "password", goodPassword); s.Result == nil || s.Result.Refusal != "" {
				t.Errorf("call %d: afterwards %s", call, s.Text)
			}
		}
	})
}

// FuzzProgram holds that no answer of a program is a failure of ours.
func FuzzProgram(f *testing.F) {
	f.Add([]byte(`{"authenticatorId":"QmFzaWNBdXRoZW50aWNhdG9yOkxPQ0FM","params":{"username":"ann","password":"x"}}`))
	f.Add([]byte(`{"authenticatorId":"dG90cDpMT0NBTA","params":{"token":["1","2"]}}`))
	f.Add([]byte(`{"authenticatorId":"RklET0F1dGhlbnRpY2F0b3I6TE9DQUw","params":{"tokenResponse":"e30="}}`))
	f.Add([]byte(`{"authenticatorId":"","params":null}`))
	f.Add([]byte(`{"params":{"username":{}}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if len(answer) == 0 {
			return
		}
		w := together(t)
		p := w.program(directory.Interaction{})
		p.say(nil)
		if s := p.say(answer); s.Result != nil && s.Result.Refusal == "" || s.Status >= 500 {
			t.Errorf("%q: %d %s", answer, s.Status, s.Text)
		}
	})
}
