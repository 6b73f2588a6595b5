package testenv

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// SambaServer is a Samba Active Directory domain controller of the domain signet.test, reduced to its LDAP service. It listens on
// the usual ports (389, 636) of a loopback address of its own.
type SambaServer struct {
	*server
	// CA is what clients trust.
	CA *x509.CertPool
}

// SambaPassword is the password of the domain's administrator.
const SambaPassword = "Passw0rd-of-the-administrator"

// SharedSamba returns the domain controller that all tests of this process share: the first call provisions the domain, which takes
// ten seconds and more; it ends with the process, however that ends. No test may Kill it.
//
// Samba changes its user id and opens ports below 1024, so it runs as root on Linux only, where all of 127.0.0.0/8 is loopback;
// elsewhere the test is skipped, as it is without the server, see [Require]. The name in SIGNET_REQUIRE is samba.
func SharedSamba(tb testing.TB) *SambaServer {
	tb.Helper()
	Require(tb, "samba", "samba", sambaLookups...)
	Require(tb, "samba", "samba-common-bin", "samba-tool")
	if _, err := os.Stat("/usr/share/samba/setup"); err != nil {
		missing(tb, "samba", "apt-get install samba-ad-provision: /usr/share/samba/setup is missing")
	}
	if os.Geteuid() != 0 {
		missing(tb, "samba", "a domain controller runs as root only")
	}
	s, err := sharedSamba()
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
	return s
}

// missing skips the test, or fails it where SIGNET_REQUIRE lists the name.
func missing(tb testing.TB, name, why string) {
	tb.Helper()
	if required(os.Getenv(requireVariable), name) {
		tb.Fatalf("%s, and %s lists %s", why, requireVariable, name)
	}
	tb.Skip(why)
}

var sambaLookups = []string{"samba", "/usr/sbin/samba"}

var sharedSamba = sync.OnceValues(func() (*SambaServer, error) { return newSamba(context.Background()) })

func newSamba(ctx context.Context) (*SambaServer, error) {
	path, err := first(sambaLookups)
	if err != nil {
		return nil, err
	}
	account := &syscall.SysProcAttr{Setpgid: true}
	base, err := newServer("samba", account)
	if err != nil {
		return nil, err
	}
	s := &SambaServer{server: base}
	host := loopback()
	s.address = net.JoinHostPort(host.String(), "389")
	config := filepath.Join(s.folder, "etc", "smb.conf")
	s.command = func() *exec.Cmd {
		command := exec.Command(path, "-s", config, "-i", "-M", "single", "--no-process-group")
		command.Dir, command.SysProcAttr = s.folder, account
		return command
	}
	s.ready = func(ctx context.Context) error { return answersBind(ctx, s.address) }
	if err = s.provision(ctx, config, host); err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// loopback returns an address of 127.0.0.0/8 at random, since the ports are not: several processes may each have a server.
func loopback() net.IP {
	b := make([]byte, 2)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return net.IPv4(127, 77, b[0], max(b[1], 2))
}

// provision makes the domain and adds to its configuration what keeps the server in its folder and on loopback.
func (s *SambaServer) provision(ctx context.Context, config string, host net.IP) error {
	tool := exec.CommandContext(ctx, "samba-tool", "domain", "provision", "--targetdir", s.folder, "--server-role=dc",
		"--realm=SIGNET.TEST", "--domain=SIGNET", "--host-name=dc1", "--host-ip="+host.String(), "--adminpass="+SambaPassword,
		"--dns-backend=NONE",
		"--option=interfaces="+host.String()+"/8", "--option=bind interfaces only=yes",
		"--option=server services=ldap", "--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb",
		"--option=log file="+filepath.Join(s.folder, "log.samba"))
	tool.Dir = s.folder
	if err := run(tool); err != nil {
		return err
	}
	var err error
	if s.CA, err = certify(s.folder, host, "dc1.signet.test"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.folder, "run"), 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	more := fmt.Sprintf(`[global]
	pid directory = %[1]s/run
	ncalrpc dir = %[1]s/run/ncalrpc
	log file = %[1]s/log.samba
	tls enabled = yes
	tls cafile = %[1]s/ca.pem
	tls certfile = %[1]s/cert.pem
	tls keyfile = %[1]s/key.pem
	ldap server require strong auth = allow_sasl_over_tls
	ldb:nosync = true
`, s.folder)
	if err := os.WriteFile(config, []byte(strings.Replace(string(text), "[global]\n", more, 1)), 0o600); err != nil {
		return err
	}
	// Passwords are the business of the tests.
	tool = exec.CommandContext(ctx, "samba-tool", "domain", "passwordsettings", "set", "-s", config,
		"--complexity=off", "--min-pwd-length=1", "--min-pwd-age=0", "--history-length=0")
	tool.Dir = s.folder
	return run(tool)
}

// URL is where the server is reached with StartTLS or none.
func (s *SambaServer) URL() string { return "ldap://" + s.address }

// TLSURL is where the server is reached with TLS from the first byte.
func (s *SambaServer) TLSURL() string {
	host, _, _ := net.SplitHostPort(s.address)
	return "ldaps://" + net.JoinHostPort(host, "636")
}

// Base is the suffix of the domain.
func (s *SambaServer) Base() string { return "DC=signet,DC=test" }

// AdminDN is the administrator of the domain.
func (s *SambaServer) AdminDN() string { return "CN=Administrator,CN=Users," + s.Base() }
