//go:build race

package mysql_test

// raceEnabled says that the race detector slows everything down.
const raceEnabled = true
