package flow_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet/store/directory"
)

// invited has an administrator create somebody, and returns the path of the link that they get.
func (w *world) invited(name string) string {
	w.Helper()
	b := w.db.Batch()
	u := &directory.User{Username: name, Email: name + "@example.com"}
	_, issued, err := w.Invite(w.Context(), b, u, directory.LinkByEmail)
	w.must(err)
	w.must(b.Apply(w.Context()))
	return "/t/invite?ticket=" + issued.Token.Reveal()
}

func TestInvitation(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		link := w.invited("ann")
		b := w.browser()
		p := b.get(link)
		if p.step() != "invite" || p.View.Prompt.Fields[0].Value != "ann" {
			t.Fatalf("got %v", p)
		}
		if p = b.submit(p, "new_password", "short"); p.step() != "invite" || p.View.Prompt.Fields[1].Problem.ID == "" {
			t.Fatalf("got %v", p)
		}
		if p = b.do("POST", p.View.Submit, fill(p.View, "new_password", newPassword)); p.Location != "/home" || b.cookie("session") == "" {
			t.Fatalf("got %v", p)
		}
		other := w.browser()
		other.login(other.get(w.request(directory.Interaction{})), "ann", newPassword).answer(t)
		if p = other.get(link); p.step() != "invite" || p.message() != "ticket.void-for-good" || len(p.View.Prompt.Fields) != 0 {
			t.Errorf("the link once more: got %v", p)
		}
	})
}

// An administrator's reset ends the old password at once, and the link leads to a new one.
func TestAdminReset(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		policy, err := directory.Resolve(t.Context(), w.Settings, w.Settings.AdminReset, "", "")
		w.must(err)
		policy.EmailLink = true
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.AdminReset, "", "", policy))
		w.advance(2 * time.Second)
		ann := w.verified("ann")
		batch := w.db.Batch()
		issued, err := w.ForceReset(t.Context(), batch, ann, directory.LinkByEmail)
		w.must(err)
		w.must(batch.Apply(t.Context()))
		b := w.browser()
		if p := b.login(b.get(w.request(directory.Interaction{})), "ann", goodPassword); p.message() != "password.wrong" {
			t.Fatalf("the old password: got %v", p)
		}
		p := b.get("/t/invite?ticket=" + issued.Token.Reveal())
		if p = b.do("POST", p.View.Submit, fill(p.View, "new_password", newPassword)); p.Location != "/home" {
			t.Errorf("got %v", p)
		}
	})
}

// The owner of a new address confirms it, which signs nobody in; what opens links changes nothing.
func TestVerification(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		ann := w.user("ann")
		batch := w.db.Batch()
		issued, err := w.VerifyAddress(t.Context(), batch, ann, directory.VerifyEmail, "ann@new.example")
		w.must(err)
		w.must(batch.Apply(t.Context()))
		b := w.browser()
		p := b.get("/t/verify?ticket=" + issued.Token.Reveal())
		if p.step() != "verify" || p.View.Prompt.Intro.Params["address"] != "ann@new.example" {
			t.Fatalf("got %v %+v", p, p.View)
		}
		if u, _ := w.FindUser(t.Context(), "", "ann"); u.Email != "ann@example.com" {
			t.Errorf("a page that was opened has changed the address to %q", u.Email)
		}
		if p = b.submit(p); p.step() != "password" || p.message() != "verify.done" || b.cookie("session") != "" {
			t.Errorf("got %v", p)
		}
		if u, _ := w.FindUser(t.Context(), "", "ann"); u.Email != "ann@new.example" || !u.EmailVerified {
			t.Errorf("the address is %q, verified %v", u.Email, u.EmailVerified)
		}
		if p = b.get("/t/verify?ticket=" + issued.Token.Reveal()); p.message() != "ticket.void-for-good" {
			t.Errorf("the link once more: got %v", p)
		}
	})
}

// Who gives an address up while the page lies open confirms none, and nothing has failed.
func TestVerificationGivenUp(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		ann := w.user("ann")
		batch := w.db.Batch()
		issued, err := w.VerifyAddress(t.Context(), batch, ann, directory.VerifyEmail, "ann@new.example")
		w.must(err)
		w.must(batch.Apply(t.Context()))
		b := w.browser()
		p := b.get("/t/verify?ticket=" + issued.Token.Reveal())
		ann, err = w.FindUser(t.Context(), "", "ann")
		w.must(err)
		ann.PendingEmail = ""
		w.must(w.ReplaceUser(t.Context(), ann))
		if p = b.submit(p); p.step() != "password" || p.message() != "ticket.void-for-good" {
			t.Errorf("got %v", p)
		}
		if u, _ := w.FindUser(t.Context(), "", "ann"); u.Email != "ann@example.com" || u.EmailVerified {
			t.Errorf("the address is %q, verified %v", u.Email, u.EmailVerified)
		}
	})
}

// A link is good for what it was issued for, and nothing else.
func TestAttackLinkOfAnotherPurpose(t *testing.T) {
	openers(t, func(t *testing.T, open opener) {
		w, _ := selfService(t, open)
		ann := w.user("ann")
		batch := w.db.Batch()
		issued, err := w.VerifyAddress(t.Context(), batch, ann, directory.VerifyEmail, "ann@new.example")
		w.must(err)
		w.must(batch.Apply(t.Context()))
		for _, path := range []string{"/t/invite", "/t/recover", "/t/register"} {
			b := w.browser()
			p := b.get(path + "?ticket=" + issued.Token.Reveal())
			if p.View != nil && len(p.View.Prompt.Fields) > 0 {
				p = b.submit(p, "new_password", newPassword)
			}
			if b.cookie("session") != "" || p.message() != "ticket.void" && p.message() != "ticket.void-for-good" {
				t.Errorf("%s: got %v", path, p)
			}
		}
		w.browser().signIn("ann")
	})
}
