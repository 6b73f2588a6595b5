package strictjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/signet-idp/signet/internal/strictjson"
)

type key struct {
	Kid   string `json:"kid"`
	Use   string `json:"use,omitempty"`
	Plain int
	inner
	Skipped string `json:"-"`
	hidden  string //lint:ignore U1000 a field that encoding/json does not see
}

type inner struct {
	Alg  string `json:"alg"`
	Kid  string `json:"kid"` // hidden by key's own
	Next *key   `json:"next"`
}

type set struct {
	Keys   []key           `json:"keys"`
	ByName map[string]*key `json:"byName"`
	Fixed  [1]key          `json:"fixed"`
	Any    any             `json:"any"`
	Raw    json.RawMessage `json:"raw"`
	Own    own             `json:"own"`
}

// own unmarshals itself and looks at no names.
type own struct{ text string }

func (o *own) UnmarshalJSON(b []byte) error {
	if string(b) == `"refused"` {
		return errOwn
	}
	o.text = string(b)
	return nil
}

var errOwn = errors.New("own: refused")

func TestAccepts(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		`{}`,
		" \t\r\n{ \"keys\" : [ ] } \n",
		`null`,
		`{"keys":[{"kid":"a","use":"sig","Plain":1,"alg":"ES256"},{"kid":"b"}]}`,
		`{"unknown":{"KEYS":1,"keys":2},"Skipped":1}`,
		`{"byName":{"a":{"kid":"1"},"A":{"kid":"2"}}}`,
		`{"any":{"a":1,"A":2,"kid":1,"Kid":2}}`,
		`{"raw":{"a":1,"A":2},"own":{"Kid":1,"kid":2}}`,
		`{"keys":null,"byName":{"x":null},"any":[true,false,null,-0.5e+3,1E9,0]}`,
		`{"keys":[{"next":{"kid":"x","next":{"kid":"y"}}}]}`,
		`{"any":"\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t\u0000"}`,
		"{\"any\":\"\u00e9\u007f\ufffd\U0001f600\"}",
		`{"keys":[{"hidden":1,"Hidden":2,"SKIPPED":3}]}`,
	} {
		var got, want set
		if err := strictjson.Unmarshal([]byte(in), &got); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if err := json.Unmarshal([]byte(in), &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v; encoding/json has %+v, %v", in, got, want, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return `{"any":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` }
	for _, c := range []struct {
		in     string
		kind   strictjson.Kind
		offset int64
		member string
	}{
		{`{"any":1,"any":1}`, strictjson.Duplicate, 9, "any"},
		{`{"any":{"a":[{"b":1,"c":2,"b":3}]}}`, strictjson.Duplicate, 26, "b"},
		{`{"raw":{"a":1,"a":2}}`, strictjson.Duplicate, 14, "a"},
		{`{"own":{"a":1,"a":2}}`, strictjson.Duplicate, 14, "a"},
		{`{"unknown":{"a":1,"a":2}}`, strictjson.Duplicate, 18, "a"},
		{`{"any":{"a":1,"\u0061":2}}`, strictjson.Duplicate, 14, "a"},
		{`{"":1,"":2}`, strictjson.Duplicate, 6, ""},
		{`{"Keys":[]}`, strictjson.Case, 1, "Keys"},
		{`{"\u212Aeys":[]}`, strictjson.Case, 1, "\u212aeys"}, // Kelvin sign
		{`{"keyſ":[]}`, strictjson.Case, 1, "keyſ"},
		{`{"keys":[{"kid":"a"},{"KID":"b"}]}`, strictjson.Case, 22, "KID"},
		{`{"keys":[{"plain":1}]}`, strictjson.Case, 10, "plain"},
		{`{"keys":[{"Alg":""}]}`, strictjson.Case, 10, "Alg"},
		{`{"byName":{"a":{"Kid":""}}}`, strictjson.Case, 16, "Kid"},
		{`{"fixed":[{"Kid":""}]}`, strictjson.Case, 11, "Kid"},
		{`{"keys":[{"next":{"next":{"Kid":""}}}]}`, strictjson.Case, 26, "Kid"},
		{`{}{}`, strictjson.Trailing, 2, ""},
		{`{} x`, strictjson.Trailing, 3, ""},
		{"{}\x00", strictjson.Trailing, 2, ""},
		{deep(33), strictjson.Deep, 38, ""},
		{strings.Repeat("[", 1<<20), strictjson.Deep, 32, ""},
		{"{\"any\":\"a\xff\"}", strictjson.Encoding, 9, ""},
		{"{\"a\xc0\x80\":1}", strictjson.Encoding, 3, ""},
		{"{\"any\":\"\xed\xa0\x80\"}", strictjson.Encoding, 8, ""},
		{`{"any":"\ud800"}`, strictjson.Encoding, 8, ""},
		{`{"any":"\ude00\ud83d"}`, strictjson.Encoding, 8, ""},
		{`{"any":"\ud83d\u0041"}`, strictjson.Encoding, 8, ""},
		{``, strictjson.Syntax, 0, ""},
		{`  `, strictjson.Syntax, 2, ""},
		{"\ufeff{}", strictjson.Syntax, 0, ""},
		{`{"any"`, strictjson.Syntax, 6, ""},
		{`{"any":1,}`, strictjson.Syntax, 9, ""},
		{`{any:1}`, strictjson.Syntax, 1, ""},
		{`{"any":[1,]}`, strictjson.Syntax, 10, ""},
		{`{"any":[1 2]}`, strictjson.Syntax, 10, ""},
		{`{"any":01}`, strictjson.Syntax, 8, ""},
		{`{"any":-}`, strictjson.Syntax, 8, ""},
		{`{"any":1.}`, strictjson.Syntax, 9, ""},
		{`{"any":1e}`, strictjson.Syntax, 9, ""},
		{`{"any":+1}`, strictjson.Syntax, 7, ""},
		{`{"any":NaN}`, strictjson.Syntax, 7, ""},
		{`{"any":tru}`, strictjson.Syntax, 7, ""},
		{`{"any":'a'}`, strictjson.Syntax, 7, ""},
		{"{\"any\":\"a\nb\"}", strictjson.Syntax, 9, ""},
		{`{"any":"\x41"}`, strictjson.Syntax, 8, ""},
		{`{"any":"\u00g1"}`, strictjson.Syntax, 8, ""},
		{`{"any":"\`, strictjson.Syntax, 9, ""},
		{`{"any":"abc`, strictjson.Syntax, 11, ""},
		{`/**/{}`, strictjson.Syntax, 0, ""},
		{`{"keys":[{"kid":1}]}`, strictjson.Type, 0, "keys.kid"},
		{`[]`, strictjson.Type, 0, ""},
		{`{"any":1e999}`, strictjson.Type, 0, "any"},
	} {
		before := set{Raw: json.RawMessage("x"), Own: own{"kept"}}
		got := before
		err := strictjson.Unmarshal([]byte(c.in), &got)
		var e *strictjson.Error
		if !errors.As(err, &e) {
			t.Errorf("%.60q: %v, want %v", c.in, err, c.kind)
			continue
		}
		if e.Kind == strictjson.Type {
			e.Offset = 0 // encoding/json's own
		}
		if e.Kind != c.kind || e.Offset != c.offset || e.Member != c.member {
			t.Errorf("%.60q: %v at %d (%q), want %v at %d (%q)", c.in, e.Kind, e.Offset, e.Member, c.kind, c.offset, c.member)
		}
		if !reflect.DeepEqual(got, before) {
			t.Errorf("%.60q: left %+v", c.in, got)
		}
	}
	if err := strictjson.Unmarshal([]byte(deep(32)), new(set)); err != nil {
		t.Errorf("32 levels: %v", err)
	}
}

// A member that stands twice is found wherever it stands first, in an object of any length.
func TestDuplicateAmongMany(t *testing.T) {
	t.Parallel()
	for _, count := range []int{1, 2, 15, 16, 17, 18, 40} {
		var members []string
		for i := range count {
			members = append(members, fmt.Sprintf(`"m%d":%d`, i, i))
		}
		object := "{" + strings.Join(members, ",")
		if err := strictjson.Unmarshal([]byte(object+"}"), new(any)); err != nil {
			t.Errorf("%d members: %v", count, err)
		}
		for i := range count {
			err := strictjson.Unmarshal(fmt.Appendf(nil, `%s,"m%d":0}`, object, i), new(any))
			var e *strictjson.Error
			if !errors.As(err, &e) || e.Kind != strictjson.Duplicate || e.Member != fmt.Sprint("m", i) {
				t.Errorf("%d members, and m%d again: %v", count, i, err)
			}
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	var e *strictjson.Error
	if err := strictjson.Unmarshal([]byte(`{"keys":[{"x":1}]}`), new(set), strictjson.RefuseUnknown()); !errors.As(err, &e) ||
		e.Kind != strictjson.Unknown || e.Member != "x" || e.Offset != 10 {
		t.Errorf("RefuseUnknown: %v", err)
	}
	// Members of a map, an interface or a type of its own are not unknown.
	if err := strictjson.Unmarshal([]byte(`{"any":{"x":1},"own":{"x":1},"byName":{"x":null}}`), new(set), strictjson.RefuseUnknown()); err != nil {
		t.Errorf("RefuseUnknown without unknown members: %v", err)
	}
	if err := strictjson.Unmarshal([]byte(`[]`), new(any), strictjson.Depth(0)); !errors.As(err, &e) || e.Kind != strictjson.Deep {
		t.Errorf("Depth(0) on an array: %v", err)
	}
	if err := strictjson.Unmarshal([]byte(`1`), new(any), strictjson.Depth(0)); err != nil {
		t.Errorf("Depth(0) on a number: %v", err)
	}
	if err := strictjson.Unmarshal([]byte(deepArray(40)), new(any), strictjson.Depth(40)); err != nil {
		t.Errorf("Depth(40): %v", err)
	}
	var number any
	if err := strictjson.Unmarshal([]byte(`9007199254740993`), &number, strictjson.UseNumber()); err != nil || number != json.Number("9007199254740993") {
		t.Errorf("UseNumber: %v, %v", number, err)
	}
}

func deepArray(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestDecode(t *testing.T) {
	t.Parallel()
	const in = `{"keys":[]}`
	for _, limit := range []int64{int64(len(in)), 1 << 20, 1<<63 - 1} {
		got := set{}
		if err := strictjson.Decode(iotest.OneByteReader(strings.NewReader(in)), limit, &got); err != nil || got.Keys == nil {
			t.Errorf("limit %d: %+v, %v", limit, got, err)
		}
	}
	for _, limit := range []int64{int64(len(in)) - 1, 0, -1} {
		var e *strictjson.Error
		if err := strictjson.Decode(strings.NewReader(in), limit, new(set)); !errors.As(err, &e) || e.Kind != strictjson.Size {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	broken := errors.New("broken")
	var e *strictjson.Error
	if err := strictjson.Decode(iotest.ErrReader(broken), 10, new(set)); !errors.Is(err, broken) || errors.As(err, &e) {
		t.Errorf("broken reader: %v", err)
	}
	if err := strictjson.Decode(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(in))), 100, new(set)); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("reader that breaks off: %v", err)
	}
	if err := strictjson.Decode(io.LimitReader(strings.NewReader(in), 5), 100, new(set)); !errors.As(err, &e) || e.Kind != strictjson.Syntax {
		t.Errorf("truncated: %v", err)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	var e *strictjson.Error
	for _, v := range []any{nil, set{}, (*set)(nil), 1} {
		var invalid *json.InvalidUnmarshalError
		if err := strictjson.Unmarshal([]byte(`{}`), v); !errors.As(err, &e) || e.Kind != strictjson.Type || !errors.As(err, &invalid) {
			t.Errorf("%T: %v", v, err)
		}
	}

	wrong := []byte(`{"KEYS":[]}`)
	pointer := new(set)
	var holds any = new(set)
	var holdsPointer any = &pointer
	for _, v := range []any{&pointer, &holds, &holdsPointer, new(*set)} {
		if err := strictjson.Unmarshal(wrong, v); !errors.As(err, &e) || e.Kind != strictjson.Case {
			t.Errorf("%T: %v", v, err)
		}
	}
	var itself any
	itself = &itself
	if err := strictjson.Unmarshal([]byte(`{"a":1}`), itself); err != nil {
		t.Errorf("interface that holds its own address: %v", err)
	}

	if err := strictjson.Unmarshal([]byte(`{"own":"refused"}`), new(set)); !errors.As(err, &e) || e.Kind != strictjson.Type || !errors.Is(err, errOwn) {
		t.Errorf("type that refuses: %v", err)
	}
}

// Names that compete for a member: the table of names must be encoding/json's.
func TestCompetingFields(t *testing.T) {
	t.Parallel()
	type A struct {
		X string
		Y string `json:"y"`
	}
	type B struct {
		X string
		Z string `json:"X"`
		Y string
	}
	type C struct{ D int }
	type twice1 struct{ C }
	type twice2 struct{ C }
	type Named string
	for _, c := range []struct {
		name, in string
		v        any
	}{
		{"both tagged and not", `{"X":"tagged"}`, new(struct{ B })},
		{"shallow wins", `{"X":"mine"}`, new(struct {
			A
			X string
		})},
		{"tag on an embedded struct", `{"a":{"X":"1"}}`, new(struct {
			A `json:"a"`
		})},
		{"embedded pointer", `{"X":"1","y":"2"}`, new(struct{ *A })},
		{"embedded string", `{"Named":"1"}`, new(struct{ Named })},
		{"bad tag", `{"F":"1"}`, new(struct {
			//lint:ignore SA5008 encoding/json ignores a bad tag, and so must we
			F string `json:"a\"b"`
		})},
		{"dash", `{"-":"1"}`, new(struct {
			//lint:ignore SA5008 the one way to name a member "-"
			F string `json:"-,"`
		})},
		{"two levels", `{"y":"lower","Y":"upper"}`, new(struct {
			A
			B
		})},
	} {
		want := reflect.New(reflect.TypeOf(c.v).Elem()).Interface()
		if err := json.Unmarshal([]byte(c.in), want); err != nil {
			t.Fatal(err)
		}
		err := strictjson.Unmarshal([]byte(c.in), c.v)
		if err != nil || !reflect.DeepEqual(c.v, want) {
			t.Errorf("%s = %+v, %v; want %+v", c.name, c.v, err, want)
		}
	}

	// Two embedded fields cancel out, so encoding/json gives their name to a field that is
	// spelled differently.
	var cancelled struct {
		twice1
		twice2
		Low int `json:"d"`
	}
	var e *strictjson.Error
	if err := strictjson.Unmarshal([]byte(`{"D":1}`), &cancelled); !errors.As(err, &e) || e.Kind != strictjson.Case {
		t.Errorf("name that nobody gets: %+v, %v", cancelled, err)
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x\n", 1000)
	encoded, err := json.Marshal(long)
	if err != nil {
		t.Fatal(err)
	}
	in := "{" + string(encoded) + ":1," + string(encoded) + ":2}"
	got := strictjson.Unmarshal([]byte(in), new(any))
	if got == nil || len(got.Error()) > 200 || strings.Contains(got.Error(), "\n") {
		t.Errorf("%v", got)
	}
}

// Whatever is accepted means the same to encoding/json, and what encoding/json's grammar
// accepts is refused for a reason of ours only.
func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{
		`{"keys":[{"kid":"a","Kid":"b"}],"any":{"a":1,"a":2}}`,
		`{"any":"\ud83d\ude00\ud800","raw":[1,2.5e-3,-0],"own":null}`,
		`{"byName":{"x":{"next":{"alg":""}}},"fixed":[{}]}`,
		`[[[[[[]]]]]] `, `{} {}`, `"\u12`, `-`, `1e5`, "\"\xff\"", `nul`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want any
		if err := strictjson.Unmarshal(data, &got); err == nil {
			if err := json.Unmarshal(data, &want); err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("accepted %v; encoding/json has %v, %v", got, want, err)
			}
		} else {
			judge(t, data, err)
		}
		var gotSet, wantSet set
		if err := strictjson.Unmarshal(data, &gotSet, strictjson.RefuseUnknown()); err == nil {
			d := json.NewDecoder(strings.NewReader(string(data)))
			d.DisallowUnknownFields()
			if err := d.Decode(&wantSet); err != nil || !reflect.DeepEqual(gotSet, wantSet) {
				t.Fatalf("accepted %+v; encoding/json has %+v, %v", gotSet, wantSet, err)
			}
		} else {
			judge(t, data, err)
			if !reflect.DeepEqual(gotSet, set{}) {
				t.Fatalf("refused, but left %+v", gotSet)
			}
		}
	})
}

func judge(t *testing.T, data []byte, err error) {
	t.Helper()
	var e *strictjson.Error
	if !errors.As(err, &e) || e.Offset < 0 || e.Offset > int64(len(data)) {
		t.Fatalf("refused with %v", err)
	}
	if syntax := e.Kind == strictjson.Syntax || e.Kind == strictjson.Trailing; syntax && json.Valid(data) {
		t.Fatalf("refused valid JSON with %v", err)
	}
	if e.Kind == strictjson.Type && !json.Valid(data) {
		t.Fatalf("invalid JSON reached the decoder: %v", err)
	}
}
