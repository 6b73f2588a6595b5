package script_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/script"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// TestAttackScriptClaims: user.claims say nothing of who somebody is, of what was verified or is decided elsewhere; what is set of one person is
// said of no other; and there is no more of it than there may be.
func TestAttackScriptClaims(t *testing.T) {
	t.Parallel()
	bob := &script.Person{Subject: store.Ref{ID: "bob-id"}, Username: "bob"}
	e := newEngine(t, script.Config{Functions: map[string]script.Function{
		"user.localClaims": func(context.Context, *script.Call) (any, error) { return "stored", nil },
		"find":             func(context.Context, *script.Call) (any, error) { return bob, nil },
	}})
	for _, test := range []struct {
		name, body string
		want       directory.SignInClaims
	}{
		{"by any dialect", `user.claims['http://wso2.org/claims/emailaddress'] = 'a@b'; user.claims.email += 'c';`, directory.SignInClaims{"email": "a@bc"}},
		{"taken back", `user.claims.name = 'X'; user.claims.name = null; user.claims.nickname = undefined;`, directory.SignInClaims{"name": "", "nickname": ""}},
		{"of another", `find().claims.name = 'Bob'; user.claims.name = 'Ann';`, directory.SignInClaims{"name": "Ann"}},
		{"of another alone", `find().claims.name = 'Bob';`, nil},
		{"read of another", `user.claims.name = 'Ann'; user.claims.nickname = find().claims.name;`, directory.SignInClaims{"name": "Ann", "nickname": "stored"}},
		{"of a number", `user.claims.risk = 0.5;`, directory.SignInClaims{"risk": "0.5"}},
		{"refused", `['sub', 'http://wso2.org/claims/username', 'http://wso2.org/claims/userid', 'http://wso2.org/claims/groups', 'roles', 'emailVerified',
			'http://wso2.org/claims/phoneVerified', 'http://wso2.org/claims/country', 'a b', ''].forEach(function (name) {
				try { user.claims[name] = 'x'; user.claims.missed = name; } catch (e) { user.claims.kept = 'yes'; }
			});`, directory.SignInClaims{"kept": "yes"}},
		{"too long", `user.claims.a = 'x'; try { user.claims.a = 'x'.repeat(1001); } catch (e) {}`, directory.SignInClaims{"a": "x"}},
		{"too many", `for (var i = 0; i < 40; i++) { try { user.claims['c' + i] = ''; } catch (e) { user.claims.c0 = 'full'; break; } }`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := begin(t, e, inLogin(`executeStep(1, { onSuccess: function (context) { var user = context.currentKnownSubject; `+test.body+` } });`), nil)
			v.wants("step 1").succeed(ann).wants("complete")
			if test.name == "too many" {
				if len(v.out.Claims) != 32 || v.out.Claims["c0"] != "full" {
					t.Errorf("%d claims: %v", len(v.out.Claims), v.out.Claims)
				}
				return
			}
			if !maps.Equal(v.out.Claims, test.want) {
				t.Errorf("got %v", v.out.Claims)
			}
		})
	}
}

// TestPlanClaims: what a script has said stands in the answer of its sign-in, also when something was asked afterwards, and of no other.
func TestPlanClaims(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		w.policy(inLogin(`executeStep(1, { onSuccess: function (context) {
			context.currentKnownSubject.claims['http://wso2.org/claims/risk'] = (context.requestedAcr[0] || 'low');
		} });`))
		b := w.browser()
		in := directory.Interaction{ACR: []string{"high"}, Consent: []directory.ConsentItem{{ID: "profile", Title: "scope.profile|Your profile"}}}
		p := b.password(b.begin(in).shows(w.T, "password"), "ann").shows(w.T, "consent")
		if p = b.post(p, "action", "consent_allow", "consent", "profile").signs(w.T); p.Result.Claims["risk"] != "high" {
			w.Errorf("after consent: %v", p.Result.Claims)
		}
		if p = b.begin(directory.Interaction{}).signs(w.T); p.Result.Claims["risk"] != "low" {
			w.Errorf("from the session: %v", p.Result.Claims)
		}
		w.policy(inLogin(`executeStep(1);`))
		w.advance(2 * store.Staleness)
		if p = b.begin(in).shows(w.T, "consent"); p.Result != nil {
			w.Errorf("before consent: %v", p.Result)
		}
		if p = b.post(p, "action", "consent_allow", "consent", "profile").signs(w.T); len(p.Result.Claims) != 0 {
			w.Errorf("of a script that says nothing: %v", p.Result.Claims)
		}
	})
}

// TestRemoteClaims: scripts see what the provider says with which somebody has come, also of somebody who is nobody here.
func TestRemoteClaims(t *testing.T) {
	everywhere(t, func(w *world) {
		w.user("ann")
		w.federated(inLogin(`executeStep(1, {
			onSuccess: function (context) {
				var user = context.steps[1].subject;
				if (context.steps[1].idp !== 'up' || user.remoteClaims.tier !== 'gold' || Object.keys(user.remoteClaims).join() !== 'level,tier') { fail({ errorCode: 'wrong' }); }
				user.claims.tier = user.remoteClaims.tier + user.remoteClaims.level;
			},
			onFail: function (context) {
				var user = context.lastLoginFailedUser;
				fail({ errorCode: user.remoteClaims.tier + '-' + user.username + (user.uniqueId ? '-known' : '') });
			}
		});`))
		b := w.browser()
		p := b.post(b.begin(directory.Interaction{}).shows(w.T, "up"), "who", "ann").signs(w.T)
		if p.Result.Claims["tier"] != "gold7" {
			w.Errorf("claims: %v", p.Result.Claims)
		}
		b = w.browser()
		b.post(b.begin(directory.Interaction{}).shows(w.T, "up"), "who", "stranger").refuses(w.T, "gold-stranger")
	})
}

// upstream stands for a provider: it takes the word of whoever answers.
type upstream struct{ w *world }

func (upstream) Prepare(context.Context, *flow.State) error { return nil }

func (upstream) Prompt(context.Context, *flow.State) (flow.Prompt, error) {
	return flow.Prompt{Step: "up", Fields: []flow.Field{{Name: "who"}}, Actions: []flow.Action{{Name: "continue"}}}, nil
}

func (u upstream) Judge(ctx context.Context, s *flow.State, in flow.Input) (flow.Verdict, error) {
	who := in.Value("who")
	from := flow.Upstream{
		Connection: "up", Issuer: "https://up.example", ExternalID: who, Email: who + "@example.com", EmailVerified: !strings.HasSuffix(who, "!"),
		Claims: flow.UpstreamClaims(map[string]any{"tier": "gold", "level": 7, "nonce": "n"}),
	}
	if u.w.from != nil {
		given := *u.w.from
		from = given
		from.Connection, from.ExternalID = "up", who
	}
	facts, err := from.Facts()
	if err != nil {
		return flow.Verdict{}, err
	}
	user, err := u.w.FindUser(ctx, "", who)
	if err != nil {
		return flow.Verdict{Outcome: flow.Again, Facts: facts}, nil
	}
	subject, err := u.w.SubjectOf(ctx, user)
	if err != nil {
		return flow.Verdict{}, err
	}
	return flow.Verdict{Outcome: flow.Proceed, Subject: subject, Facts: facts, Evidence: []directory.Evidence{{
		Method: directory.Federated, Subject: subject.ID, Time: s.Now, Issuer: from.Issuer,
	}}}, nil
}

// federated sets a script for everybody, with a provider as step 1 and a password as step 2.
func (w *world) federated(source string) {
	w.Helper()
	w.must(w.policies.Set(w.Context(), "", "", script.Policy{Source: source, Steps: [][]script.Way{
		{{Option: script.Option{IDP: "up"}}}, {{Option: script.Option{Authenticator: "BasicAuthenticator"}}},
	}}))
}
