// Package storetest proves that a store keeps the contract of package store, and breaks stores on purpose.
//
// A driver's test file is this:
//
//	func TestMain(m *testing.M) { storetest.Main(m, open) }
//
//	func TestDriver(t *testing.T) {
//		storetest.Run(t, storetest.Target{
//			Open: func(tb testing.TB, dir string) store.Driver {
//				driver, err := open(dir)
//				if err != nil {
//					tb.Fatal(err)
//				}
//				tb.Cleanup(func() { driver.Close() })
//				return driver
//			},
//			Process: true,
//		})
//	}
//
// where open opens the data in a folder, and makes it when the folder is empty. Every case is a subtest whose failure
// quotes the rule that was broken. Run is the proof for a store.Driver, Ephemeral for a store.Ephemeral.
//
// Tests of what stands above a store take Faults, which fails the calls they choose and lists all of them, and
// Placements, which runs them with ephemeral kinds in the one Driver and in a store of their own.
//
// Gather makes a Crowd, for tests of how a database goes about finding a few among many.
package storetest
