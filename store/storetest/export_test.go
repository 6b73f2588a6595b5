package storetest

// RunProcesses is the part of Run that needs several processes.
var RunProcesses = runProcesses
