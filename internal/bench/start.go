package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/signet-idp/signet"
)

// processCost is what a process costs before it has done anything.
type processCost struct {
	// ColdStart is the time from the start of the process with existing keys to the first 200 of the discovery document and
	// of the key set: the median.
	ColdStart time.Duration
	// Idle is memory in bytes after that and a garbage collection, before the first hash: the median. Of the program's file, and of the
	// libraries', Linux has as many pages resident as it happens to hold already: Program is those.
	Idle, Program int64
}

// measureProcess starts a provider over an existing SQLite database, again and again.
func measureProcess(ctx context.Context, folder string, rounds int) (*processCost, error) {
	folder = filepath.Join(folder, "process")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	if err := makeKeys(ctx, folder); err != nil {
		return nil, err
	}
	var starts []time.Duration
	var idle, program []int64
	for range rounds {
		start, memory, err := startOnce(ctx, folder)
		if err != nil {
			return nil, err
		}
		starts, idle, program = append(starts, start), append(idle, memory.Own), append(program, memory.Resident-memory.Own)
	}
	slices.Sort(starts)
	slices.Sort(idle)
	slices.Sort(program)
	return &processCost{ColdStart: starts[len(starts)/2], Idle: idle[len(idle)/2], Program: program[len(program)/2]}, nil
}

// makeKeys makes the database, with signing keys in it.
func makeKeys(ctx context.Context, folder string) error {
	opened, err := openStore(ctx, "sqlite", folder, nil)
	if err != nil {
		return err
	}
	wiring, err := config(opened.driver, nil, "http://127.0.0.1", folder)
	if err != nil {
		return err
	}
	provider, err := signet.New(wiring)
	if err != nil {
		return err
	}
	if err := provider.Ready(ctx); err != nil {
		return err
	}
	return provider.Close()
}

// startOnce starts the process with a port that is open already, so that the first request waits in it rather than being
// tried again and again.
func startOnce(ctx context.Context, folder string) (took time.Duration, memory outcome, err error) {
	port, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, outcome{}, err
	}
	defer func() { _ = port.Close() }()
	file, err := port.File()
	if err != nil {
		return 0, outcome{}, err
	}
	defer func() { _ = file.Close() }()
	began := time.Now()
	p, err := start([]string{"-role=provider", "-store=sqlite", "-folder=" + folder}, nil, file)
	if err != nil {
		return 0, outcome{}, err
	}
	defer func() {
		if stopping := p.stop(); err == nil {
			err = stopping
		}
	}()
	client := &http.Client{Timeout: time.Minute}
	for _, path := range []string{"/.well-known/openid-configuration", "/oauth2/jwks"} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+port.Addr().String()+path, nil)
		if err != nil {
			return 0, outcome{}, err
		}
		response, err := client.Do(request)
		if err != nil {
			return 0, outcome{}, err
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return 0, outcome{}, fmt.Errorf("%s: %s", path, response.Status)
		}
	}
	took = time.Since(began)
	memory, err = ask[outcome](p, order{})
	return took, memory, err
}
