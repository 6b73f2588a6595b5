package clientcert

// SameDN reports whether the subject of a certificate, as DER, is what a text says; ok is whether both can be read.
func SameDN(rawSubject []byte, text string) (same, ok bool) {
	have, errHave := subjectOf(rawSubject)
	want, errWant := parseDN(text)
	return errHave == nil && errWant == nil && have.equal(want), errHave == nil && errWant == nil
}

// ReadSubject reports whether a subject can be read, and whether it equals itself.
func ReadSubject(rawSubject []byte) (reflexive, ok bool) {
	name, err := subjectOf(rawSubject)
	return name.equal(name), err == nil
}

// ReadDN reports whether a text can be read, and whether it equals itself.
func ReadDN(text string) (reflexive, ok bool) {
	name, err := parseDN(text)
	return name.equal(name), err == nil
}
