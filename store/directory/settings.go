package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/signet-idp/signet/store"
)

// setting is one value that an administrator chose, for an organization or one application in it.
type setting struct {
	store.Meta
	Name        string          `json:"name"`
	Application string          `json:"application,omitempty"`
	Value       json.RawMessage `json:"value"`
}

var (
	settingKind = store.Kind{Name: "directory.setting"}
	settingType = store.Type[setting]{
		Kind:   settingKind,
		Index:  func(s *setting) []store.Entry { return []store.Entry{{Field: "name", Value: store.Text(s.Name)}} },
		Cached: true,
	}
)

// SettingKey names a setting whose values are of type T. Each package declares its own.
type SettingKey[T any] struct {
	// Name is "<package>.<word>" in lower case.
	Name string
	// Default holds where nothing was set.
	Default T
	// Validate refuses what must not be set; nil accepts everything.
	Validate func(T) error
	// OrganizationOnly says that nobody asks for the value of an application, so that none may be set.
	OrganizationOnly bool
}

// Settings keeps what administrators have decided. What another node has set may be unknown here for
// store.Staleness; a value is shared by all who resolve it and must not be changed.
type Settings struct {
	// The settings of this package. Branding can be set for an application, the others for organizations alone.
	Session  SettingKey[SessionPolicy]
	Lock     SettingKey[LockPolicy]
	Throttle SettingKey[ThrottlePolicy]
	Password SettingKey[PasswordPolicy]
	Push     SettingKey[PushPolicy]
	Branding SettingKey[Branding]
	// Those of AccountPolicies.
	AccountSettings

	db    *store.DB
	all   *store.Collection[setting]
	known *store.Cache[place, any] // a *T, or nil where nothing was set
}

// place is where a value may have been set.
type place struct{ name, org, app string }

func (p place) ref() store.Ref {
	if p.app == "" {
		return store.Ref{Org: p.org, ID: p.name}
	}
	return store.Ref{Org: p.org, ID: p.name + "|" + p.app}
}

func newSettings(config Config) (*Settings, error) {
	config.Session.setDefaults()
	config.Lock.setDefaults()
	config.Password.setDefaults()
	config.Accounts.setDefaults()
	config.Push.setDefaults()
	s := &Settings{
		Session:  SettingKey[SessionPolicy]{"directory.session", config.Session, SessionPolicy.Validate, true},
		Lock:     SettingKey[LockPolicy]{"directory.lock", config.Lock, LockPolicy.Validate, true},
		Throttle: SettingKey[ThrottlePolicy]{"directory.throttle", config.Throttle, ThrottlePolicy.Validate, true},
		Password: SettingKey[PasswordPolicy]{"directory.password", config.Password, PasswordPolicy.Validate, true},
		Push:     SettingKey[PushPolicy]{"directory.push", config.Push, PushPolicy.Validate, true},
		Branding: SettingKey[Branding]{"directory.branding", config.Branding, Branding.Validate, false},
		db:       config.DB,
		all:      store.NewCollection(config.DB, settingType),

		AccountSettings: newAccountSettings(config.Accounts),
	}
	s.known = store.NewCache[place, any](config.DB, s.all)
	return s, errors.Join(
		config.Session.Validate(), config.Lock.Validate(), config.Throttle.Validate(),
		config.Password.Validate(), config.Push.Validate(), config.Branding.Validate(), config.Accounts.validate(),
	)
}

// Resolve returns the value of a setting for an application in an organization; an app of "" is none in particular. The
// first that was set holds, whole: of the application in the organization, of the organization, of the same two in each
// ancestor, and at last the default. A value set less than store.Staleness ago on another node may not be seen yet.
func Resolve[T any](ctx context.Context, s *Settings, key SettingKey[T], org, app string) (T, error) {
	if key.OrganizationOnly {
		app = ""
	}
	for p := range places(key.Name, org, app) {
		value, err := readSetting[T](ctx, s, p)
		if err != nil {
			return key.Default, err
		}
		if value != nil {
			return *value, nil
		}
	}
	return key.Default, nil
}

// places lists where the value of a setting may stand, nearest first.
func places(name, org, app string) iter.Seq[place] {
	return func(yield func(place) bool) {
		for {
			if app != "" && !yield(place{name, org, app}) {
				return
			}
			if !yield(place{name, org, ""}) || org == "" {
				return
			}
			org = org[:max(0, strings.LastIndexByte(org, '/'))]
		}
	}
}

// readSetting returns the value that stands in a place, nil when none does.
func readSetting[T any](ctx context.Context, s *Settings, p place) (*T, error) {
	known, err := s.known.Get(ctx, p, func() (any, string, error) {
		found, err := s.all.Get(ctx, p.ref())
		if errors.Is(err, store.ErrNotFound) {
			return nil, p.org, nil
		}
		if err != nil {
			return nil, "", err
		}
		value := new(T)
		if err := json.Unmarshal(found.Value, value); err != nil {
			return nil, "", fmt.Errorf("directory: setting %s: %w", p.name, err)
		}
		return value, p.org, nil
	})
	if err != nil || known == nil {
		return nil, err
	}
	value, ok := known.(*T)
	if !ok {
		return nil, fmt.Errorf("directory: setting %s is read as a %T and as a %T", p.name, known, value)
	}
	return value, nil
}

// Set writes the value of a setting for an organization, or for one application in it. The event is "setting.changed".
// Errors: the key's Validate's, and an *InvalidError for an application whose value nobody would ask for.
func Set[T any](ctx context.Context, s *Settings, key SettingKey[T], org, app string, value T) error {
	if app != "" && key.OrganizationOnly {
		return &InvalidError{Field: "application", Problem: "has no " + key.Name + " of its own: it is set for an organization"}
	}
	if key.Validate != nil {
		if err := key.Validate(value); err != nil {
			return err
		}
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("directory: setting %s: %w", key.Name, err)
	}
	return s.write(ctx, place{key.Name, org, app}, func(b *store.Batch, old *setting) bool {
		if old != nil {
			old.Value = encoded
			s.all.Replace(b, old)
			return true
		}
		p := place{key.Name, org, app}
		s.all.Insert(b, &setting{
			Meta: store.Meta{Org: org, ID: p.ref().ID}, Name: key.Name, Application: app, Value: encoded,
		})
		return true
	})
}

// Unset removes the value of a setting, so that it is inherited again. The event is "setting.changed"; where nothing was
// set nothing happens.
func (s *Settings) Unset(ctx context.Context, name, org, app string) error {
	return s.write(ctx, place{name, org, app}, func(b *store.Batch, old *setting) bool {
		if old == nil {
			return false
		}
		s.all.Delete(b, old)
		return true
	})
}

// write reads what stands in a place, nil for nothing, and does what edit put into the batch.
func (s *Settings) write(ctx context.Context, p place, edit func(b *store.Batch, old *setting) bool) error {
	return retry(func() error {
		old, err := s.all.Get(ctx, p.ref())
		if errors.Is(err, store.ErrNotFound) {
			old = nil
		} else if err != nil {
			return err
		}
		b := s.db.Batch()
		if !edit(b, old) {
			return nil
		}
		b.Event(store.Event{
			Meta: store.Meta{Org: p.org}, Type: "setting.changed", Data: details("name", p.name, "application", p.app),
		})
		return b.Apply(ctx)
	})
}
