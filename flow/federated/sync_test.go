package federated_test

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/oidc/rp"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// syncs has a connection take over the department, and sync as it says.
func syncs(how federated.Sync) func(*federated.Connection) {
	return func(c *federated.Connection) {
		c.Sync = how
		c.Map = func(u *directory.User, id *rp.Identity) {
			if department, ok := id.Claims["department"]; ok {
				u.Attributes = map[string]any{"department": department}
			}
		}
	}
}

// moved has the provider describe the person anew, after they were changed here.
func (w *world) moved(u *directory.User) {
	w.Helper()
	u.Nickname, u.Attributes = "Annie", map[string]any{"department": "here", "size": "S"}
	w.must(w.ReplaceUser(w.Context(), u))
	w.up.says("name", "Ann Moved")
	w.up.says("given_name", nil)
	w.up.says("department", "there")
	w.up.says("email", "other@example.com")
	w.up.says("preferred_username", "another")
	w.up.says("phone_number", "+4930123")
}

// A later login changes what it may of an account that the connection has made, and never what people sign in with or are reached by.
func TestSync(t *testing.T) {
	for _, c := range []struct {
		name string
		how  federated.Sync
		want directory.User
	}{
		{"preserve local", federated.SyncPreserveLocal, directory.User{
			Name: "Ann Moved", GivenName: "Ann", Nickname: "Annie", Attributes: map[string]any{"department": "there", "size": "S"},
		}},
		{"override all", federated.SyncOverrideAll, directory.User{Name: "Ann Moved", Attributes: map[string]any{"department": "there"}}},
		{"none", federated.SyncNone, directory.User{
			Name: "Ann Upstream", GivenName: "Ann", Nickname: "Annie", Attributes: map[string]any{"department": "here", "size": "S"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			everywhere(t, func(w *world) {
				w.up.says("given_name", "Ann")
				w.up.says("department", "first")
				b := w.browser()
				u := b.isIn(b.signIn())
				w.moved(u)
				b = w.browser()
				got := b.isIn(b.signIn())
				if got.Name != c.want.Name || got.GivenName != c.want.GivenName || got.Nickname != c.want.Nickname ||
					!reflect.DeepEqual(got.Attributes, c.want.Attributes) {
					t.Errorf("got %+v", got)
				}
				if got.ID != u.ID || got.Username != "ann@example.com" || got.Email != "ann@example.com" || !got.EmailVerified || got.Phone != "" {
					t.Errorf("another person: %+v", got)
				}
				b = w.browser()
				if again := b.isIn(b.signIn()); again.Version != got.Version {
					t.Error("written although nothing has changed")
				}
			}, syncs(c.how))
		})
	}
}

// An attribute that people sign in with is a name as others are: a provider's word neither gives somebody the user name of another in one, nor
// changes or removes theirs.
func TestAttackSyncOfALoginAttribute(t *testing.T) {
	for _, how := range []federated.Sync{federated.SyncPreserveLocal, federated.SyncOverrideAll} {
		t.Run(fmt.Sprint(how), func(t *testing.T) {
			everywhere(t, func(w *world) {
				victim := w.user("victim", "victim@example.com", true)
				w.must(directory.Set(t.Context(), w.Settings, w.Settings.Identifiers, "", "", directory.IdentifierPolicy{
					LoginBy: []directory.IdentifierName{"attributes.department", directory.ByUsername},
					Unique:  []directory.IdentifierName{"attributes.department"},
				}))
				b := w.browser()
				u := b.isIn(b.signIn())
				for _, own := range []map[string]any{nil, {"department": "mine"}} {
					u.Attributes = own
					w.must(w.ReplaceUser(t.Context(), u))
					for _, said := range []any{"victim", nil} {
						w.up.says("department", said)
						w.up.says("name", fmt.Sprint("Ann ", own, said))
						b = w.browser()
						u = b.isIn(b.signIn())
						if u.Name != fmt.Sprint("Ann ", own, said) || u.Attributes["department"] != own["department"] {
							t.Errorf("%v, %v: got %q %v", own, said, u.Name, u.Attributes)
						}
						if found, err := w.FindUser(t.Context(), "", "victim"); err != nil || found.ID != victim.ID {
							t.Errorf("%v, %v: found %v, %v", own, said, found, err)
						}
					}
				}
			}, syncs(how))
		})
	}
}

// What the provider says that breaks a rule here is left out, and nobody is kept out for it.
func TestSyncOfOddClaims(t *testing.T) {
	everywhere(t, func(w *world) {
		rules := directory.AttributePolicy{Rules: []directory.AttributeRule{{Name: "department", MaxLength: 5}}}
		w.must(directory.Set(t.Context(), w.Settings, w.Settings.Attributes, "", "", rules))
		w.up.says("department", "first")
		b := w.browser()
		b.isIn(b.signIn())
		w.up.says("department", "much too long")
		w.up.says("name", "Ann Moved")
		w.up.says("picture", "javascript:alert(1)")
		b = w.browser()
		if u := b.isIn(b.signIn()); u.Name != "Ann Moved" || u.Picture != "" || !reflect.DeepEqual(u.Attributes, map[string]any{"department": "first"}) {
			t.Errorf("got %+v", u)
		}
	}, syncs(federated.SyncOverrideAll))
}

// An account that was here before the provider was asked is not the provider's to describe, whatever a connection says.
func TestAttackSyncOfALinkedAccount(t *testing.T) {
	everywhere(t, func(w *world) {
		u := w.user("ann", "ann@example.com", true)
		for range 2 {
			b := w.browser()
			if got := b.isIn(b.signIn()); got.ID != u.ID || got.Version != u.Version || got.Name != "" {
				t.Errorf("got %+v", got)
			}
		}
	}, syncs(federated.SyncOverrideAll), func(c *federated.Connection) { c.LinkByEmail = true })
}

// Somebody who was disabled is neither let in nor described anew.
func TestSyncOfSomebodyDisabled(t *testing.T) {
	everywhere(t, func(w *world) {
		b := w.browser()
		u := b.isIn(b.signIn())
		w.must(w.Subjects.Disable(t.Context(), u.Ref()))
		w.up.says("name", "Ann Moved")
		b = w.browser()
		b.isOut(b.signIn(), "cannot sign in")
		if got, err := w.Users.Find(t.Context(), "", directory.Identifier{Name: directory.ByID, Value: u.ID}); err != nil || got.Name != "Ann Upstream" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// A store that fails at any call while somebody comes back who is described anew is 503, and whoever tries again is in.
func TestFailingStoreAtASync(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		w := newWorld(t, storetest.Placement{Name: "together", Driver: memory.New()}, flow.Login("password", "up"))
		b := w.browser()
		b.isIn(b.signIn())
		w.up.says("name", "Ann Moved")
		b = w.browser()
		to := b.leave(b.begin())
		w.faults.FailCall(n, nil)
		p := b.open(to)
		reached := !w.faults.Waits()
		w.faults.Heal()
		if reached && p.result() == nil && p.status != http.StatusServiceUnavailable {
			t.Errorf("call %d: %d at %s", n, p.status, p.at)
		}
		b = w.browser()
		if u := b.isIn(b.signIn()); u.Name != "Ann Moved" {
			t.Errorf("call %d: %+v", n, u)
		}
		if !reached {
			break
		}
	}
}
