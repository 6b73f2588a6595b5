package ldap_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// fake is a server that says what no real one here can be made to say. It answers each request as its handler does.
type fake struct {
	listener net.Listener
	handler  func(request) [][]byte
	open     atomic.Int64
	most     atomic.Int64 // connections open at once
	dials    atomic.Int64
}

// request is one request: the tag of the operation and its elements (RFC 4511 §4.1.1).
type request struct {
	tag   byte
	parts []element
}

type element struct {
	tag   byte
	value []byte
}

// Tags of operations and of their answers.
const (
	bindRequest   = 0x60
	bindResponse  = 0x61
	searchRequest = 0x63
	searchEntry   = 0x64
	searchDone    = 0x65
)

func newFake(t *testing.T, handler func(request) [][]byte) *fake {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{listener: listener, handler: handler}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			running.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = listener.Close() })
	return f
}

func (f *fake) url() string { return "ldap://" + f.listener.Addr().String() }

func (f *fake) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	f.dials.Add(1)
	now := f.open.Add(1)
	defer f.open.Add(-1)
	for most := f.most.Load(); now > most && !f.most.CompareAndSwap(most, now); most = f.most.Load() {
	}
	reader := bufio.NewReader(conn)
	for {
		message, err := readElement(reader)
		if err != nil {
			return
		}
		parts := elements(message.value)
		if len(parts) < 2 {
			return
		}
		answers := f.handler(request{parts[1].tag, elements(parts[1].value)})
		for _, answer := range answers {
			if _, err := conn.Write(tlv(0x30, tlv(2, parts[0].value), answer)); err != nil {
				return
			}
		}
	}
}

// tlv is an element of BER: a tag, a length and what it holds.
func tlv(tag byte, parts ...[]byte) []byte {
	var value []byte
	for _, part := range parts {
		value = append(value, part...)
	}
	n := len(value)
	return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, value...)
}

var errTag = errors.New("no element")

func readElement(r *bufio.Reader) (e element, err error) {
	if e.tag, err = r.ReadByte(); err != nil {
		return e, err
	}
	first, err := r.ReadByte()
	if err != nil {
		return e, err
	}
	n := int(first)
	if first&0x80 != 0 {
		n = 0
		for range first & 0x7f {
			b, err := r.ReadByte()
			if err != nil {
				return e, err
			}
			if n = n<<8 | int(b); n > 1<<24 {
				return e, errTag
			}
		}
	}
	e.value = make([]byte, n)
	_, err = io.ReadFull(r, e.value)
	return e, err
}

func elements(value []byte) (list []element) {
	r := bufio.NewReader(byteReader(value))
	for {
		e, err := readElement(r)
		if err != nil {
			return list
		}
		list = append(list, e)
	}
}

func byteReader(b []byte) io.Reader { return &sliceReader{b} }

type sliceReader struct{ rest []byte }

func (r *sliceReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// result is an LDAPResult (RFC 4511 §4.1.9) as an answer.
func result(tag, code byte, text string) []byte {
	return tlv(tag, tlv(10, []byte{code}), tlv(4), tlv(4, []byte(text)))
}

// found is a search result entry.
func found(dn string, attributes map[string][]string) []byte {
	var list []byte
	for name, values := range attributes {
		var set []byte
		for _, v := range values {
			set = append(set, tlv(4, []byte(v))...)
		}
		list = append(list, tlv(0x30, tlv(4, []byte(name)), tlv(0x31, set))...)
	}
	return tlv(searchEntry, tlv(4, []byte(dn)), tlv(0x30, list))
}

// asked returns the attributes that a search asks for.
func (r request) asked() (list []string) {
	if r.tag != searchRequest || len(r.parts) < 8 {
		return nil
	}
	for _, e := range elements(r.parts[7].value) {
		list = append(list, string(e.value))
	}
	return list
}
