package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/signet-idp/signet/store"
)

func filterCases() []testCase {
	const rule = "Filter.Match over a record's entries is the definition that every driver must agree with."
	return []testCase{
		{"operators", rule, operators},
		{"generated filters", rule + " Eq, StartsWith, ranges, Present and And of these are always served.", generatedFilters},
	}
}

// operators tries every operator with every pair of values.
func operators(c *trial) {
	var m model
	for i, v := range allValues() {
		r := c.record(fmt.Sprintf("%02d", i))
		r.Index = []store.Entry{{Field: "f-" + fmt.Sprint(v.Type), Value: v}, {Field: "decoy", Value: v}}
		m = append(m, r)
	}
	m = append(m, c.record("none"))
	c.insertAll(m)
	for _, v := range allValues() {
		for operator := store.Eq; operator <= store.Le; operator++ {
			c.agrees(m, store.Query{Filter: store.Compare{Field: "f-" + fmt.Sprint(v.Type), Operator: operator, Value: v}, Count: 1000})
		}
	}
}

func (c *trial) insertAll(m model) {
	c.Helper()
	for len(m) > 0 {
		n := min(len(m), 500)
		var ops []store.Op
		for _, r := range m[:n] {
			ops = append(ops, store.Insert(r))
		}
		c.apply(ops...)
		m = m[n:]
	}
}

func allValues() []store.Value {
	values := []store.Value{store.Bool(false), store.Bool(true)}
	for _, s := range []string{
		"", "a", "A", "ab", "abc", "abd", "b", "a b", "a%", "a_c", `a\`, "a'b", `a"b`, "%", "_", `\`, "*", "a*", "[a]",
		"\u00e4", "a\u0308", "\u00e4b", "\u65e5\u672c", "\u65e5", "\U0001f511", "\U0010ffff", "\U0010ffffx", "~", "\x7f",
	} {
		values = append(values, store.Text(s))
	}
	for _, n := range []int64{math.MinInt64, -100, -1, 0, 1, 9, 10, 100, 1 << 53, 1<<53 + 1, math.MaxInt64} {
		values = append(values, store.Number(n))
	}
	for _, d := range []time.Duration{0, time.Microsecond, -time.Hour, time.Hour} {
		values = append(values, store.Time(epoch.Add(d)))
	}
	return append(values, store.Time(time.Unix(0, 0)), store.Time(time.Date(1955, 1, 1, 0, 0, 0, 0, time.UTC)))
}

// generator makes records and filters; the same seed makes the same ones.
type generator struct {
	*rand.Rand
	fields map[string][]store.Value
	names  []string
}

func newGenerator(seed uint64) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 20440229)), names: []string{"name", "mail", "age", "active", "seen", "none"}}
	g.fields = map[string][]store.Value{}
	for _, v := range allValues() {
		switch v.Type {
		case store.TextValue:
			g.fields["name"] = append(g.fields["name"], v)
			g.fields["mail"] = append(g.fields["mail"], v)
		case store.NumberValue:
			g.fields["age"] = append(g.fields["age"], v)
		case store.BoolValue:
			g.fields["active"] = append(g.fields["active"], v)
		case store.TimeValue:
			g.fields["seen"] = append(g.fields["seen"], v)
		}
	}
	g.fields["none"] = g.fields["age"]
	return g
}

var generatedOrgs = [...]string{"", "a", "ab", "a/b", "a/b/c"}

// records returns n records: most fields once, some not at all, mail up to three times.
func (g *generator) records(c *trial, n int) model {
	var m model
	for i := range n {
		r := c.record(fmt.Sprintf("%03d", g.IntN(1000)*1000+i))
		r.Org = generatedOrgs[g.IntN(len(generatedOrgs))]
		for _, field := range []string{"name", "age", "active", "seen"} {
			if g.IntN(5) > 0 {
				r.Index = append(r.Index, store.Entry{Field: field, Value: g.value(field)})
			}
		}
		for range g.IntN(4) {
			r.Index = append(r.Index, store.Entry{Field: "mail", Value: g.value("mail")})
		}
		m = append(m, r)
	}
	return m
}

func (g *generator) value(field string) store.Value {
	return g.fields[field][g.IntN(len(g.fields[field]))]
}

func (g *generator) filter(depth int) store.Filter {
	parts := func() []store.Filter {
		list := make([]store.Filter, g.IntN(4))
		for i := range list {
			list[i] = g.filter(depth - 1)
		}
		return list
	}
	field := g.names[g.IntN(len(g.names))]
	switch choice := g.IntN(10); {
	case depth > 0 && choice < 3:
		return store.And(parts())
	case depth > 0 && choice < 5:
		return store.Or(parts())
	case depth > 0 && choice < 6:
		return store.Not{Filter: g.filter(depth - 1)}
	case choice == 9:
		return store.Present{Field: field}
	}
	operator := store.Operator(1 + g.IntN(int(store.Le)))
	return store.Compare{Field: field, Operator: operator, Value: g.value(field)}
}

// indexed returns a filter for which an index is promised.
func (g *generator) indexed() store.Filter {
	for {
		if f := g.filter(2); promised(f) {
			return f
		}
	}
}

func (g *generator) query() store.Query {
	q := store.Query{
		Org: generatedOrgs[g.IntN(len(generatedOrgs))], Within: store.Within(g.IntN(3)),
		Descending: g.IntN(2) == 0, Limit: 1 + g.IntN(40), Count: g.IntN(200),
	}
	if g.IntN(2) == 0 {
		q.Sort = g.names[g.IntN(len(g.names))]
	}
	return q
}

func generatedFilters(c *trial) {
	for seed := range uint64(c.size(3, 1)) {
		g := newGenerator(seed)
		c.kind.Name = fmt.Sprint("storetest.generated-", seed)
		m := g.records(c, 150)
		c.insertAll(m)
		served := 0
		for range c.size(150, 60) {
			q := g.query()
			q.Filter = g.indexed()
			c.agrees(m, q)
			q.Filter = g.filter(3)
			if c.agrees(m, q) && !promised(q.Filter) {
				served++
			}
		}
		c.Logf("seed %d: the driver served %d queries for which no index is promised", seed, served)
	}
}
