package idptest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"time"

	"github.com/signet-idp/signet/internal/pushdevice"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store/directory"
)

// Phone is somebody's device that confirms sign-ins (flow's push), with the app that a host writes for it.
type Phone struct {
	server *Server
	device *pushdevice.Device
	token  string // where messages to it go
}

// EnrollPush gives a person a phone as second factor. SignIn agrees with it where it is asked.
func (s *Server) EnrollPush(u *directory.User) *Phone {
	s.t.Helper()
	ctx, dir := s.t.Context(), s.Provider.Directory
	subject, err := dir.Subjects.Get(ctx, dir.SubjectRef(u))
	s.must("enroll", err)
	invitation := dir.Pushes.NewInvitation(subject.Ref(), subject.Epoch)
	b := s.Provider.DB.Batch()
	dir.Pushes.Invite(b, invitation)
	s.must("enroll", b.Apply(ctx))
	p := &Phone{server: s, token: "idptest." + invitation.Device}
	p.device, err = pushdevice.New("EdDSA")
	s.must("make a phone", err)
	p.device.ID = invitation.Device
	b = s.Provider.DB.Batch()
	_, err = dir.Pushes.Register(ctx, b, p.device.ID, "idptest", directory.PushDevice{PublicKey: p.device.PublicKey}, secret.Text(p.token))
	s.must("enroll", err)
	s.must("enroll", b.Apply(ctx))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phones[subject.Ref()] = p
	return p
}

// phone returns the person's phone, nil when there is none.
func (s *Server) phone(u *directory.User) *Phone {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phones[s.Provider.Directory.SubjectRef(u)]
}

// Approve agrees to the newest sign-in that the phone was asked about, with the number that its page shows (Page.PushNumber). What the
// provider does not take ends the test; that another number is the wrong one only the page says.
func (p *Phone) Approve(number string) {
	p.server.t.Helper()
	p.answer(mfa.PushApproved, number)
}

// Deny says of the newest sign-in that the phone was asked about that it is somebody else's.
func (p *Phone) Deny() {
	p.server.t.Helper()
	p.answer(mfa.PushDenied, "")
}

func (p *Phone) answer(response, number string) {
	s := p.server
	s.t.Helper()
	message := s.mailbox.Last(p.token)
	token, err := p.device.Token(p.device.Header(), pushdevice.Answer(message.Data, response, number, s.Now().Add(time.Minute)))
	s.must("answer", err)
	text, err := json.Marshal(map[string]string{"authResponse": token})
	s.must("answer", err)
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+"/push-auth/authenticate", bytes.NewReader(text))
	s.must("answer", err)
	r.Header.Set("Content-Type", "application/json")
	taken, err := s.Client().Do(r)
	s.must("answer", err)
	defer taken.Body.Close()
	if taken.StatusCode != http.StatusAccepted {
		s.t.Fatalf("idptest: the answer of a phone is not taken: %s", taken.Status)
	}
}

var pushNumber = regexp.MustCompile(`[1-9][0-9]+|[1-9]`)

// PushNumber is the number on a page that waits for a Phone, "" on any other.
func (p *Page) PushNumber() string {
	if p.step() != "push" || !p.Has("poll") {
		return ""
	}
	for _, e := range p.all {
		if e.name == "p" && e.attrs["class"] == "intro" {
			return pushNumber.FindString(e.text.String())
		}
	}
	return ""
}
