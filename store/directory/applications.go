package directory

import (
	"context"

	"github.com/signet-idp/signet/store"
)

var (
	applicationKind = store.Kind{Name: "directory.application"}
	applicationType = store.Type[Application]{
		Kind: applicationKind,
		Index: func(a *Application) []store.Entry {
			entries := append([]store.Entry{
				{Field: "id", Value: store.Text(a.ID)},
				{Field: "name", Value: store.Text(Fold(a.Name))},
				{Field: "status", Value: store.Text(string(a.Status))},
			}, a.TrustedApp.trusted()...)
			if a.Discoverable {
				entries = append(entries, store.Entry{Field: "discoverable", Value: store.Text("true")})
			}
			return entries
		},
	}
)

// Applications keeps what people sign in to.
type Applications struct {
	db  *store.DB
	all *store.Collection[Application]
	// forget removes what remains of an application that is gone.
	forget func(ctx context.Context, application store.Ref) error
}

func newApplications(db *store.DB) *Applications {
	return &Applications{db: db, all: store.NewCollection(db, applicationType)}
}

// Kind is the kind of the records, for a Check on one.
func (a *Applications) Kind() store.Kind { return applicationKind }

// Create adds an application; see Insert.
func (a *Applications) Create(ctx context.Context, app *Application) error {
	b := a.db.Batch()
	if err := a.Insert(b, app); err != nil {
		return err
	}
	return b.Apply(ctx)
}

// Insert adds to the batch that an application is created, so that a protocol can create its own record in the same
// step. A missing ID or Status is filled in. The event is "application.created". Errors: *InvalidError.
func (a *Applications) Insert(b *store.Batch, app *Application) error {
	if app.ID == "" {
		app.ID = store.NewID()
	}
	if app.Status == "" {
		app.Status = Active
	}
	if err := app.Validate(); err != nil {
		return err
	}
	a.all.Insert(b, app)
	b.Event(app.event("application.created"))
	return nil
}

// Get returns the application, whatever its status, or store.ErrNotFound.
func (a *Applications) Get(ctx context.Context, ref store.Ref) (*Application, error) {
	return a.all.Get(ctx, ref)
}

// List returns a page of applications. Fields: id, name (in Fold's form), status, discoverable.
func (a *Applications) List(ctx context.Context, q store.Query) (store.Listing[Application], error) {
	return a.all.List(ctx, q)
}

// maxDiscoverable bounds how many applications are listed to people.
const maxDiscoverable = 1000

// Discoverable returns the applications of an organization that people are meant to find and can use, by name: at most the first thousand.
func (a *Applications) Discoverable(ctx context.Context, org string) ([]*Application, error) {
	page, err := a.all.List(ctx, store.Query{
		Org: org, Sort: "name", Limit: maxDiscoverable, Filter: store.And{
			store.Equals("discoverable", store.Text("true")), store.Equals("status", store.Text(string(Active))),
		},
	})
	return page.Items, err
}

// Replace writes an application over the version that was read. The event is "application.updated". Errors:
// *InvalidError, *store.Conflict for a stale version.
func (a *Applications) Replace(ctx context.Context, app *Application) error {
	b := a.db.Batch()
	if err := a.Update(b, app); err != nil {
		return err
	}
	return b.Apply(ctx)
}

// Update adds to the batch what Replace does.
func (a *Applications) Update(b *store.Batch, app *Application) error {
	if err := app.Validate(); err != nil {
		return err
	}
	a.all.Replace(b, app)
	b.Event(app.event("application.updated"))
	return nil
}

// Disable ends everything that was issued to the application and refuses it anything more. The event is
// "application.disabled".
func (a *Applications) Disable(ctx context.Context, ref store.Ref) error {
	return change(ctx, a.db, a.all, ref, func(b *store.Batch, app *Application) (bool, error) {
		if app.Status != Active {
			return false, nil
		}
		app.Status = Disabled
		app.Epoch++
		b.Event(app.event("application.disabled"))
		return true, nil
	})
}

// Enable lets a disabled application work again; what ended stays ended. The event is "application.enabled".
func (a *Applications) Enable(ctx context.Context, ref store.Ref) error {
	return change(ctx, a.db, a.all, ref, func(b *store.Batch, app *Application) (bool, error) {
		if app.Status == Active {
			return false, nil
		}
		app.Status = Active
		b.Event(app.event("application.enabled"))
		return true, nil
	})
}

// Revoke ends everything that was issued to the application. The event is "application.revoked".
func (a *Applications) Revoke(ctx context.Context, ref store.Ref) error {
	return change(ctx, a.db, a.all, ref, func(b *store.Batch, app *Application) (bool, error) {
		app.Epoch++
		b.Event(app.event("application.revoked"))
		return true, nil
	})
}

// Delete removes an application at the version it was read at; what was issued to it ends, and its roles and what it was
// allowed at APIs go. The event is "application.deleted".
func (a *Applications) Delete(ctx context.Context, app *Application) error {
	b := a.db.Batch()
	a.Remove(b, app)
	if err := b.Apply(ctx); err != nil {
		return err
	}
	return a.forget(ctx, app.Ref())
}

// Remove adds to the batch what Delete does, but for its roles and what it was allowed at APIs, which mean nothing without it.
func (a *Applications) Remove(b *store.Batch, app *Application) {
	a.all.Delete(b, app)
	b.Event(app.event("application.deleted"))
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (a *Application) Validate() error {
	var v validation
	v.required("name", a.Name, 120)
	v.text("description", a.Description, 1024)
	v.link("url", a.URL)
	if a.Discoverable && a.URL == "" {
		v.add("url", "is required of an application that people are to find")
	}
	v.asset("logo", a.Logo)
	v.asset("policyUrl", a.PolicyURL)
	v.asset("termsUrl", a.TermsURL)
	if a.Status != Active && a.Status != Disabled {
		v.add("status", "must be active or disabled")
	}
	switch a.SecondFactor {
	case SecondFactorIfEnrolled, SecondFactorRequired, SecondFactorNever:
	default:
		v.add("secondFactor", "must be required, never or empty")
	}
	switch a.RoleAudience {
	case AllRoles, OrganizationRoles, ApplicationRoles:
	default:
		v.add("roleAudience", "must be organization, application or empty")
	}
	v.trustedApp(a.TrustedApp)
	return v.err()
}

func (a *Application) event(kind string) store.Event {
	return store.Event{Meta: store.Meta{Org: a.Org}, Type: kind, Data: details("application", a.ID)}
}
