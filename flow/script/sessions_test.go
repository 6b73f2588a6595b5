package script_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// sessionsOf are the ids of somebody's sessions that have not ended, the oldest first.
func (w *world) sessionsOf(name string) (ids []string) {
	w.Helper()
	user, err := w.FindUser(w.Context(), "", name)
	w.must(err)
	subject, err := w.SubjectOf(w.Context(), user)
	w.must(err)
	all, err := w.ActiveSessions(w.Context(), subject)
	w.must(err)
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids
}

// signIn has somebody sign in, in a browser of their own.
func (w *world) signIn(name string) *browser {
	w.Helper()
	w.advance(store.Staleness)
	b := w.browser()
	b.password(b.begin(directory.Interaction{}).shows(w.T, "password"), name).signs(w.T)
	return b
}

// TestSessionFunctions: the older functions about sessions, of scripts that were written for them.
func TestSessionFunctions(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		w.policy(inLogin(`executeStep(1);`))
		first := w.signIn("ann")
		w.signIn("ann")
		w.policy(inLogin(`executeStep(1, { onSuccess: function (context) {
			var data = getSessionData(context, {}), apps = getAuthenticatedApplications(context);
			fail({ errorCode: [isWithinSessionLimit(context, { sessionLimit: '2' }), isWithinSessionLimit(context, { sessionLimit: 3 }),
				data.length, data[0].id === getUserSessions(context.currentKnownSubject)[0].id, data[0].loginTime > data[1].loginTime, apps.length].join() });
		} });`))
		w.advance(2 * store.Staleness)
		b := w.browser()
		b.password(b.begin(directory.Interaction{}).shows(w.T, "password"), "ann").refuses(w.T, "false,true,2,true,true,0")
		// In the session that the browser has, there is no other to be begun.
		first.begin(directory.Interaction{}).refuses(w.T, "true,true,2,true,true,0")

		w.policy(inLogin(`executeStep(1, { onSuccess: function (context) {
			var data = getSessionData(context, {});
			if (!isWithinSessionLimit(context, { sessionLimit: 1 })) { data.forEach(function (s) { killSession(context, { sessionId: s.id }); }); }
		} });`))
		w.advance(2 * store.Staleness)
		before := w.sessionsOf("ann")
		b = w.browser()
		p := b.password(b.begin(directory.Interaction{}).shows(w.T, "password"), "ann").signs(w.T)
		if after := w.sessionsOf("ann"); len(before) != 2 || len(after) != 1 || after[0] != p.Result.Session.ID {
			w.Errorf("of %v are left %v", before, after)
		}
	})
}

// TestAuthenticatedApplications: those of the person's session that the browser has, and of no other's.
func TestAuthenticatedApplications(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		w.user("bob")
		w.policy(inLogin(`executeStep(1);`))
		b := w.signIn("ann")
		app := &directory.Application{Name: "The shop"}
		w.must(w.Applications.Create(w.Context(), app))
		session, err := w.Sessions.Get(w.Context(), store.Ref{ID: w.sessionsOf("ann")[0]})
		w.must(err)
		batch := w.db.Batch()
		w.must(w.Participants.Join(w.Context(), batch, session, app.Ref(), "test"))
		w.must(batch.Apply(w.Context()))
		w.policy(inLogin(`executeStep(1, { onSuccess: function (context) {
			fail({ errorCode: getAuthenticatedApplications(context).map(function (a) { return a.appName + '/' + a.appId.length + '/' + a.subject; }).join() || 'none' });
		} });`))
		w.advance(2 * store.Staleness)
		b.begin(directory.Interaction{}).refuses(w.T, "The shop/36/ann")
		b.password(b.begin(directory.Interaction{Reauthenticate: true}).shows(w.T, "password"), "bob").refuses(w.T, "none")
	})
}

// TestAttackSessionsOfOthers: the functions are about the sessions of whoever has proven to be somebody in this flow: not of a name that was
// typed, of somebody else by the id of their session, or of a person whom a script has looked up.
func TestAttackSessionsOfOthers(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		w.user("bob")
		w.policy(inLogin(`executeStep(1);`))
		w.signIn("bob")
		bobs := w.sessionsOf("bob")
		for name, call := range map[string]string{
			"by its id":             fmt.Sprintf(`killSession(context, { sessionId: '%s' })`, bobs[0]),
			"by its id, of oneself": fmt.Sprintf(`terminateUserSession(context.currentKnownSubject, '%s')`, bobs[0]),
			"by an odd id":          `killSession(context, { sessionId: '../../x' })`,
			"by no id":              `killSession(context, {})`,
			"by a long id":          `killSession(context, { sessionId: 'x'.repeat(5000) })`,
		} {
			w.policy(inLogin(`executeStep(1, { onSuccess: function (context) { fail({ errorCode: '' + ` + call + ` }); } });`))
			w.advance(2 * store.Staleness)
			b := w.browser()
			b.password(b.begin(directory.Interaction{}).shows(w.T, "password"), "ann").refuses(w.T, "false")
			if left := w.sessionsOf("bob"); len(left) != 1 {
				w.Fatalf("%s: bob's sessions are %v", name, left)
			}
		}
		for _, call := range []string{
			`killSession(bob, { sessionId: id })`, `getSessionData(bob, {})`, `isWithinSessionLimit(bob, { sessionLimit: 9 })`, `getAuthenticatedApplications(bob)`,
			`isWithinSessionLimit(context, {})`, `isWithinSessionLimit(context, { sessionLimit: '-1' })`,
		} {
			w.policy(inLogin(`executeStep(1, { onSuccess: function (context) {
				var id = '` + bobs[0] + `', bob = getUniqueUserWithClaimValues({ 'http://wso2.org/claims/username': 'bob' }, context);
				try { ` + call + `; } catch (e) { fail({ errorCode: bob.username }); }
			} });`))
			w.advance(2 * store.Staleness)
			b := w.browser()
			b.password(b.begin(directory.Interaction{}).shows(w.T, "password"), "ann").refuses(w.T, "bob")
		}
		w.policy(inLogin(`executeStep(1, { onFail: function (context) { // whoever types a name has proven nothing
			try { killSession(context, { sessionId: '` + bobs[0] + `' }); } catch (e) { fail({ errorCode: 'nobody' }); }
		} });`))
		w.advance(2 * store.Staleness)
		b := w.browser()
		b.post(b.begin(directory.Interaction{}).shows(w.T, "password"), "username", "bob", "password", "wrong").refuses(w.T, "nobody")
		if left := w.sessionsOf("bob"); len(left) != 1 {
			w.Fatalf("bob's sessions are %v", left)
		}
	})
}

// TestAttackKilledTwice: what was done is not done again when the script runs again, and a store that fails has done nothing.
func TestAttackKilledTwice(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		w.policy(inLogin(`executeStep(1);`))
		w.signIn("ann")
		w.policy(inLogin(`executeStep(1, { onSuccess: function (context) {
			var killed = getSessionData(context, {}).map(function (s) { return killSession(context, { sessionId: s.id }); }).join();
			prompt('genericForm', { inputs: [{ id: 'q' }] }, { onSuccess: function (context) { fail({ errorCode: killed + getSessionData(context, {}).length }); } });
		} });`))
		w.advance(2 * store.Staleness)
		b := w.browser()
		p := b.begin(directory.Interaction{}).shows(w.T, "password")
		fault := errors.New("no store")
		w.faults.FailAll(fault)
		if failed := b.post(p, "username", "ann", "password", "correct horse ann"); failed.Status != http.StatusServiceUnavailable {
			w.Fatalf("a failing store: %+v", failed)
		}
		w.faults.Heal()
		if left := w.sessionsOf("ann"); len(left) != 1 {
			w.Fatalf("sessions: %v", left)
		}
		p = b.password(p, "ann").shows(w.T, "script-form")
		w.policy(inLogin(`executeStep(1);`))
		w.signIn("ann") // another one, which the first run knew nothing of
		b.post(p, "q", "x").refuses(w.T, "true1")
		if left := w.sessionsOf("ann"); len(left) != 1 {
			w.Errorf("sessions: %v", left)
		}
	})
}

// TestManySessions: whoever has very many sessions, with long names, can sign in.
func TestManySessions(t *testing.T) {
	everywhere(t, func(w *world) {
		user := w.user("ann")
		subject, err := w.SubjectOf(w.Context(), user)
		w.must(err)
		for range 60 {
			batch := w.db.Batch()
			_, _, err := w.Sessions.Begin(w.Context(), batch, directory.NewSession{
				Subject: subject, UserAgent: strings.Repeat("Mozilla", 200), Evidence: []directory.Evidence{{Method: "password", Subject: subject.Ref().ID, Time: w.Now()}},
			})
			w.must(err)
			w.must(batch.Apply(w.Context()))
		}
		w.policy(inLogin(`executeStep(1, { onSuccess: function (context) {
			var n = getUserSessions(context.currentKnownSubject).length;
			fail({ errorCode: [n > 10 && n < 60, isWithinSessionLimit(context, { sessionLimit: 60 }), isWithinSessionLimit(context, { sessionLimit: 61 })].join() });
		} });`))
		w.advance(2 * store.Staleness)
		b := w.browser()
		b.password(b.begin(directory.Interaction{}).shows(w.T, "password"), "ann").refuses(w.T, "true,false,true")
	})
}
