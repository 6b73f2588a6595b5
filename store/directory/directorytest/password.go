package directorytest

import (
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

func verifyPassword(p *proof) {
	u, pass := p.person()
	u = p.present(directory.ByID, u.ID)
	if !p.verifies(u, pass) {
		p.Error("the password is refused")
	}
	for _, wrong := range []string{"", " ", pass + "x", pass[:len(pass)-1], strings.ToUpper(pass) + "!", "\x00" + pass} {
		if p.verifies(u, wrong) {
			p.Errorf("%q is accepted", wrong)
		}
	}
	if ok, _ := p.Users.VerifyPassword(p.Context(), u, strings.Repeat("x", 100_000)); ok {
		p.Error("100,000 letters are accepted")
	}
}

func passwordOfNobody(p *proof) {
	for _, pass := range []string{"", password} {
		if p.verifies(nil, pass) {
			p.Errorf("%q is the password of nobody", pass)
		}
	}
}

// passwordTime compares, roughly, the time for somebody with that for nobody: a store that answers at once for nobody
// tells who exists.
func passwordTime(p *proof) {
	u, _ := p.person()
	somebody, none := p.median(u), p.median(nil)
	if somebody > 500*time.Microsecond && none < somebody/4 {
		p.Errorf("a wrong password takes %v, that of nobody %v", somebody, none)
	}
}

func (p *proof) median(u *directory.User) time.Duration {
	times := make([]time.Duration, 7)
	for i := range times {
		began := time.Now()
		p.verifies(u, "wrong")
		times[i] = time.Since(began)
	}
	slices.Sort(times)
	return times[len(times)/2]
}

func setPassword(p *proof) {
	if !p.Users.Capabilities().SetPassword {
		p.Skip("the store does not set passwords")
	}
	u, old := p.person()
	fresh := "another fine password"
	err := p.apply(func(b *store.Batch) error {
		return p.Users.SetPassword(p.Context(), b, p.present(directory.ByID, u.ID), fresh)
	})
	if err != nil {
		p.Fatalf("SetPassword: %v", err)
	}
	u = p.present(directory.ByID, u.ID)
	if p.verifies(u, old) {
		p.Error("the old password is accepted")
	}
	if !p.verifies(u, fresh) {
		p.Error("the new password is refused")
	}
}

func noPassword(p *proof) {
	u := p.made("ann")
	for _, pass := range []string{"", password, "*", "!"} {
		if p.verifies(u, pass) {
			p.Errorf("%q is the password of somebody who has none", pass)
		}
	}
}
