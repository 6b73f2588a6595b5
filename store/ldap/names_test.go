package ldap_test

import (
	"errors"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/ldap"
)

// hostileNames mean something in a filter, in a name or in neither.
var hostileNames = []string{
	"*", "a*", "*)(uid=*", "*)(objectClass=*))(|(uid=*", "ann)(|(uid=*))", "(&(uid=ann))", `\2a`, `a\`, `\`, "#ann", "a,b", "a+b=c", "a=b",
	`"ann"`, "<ann>", "a;b", "a/b", "ann,ou=people,dc=signet,dc=test", "o'brien", "zo\u00eb", "\u5f20\u4f1f", "a b", "-", "ann\u200b", "a|b&c!d",
}

func TestNamesOfEveryKind(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t)
	u := open(t, openLDAP(server))
	ids := map[string]string{}
	for _, name := range hostileNames {
		user := person(t, u, name)
		ids[name] = user.ID
	}
	for _, name := range hostileNames {
		user := find(t, u, directory.ByUsername, name)
		if user.ID != ids[name] || user.Username != name {
			t.Errorf("%q found %q", name, user.Username)
		}
		if ok, err := u.VerifyPassword(t.Context(), user, openSesame); !ok || err != nil {
			t.Errorf("%q: VerifyPassword = %v, %v", name, ok, err)
		}
		page, err := u.List(t.Context(), store.Query{Filter: store.Equals("username", store.Text(name))})
		if err != nil || len(page.Items) != 1 || page.Items[0].ID != user.ID {
			t.Errorf("%q: listed %d, %v", name, len(page.Items), err)
		}
	}
	for _, name := range hostileNames {
		user := find(t, u, directory.ByID, ids[name])
		user.Username = "x" + name + "x"
		if err := u.Replace(t.Context(), nil, user); err != nil {
			t.Errorf("rename %q: %v", name, err)
			continue
		}
		if again := find(t, u, directory.ByUsername, "x"+name+"x"); again.ID != ids[name] {
			t.Errorf("%q became another when renamed", name)
		}
		if err := u.Delete(t.Context(), nil, user); err != nil {
			t.Errorf("delete %q: %v", name, err)
		}
	}
	if page, err := u.List(t.Context(), store.Query{}); err != nil || len(page.Items) != 0 {
		t.Errorf("%d remain, %v", len(page.Items), err)
	}
}

func TestInjectionFindsNobody(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t)
	u := open(t, openLDAP(server))
	person(t, u, "ann")
	for _, value := range append(hostileNames, " ann", "ann ", "a nn", "an\x00n", "ann\x00", "\xff", strings.Repeat("a", 100_000), " ", "\n") {
		absent(t, u, directory.ByUsername, value)
		absent(t, u, directory.ByEmail, value)
		absent(t, u, directory.ByID, value)
		absent(t, u, directory.IdentifierName(value), "ann")
		for _, field := range []string{"username", "email", "id", "name"} {
			for _, operator := range []store.Operator{store.Eq, store.StartsWith, store.Contains, store.EndsWith} {
				if value == "a*" || value == "-" || strings.TrimSpace(value) == "" {
					continue // part of an id, or of nothing
				}
				q := store.Query{Filter: store.Compare{Field: field, Operator: operator, Value: store.Text(value)}}
				if page, err := u.List(t.Context(), q); err != nil || len(page.Items) != 0 {
					t.Errorf("%s %d %.50q: listed %d, %v", field, operator, value, len(page.Items), err)
				}
			}
		}
	}
	if _, err := u.Find(t.Context(), "elsewhere", directory.Identifier{Name: directory.ByUsername, Value: "ann"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("found in another organization: %v", err)
	}
}

// A person stays who they are, whatever an administrator makes of their name and place.
func TestRenamedBehindTheStore(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t)
	config := openLDAP(server)
	u, c := open(t, config), admin(t, server.URL(), config)
	ann := person(t, u, "ann")
	inner := config
	inner.Base = unit(t, server.URL(), config)
	for _, r := range []*goldap.ModifyDNRequest{
		goldap.NewModifyDNRequest("uid=ann,"+config.Base, "uid=anna", true, ""),
		goldap.NewModifyDNRequest("uid=anna,"+config.Base, "uid=Anna\\, the second", true, inner.Base),
	} {
		if err := c.ModifyDN(r); err != nil {
			t.Fatal(err)
		}
	}
	got := find(t, u, directory.ByUsername, "ANNA, the second")
	if got.ID != ann.ID {
		t.Errorf("ann was %s and is %s", ann.ID, got.ID)
	}
	if ok, err := u.VerifyPassword(t.Context(), ann, openSesame); !ok || err != nil {
		t.Errorf("VerifyPassword with what was read before: %v, %v", ok, err)
	}
	absent(t, u, directory.ByUsername, "ann")
	// Somebody new under the old name is somebody else.
	if other := person(t, u, "ann"); other.ID == ann.ID {
		t.Error("two people have one id")
	}
}

// Names that two entries have are nobody's.
func TestTwins(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t)
	config := openLDAP(server)
	u := open(t, config)
	person(t, u, "ann")
	inner := config
	inner.Base = unit(t, server.URL(), config)
	person(t, open(t, inner), "ann")
	absent(t, u, directory.ByUsername, "ann")
	if err := u.Create(t.Context(), nil, &directory.User{Username: "Ann"}); err == nil {
		t.Error("a third of the name was added")
	}
}

func TestFieldsSurvive(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t)
	config := openLDAP(server)
	config.EmailVerified, config.Schema = true, ldap.OpenLDAP()
	config.Schema.Attributes.Claims = map[string]string{"employee": "employeeNumber"}
	config.Schema.Attributes.Lists = map[string]string{"departments": "departmentNumber"}
	u := open(t, config)
	ann := &directory.User{
		Username: "ann", Name: "Ann Lee", GivenName: "Ann", FamilyName: "Lee", Nickname: "annie", Website: "https://ann.example.com",
		Locale: "fr-CH", Email: "ann@example.com", Phone: "+41 44 555 00 00",
		Address:    &directory.Address{StreetAddress: "Main Street 1", Locality: "Z\u00fcrich", Region: "ZH", PostalCode: "8001"},
		Attributes: map[string]any{"employee": "7", "departments": []any{"sales", "books"}},
	}
	if err := u.Create(t.Context(), nil, ann); err != nil {
		t.Fatal(err)
	}
	got := find(t, u, directory.ByID, ann.ID)
	if got.Name != "Ann Lee" || got.GivenName != "Ann" || got.FamilyName != "Lee" || got.Nickname != "annie" || got.Website != ann.Website ||
		got.Locale != "fr-CH" || got.Phone != ann.Phone || *got.Address != *ann.Address || !got.EmailVerified || got.PhoneVerified ||
		got.Attributes["employee"] != "7" || len(got.Attributes["departments"].([]any)) != 2 || got.Created.IsZero() || got.Updated.IsZero() {
		t.Errorf("read %+v %+v", got, got.Address)
	}
	got.FamilyName, got.Phone, got.Address, got.Attributes = "", "", nil, map[string]any{"departments": []any{"books"}}
	got.Name = "Ann"
	if err := u.Replace(t.Context(), nil, got); err != nil {
		t.Fatal(err)
	}
	if again := find(t, u, directory.ByID, ann.ID); again.FamilyName != "" || again.Phone != "" || again.Address != nil ||
		again.Attributes["employee"] != nil || again.Attributes["departments"].([]any)[0] != "books" || again.Name != "Ann" || again.Version != got.Version {
		t.Errorf("after the change: %+v", again)
	}
	for field, change := range map[string]func(*directory.User){
		"birthdate":        func(u *directory.User) { u.Birthdate = "1990-01-02" },
		"attributes.hobby": func(u *directory.User) { u.Attributes = map[string]any{"hobby": "chess"} },
		"attributes.employee": func(u *directory.User) {
			u.Attributes = map[string]any{"employee": 7.0}
		},
	} {
		user := find(t, u, directory.ByID, ann.ID)
		change(user)
		err := u.Replace(t.Context(), nil, user)
		if invalid, ok := errors.AsType[*directory.InvalidError](err); !ok || invalid.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestFieldsSurviveInSamba(t *testing.T) {
	t.Parallel()
	server := testenv.SharedSamba(t)
	config := samba(t, server)
	u, c := open(t, config), admin(t, server.TLSURL(), config)
	prefix := store.NewID()[:6]
	ann := &directory.User{
		Username: "(" + prefix + ") & \u00e9#", Name: "Ann Lee, *", GivenName: "Ann", FamilyName: "Lee", MiddleName: "M", Email: prefix + "@example.com",
		Phone: "+41 44 555 00 00", Address: &directory.Address{StreetAddress: "Main Street 1", Locality: "Z\u00fcrich", Country: "Switzerland"},
	}
	if err := errors.Join(u.Create(t.Context(), nil, ann), u.SetPassword(t.Context(), nil, ann, openSesame)); err != nil {
		t.Fatal(err)
	}
	got := find(t, u, directory.ByUsername, strings.ToUpper(ann.Username))
	if got.ID != ann.ID || got.Name != ann.Name || got.GivenName != "Ann" || got.FamilyName != "Lee" || got.MiddleName != "M" ||
		got.Email != ann.Email || got.Phone != ann.Phone || *got.Address != *ann.Address || got.Disabled || got.Created.IsZero() {
		t.Errorf("read %+v %+v", got, got.Address)
	}
	got.Name, got.Phone, got.Username = "Ann", "", prefix+"anna"
	if err := u.Replace(t.Context(), nil, got); err != nil {
		t.Fatal(err)
	}
	again := find(t, u, directory.ByUsername, prefix+"anna")
	if again.ID != ann.ID || again.Name != "Ann" || again.Phone != "" || again.Version != got.Version {
		t.Errorf("after the change: %+v", again)
	}
	// Moved and renamed by an administrator, she is who she was, with the password that she had.
	inner := config
	inner.Base = unit(t, server.TLSURL(), config)
	if err := c.ModifyDN(goldap.NewModifyDNRequest("CN="+prefix+"anna,"+config.Base, "CN=Somebody\\, else", true, inner.Base)); err != nil {
		t.Fatal(err)
	}
	if right, err := u.VerifyPassword(t.Context(), ann, openSesame); !right || err != nil {
		t.Errorf("VerifyPassword = %v, %v", right, err)
	}
	if moved := find(t, u, directory.ByID, ann.ID); moved.Username != prefix+"anna" {
		t.Errorf("moved: %+v", moved)
	}
	if err := u.Delete(t.Context(), nil, find(t, u, directory.ByID, ann.ID)); err != nil {
		t.Error(err)
	}
	absent(t, u, directory.ByID, ann.ID)
}

// Values that are no text of a person's, or too long, are left out and harm nobody.
func TestUnusableValues(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t, "dn: uid=ann,ou=people,dc=signet,dc=test\nobjectClass: inetOrgPerson\nuid: ann\ncn: Ann\nsn: Lee\n"+
		"givenName: "+strings.Repeat("x", 5000)+"\ndisplayName: annie\nmail: a@example.com\nmail: b@example.com\n")
	config := openLDAP(server)
	config.Schema = ldap.OpenLDAP()
	config.Schema.Attributes.Claims = map[string]string{"photo": "jpegPhoto"}
	u := open(t, config)
	c := admin(t, server.URL(), config)
	r := goldap.NewModifyRequest("uid=ann,"+config.Base, nil)
	r.Add("jpegPhoto", []string{"\xff\xd8\xff" + strings.Repeat("\x00", 100_000)})
	if err := c.Modify(r); err != nil {
		t.Fatal(err)
	}
	ann := find(t, u, directory.ByUsername, "ann")
	if ann.GivenName != "" || ann.Nickname != "annie" || ann.Attributes["photo"] != nil || ann.Website != "" {
		t.Errorf("read %+v", ann)
	}
	ann.Email = "c@example.com"
	if err := u.Replace(t.Context(), nil, ann); err != nil {
		t.Fatal(err)
	}
	if got := find(t, u, directory.ByEmail, "c@example.com"); got.ID != ann.ID {
		t.Error("the new address is another's")
	}
	result, err := c.Search(goldap.NewSearchRequest("uid=ann,"+config.Base, goldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{"mail", "jpegPhoto"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if e := result.Entries[0]; len(e.GetAttributeValues("mail")) != 2 || len(e.GetRawAttributeValue("jpegPhoto")) == 0 {
		t.Errorf("what the store does not know was lost: %v", e.GetAttributeValues("mail"))
	}
}
