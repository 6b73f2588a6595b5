package main

import (
	"context"

	"github.com/signet-idp/signet"
	"github.com/signet-idp/signet/store/directory"
)

// The person whom the suite signs in.
const (
	personName     = "foo"
	personPassword = "correct horse battery staple"
)

// addPerson has every standard claim (OpenID Connect Core §5.1): the suite warns of each that is missing.
func addPerson(ctx context.Context, idp *signet.Provider) error {
	return idp.Directory.CreateUser(ctx, &directory.User{
		Username: personName, Name: "Foo Bar Baz", GivenName: "Foo", MiddleName: "Bar", FamilyName: "Baz", Nickname: "foobar",
		Profile: "https://people.example.com/foo", Picture: "https://people.example.com/foo.png", Website: "https://foo.example.com",
		Gender: "female", Birthdate: "1990-02-28", Zoneinfo: "Europe/Berlin", Locale: "en-GB",
		Email: "foo@example.com", EmailVerified: true, Phone: "+49 30 1234567", PhoneVerified: true,
		Address: &directory.Address{
			Formatted: "Unter den Linden 1\n10117 Berlin\nGermany", StreetAddress: "Unter den Linden 1", Locality: "Berlin",
			Region: "Berlin", PostalCode: "10117", Country: "Germany",
		},
	}, personPassword)
}
