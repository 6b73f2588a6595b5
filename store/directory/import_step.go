package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/signet-idp/signet/store"
)

// flush writes what was taken in one step. When somebody is in the way it finds out who, all at once, and goes on without
// them: each round takes somebody out or meets a change that another writer made meanwhile.
func (run *importing) flush(ctx context.Context) error {
	if run.row <= run.done.Rows {
		return nil
	}
	if run.in.DryRun || run.dir.stores != nil { // other stores cause no conflicts
		if err := run.sift(ctx); err != nil {
			return err
		}
	}
	var blocked *newcomer
	for range maxTries {
		conflict, culprit, err := run.write(ctx)
		switch {
		case err != nil || conflict == nil:
			return err
		case conflict.Kind == importKind:
			return ErrImportTwice
		case conflict.Kind == groupKind:
			err = run.regroup(ctx)
		case culprit != nil && culprit == blocked: // nothing that sift knows of
			err = run.remove(culprit, &InvalidError{Field: culprit.idField, Problem: "is that of something which is left of somebody else"})
		default:
			blocked = culprit
			err = run.sift(ctx)
		}
		if err != nil {
			return err
		}
	}
	return errors.New("directory: too many others write the same people")
}

// write applies the step. A conflict is returned apart, with whose row it is about.
func (run *importing) write(ctx context.Context) (*store.Conflict, *newcomer, error) {
	state := *run.done
	state.ImportCount, state.Last = run.next, run.last
	state.Created += int64(len(run.people))
	if !run.in.DryRun {
		b := run.dir.db.Batch()
		if state.Version == 0 {
			run.states.Insert(b, &state)
		} else {
			run.states.Replace(b, &state)
		}
		ends := run.add(b)
		err := b.Apply(ctx)
		if conflict, ok := errors.AsType[*store.Conflict](err); ok {
			i, _ := slices.BinarySearch(ends, conflict.Op+1)
			if i == len(ends) || conflict.Kind == importKind || conflict.Kind == groupKind {
				return conflict, nil, nil
			}
			return conflict, run.people[i], nil
		}
		if err != nil {
			return nil, nil, err
		}
	}
	run.done, run.next = &state, state.ImportCount
	run.forget()
	if len(run.groups) > maxKnownGroups {
		clear(run.groups)
	}
	if run.in.Progress != nil {
		run.in.Progress(run.next)
	}
	return nil, nil, nil
}

// add adds the people to the batch, and returns how long it was after each.
func (run *importing) add(b *store.Batch) (ends []int) {
	d, checked := run.dir, map[string]bool{}
	for _, p := range run.people {
		p.user.Version, p.subject.Version = 0, 0
		run.users.all.Insert(b, p.user)
		d.Subjects.all.Insert(b, p.subject)
		if p.credential != nil {
			p.credential.Version = 0
			d.Credentials.all.Insert(b, p.credential)
		}
		b.Event(store.Event{Meta: store.Meta{Org: p.user.Org}, Type: "user.created", Subject: p.user.ID, Data: details("import", run.in.Source)})
		for _, name := range p.groups {
			group := run.groups[name]
			if !checked[name] {
				checked[name] = true
				d.Groups.all.Check(b, group)
			}
			d.Groups.members.Insert(b, &Membership{
				Meta: membershipMeta(group.Ref(), p.user.Ref()), Group: group.Ref(), Subject: p.user.Ref(), Since: b.Now(),
			})
			b.Event(memberEvent("group.member_added", group.Ref(), p.user.Ref()))
		}
		ends = append(ends, b.Len())
	}
	return ends
}

// sift takes out everybody who is there already, or whose name or id is somebody else's.
func (run *importing) sift(ctx context.Context) error {
	for _, p := range slices.Clone(run.people) {
		present, problem, err := run.inTheWay(ctx, p)
		switch {
		case err != nil:
			return err
		case present:
			run.next.Present++
			run.drop(p)
		case problem != nil:
			if err := run.remove(p, problem); err != nil {
				return err
			}
		}
	}
	return nil
}

func (run *importing) inTheWay(ctx context.Context, p *newcomer) (present bool, problem *InvalidError, err error) {
	switch u, err := run.users.all.Get(ctx, p.user.Ref()); {
	case err == nil && !p.identified():
		return false, &InvalidError{Field: "username", Problem: "is taken"}, nil
	case err == nil && Fold(u.Username) == Fold(p.user.Username):
		return true, nil, nil
	case err == nil:
		return false, &InvalidError{Field: p.idField, Problem: "is that of somebody who has another username"}, nil
	case !errors.Is(err, store.ErrNotFound):
		return false, nil, err
	}
	switch _, err := run.dir.Subjects.Get(ctx, p.user.Ref()); {
	case err == nil:
		return false, &InvalidError{Field: p.idField, Problem: "is that of somebody who was deleted"}, nil
	case !errors.Is(err, store.ErrNotFound):
		return false, nil, err
	}
	switch _, err := run.users.Find(ctx, run.in.Org, Identifier{Name: ByUsername, Value: p.user.Username}); {
	case err == nil:
		return false, &InvalidError{Field: "username", Problem: "is taken"}, nil
	case !errors.Is(err, store.ErrNotFound):
		return false, nil, err
	}
	problem, err = run.elsewhere(ctx, p.user)
	return false, problem, err
}

// elsewhere says which of somebody's names means a person in another user store.
func (run *importing) elsewhere(ctx context.Context, u *User) (*InvalidError, error) {
	stores := run.dir.stores
	if stores == nil {
		return nil, nil
	}
	err := stores.free(ctx, stores.of(""), u.Org, u.Username, u.Email)
	if taken, isTaken := errors.AsType[*TakenError](err); isTaken {
		return &InvalidError{Field: taken.Name, Problem: "is taken in another user store"}, nil
	}
	if problem, isInvalid := errors.AsType[*InvalidError](err); isInvalid {
		return problem, nil
	}
	return nil, err
}

func (run *importing) remove(p *newcomer, problem *InvalidError) error {
	run.drop(p)
	return run.reject(p, problem)
}

func (run *importing) drop(p *newcomer) {
	run.people = slices.DeleteFunc(run.people, func(other *newcomer) bool { return other == p })
}

// regroup reads the groups anew after one of them has changed. Who belongs to one that was deleted is rejected.
func (run *importing) regroup(ctx context.Context) error {
	names := map[string]string{}
	for key, g := range run.groups {
		names[key] = g.Name
	}
	clear(run.groups)
	for _, p := range slices.Clone(run.people) {
		for _, key := range p.groups {
			_, err := run.group(ctx, names[key])
			problem, isInvalid := errors.AsType[*InvalidError](err)
			if isInvalid {
				err = run.remove(p, problem)
			}
			if err != nil {
				return err
			}
			if isInvalid {
				break
			}
		}
	}
	return nil
}
