//go:build unix

package sqlite_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/sqlstore/sqlite"
)

// nobody is the user as whom a test runs that means nothing to root.
const nobody = 65534

// TestReadOnlyPermissions runs once more as nobody where it is run by root, who may write to every file.
func TestReadOnlyPermissions(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		asNobody(t)
		return
	}
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Close(), os.Chmod(path, 0o400)); err != nil {
		t.Fatal(err)
	}
	db, err = sqlite.Open(t.Context(), path, sqlite.Config{})
	if err == nil {
		defer db.Close()
		_, err = db.Apply(t.Context(), now, store.Insert(record("1")))
	}
	refused(t, err, "cannot be written", "permission")
}

// asNobody runs the test of this name in a copy of this binary as nobody, in a folder that nobody owns.
func asNobody(t *testing.T) {
	t.Helper()
	home, err := os.MkdirTemp("", "sqlite") // outside of TempDir, whose folders are root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	binary := filepath.Join(home, "sqlite.test")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(binary, program, 0o700), os.Chown(binary, nobody, nobody), os.Chown(home, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Dir, cmd.Env = home, append(os.Environ(), "TMPDIR="+home, "HOME="+home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if output, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, output)
	}
}
