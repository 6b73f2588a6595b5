// Package testenv finds the real servers and browsers that tests talk to, starts them on loopback, and stops them when the
// test ends.
//
// A test that needs such a program names it and the Debian package that brings it:
//
//	path := testenv.Require(t, "postgres", "postgresql", "postgres", "/usr/lib/postgresql/*/bin/postgres")
//
// Where the program is missing the test is skipped with a message that says what to install. Where the environment
// variable SIGNET_REQUIRE lists its name (names separated by commas, as in "chromium,postgres"), the test fails instead:
// continuous integration sets it, so that a machine without a browser cannot turn a green run into a hollow one.
//
// Servers listen on a free port of loopback, keep their data in a temporary folder, and are gone with the test, or with the process
// for those that all tests of it share, however that ends. [Proxy] stands in front of any of them and does what networks do.
//
// [SMTP] is no program but a mail server of our own, from which a test reads what was sent:
//
//	server := testenv.SMTP(t)
//	… // a provider with smtp.Config{Host: server.Host, Port: server.Port, RootCAs: server.RootCAs, Username: …}
//	code := server.Wait(t, "ann@example.com", 1).Code()
//
// [Axe] is no program either, but the rules by which pages are judged in a browser.
//
// Only tests import this package; internal/archtest holds that.
package testenv
