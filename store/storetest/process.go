package storetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/signet-idp/signet/store"
)

// The environment by which Main knows that the binary was started by a case of Run.
const (
	roleVariable = "SIGNET_STORETEST_ROLE"
	dirVariable  = "SIGNET_STORETEST_DIR"
)

// Main is the TestMain of a driver whose Target says Process. In the processes that Run starts it plays their part, on
// the store that open opens in a folder, and exits; otherwise it runs the tests as usual.
func Main(m *testing.M, open func(dir string) (store.Driver, error)) {
	role := os.Getenv(roleVariable)
	if role == "" {
		m.Run() // the testing package exits with its result
		return
	}
	if err := play(role, open); err != nil {
		fmt.Fprintln(os.Stderr, "storetest:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func play(role string, open func(dir string) (store.Driver, error)) error {
	parts := map[string]func(context.Context, store.Driver) error{"write": playWriter, "compete": playCompetitor}
	part := parts[role]
	if part == nil {
		return fmt.Errorf("unknown role %q", role)
	}
	driver, err := open(os.Getenv(dirVariable))
	if err != nil {
		return err
	}
	fmt.Println(ready)
	return part(context.Background(), driver)
}

// ready is the first line of every process that has opened the store.
const ready = "storetest: ready"

// runProcesses runs the cases that need several processes, each over a folder of its own.
func runProcesses(t *testing.T, target Target) {
	t.Helper()
	t.Run("process", func(t *testing.T) {
		for _, tc := range processCases() {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				if !target.Process {
					t.Skip("the target says that its data does not outlive a process")
				}
				dir := t.TempDir()
				c := &trial{T: t, rule: tc.rule, kind: durable, now: epoch, brief: target.Brief}
				tc.run(c, dir, func() {
					c.driver = target.Open(t, dir)
					c.store = c.driver
				})
			})
		}
	})
}

// processCase is a rule that one process cannot prove. The case opens the store itself, when and as often as it likes.
type processCase struct {
	name, rule string
	run        func(c *trial, dir string, open func())
}

func processCases() []processCase {
	const oneWins = "Of those who compete for one record exactly one wins, also when they are processes."
	return []processCase{
		{"two processes", oneWins, twoProcesses},
		{"kill and reopen", "Apply is durable: what it acknowledged is there after kill -9, and of what it did not, all or nothing.", killAndReopen},
		{"open twice", "Two that have opened one folder see each other's writes.", openTwice},
	}
}

// process is another process of the test binary, in a part that Main plays.
type process struct {
	cmd   *exec.Cmd
	input io.WriteCloser
	lines *bufio.Scanner
	fault *strings.Builder
}

// start starts the test binary again and waits until it has opened the store. It is killed when the case ends.
func (c *trial) start(role, dir string) *process {
	c.Helper()
	binary, err := os.Executable()
	if err != nil {
		c.Fatal(err)
	}
	// Without Main the binary would run its tests, and those start it again: it must find none.
	cmd := exec.Command(binary, "-test.run=^$")
	cmd.Env = append(os.Environ(), roleVariable+"="+role, dirVariable+"="+dir)
	p := &process{cmd: cmd, fault: new(strings.Builder)}
	cmd.Stderr = p.fault
	output, err := cmd.StdoutPipe()
	if err != nil {
		c.Fatal(err)
	}
	if p.input, err = cmd.StdinPipe(); err != nil {
		c.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(p.kill)
	p.lines = bufio.NewScanner(output)
	if line := p.read(c); line != ready {
		c.Fatalf("storetest: the process began with %q; does TestMain call storetest.Main?", line)
	}
	return p
}

// read returns the next line that the process printed.
func (p *process) read(c *trial) string {
	c.Helper()
	if !p.lines.Scan() {
		p.kill()
		c.Fatalf("storetest: the process ended early: %s", p.fault)
	}
	return p.lines.Text()
}

// kill is kill -9. It is no error when the process has ended already.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
