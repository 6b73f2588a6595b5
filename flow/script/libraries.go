package script

import (
	"context"
	"errors"
	"fmt"

	"github.com/signet-idp/signet/store"
)

// Libraries are what loadLocalLibrary loads: one set for each organization. A login keeps the text with which it began. It is safe for
// concurrent use.
type Libraries struct {
	db     *store.DB
	engine *Engine
	all    *store.Collection[libraryRecord]
}

// Library is one of them.
type Library struct {
	Name        string
	Description string
	Source      string
}

// libraryRecord is one library; its id is its name.
type libraryRecord struct {
	store.Meta
	Description string `json:"description,omitempty"`
	Source      string `json:"source"`
}

var libraryKind = store.Kind{Name: "script.library"}

// NewLibraries returns the libraries of a DB, whose texts the engine admits.
func NewLibraries(db *store.DB, engine *Engine) *Libraries {
	return &Libraries{db: db, engine: engine, all: store.NewCollection(db, store.Type[libraryRecord]{Kind: libraryKind})}
}

// Set writes a library, over what it was. The error says why it is not admitted, or is a *RefusalError for its name. Scripts that load it
// have what they had until they are set again.
func (l *Libraries) Set(ctx context.Context, org string, library Library) error {
	if err := l.check(library); err != nil {
		return err
	}
	meta := store.Meta{Org: org, ID: library.Name}
	return put(ctx, l.db, l.all, meta.Ref(), func() *libraryRecord { return &libraryRecord{Meta: meta} }, func(r *libraryRecord) {
		r.Description, r.Source = clip(library.Description, 1024), library.Source
	})
}

// Add writes a library where there is none of the name: else the error is a *store.Conflict. Others are as of Set.
func (l *Libraries) Add(ctx context.Context, org string, library Library) error {
	if err := l.check(library); err != nil {
		return err
	}
	b := l.db.Batch()
	l.all.Insert(b, &libraryRecord{
		Meta: store.Meta{Org: org, ID: library.Name}, Description: clip(library.Description, 1024), Source: library.Source,
	})
	return b.Apply(ctx)
}

// check says why a library is not admitted.
func (l *Libraries) check(library Library) error {
	if !isLibraryName(library.Name) {
		return &RefusalError{fmt.Sprintf("%q is no name for a library: letters, digits, - _ .", clip(library.Name, 100))}
	}
	named := &names{properties: map[string]bool{}, globals: map[string]bool{}}
	_, _, err := l.engine.admit(library.Name, library.Source, true, named)
	return err
}

// Get returns a library, or store.ErrNotFound.
func (l *Libraries) Get(ctx context.Context, org, name string) (Library, error) {
	r, err := l.all.Get(ctx, store.Ref{Org: org, ID: name})
	if err != nil {
		return Library{}, err
	}
	return Library{Name: r.ID, Description: r.Description, Source: r.Source}, nil
}

// List returns an organization's libraries.
func (l *Libraries) List(ctx context.Context, org string) ([]Library, error) {
	var list []Library
	for r, err := range l.all.All(ctx, store.Query{Org: org}) {
		if err != nil {
			return nil, err
		}
		list = append(list, Library{Name: r.ID, Description: r.Description, Source: r.Source})
	}
	return list, nil
}

// Delete removes a library; nothing happens where there is none.
func (l *Libraries) Delete(ctx context.Context, org, name string) error {
	return remove(ctx, l.db, l.all, store.Ref{Org: org, ID: name})
}

// texts are the sources of those of an organization's libraries that a script loads, and that these load.
func (l *Libraries) texts(ctx context.Context, org, source string) (map[string]string, error) {
	texts := map[string]string{}
	named := &names{properties: map[string]bool{}, globals: map[string]bool{}}
	_, loads, err := l.engine.admit("script", source, false, named)
	if err != nil {
		return nil, err
	}
	for len(loads) > 0 && len(texts) <= maxLibraries {
		name := loads[0]
		loads = loads[1:]
		if _, ok := texts[name]; ok {
			continue
		}
		r, err := l.all.Get(ctx, store.Ref{Org: org, ID: name})
		if errors.Is(err, store.ErrNotFound) {
			return nil, &SyntaxError{Name: name, Problem: "there is no such library"}
		}
		if err != nil {
			return nil, err
		}
		texts[name] = r.Source
		_, further, err := l.engine.admit(name, r.Source, true, named)
		if err != nil {
			return nil, err
		}
		loads = append(loads, further...)
	}
	return texts, nil
}
