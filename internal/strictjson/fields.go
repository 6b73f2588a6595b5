package strictjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"unicode"
)

// shape is what a type means to the scanner: where the names of members have to be compared.
type shape struct {
	// fields are the members that encoding/json reads into a struct; nil for any other type.
	fields map[string]reflect.Type
	// folded are their names as encoding/json takes them for one another.
	folded map[string]struct{}
	// element is what an array's elements are decoded into.
	element reflect.Type
	// member is what an object's members are decoded into when all are alike.
	member reflect.Type
}

// shapes remembers the shape of each type that was decoded into. A type has one, and a program has a bounded number of types.
var shapes sync.Map // reflect.Type → *shape

func shapeOf(t reflect.Type) *shape {
	if known, ok := shapes.Load(t); ok {
		return known.(*shape)
	}
	known, _ := shapes.LoadOrStore(t, newShape(plain(t)))
	return known.(*shape)
}

func newShape(t reflect.Type) *shape {
	if t == nil {
		return &shape{}
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return &shape{element: t.Elem()}
	case reflect.Map:
		return &shape{member: t.Elem()}
	case reflect.Struct:
		return structShape(t)
	}
	return &shape{}
}

func structShape(t reflect.Type) *shape {
	found := candidates(t)
	s := &shape{fields: make(map[string]reflect.Type, len(found)), folded: make(map[string]struct{}, len(found))}
	for name, candidates := range found {
		if typ, ok := dominant(candidates); ok {
			s.fields[name] = typ
			s.folded[fold(name)] = struct{}{}
		}
	}
	return s
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// plain follows pointers and returns the type underneath, nil if it, or a pointer on the
// way, unmarshals itself.
func plain(t reflect.Type) reflect.Type {
	for t != nil {
		if t.Implements(unmarshaler) || reflect.PointerTo(t).Implements(unmarshaler) {
			return nil
		}
		if t.Kind() != reflect.Pointer {
			return t
		}
		t = t.Elem()
	}
	return nil
}

// candidate is a field that competes for a name with others of the same struct and of
// those embedded in it.
type candidate struct {
	typ    reflect.Type
	depth  int
	tagged bool
}

// candidates collects fields level by level, as encoding/json does: a struct embedded
// again at a deeper level is not looked at, one embedded twice at the same level competes
// with itself.
func candidates(t reflect.Type) map[string][]candidate {
	found := make(map[string][]candidate, t.NumField())
	visited := map[reflect.Type]bool{}
	level := map[reflect.Type]int{t: 1}
	for depth := 0; len(level) > 0; depth++ {
		next := map[reflect.Type]int{}
		for t, times := range level {
			if visited[t] {
				continue
			}
			visited[t] = true
			for i := range t.NumField() {
				name, tagged, embedded := member(t.Field(i))
				switch {
				case embedded != nil:
					next[embedded]++
				case name != "":
					c := candidate{t.Field(i).Type, depth, tagged}
					found[name] = append(found[name], c)
					if times > 1 {
						found[name] = append(found[name], c)
					}
				}
			}
		}
		level = next
	}
	return found
}

// member returns the name of the member that a field holds, or the struct that is embedded
// by it, or neither.
func member(f reflect.StructField) (name string, tagged bool, embedded reflect.Type) {
	t := f.Type
	if t.Name() == "" && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !f.IsExported() && (!f.Anonymous || t.Kind() != reflect.Struct) {
		return "", false, nil
	}
	tag := f.Tag.Get("json")
	if tag == "-" {
		return "", false, nil
	}
	name, _, _ = strings.Cut(tag, ",")
	switch {
	case validName(name):
		return name, true, nil
	case f.Anonymous && t.Kind() == reflect.Struct:
		return "", false, t
	default:
		return f.Name, false, nil
	}
}

// validName says whether encoding/json takes a tag's word for the name.
func validName(name string) bool {
	for _, r := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
	}
	return name != ""
}

// dominant picks the field that gets the name: of the shallowest ones the only one, or the
// only one with a tag. If there is none, nobody gets it.
func dominant(all []candidate) (reflect.Type, bool) {
	if len(all) == 1 {
		return all[0].typ, true
	}
	shallowest := all[0].depth
	for _, c := range all {
		shallowest = min(shallowest, c.depth)
	}
	var tagged, untagged []candidate
	for _, c := range all {
		switch {
		case c.depth != shallowest:
		case c.tagged:
			tagged = append(tagged, c)
		default:
			untagged = append(untagged, c)
		}
	}
	switch {
	case len(tagged) == 1:
		return tagged[0].typ, true
	case len(tagged) == 0 && len(untagged) == 1:
		return untagged[0].typ, true
	}
	return nil, false
}

// fold maps names that encoding/json takes for one another to the same string.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}
