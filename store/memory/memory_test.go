package memory_test

import (
	"testing"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
	"github.com/signet-idp/signet/store/storetest"
)

func TestDriver(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Target{Open: func(testing.TB, string) store.Driver { return memory.New() }})
}

func TestEphemeral(t *testing.T) {
	t.Parallel()
	storetest.Ephemeral(t, func(testing.TB) store.Ephemeral { return memory.New() })
}
