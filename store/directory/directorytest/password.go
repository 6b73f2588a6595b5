package directorytest

import (
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
	somebody, none := p.quickest(u)
	if somebody > 500*time.Microsecond && none < somebody/4 {
		p.Errorf("a wrong password takes %v, that of nobody %v", somebody, none)
	}
}

// quickest returns the shortest times for a wrong password of u and of nobody, taken in turns: whatever else the machine
// does only ever adds to a time.
func (p *proof) quickest(u *directory.User) (somebody, none time.Duration) {
	somebody, none = time.Hour, time.Hour
	for range 15 {
		somebody = min(somebody, p.timed(u))
		none = min(none, p.timed(nil))
	}
	return somebody, none
}

func (p *proof) timed(u *directory.User) time.Duration {
	began := time.Now()
	p.verifies(u, "wrong")
	return time.Since(began)
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
