//go:build unix

package storetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

func TestMain(m *testing.M) {
	storetest.Main(m, func(dir string) (store.Driver, error) { return openJournal(dir) })
}

// TestProcess proves the cases of several processes on a store that several processes can have.
func TestProcess(t *testing.T) {
	t.Parallel()
	storetest.RunProcesses(t, storetest.Target{
		Process: true,
		Open: func(tb testing.TB, dir string) store.Driver {
			j, err := openJournal(dir)
			if err != nil {
				tb.Fatal(err)
			}
			tb.Cleanup(func() { _ = j.file.Close() })
			return j
		},
	})
}

// TestBrokenProcess proves that these cases fail a journal for what it does wrong.
func TestBrokenProcess(t *testing.T) {
	t.Parallel()
	for flaw, failing := range map[string]string{
		flawForgets:  "kill_and_reopen",
		flawUnlocked: "two_processes",
		flawAlone:    "open_twice",
	} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			path := "TestProcess/process/" + failing
			var output string
			for range 5 { // two that do not lock may miss each other by luck
				if output = runFlawed(t, path, flaw); strings.Contains(output, "--- FAIL: "+path) {
					return
				}
			}
			t.Errorf("the kit let the journal pass:\n%s", output)
		})
	}
}

// The flaws that a journal can have, as the value of brokenVariable.
const (
	flawForgets  = "forgets"  // acknowledges steps long before they are in the file
	flawUnlocked = "unlocked" // several write at once
	flawAlone    = "alone"    // never looks for what others have written
)

// journal is a store in one file of successful steps. Whoever does anything locks the file, does in memory what the
// others have added to it, and adds its own step.
type journal struct {
	mu     sync.Mutex
	file   *os.File
	offset int64
	memory *memory.Driver
	flaw   string
	late   [][]byte // of a journal that forgets
}

// entry is one line: an Apply, or a Purge when it has no Ops.
type entry struct {
	Now   time.Time
	Ops   []store.Op
	Limit int
}

func openJournal(dir string) (*journal, error) {
	file, err := os.OpenFile(filepath.Join(dir, "journal"), os.O_RDWR|os.O_CREATE, 0o600)
	return &journal{file: file, memory: memory.New(), flaw: os.Getenv(brokenVariable)}, err
}

// locked runs fn with the file locked and everything in memory.
func (j *journal) locked(fn func() error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.flaw == flawUnlocked {
		return errors.Join(j.catchUp(), fn())
	}
	fd := int(j.file.Fd())
	if err := syscall.Flock(fd, syscall.LOCK_EX); err != nil {
		return err
	}
	defer func() { _ = syscall.Flock(fd, syscall.LOCK_UN) }()
	if err := j.catchUp(); err != nil {
		return err
	}
	return fn()
}

func (j *journal) catchUp() error {
	if j.flaw == flawAlone {
		return nil
	}
	added, err := io.ReadAll(io.NewSectionReader(j.file, j.offset, 1<<40))
	if err != nil {
		return err
	}
	for line := range bytes.Lines(added) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // its writer was killed; the next one writes over it
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if _, _, err := j.do(e); err != nil {
			return err
		}
		j.offset += int64(len(line))
	}
	return nil
}

func (j *journal) do(e entry) (results []store.Result, purged int, err error) {
	if len(e.Ops) == 0 {
		purged, err = j.memory.Purge(context.Background(), e.Now, e.Limit)
		return nil, purged, err
	}
	results, err = j.memory.Apply(context.Background(), e.Now, e.Ops...)
	return results, 0, err
}

func (j *journal) write(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if j.flaw == flawForgets {
		if j.late = append(j.late, line); len(j.late) < 20 {
			return nil
		}
		line, j.late = j.late[0], j.late[1:]
	}
	_, err = j.file.WriteAt(line, j.offset)
	j.offset += int64(len(line))
	return errors.Join(err, j.file.Truncate(j.offset))
}

func (j *journal) Apply(ctx context.Context, now time.Time, ops ...store.Op) (results []store.Result, err error) {
	if err := errors.Join(ctx.Err()); err != nil || len(ops) == 0 {
		return nil, errors.Join(err, store.ErrInvalid)
	}
	err = j.locked(func() error {
		e := entry{Now: now, Ops: ops}
		if results, _, err = j.do(e); err != nil {
			return err
		}
		return j.write(e)
	})
	return results, err
}

func (j *journal) Purge(ctx context.Context, now time.Time, limit int) (purged int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	err = j.locked(func() error {
		e := entry{Now: now, Limit: limit}
		if _, purged, err = j.do(e); err != nil {
			return err
		}
		return j.write(e)
	})
	return purged, err
}

func (j *journal) Get(ctx context.Context, now time.Time, kind store.Kind, org, id string) (r store.Record, err error) {
	err = j.locked(func() error {
		r, err = j.memory.Get(ctx, now, kind, org, id)
		return err
	})
	return r, err
}

func (j *journal) Lookup(ctx context.Context, now time.Time, kind store.Kind, org string, key store.Key) (r store.Record, err error) {
	err = j.locked(func() error {
		r, err = j.memory.Lookup(ctx, now, kind, org, key)
		return err
	})
	return r, err
}

func (j *journal) List(ctx context.Context, now time.Time, q store.Query) (p store.Page, err error) {
	err = j.locked(func() error {
		p, err = j.memory.List(ctx, now, q)
		return err
	})
	return p, err
}
