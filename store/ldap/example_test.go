package ldap_test

import (
	"fmt"
	"os"

	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/ldap"
)

// A directory beside people in the database: who is new goes to the latter.
func Example() {
	schema := ldap.OpenLDAP()
	schema.Attributes.Claims = map[string]string{"employee": "employeeNumber"}
	people, err := ldap.New(ldap.Config{
		Name:         "staff",
		Servers:      []string{"ldaps://ldap1.example.com", "ldaps://ldap2.example.com"},
		BindDN:       "cn=signet,dc=example,dc=com",
		BindPassword: ldap.Secret(os.Getenv("LDAP_PASSWORD") + "…"),
		Base:         "ou=people,dc=example,dc=com",
		Schema:       schema,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = people.Close() }()
	stores := []directory.UserStore{{Users: people}, {Registers: true}} // signet.Config.UserStores
	fmt.Println(stores[0].Users.Capabilities().Name, len(stores))
	// Output: staff 2
}
