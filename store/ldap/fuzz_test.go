package ldap_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/store/ldap"
)

func TestGUID(t *testing.T) {
	t.Parallel()
	value := []byte{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	text, ok := ldap.GUIDText(value)
	if want := "00112233-4455-6677-8899-aabbccddeeff"; !ok || text != want {
		t.Errorf("read %q, %v; want %q", text, ok, want)
	}
	if back, ok := ldap.GUIDBytes(text); !ok || !bytes.Equal(back, value) {
		t.Errorf("written %x, %v; want %x", back, ok, value)
	}
}

func FuzzGUID(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), "00112233-4455-6677-8899-aabbccddeeff")
	f.Add([]byte{}, "{00112233-4455-6677-8899-AABBCCDDEEFF}")
	f.Fuzz(func(t *testing.T, value []byte, text string) {
		if shown, ok := ldap.GUIDText(value); ok {
			if back, ok := ldap.GUIDBytes(shown); !ok || !bytes.Equal(back, value) {
				t.Errorf("%x is %q, which is %x", value, shown, back)
			}
		} else if len(value) == 16 {
			t.Errorf("%x is none", value)
		}
		if value, ok := ldap.GUIDBytes(text); ok {
			if shown, ok := ldap.GUIDText(value); !ok || shown != text {
				t.Errorf("%q is %x, which is %q", text, value, shown)
			}
		}
	})
}

// FuzzEscape holds that what people type stays one value, in names and in filters.
func FuzzEscape(f *testing.F) {
	for _, s := range hostileNames {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if !utf8.ValidString(value) || value == "" {
			return
		}
		name := ldap.RDN("uid", value)
		dn, err := goldap.ParseDN(name + ",dc=example,dc=com")
		if err != nil || len(dn.RDNs) != 3 || len(dn.RDNs[0].Attributes) != 1 || dn.RDNs[0].Attributes[0].Value != value {
			t.Errorf("%q became %q: %v, %v", value, name, dn, err)
		}
		if first, parent, ok := ldap.CutRDN(name + ",dc=example,dc=com"); !ok || first != name || parent != ",dc=example,dc=com" {
			t.Errorf("%q is cut into %q and %q", name, first, parent)
		}
		packet, err := goldap.CompileFilter("(uid=" + goldap.EscapeFilter(value) + ")")
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		if packet.Tag != goldap.FilterEqualityMatch || len(packet.Children) != 2 || packet.Children[1].Data.String() != value {
			t.Errorf("%q became another filter", value)
		}
	})
}

func FuzzSpan(f *testing.F) {
	for _, s := range []string{"member;range=0-1499", "member;Range=1500-*", "member;range=-1-5", "member;range=9-1", "member;binary", "member"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, description string) {
		attribute, from, to, last, ok := ldap.ParseSpan(description)
		if ok && (from < 0 || to < from || (last && to != from) || !strings.HasPrefix(description, attribute+";")) {
			t.Errorf("%q is %q from %d to %d, %v", description, attribute, from, to, last)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("eyJpIjoiMDAxIn0")
	f.Add("*")
	f.Fuzz(func(t *testing.T, cursor string) {
		again, err := ldap.ParseCursor(cursor)
		if err != nil || again == "" {
			return
		}
		if twice, err := ldap.ParseCursor(again); err != nil || twice != again {
			t.Errorf("%q was written %q and then %q, %v", cursor, again, twice, err)
		}
	})
}
