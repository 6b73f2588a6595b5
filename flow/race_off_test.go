//go:build !race

package flow_test

// raceEnabled says that the race detector makes everything slow, and unevenly so.
const raceEnabled = false
