// Package directory is the vocabulary that every door of Signet shares, and the services that keep it: who people are
// (Subject, User, Group, Role), what they sign in to (Application), how they stay signed in (Session, Participant), what
// they prove themselves with (Credential, Evidence) and what an administrator has decided (Setting). Validation,
// uniqueness and events happen here and nowhere else, so that a user created by SCIM, by registration or by a host
// program is the same user.
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//		"log"
//
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/directory"
//		"github.com/signet-idp/signet/store/memory"
//	)
//
//	func main() {
//		ctx := context.Background()
//		ring, err := store.NewKeyRing(store.GenerateRingKey()) // store.OpenKeyFile keeps one
//		if err != nil {
//			log.Fatal(err)
//		}
//		db, err := store.Open(store.Config{Driver: memory.New(), Keys: ring})
//		if err != nil {
//			log.Fatal(err)
//		}
//		dir, err := directory.New(directory.Config{DB: db})
//		if err != nil {
//			log.Fatal(err)
//		}
//
//		ann := &directory.User{Username: "ann", Email: "ann@example.com"}
//		if err := dir.CreateUser(ctx, ann, "correct horse battery staple"); err != nil {
//			log.Fatal(err)
//		}
//		admins := &directory.Group{Name: "admins"}
//		if err := dir.Groups.Create(ctx, admins); err != nil {
//			log.Fatal(err)
//		}
//		if err := dir.Groups.AddMember(ctx, admins.Ref(), dir.SubjectRef(ann)); err != nil {
//			log.Fatal(err)
//		}
//		for member, err := range dir.Groups.Members(ctx, admins.Ref()) {
//			if err != nil {
//				log.Fatal(err)
//			}
//			fmt.Println(member.Subject.ID)
//		}
//
//		// Every session and token of hers is dead from here on.
//		if err := dir.Subjects.Disable(ctx, dir.SubjectRef(ann)); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// # Authority is a chain
//
// A token hangs on a grant, a grant on a Session, a Session on a Subject and an Application. Each parent has a status and
// an epoch; a child keeps the epochs of its parents as it found them. Whoever uses a child reads the parents and compares;
// whoever mints one puts a Check on them into the same batch. Revoking everything below a parent is one Replace.
//
// # What one may do at an API
//
// An APIResource has scopes; an AuthorizedAPI gives some of them to an Application; a Role gives some of them to people and groups.
// EffectiveScopes is the one place where what was asked for is cut to what of it holds:
//
//	orders := &directory.APIResource{
//		Name: "Orders", Identifier: "https://orders.example.com",
//		Scopes: []directory.APIScope{{Name: "orders:read"}, {Name: "orders:write", DisplayName: "Change your orders"}},
//	}
//	err = dir.APIs.Create(ctx, orders)
//	err = dir.AuthorizedAPIs.Authorize(ctx, &directory.AuthorizedAPI{
//		Application: shop.Ref(), API: orders.Ref(), Scopes: []string{"orders:read", "orders:write"},
//	})
//	clerks := &directory.Role{Name: "clerks", Permissions: []string{"orders:write"}}
//	err = dir.Roles.Create(ctx, clerks)
//	err = dir.Roles.AssignGroup(ctx, clerks.Ref(), staff.Ref())
//
// # Agents
//
// An Agent is a program with an identity of its own: a Subject with roles and groups, a secret instead of a password, and no session.
//
//	helper := &directory.Agent{DisplayName: "Travel Helper", Owner: ann.Ref()}
//	secret, err := dir.Agents.Create(ctx, helper)
//	err = dir.Roles.Assign(ctx, clerks.Ref(), helper.Ref())
//	subject, err := dir.Agents.Authenticate(ctx, "", helper.ID, secret)
//	err = dir.Subjects.Disable(ctx, helper.Ref()) // what it was issued ends, as for people
//
// # People may live elsewhere
//
// Users is the interface behind which people live: the default store in the DB, a directory server, the host's own table.
// Subject is what everything else refers to, wherever the person is kept; directorytest proves an implementation of Users.
//
// Several stores stand side by side (Config.UserStores):
//
//	dir, err := directory.New(directory.Config{DB: db, UserStores: []directory.UserStore{
//		{Users: customers},            // people who were there before; their names go first
//		{Users: nil, Registers: true}, // the DB, for everybody new
//	}})
//
// A login without a store in front belongs to the first store that knows it. New people get no name, and no e-mail
// address, that means somebody in another store.
//
// # People who move here
//
// Directory.Import brings people in by the million, with the hashes that another system made of their passwords; Config.Verifier asks
// another system about a password at the first sign-in, where it does not give its hashes away. Either way each gets a
// hash of ours with the first sign-in that succeeds as a whole. docs/migration.md says how, system by system.
//
// # Links and codes in messages
//
// Tickets are what a message to an address proves: a link, a code, or both, each good once and for one purpose. Recovery,
// invitation, registration, and the verification of an address rest on them.
//
// # Accounts
//
// Subject.State is why somebody may not come in: an administrator has disabled or locked them, or they have not done yet what is
// asked of them. Somebody who is invited comes to be, and chooses a password:
//
//	b := db.Batch()
//	_, issued, err := dir.Invite(ctx, b, &directory.User{Username: "bob", Email: "bob@example.com"}, directory.LinkByEmail)
//	err = outbox.Send(b, invitation(issued.Token, issued.Code)) // a flow/notify message
//	err = b.Apply(ctx)
//
//	ticket, err := dir.Tickets.Open(ctx, token, directory.AcceptInvitation) // later, and on a post
//	b = db.Batch()
//	_, err = dir.ChoosePassword(ctx, b, ticket, password)
//	err = b.Apply(ctx)
//
// Config.Accounts are the policies, each a setting of its own. ReplaceOwn is what people write about themselves, RemoveCredential and
// EndOwnSession what they take away, but for their last way in; PersonalData is all that is known of them; Maintain looks after those who never come.
//
// # Events
//
// Each is written in the step that makes it true (store.Batch.Event); those about people name their user store:
// user.created, user.updated, user.deleted, password.changed, subject.disabled, subject.enabled, subject.revoked,
// account.held, account.released, account.idle, address.verified, function.locked, function.unlocked,
// session.started, session.ended, credential.added, credential.removed, credential.renamed, credential.suspected,
// credential.suspended, account.locked, account.unlocked,
// application.created, application.updated, application.disabled, application.enabled, application.revoked,
// application.deleted, agent.created, agent.updated, agent.secret_changed, agent.deleted, group.created, group.updated, group.deleted, group.member_added, group.member_removed,
// role.created, role.updated, role.deleted, role.assigned, role.unassigned, api.created, api.updated, api.deleted, api.authorized,
// api.unauthorized, scope.created, scope.updated, scope.deleted, setting.changed. Revoking or disabling a
// Subject or an Application ends what hangs on it without an event for each Session; a consumer that must tell others
// reads Sessions and Participants.
//
// # Specifications
//
// NIST SP 800-63B-4 §3.1.1.2 (passwords: length counts, composition does not; what is common is refused) and §3.2.2 (throttling); RFC 8176 §2 (amr); RFC 6238 §5.2
// (a one-time password once); RFC 9562 §5.5 (ids of people in other stores); RFC 6749 §3.3, RFC 8707 and RFC 9396 §2 (scopes,
// identifiers and details types of an APIResource); OpenID Connect Core 1.0 §5.1 in the names of a User's
// fields; Unicode's case folding and normalization for names.
//
// # Not implemented
//
// Organizations below the root, nested groups (Group has no group as a member), hooks to services that
// know stolen passwords.
package directory
