package ldap

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"

	goldap "github.com/go-ldap/ldap/v3"
)

// Schema says how a kind of directory describes people and groups. Begin with OpenLDAP or ActiveDirectory and change what is
// different.
type Schema struct {
	// Filter selects people (RFC 4515).
	Filter string
	// Attributes is where what is known of a person is kept.
	Attributes Attributes
	// ID is the form of the attribute that Attributes.ID names.
	ID IDSyntax
	// Disabled is how an account is switched off.
	Disabled DisabledBy
	// Password is how a password is set.
	Password PasswordBy

	// ObjectClasses are the classes of entries that Create adds, RDN is the attribute that names them: its value is the user
	// name. Required are attributes that the classes demand: where a person has no value for one it gets a stand-in, which is
	// not shown ("-"), or for "cn" the user name.
	ObjectClasses []string
	RDN           string
	Required      []string
	// Assertion says that the server understands the assertion control (RFC 4528). With it a change is refused when anything in
	// the entry has changed since it was read; without it, when one of the attributes to be changed has.
	Assertion bool
	// Sorted says that the server compares Attributes.ID for order, in filters and for sorting (RFC 2891): pages of List are
	// then read from it one by one, where else everybody is looked at for each page.
	Sorted bool

	// Groups is what GroupsOf and Members read.
	Groups Groups
}

// Attributes names the attributes of a person; "" is not kept. ID and Username are required.
type Attributes struct {
	ID, Username                            string
	Name, GivenName, FamilyName, MiddleName string
	Nickname, Profile, Website              string
	Zoneinfo, Locale                        string
	Email, Phone                            string
	StreetAddress, Locality, Region         string
	PostalCode, Country                     string
	Created, Updated                        string
	// Version names an attribute that changes with every change of the entry. It is required for writing.
	Version string
	// Claims are directory.User.Attributes: the first value of an attribute as text, by the claim's name.
	Claims map[string]string
	// Lists are directory.User.Attributes too: all values of an attribute, as a list of texts.
	Lists map[string]string
}

// IDSyntax is the form of the attribute that never changes and tells entries apart.
type IDSyntax uint8

// The forms of an id.
const (
	// EntryUUID is the text of a UUID (RFC 4530).
	EntryUUID IDSyntax = iota
	// ObjectGUID is the 16 bytes of a Microsoft GUID, whose first three parts have the least byte first ([MS-DTYP] §2.3.4.2).
	// The id is its usual text.
	ObjectGUID
	// PlainText is any text of at most 128 letters, digits and ._:@- (nsUniqueId, ipaUniqueID, employeeNumber).
	PlainText
)

// DisabledBy is how a directory marks a disabled account.
type DisabledBy uint8

// The marks of a disabled account.
const (
	// NotDisabled is none: nobody is disabled, and nobody can be.
	NotDisabled DisabledBy = iota
	// LockedTime is pwdAccountLockedTime at 000001010000Z (draft-behera-ldap-password-policy-10 §5.3.3).
	LockedTime
	// AccountControl is the bit ACCOUNTDISABLE of userAccountControl ([MS-ADTS] §2.2.16).
	AccountControl
)

// PasswordBy is how a directory takes a new password.
type PasswordBy uint8

// The ways of setting a password.
const (
	// PasswordModify is the extended operation of RFC 3062.
	PasswordModify PasswordBy = iota
	// UnicodePwd is a change of the attribute unicodePwd ([MS-ADTS] §3.1.1.3.1.5.1), over TLS only.
	UnicodePwd
)

// Groups says how groups look.
type Groups struct {
	// Filter selects groups (RFC 4515).
	Filter string
	// ID and Name are attributes of a group. The ID has the form of a person's.
	ID, Name string
	// Member is the attribute of a group that holds the DNs of its members.
	Member string
	// InChain lets the server follow groups in groups ([MS-ADTS] §3.1.1.3.4.4, LDAP_MATCHING_RULE_IN_CHAIN); else they are
	// followed level by level.
	InChain bool
	// Ranges asks for members in ranges, as a server demands that does not return long attributes whole ([MS-ADTS]
	// §3.1.1.3.1.3.3). A server that answers in ranges unasked is understood in any case.
	Ranges bool
}

// OpenLDAP is the schema of inetOrgPerson (RFC 2798) on OpenLDAP, with the overlay ppolicy for disabled accounts.
func OpenLDAP() Schema {
	return Schema{
		Filter: "(objectClass=inetOrgPerson)",
		Attributes: Attributes{
			ID: "entryUUID", Username: "uid",
			Name: "cn", GivenName: "givenName", FamilyName: "sn", Nickname: "displayName", Website: "labeledURI",
			Locale: "preferredLanguage", Email: "mail", Phone: "telephoneNumber",
			StreetAddress: "street", Locality: "l", Region: "st", PostalCode: "postalCode",
			Created: "createTimestamp", Updated: "modifyTimestamp", Version: "entryCSN",
		},
		ID: EntryUUID, Disabled: LockedTime, Password: PasswordModify,
		ObjectClasses: []string{"top", "person", "organizationalPerson", "inetOrgPerson"}, RDN: "uid", Required: []string{"cn", "sn"},
		Assertion: true, Sorted: true,
		Groups: Groups{Filter: "(objectClass=groupOfNames)", ID: "entryUUID", Name: "cn", Member: "member"},
	}
}

// ActiveDirectory is the schema of user on Microsoft Active Directory and on Samba. For user names in the form of an e-mail
// address set Attributes.Username to "userPrincipalName".
func ActiveDirectory() Schema {
	return Schema{
		Filter: "(&(objectCategory=person)(objectClass=user))",
		Attributes: Attributes{
			ID: "objectGUID", Username: "sAMAccountName",
			Name: "displayName", GivenName: "givenName", FamilyName: "sn", MiddleName: "middleName", Website: "wWWHomePage",
			Locale: "preferredLanguage", Email: "mail", Phone: "telephoneNumber",
			StreetAddress: "streetAddress", Locality: "l", Region: "st", PostalCode: "postalCode", Country: "co",
			Created: "whenCreated", Updated: "whenChanged", Version: "uSNChanged",
		},
		ID: ObjectGUID, Disabled: AccountControl, Password: UnicodePwd,
		ObjectClasses: []string{"top", "person", "organizationalPerson", "user"}, RDN: "cn",
		Groups: Groups{
			Filter: "(objectCategory=group)", ID: "objectGUID", Name: "sAMAccountName", Member: "member", InChain: true, Ranges: true,
		},
	}
}

func (s Schema) isZero() bool { return reflect.ValueOf(s).IsZero() }

func (s Schema) clone() Schema {
	s.ObjectClasses, s.Required = slices.Clone(s.ObjectClasses), slices.Clone(s.Required)
	s.Attributes.Claims, s.Attributes.Lists = maps.Clone(s.Attributes.Claims), maps.Clone(s.Attributes.Lists)
	return s
}

// attributePattern is an attribute description without options (RFC 4512 §1.4): what may stand in a filter unescaped.
var attributePattern = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)*)$`)

func checkSchema(c *Config) (problems []error) {
	s, add := &c.Schema, func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("ldap: Config.Schema."+format, args...))
	}
	for _, f := range []struct{ field, filter string }{{"Filter", s.Filter}, {"Groups.Filter", s.Groups.Filter}} {
		if _, err := goldap.CompileFilter(f.filter); err != nil {
			add("%s is no filter (RFC 4515)", f.field)
		}
	}
	if s.Attributes.ID == "" || s.Attributes.Username == "" {
		add("Attributes.ID and Attributes.Username are required")
	}
	if c.Write && (s.Attributes.Version == "" || s.RDN == "" || len(s.ObjectClasses) == 0) {
		add("Attributes.Version, RDN and ObjectClasses are required for writing")
	}
	if s.ID > PlainText || s.Disabled > AccountControl || s.Password > UnicodePwd {
		problems = append(problems, errors.New("ldap: Config.Schema: ID, Disabled or Password is unknown"))
	}
	names := append([]string{s.RDN, s.Attributes.Created, s.Attributes.Updated, s.Attributes.Version, s.Groups.ID, s.Groups.Name, s.Groups.Member},
		s.Required...)
	names = append(names, s.Attributes.ID, s.Attributes.Username)
	for _, f := range s.Attributes.fields() {
		names = append(names, f.attribute)
	}
	for _, name := range names {
		if name != "" && !attributePattern.MatchString(name) {
			add("Attributes: %q is no attribute", name)
		}
	}
	return problems
}
