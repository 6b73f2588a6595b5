package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// onServers runs f, which starts a process, so that the process keeps to the CPUs of the servers: one node and three have the same.
func onServers(f func() error) error {
	runtime.LockOSThread() // a child inherits the CPUs of the thread that starts it
	var all, servers unix.CPUSet
	if unix.SchedGetaffinity(0, &all) != nil {
		runtime.UnlockOSThread()
		return f()
	}
	for cpu := 0; servers.Count() < halfOfCPUs() && cpu < len(all)*64; cpu++ {
		if all.IsSet(cpu) {
			servers.Set(cpu)
		}
	}
	if unix.SchedSetaffinity(0, &servers) != nil {
		runtime.UnlockOSThread()
		return f()
	}
	err := f()
	if unix.SchedSetaffinity(0, &all) == nil { // else the thread dies with its CPUs, still locked
		runtime.UnlockOSThread()
	}
	return err
}
