package memory

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/signet-idp/signet/store"
)

// position is the place of a row in the order of a query.
type position struct {
	missing bool // the row has no entry of the field to sort by
	value   store.Value
	org, id string
}

func (s *scan) position(r *row) position {
	p := position{org: r.record.Org, id: r.record.ID}
	if s.query.Sort != "" {
		value, ok := r.least(s.query.Sort)
		p.value, p.missing = value, !ok
	}
	return p
}

// compare orders positions as the query wants its rows; descending is the exact reverse.
func (s *scan) compare(p, q position) int {
	c := cmp.Or(p.value.Compare(q.value), cmp.Compare(p.org, q.org), cmp.Compare(p.id, q.id))
	switch {
	case p.missing && !q.missing:
		c = 1
	case q.missing && !p.missing:
		c = -1
	}
	if s.query.Descending {
		return -c
	}
	return c
}

// wireCursor is the form of a position in Page.Next. Bytes, because the text of a value need not be UTF-8.
type wireCursor struct {
	Missing bool            `json:"m,omitempty"`
	Type    store.ValueType `json:"t,omitempty"`
	Text    []byte          `json:"x,omitempty"`
	Number  int64           `json:"n,omitempty"`
	Org     string          `json:"o,omitempty"`
	ID      string          `json:"i"`
}

func (p position) cursor() string {
	wire, err := json.Marshal(wireCursor{p.missing, p.value.Type, []byte(p.value.Text), p.value.Number, p.org, p.id})
	if err != nil {
		return "" // cannot happen: the struct has nothing that JSON refuses
	}
	return base64.RawURLEncoding.EncodeToString(wire)
}

// parseCursor reads what cursor wrote; "" is the beginning, nil.
func parseCursor(s string) (*position, error) {
	if s == "" {
		return nil, nil
	}
	var w wireCursor
	wire, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(wire, &w)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: query: the cursor was not made by this store", store.ErrInvalid)
	}
	value := store.Value{Type: w.Type, Text: string(w.Text), Number: w.Number}
	return &position{missing: w.Missing, value: value, org: w.Org, id: w.ID}, nil
}
