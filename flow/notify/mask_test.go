package notify_test

import (
	"testing"

	"github.com/signet-idp/signet/flow/notify"
)

func TestMask(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		channel       notify.Channel
		address, want string
	}{
		{notify.Email, "ann@example.com", "a***@example.com"},
		{notify.Email, "éa@example.com", "é***@example.com"},
		{notify.Email, "a@example.com", "***@example.com"},
		{notify.Email, "", "***@"},
		{notify.SMS, "+4930123456", "***3456"},
		{notify.SMS, "3456", "***"},
		{notify.SMS, "", "***"},
	} {
		if got := test.channel.Mask(test.address); got != test.want {
			t.Errorf("%s %q: got %q, want %q", test.channel, test.address, got, test.want)
		}
	}
}
