package storetest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/signet-idp/signet/store"
)

func bytesCases() []testCase {
	return []testCase{
		{"bodies", "A body comes back byte for byte, up to 64 KiB at the least; a driver does not read it.", bodies},
		{"ids", "Ids are 1 to 256 bytes of UTF-8 without control characters, compared byte by byte.", idsAsBytes},
	}
}

func bodies(c *trial) {
	for name, body := range map[string]string{
		"empty":          "",
		"least":          "{}",
		"spaces":         " {\n\t\"b\" : 1.50e+3,\r\n\"a\":\"\\u00e4\" }\n",
		"members twice":  `{"a":1,"a":2,"A":3}`,
		"unicode":        "{\"name\":\"Zo\u00eb \u65e5\u672c \U0001f511 e\u0301\"}",
		"quotes":         `{"q":"'; DROP TABLE records; -- \\ % _ \" ` + "`" + `"}`,
		"large number":   `{"n":123456789012345678901234567890}`,
		"escaped nul":    `{"z":"\u0000"}`,
		"sixty-four KiB": `{"x":"` + strings.Repeat("0123456789abcdef", 4096)[8:] + `"}`,
	} {
		r := c.record(name)
		r.Body = []byte(body)
		r.Version = c.write(store.Insert(r)).Version
		if got := c.get(ref(name)); !bytes.Equal(got.Body, r.Body) {
			c.broken("%s: wrote %d bytes, read %d others", name, len(r.Body), len(got.Body))
		}
		r.Body = append(r.Body, ' ')
		c.write(store.Replace(r))
		if got := c.get(ref(name)); !bytes.Equal(got.Body, r.Body) {
			c.broken("%s: replaced by %d bytes, read %d others", name, len(r.Body), len(got.Body))
		}
	}
}

func idsAsBytes(c *trial) {
	unusual := []string{
		"a", "A", "a ", " a", "\u00e4", "a\u0308", "%", "_", "a%", `\`, "'", `"`, "a/b", "a:b", "a|b", "{a}", "*", "?", "0", "00", "-1", "NULL",
		"\u65e5\u672c\u8a9e", "\U0001f511", "\u200b", strings.Repeat("x", 256), strings.Repeat("x", 255), strings.Repeat("\u00e4", 128),
	}
	for i, id := range unusual {
		r := c.record(id)
		r.Org, r.Schema = "org", i
		c.write(store.Insert(r))
	}
	for i, id := range unusual {
		if got := c.get(store.Ref{Org: "org", ID: id}); got.ID != id || got.Schema != i {
			c.broken("id %q returned record %d with id %q", id, got.Schema, got.ID)
		}
	}
	deep := strings.Repeat("0123456789abcdef0123456789abcdef0123/", 8)
	for i, org := range []string{deep + "x", deep + "X", "\u00e4/\u65e5", "a b/c"} {
		r := c.record("1")
		r.Org, r.Body = org, fmt.Appendf(nil, "%d", i)
		c.write(store.Insert(r))
		if got := c.get(r.Ref()); got.Org != org || !bytes.Equal(got.Body, r.Body) {
			c.broken("organization %q returned %+v", org, got)
		}
	}
}
