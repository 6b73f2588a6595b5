package script_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/script"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// links are who is linked, by issuer and id there. They link whomever they are told to, and count.
type links struct {
	all   map[string]store.Ref
	tried int
	err   error
}

func (l *links) Linked(_ context.Context, issuer, externalID string) (store.Ref, error) {
	if ref, ok := l.all[issuer+"|"+externalID]; ok || l.err != nil {
		return ref, l.err
	}
	return store.Ref{}, store.ErrNotFound
}

func (l *links) LinkProven(_ context.Context, s *flow.State) (bool, error) {
	from, err := s.Upstream()
	if err != nil || l.err != nil {
		return false, errors.Join(err, l.err)
	}
	l.tried++
	l.all[from.Issuer+"|"+from.ExternalID] = s.Subject
	return true, nil
}

func (l *links) UnlinkProven(_ context.Context, s *flow.State) (bool, error) {
	from, err := s.Upstream()
	l.tried++
	delete(l.all, from.Issuer+"|"+from.ExternalID)
	return err == nil, err
}

// TestAssociations: somebody who comes from a provider and is nobody here signs in as before, and is linked.
func TestAssociations(t *testing.T) {
	everywhere(t, func(w *world) {
		ann := w.user("ann")
		w.federated(inLogin(`executeStep(1, {
			onSuccess: function (context) { fail({ errorCode: 'known' }); },
			onFail: function (context) {
				var stranger = context.lastLoginFailedUser;
				if (getAssociatedLocalUser(stranger) !== null) { fail({ errorCode: 'linked' }); return; }
				executeStep(2, { onSuccess: function (context) {
					var done = doAssociationWithLocalUser(stranger, context.steps[2].subject.username, '', 'PRIMARY');
					var local = getAssociatedLocalUser(stranger);
					fail({ errorCode: [done, local.username, local.uniqueId === context.steps[2].subject.uniqueId, removeAssociatedLocalUser(stranger),
						getAssociatedLocalUser(stranger) === null].join() });
				} });
			}
		});`))
		b := w.browser()
		p := b.post(b.begin(directory.Interaction{}).shows(w.T, "up"), "who", "stranger").shows(w.T, "password")
		b.password(p, "ann").refuses(w.T, "true,ann,true,true,true")
		w.links.all["https://up.example|stranger"] = w.SubjectRef(ann)
		b = w.browser()
		b.post(b.begin(directory.Interaction{}).shows(w.T, "up"), "who", "stranger").refuses(w.T, "linked")
	})
}

// TestAttackAssociations: a script links and unlinks nobody but who has come back in its flow, with nobody but who has signed in to it: not
// somebody it makes up or looks up, not by the name of another, and not before anybody has.
func TestAttackAssociations(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		w.user("bob")
		for name, test := range map[string]struct{ step1, step2, want string }{
			"the name of another":  {``, `doAssociationWithLocalUser(stranger, 'bob', '', '')`, "false"},
			"behind another store": {``, `doAssociationWithLocalUser(stranger, 'PRIMARY/bob', '', '')`, "false"},
			"of a local person":    {``, `doAssociationWithLocalUser(context.steps[2].subject, 'ann', '', '')`, "false"},
			"of somebody found": {
				``, `doAssociationWithLocalUser(getUniqueUserWithClaimValues({ 'http://wso2.org/claims/username': 'bob' }, context), 'ann', '', '')`, "false",
			},
			"before anybody has signed in": {`doAssociationWithLocalUser(stranger, 'ann', '', '')`, ``, "false"},
			"of an object that looks like somebody": {
				``, `(function () { try { return doAssociationWithLocalUser({ idp: 'https://up.example', username: 'stranger' }, 'ann', '', ''); } catch (e) { return 'no'; } })()`, "no",
			},
			"unlinked by a local person": {``, `removeAssociatedLocalUser(context.steps[2].subject)`, "false"},
			"asked of a local person": {
				``, `getAssociatedLocalUser(context.steps[2].subject).username`, "ann",
			},
		} {
			w.links.tried = 0
			if test.step1 == "" {
				test.step1 = "''"
			}
			if test.step2 == "" {
				test.step2 = "''"
			}
			w.federated(inLogin(`executeStep(1, { onFail: function (context) {
				var stranger = context.lastLoginFailedUser, first = '' + ` + test.step1 + `;
				executeStep(2, { onSuccess: function (context) { fail({ errorCode: first + ` + test.step2 + ` }); } });
			} });`))
			w.advance(2 * store.Staleness)
			b := w.browser()
			p := b.post(b.begin(directory.Interaction{}).shows(w.T, "up"), "who", "stranger").shows(w.T, "password")
			b.password(p, "ann").refuses(w.T, test.want)
			if w.links.tried != 0 || len(w.links.all) != 0 {
				w.Errorf("%s: linked %v", name, w.links.all)
			}
		}
	})
}

// TestAssociationFault: links that cannot be read are a failure, and nobody's sign-in.
func TestAssociationFault(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		w.federated(inLogin(`executeStep(1, { onFail: function (context) { if (!getAssociatedLocalUser(context.lastLoginFailedUser)) { executeStep(2); } } });`))
		b := w.browser()
		p := b.begin(directory.Interaction{}).shows(w.T, "up")
		w.links.err = errors.New("no links")
		if failed := b.post(p, "who", "stranger"); failed.Status != http.StatusServiceUnavailable {
			w.Errorf("got %+v", failed)
		}
		w.links.err = nil
		b.post(p, "who", "stranger").shows(w.T, "password")
	})
}

// TestMicrosoftVerified: what Microsoft says of an address is judged by the token of this flow alone.
func TestMicrosoftVerified(t *testing.T) {
	const consumers, tenant = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", "https://login.microsoftonline.com/tenant/v2.0"
	everywhere(t, func(w *world) {
		w.federated(inLogin(`executeStep(1, { onFail: function (context) { fail({ errorCode: '' + checkMicrosoftEmailVerification(context) }); } });`))
		for name, test := range map[string]struct {
			issuer, email string
			verified      bool
			primary       any
			want          string
		}{
			"nobody's word":         {tenant, "a@b", false, nil, "false"},
			"by the domain's owner": {tenant, "a@b", true, nil, "true"},
			"among the verified":    {tenant, "a@b", false, []string{"x@y", "a@b"}, "true"},
			"not among them":        {tenant, "a@b", false, []string{"x@y"}, "false"},
			"a text":                {tenant, "a@b", false, "a@b", "false"},
			"of a person":           {consumers, "a@b", false, nil, "true"},
			"no address":            {consumers, "", false, nil, "false"},
			"another provider":      {"https://login.microsoftonline.com.evil.example/", "a@b", true, nil, "false"},
		} {
			w.from = &flow.Upstream{Issuer: test.issuer, Email: test.email, EmailVerified: test.verified}
			if test.primary != nil {
				w.from.Claims = flow.UpstreamClaims(map[string]any{"verified_primary_email": test.primary})
			}
			b := w.browser()
			p := b.begin(directory.Interaction{}).shows(w.T, "up")
			w.Log(name)
			b.post(p, "who", "stranger").refuses(w.T, test.want)
		}
		w.policy(inLogin(`executeStep(1, { onFail: function (context) { fail({ errorCode: '' + checkMicrosoftEmailVerification(context) }); } });`))
		w.advance(2 * store.Staleness)
		b := w.browser()
		b.post(b.begin(directory.Interaction{}).shows(w.T, "password"), "username", "ann", "password", "wrong").refuses(w.T, "false")
	})
}

var _ script.Links = (*links)(nil)
