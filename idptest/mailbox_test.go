package idptest_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/idptest"
)

// What is sent arrives when the test looks, with its code and its link.
func TestMailbox(t *testing.T) {
	t.Parallel()
	idp := idptest.New(t)
	send := func(m notify.Message) {
		t.Helper()
		b := idp.Provider.DB.Batch()
		if err := idp.Provider.Messages.Send(b, m); err != nil {
			t.Fatal(err)
		}
		if err := b.Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	box := idp.Mailbox()
	send(notify.Message{Template: notify.EmailOTP, Channel: notify.Email, To: "ann@example.com", Params: map[string]string{notify.Code: "493027"}})
	send(notify.Message{
		Template: notify.MagicLink, Channel: notify.Email, To: "bob@example.com", Locales: []string{"de"},
		Params: map[string]string{notify.Link: idp.URL + "/go?token=x&y=z"},
	})
	send(notify.Message{Template: notify.SMSOTP, Channel: notify.SMS, To: "+491701234567", Params: map[string]string{notify.Code: "1234"}})
	if got := box.Last("ann@example.com"); got.Code() != "493027" || got.Channel != notify.Email {
		t.Errorf("got %+v", got)
	}
	if got := box.Last("bob@example.com"); got.Link() != idp.URL+"/go?token=x&y=z" {
		t.Errorf("got %+v", got)
	}
	if got := box.Last("+491701234567"); got.Code() != "1234" {
		t.Errorf("got %+v", got)
	}
	if n := len(box.All()); n != 3 {
		t.Errorf("%d messages", n)
	}
	box.Empty()
	send(notify.Message{
		Template: notify.EmailOTP, Channel: notify.Email, To: "ann@example.com", Params: map[string]string{notify.Code: "493027"},
		Expires: idp.Now().Add(time.Minute),
	})
	idp.Advance(2 * time.Minute)
	if n := len(box.To("ann@example.com")); n != 0 {
		t.Errorf("%d expired messages", n)
	}
}
