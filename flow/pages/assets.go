package pages

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strconv"
)

// Assets is the path, below the issuer's, of the files that pages refer to. [Pages] serves them.
const Assets = "/flow/assets/"

//go:embed assets
var assetFiles embed.FS

// assets are the files by path. A path contains the hash of its content, so that a browser may keep the file for ever.
type assets struct {
	style, icon, script string
	files               map[string]asset
}

type asset struct {
	mediaType string
	content   []byte
}

func newAssets(folder, moreCSS string) assets {
	a := assets{files: map[string]asset{}}
	a.style = a.add(folder, ".css", "text/css; charset=utf-8", append(embedded("pages.css"), moreCSS...))
	a.icon = a.add(folder, ".svg", "image/svg+xml", embedded("icon.svg"))
	a.script = a.add(folder, ".js", "text/javascript; charset=utf-8", embedded("webauthn.js"))
	return a
}

func embedded(name string) []byte {
	content, _ := assetFiles.ReadFile(path.Join("assets", name)) // the compiler put it there
	return content
}

func (a assets) add(folder, extension, mediaType string, content []byte) string {
	sum := sha256.Sum256(content)
	name := folder + hex.EncodeToString(sum[:8]) + extension
	a.files[name] = asset{mediaType, content}
	return name
}

// ServeHTTP serves the style sheet, the icon and the script below [Assets], and takes the choice of a language at [Language]; everything
// else is 404.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == p.site.Path(Language) {
		p.chooseLanguage(w, r)
		return
	}
	file, ok := p.assets.files[r.URL.Path]
	switch {
	case !ok:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.mediaType)
	h.Set("Content-Length", strconv.Itoa(len(file.content)))
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'") // an image opened by itself runs nothing
	_, _ = w.Write(file.content)
}
