// Package archtest holds the architecture in place: its tests read the source of the whole module and fail where a package
// breaks a rule. It has no code of its own; everything is in its test files:
//
//	imports_test.go    who may import whom, and which library belongs where: tables with a reason in each row
//	source_test.go     what no function and no variable may do: clocks, panics, package state, goroutines
//	surface_test.go    what importers see: comments, names, types of other modules
//	ledger_test.go     that the tests which docs/security-ledger.md names are there
//	losses_test.go     that docs/operations.md says what losing each ephemeral kind costs
//	archtest_test.go   the list of all rules, run over the module and over testdata
//	tree_test.go       the parsed module that the rules look at
//
// Each rule has a file testdata/NAME.txtar: a small module that breaks it, with the complaints that must come out. So a rule
// that has gone blind fails the tests too. To change what is allowed, edit a row and its reason; to allow something that no row
// foresees, write a decision record first (docs/decisions).
package archtest
