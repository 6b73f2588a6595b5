package notify

// EncryptPush is for the example of RFC 8291.
var EncryptPush = encryptPush

// RenderHTML fills every literal of a page with one value.
func RenderHTML(source, v string) string {
	p, err := compile(source, true)
	if err != nil {
		return ""
	}
	return p.render(func(string) string { return v })
}
