package ldap

// What fuzzing reaches.
var (
	GUIDText  = guidText
	GUIDBytes = guidBytes
	RDN       = rdn
	CutRDN    = cutRDN
)

// ParseSpan is parseSpan with its result taken apart.
func ParseSpan(description string) (attribute string, from, to int, last, ok bool) {
	s, ok := parseSpan(description)
	return s.attribute, s.from, s.to, s.last, ok
}

// ParseCursor reports whether a cursor is read, and how it is written then.
func ParseCursor(cursor string) (again string, err error) {
	p, err := parsePlace(cursor)
	if err != nil || p == nil {
		return "", err
	}
	return p.cursor(), nil
}
