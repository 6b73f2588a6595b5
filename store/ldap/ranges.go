package ldap

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"
)

// span is the option of an attribute description that says which of its values follow ([MS-ADTS] §3.1.1.3.1.3.3):
// "member;range=0-1499", or "member;range=1500-*" for the last ones.
type span struct {
	attribute string
	from, to  int
	last      bool
}

// parseSpan reads an attribute description; false when it has no such option.
func parseSpan(description string) (s span, ok bool) {
	attribute, option, _ := strings.Cut(description, ";")
	const prefix = "range="
	if len(option) < len(prefix) || !strings.EqualFold(option[:len(prefix)], prefix) {
		return span{}, false
	}
	low, high, ok := strings.Cut(option[len(prefix):], "-")
	if !ok {
		return span{}, false
	}
	s = span{attribute: attribute, last: high == "*"}
	var errs [2]error
	s.from, errs[0] = strconv.Atoi(low)
	if s.to = s.from; !s.last {
		s.to, errs[1] = strconv.Atoi(high)
	}
	return s, errors.Join(errs[:]...) == nil && s.from >= 0 && s.to >= s.from
}

var errRange = errors.New("ldap: the server returns ranges of values that do not follow one another")

// complete fetches the rest of those attributes of an entry of which the server returned a part, up to limit values. The values are in
// the entry under the name of the attribute afterwards.
func (c *conn) complete(ctx context.Context, e entry, limit int) error {
	for description := range e.values {
		s, ok := parseSpan(description)
		if !ok {
			continue
		}
		values := e.values[description]
		delete(e.values, description)
		if s.from != 0 {
			return errRange
		}
		var err error
		if !s.last {
			values, err = c.rest(ctx, e.dn, s, values, limit)
		}
		if err != nil {
			return err
		}
		e.values[strings.ToLower(s.attribute)] = values
	}
	return nil
}

// rest reads the values from where a span ends.
func (c *conn) rest(ctx context.Context, dn string, s span, values [][]byte, limit int) ([][]byte, error) {
	for !s.last && len(values) < limit {
		next := s.to + 1
		r := goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)",
			[]string{fmt.Sprintf("%s;range=%d-*", s.attribute, next)}, nil)
		result, _, err := c.search(ctx, r)
		if err != nil {
			return nil, failed("search", err)
		}
		if len(result.Entries) != 1 {
			return nil, errRange
		}
		found := false
		for _, a := range result.Entries[0].Attributes {
			part, ok := parseSpan(a.Name)
			if !ok || !strings.EqualFold(part.attribute, s.attribute) {
				continue
			}
			if part.from != next || len(a.ByteValues) == 0 {
				return nil, errRange
			}
			s, values, found = part, append(values, a.ByteValues...), true
		}
		if !found {
			return values, nil // there were no more
		}
	}
	return values, nil
}
