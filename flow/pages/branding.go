package pages

import (
	"html/template"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/store/directory"
)

// brand gives the page the look of an organization or application. Settings were checked when they were written, and are
// checked again: a page that asks for passwords takes nobody's word.
func (p *Page) brand(b directory.Branding) {
	if logo, origin := image(b.Logo); logo != "" {
		p.show(logo, origin, b.Name)
	}
	if icon, origin := image(b.Favicon); icon != "" {
		p.Favicon = icon
		p.admit(origin)
	}
	p.Emblem, p.Monogram = p.Icon("lock"), monogram(b.Name)
	p.PrivacyURL, p.TermsURL, p.SupportEmail = link(b.PrivacyURL), link(b.TermsURL), printable(b.SupportEmail)
	p.Style = style(b.Light, b.Dark)
	if p.Style != "" {
		p.Nonce = secret.Short().Reveal()
	}
}

func (p *Page) show(logo template.URL, origin, name string) {
	p.Logo, p.LogoName = logo, printable(name)
	p.admit(origin)
}

// admit lets the page load images from an origin; "" is its own.
func (p *Page) admit(origin string) {
	if origin != "" && !slices.Contains(p.images, origin) {
		p.images = append(p.images, origin)
	}
}

// dataImage is a picture that comes with the page. A picture in an img element runs no script, whatever its type.
var dataImage = regexp.MustCompile(`^data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}$`)

// maxDataImage bounds what a picture adds to every page, in bytes.
const maxDataImage = 64 << 10

// image returns the URL if it is one that a page may show, and its origin unless it is the page's own.
func image(raw string) (safe template.URL, origin string) {
	if len(raw) <= maxDataImage && dataImage.MatchString(raw) {
		return template.URL(raw), ""
	}
	u, ok := reference(raw)
	switch {
	case !ok:
		return "", ""
	case u.Host == "":
		return template.URL(u.String()), ""
	default:
		return template.URL(u.String()), u.Scheme + "://" + u.Host
	}
}

// link returns the URL if it is one that a page may lead to, else "".
func link(raw string) string {
	u, ok := reference(raw)
	if !ok {
		return ""
	}
	return u.String()
}

// reference accepts https URLs, http ones, which a host in development has, and paths on the own host. What begins with
// two slashes, or a slash and a backslash, is another host to a browser.
func reference(raw string) (*url.URL, bool) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || raw == "" || u.User != nil || u.Opaque != "" || strings.ContainsAny(raw, "\\ \t\r\n"):
		return nil, false
	case u.Scheme == "https" || u.Scheme == "http":
		return u, u.Host != "" && !strings.ContainsAny(u.Host, ";,'\"")
	default:
		return u, u.Scheme == "" && u.Host == "" && strings.HasPrefix(u.Path, "/")
	}
}

// admitted reports whether an origin is one of those allowed, which may also be given as "https:".
func admitted(origin string, allowed []string) bool {
	scheme, _, _ := strings.Cut(origin, "//")
	return origin == "" || slices.Contains(allowed, origin) || slices.Contains(allowed, scheme)
}

// The surfaces of pages.css, against which an accent is judged when the Branding has none of its own.
const (
	lightSurface = "#ffffff"
	darkSurface  = "#161b26"
)

// tokenName and tokenValue are the grammar of what Branding may set: a colour, a length, a number or a keyword of CSS.
var (
	tokenName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	tokenValue = regexp.MustCompile(`^(?:` +
		`#(?:[0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})` +
		`|(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch)\([0-9a-z.,%/ +-]{1,60}\)` +
		`|-?[0-9]{1,4}(?:\.[0-9]{1,4})?(?:px|rem|em|%)?` +
		`|[a-z]+(?:-[a-z]+)*(?:, ?[a-z]+(?:-[a-z]+)*){0,7}` +
		`)$`)
)

// bothSchemes are the tokens that hold in the dark as well when Branding sets them for the light alone: what makes a brand, and
// leaves text readable.
var bothSchemes = []string{"accent", "font", "radius"}

// style writes the tokens of each scheme; "" when there are none.
func style(light, dark map[string]string) template.CSS {
	dark = maps.Clone(dark)
	for _, name := range bothSchemes {
		if value, ok := light[name]; ok && dark[name] == "" {
			if dark == nil {
				dark = map[string]string{}
			}
			dark[name] = value
		}
	}
	var css string
	if set := tokens(light, lightSurface); set != "" {
		css += "@media not (prefers-color-scheme:dark){:root{" + set + "}}"
	}
	if set := tokens(dark, darkSurface); set != "" {
		css += "@media (prefers-color-scheme:dark){:root{" + set + "}}"
	}
	return template.CSS(css) // made of checked tokens alone
}

// tokens writes what is well-formed as custom properties, in order of name.
func tokens(set map[string]string, surface string) string {
	var css strings.Builder
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if value := set[name]; tokenName.MatchString(name) && len(value) <= 80 && tokenValue.MatchString(value) {
			css.WriteString("--" + name + ":" + value + ";")
		}
	}
	accent, ok := parseHex(set["accent"])
	if !ok {
		return css.String()
	}
	// An accent that somebody chose for its looks must stay readable: black or white upon it, and a focus ring that can be
	// seen on the card (WCAG 2.2 §1.4.3, §1.4.11).
	if set["on-accent"] == "" {
		css.WriteString("--on-accent:" + inkOn(accent) + ";")
	}
	card, ok := parseHex(set["surface"])
	if !ok {
		card, _ = parseHex(surface)
	}
	if set["focus"] == "" && contrast(accent, card) < 3 {
		css.WriteString("--focus:var(--text);")
	}
	return css.String()
}

// inkOn is black or white, whichever can be read better on a colour.
func inkOn(c rgb) string {
	if contrast(c, rgb{1, 1, 1}) >= contrast(c, rgb{}) {
		return "#ffffff"
	}
	return "#000000"
}

// rgb is an sRGB colour, each part from 0 to 1.
type rgb [3]float64

// parseHex reads #rgb and #rrggbb; an alpha is left out.
func parseHex(s string) (c rgb, ok bool) {
	digits, isHex := strings.CutPrefix(s, "#")
	if len(digits) == 3 || len(digits) == 4 {
		var long strings.Builder
		for _, d := range digits {
			long.WriteString(strings.Repeat(string(d), 2))
		}
		digits = long.String()
	}
	if !isHex || len(digits) != 6 && len(digits) != 8 {
		return rgb{}, false
	}
	for i := range c {
		v, err := strconv.ParseUint(digits[2*i:2*i+2], 16, 8)
		if err != nil {
			return rgb{}, false
		}
		c[i] = float64(v) / 255
	}
	return c, true
}

// contrast is the ratio of WCAG 2.2, from 1 to 21.
func contrast(a, b rgb) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(c rgb) float64 {
	for i, v := range c {
		if v <= 0.04045 {
			c[i] = v / 12.92
		} else {
			c[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
}
