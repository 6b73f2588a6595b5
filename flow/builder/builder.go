package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Config is the wiring of a Builder.
type Config struct {
	// DB and Directory are those of the flow. Required.
	DB        *store.DB
	Directory *directory.Directory
	// Connections are the providers at which people may register, whose Executors are in the flow. Nil has none.
	Connections []Connection
	// SMS says that text messages can be sent, and so that flows may wait for what is in one.
	SMS bool
	// Next is asked for the plans that no flow was drawn for; nil has none.
	Next flow.Source
	// Retain is how long a flow that was replaced is kept for those who have begun with it; zero is a day, and it should not be less than
	// the Lifetime of the flow.
	Retain time.Duration
}

// Builder keeps the flows that administrators have drawn, for each organization and all below it, and is the Source of an engine's Config: a
// flow that is enabled takes the place of the plan of its type. Who has begun with a flow ends with it, whatever is drawn meanwhile. It
// is safe for concurrent use. What another node has changed may be unknown here for store.Staleness.
type Builder struct {
	config   Config
	settings map[Type]directory.SettingKey[Held]
	versions *store.Collection[version]

	mu    sync.Mutex
	plans map[string]plan      // by version
	kept  map[string]time.Time // until when a version is known to live
}

var _ flow.Source = (*Builder)(nil)

// Held is what an organization has of a type of flow.
type Held struct {
	// Flow is the flow as it was drawn, with what this package does not know; nil when there is none.
	Flow json.RawMessage `json:"flow,omitempty"`
	// Enabled says that it takes the place of the plan of the engine's.
	Enabled bool `json:"enabled"`
	// Completion are the settings about its end; see Completions.
	Completion map[string]string `json:"completion,omitempty"`
}

// version is a flow that somebody may have begun with. Its id is its hash.
type version struct {
	store.Meta
	Flow       json.RawMessage   `json:"flow"`
	Completion map[string]string `json:"completion,omitempty"`
}

var versionKind = store.Kind{Name: "flow.builder.version"}

// maxPlans bounds the flows that are kept compiled.
const maxPlans = 256

// New checks the configuration and returns a Builder.
func New(config Config) (*Builder, error) {
	if config.DB == nil || config.Directory == nil || config.Retain < 0 {
		return nil, errors.New("builder: Config needs DB and Directory, and a Retain that is not negative")
	}
	if config.Retain == 0 {
		config.Retain = 24 * time.Hour
	}
	b := &Builder{
		config: config, settings: map[Type]directory.SettingKey[Held]{}, plans: map[string]plan{}, kept: map[string]time.Time{},
		versions: store.NewCollection(config.DB, store.Type[version]{Kind: versionKind}),
	}
	for _, t := range types {
		b.settings[t.of] = directory.SettingKey[Held]{Name: "builder." + t.plan, OrganizationOnly: true}
	}
	return b, nil
}

// ErrNoFlow says that no flow of the type was drawn.
var ErrNoFlow = errors.New("builder: no flow of this type was drawn")

// Get returns what an organization has of a type, its own or what it inherits; an empty Held when nothing was drawn.
func (b *Builder) Get(ctx context.Context, org string, of Type) (Held, error) {
	key, ok := b.settings[of.canonical()]
	if !ok {
		return Held{}, broken("there is no such type of flow")
	}
	return directory.Resolve(ctx, b.config.Directory.Settings, key, org, "")
}

// Put keeps a flow as it was drawn. It holds at once where its type is enabled. The error joins a *RuleError for each rule that it breaks.
func (b *Builder) Put(ctx context.Context, org string, text []byte) error {
	f, err := Parse(text)
	if err != nil {
		return err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return broken("the flow is not well-formed")
	}
	if _, err := b.compile(ctx, org, f); err != nil {
		return err
	}
	held, err := b.Get(ctx, org, f.FlowType)
	if err != nil {
		return err
	}
	held.Flow = compact.Bytes()
	return b.set(ctx, org, f.FlowType, held)
}

// compile makes a plan of a flow that is to be kept, by the attributes of which the organization asks people now.
func (b *Builder) compile(ctx context.Context, org string, f *Flow) (flow.DrawnPlan, error) {
	policy, err := b.config.Directory.Attributes(ctx, org)
	if err != nil {
		return nil, err
	}
	return Compile(f, Terms{Connections: b.config.Connections, SMS: b.config.SMS, Attributes: func(name string) bool {
		rule := policy.Rule(name)
		return rule != nil && rule.Registration.Asks()
	}})
}

// Configure enables or disables the flow of a type, and says what happens at its end. Errors: ErrNoFlow when there is none to be enabled,
// and a *RuleError for a completion that there is not.
func (b *Builder) Configure(ctx context.Context, org string, of Type, enabled bool, completion map[string]string) error {
	held, err := b.Get(ctx, org, of)
	if err != nil {
		return err
	}
	if enabled && len(held.Flow) == 0 {
		return ErrNoFlow
	}
	if err := checkCompletion(completion); err != nil {
		return err
	}
	held.Enabled, held.Completion = enabled, completion
	return b.set(ctx, org, of, held)
}

// Delete forgets what an organization has of a type, so that it has again what it inherits.
func (b *Builder) Delete(ctx context.Context, org string, of Type) error {
	key, ok := b.settings[of.canonical()]
	if !ok {
		return broken("there is no such type of flow")
	}
	return b.config.Directory.Settings.Unset(ctx, key.Name, org, "")
}

// set writes what an organization has, after the version that flows begin with from then on.
func (b *Builder) set(ctx context.Context, org string, of Type, held Held) error {
	if held.Enabled {
		if err := b.keep(ctx, held); err != nil {
			return err
		}
	}
	return directory.Set(ctx, b.config.Directory.Settings, b.settings[of.canonical()], org, "", held)
}

// id is the hash by which a version is known.
func (h Held) id() (string, error) {
	text, err := json.Marshal(version{Flow: h.Flow, Completion: h.Completion})
	return secret.Hash(string(text)), err
}

// keep writes the version of what is held, or has it live for as long as somebody may go by it who begins now.
func (b *Builder) keep(ctx context.Context, held Held) error {
	id, err := held.id()
	if err != nil {
		return err
	}
	now := b.config.DB.Now()
	b.mu.Lock()
	known := b.kept[id].Sub(now) > b.config.Retain
	b.mu.Unlock()
	if known {
		return nil
	}
	until := now.Add(2 * b.config.Retain)
	v, err := b.versions.Get(ctx, store.Ref{ID: id})
	batch := b.config.DB.Batch()
	switch {
	case errors.Is(err, store.ErrNotFound):
		b.versions.Insert(batch, &version{Meta: store.Meta{ID: id, Expires: until}, Flow: held.Flow, Completion: held.Completion})
	case err != nil:
		return err
	default:
		v.Expires = until
		b.versions.Replace(batch, v)
	}
	if err := batch.Apply(ctx); err != nil && store.ConflictOn(err, versionKind) == nil {
		return err
	} // on a conflict somebody else has just done it
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.kept) >= maxPlans {
		clear(b.kept)
	}
	b.kept[id] = until
	return nil
}

// Find implements [flow.Source].
func (b *Builder) Find(ctx context.Context, in directory.Interaction, name string) (flow.Plan, string, error) {
	for _, t := range types {
		if t.plan != name {
			continue
		}
		held, err := b.Get(ctx, in.Organization, t.of)
		if err != nil {
			return nil, "", err
		}
		if !held.Enabled {
			break
		}
		id, err := held.id()
		if err != nil {
			return nil, "", err
		}
		plan, err := b.plan(id, held.Flow, held.Completion)
		if err != nil {
			return nil, "", err
		}
		if open, err := b.open(ctx, in.Organization, t.of, plan); err != nil {
			return nil, "", err
		} else if !open {
			break
		}
		return plan, id, b.keep(ctx, held)
	}
	if b.config.Next == nil {
		return nil, "", nil
	}
	return b.config.Next.Find(ctx, in, name)
}

// open reports whether the policies of an organization have a flow at all, and every way of a recovery: one that has a way that is closed, or by
// which nothing can be sent, would lead people there in vain.
func (b *Builder) open(ctx context.Context, org string, of Type, drawn plan) (bool, error) {
	settings := b.config.Directory.Settings
	switch of {
	case Registration:
		policy, err := directory.Resolve(ctx, settings, settings.Registration, org, "")
		return policy.Enabled && (b.config.SMS || !drawn.sms), err
	case Recovery:
		policy, err := directory.Resolve(ctx, settings, settings.Recovery, org, "")
		mail, sms := policy.EmailLink || policy.EmailCode, policy.SMSCode && b.config.SMS
		return (mail || !drawn.mail) && (sms || !drawn.sms), err
	case InvitedUser: // whoever has a code in the place of a link has it to type, which no drawing asks for
		invitation, err := directory.Resolve(ctx, settings, settings.Invitation, org, "")
		if err != nil {
			return false, err
		}
		reset, err := directory.Resolve(ctx, settings, settings.AdminReset, org, "")
		typed := invitation.EmailCode || invitation.SMSCode || reset.EmailCode || reset.SMSCode
		return !typed && (b.config.SMS || !drawn.sms), err
	}
	return true, nil
}

// Version implements [flow.Source].
func (b *Builder) Version(ctx context.Context, id string) (flow.Plan, error) {
	v, err := b.versions.Get(ctx, store.Ref{ID: id})
	if errors.Is(err, store.ErrNotFound) && b.config.Next != nil {
		return b.config.Next.Version(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	p, err := b.plan(id, v.Flow, v.Completion)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// plan is a version compiled.
func (b *Builder) plan(id string, text json.RawMessage, completion map[string]string) (plan, error) {
	b.mu.Lock()
	compiled, known := b.plans[id]
	b.mu.Unlock()
	if known {
		return compiled, nil
	}
	f, err := Parse(text)
	if err != nil {
		return plan{}, err
	}
	everything := func(string) bool { return true } // the engine leaves out what nobody is asked for any more
	compiled, err = compile(f, Terms{Completion: completion, Attributes: everything, Connections: b.config.Connections, SMS: true})
	if err != nil {
		return plan{}, fmt.Errorf("builder: the flow that was set: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.plans) >= maxPlans {
		clear(b.plans)
	}
	b.plans[id] = compiled
	return compiled, nil
}
