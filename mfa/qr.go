package mfa

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"github.com/boombuler/barcode/qr"
)

// quietZone is the white border that ISO/IEC 18004 asks for, in modules: without it a code
// on a dark page cannot be read.
const quietZone = 4

// maxQR bounds the image to a few megabytes of memory.
const maxQR = 2048

// QR draws a URI, such as [Secret.URI], as a QR code with its white border: a PNG of size
// by size pixels, at most 2048. 256 is comfortable; a size too small for the text is an
// error. The image contains the secret.
func (TOTP) QR(uri string, size int) ([]byte, error) {
	if size > maxQR {
		return nil, fmt.Errorf("mfa: QR code of more than %d pixels", maxQR)
	}
	code, err := qr.Encode(uri, qr.M, qr.Auto)
	if err != nil {
		return nil, errors.New("mfa: text too long for a QR code") // the library's error quotes it
	}
	modules := code.Bounds().Dx()
	scale := size / (modules + 2*quietZone)
	if scale < 1 {
		return nil, fmt.Errorf("mfa: QR code needs at least %d pixels", modules+2*quietZone)
	}
	picture := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{color.White, color.Black})
	margin := (size - modules*scale) / 2
	for y := range modules * scale {
		for x := range modules * scale {
			if code.At(x/scale, y/scale) == color.Black {
				picture.SetColorIndex(margin+x, margin+y, 1)
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("mfa: writing a QR code: %v", err)
	}
	return out.Bytes(), nil
}
