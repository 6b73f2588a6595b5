package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
)

// connection is one keep-alive connection of a client that does as little as HTTP/1.1 allows, so that the load generator is
// not what is measured. One goroutine uses it.
type connection struct {
	host string // what the Host header says, whoever is asked
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	body []byte
	// observe learns of each answer; nil is nobody.
	observe func(answer)
}

// dial connects to an address. Requests are addressed to host, so that endpoint and floor read the same bytes.
func dial(address, host string) (*connection, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{host: host, conn: conn, in: bufio.NewReaderSize(conn, 16<<10)}, nil
}

func (c *connection) close() { _ = c.conn.Close() }

// answer is what a client needs of a response. Body is valid until the next request.
type answer struct {
	status   int
	location string
	cookies  []string // name=value
	body     []byte
}

// String describes an answer for an error.
func (a answer) String() string { return fmt.Sprintf("%d %q %.300q", a.status, a.location, a.body) }

// request renders a request. Headers are whole lines; a body is a form.
func (c *connection) request(method, target string, headers []string, body string) []byte {
	out := append(c.out[:0], method...)
	out = append(append(append(out, ' '), target...), " HTTP/1.1\r\nHost: "...)
	out = append(append(out, c.host...), "\r\n"...)
	for _, line := range headers {
		out = append(append(out, line...), "\r\n"...)
	}
	if method == "POST" {
		if !slices.Contains(headers, jsonBody) {
			out = append(out, "Content-Type: application/x-www-form-urlencoded\r\n"...)
		}
		out = append(out, "Content-Length: "...)
		out = append(strconv.AppendInt(out, int64(len(body)), 10), "\r\n"...)
	}
	out = append(append(out, "\r\n"...), body...)
	c.out = out
	return out
}

// exchange sends a request and reads the answer.
func (c *connection) exchange(request []byte) (answer, error) {
	if _, err := c.conn.Write(request); err != nil {
		return answer{}, err
	}
	var a answer
	line, err := c.line()
	if err != nil {
		return a, err
	}
	if len(line) < 12 {
		return a, fmt.Errorf("no status line: %q", line)
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return a, err
	}
	length, chunked, err := c.header(&a)
	if err != nil {
		return a, err
	}
	a.body, err = c.read(length, chunked)
	if c.observe != nil && err == nil {
		c.observe(a)
	}
	return a, err
}

// header reads header lines, in the spelling of net/http.
func (c *connection) header(a *answer) (length int, chunked bool, err error) {
	for {
		line, err := c.line()
		if err != nil || len(line) == 0 {
			return length, chunked, err
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch string(name) {
		case "Content-Length":
			length, err = strconv.Atoi(string(value))
		case "Transfer-Encoding":
			chunked = string(value) == "chunked"
		case "Location":
			a.location = string(value)
		case "Set-Cookie":
			cookie, _, _ := bytes.Cut(value, []byte(";"))
			a.cookies = append(a.cookies, string(cookie))
		}
		if err != nil {
			return 0, false, err
		}
	}
}

// line reads a line without its end.
func (c *connection) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

func (c *connection) read(length int, chunked bool) ([]byte, error) {
	c.body = c.body[:0]
	if !chunked {
		return c.more(length)
	}
	for {
		line, err := c.line()
		if err != nil {
			return nil, err
		}
		size, err := strconv.ParseInt(string(line), 16, 32)
		if err != nil {
			return nil, err
		}
		if _, err := c.more(int(size)); err != nil {
			return nil, err
		}
		if _, err := c.line(); err != nil {
			return nil, err
		}
		if size == 0 {
			return c.body, nil
		}
	}
}

// more reads n bytes behind what was read of the body.
func (c *connection) more(n int) ([]byte, error) {
	start := len(c.body)
	c.body = append(c.body, make([]byte, n)...)
	_, err := io.ReadFull(c.in, c.body[start:])
	return c.body, err
}

// between returns the text between two others, "" when it is not there.
func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	found, _, ok := strings.Cut(rest, after)
	if !ok {
		return ""
	}
	return found
}
