package flow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// Condition is a question about a flow, as data. Of the fields that are set, all must hold; the zero Condition always does.
// It reads and round-trips as JSON.
type Condition struct {
	// All, Any and Not combine. An empty All or Any is not set.
	All []Condition `json:"all,omitempty"`
	Any []Condition `json:"any,omitempty"`
	Not *Condition  `json:"not,omitempty"`

	// Assurance is a class of authentication (directory.ACRs) that the evidence reaches.
	Assurance string `json:"assurance,omitempty"`
	// Evidence are methods, one of which was proven.
	Evidence []string `json:"evidence,omitempty"`
	// Enrolled are types of credential, one of which the person has.
	Enrolled []directory.CredentialType `json:"enrolled,omitempty"`
	// Group and Role are names, in the person's organization, of groups and roles: the person is in one of them.
	Group []string `json:"group,omitempty"`
	Role  []string `json:"role,omitempty"`
	// UserStore are names of user stores: the person lives in one of them.
	UserStore []string `json:"userStore,omitempty"`
	// Application are ids of applications, for one of which the flow is.
	Application []string `json:"application,omitempty"`
	// Address are networks, in one of which the client is.
	Address []netip.Prefix `json:"address,omitempty"`
	// Fact is the name of a fact that was learned (State.Facts). Its value is one of In, or anything when In is empty.
	Fact string   `json:"fact,omitempty"`
	In   []string `json:"in,omitempty"`
}

// Validate reports what can never be meant.
func (c Condition) Validate() error {
	var problems []error
	for _, part := range slices.Concat(c.All, c.Any) {
		problems = append(problems, part.Validate())
	}
	if c.Not != nil {
		problems = append(problems, c.Not.Validate())
	}
	if c.Assurance != "" && !slices.Contains(directory.ACRs(), c.Assurance) {
		problems = append(problems, fmt.Errorf("flow: condition: there is no class of authentication %q", c.Assurance))
	}
	if len(c.In) > 0 && c.Fact == "" {
		problems = append(problems, errors.New("flow: condition: In needs a Fact"))
	}
	return errors.Join(problems...)
}

// Holds reports whether the condition holds. An error is the store's.
func (c Condition) Holds(ctx context.Context, s *State) (bool, error) {
	for _, test := range []func(context.Context, *State) (bool, error){
		c.combined, c.proven, c.enrolled, c.belongs, c.circumstances,
	} {
		if holds, err := test(ctx, s); err != nil || !holds {
			return false, err
		}
	}
	return true, nil
}

func (c Condition) combined(ctx context.Context, s *State) (bool, error) {
	for _, part := range c.All {
		if holds, err := part.Holds(ctx, s); err != nil || !holds {
			return false, err
		}
	}
	if c.Not != nil {
		if holds, err := c.Not.Holds(ctx, s); err != nil || holds {
			return false, err
		}
	}
	for _, part := range c.Any {
		if holds, err := part.Holds(ctx, s); err != nil || holds {
			return holds, err
		}
	}
	return len(c.Any) == 0, nil
}

func (c Condition) proven(ctx context.Context, s *State) (bool, error) {
	if c.Assurance == "" && len(c.Evidence) == 0 {
		return true, nil
	}
	live, err := s.live(ctx)
	if err != nil {
		return false, err
	}
	if c.Assurance != "" && !directory.Assess(live).Satisfies(c.Assurance) {
		return false, nil
	}
	return len(c.Evidence) == 0 || slices.ContainsFunc(live, func(e directory.Evidence) bool {
		return slices.Contains(c.Evidence, e.Method)
	}), nil
}

func (c Condition) enrolled(ctx context.Context, s *State) (bool, error) {
	for _, kind := range c.Enrolled {
		if has, err := s.Enrolled(ctx, kind); err != nil || has {
			return has, err
		}
	}
	return len(c.Enrolled) == 0, nil
}

// belongs asks where the person belongs. Nobody belongs nowhere.
func (c Condition) belongs(ctx context.Context, s *State) (bool, error) {
	if len(c.Group) == 0 && len(c.Role) == 0 && len(c.UserStore) == 0 {
		return true, nil
	}
	if s.Subject.IsZero() {
		return false, nil
	}
	if holds, err := c.inStore(ctx, s); err != nil || !holds {
		return false, err
	}
	if holds, err := c.inGroup(ctx, s); err != nil || !holds {
		return false, err
	}
	return c.inRole(ctx, s)
}

func (c Condition) inStore(ctx context.Context, s *State) (bool, error) {
	if len(c.UserStore) == 0 {
		return true, nil
	}
	user, err := s.User(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return slices.Contains(c.UserStore, cmp.Or(user.Store, directory.DefaultStore)), nil
}

func (c Condition) inGroup(ctx context.Context, s *State) (bool, error) {
	if len(c.Group) == 0 {
		return true, nil
	}
	for group, err := range s.dir.Groups.GroupsOf(ctx, s.Subject) {
		if err != nil {
			return false, err
		}
		if slices.Contains(c.Group, group.Name) {
			return true, nil
		}
	}
	return false, nil
}

func (c Condition) inRole(ctx context.Context, s *State) (bool, error) {
	if len(c.Role) == 0 {
		return true, nil
	}
	roles, err := s.dir.Roles.RolesOf(ctx, s.Subject)
	return slices.ContainsFunc(roles, func(r *directory.Role) bool { return slices.Contains(c.Role, r.Name) }), err
}

func (c Condition) circumstances(_ context.Context, s *State) (bool, error) {
	if len(c.Application) > 0 && !slices.Contains(c.Application, s.Request.Application.ID) {
		return false, nil
	}
	if len(c.Address) > 0 {
		address := s.Client().Address
		if !slices.ContainsFunc(c.Address, func(p netip.Prefix) bool { return p.Contains(address) }) {
			return false, nil
		}
	}
	if c.Fact == "" {
		return true, nil
	}
	value, known := s.Facts[c.Fact]
	return known && (len(c.In) == 0 || slices.Contains(c.In, value)), nil
}
