package clientcert

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
)

// structured reads the fields of RFC 9440 §2.2 and §2.3: an Item and a List of Byte Sequences (RFC 8941 §3.3.5).
func structured(cert string, chain []string) (*Presented, error) {
	der, err := byteSequence(cert)
	if err != nil {
		return nil, err
	}
	p, err := leaf(der)
	if err != nil {
		return nil, err
	}
	list := strings.Join(chain, ",")
	if len(list) > maxHeader*maxChain {
		return nil, ErrMalformed
	}
	if strings.TrimSpace(list) == "" {
		return p, nil
	}
	for member := range strings.SplitSeq(list, ",") {
		der, err := byteSequence(member)
		if err != nil {
			return nil, err
		}
		issuer, err := leaf(der)
		if err != nil || len(p.Intermediates) == maxChain {
			return nil, ErrMalformed
		}
		p.Intermediates = append(p.Intermediates, issuer.Leaf)
	}
	return p, nil
}

// byteSequence reads :base64: without parameters, which RFC 9440 defines none of.
func byteSequence(text string) ([]byte, error) {
	text = strings.Trim(text, " \t")
	inner, ok := strings.CutPrefix(text, ":")
	if ok {
		inner, ok = strings.CutSuffix(inner, ":")
	}
	if !ok || strings.ContainsAny(inner, " \t\r\n") {
		return nil, ErrMalformed
	}
	return fromBase64(inner)
}

// fromBase64 takes padding and its absence (RFC 8941 §4.2.7), and nothing else that a lenient decoder would.
func fromBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // which encoding/base64 skips
		return nil, ErrMalformed
	}
	der, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(der) == 0 || len(text)-len(strings.TrimRight(text, "=")) > 2 {
		return nil, ErrMalformed
	}
	return der, nil
}

const (
	pemBegin = "-----BEGIN CERTIFICATE-----"
	pemEnd   = "-----END CERTIFICATE-----"
)

// encoded reads one certificate: PEM, percent-encoded or with spaces for its line breaks, or DER in base64. A plus sign is itself in
// all of them.
func encoded(text string) (*Presented, error) {
	text, err := url.PathUnescape(strings.TrimSpace(text))
	if err != nil {
		return nil, ErrMalformed
	}
	text = strings.TrimSpace(text)
	if body, isPEM := strings.CutPrefix(text, pemBegin); isPEM {
		body, closed := strings.CutSuffix(body, pemEnd)
		if !closed {
			return nil, ErrMalformed
		}
		text = strings.Join(strings.Fields(body), "")
	}
	der, err := fromBase64(text) // a second certificate has characters that base64 has not
	if err != nil {
		return nil, err
	}
	return leaf(der)
}

// envoy reads X-Forwarded-Client-Cert, of which Cert, and Chain when it is there, hold percent-encoded PEM. The header must have one
// element: a second was written by somebody else than the proxy in front of us, which is then not set to sanitize it. What stands
// in Subject and URI was chosen by whoever asked for the certificate, so Cert counts only with the Hash of the connection.
func envoy(text string) (*Presented, error) {
	pairs, err := element(text)
	if err != nil {
		return nil, err
	}
	p, err := encoded(pairs["cert"])
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(p.Leaf.Raw)
	if !strings.EqualFold(pairs["hash"], hex.EncodeToString(sum[:])) {
		return nil, ErrMalformed
	}
	if err := p.addChain(pairs["chain"]); err != nil {
		return nil, err
	}
	return p, nil
}

// element takes key=value pairs between semicolons apart. A value may stand in quotes, where a backslash escapes. A key that
// stands twice, and a comma outside quotes, are refused.
func element(text string) (map[string]string, error) {
	pairs := map[string]string{}
	for more := true; more; {
		name, rest, ok := strings.Cut(text, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := pairs[name]; !ok || name == "" || twice && name != "uri" && name != "dns" && name != "by" {
			return nil, ErrMalformed
		}
		var value string
		if value, text, ok = cutValue(rest); !ok {
			return nil, ErrMalformed
		}
		pairs[name] = value
		if text, more = strings.CutPrefix(text, ";"); !more && text != "" {
			return nil, ErrMalformed
		}
	}
	return pairs, nil
}

// cutValue cuts a value off, quoted or not.
func cutValue(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, `;,"`)
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:], true
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return b.String(), text[i+1:], true
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
		}
		b.WriteByte(text[i])
	}
	return "", "", false
}

// addChain adds the issuers of a percent-encoded PEM bundle that begins with the leaf.
func (p *Presented) addChain(bundle string) error {
	text, err := url.PathUnescape(bundle)
	if err != nil {
		return ErrMalformed
	}
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		end := strings.Index(text, pemEnd)
		if end < 0 || len(p.Intermediates) == maxChain {
			return ErrMalformed
		}
		next, err := encoded(text[:end+len(pemEnd)])
		if err != nil {
			return err
		}
		if text = text[end+len(pemEnd):]; !next.Leaf.Equal(p.Leaf) {
			p.Intermediates = append(p.Intermediates, next.Leaf)
		}
	}
	return nil
}
