package pages

import (
	"encoding/base64"
	"html/template"
	"net/url"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/mfa"
)

// qrSize is the width of a QR code in pixels: twice what it takes on the page, for sharp edges on dense screens.
const qrSize = 400

// qr draws what the prompt wants scanned. A text that cannot be drawn is left to be typed.
func (p *Page) qr(prompt flow.Prompt) {
	p.QRText = groups(prompt.QRText)
	if prompt.QR == "" {
		return
	}
	// The key URI is no address of this site, but a link to it opens the authenticator that is on the same device.
	if u, err := url.Parse(prompt.QR); err == nil && u.Scheme == "otpauth" {
		p.QRLink = template.URL(u.String())
	}
	png, err := mfa.TOTP{}.QR(prompt.QR, qrSize)
	if err == nil {
		p.QR = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(png))
	}
}
