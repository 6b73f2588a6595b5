package notify_test

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"slices"
	"strings"
	"testing"

	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

// evilName is what somebody might register as.
const evilName = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{code}}{{url:code}}\r\nBcc: eve@example.com\u202e https://evil.example/win"

// person makes somebody with an evil name. The directory refuses the worst of it in a user name, so it stands in a free attribute as well.
func (w *world) person(t *testing.T) *directory.User {
	t.Helper()
	u := &directory.User{
		Username: "ann <b>//evil.example</b>", GivenName: "<script>alert(1)</script> https://evil.example/win", Email: "ann@example.com",
		Attributes: map[string]any{"motto": evilName},
	}
	must(t, w.dir.CreateUser(t.Context(), u, "correct horse battery staple"))
	return u
}

// A name becomes neither HTML nor a header, a template, or a link in what is sent to others. (Product §7.1: every literal is escaped.)
func TestAttackNameInMessage(t *testing.T) {
	t.Parallel()
	w := alone(t)
	must(t, directory.Set(t.Context(), w.dir.Settings, notify.SourceSetting(notify.CredentialAdded, notify.Email, "en"), "", "", notify.Source{
		Subject: "Hello {{user-name}} {{user.claim.motto}}", Text: "{{user.claim.motto}} {{user.claim.givenname}}",
		HTML: `<title>{{user.claim.motto}}</title><p title="{{user.claim.motto}}" style="color:{{user.claim.motto}}">{{user.claim.motto}} {{user.claim.givenname}}</p>` +
			`<a href="{{user.claim.motto}}">1</a><a href="https://ok.example/?q={{user.claim.motto}}">2</a><a href="{{url:user.claim.motto}}">3</a>`,
	}))
	w.clock.advance(2e9)
	u := w.person(t)
	w.send(t, notify.Message{
		Template: notify.CredentialAdded, Channel: notify.Email, To: u.Email, Subject: w.dir.SubjectRef(u),
		Params: map[string]string{notify.Code: "493027", "credential": evilName},
	}, notify.Message{Template: notify.CredentialAdded, Channel: notify.Email, To: u.Email, Subject: w.dir.SubjectRef(u), Locales: []string{"de"}, Params: map[string]string{"credential": evilName}})
	w.deliver(t)
	if len(w.email.mails) != 2 {
		t.Fatalf("%d mails", len(w.email.mails))
	}
	for _, m := range w.email.mails {
		lacks(t, m.HTML, "<script", "<img", "<b>", "\u202e", "evil.example/", `"alert`, "javascript:")
		lacks(t, m.Subject+m.From+m.ReplyTo+m.To, "\r", "\n", "\u202e")
		lacks(t, m.Text+m.Subject+html.UnescapeString(m.HTML), "https://evil", "//evil", "493027")
		if strings.Count(m.Text, "\n") > 10 {
			t.Errorf("the name has lines: %q", m.Text)
		}
	}
}

// A template that an administrator sets cannot put a value where it could not be made safe; it is refused when it is set.
func TestAttackTemplateContext(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		`<script>var a = "{{user-name}}"</script>`, `<p onclick="a('{{user-name}}')">`, `<p title={{user-name}}>`, `<p {{user-name}}>`, `<{{user-name}}>`,
		`<!-- {{user-name}} -->`, `<iframe srcdoc="{{user-name}}">`, `<p {{user-name}}="x">`, `{{user-name`, `{{}}`, `{{a b}}`, `{{{user-name}}}`,
		`{{#link}}<a href="{{/link}}x">`, `{{#link}}`, `{{/link}}`, `{{#link}}{{#code}}{{/link}}{{/code}}`, `<SCRIPT >{{user-name}}</SCRIPT>`, `{{template "x"}}`, `{{.}}`,
		`<script>1</script>`, `<!--><script>-->{{user-name}}`, `<base href="{{link}}">`,
		`<a href='x' title = {{user-name}} >`, `<img srcset="{{user-name}}">`,
	} {
		if err := (notify.Source{Text: "x", HTML: bad}).Validate(); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	for _, good := range []string{
		`<p title="{{user-name}}">a < b {{user-name}}</p>`, `<style>p{color:{{organization.color.primary}}}</style>`, `<a href='{{link}}?x={{user-name}}'>`,
		`<p>{{#link}}<a href="{{link}}">x</a>{{/link}}{{^link}}y{{/link}}</p>`, `<!-- x -->{{ user-name }}`,
	} {
		if err := (notify.Source{Text: "x", HTML: good}).Validate(); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	w := alone(t)
	if err := directory.Set(t.Context(), w.dir.Settings, notify.SourceSetting(notify.EmailOTP, notify.Email, "en"), "", "", notify.Source{Text: "{{"}); err == nil {
		t.Error("a broken template was set")
	}
}

// A whole URL is one that a message may lead to, or none.
func TestAttackLinkScheme(t *testing.T) {
	t.Parallel()
	w := alone(t)
	for _, link := range []string{"javascript:alert(1)", " javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,x", "vbscript:x", "java\tscript:alert(1)"} {
		w.send(t, notify.Message{Template: notify.MagicLink, Channel: notify.Email, To: "ann@example.com", Params: map[string]string{notify.Link: link}})
		w.deliver(t)
		lacks(t, w.email.mail(t).HTML, `href="java`, `href=" java`, `href="JAVA`, `href="data`, `href="vb`)
	}
}

// Nothing that an address holds reaches the sender, unless it is an address and nothing else. (RFC 5321 §4.1.2.)
func TestAttackAddress(t *testing.T) {
	t.Parallel()
	w := alone(t)
	for _, to := range []string{
		"ann@example.com\r\nBcc: eve@example.com", "ann@example.com,eve@example.com", "ann@example.com eve@example.com", "<ann@example.com>", "Ann <ann@example.com>",
		"ann@example.com>", "ann", "", "@example.com", "ann@example.com\x00", strings.Repeat("a", 300) + "@example.com", `"a\r\nRCPT TO:<eve@example.com>"@example.com`,
	} {
		w.send(t, code(to))
	}
	for _, to := range []string{"abc", "+49 170 123\r\n4567", "+1;ext=5,6", "*100#", "12", ""} {
		w.send(t, notify.Message{Template: notify.SMSOTP, Channel: notify.SMS, To: to})
	}
	w.deliver(t)
	for _, m := range w.email.mails {
		t.Errorf("sent to %q", m.To)
	}
	for _, m := range w.sms.texts {
		t.Errorf("sent to %q", m.To)
	}
}

// What is handed over costs the same calls for somebody and for nobody, and only nobody's is thrown away. Whether a sender fails is
// learned by nobody who asks. (attacks C: account enumeration.)
func TestAttackEnumerationByMessage(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		w := newWorld(t, p)
		w.email.fail(errDown)
		u := w.person(t)
		calls := func(m notify.Message) (verbs []string, size int) {
			w.faults.Forget()
			w.send(t, m)
			for _, c := range w.faults.Calls() {
				verbs = append(verbs, fmt.Sprint(c.Method, c.Kind, c.Verbs()))
				for _, op := range c.Ops {
					size += len(op.Record.Body)
				}
			}
			return verbs, size
		}
		real := code("ann@example.com")
		real.Subject = w.dir.SubjectRef(u)
		decoy := code("eve@example.com")
		decoy.Decoy = true
		one, a := calls(real)
		two, b := calls(decoy)
		if !slices.Equal(one, two) || len(one) != 1 {
			t.Errorf("%v and %v", one, two)
		}
		if a-b > 200 || b-a > 200 {
			t.Errorf("%d and %d bytes", a, b)
		}
		w.deliver(t)
		if w.email.attempts() != 1 {
			t.Errorf("%d attempts", w.email.attempts())
		}
		if err := w.Send(w.db.Batch(), code("not an address")); err != nil {
			t.Errorf("an address is judged where people wait: %v", err)
		}
	})
}

// A dump of the store, the events and the log hold neither what was said nor to whom.
func TestAttackMessageInDump(t *testing.T) {
	t.Parallel()
	driver := memory.New()
	w := newWorld(t, storetest.Placement{Driver: driver})
	secrets := []string{"493027", "ann-secret-address", "token-in-the-link", "Zm9v", "ann-secret"}
	m := code(secrets[1] + "@example.com")
	m.Params[notify.Link] = "https://id.example.com/x?t=" + secrets[2]
	w.send(t, m)
	w.email.fail(fmt.Errorf("%w: the server repeats %s and %s for %s", notify.ErrUndeliverable, secrets[0], m.Params[notify.Link], m.To))
	dump := func() string {
		var all bytes.Buffer
		for _, kind := range []string{"notify.message", "store.event", "store.delivery"} {
			page, err := driver.List(t.Context(), w.clock.now(), store.Query{Kind: store.Kind{Name: kind}, Within: store.Everywhere, Limit: 100})
			must(t, err)
			if len(page.Records) == 0 && kind != "notify.message" {
				t.Errorf("there is no %s", kind)
			}
			for _, r := range page.Records {
				fmt.Fprintf(&all, "%s %s %v %v\n", r.ID, r.Body, r.Index, r.Keys)
			}
		}
		return all.String()
	}
	lacks(t, dump(), secrets...)
	w.deliver(t)
	lacks(t, dump()+w.log.String(), secrets...)
	wants(t, w.log.String(), "undeliverable", "[code]", "[to]")
}

// The secrets of senders show in no form that fmt, slog and JSON know.
func TestAttackSecretsOfSenders(t *testing.T) {
	t.Parallel()
	const s = "the-secret-of-the-sender"
	for _, c := range []any{
		notify.HTTPConfig{Auth: notify.HTTPAuth{Password: s, Token: s, ClientSecret: s}},
		notify.TwilioConfig{AuthToken: s},
		notify.VonageConfig{APISecret: s},
		notify.FCMConfig{ServiceAccount: s},
		notify.WebPushConfig{Key: s},
	} {
		lacks(t, fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c, c), s)
	}
	if text, err := notify.Secret(s).MarshalText(); err != nil || string(text) == s {
		t.Error("it shows in JSON")
	}
}

// A failing store is told as what it is, and nothing is sent twice or thrown away for it.
func TestFaults(t *testing.T) {
	t.Parallel()
	storetest.Placements(t, func(t *testing.T, p storetest.Placement) {
		whole := newWorld(t, storetest.Placement{Driver: memory.New()})
		u := whole.person(t)
		m := code("ann@example.com")
		m.Subject = whole.dir.SubjectRef(u)
		whole.send(t, m)
		whole.faults.Forget()
		whole.deliver(t)
		calls := len(whole.faults.Calls())
		if calls < 5 {
			t.Fatalf("%d calls", calls)
		}
		for n := 1; n <= calls; n++ {
			fresh := p
			fresh.Driver = memory.New()
			if p.Ephemeral != nil {
				fresh.Ephemeral = memory.New()
			}
			w := newWorld(t, fresh)
			m.Subject = w.dir.SubjectRef(w.person(t))
			w.send(t, m)
			w.clock.advance(2e9)
			w.faults.FailCall(n, nil)
			if err := w.Maintain(t.Context()); !errors.Is(err, storetest.ErrInjected) && w.email.count() != 1 {
				t.Errorf("call %d: %v", n, err)
			}
			if len(w.failures(t)) != 0 {
				t.Errorf("call %d: the message is dead", n)
			}
			w.faults.Heal()
			sent := w.email.count()
			w.clock.advance(2 * 60 * 1e9)
			w.deliver(t)
			w.clock.advance(2 * 60 * 1e9)
			w.deliver(t)
			// At least once: what was sent before the store failed to hear of it is sent again.
			if w.email.count() != 1 && (sent != 1 || w.email.count() != 2) {
				t.Errorf("call %d: %d mails, %d before it healed", n, w.email.count(), sent)
			}
			for _, mail := range w.email.mails {
				if mail.ID != w.email.mails[0].ID {
					t.Errorf("call %d: the second has another id", n)
				}
			}
		}
	})
}

// The name of an application is chosen by whoever registers a client, and goes to whom that client makes sign in: it becomes no link.
func TestAttackApplicationName(t *testing.T) {
	t.Parallel()
	w := alone(t)
	app := &directory.Application{Name: "Win at https://evil.example/win or www.evil.example"}
	must(t, w.dir.Applications.Create(t.Context(), app))
	m := code("ann@example.com")
	m.Application = app.Ref()
	w.send(t, m, notify.Message{
		Template: notify.SMSOTP, Channel: notify.SMS, To: "+491701234567", Application: app.Ref(), Params: map[string]string{notify.Code: "493027"},
	})
	w.deliver(t)
	mail := w.email.mail(t)
	for _, text := range []string{mail.Subject, mail.Text, html.UnescapeString(mail.HTML), w.sms.texts[0].Text} {
		lacks(t, text, "//evil", "www.evil")
	}
}

// What a server repeats of a message is not logged, not even what is left of a link without the code that is a part of it.
func TestAttackMessageRepeatedByServer(t *testing.T) {
	t.Parallel()
	const link = "https://id.example.com/continue?token=c3VwZXJzZWNyZXQ&code=493027&user=ann&to=ann@example.com"
	for range 20 { // maps have no order
		w := alone(t)
		w.email.fail(errors.New("554 spam: " + link))
		m := code("ann@example.com")
		m.Params[notify.Link], m.Params["host"], m.Params["user"] = link, "https", "user=ann"
		w.send(t, m)
		w.deliver(t)
		lacks(t, w.log.String(), "c3VwZXJzZWNyZXQ", "493027", "ann@example.com")
	}
}

// The name of a host in what people call themselves becomes no link in programs that show mail; addresses and initials are read as before.
func TestAttackBareDomainInAName(t *testing.T) {
	t.Parallel()
	w := alone(t)
	u := &directory.User{
		Username: "ann@example.com", GivenName: "evil.example", FamilyName: "J.R. Lee of sub.evil.example", Email: "ann@example.com",
		Attributes: map[string]any{"motto": "win at EVIL。example now", "size": "4.5"},
	}
	must(t, w.dir.CreateUser(t.Context(), u, ""))
	source := notify.Source{Subject: "x", Text: "{{user.claim.givenname}}|{{user.claim.lastname}}|{{user.claim.motto}}|{{user.claim.size}}|{{user.claim.email}}|{{user-name}}"}
	must(t, directory.Set(t.Context(), w.dir.Settings, notify.SourceSetting(notify.EmailOTP, notify.Email, "en"), "", "", source))
	w.clock.advance(2e9)
	w.send(t, notify.Message{Template: notify.EmailOTP, Channel: notify.Email, To: u.Email, Subject: w.dir.SubjectRef(u)})
	w.deliver(t)
	want := "evil. example|J. R. Lee of sub. evil. example|win at EVIL. example now|4.5|ann@example.com|ann@example.com"
	if len(w.email.mails) != 1 || strings.TrimSpace(w.email.mails[0].Text) != want {
		t.Errorf("got %+v", w.email.mails)
	}
}
