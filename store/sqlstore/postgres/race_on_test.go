//go:build race

package postgres_test

// raceEnabled says that the race detector makes SQLite, which is pure Go here, many times slower.
const raceEnabled = true
