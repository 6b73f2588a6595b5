// Package ldap lets people sign in who live in a directory: OpenLDAP and others of its kind, Microsoft Active Directory, Samba. It is
// a directory.Users; directorytest proves it over OpenLDAP and over a Samba domain controller.
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//		"os"
//
//		"github.com/signet-idp/signet"
//		"github.com/signet-idp/signet/store"
//		"github.com/signet-idp/signet/store/ldap"
//		"github.com/signet-idp/signet/store/memory"
//	)
//
//	func main() {
//		people, err := ldap.New(ldap.Config{
//			Name:         "staff",
//			Servers:      []string{"ldaps://dc1.example.com", "ldaps://dc2.example.com"},
//			BindDN:       "CN=signet,CN=Users,DC=example,DC=com",
//			BindPassword: ldap.Secret(os.Getenv("LDAP_PASSWORD")),
//			Base:         "OU=People,DC=example,DC=com",
//			Schema:       ldap.ActiveDirectory(),
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer people.Close()
//		keys, err := store.NewKeyRing(store.GenerateRingKey())
//		if err != nil {
//			log.Fatal(err)
//		}
//		idp, err := signet.New(signet.Config{
//			Issuer: "http://localhost:8080", Store: memory.New(), Keys: keys, Users: people,
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Fatal(http.ListenAndServe("localhost:8080", idp))
//	}
//
// # Who is who
//
// Somebody is their objectGUID or entryUUID, which no change of name or place alters; the DN is looked up each time. The attributes:
//
//	directory.User       OpenLDAP()            ActiveDirectory()
//	ID                   entryUUID             objectGUID
//	Username             uid                   sAMAccountName
//	Name                 cn                    displayName
//	GivenName            givenName             givenName
//	FamilyName           sn                    sn
//	MiddleName                                 middleName
//	Nickname             displayName
//	Website              labeledURI            wWWHomePage
//	Locale               preferredLanguage     preferredLanguage
//	Email                mail                  mail
//	Phone                telephoneNumber       telephoneNumber
//	Address.Street…      street                streetAddress
//	Address.Locality     l                     l
//	Address.Region       st                    st
//	Address.PostalCode   postalCode            postalCode
//	Address.Country                            co
//	Disabled             pwdAccountLockedTime  userAccountControl
//	Created              createTimestamp       whenCreated
//	Updated              modifyTimestamp       whenChanged
//	Version              entryCSN              uSNChanged
//
// Schema changes each of them, and adds claims. Of several values the first counts. Values that are not text, or longer than 4 KiB, are
// left out. Writing a field that has no attribute is an error rather than a loss; EmailVerified and PhoneVerified are Config's to say.
//
// # Passwords
//
// A password is tried by a bind on a connection of its own, with the password policy control; the connections of the service account
// never carry one. An account that the server refuses for its state is a *directory.AccountError, be it told by the control or by the
// sub-codes of Active Directory (530, 531, 532, 533, 701, 773, 775). Passwords are set with the rights of the service account, so
// that a policy that demands a change after a reset demands one.
//
// # When servers fail
//
// The first server that answers is asked. One that fails three times in a row is left alone for ten seconds; then one request tries it.
// When none answers the error is ErrUnavailable within seconds, never store.ErrNotFound, and New does not need one: people of other
// stores sign in as ever. A change whose answer was lost is store.ErrUncertain. All times are bounded, and a context that ends
// cuts the connection.
//
// # Specifications
//
// RFC 4510 to 4519 (LDAP), RFC 2696 (paged results), RFC 2891 (sorting), RFC 3062 (password modify), RFC 4528 (assertion), RFC 4530
// (entryUUID), RFC 2798 (inetOrgPerson), draft-behera-ldap-password-policy-10, [MS-ADTS] (range retrieval, IN_CHAIN, unicodePwd).
//
// # Not implemented
//
// Referrals and search continuations: they are not followed, since that would hand credentials to servers nobody configured; name all
// servers, or for a forest the global catalogue. SASL (Kerberos, EXTERNAL), NTLM, LDAP over a Unix socket. Synchronisation (DirSync,
// RFC 4533). Groups of POSIX accounts (memberUid), the primary group of Active Directory, writing groups. Organizations below the
// root. Photographs. People changing an expired password with the old one.
package ldap
