package account

import (
	"context"
	"encoding/base32"
	"errors"
	"slices"
	"strings"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/federated"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/mfa"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// security is how the person signs in.
func (p *Portal) security(v *visit) ([]pages.AccountSection, error) {
	credentials, err := p.Directory.Credentials.List(v.Context(), v.subject.Ref())
	if err != nil {
		return nil, err
	}
	var sections []pages.AccountSection
	if p.Directory.Capabilities(v.user).SetPassword {
		sections = append(sections, passwordSection(v))
	}
	for _, section := range []pages.AccountSection{
		p.passkeySection(credentials), p.authenticatorSection(credentials), p.tokenSection(credentials), p.backupSection(v, credentials),
	} {
		if len(section.Items)+len(section.Actions)+len(section.Codes) > 0 {
			sections = append(sections, section)
		}
	}
	if p.Connections != nil {
		links, err := p.linkSection(v)
		if err != nil {
			return nil, err
		}
		sections = append(sections, links)
	}
	return sections, nil
}

func (p *Portal) securityActions() map[string]func(*visit) (outcome, error) {
	actions := map[string]func(*visit) (outcome, error){
		"change_password": p.changePassword,
		"remove":          p.removeCredential,
		"add_totp":        p.ifOffered(p.TOTP, addTOTP),
		"add_hotp":        p.addHOTP,
		"add_passkey":     p.ifOffered(p.Passkeys, addPasskey),
		"add_push":        p.ifOffered(p.Push, addPush),
		"draw_codes":      p.drawCodes,
		"remove_codes":    p.removeCodes,
		"unlink":          p.unlink,
		"rename":          p.renameCredential,
	}
	if p.Connections != nil {
		for _, name := range p.Connections.Names() {
			actions[linkAction+name] = p.ifOffered(true, addLink+name)
		}
	}
	return actions
}

// linkAction has the name of a connection behind it.
const linkAction = "link_"

func (p *Portal) ifOffered(offered bool, plan string) func(*visit) (outcome, error) {
	return func(v *visit) (outcome, error) {
		if !offered {
			return outcome{}, errMalformed
		}
		return p.add(v, plan)
	}
}

func passwordSection(v *visit) pages.AccountSection {
	return pages.AccountSection{
		ID: "password_section", Title: flow.Message{ID: "account.password"}, Intro: flow.Message{ID: "account.password.intro"},
		Fields: []flow.Field{
			{Name: "username", Type: flow.TextField, Label: "password.username", Value: v.user.Username, Autocomplete: "username", ReadOnly: true},
			{Name: "new_password", Type: flow.PasswordField, Label: "new-password.password", Autocomplete: "new-password", Required: true},
			{Name: "new_password_again", Type: flow.PasswordField, Label: "account.password.again", Autocomplete: "new-password", Required: true},
		},
		Actions: []flow.Action{{Name: "change_password", Label: "account.password.change"}},
	}
}

// changePassword gives the person a new password. Their other sessions end, and this one goes on under a new secret.
func (p *Portal) changePassword(v *visit) (outcome, error) {
	password := v.form.Value("new_password")
	if password != v.form.Value("new_password_again") {
		v.problems = map[string]flow.Message{"new_password_again": {ID: "account.password.differ", Level: flow.Error}}
		return refused("account.refused"), nil
	}
	cookie, err := p.Directory.ChangePassword(v.Context(), v.user, password, v.session)
	if cookie == "" && err != nil {
		out, err := v.refuse(err)
		for _, problem := range v.problems { // whatever it is called, it is about what was typed here
			v.problems = map[string]flow.Message{"new_password": problem}
		}
		return out, err
	}
	if err != nil { // sessions that sign nobody in any more are not marked so
		p.log.WarnContext(v.Context(), "sessions were not ended after a new password", "subject", v.subject.ID, "error", err)
	}
	if err := p.Engine.KeepSession(v.w, v.Request, v.session, cookie); err != nil {
		return outcome{}, err
	}
	return did("account.password.changed"), nil
}

// item is a credential in a list, which can be removed.
func item(c *directory.Credential, icon, title string, details ...flow.Message) pages.AccountItem {
	i := pages.AccountItem{ID: c.ID, Icon: icon, Title: flow.Message{ID: title}}
	if c.Label != "" {
		i.Title = literal(c.Label)
	}
	i.Details = append([]flow.Message{at("account.added", c.Created)}, details...)
	i.Actions = []flow.Action{{Name: "remove", Label: "account.remove", Kind: flow.Secondary}}
	i.Edit = &pages.AccountEdit{
		Title: flow.Message{ID: "account.rename"}, Name: "label", Label: "account.label", Value: c.Label,
		Action: flow.Action{Name: "rename", Label: "account.save", Kind: flow.Secondary},
	}
	return i
}

// renameCredential gives a passkey, an authenticator, a token or a device of the person's another name.
func (p *Portal) renameCredential(v *visit) (outcome, error) {
	err := p.apply(v, func(b *store.Batch) error { return p.rename(v, b) })
	switch {
	case errors.Is(err, store.ErrNotFound):
		return refused("account.gone"), nil
	case len(directory.Problems(err)) > 0:
		return refused("account.label.bad"), nil
	case err != nil:
		return outcome{}, err
	}
	return did("account.saved"), nil
}

// renamable are the credentials that have names of their own.
var renamable = []directory.CredentialType{
	directory.PasskeyCredential, directory.TOTPCredential, directory.HOTPCredential, directory.PushCredential,
}

func (p *Portal) rename(v *visit, b *store.Batch) error {
	list, err := p.Directory.Credentials.List(v.Context(), v.subject.Ref())
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.ID == v.form.Value("id") && slices.Contains(renamable, c.Type) {
			return p.Directory.Credentials.Rename(b, c, strings.TrimSpace(v.form.Value("label")))
		}
	}
	return store.ErrNotFound
}

func (p *Portal) passkeySection(credentials []*directory.Credential) pages.AccountSection {
	section := pages.AccountSection{
		ID: "passkeys", Title: flow.Message{ID: "account.passkeys"}, Intro: flow.Message{ID: "account.passkeys.intro"},
	}
	for _, c := range credentials {
		if c.Passkey == nil {
			continue
		}
		var more []flow.Message
		if !c.Passkey.LastUsed.IsZero() {
			more = append(more, at("account.used", c.Passkey.LastUsed))
		}
		if !c.Passkey.Suspended.IsZero() {
			more = append(more, flow.Message{ID: "account.suspended"})
		}
		section.Items = append(section.Items, item(c, "key", "account.passkey", more...))
	}
	if p.Passkeys {
		section.Actions = []flow.Action{{Name: "add_passkey", Label: "account.passkeys.add", Kind: flow.Secondary}}
	}
	return section
}

// authenticatorSection is the second factors.
func (p *Portal) authenticatorSection(credentials []*directory.Credential) pages.AccountSection {
	section := pages.AccountSection{
		ID: "authenticators", Title: flow.Message{ID: "account.factors"}, Intro: flow.Message{ID: "account.factors.intro"},
	}
	hasTOTP := false
	for _, c := range credentials {
		switch c.Type {
		case directory.TOTPCredential:
			hasTOTP = true
			section.Items = append(section.Items, item(c, "clock", "account.totp"))
		case directory.PushCredential:
			section.Items = append(section.Items, item(c, "phone", "account.push"))
		case directory.CertificateCredential:
			section.Items = append(section.Items, item(c, "key", "account.certificate"))
		}
	}
	if p.TOTP && !hasTOTP {
		section.Actions = append(section.Actions, flow.Action{Name: "add_totp", Label: "account.totp.add", Kind: flow.Secondary})
	}
	if p.Push {
		section.Actions = append(section.Actions, flow.Action{Name: "add_push", Label: "account.push.add", Kind: flow.Secondary})
	}
	return section
}

// removeCredential takes away a passkey, an authenticator, a token or a device.
func (p *Portal) removeCredential(v *visit) (outcome, error) {
	var others []directory.WayIn
	if p.Connections != nil {
		others = append(others, p.Connections.WayIn)
	}
	switch err := p.Directory.RemoveCredential(v.Context(), v.subject, v.session, v.form.Value("id"), others...); {
	case errors.Is(err, directory.ErrLastWayIn):
		return refused("account.last"), nil
	case errors.Is(err, store.ErrNotFound), len(directory.Problems(err)) > 0:
		return refused("account.gone"), nil
	case err != nil:
		return outcome{}, err
	}
	return did("account.removed"), nil
}

// backupSection is the backup codes: how many are left, and those that were just drawn, for once.
func (p *Portal) backupSection(v *visit, credentials []*directory.Credential) pages.AccountSection {
	section := pages.AccountSection{
		ID: "backup", Title: flow.Message{ID: "account.codes"}, Intro: flow.Message{ID: "account.codes.intro"}, Codes: v.codes,
	}
	if p.BackupCodes != nil {
		section.Actions = []flow.Action{{Name: "draw_codes", Label: "account.codes.draw", Kind: flow.Secondary}}
	}
	for _, c := range credentials {
		if c.Type == directory.BackupCodesCredential {
			section.Items = []pages.AccountItem{{
				Icon: "lock", Title: count("account.codes.left", len(c.Codes)), Details: []flow.Message{at("account.added", c.Created)},
				Actions: []flow.Action{{Name: "remove_codes", Label: "account.remove", Kind: flow.Secondary}},
			}}
			if p.BackupCodes != nil {
				section.Actions[0].Label = "account.codes.again"
			}
		}
	}
	return section
}

// drawCodes gives the person new backup codes, in the place of those they had. They are in this answer and nowhere else.
func (p *Portal) drawCodes(v *visit) (outcome, error) {
	if p.BackupCodes == nil {
		return outcome{}, errMalformed
	}
	codes, err := p.BackupCodes.New()
	if err != nil {
		return outcome{}, err
	}
	plain := make([]secret.Text, len(codes))
	for i, code := range codes {
		plain[i] = mfa.BackupCode(code.Reveal())
	}
	err = p.apply(v, func(b *store.Batch) error {
		return p.Directory.Credentials.SetBackupCodes(v.Context(), b, v.subject.Ref(), plain)
	})
	if err != nil {
		return outcome{}, err
	}
	for _, code := range codes {
		v.codes = append(v.codes, code.Reveal())
	}
	return outcome{message: flow.Message{ID: "account.codes.drawn", Level: flow.Success}}, nil
}

// tokenSection is the token with a button: by its key, as it came with it, and two codes that follow one another.
func (p *Portal) tokenSection(credentials []*directory.Credential) pages.AccountSection {
	section := pages.AccountSection{ID: "token", Title: flow.Message{ID: "account.hotp"}}
	for _, c := range credentials {
		if c.Type == directory.HOTPCredential {
			section.Items = append(section.Items, item(c, "lock", "account.hotp"))
		}
	}
	if p.HOTP != nil && len(section.Items) == 0 {
		section.Intro = flow.Message{ID: "account.hotp.intro"}
		section.Fields = []flow.Field{
			{Name: "hotp_key", Type: flow.PasswordField, Label: "account.hotp.key", Autocomplete: "off", Required: true},
			{Name: "hotp_first", Type: flow.TextField, Label: "account.hotp.first", Autocomplete: "off", Required: true},
			{Name: "hotp_second", Type: flow.TextField, Label: "account.hotp.second", Autocomplete: "off", Required: true},
		}
		section.Actions = []flow.Action{{Name: "add_hotp", Label: "account.hotp.add", Kind: flow.Secondary}}
	}
	return section
}

// addHOTP takes a token up, never in the place of another: what opens an account is removed by name.
func (p *Portal) addHOTP(v *visit) (outcome, error) {
	if p.HOTP == nil {
		return outcome{}, errMalformed
	}
	wrong := func(field, message string) (outcome, error) {
		v.problems = map[string]flow.Message{field: {ID: message, Level: flow.Error}}
		return refused("account.refused"), nil
	}
	typed := strings.ToUpper(strings.Join(strings.Fields(v.form.Value("hotp_key")), ""))
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(typed, "="))
	if err != nil || len(seed) < 16 || len(seed) > 64 {
		return wrong("hotp_key", "account.hotp.bad")
	}
	next, err := p.HOTP.Resync(seed, v.form.Value("hotp_first"), v.form.Value("hotp_second"), 0)
	if errors.Is(err, mfa.ErrWrongCode) {
		return wrong("hotp_second", "account.hotp.wrong")
	}
	if err != nil {
		return outcome{}, err
	}
	if _, _, err := p.Directory.Credentials.HOTP(v.Context(), v.subject.Ref()); err == nil {
		return refused("account.gone"), nil
	} else if !errors.Is(err, store.ErrNotFound) {
		return outcome{}, err
	}
	err = p.apply(v, func(b *store.Batch) error {
		return p.Directory.Credentials.EnrollHOTP(v.Context(), b, v.subject.Ref(), "", seed, next)
	})
	return did("account.saved"), err
}

func (p *Portal) removeCodes(v *visit) (outcome, error) {
	c, err := p.Directory.Credentials.BackupCodes(v.Context(), v.subject.Ref())
	if err == nil {
		err = p.Directory.RemoveCredential(v.Context(), v.subject, v.session, c.ID)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return outcome{}, err
	}
	return did("account.removed"), nil
}

// linkSection is the accounts elsewhere that let the person in here.
func (p *Portal) linkSection(v *visit) (pages.AccountSection, error) {
	section := pages.AccountSection{
		ID: "links", Title: flow.Message{ID: "account.links"}, Intro: flow.Message{ID: "account.links.intro"},
	}
	links, err := p.Connections.Links(v.Context(), v.subject.Ref())
	for _, name := range p.Connections.Names() {
		if !slices.ContainsFunc(links, func(l *federated.Link) bool { return l.Connection == name }) {
			section.Actions = append(section.Actions, flow.Action{
				Name: linkAction + name, Label: "account.links.add", Params: map[string]string{"provider": p.Connections.TitleOf(name)}, Kind: flow.Secondary,
			})
		}
	}
	for _, l := range links {
		i := pages.AccountItem{
			ID: l.ID, Icon: "group", Title: literal(p.Connections.TitleOf(l.Connection)),
			Actions: []flow.Action{{Name: "unlink", Label: "account.unlink", Kind: flow.Secondary}},
		}
		if l.Label != "" {
			i.Details = append(i.Details, literal(l.Label))
		}
		i.Details = append(i.Details, at("account.added", l.Created))
		section.Items = append(section.Items, i)
	}
	return section, err
}

func (p *Portal) unlink(v *visit) (outcome, error) {
	if p.Connections == nil {
		return outcome{}, errMalformed
	}
	err := p.unlinkOnce(v.Context(), v)
	for range maxTries {
		if _, conflict := errors.AsType[*store.Conflict](err); !conflict {
			break
		}
		err = p.unlinkOnce(v.Context(), v)
	}
	switch {
	case errors.Is(err, directory.ErrLastWayIn):
		return refused("account.last"), nil
	case errors.Is(err, store.ErrNotFound):
		return refused("account.gone"), nil
	case err != nil:
		return outcome{}, err
	}
	return did("account.unlinked"), nil
}

func (p *Portal) unlinkOnce(ctx context.Context, v *visit) error {
	links, err := p.Connections.Links(ctx, v.subject.Ref())
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.ID == v.form.Value("id") {
			return p.Connections.Unlink(ctx, v.subject, v.session, l)
		}
	}
	return store.ErrNotFound
}
