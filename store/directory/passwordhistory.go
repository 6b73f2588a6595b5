package directory

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/signet-idp/signet/internal/password"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// passwordHistory is what passwords somebody has had, the last one first, without the present one: the hashes that they were verified
// by, as a list in JSON.
type passwordHistory struct {
	store.Meta
	Subject store.Ref    `json:"subject"`
	Hashes  store.Sealed `json:"hashes"`
}

var (
	historyKind = store.Kind{Name: "directory.passwordhistory"}
	historyType = store.Type[passwordHistory]{Kind: historyKind}
)

// checkPasswordHistory reports, as an *InvalidError with the ID "password.policy.used_before", that somebody has had a password
// before. Every comparison passes the hasher's gate, and there are no more than the policy says, or least.
func (d *defaultUsers) checkPasswordHistory(ctx context.Context, u *User, pass string, least int) error {
	policy, err := Resolve(ctx, d.settings, d.settings.PasswordHistory, u.Org, "")
	count := max(policy.Count, least)
	if err != nil || count == 0 || u.ID == "" {
		return err
	}
	if pass, err = d.clean(ctx, u.Org, pass); err != nil {
		return err
	}
	hashes, err := d.formerHashes(ctx, u.Ref(), count)
	if err != nil {
		return err
	}
	for _, hash := range hashes {
		result, err := d.hasher.Verify(ctx, hash.Reveal(), pass)
		if err != nil {
			return err
		}
		if result.OK {
			return passwordProblem("used_before", "must differ from the last %s", "count", strconv.Itoa(count))
		}
	}
	return nil
}

// formerHashes are those of the last passwords of somebody, the present one first.
func (d *defaultUsers) formerHashes(ctx context.Context, ref store.Ref, count int) ([]secret.Text, error) {
	var hashes []secret.Text
	present, err := d.credentials.Get(ctx, passwordRef(ref))
	if err == nil {
		hash, err := d.credentials.open(present)
		if err != nil {
			return nil, err
		}
		if hash != elsewhere {
			hashes = append(hashes, hash)
		}
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	history, err := d.history.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return hashes, nil
	}
	if err != nil {
		return nil, err
	}
	former, err := d.openHistory(history)
	hashes = append(hashes, former...)
	return hashes[:min(len(hashes), count)], err
}

func (d *defaultUsers) openHistory(history *passwordHistory) ([]secret.Text, error) {
	if history.Hashes == "" {
		return nil, nil
	}
	text, err := d.db.Unseal(historyKind, history.Ref(), "hashes", history.Hashes)
	if err != nil {
		return nil, err
	}
	var list []string
	err = json.Unmarshal(text, &list)
	hashes := make([]secret.Text, len(list))
	for i, hash := range list {
		hashes[i] = secret.Text(hash)
	}
	return hashes, err
}

func (d *defaultUsers) sealHistory(history *passwordHistory, hashes []secret.Text) {
	list := make([]string, len(hashes))
	for i, hash := range hashes {
		list[i] = hash.Reveal()
	}
	text, _ := json.Marshal(list) // strings always encode
	history.Hashes = d.db.Seal(historyKind, history.Ref(), "hashes", text)
}

// keepPassword adds to the batch that the present password of somebody is one that they have had, where the policy wants to know.
func (d *defaultUsers) keepPassword(ctx context.Context, b *store.Batch, ref store.Ref) error {
	policy, err := Resolve(ctx, d.settings, d.settings.PasswordHistory, ref.Org, "")
	if err != nil || policy.Count < 2 {
		return err // the present one is in its own record
	}
	present, err := d.formerHashes(ctx, ref, 1)
	if err != nil || len(present) == 0 {
		return err
	}
	history, err := d.history.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		history = &passwordHistory{Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Subject: ref}
	} else if err != nil {
		return err
	}
	former, err := d.openHistory(history)
	if err != nil {
		return err
	}
	all := append(present, former...)
	d.sealHistory(history, all[:min(len(all), policy.Count-1)])
	if history.Version == 0 {
		d.history.Insert(b, history)
	} else {
		d.history.Replace(b, history)
	}
	return nil
}

// forgetPasswords adds to the batch that nothing is kept of the passwords that somebody has had.
func (d *defaultUsers) forgetPasswords(ctx context.Context, b *store.Batch, ref store.Ref) error {
	history, err := d.history.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		d.history.Delete(b, history)
	}
	return err
}

// checkHistory is checkPasswordHistory where somebody lives in the DB.
func (d *Directory) checkHistory(ctx context.Context, u *User, pass string, least int) error {
	local := d.localUsers()
	if local == nil || !d.Capabilities(u).InBatch || len(pass) > password.MaxLength {
		return nil
	}
	return local.checkPasswordHistory(ctx, u, pass, least)
}
