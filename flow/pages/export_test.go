package pages

// What the tests need of the inside.
const (
	LightSurface = lightSurface
	DarkSurface  = darkSurface
)

var (
	ParseAcceptLanguage = parseAcceptLanguage
	Style               = style
)

// Contrast is the contrast of two colours in hex.
func Contrast(a, b string) float64 {
	first, ok1 := parseHex(a)
	second, ok2 := parseHex(b)
	if !ok1 || !ok2 {
		return 0
	}
	return contrast(first, second)
}
