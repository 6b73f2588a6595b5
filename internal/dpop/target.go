package dpop

import (
	"net/url"
	"strings"
)

// sameTarget reports whether htu means the URL, whatever their queries and fragments (RFC 9449 §4.3 item 9), in the form that
// syntax and scheme make of them (RFC 3986 §6.2.2, §6.2.3).
func sameTarget(htu, target string) bool {
	if htu == target && !strings.ContainsAny(htu, "?#") {
		return true
	}
	a, ok := normalTarget(htu)
	if !ok {
		return false
	}
	b, ok := normalTarget(target)
	return ok && a == b
}

func normalTarget(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" || u.User != nil {
		return "", false
	}
	u = new(url.URL).ResolveReference(u) // without dot segments
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return "", false
	}
	path := normalEscapes(u.EscapedPath())
	if path == "" {
		path = "/"
	}
	return scheme + "://" + strings.TrimSuffix(host, ":") + path, true
}

// normalEscapes decodes what needs no escape and writes the others in upper case (RFC 3986 §6.2.2.1, §6.2.2.2).
func normalEscapes(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	var out strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			out.WriteByte(path[i])
			continue
		}
		escape := strings.ToUpper(path[i : i+3])
		if decoded, err := url.PathUnescape(escape); err == nil && isUnreserved(decoded) {
			escape = decoded
		}
		out.WriteString(escape)
		i += 2
	}
	return out.String()
}

// isUnreserved reports whether a byte stands for itself (RFC 3986 §2.3).
func isUnreserved(s string) bool {
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") == ""
}
