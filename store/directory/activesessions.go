package directory

import (
	"context"
	"strings"
	"time"

	"github.com/signet-idp/signet/store"
)

// ActiveSession is a session as its owner sees it in a list.
type ActiveSession struct {
	*Session
	// Device is what the browser says it is, in a few words, as "Firefox on Linux".
	Device string
	// Seen is when it was last used, to the minute.
	Seen time.Time
	// Applications are those that took part in it.
	Applications []store.Ref
}

// ActiveSessions returns the sessions that sign a subject in, the oldest first.
func (d *Directory) ActiveSessions(ctx context.Context, subject *Subject) ([]ActiveSession, error) {
	sessions, err := d.Sessions.ListBySubject(ctx, subject)
	if err != nil {
		return nil, err
	}
	var list []ActiveSession
	for _, session := range sessions {
		in, err := d.Sessions.SignsIn(ctx, session)
		if err != nil {
			return nil, err
		}
		if !in {
			continue
		}
		active := ActiveSession{Session: session, Device: DeviceName(session.UserAgent), Seen: session.use.seen}
		participants, err := d.Participants.Of(ctx, session.Ref())
		if err != nil {
			return nil, err
		}
		for _, p := range participants {
			active.Applications = append(active.Applications, p.Application)
		}
		list = append(list, active)
	}
	return list, nil
}

// DeviceName is what a User-Agent header says, in a few words for its owner; "" when it says nothing that is known. It proves nothing.
func DeviceName(userAgent string) string {
	first := func(pairs ...string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if strings.Contains(userAgent, pairs[i]) {
				return pairs[i+1]
			}
		}
		return ""
	}
	browser := first( // each names those behind it too
		"Edg", "Edge", "OPR/", "Opera", "SamsungBrowser", "Samsung Internet", "Firefox", "Firefox", "FxiOS", "Firefox", "CriOS", "Chrome",
		"Chrome", "Chrome", "Safari", "Safari", "curl", "curl", "okhttp", "Android app", "Dart", "app", "CFNetwork", "Apple app",
	)
	system := first(
		"iPhone", "iPhone", "iPad", "iPad", "Android", "Android", "Windows", "Windows", "CrOS", "ChromeOS", "Mac OS X", "macOS", "Macintosh", "macOS",
		"Linux", "Linux",
	)
	if browser != "" && system != "" {
		return browser + " on " + system
	}
	return browser + system
}
