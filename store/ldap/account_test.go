package ldap_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/signet-idp/signet/internal/testenv"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/ldap"
)

const guid = "0123456789abcdef"

// domain is a fake Active Directory with ann, which lets everybody bind whom admit does.
func domain(t *testing.T, admit func(dn, password string) []byte) (*fake, ldap.Config) {
	t.Helper()
	f := newFake(t, func(r request) [][]byte {
		switch r.tag {
		case bindRequest:
			return [][]byte{admit(string(r.parts[1].value), string(r.parts[2].value))}
		case searchRequest:
			return [][]byte{
				found("CN=ann,DC=example,DC=com", map[string][]string{"objectGUID": {guid}, "sAMAccountName": {"ann"}, "uSNChanged": {"7"}}),
				result(searchDone, 0, ""),
			}
		}
		return nil
	})
	return f, ldap.Config{
		Name: "domain", Servers: []string{f.url()}, BindDN: "CN=service,DC=example,DC=com", BindPassword: "secret",
		Base: "DC=example,DC=com", Schema: ldap.ActiveDirectory(),
	}
}

// state returns the state for which an account is refused, or "".
func state(t *testing.T, right bool, err error) directory.AccountState {
	t.Helper()
	refused, ok := errors.AsType[*directory.AccountError](err)
	if err != nil && !ok {
		t.Errorf("an error that is not of the account: %v", err)
	}
	if right && err != nil {
		t.Errorf("right and refused: %v", err)
	}
	if !ok {
		return ""
	}
	return refused.State
}

func TestActiveDirectorySubcodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]directory.AccountState{
		"525": "", "52e": "", "530": directory.AccountRestricted, "531": directory.AccountRestricted, "532": directory.PasswordExpired,
		"533": directory.AccountDisabled, "701": directory.AccountExpired, "773": directory.PasswordMustChange, "775": directory.AccountLocked,
		"0": "", "999999999": "",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			_, config := domain(t, func(dn, _ string) []byte {
				if strings.Contains(dn, "service") {
					return result(bindResponse, 0, "")
				}
				return result(bindResponse, 49, fmt.Sprintf("80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data %s, v3839\x00", code))
			})
			u := open(t, config)
			right, err := u.VerifyPassword(t.Context(), find(t, u, directory.ByUsername, "ann"), "wrong")
			if got := state(t, right, err); right || got != want {
				t.Errorf("%s is %v, %q; want %q", code, right, got, want)
			}
			if right, err := u.VerifyPassword(t.Context(), nil, "wrong"); right || err != nil {
				t.Errorf("nobody: %v, %v", right, err)
			}
		})
	}
}

// A server that takes an empty password for a bind as nobody, and everything else for right, is not asked about one.
func TestEmptyPassword(t *testing.T) {
	t.Parallel()
	var empty atomic.Bool
	f, config := domain(t, func(_, password string) []byte {
		if password == "" {
			empty.Store(true)
		}
		return result(bindResponse, 0, "")
	})
	u := open(t, config)
	ann := find(t, u, directory.ByUsername, "ann")
	before := f.dials.Load()
	for _, who := range []*directory.User{ann, nil} {
		if right, err := u.VerifyPassword(t.Context(), who, ""); right || err != nil {
			t.Errorf("VerifyPassword(%v, \"\") = %v, %v", who, right, err)
		}
	}
	if empty.Load() || f.dials.Load() != before {
		t.Error("the server was asked")
	}
	if right, err := u.VerifyPassword(t.Context(), ann, "x"); !right || err != nil {
		t.Errorf("a right password: %v, %v", right, err)
	}
	if right, _ := u.VerifyPassword(t.Context(), nil, "x"); right {
		t.Error("nobody's password is right")
	}
}

// The password of nobody is put to the decoy, or to an entry that does not exist, with as many requests as anybody's.
func TestDecoy(t *testing.T) {
	t.Parallel()
	for _, decoy := range []string{"", "CN=decoy,DC=example,DC=com"} {
		var mu sync.Mutex
		var names []string
		f, config := domain(t, func(dn, _ string) []byte {
			mu.Lock()
			defer mu.Unlock()
			names = append(names, dn)
			return result(bindResponse, 49, "")
		})
		var asked atomic.Int64
		admit := f.handler
		f.handler = func(r request) [][]byte {
			asked.Add(1)
			if r.tag == bindRequest && strings.Contains(string(r.parts[1].value), "service") {
				return [][]byte{result(bindResponse, 0, "")}
			}
			return admit(r)
		}
		config.Decoy = decoy
		u := open(t, config)
		ann := find(t, u, directory.ByUsername, "ann")
		costs := map[string]int64{}
		for name, who := range map[string]*directory.User{
			"ann": ann, "nobody": nil, "one who has gone": {Meta: store.Meta{ID: store.NewID()}},
		} {
			before := asked.Load()
			if right, err := u.VerifyPassword(t.Context(), who, "a guess"); right || err != nil {
				t.Errorf("%s: %v, %v", name, right, err)
			}
			costs[name] = asked.Load() - before
		}
		if costs["nobody"] != costs["ann"] || costs["one who has gone"] != costs["ann"] {
			t.Errorf("requests: %v", costs)
		}
		others := 0
		for _, name := range names {
			if name != "CN=ann,DC=example,DC=com" {
				others++
				if decoy != "" && name != decoy || decoy == "" && !strings.HasSuffix(name, ","+config.Base) {
					t.Errorf("nobody is %q", name)
				}
			}
		}
		if others != 2 {
			t.Errorf("bound as %q", names)
		}
	}
}

// A person's password never comes over a connection of the service account, and that account searches on no other.
func TestPasswordsHaveConnectionsOfTheirOwn(t *testing.T) {
	t.Parallel()
	f, config := domain(t, func(string, string) []byte { return result(bindResponse, 0, "") })
	u := open(t, config)
	for i := range 5 {
		ann := find(t, u, directory.ByUsername, "ann")
		if right, err := u.VerifyPassword(t.Context(), ann, "x"); !right || err != nil {
			t.Fatal(right, err)
		}
		if got, want := f.dials.Load(), int64(i+2); got != want {
			t.Errorf("after %d passwords there were %d connections, want %d", i+1, got, want)
		}
	}
}

func TestPasswordPolicyOfOpenLDAP(t *testing.T) {
	t.Parallel()
	const policy = "dn: cn=%[1]s,ou=policies,dc=signet,dc=test\nobjectClass: organizationalRole\nobjectClass: pwdPolicy\ncn: %[1]s\npwdAttribute: userPassword\n%[2]s\n"
	const someone = "dn: uid=%[1]s,ou=people,dc=signet,dc=test\nobjectClass: inetOrgPerson\nuid: %[1]s\ncn: X\nsn: Y\nuserPassword: " + openSesame +
		"\npwdPolicySubentry: cn=%[2]s,ou=policies,dc=signet,dc=test\n%[3]s\n"
	server := testenv.Slapd(t,
		fmt.Sprintf(policy, "lock", "pwdLockout: TRUE\npwdMaxFailure: 3\n"),
		fmt.Sprintf(policy, "reset", "pwdMustChange: TRUE\n"),
		fmt.Sprintf(policy, "age", "pwdMaxAge: 60\n"),
		fmt.Sprintf(policy, "length", "pwdCheckQuality: 2\npwdMinLength: 12\n"),
		fmt.Sprintf(someone, "lee", "lock", ""),
		fmt.Sprintf(someone, "max", "reset", "pwdReset: TRUE\n"),
		fmt.Sprintf(someone, "old", "age", "pwdChangedTime: 20200101000000Z\n"),
		fmt.Sprintf(someone, "pat", "length", ""),
	)
	u := open(t, openLDAP(server))
	verify := func(name, password string) (bool, directory.AccountState) {
		t.Helper()
		right, err := u.VerifyPassword(t.Context(), find(t, u, directory.ByUsername, name), password)
		return right, state(t, right, err)
	}
	expect := func(name, password string, right bool, want directory.AccountState) {
		t.Helper()
		if got, state := verify(name, password); got != right || state != want {
			t.Errorf("%s: %v, %q; want %v, %q", name, got, state, right, want)
		}
	}
	expect("lee", openSesame, true, "")
	for range 3 {
		verify("lee", "wrong")
	}
	expect("lee", openSesame, false, directory.AccountLocked)
	expect("max", "wrong", false, "")
	expect("max", openSesame, false, directory.PasswordMustChange)
	expect("old", openSesame, false, directory.PasswordExpired)

	pat := find(t, u, directory.ByUsername, "pat")
	_, invalid := errors.AsType[*directory.InvalidError](u.SetPassword(t.Context(), nil, pat, "short"))
	if !invalid {
		t.Error("a password that the policy refuses is not an *InvalidError")
	}
	expect("pat", openSesame, true, "")
	if err := u.SetPassword(t.Context(), nil, pat, "a password of some length"); err != nil {
		t.Error(err)
	}
	expect("pat", "a password of some length", true, "")
	if _, invalid := errors.AsType[*directory.InvalidError](u.SetPassword(t.Context(), nil, pat, "")); !invalid {
		t.Error("an empty password is set")
	}

	pat = find(t, u, directory.ByUsername, "pat")
	pat.Disabled = true
	if err := u.Replace(t.Context(), nil, pat); err != nil {
		t.Fatal(err)
	}
	if !find(t, u, directory.ByUsername, "pat").Disabled {
		t.Error("pat is not disabled")
	}
	pat.Disabled = false
	if err := u.Replace(t.Context(), nil, pat); err != nil {
		t.Fatal(err)
	}
	expect("pat", "a password of some length", true, "")
}

func TestAccountsOfSamba(t *testing.T) {
	t.Parallel()
	server := testenv.SharedSamba(t)
	config := samba(t, server)
	u, c := open(t, config), admin(t, server.TLSURL(), config)
	prefix := "s" + store.NewID()[:8]
	for name, wanted := range map[string]struct {
		attribute, value string
		state            directory.AccountState
	}{
		"fine": {"description", "x", ""},
		"off":  {"userAccountControl", "514", directory.AccountDisabled},
		"new":  {"pwdLastSet", "0", directory.PasswordMustChange},
		"gone": {"accountExpires", "130000000000000000", directory.AccountExpired},
	} {
		user := person(t, u, prefix+name)
		r := goldap.NewModifyRequest("CN="+user.Username+","+config.Base, nil)
		r.Replace(wanted.attribute, []string{wanted.value})
		if err := c.Modify(r); err != nil {
			t.Fatal(err)
		}
		right, err := u.VerifyPassword(t.Context(), user, openSesame)
		if got := state(t, right, err); right != (wanted.state == "") || got != wanted.state {
			t.Errorf("%s: %v, %q; want %q", name, right, got, wanted.state)
		}
		if right, _ := u.VerifyPassword(t.Context(), user, "wrong"); right {
			t.Errorf("%s: a wrong password is right", name)
		}
	}
	ann := person(t, u, prefix+"ann")
	ann.Disabled = true
	if err := u.Replace(t.Context(), nil, ann); err != nil {
		t.Fatal(err)
	}
	if right, err := u.VerifyPassword(t.Context(), ann, openSesame); right || state(t, right, err) != directory.AccountDisabled {
		t.Errorf("a disabled person: %v, %v", right, err)
	}
}

// What the server says beyond all measure, or out of turn, is an error within bounds.
func TestAnswersOfNoSense(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 1<<20)
	for name, answer := range map[string]func() [][]byte{
		"too long": func() (answers [][]byte) {
			for range 70 {
				answers = append(answers, found("CN=ann", map[string][]string{"sAMAccountName": {big}}))
			}
			return append(answers, result(searchDone, 0, ""))
		},
		"garbage": func() [][]byte { return [][]byte{[]byte("\xff\xff\xff\xff")} },
		"ranges out of order": func() [][]byte {
			return [][]byte{found("CN=ann", map[string][]string{"sAMAccountName": {"ann"}, "objectGUID": {guid}, "mail;range=5-9": {"x"}}), result(searchDone, 0, "")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, func(r request) [][]byte {
				if r.tag == bindRequest {
					return [][]byte{result(bindResponse, 0, "")}
				}
				return answer()
			})
			_, config := domain(t, nil)
			config.Servers, config.RequestTimeout = []string{f.url()}, 2*time.Second
			u := open(t, config)
			user, err := u.Find(t.Context(), "", directory.Identifier{Name: directory.ByUsername, Value: "ann"})
			if err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("found %v, %v", user, err)
			}
		})
	}
}

func TestPoolLimits(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	var waiting atomic.Int64
	f := newFake(t, func(r request) [][]byte {
		if r.tag == bindRequest {
			return [][]byte{result(bindResponse, 0, "")}
		}
		waiting.Add(1)
		<-gate
		return [][]byte{result(searchDone, 0, "")}
	})
	_, config := domain(t, nil)
	config.Servers, config.PoolSize = []string{f.url()}, 3
	u := open(t, config)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() { absent(t, u, directory.ByUsername, "ann") })
	}
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		_, err := u.Find(ctx, "", directory.Identifier{Name: directory.ByUsername, Value: "ann"})
		if err == nil || (!errors.Is(err, context.Canceled) && !errors.Is(err, store.ErrNotFound)) {
			t.Errorf("given up while waiting: %v", err)
		}
	})
	cancel()
	close(gate)
	wg.Wait()
	if most := f.most.Load(); most > 3 {
		t.Errorf("%d connections at once, at most 3 are allowed", most)
	}
	if waiting.Load() < 40 {
		t.Errorf("%d searches arrived", waiting.Load())
	}
}
