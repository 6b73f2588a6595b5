package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// serverTimeout bounds the start of a server that hangs; a loaded machine must stay well below it.
const serverTimeout = 2 * time.Minute

// server is a program that serves TCP on loopback and keeps its data in a folder of its own.
type server struct {
	name string
	// folder holds the data and the log; address is where the server listens, before and after a restart.
	folder, address string
	command         func() *exec.Cmd
	// ready returns nil once the server answers.
	ready func(context.Context) error

	mu      sync.Mutex
	process *exec.Cmd
	exited  chan struct{} // closed once process has been waited for
	janitor io.WriteCloser
}

// newServer makes the folder, which belongs to the account that the server runs as, and lets a janitor watch over it.
func newServer(name string, account *syscall.SysProcAttr) (*server, error) {
	folder, err := os.MkdirTemp("", "signet-"+name+"-")
	if err != nil {
		return nil, err
	}
	s := &server{name: name, folder: folder}
	if who := account.Credential; who != nil {
		if err := os.Chown(folder, int(who.Uid), int(who.Gid)); err != nil {
			return nil, errors.Join(err, os.RemoveAll(folder))
		}
	}
	if s.address, err = freeAddress(); err == nil {
		s.janitor, err = newJanitor(folder)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return s, nil
}

// janitorScript reads the id of the process group to end, which may change, until the writing end is closed, be it that the
// test ended, or that its process was killed.
const janitorScript = `while read -r line; do group=$line; done
[ -n "$group" ] && kill -KILL "-$group"
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }`

// newJanitor starts the process that cleans up. Neither a panic of the test nor kill -9 gets past it, and Ctrl-C does not reach it.
func newJanitor(folder string) (io.WriteCloser, error) {
	shell := exec.Command("sh", "-c", janitorScript, "janitor", folder)
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	orders, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := shell.Start(); err != nil {
		return nil, err
	}
	return &janitor{orders, shell}, nil
}

// janitor takes orders; closing it waits until everything is gone.
type janitor struct {
	io.WriteCloser
	shell *exec.Cmd
}

func (j *janitor) Close() error {
	if err := j.WriteCloser.Close(); err != nil {
		return err
	}
	_ = j.shell.Wait() // its status tells nothing: there may be no process to end
	return nil
}

// start starts the server and waits until it answers.
func (s *server) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		return fmt.Errorf("%s runs already", s.name)
	}
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	command := s.command()
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = command.Wait()
	}()
	s.process, s.exited = command, exited
	if _, err := fmt.Fprintln(s.janitor, command.Process.Pid); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	if err := s.await(ctx); err != nil {
		return fmt.Errorf("%s does not come up: %w\n%s", s.name, err, s.lastWords())
	}
	return nil
}

// await asks the server until it answers.
func (s *server) await(ctx context.Context) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("it exited: %s", s.process.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-again.C:
		}
	}
}

// lastWords returns the end of the log.
func (s *server) lastWords() []byte {
	log, _ := os.ReadFile(filepath.Join(s.folder, "log"))
	return log[max(0, len(log)-4000):]
}

// end sends the signal to the server and its children and waits until the server is gone.
func (s *server) end(signal syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return nil
	}
	err := syscall.Kill(-s.process.Process.Pid, signal)
	if errors.Is(err, syscall.ESRCH) {
		err = nil // it has ended by itself
	}
	<-s.exited
	s.process = nil
	_, told := fmt.Fprintln(s.janitor)
	return errors.Join(err, told)
}

// close ends the server and deletes its folder.
func (s *server) close() error {
	return errors.Join(s.end(syscall.SIGKILL), s.janitor.Close())
}

// Addr returns the host and port where the server listens; they stay the same after a restart.
func (s *server) Addr() string { return s.address }

// port is the port of Addr.
func (s *server) port() string {
	_, port, _ := net.SplitHostPort(s.address)
	return port
}

// Kill ends the server and all its children as kill -9 does, and returns when the server is gone. What it had not written to
// its files is lost.
func (s *server) Kill(tb testing.TB) {
	tb.Helper()
	if err := s.end(syscall.SIGKILL); err != nil {
		tb.Fatalf("testenv: kill %s: %v", s.name, err)
	}
}

// Restart starts the server again after Kill, over the same data and at the same address, and returns when it answers.
func (s *server) Restart(tb testing.TB) {
	tb.Helper()
	if err := s.start(context.WithoutCancel(tb.Context())); err != nil {
		tb.Fatalf("testenv: restart: %v", err)
	}
}

// freeAddress returns a loopback address where nobody listens now. Somebody else may be quicker than the caller; then the server
// does not come up and says why.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}

// unprivileged returns what makes a command run in a process group of its own, and, where the test runs as root, as the first of the
// accounts that exists, or as nobody: servers refuse to run as root.
func unprivileged(accounts ...string) (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return attributes, nil
	}
	for _, name := range append(accounts, "nobody") {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return attributes, nil
	}
	return nil, fmt.Errorf("no account of %v to run a server as: it refuses to run as root", accounts)
}

// run runs a command to its end; its error holds what it said.
func run(command *exec.Cmd) error {
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(command.Path), err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}
