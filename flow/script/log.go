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

// conceal keeps a text out of the log for the rest of the run: a secret, or what the person typed as a password.
func (r *run) conceal(text string) {
	if len(text) > 3 {
		r.hidden = append(r.hidden, text)
		// The longest first: one that is a part of another must not leave the rest of it.
		slices.SortStableFunc(r.hidden, func(a, b string) int { return len(b) - len(a) })
	}
}

// redacted is a text without what is concealed.
func (r *run) redacted(text string) string {
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
