package signet_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/idptest"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
)

// A mail leaves within a second of being sent, without waiting for a round, where the host runs the provider; and with the next round
// where it does not.
func TestMessagesAtOnce(t *testing.T) {
	t.Parallel()
	arrived := make(mails, 8)
	idp := idptest.New(t, func(c *signet.Config) {
		c.Messages = &notify.Senders{Email: arrived, From: "no-reply@example.com"}
	})
	send := func() {
		t.Helper()
		b := idp.Provider.DB.Batch()
		err := idp.Provider.Messages.Send(b, notify.Message{
			Template: notify.EmailOTP, Channel: notify.Email, To: "ann@example.com", Params: map[string]string{notify.Code: "493027"},
		})
		if err == nil {
			err = b.Apply(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	send()
	if err := idp.Provider.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(arrived) != 1 {
		t.Fatal("Maintain did not send it")
	}
	<-arrived

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- idp.Provider.Run(ctx) }()
	send()
	limit := time.NewTimer(10 * time.Second)
	select {
	case m := <-arrived:
		if !strings.Contains(m.Text, "493027") {
			t.Errorf("got %q", m.Text)
		}
	case <-limit.C:
		t.Error("nothing arrived")
	}
	cancel()
	<-ended
}

type mails chan notify.Mail

func (m mails) SendEmail(_ context.Context, mail notify.Mail) error {
	m <- mail
	return nil
}

// What is wrong with the senders is said with all else that is wrong.
func TestMessagesAreChecked(t *testing.T) {
	t.Parallel()
	ring, err := store.NewKeyRing(store.GenerateRingKey())
	if err != nil {
		t.Fatal(err)
	}
	_, err = signet.New(signet.Config{
		Issuer: "https://id.example.com", Store: memory.New(), Keys: ring,
		Messages: &notify.Senders{Email: make(mails), From: "nobody", ReplyTo: "nobody either"},
	})
	for _, want := range []string{"Senders.From", "Senders.ReplyTo"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in %v", want, err)
		}
	}
}
