package directory_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

func TestSubjectDisable(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		u, s := w.person(t, "ann")
		for range 2 {
			is(t, "disable", w.Subjects.Disable(ctx, s.Ref()), nil)
		}
		disabled := w.subject(t, s.Ref())
		if disabled.Status != directory.Disabled || disabled.Epoch != s.Epoch+1 {
			t.Errorf("subject = %+v", disabled)
		}
		if u, err := w.Users.Find(ctx, "", directory.Identifier{Name: directory.ByID, Value: u.ID}); err != nil || !u.Disabled {
			t.Errorf("the user does not follow: %+v, %v", u, err)
		}
		for range 2 {
			is(t, "enable", w.Subjects.Enable(ctx, s.Ref()), nil)
		}
		enabled := w.subject(t, s.Ref())
		if enabled.Status != directory.Active || enabled.Epoch == s.Epoch {
			t.Errorf("subject = %+v", enabled)
		}
		if u, err := w.Users.Find(ctx, "", directory.Identifier{Name: directory.ByID, Value: u.ID}); err != nil || u.Disabled {
			t.Errorf("the user does not follow: %+v, %v", u, err)
		}
		got := slices.DeleteFunc(w.events(t), func(s string) bool { return s == "credential.added" || s == "user.created" })
		if want := []string{"subject.disabled", "subject.enabled"}; !slices.Equal(got, want) {
			t.Errorf("events = %v, want %v", got, want)
		}
		is(t, "nobody", w.Subjects.Disable(ctx, store.Ref{ID: "nobody"}), store.ErrNotFound)
	})
}

func TestSubjectRevokeInParallel(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		_, s := w.person(t, "ann")
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() { is(t, "revoke", w.Subjects.Revoke(t.Context(), s.Ref()), nil) })
		}
		wg.Wait()
		if now := w.subject(t, s.Ref()); now.Epoch != s.Epoch+32 {
			t.Errorf("epoch = %d after 32 revocations", now.Epoch)
		}
	})
}

func TestChain(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, s := w.person(t, "ann")
		session, _ := w.signIn(t, s, false)
		app := &directory.Application{Name: "web"}
		is(t, "create", w.Applications.Create(ctx, app), nil)

		checks := map[string]func(epoch int64) error{
			"subject":     func(e int64) error { _, err := w.CheckSubject(ctx, s.Ref(), s.Epoch+e); return err },
			"session":     func(e int64) error { _, err := w.CheckSession(ctx, session.Ref(), session.Epoch+e); return err },
			"application": func(e int64) error { _, err := w.CheckApplication(ctx, app.Ref(), app.Epoch+e); return err },
		}
		for name, check := range checks {
			is(t, name, check(0), nil)
			is(t, name+" at another epoch", check(1), directory.ErrChainBroken)
		}
		is(t, "disable the subject", w.Subjects.Disable(ctx, s.Ref()), nil)
		is(t, "end the session", w.Sessions.End(ctx, session.Ref(), "logout"), nil)
		is(t, "disable the application", w.Applications.Disable(ctx, app.Ref()), nil)
		for name, check := range checks {
			is(t, name+" that is disabled", check(0), directory.ErrChainBroken)
		}
		_, err := w.CheckSubject(ctx, store.Ref{ID: "nobody"}, 0)
		is(t, "an absent subject", err, directory.ErrChainBroken)
		_, err = w.CheckSession(ctx, store.Ref{}, 0)
		is(t, "no session", err, directory.ErrChainBroken)
	})
}

func TestApplications(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		bad := &directory.Application{URL: "ftp://x", Logo: "//evil.example/x.png", Status: "odd", SecondFactor: "maybe"}
		err := w.Applications.Create(ctx, bad)
		for _, field := range []string{"name", "url", "logo", "status", "secondFactor"} {
			if !hasField(err, field) {
				t.Errorf("%s is not refused: %v", field, err)
			}
		}
		app := &directory.Application{Name: "Web", URL: "https://web.example", Logo: "/logo.png"}
		is(t, "create", w.Applications.Create(ctx, app), nil)
		stale := *app
		app.Name = "Website"
		is(t, "replace", w.Applications.Replace(ctx, app), nil)
		stale.Name = "Stale"
		if store.ConflictOn(w.Applications.Replace(ctx, &stale), w.Applications.Kind()) == nil {
			t.Error("a stale write was accepted")
		}
		epoch := func() int64 {
			now, err := w.Applications.Get(ctx, app.Ref())
			is(t, "get", err, nil)
			return now.Epoch
		}
		before := epoch()
		is(t, "revoke", w.Applications.Revoke(ctx, app.Ref()), nil)
		is(t, "disable", w.Applications.Disable(ctx, app.Ref()), nil)
		is(t, "enable", w.Applications.Enable(ctx, app.Ref()), nil)
		if after := epoch(); after != before+2 {
			t.Errorf("epoch moved from %d to %d, want two steps", before, after)
		}
		page, err := w.Applications.List(ctx, store.Query{Filter: store.Equals("name", store.Text("website"))})
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("List = %v, %v", page.Items, err)
		}
		is(t, "delete", w.Applications.Delete(ctx, page.Items[0]), nil)
		_, err = w.CheckApplication(ctx, app.Ref(), before)
		is(t, "a deleted application", err, directory.ErrChainBroken)
		got := w.events(t)
		for _, want := range []string{"created", "updated", "revoked", "disabled", "enabled", "deleted"} {
			if count(got, "application."+want) != 1 {
				t.Errorf("events = %v, want one application.%s", got, want)
			}
		}
	})
}

// TestOutsider: somebody of whom only an issuer knows is one Subject, whoever asks first, and nobody else's.
func TestOutsider(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, ann := w.person(t, "ann")
		const issuer = "https://issuer.example"
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				_, err := w.Subjects.Outsider(ctx, "", issuer, ann.ID)
				is(t, "outsider", err, nil)
			})
		}
		wg.Wait()
		s, err := w.Subjects.Outsider(ctx, "", issuer, ann.ID)
		is(t, "outsider", err, nil)
		if s.ID == ann.ID || s.Kind != directory.Outsider || s.ExternalID != ann.ID || s.Status != directory.Active {
			t.Errorf("outsider = %+v", s)
		}
		if other, err := w.Subjects.Outsider(ctx, "", issuer+"/2", ann.ID); err != nil || other.ID == s.ID {
			t.Errorf("two issuers call two people the same, and they are one: %v, %v", other, err)
		}
		if _, err := w.UserOf(ctx, s); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("user of an outsider: %v", err)
		}
		if _, err := w.CheckSubject(ctx, s.Ref(), s.Epoch); err != nil {
			t.Errorf("check: %v", err)
		}
		is(t, "disable", w.Subjects.Disable(ctx, s.Ref()), nil)
		if again, err := w.Subjects.Outsider(ctx, "", issuer, ann.ID); err != nil || again.Status != directory.Disabled {
			t.Errorf("the issuer brings a disabled one back: %+v, %v", again, err)
		}
		if _, err := w.CheckSubject(ctx, s.Ref(), s.Epoch); !errors.Is(err, directory.ErrChainBroken) {
			t.Errorf("check of a disabled one: %v", err)
		}
	})
}
