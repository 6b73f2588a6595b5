package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// sealing is what a DB knows of the sealed values of one durable kind.
type sealing struct {
	kind Kind
	// each calls visit for every record that stands, until visit or the store fails.
	each func(ctx context.Context, visit func(sealedRecord) error) error
}

// sealedRecord is a record with sealed values.
type sealedRecord struct {
	ref    Ref
	values map[string]*Sealed // by field
	// write replaces the record as it is now; again reads it anew.
	write func(ctx context.Context) error
	again func(ctx context.Context) (sealedRecord, error)
}

// SealedUnder counts the values that are sealed, by kind and by the id of the key they are sealed under. A key that does not
// appear can leave the ring once the ephemeral kinds have forgotten it, which takes an hour. Kinds are those whose
// collections were made over this DB: ask the DB of a whole Provider.
func (db *DB) SealedUnder(ctx context.Context) (map[string]map[string]int, error) {
	counts := map[string]map[string]int{}
	for _, s := range db.sealings() {
		err := s.each(ctx, func(r sealedRecord) error {
			for _, field := range sealedFields(r) {
				id := r.values[field].KeyID()
				if counts[id] == nil {
					counts[id] = map[string]int{}
				}
				counts[id][s.kind.Name]++
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// Reseal seals everything that is sealed under another key of the ring anew under the working one, and returns how many
// records it has written. It may run beside requests, be broken off, and run again. What does not open is left as it is and
// is part of the error, which then wraps ErrSealed; everything else is done all the same.
func (db *DB) Reseal(ctx context.Context) (int, error) {
	var problems []error
	written := 0
	for _, s := range db.sealings() {
		err := s.each(ctx, func(r sealedRecord) error {
			did, err := db.reseal(ctx, s.kind, r)
			if did {
				written++
			}
			if errors.Is(err, ErrSealed) && len(problems) < maxProblems {
				problems = append(problems, err)
				return nil
			}
			return err
		})
		if err != nil {
			return written, errors.Join(append(problems, err)...)
		}
	}
	return written, errors.Join(problems...)
}

// maxProblems bounds how many values that do not open Reseal lists.
const maxProblems = 100

// reseal does one record, and once more when somebody has written it meanwhile.
func (db *DB) reseal(ctx context.Context, kind Kind, r sealedRecord) (bool, error) {
	for {
		moved, err := db.resealValues(kind, r)
		if !moved || err != nil {
			return false, err
		}
		err = r.write(ctx)
		if ConflictOn(err, kind) == nil {
			return err == nil, err
		}
		if r, err = r.again(ctx); errors.Is(err, ErrNotFound) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
}

// resealValues reports whether there was anything to do.
func (db *DB) resealValues(kind Kind, r sealedRecord) (moved bool, err error) {
	for _, field := range sealedFields(r) {
		value := r.values[field]
		if value.KeyID() == db.config.Keys.keys[0].id {
			continue
		}
		plaintext, err := db.Unseal(kind, r.ref, field, *value)
		if err != nil {
			return false, fmt.Errorf("%s %s, %s: %w", kind, r.ref.ID, field, err)
		}
		*value = db.Seal(kind, r.ref, field, plaintext)
		moved = true
	}
	return moved, nil
}

// sealedFields are the fields that have a value.
func sealedFields(r sealedRecord) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(r.values)), func(field string) bool { return *r.values[field] == "" })
}

// sealings are those of all collections so far, one for each kind.
func (db *DB) sealings() []sealing {
	db.registering.Lock()
	defer db.registering.Unlock()
	return slices.Clone(db.registered)
}

// sealedMembers are the fields of type Sealed, by the name that they have in JSON.
func sealedMembers(t reflect.Type) map[string][]int {
	fields := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		if f.Type == reflect.TypeFor[Sealed]() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fields[name] = f.Index
		}
	}
	return fields
}

// register lets Reseal know of the collection, if its kind has sealed values that last.
func (c *Collection[T]) register(sealed map[string][]int) {
	if len(sealed) == 0 || c.typ.Kind.Ephemeral {
		return
	}
	c.sealed = sealed
	c.db.registering.Lock()
	defer c.db.registering.Unlock()
	for _, s := range c.db.registered {
		if s.kind == c.typ.Kind {
			return
		}
	}
	c.db.registered = append(c.db.registered, sealing{kind: c.typ.Kind, each: c.eachSealed})
}

func (c *Collection[T]) eachSealed(ctx context.Context, visit func(sealedRecord) error) error {
	for v, err := range c.All(ctx, Query{Within: Everywhere}) {
		if err != nil {
			return err
		}
		if err := visit(c.sealedRecord(v)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Collection[T]) sealedRecord(v *T) sealedRecord {
	ref := c.meta(v).Ref()
	values := map[string]*Sealed{}
	for name, index := range c.sealed {
		values[name], _ = reflect.ValueOf(v).Elem().FieldByIndex(index).Addr().Interface().(*Sealed)
	}
	return sealedRecord{
		ref:    ref,
		values: values,
		write: func(ctx context.Context) error {
			b := c.db.Batch()
			c.Replace(b, v)
			return b.Apply(ctx)
		},
		again: func(ctx context.Context) (sealedRecord, error) {
			fresh, err := c.Get(ctx, ref)
			if err != nil {
				return sealedRecord{}, err
			}
			return c.sealedRecord(fresh), nil
		},
	}
}
