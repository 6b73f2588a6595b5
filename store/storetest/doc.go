// Package storetest breaks stores on purpose, for the tests of what stands above them: Faults fails the calls that a
// test chooses and lists all of them, and Placements runs a test with ephemeral kinds in the one Driver and in a store
// of their own.
package storetest
