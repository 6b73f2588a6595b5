package directory_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// scene is a world in which every operation has something to do.
type scene struct {
	*world
	user        *directory.User
	subject     *directory.Subject
	session     *directory.Session
	cookie      string
	device      string
	app         *directory.Application
	group       *directory.Group
	role        *directory.Role
	api         *directory.APIResource
	scope       *directory.Scope
	ticket      *directory.IssuedTicket
	agent       *directory.Agent
	agentSecret secret.Text
}

func newScene(t *testing.T, apart bool) *scene {
	t.Helper()
	p := storetest.Placement{Driver: memory.New()}
	if apart {
		p.Ephemeral = memory.New()
	}
	s := &scene{world: newWorld(t, p)}
	ctx := t.Context()
	s.user, s.subject = s.person(t, "ann")
	s.session, s.cookie = s.signIn(t, s.subject, false)
	s.app, s.group, s.role = &directory.Application{Name: "web"}, &directory.Group{Name: "staff"}, &directory.Role{Name: "reader"}
	is(t, "scene", errors.Join(
		s.Applications.Create(ctx, s.app), s.Groups.Create(ctx, s.group), s.Roles.Create(ctx, s.role),
		s.Groups.AddMember(ctx, s.group.Ref(), s.subject.Ref()), s.Roles.AssignGroup(ctx, s.role.Ref(), s.group.Ref()),
	), nil)
	s.role.Permissions = []string{"read"}
	s.api = &directory.APIResource{Name: "api", Identifier: "https://api.example", Scopes: []directory.APIScope{{Name: "read"}}}
	s.scope = &directory.Scope{Name: "badge"}
	is(t, "scene", errors.Join(s.Roles.Replace(ctx, s.role), s.APIs.Create(ctx, s.api), s.Scopes.Create(ctx, s.scope)), nil)
	s.authorize(t, s.app, s.api, "")
	b := s.db.Batch()
	s.device = s.Devices.Remember(b, s.subject).Reveal()
	is(t, "scene", s.Participants.Join(ctx, b, s.session, s.app.Ref(), "oidc"), nil)
	s.apply(t, b)
	s.enroll(t, s.subject, "seed", 1)
	s.guesses(t, s.attempt(), 5)
	s.subject = s.world.subject(t, s.subject.Ref())
	s.ticket = s.issue(t, recovery(s.subject))
	s.agent, s.agentSecret = s.robot(t, &directory.Agent{DisplayName: "helper", Owner: s.subject.Ref()})
	is(t, "scene", s.Groups.AddMember(ctx, s.group.Ref(), s.agent.Ref()), nil)
	s.advance(2e9) // nothing is cached
	return s
}

func (s *scene) attempt() directory.AttemptKey {
	return directory.AttemptKey{Account: s.Locks.Account(s.subject, "", "ann"), Factor: "password"}
}

// TestFaults fails each call of each operation in turn: the error must reach the caller as what it is. It is never
// absence, never "nobody is signed in", never a broken chain, never success.
func TestFaults(t *testing.T) {
	t.Parallel()
	inBothPlacements(t, func(t *testing.T, operate func(*scene) error, apart bool) {
		whole := newScene(t, apart)
		whole.faults.Forget()
		if err := operate(whole); err != nil {
			t.Fatalf("without a fault: %v", err)
		}
		calls := len(whole.faults.Calls())
		if calls == 0 {
			t.Fatal("the store was not asked")
		}
		for n := 1; n <= calls; n++ {
			s := newScene(t, apart)
			s.faults.FailCall(n, nil)
			err := operate(s)
			if !errors.Is(err, storetest.ErrInjected) {
				t.Errorf("call %d of %d failed: the operation returned %v", n, calls, err)
			}
			for _, never := range []error{store.ErrNotFound, directory.ErrNoSession, directory.ErrChainBroken, directory.ErrReplayed} {
				if errors.Is(err, never) {
					t.Errorf("call %d of %d failed: the operation says %v", n, calls, never)
				}
			}
		}
	})
}

// inBothPlacements runs a test for each operation, with what is ephemeral in the one store and apart from it.
func inBothPlacements(t *testing.T, test func(t *testing.T, operate func(*scene) error, apart bool)) {
	t.Helper()
	for name, operate := range operations(t) {
		for place, apart := range map[string]bool{"together": false, "apart": true} {
			t.Run(name+"/"+place, func(t *testing.T) {
				t.Parallel()
				test(t, operate, apart)
			})
		}
	}
}

// TestUncertain loses the answer to the first commit of each operation that writes: it is neither repeated nor taken for
// anything else.
func TestUncertain(t *testing.T) {
	t.Parallel()
	inBothPlacements(t, func(t *testing.T, operate func(*scene) error, apart bool) {
		s := newScene(t, apart)
		s.faults.Forget()
		s.faults.Uncertain()
		err := operate(s)
		writes := 0
		for _, c := range s.faults.Calls() {
			if c.Method == storetest.MethodApply {
				writes++
			}
		}
		if writes == 0 {
			is(t, "an operation that only reads", err, nil)
			return
		}
		is(t, "an operation whose commit is lost", err, store.ErrUncertain)
	})
}

func operations(t *testing.T) map[string]func(*scene) error {
	ctx := t.Context()
	batch := func(s *scene, fill func(b *store.Batch) error) error {
		b := s.db.Batch()
		if err := fill(b); err != nil {
			return err
		}
		return b.Apply(ctx)
	}
	check := func(ok bool, err error) error {
		if err == nil && !ok {
			return errors.New("the answer is wrong")
		}
		return err
	}
	operations := map[string]func(*scene) error{
		"CreateUser":  func(s *scene) error { return s.CreateUser(ctx, &directory.User{Username: "bob"}, goodPassword) },
		"ReplaceUser": func(s *scene) error { s.user.Disabled = true; return s.ReplaceUser(ctx, s.user) },
		"DeleteUser":  func(s *scene) error { return s.DeleteUser(ctx, s.user) },
		"SetPassword": func(s *scene) error { return s.SetPassword(ctx, s.user, "another password") },
		"ChangePassword": func(s *scene) error {
			_, err := s.ChangePassword(ctx, s.user, "another password", s.session)
			return err
		},
		"FindUser": func(s *scene) error {
			u, err := s.FindUser(ctx, "", "ann@example.com")
			return check(u != nil, err)
		},
		"SubjectOf": func(s *scene) error { _, err := s.SubjectOf(ctx, s.user); return err },
		"UserOf":    func(s *scene) error { _, err := s.UserOf(ctx, s.subject); return err },
		"VerifyPassword": func(s *scene) error {
			ok, err := s.Users.VerifyPassword(ctx, s.user, goodPassword)
			return check(ok, err)
		},
		"VerifyPassword of nobody": func(s *scene) error {
			ok, err := s.Users.VerifyPassword(ctx, nil, goodPassword)
			return check(!ok, err)
		},
		"Subjects.Disable": func(s *scene) error { return s.Subjects.Disable(ctx, s.subject.Ref()) },
		"Subjects.Revoke":  func(s *scene) error { return s.Subjects.Revoke(ctx, s.subject.Ref()) },
		"CheckSubject": func(s *scene) error {
			_, err := s.CheckSubject(ctx, s.subject.Ref(), s.subject.Epoch)
			return err
		},
		"CheckSession": func(s *scene) error {
			_, err := s.CheckSession(ctx, s.session.Ref(), s.session.Epoch)
			return err
		},
		"CheckApplication": func(s *scene) error {
			_, err := s.CheckApplication(ctx, s.app.Ref(), s.app.Epoch)
			return err
		},
		"Sessions.Begin": func(s *scene) error {
			return batch(s, func(b *store.Batch) error {
				_, _, err := s.Sessions.Begin(ctx, b, directory.NewSession{
					Subject: s.subject, Evidence: []directory.Evidence{s.proof(s.subject, "password", "pwd")},
				})
				return err
			})
		},
		"Sessions.Open": func(s *scene) error { _, err := s.Sessions.Open(ctx, s.cookie); return err },
		"Sessions.StepUp": func(s *scene) error {
			return batch(s, func(b *store.Batch) error {
				_, err := s.Sessions.StepUp(b, s.session, s.proof(s.subject, "totp", "otp"))
				return err
			})
		},
		"Sessions.ListBySubject": func(s *scene) error {
			list, err := s.Sessions.ListBySubject(ctx, s.subject)
			return check(len(list) == 1, err)
		},
		"Sessions.Seen":     func(s *scene) error { _, err := s.Sessions.Seen(ctx, s.session); return err },
		"Sessions.End":      func(s *scene) error { return s.Sessions.End(ctx, s.session.Ref(), "logout") },
		"Sessions.EndAllOf": func(s *scene) error { return s.Sessions.EndAllOf(ctx, s.subject.Ref(), "", "logout") },
		"Participants.Join": func(s *scene) error {
			return batch(s, func(b *store.Batch) error {
				return s.Participants.Join(ctx, b, s.session, store.Ref{ID: "other"}, "oidc")
			})
		},
		"Participants.Of": func(s *scene) error {
			list, err := s.Participants.Of(ctx, s.session.Ref())
			return check(len(list) == 1, err)
		},
		"Devices.Known": func(s *scene) error {
			id, err := s.Devices.Known(ctx, s.device, s.subject)
			return check(id != "", err)
		},
		"Credentials.TOTP": func(s *scene) error { _, _, err := s.Credentials.TOTP(ctx, s.subject.Ref()); return err },
		"Credentials.EnrollTOTP": func(s *scene) error {
			return batch(s, func(b *store.Batch) error {
				return s.Credentials.EnrollTOTP(ctx, b, s.subject.Ref(), "", []byte("seed"), 2)
			})
		},
		"Credentials.HOTP": func(s *scene) error {
			err := batch(s, func(b *store.Batch) error {
				return s.Credentials.EnrollHOTP(ctx, b, s.subject.Ref(), "", []byte("seed"), 2)
			})
			if err != nil {
				return err
			}
			_, _, err = s.Credentials.HOTP(ctx, s.subject.Ref())
			return err
		},
		"Credentials.BackupCodes": func(s *scene) error {
			err := batch(s, func(b *store.Batch) error {
				return s.Credentials.SetBackupCodes(ctx, b, s.subject.Ref(), []secret.Text{"one", "two"})
			})
			if err != nil {
				return err
			}
			set, err := s.Credentials.BackupCodes(ctx, s.subject.Ref())
			if err != nil {
				return err
			}
			return batch(s, func(b *store.Batch) error { return check(s.Credentials.TakeBackupCode(b, set, "one"), nil) })
		},
		"Sends": func(s *scene) error {
			sending, err := s.Sends.Weigh(ctx, directory.SendKey{Destination: "a@example.com", Account: "a", Address: "192.0.2.1"})
			if err != nil {
				return err
			}
			return batch(s, func(b *store.Batch) error { s.Sends.Add(b, sending); return check(sending.Wait() == 0, nil) })
		},
		"Pushes": func(s *scene) error {
			device, err := s.phone(ctx, s.subject, "token")
			if err != nil {
				return err
			}
			push, err := s.ask(ctx, s.subject, "flow", "42")
			if err != nil {
				return err
			}
			if err := batch(s, func(b *store.Batch) error { return s.Pushes.Answer(ctx, b, push, device, true, "42") }); err != nil {
				return err
			}
			if _, err := s.Pushes.Device(ctx, s.subject.Ref(), device.ID); err != nil {
				return err
			}
			return batch(s, func(b *store.Batch) error { return s.Pushes.Use(b, push) })
		},
		"Credentials.List": func(s *scene) error {
			list, err := s.Credentials.List(ctx, s.subject.Ref())
			return check(len(list) == 2, err)
		},
		"Resolve": func(s *scene) error {
			_, err := directory.Resolve(ctx, s.Settings, s.Settings.Branding, "a/b", "web")
			return err
		},
		"Set": func(s *scene) error {
			return directory.Set(ctx, s.Settings, s.Settings.Branding, "", "", directory.Branding{Name: "x"})
		},
		"Unset": func(s *scene) error { return s.Settings.Unset(ctx, "directory.branding", "", "") },
		"Locks.Begin": func(s *scene) error {
			return batch(s, func(b *store.Batch) error { _, err := s.Locks.Begin(ctx, b, s.attempt()); return err })
		},
		"Locks.Fail": func(s *scene) error {
			for range 5 {
				var a *directory.Attempt
				err := batch(s, func(b *store.Batch) (err error) {
					a, err = s.Locks.Begin(ctx, b, directory.AttemptKey{Account: "bob", Factor: "password"})
					return err
				})
				if err = errors.Join(err); err != nil {
					return err
				}
				if err := batch(s, func(b *store.Batch) error { return s.Locks.Fail(ctx, b, a) }); err != nil {
					return err
				}
			}
			return nil
		},
		"Locks.Of": func(s *scene) error {
			list, err := s.Locks.Of(ctx, s.subject.Ref())
			return check(len(list) == 1, err)
		},
		"Locks.Unlock": func(s *scene) error { return s.Locks.Unlock(ctx, s.subject.Ref()) },
		"Throttle.Begin": func(s *scene) error {
			return batch(s, func(b *store.Batch) error {
				_, err := s.Throttle.Begin(ctx, b, "", directory.ThrottlePassword, "192.0.2.1")
				return err
			})
		},
		"Applications.Create":  func(s *scene) error { return s.Applications.Create(ctx, &directory.Application{Name: "x"}) },
		"Applications.Disable": func(s *scene) error { return s.Applications.Disable(ctx, s.app.Ref()) },
		"Applications.Delete":  func(s *scene) error { return s.Applications.Delete(ctx, s.app) },
		"Agents.Create": func(s *scene) error {
			_, err := s.Agents.Create(ctx, &directory.Agent{DisplayName: "other", Owner: s.subject.Ref()})
			return err
		},
		"Agents.Replace": func(s *scene) error { return s.Agents.Replace(ctx, s.agent) },
		"Agents.RegenerateSecret": func(s *scene) error {
			_, err := s.Agents.RegenerateSecret(ctx, s.agent.Ref())
			return err
		},
		"Agents.Delete": func(s *scene) error { return s.Agents.Delete(ctx, s.agent.Ref()) },
		"Agents.Authenticate": func(s *scene) error {
			_, err := s.Agents.Authenticate(ctx, "", s.agent.ID, s.agentSecret)
			return err
		},
		"Groups.AddMember": func(s *scene) error {
			b := s.group
			u := &directory.User{Username: fmt.Sprint("new", b.ID)}
			if err := s.CreateUser(ctx, u, ""); err != nil {
				return err
			}
			return s.Groups.AddMember(ctx, b.Ref(), u.Ref())
		},
		"Groups.RemoveMember": func(s *scene) error { return s.Groups.RemoveMember(ctx, s.group.Ref(), s.subject.Ref()) },
		"Groups.IsMember": func(s *scene) error {
			ok, err := s.Groups.IsMember(ctx, s.group.Ref(), s.subject.Ref())
			return check(ok, err)
		},
		"Groups.Delete": func(s *scene) error { return s.Groups.Delete(ctx, s.group) },
		"Roles.Assign":  func(s *scene) error { return s.Roles.Assign(ctx, s.role.Ref(), s.subject.Ref()) },
		"Roles.UnassignGroup": func(s *scene) error {
			return s.Roles.UnassignGroup(ctx, s.role.Ref(), s.group.Ref())
		},
		"Roles.RolesOf": func(s *scene) error {
			roles, err := s.Roles.RolesOf(ctx, s.subject.Ref())
			return check(len(roles) == 1, err)
		},
		"Roles.SetAudience": func(s *scene) error {
			return s.Roles.SetAudience(ctx, s.app.Ref(), directory.OrganizationRoles)
		},
		"APIs.Create": func(s *scene) error {
			return s.APIs.Create(ctx, &directory.APIResource{Name: "x", Identifier: "x"})
		},
		"APIs.Replace": func(s *scene) error { return s.APIs.Replace(ctx, s.api) },
		"APIs.Delete":  func(s *scene) error { return s.APIs.Delete(ctx, s.api) },
		"APIs.Find": func(s *scene) error {
			api, err := s.APIs.Find(ctx, "", "https://api.example")
			return check(api != nil, err)
		},
		"AuthorizedAPIs.Authorize": func(s *scene) error {
			return s.AuthorizedAPIs.Authorize(ctx, &directory.AuthorizedAPI{Application: s.app.Ref(), API: s.api.Ref()})
		},
		"AuthorizedAPIs.Withdraw": func(s *scene) error {
			return s.AuthorizedAPIs.Withdraw(ctx, s.app.Ref(), s.api.Ref())
		},
		"AuthorizedAPIs.Of": func(s *scene) error {
			grants, err := s.AuthorizedAPIs.Of(ctx, s.app.Ref())
			return check(len(grants) == 1, err)
		},
		"Scopes.Create":  func(s *scene) error { return s.Scopes.Create(ctx, &directory.Scope{Name: "x"}) },
		"Scopes.Replace": func(s *scene) error { return s.Scopes.Replace(ctx, s.scope) },
		"Scopes.Delete":  func(s *scene) error { return s.Scopes.Delete(ctx, s.scope) },
		"Scopes.Named": func(s *scene) error {
			named, err := s.Scopes.Named(ctx, "")
			return check(len(named) == 1, err)
		},
		"EffectiveScopes": func(s *scene) error {
			e, err := s.EffectiveScopes(ctx, directory.ScopeRequest{Application: s.app, Subject: s.subject.Ref(), Scopes: []string{"read"}})
			return check(len(e.Scopes) == 1, err)
		},
		"Roles.Delete": func(s *scene) error { return s.Roles.Delete(ctx, s.role) },
	}
	maps.Copy(operations, accountOperations(t, batch, check))
	return operations
}
