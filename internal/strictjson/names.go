package strictjson

import "bytes"

// names are the names of an object's members so far. A few are compared one by one, so that an ordinary object costs no
// allocation; many are looked up, so that a hostile one costs no more than its length.
type names struct {
	few   [16][]byte
	count int
	many  map[string]struct{}
}

// add reports whether the name was there before.
func (n *names) add(name []byte) bool {
	if n.many != nil {
		_, again := n.many[string(name)]
		n.many[string(name)] = struct{}{}
		return again
	}
	for _, other := range n.few[:n.count] {
		if bytes.Equal(name, other) {
			return true
		}
	}
	if n.count < len(n.few) {
		n.few[n.count] = name
		n.count++
		return false
	}
	n.many = map[string]struct{}{string(name): {}}
	for _, other := range n.few {
		n.many[string(other)] = struct{}{}
	}
	return false
}
