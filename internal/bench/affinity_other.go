//go:build !linux

package main

// onServers runs f. Which CPUs a process keeps to is Linux's to say: elsewhere three nodes have more of them than one.
func onServers(f func() error) error { return f() }
