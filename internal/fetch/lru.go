package fetch

import "container/list"

// lru remembers what was used last, within bounds of number and cost. It is not safe for concurrent use.
type lru[V any] struct {
	maxItems, maxCost, cost int
	order                   *list.List // of item[V], used last in front
	items                   map[string]*list.Element
}

type item[V any] struct {
	key   string
	value V
	cost  int
}

func newLRU[V any](maxItems, maxCost int) *lru[V] {
	return &lru[V]{maxItems: maxItems, maxCost: maxCost, order: list.New(), items: make(map[string]*list.Element)}
}

func (l *lru[V]) find(key string) (value V, ok bool) {
	e, ok := l.items[key]
	if !ok {
		return value, false
	}
	l.order.MoveToFront(e)
	return e.Value.(item[V]).value, true
}

// put remembers a value, and forgets those that were not used for longest beyond the bounds.
func (l *lru[V]) put(key string, value V, cost int) {
	l.remove(key)
	l.items[key] = l.order.PushFront(item[V]{key, value, cost})
	l.cost += cost
	for l.order.Len() > 1 && (l.order.Len() > l.maxItems || l.cost > l.maxCost) {
		l.remove(l.order.Back().Value.(item[V]).key)
	}
}

func (l *lru[V]) remove(key string) {
	if e, ok := l.items[key]; ok {
		l.cost -= e.Value.(item[V]).cost
		l.order.Remove(e)
		delete(l.items, key)
	}
}
