package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/store"
)

// recordCases are the rules of store.Ephemeral: one record at a time.
func recordCases() []testCase {
	cases := []testCase{
		{"insert and get", "Get returns what was written, without Keys and Index, at the version that Apply returned.", insertAndGet},
		{"absent", "A record is named by kind, organization and id together; any other name is ErrNotFound.", absentRecord},
		{"insert refuses", "Insert writes a record that must be absent; otherwise it is a Conflict: Exists, without a Key.", insertRefuses},
		{"replace", "Replace writes the whole record over the version it names. Conflicts: Absent, Version.", replaceRecord},
		{"delete", "Delete removes the record that stands at the version it names; its Result has version zero. Conflicts: Absent, Version.", deleteRecord},
		{"check", "Check demands that the record stand at the version it names, returns that version and writes nothing. Conflicts: Absent, Version.", checkRecord},
		{"add", "Add changes Count, creates the counter when it is absent, never conflicts, and its Result holds the new value.", addToCounter},
		{"add keeps the rest", "Add changes Count and Version of a record and nothing else.", addKeepsRest},
		{"same id elsewhere", "The same id in another organization or kind is another record.", sameIDElsewhere},
		{"copies", "A store neither keeps what the caller passed in nor hands out what it keeps.", copies},
	}
	return slices.Concat(cases, bytesCases(), versionCases(), expiryCases(), cancelCases(), invalidCases(), recordRaceCases())
}

func insertAndGet(c *trial) {
	want := c.record("1")
	want.Org, want.Schema, want.Expires = "acme/eu", 7, c.now.Add(time.Hour)
	passed := want
	passed.Version, passed.Count = 99, 7
	if !c.kind.Ephemeral {
		passed.Keys = []store.Key{{Name: "k", Value: "v"}}
		passed.Index = []store.Entry{{Field: "f", Value: store.Number(1)}}
	}
	want.Version = c.write(store.Insert(passed)).Version
	got := c.get(want.Ref())
	if !same(got, want) {
		c.broken("wrote %+v, read %+v", want, got)
	}
	if want.Version <= 0 {
		c.broken("version is %d, must be greater than zero", want.Version)
	}
	if len(got.Keys)+len(got.Index) != 0 {
		c.broken("Keys %v and Index %v came back; they are written and never read", got.Keys, got.Index)
	}
}

func absentRecord(c *trial) {
	c.absent(ref("1"))
	r := c.record("1")
	r.Org = "acme"
	c.write(store.Insert(r))
	for _, absent := range []store.Ref{ref("1"), {Org: "acme/eu", ID: "1"}, {Org: "acm", ID: "1"}, {Org: "acme", ID: "2"}, {Org: "acme", ID: ""}} {
		c.absent(absent)
	}
	c.kind.Name = other.Name
	c.absent(r.Ref())
}

func insertRefuses(c *trial) {
	c.write(store.Insert(c.record("1")))
	before := c.get(ref("1"))
	again := c.record("1")
	again.Body = []byte(`{"other":true}`)
	c.refuse(c.conflict(store.Exists, "1"), store.Insert(again))
	again.Version = before.Version
	c.refuse(c.conflict(store.Exists, "1"), store.Insert(again))
	c.unchanged(before)
}

func replaceRecord(c *trial) {
	r := c.record("1")
	r.Expires = c.now.Add(time.Hour)
	first := c.write(store.Insert(r)).Version

	r.Version, r.Schema, r.Expires, r.Body = first, 2, time.Time{}, []byte(`{"second":true}`)
	second := c.write(store.Replace(r)).Version
	want := r
	want.Version = second
	if got := c.get(ref("1")); second == first || !same(got, want) {
		c.broken("replaced version %d by %+v, read %+v", first, want, got)
	}
	before := c.get(ref("1"))
	for _, stale := range []int64{first, second + 1, 0} {
		r.Version = stale
		c.refuse(c.conflict(store.Version, "1"), store.Replace(r))
	}
	c.unchanged(before)

	missing := c.record("2")
	missing.Version = second
	c.refuse(c.conflict(store.Absent, "2"), store.Replace(missing))
	c.absent(ref("2"))
}

func deleteRecord(c *trial) {
	first := c.write(store.Insert(c.record("1"))).Version
	before := c.get(ref("1"))
	c.refuse(c.conflict(store.Version, "1"), store.Delete(c.kind, ref("1"), first+1))
	c.unchanged(before)
	if result := c.write(store.Delete(c.kind, ref("1"), first)); result != (store.Result{}) {
		c.broken("Delete returned %+v", result)
	}
	c.absent(ref("1"))
	c.refuse(c.conflict(store.Absent, "1"), store.Delete(c.kind, ref("1"), first))
	c.write(store.Insert(c.record("1")))
	c.refuse(c.conflict(store.Version, "1"), store.Delete(c.kind, ref("1"), first))
}

func checkRecord(c *trial) {
	first := c.write(store.Insert(c.record("1"))).Version
	before := c.get(ref("1"))
	if result := c.write(store.Check(c.kind, ref("1"), first)); result.Version != first {
		c.broken("Check of version %d returned version %d", first, result.Version)
	}
	c.refuse(c.conflict(store.Version, "1"), store.Check(c.kind, ref("1"), first+1))
	c.refuse(c.conflict(store.Absent, "2"), store.Check(c.kind, ref("2"), first))
	c.unchanged(before)
	c.absent(ref("2"))
}

func addToCounter(c *trial) {
	expires := c.now.Add(time.Hour)
	var versions []int64
	for _, step := range []struct{ delta, want int64 }{{3, 3}, {4, 7}, {0, 7}, {-10, -3}} {
		result := c.write(store.Add(c.kind, ref("n"), step.delta, expires))
		if result.Count != step.want {
			c.broken("adding %d gave %d, must give %d", step.delta, result.Count, step.want)
		}
		got := c.get(ref("n"))
		if got.Count != step.want || got.Version != result.Version || !got.Expires.Equal(expires) || len(got.Body) != 0 {
			c.broken("after the result %+v the counter is %+v", result, got)
		}
		if slices.Contains(versions, result.Version) {
			c.broken("adding %d did not move the version", step.delta)
		}
		versions = append(versions, result.Version)
	}
	got := c.get(ref("n"))
	c.refuse(c.conflict(store.Exists, "n"), store.Insert(c.record("n")))
	c.write(store.Delete(c.kind, ref("n"), got.Version))
	if result := c.write(store.Add(c.kind, ref("n"), 5, time.Time{})); result.Count != 5 {
		c.broken("a deleted counter began at %d", result.Count-5)
	}
}

func addKeepsRest(c *trial) {
	r := c.record("1")
	r.Expires = c.now.Add(time.Hour)
	if !c.kind.Ephemeral {
		r.Keys = []store.Key{{Name: "k", Value: "v"}}
		r.Index = []store.Entry{{Field: "f", Value: store.Number(1)}}
	}
	c.write(store.Insert(r))
	result := c.write(store.Add(c.kind, ref("1"), 2, c.now.Add(48*time.Hour)))
	want := r
	want.Version, want.Count = result.Version, 2
	if got := c.get(ref("1")); !same(got, want) {
		c.broken("the record became %+v, must be %+v", got, want)
	}
	if c.driver == nil || c.kind.Ephemeral {
		return
	}
	if c.lookup("", r.Keys[0]) != "1" || len(c.list(store.Query{Filter: store.Equals("f", store.Number(1))})) != 1 {
		c.broken("Add lost a unique key or an index entry")
	}
}

func sameIDElsewhere(c *trial) {
	second := c.kind
	second.Name = other.Name
	for i, kind := range []store.Kind{c.kind, second} {
		for j, org := range []string{"", "acme", "acme/eu"} {
			r := c.record("1")
			r.Kind, r.Org, r.Schema = kind, org, 10*i+j
			c.write(store.Insert(r))
		}
	}
	c.write(store.Delete(c.kind, store.Ref{Org: "acme", ID: "1"}, c.get(store.Ref{Org: "acme", ID: "1"}).Version))
	for i, kind := range []store.Kind{c.kind, second} {
		c.kind = kind
		for j, org := range []string{"", "acme", "acme/eu"} {
			if i == 0 && j == 1 {
				c.absent(store.Ref{Org: org, ID: "1"})
			} else if got := c.get(store.Ref{Org: org, ID: "1"}); got.Schema != 10*i+j || got.Kind != kind || got.Org != org {
				c.broken("kind %s, organization %q: read %+v", kind, org, got)
			}
		}
	}
}

func copies(c *trial) {
	body := []byte(`{"body":"as written"}`)
	r := c.record("1")
	r.Body = body
	if !c.kind.Ephemeral {
		r.Keys = []store.Key{{Name: "k", Value: "v"}}
		r.Index = []store.Entry{{Field: "f", Value: store.Text("v")}}
	}
	c.write(store.Insert(r))
	copy(body, strings.Repeat("x", len(body)))
	if !c.kind.Ephemeral {
		r.Keys[0].Value, r.Index[0].Value = "w", store.Text("w")
	}
	got := c.get(ref("1"))
	if string(got.Body) != `{"body":"as written"}` {
		c.stop("the body followed the caller's slice: %s", got.Body)
	}
	copy(got.Body, "yyyyyyyy")
	if again := c.get(ref("1")); string(again.Body) != `{"body":"as written"}` {
		c.broken("the body followed what Get had returned: %s", again.Body)
	}
	if c.kind.Ephemeral || c.driver == nil {
		return
	}
	if c.lookup("", store.Key{Name: "k", Value: "v"}) != "1" {
		c.broken("the unique key followed the caller's slice")
	}
	listed := c.list(store.Query{Filter: store.Equals("f", store.Text("v"))})
	if len(listed) != 1 {
		c.stop("the index followed the caller's slice")
	}
	copy(listed[0].Body, "zzzzzzzz")
	if again := c.get(ref("1")); string(again.Body) != `{"body":"as written"}` {
		c.broken("the body followed what List had returned: %s", again.Body)
	}
}
