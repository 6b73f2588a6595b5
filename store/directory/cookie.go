package directory

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signet-idp/signet/internal/secret"
)

// cookieValue is how a browser carries a record's id and the secret that proves it.
func cookieValue(id string, s secret.Text) secret.Text { return secret.Text(id + "." + s.Reveal()) }

// splitCookie returns the two halves of what a browser sent, or false for what cookieValue never makes.
func splitCookie(value string) (id, presented string, ok bool) {
	id, presented, ok = strings.Cut(value, ".")
	return id, presented, ok && validID(id)
}

// validID reports whether an id from outside may be asked for at all; see store.Record.ID.
func validID(id string) bool {
	return len(id) >= 1 && len(id) <= 256 && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl)
}
