package directory_test

import (
	"testing"
	"time"

	"github.com/signet-idp/signet/store/directory"
)

// The place of a person is a zone of the database of zones, never that of the machine, nor another file.
func TestLocation(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string]string{
		"Europe/Paris": "Europe/Paris", "": "UTC", "UTC": "UTC", "Local": "UTC", "Nowhere/Land": "UTC", "../../etc/passwd": "UTC", "/etc/passwd": "UTC",
	} {
		if got := (&directory.User{Zoneinfo: zone}).Location(); got.String() != want || got == time.Local {
			t.Errorf("%q is %s", zone, got)
		}
	}
}
