package memory_test

import (
	"context"
	"fmt"
	"time"

	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/memory"
)

func Example() {
	ctx, now := context.Background(), time.Now()
	note := store.Kind{Name: "example.note"}
	driver := memory.New()

	_, err := driver.Apply(ctx, now, store.Insert(store.Record{
		Kind: note, ID: "1", Body: []byte(`{"title":"hello"}`),
		Keys: []store.Key{{Name: "title", Value: "hello"}},
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := driver.Lookup(ctx, now, note, "", store.Key{Name: "title", Value: "hello"})
	fmt.Println(found.ID, err)
	// Output: 1 <nil>
}
