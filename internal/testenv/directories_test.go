package testenv_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/signet-idp/signet/internal/testenv"
)

func TestSlapdSurvivesKill(t *testing.T) {
	t.Parallel()
	server := testenv.Slapd(t, "dn: uid=ann,ou=people,dc=signet,dc=test\nobjectClass: inetOrgPerson\nuid: ann\ncn: Ann\nsn: Lee\n")
	search := func() string {
		t.Helper()
		out, err := exec.Command(testenv.Require(t, "slapd", "ldap-utils", "ldapsearch"), "-x", "-LLL", "-H", server.URL(),
			"-D", server.ServiceDN(), "-w", testenv.SlapdPassword, "-b", server.Base(), "(uid=ann)", "sn").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if got := search(); !strings.Contains(got, "sn: Lee") {
		t.Errorf("found %q", got)
	}
	server.Hang(t)
	server.Resume(t)
	server.Kill(t)
	refused(t, server.Addr())
	server.Restart(t)
	if got := search(); !strings.Contains(got, "sn: Lee") {
		t.Errorf("found %q after the restart", got)
	}
	trusted(t, server.TLSURL(), server.CA)
}

func TestSamba(t *testing.T) {
	t.Parallel()
	server := testenv.SharedSamba(t)
	trusted(t, server.TLSURL(), server.CA)
}

// trusted holds that the server behind an ldaps URL has a certificate that its own authority alone vouches for.
func trusted(t *testing.T, server string, authority *x509.CertPool) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: authority})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: x509.NewCertPool()}); err == nil {
		_ = conn.Close()
		t.Error("a certificate is accepted that nobody vouches for")
	}
}
