package script

import (
	"log/slog"
	"slices"
	"strings"
)

// maxLogLine bounds what one call of Log writes, in bytes.
const maxLogLine = 2000

// levels are the methods of Log.
var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// shortest is how long a text is that can be taken out of others: stars in the place of a shorter one would tell what it is.
const shortest = 4

// conceal keeps a text out of the log for the rest of the run: a secret, or what the person typed as a password.
func (r *run) conceal(text string) {
	switch {
	case text == "":
	case len(text) < shortest:
		r.brief = append(r.brief, text)
	default:
		r.hidden = append(r.hidden, text)
		// The longest first: one that is a part of another must not leave the rest of it.
		slices.SortStableFunc(r.hidden, func(a, b string) int { return len(b) - len(a) })
	}
}

// withheld is what the log has instead of a text in which something short is concealed.
const withheld = "(withheld: a secret shorter than 4 bytes may be in it)"

// redacted is a text without what is concealed: withheld whole where that is too short to be taken out.
func (r *run) redacted(text string) string {
	if slices.ContainsFunc(r.brief, func(brief string) bool { return strings.Contains(text, brief) }) {
		return withheld
	}
	for _, hidden := range r.hidden {
		text = strings.ReplaceAll(text, hidden, "***")
	}
	return text
}

// confidential reports whether what a person sends under this name is not for the log.
func confidential(param string) bool {
	param = strings.ToLower(param)
	for _, word := range []string{"password", "code", "token", "otp", "secret", "assertion"} {
		if strings.Contains(param, word) {
			return true
		}
	}
	return false
}
