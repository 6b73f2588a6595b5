package store_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
)

func TestInSubtree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		root, org string
		want      bool
	}{
		{"", "", true},
		{"", "a/b", true},
		{"a", "a", true},
		{"a", "a/b", true},
		{"a", "ab", false},
		{"a", "", false},
		{"a/b", "a", false},
		{"a", "b/a", false},
	} {
		if got := store.InSubtree(c.root, c.org); got != c.want {
			t.Errorf("InSubtree(%q, %q) = %v", c.root, c.org, got)
		}
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	noon := time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)
	entries := []store.Entry{
		{Field: "mail", Value: store.Text("ann@example.com")},
		{Field: "mail", Value: store.Text("a@work.example")},
		{Field: "age", Value: store.Number(-3)},
		{Field: "live", Value: store.Bool(true)},
		{Field: "born", Value: store.Time(noon)},
	}
	compare := func(field string, o store.Operator, v store.Value) store.Filter {
		return store.Compare{Field: field, Operator: o, Value: v}
	}
	yes, no := store.Present{Field: "mail"}, store.Present{Field: "phone"}
	for name, c := range map[string]struct {
		filter store.Filter
		want   bool
	}{
		"one of two values":    {store.Equals("mail", store.Text("a@work.example")), true},
		"bytes, not letters":   {store.Equals("mail", store.Text("A@work.example")), false},
		"another field":        {store.Equals("phone", store.Text("a@work.example")), false},
		"another type":         {store.Equals("age", store.Text("-3")), false},
		"starts":               {compare("mail", store.StartsWith, store.Text("ann@")), true},
		"ends":                 {compare("mail", store.EndsWith, store.Text(".example")), true},
		"contains":             {compare("mail", store.Contains, store.Text("work")), true},
		"contains not":         {compare("mail", store.Contains, store.Text("play")), false},
		"numbers start not":    {compare("age", store.StartsWith, store.Number(-3)), false},
		"greater":              {compare("age", store.Gt, store.Number(-4)), true},
		"greater itself":       {compare("age", store.Gt, store.Number(-3)), false},
		"at least itself":      {compare("age", store.Ge, store.Number(-3)), true},
		"less":                 {compare("born", store.Lt, store.Time(noon.Add(time.Microsecond))), true},
		"less by a nanosecond": {compare("born", store.Lt, store.Time(noon.Add(time.Nanosecond))), false},
		"at most":              {compare("live", store.Le, store.Bool(true)), true},
		"false is less":        {compare("live", store.Gt, store.Bool(false)), true},
		"no operator":          {compare("age", 0, store.Number(-3)), false},
		"present":              {yes, true},
		"absent":               {no, false},
		"empty and":            {store.And{}, true},
		"and":                  {store.And{yes, no}, false},
		"empty or":             {store.Or{}, false},
		"or":                   {store.Or{no, yes}, true},
		"not":                  {store.Not{Filter: no}, true},
	} {
		if got := c.filter.Match(entries); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
