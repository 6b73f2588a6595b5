package testenv

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// SlapdServer is an OpenLDAP server on loopback, with the overlays ppolicy and sssvlv and the schema of inetOrgPerson. Under
// [SlapdServer.Base] there are ou=people, ou=groups and ou=policies, and nobody.
type SlapdServer struct {
	*server
	// CA is what clients trust.
	CA *x509.CertPool

	secure string // the address for TLS
}

// SlapdPassword is the password of ServiceDN.
const SlapdPassword = "the service account's own"

// Slapd starts an OpenLDAP server that belongs to this test alone, over the entries that are given as LDIF, also with operational
// attributes. It is stopped and its data deleted when the test ends. A missing server skips the test, see [Require]; the name in
// SIGNET_REQUIRE is slapd.
func Slapd(tb testing.TB, ldif ...string) *SlapdServer {
	tb.Helper()
	slapd := Require(tb, "slapd", "slapd", "slapd", "/usr/sbin/slapd", "/usr/lib/openldap/slapd")
	s, err := newSlapd(context.WithoutCancel(tb.Context()), slapd, ldif)
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.close(); err != nil {
			tb.Errorf("testenv: stop slapd: %v", err)
		}
	})
	return s
}

func newSlapd(ctx context.Context, path string, ldif []string) (*SlapdServer, error) {
	account, err := unprivileged("openldap")
	if err != nil {
		return nil, err
	}
	base, err := newServer("slapd", account)
	if err != nil {
		return nil, err
	}
	s := &SlapdServer{server: base}
	config := filepath.Join(s.folder, "slapd.conf")
	s.command = func() *exec.Cmd {
		// With a debug level slapd stays in the foreground.
		command := exec.Command(path, "-f", config, "-h", s.URL()+" "+s.TLSURL(), "-d", "0")
		command.Dir, command.SysProcAttr = s.folder, account
		return command
	}
	s.ready = func(ctx context.Context) error { return answersBind(ctx, s.address) }
	if err = s.prepare(ctx, path, config, account, ldif); err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// prepare writes the configuration, the certificates and the database.
func (s *SlapdServer) prepare(ctx context.Context, path, config string, account *syscall.SysProcAttr, ldif []string) (err error) {
	if s.secure, err = freeAddress(); err != nil {
		return err
	}
	if s.CA, err = certify(s.folder, net.IPv4(127, 0, 0, 1), "localhost"); err != nil {
		return err
	}
	data := filepath.Join(s.folder, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	entries := filepath.Join(s.folder, "entries.ldif")
	text := strings.NewReplacer("FOLDER", s.folder, "SCHEMA", schemaFolder(), "MODULES", moduleFolder(), "PASSWORD", SlapdPassword)
	if err := os.WriteFile(config, []byte(text.Replace(slapdConfig)), 0o600); err != nil {
		return err
	}
	all := strings.Join(append([]string{text.Replace(slapdEntries)}, ldif...), "\n")
	if err := os.WriteFile(entries, []byte(all), 0o600); err != nil {
		return err
	}
	if who := account.Credential; who != nil {
		for _, name := range []string{"data", "slapd.conf", "entries.ldif", "ca.pem", "cert.pem", "key.pem"} {
			if err := os.Chown(filepath.Join(s.folder, name), int(who.Uid), int(who.Gid)); err != nil {
				return err
			}
		}
	}
	load := exec.CommandContext(ctx, path, "-T", "add", "-q", "-f", config, "-l", entries)
	load.Dir, load.SysProcAttr = s.folder, account
	return run(load)
}

// URL is where the server is reached with StartTLS or none.
func (s *SlapdServer) URL() string { return "ldap://" + s.address }

// TLSURL is where the server is reached with TLS from the first byte.
func (s *SlapdServer) TLSURL() string { return "ldaps://" + s.secure }

// Base is the suffix of the directory.
func (s *SlapdServer) Base() string { return "dc=signet,dc=test" }

// ServiceDN is an account that may change everything, passwords as their policy lets it, under the limits of everybody: 500 entries in one search without paging.
func (s *SlapdServer) ServiceDN() string { return "cn=service," + s.Base() }

// Hang stops the process with SIGSTOP: the kernel still accepts connections, and nobody answers. Resume lets it go on.
func (s *SlapdServer) Hang(tb testing.TB) {
	tb.Helper()
	pid := s.signal(tb, syscall.SIGSTOP)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for range 2000 { // the kernel takes its time
		if stopped(pid) {
			return
		}
		<-again.C
	}
	tb.Fatalf("testenv: %s does not stop", s.name)
}

// Resume ends Hang.
func (s *SlapdServer) Resume(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGCONT)
}

func (s *SlapdServer) signal(tb testing.TB, signal syscall.Signal) (pid int) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		tb.Fatalf("testenv: %s does not run", s.name)
	}
	if err := s.process.Process.Signal(signal); err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	return s.process.Process.Pid
}

// stopped reports whether no thread of a process runs. Without /proc it is taken on trust.
func stopped(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // the only error is a malformed pattern
	return !slices.ContainsFunc(threads, func(stat string) bool {
		text, err := os.ReadFile(stat)
		return err == nil && !strings.Contains(string(text), ") T ")
	})
}

// answersBind asks for an anonymous bind (RFC 4513 §5.1.1) and waits for any answer.
func answersBind(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := io.WriteString(conn, "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err
}

func schemaFolder() string { return folderOf("/etc/ldap/schema", "/etc/openldap/schema") }

func moduleFolder() string {
	return folderOf("/usr/lib/ldap", "/usr/lib64/openldap", "/usr/lib/openldap")
}

// folderOf returns the first of the folders that exists.
func folderOf(folders ...string) string {
	for _, folder := range folders {
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			return folder
		}
	}
	return folders[0]
}

const slapdConfig = `include SCHEMA/core.schema
include SCHEMA/cosine.schema
include SCHEMA/inetorgperson.schema
modulepath MODULES
moduleload back_mdb
moduleload ppolicy
moduleload sssvlv
pidfile FOLDER/slapd.pid
TLSCACertificateFile FOLDER/ca.pem
TLSCertificateFile FOLDER/cert.pem
TLSCertificateKeyFile FOLDER/key.pem
TLSVerifyClient never
sizelimit 500
sortvals member
database mdb
suffix "dc=signet,dc=test"
rootdn "cn=admin,dc=signet,dc=test"
directory FOLDER/data
maxsize 1073741824
dbnosync
index objectClass,entryUUID,uid,mail,member eq
limits dn.exact="cn=service,dc=signet,dc=test" size=500 size.prtotal=unlimited
access to attrs=userPassword by dn.exact="cn=service,dc=signet,dc=test" write by anonymous auth by * none
access to * by dn.exact="cn=service,dc=signet,dc=test" manage by users read by * auth
overlay ppolicy
ppolicy_default "cn=lenient,ou=policies,dc=signet,dc=test"
ppolicy_use_lockout
overlay sssvlv
`

const slapdEntries = `dn: dc=signet,dc=test
objectClass: domain
dc: signet

dn: ou=people,dc=signet,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=signet,dc=test
objectClass: organizationalUnit
ou: groups

dn: ou=policies,dc=signet,dc=test
objectClass: organizationalUnit
ou: policies

dn: cn=lenient,ou=policies,dc=signet,dc=test
objectClass: organizationalRole
objectClass: pwdPolicy
cn: lenient
pwdAttribute: userPassword

dn: cn=service,dc=signet,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: service
userPassword: PASSWORD
`
