package mfa_test

import (
	"bytes"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"

	"github.com/signet-idp/signet/mfa"
)

func TestQR(t *testing.T) {
	t.Parallel()
	const uri = "otpauth://totp/Example:alice@example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example&algorithm=SHA1&digits=6&period=30"
	want, err := qr.Encode(uri, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	modules := want.Bounds().Dx()
	for _, size := range []int{modules + 8, 256, 301, 2048} {
		image, err := mfa.TOTP{}.QR(uri, size)
		if err != nil {
			t.Errorf("%d pixels: %v", size, err)
			continue
		}
		picture, err := png.Decode(bytes.NewReader(image))
		if err != nil || picture.Bounds().Dx() != size || picture.Bounds().Dy() != size {
			t.Errorf("%d pixels: %v, %v", size, picture.Bounds(), err)
			continue
		}
		dark := func(x, y int) bool { r, _, _, _ := picture.At(x, y).RGBA(); return r == 0 }
		scale := size / (modules + 8)
		margin := (size - modules*scale) / 2
		for y := range size {
			for x := range size {
				inside := x >= margin && y >= margin && x < margin+modules*scale && y < margin+modules*scale
				black := inside && want.At((x-margin)/scale, (y-margin)/scale) == color.Black
				if dark(x, y) != black {
					t.Fatalf("%d pixels: wrong at %d, %d", size, x, y)
				}
			}
		}
		if margin < 4*scale {
			t.Errorf("%d pixels: border of %d, a module is %d", size, margin, scale)
		}
	}
	for name, c := range map[string]struct {
		uri  string
		size int
	}{
		"too small": {uri, modules + 7},
		"zero":      {uri, 0},
		"negative":  {uri, -256},
		"too large": {uri, 2049},
		"too long":  {"otpauth://" + strings.Repeat("a", 3000), 2048},
	} {
		if image, err := (mfa.TOTP{}).QR(c.uri, c.size); err == nil || image != nil || strings.Contains(err.Error(), "otpauth") {
			t.Errorf("%s: %d bytes, %v", name, len(image), err)
		}
	}
	if _, err := (mfa.TOTP{}).QR("", 256); err != nil {
		t.Errorf("empty text: %v", err)
	}
}
