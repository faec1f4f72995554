package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// packAt is from how many bytes on an answer is compressed: less fits one
// packet anyway.
const packAt = 1024

var packers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// pack returns data compressed.
func pack(data []byte) []byte {
	var b bytes.Buffer
	z := packers.Get().(*gzip.Writer)
	defer packers.Put(z)
	z.Reset(&b)
	z.Write(data) // a buffer takes everything
	z.Close()
	return b.Bytes()
}

func acceptsPacked(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
}

// send answers with data.
func send(w http.ResponseWriter, r *http.Request, status int, kind string, data []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Add("Vary", "Accept-Encoding")
	if len(data) >= packAt && acceptsPacked(r) {
		w.Header().Set("Content-Encoding", "gzip")
		data = pack(data)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	w.Write(data) // an error is the reader's, who is gone
}

func sendJSON(w http.ResponseWriter, r *http.Request, status int, answer any) {
	data, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	send(w, r, status, "application/json", data)
}

// render answers with a page.
func (v *View) render(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	if err := v.pages.ExecuteTemplate(&b, name, data); err != nil {
		v.config.Logger.Error("page not made", "page", name, "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	send(w, r, status, "text/html; charset=utf-8", b.Bytes())
}

//go:embed assets
var embedded embed.FS

// An asset is a file that pages load.
type asset struct {
	kind          string
	plain, packed []byte
}

// assets are all of them. The hash of their contents is part of their paths, so
// a browser that has them need not ask again, and never mixes two versions.
type assets struct {
	hash  string
	files map[string]asset
}

func loadAssets() (*assets, error) {
	a := &assets{files: make(map[string]asset)}
	sum := sha256.New()
	err := fs.WalkDir(embedded, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) == ".html" {
			return err
		}
		data, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		sum.Write(data)
		a.files[path.Base(name)] = asset{kind: kindOf(name), plain: data, packed: pack(data)}
		return nil
	})
	a.hash = hex.EncodeToString(sum.Sum(nil))[:12]
	return a, err
}

// kindOf does not ask the system's table of types, which may be wrong.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "application/octet-stream"
}

// modules returns the names of the scripts that the first one needs, so that a
// browser need not read one to learn of the next.
func (a *assets) modules() []string {
	var names []string
	for name := range a.files {
		if path.Ext(name) == ".js" && name != "app.js" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	file, ok := a.files[r.PathValue("name")]
	if !ok || r.PathValue("hash") != a.hash {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Type", file.kind)
	h.Add("Vary", "Accept-Encoding")
	data := file.plain
	if acceptsPacked(r) {
		h.Set("Content-Encoding", "gzip")
		data = file.packed
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.Write(data)
}
