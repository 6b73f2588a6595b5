package keyring

import (
	"cmp"
	"crypto"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signet-idp/signet/internal/jose"
	"github.com/signet-idp/signet/store"
)

// record is a key as it is stored. Its id names algorithm and generation, and the private key is sealed for the
// id: neither can be exchanged.
type record struct {
	store.Meta           // Expires is set with Retires
	Created    time.Time `json:"created"`
	// Activates is when the key begins to sign, or to be published for encryption.
	Activates time.Time `json:"activates"`
	// Retires is when the next generation does; zero while there is none.
	Retires time.Time `json:"retires,omitzero"`
	// Key is the private key in PKCS #8. The public key is taken from it, so that nobody who writes to the database
	// can plant one.
	Key store.Sealed `json:"key"`
}

var (
	kind       = store.Kind{Name: "keyring.key"}
	recordType = store.Type[record]{Kind: kind, Schema: 1}
)

const sealedField = "key"

// recordID is the id of a generation: whoever inserts it first has made that generation.
func recordID(algorithm string, generation uint64) string {
	return algorithm + "-" + strconv.FormatUint(generation, 10)
}

// key is a record as it was read. It is never changed.
type key struct {
	record
	algorithm  string
	generation uint64
	// pair is the opened key once it was asked for. All keys of one record share it, so that it is opened once.
	pair *atomic.Pointer[pair]
}

// pair is an opened key.
type pair struct {
	id     string
	signer crypto.Signer
}

// newKey reads the id of a record.
func newKey(rec record) (*key, error) {
	dash := max(strings.LastIndexByte(rec.ID, '-'), 0) // algorithms have dashes too
	algorithm, number := rec.ID[:dash], strings.TrimPrefix(rec.ID[dash:], "-")
	generation, err := strconv.ParseUint(number, 10, 64)
	if err != nil || algorithm == "" || recordID(algorithm, generation) != rec.ID {
		return nil, fmt.Errorf("keyring: record %q of kind %s is not named <algorithm>-<generation>: "+
			"nothing is read or made until it is put back or deleted", rec.ID, kind)
	}
	return &key{record: rec, algorithm: algorithm, generation: generation, pair: new(atomic.Pointer[pair])}, nil
}

// compare orders by algorithm and generation.
func (k *key) compare(other *key) int {
	return cmp.Or(strings.Compare(k.algorithm, other.algorithm), cmp.Compare(k.generation, other.generation))
}

// open returns the private key. A failure is not remembered.
func (r *Ring) open(k *key) (*pair, error) {
	if opened := k.pair.Load(); opened != nil {
		return opened, nil
	}
	der, err := r.db.Unseal(kind, k.Ref(), sealedField, k.Key)
	if err != nil {
		return nil, fmt.Errorf("keyring: key %s (kind %s) does not open: %w. Nothing was changed. Start with the key ring "+
			"(store.Config.Keys) that holds key %q, or put the record back as it was. Only if that cannot be done, delete the "+
			"record: a new key is then made, and what this one signed is refused", k.ID, kind, err, k.Key.KeyID())
	}
	signer, err := jose.ParseKey(der)
	if err != nil {
		return nil, fmt.Errorf("keyring: key %s (kind %s): %w", k.ID, kind, err)
	}
	id, err := jose.Thumbprint(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("keyring: key %s (kind %s): %w", k.ID, kind, err)
	}
	k.pair.CompareAndSwap(nil, &pair{id: id, signer: signer}) // one for all, whoever was faster
	return k.pair.Load(), nil
}
