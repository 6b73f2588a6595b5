package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store"
)

// deviceRequest is the request of a device that nobody has decided yet.
func (w *world) deviceRequest() (store.Record, error) {
	t, err := w.tape(func(address string) error {
		return w.walk(fixed{&work{Request: (&connection{host: strings.TrimPrefix(w.issuer, "http://")}).request(
			"POST", "/oauth2/device_authorization", []string{w.basic(device)}, "scope=read",
		)}}, address)
	})
	if err != nil {
		return store.Record{}, err
	}
	for _, c := range t.steps[0].calls {
		for _, op := range c.ops {
			if op.Record.Kind.Name == "oidc.device" {
				return op.Record, nil
			}
		}
	}
	return store.Record{}, errors.New("a device left no request behind")
}

// deviceCodes makes device codes: copies of the request, under new ids and secrets. Each may be polled at once.
func (w *world) deviceCodes(ctx context.Context, n int) ([]string, error) {
	var body map[string]any
	if err := json.Unmarshal(w.waiting.Body, &body); err != nil {
		return nil, err
	}
	delete(body, "next")
	body["deadline"] = now().Add(time.Hour)
	var codes []string
	var ops []store.Op
	for range n {
		key, own := secret.New(), w.waiting
		own.ID, own.Version, own.Expires = secret.New().Reveal(), 0, now().Add(time.Hour)
		grant := store.NewID()
		body["secret_hash"], body["grant"] = key.Hash(), store.Ref{ID: grant}
		var err error
		if own.Body, err = json.Marshal(body); err != nil {
			return nil, err
		}
		ops, codes = append(ops, store.Insert(own)), append(codes, fmt.Sprintf("sgdc_%s.%s.%s", grant, own.ID, key.Reveal()))
	}
	_, err := w.driver.Apply(ctx, now(), ops...)
	return codes, err
}
