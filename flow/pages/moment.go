package pages

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The messages by which a language writes a moment: how its parts stand, which are {day}, {month}, {year}, {hour}, {minute} and {zone}, and the
// names of the months, from the first on, with a space between them.
const (
	momentPattern = "time.moment"
	monthNames    = "time.months"
)

// checkMoments finds a catalogue that has no name for some month.
func (c catalogs) checkMoments() error {
	for _, one := range c.byLocale {
		if n := len(strings.Fields(one.text(monthNames).String())); n != int(time.December) {
			return fmt.Errorf("Locales: %s in %s are %d names, not %d", monthNames, one.tag, n, time.December)
		}
	}
	return nil
}

// moment writes a time in the manner of the language, at the place that the time has.
func (c catalog) moment(t time.Time) run {
	months := strings.Fields(c.text(monthNames).String()) // all, as New has seen
	zone := t.Format("MST")
	if strings.HasPrefix(zone, "+") || strings.HasPrefix(zone, "-") { // a place whose time has no name but its distance
		zone = "UTC" + zone
	}
	written := c.text(momentPattern, map[string]string{
		"day": strconv.Itoa(t.Day()), "month": months[t.Month()-1], "year": strconv.Itoa(t.Year()),
		"hour": t.Format("15"), "minute": t.Format("04"), "zone": zone,
	})
	return run{value: written.String(), moment: t.UTC().Format(time.RFC3339)}
}
