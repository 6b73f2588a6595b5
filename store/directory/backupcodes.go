package directory

import (
	"context"
	"slices"
	"strconv"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// BackupCodes returns a subject's set of backup codes, or store.ErrNotFound. How many are left is len(Credential.Codes); which
// they are, nobody can tell.
func (c *Credentials) BackupCodes(ctx context.Context, subject store.Ref) (*Credential, error) {
	return c.Get(ctx, backupRef(subject))
}

// SetBackupCodes adds to the batch that these codes, without blanks and dashes, are the subject's backup codes. Those before are
// worth nothing from then on, and neither is what was proven by them. The event is "credential.added".
func (c *Credentials) SetBackupCodes(ctx context.Context, b *store.Batch, subject store.Ref, codes []secret.Text) error {
	ref := backupRef(subject)
	credential := &Credential{
		Meta: store.Meta{Org: ref.Org, ID: ref.ID}, Subject: subject, Type: BackupCodesCredential, Set: store.NewID(),
	}
	for _, code := range codes {
		credential.Codes = append(credential.Codes, c.db.Keys().MAC(credential.backupWords(code)...))
	}
	return c.put(ctx, b, credential, "")
}

// TakeBackupCode adds to the batch that a code of the set is used, and reports whether there was such a one; if not, nothing is added.
// Of several who take one at once one is applied, and the others get a *store.Conflict on Kind. The event is "backup_code.used", with
// the number of those that are "left".
func (c *Credentials) TakeBackupCode(b *store.Batch, credential *Credential, code secret.Text) bool {
	found := c.findBackupCode(credential, code)
	if found < 0 {
		return false
	}
	credential.Codes = slices.Delete(slices.Clone(credential.Codes), found, found+1)
	c.all.Replace(b, credential)
	b.Event(store.Event{
		Meta: store.Meta{Org: credential.Org}, Type: "backup_code.used", Subject: credential.Subject.ID,
		Data: details("credential", credential.ID, "left", strconv.Itoa(len(credential.Codes))),
	})
	return true
}

// HasBackupCode reports whether a code is one of those that are left.
func (c *Credentials) HasBackupCode(credential *Credential, code secret.Text) bool {
	return c.findBackupCode(credential, code) >= 0
}

// findBackupCode compares with all codes, whichever it is.
func (c *Credentials) findBackupCode(credential *Credential, code secret.Text) int {
	found := -1
	for i, mac := range credential.Codes {
		if c.db.Keys().MatchesMAC(mac, credential.backupWords(code)...) && code != "" {
			found = i
		}
	}
	return found
}

// backupWords bind a code to its person and its set: moved to another it opens nothing.
func (c *Credential) backupWords(code secret.Text) []string {
	return []string{"directory.backup-code", c.Subject.Org, c.Subject.ID, c.Set, code.Reveal()}
}

func backupRef(subject store.Ref) store.Ref {
	return store.Ref{Org: subject.Org, ID: subject.ID + "/" + string(BackupCodesCredential)}
}
