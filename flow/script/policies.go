package script

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// PoliciesConfig is the wiring of Policies.
type PoliciesConfig struct {
	// DB and Directory are those of the flow, and Engine runs the scripts. Required.
	DB        *store.DB
	Directory *directory.Directory
	Engine    *Engine
	// Libraries are what scripts load; nil has none.
	Libraries *Libraries
	// Manage has Libraries and Secrets managed by administrators over HTTP, those of the root organization: see Management. Secrets are the ones
	// of DirectoryConfig, and nothing else here needs them.
	Manage  bool
	Secrets *Secrets
	// Next is asked for the plans that no script makes; nil has none.
	Next flow.Source
	// Retain is how long a policy that was replaced is kept for the logins that began with it; zero is a day, and it should not be less
	// than the Lifetime of the flow.
	Retain time.Duration
}

// Policies are the login scripts that administrators have written, for an organization or an application in it. It is the Source of a
// flow's Config. A login keeps the script, the libraries and the steps with which it began: each version is a record of its own, by
// its hash, until nobody can use it any more. It is safe for concurrent use.
type Policies struct {
	config   PoliciesConfig
	setting  directory.SettingKey[chosen]
	versions *store.Collection[version]

	mu    sync.Mutex
	plans map[string]flow.Plan // by version
}

var _ flow.Source = (*Policies)(nil)

// Policy is a login script with its steps.
type Policy struct {
	Source string  `json:"source"`
	Steps  [][]Way `json:"steps"`
}

// chosen is the setting: which version holds.
type chosen struct {
	Version string `json:"version,omitempty"`
}

// version is one policy as it was set, with its libraries. Its id is its hash.
type version struct {
	store.Meta
	Policy
	Libraries map[string]string `json:"libraries,omitempty"`
}

var versionKind = store.Kind{Name: "script.version"}

// maxPlans bounds the policies that are kept compiled.
const maxPlans = 256

// NewPolicies checks the configuration and returns Policies.
func NewPolicies(config PoliciesConfig) (*Policies, error) {
	if config.DB == nil || config.Directory == nil || config.Engine == nil || config.Retain < 0 {
		return nil, errors.New("script: PoliciesConfig needs DB, Directory and Engine, and a Retain that is not negative")
	}
	if config.Retain == 0 {
		config.Retain = 24 * time.Hour
	}
	return &Policies{
		config: config, setting: directory.SettingKey[chosen]{Name: "script.policy"},
		versions: store.NewCollection(config.DB, store.Type[version]{Kind: versionKind}), plans: map[string]flow.Plan{},
	}, nil
}

// Set has logins that begin from now on go by a policy: those of an application in an organization, or with app "" of the organization and
// all below it. Errors of what was written are SyntaxErrors (joined).
func (p *Policies) Set(ctx context.Context, org, app string, policy Policy) error {
	v := &version{Policy: policy}
	if p.config.Libraries != nil {
		var err error
		if v.Libraries, err = p.config.Libraries.texts(ctx, org, policy.Source); err != nil {
			return err
		}
	}
	if _, err := p.compile(v); err != nil {
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	meta := store.Meta{ID: secret.Hash(string(text))}
	err = put(ctx, p.config.DB, p.versions, meta.Ref(), func() *version {
		fresh := *v
		fresh.Meta = meta
		return &fresh
	}, func(v *version) { v.Expires = time.Time{} })
	if err != nil {
		return err
	}
	return p.choose(ctx, org, app, meta.ID)
}

// Unset has logins go by what they went by before a policy was set.
func (p *Policies) Unset(ctx context.Context, org, app string) error {
	return p.choose(ctx, org, app, "")
}

// choose sets which version holds, and lets the one go that did.
func (p *Policies) choose(ctx context.Context, org, app, id string) error {
	before, err := directory.Resolve(ctx, p.config.Directory.Settings, p.setting, org, app)
	if err != nil {
		return err
	}
	if err := directory.Set(ctx, p.config.Directory.Settings, p.setting, org, app, chosen{Version: id}); err != nil {
		return err
	}
	if before.Version == "" || before.Version == id {
		return nil
	}
	return p.release(ctx, before.Version)
}

// release lets a version end when no login can go by it any more. It may hold elsewhere: then it is kept alive by being used.
func (p *Policies) release(ctx context.Context, id string) error {
	v, err := p.versions.Get(ctx, store.Ref{ID: id})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return p.extend(ctx, v)
}

// extend lets a version live for as long as a login that begins now.
func (p *Policies) extend(ctx context.Context, v *version) error {
	v.Expires = p.config.DB.Now().Add(p.config.Retain)
	b := p.config.DB.Batch()
	p.versions.Replace(b, v)
	if err := b.Apply(ctx); store.ConflictOn(err, versionKind) == nil {
		return err
	}
	return nil // somebody else has just done it, or has set it anew
}

// ManagementRoutes are those of Management, where PoliciesConfig.Manage says so: package signet mounts them, for tokens of the root's clients.
func (p *Policies) ManagementRoutes(guard Guard, logger *slog.Logger) ([]web.Route, error) {
	if !p.config.Manage {
		return nil, nil
	}
	return Management{Guard: guard, Secrets: p.config.Secrets, Libraries: p.config.Libraries, Logger: logger}.Routes()
}

// Find implements flow.Source.
func (p *Policies) Find(ctx context.Context, in directory.Interaction, name string) (flow.Plan, string, error) {
	if name == string(directory.SignIn) {
		held, err := directory.Resolve(ctx, p.config.Directory.Settings, p.setting, in.Organization, in.Application.ID)
		if err != nil {
			return nil, "", err
		}
		if held.Version != "" {
			plan, err := p.begin(ctx, held.Version)
			return plan, held.Version, err
		}
	}
	if p.config.Next == nil {
		return nil, "", nil
	}
	return p.config.Next.Find(ctx, in, name)
}

// begin is the plan of a version that a login is about to keep.
func (p *Policies) begin(ctx context.Context, id string) (flow.Plan, error) {
	v, err := p.versions.Get(ctx, store.Ref{ID: id})
	if err != nil {
		return nil, fmt.Errorf("script: the policy that was set: %w", failure(err))
	}
	if !v.Expires.IsZero() && v.Expires.Sub(p.config.DB.Now()) < p.config.Retain/2 {
		if err := p.extend(ctx, v); err != nil {
			return nil, err
		}
	}
	return p.plan(v)
}

// failure is an error that nobody takes for "there is none".
func failure(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return errors.New("its version is gone")
	}
	return err
}

// Version implements flow.Source.
func (p *Policies) Version(ctx context.Context, id string) (flow.Plan, error) {
	v, err := p.versions.Get(ctx, store.Ref{ID: id})
	if errors.Is(err, store.ErrNotFound) && p.config.Next != nil {
		return p.config.Next.Version(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	return p.plan(v)
}

// plan is a version compiled.
func (p *Policies) plan(v *version) (flow.Plan, error) {
	p.mu.Lock()
	plan := p.plans[v.ID]
	p.mu.Unlock()
	if plan != nil {
		return plan, nil
	}
	plan, err := p.compile(v)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.plans) >= maxPlans {
		clear(p.plans)
	}
	p.plans[v.ID] = plan
	return plan, nil
}

func (p *Policies) compile(v *version) (flow.Plan, error) {
	program, err := p.config.Engine.Compile(v.Source, v.Libraries)
	if err != nil {
		return nil, err
	}
	return p.config.Engine.Plan(program, v.Steps...)
}
