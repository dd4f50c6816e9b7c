package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
)

//go:embed assets
var assets embed.FS

// served are the files that browsers are given.
var served = []string{"htmx.min.js", "uplot.min.js", "uplot.min.css", "console.css", "console.js", "icons.svg", "icon.svg"}

// versions are what the files hold, in short: a file that changes is fetched
// anew.
var versions = func() map[string]string {
	all := map[string]string{}
	for _, name := range served {
		text, err := fs.ReadFile(assets, "assets/"+name)
		if err != nil {
			panic("console: " + err.Error()) // it is embedded
		}
		sum := sha256.Sum256(text)
		all[name] = hex.EncodeToString(sum[:6])
	}
	return all
}()

// assetURL is where a file is fetched.
func assetURL(name string) string { return Path + "/assets/" + name + "?v=" + versions[name] }

func asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if _, ok := versions[name]; !ok {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("v") == versions[name] {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	http.ServeFileFS(w, r, assets, "assets/"+name)
}
