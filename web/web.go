// Package web shows a node's tree to people, in a browser: a page of HTML that
// reads well without a script and is live with one.
//
// It reads immutable snapshots of the store and waits for its events; it never
// writes, and nothing a browser does or leaves undone can hold up the node.
// The page is rendered here, in one place: the script only asks for more of it
// and puts what comes into its place.
//
// The paths it serves:
//
//	/            the tree
//	/tree/PATH   the tree from the directory PATH on; ?offset=N for later entries
//	/raw/PATH    the body of the file PATH
//	/events      the changes, as server-sent events
//	/healthz     "ok", without asking for a secret
//
// The invariant it keeps: whatever goes into a page was escaped by
// html/template, and nothing is served to somebody who could not read the same
// through the client port.
package web

import (
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ha/doozerd/store"
)

// Limits of what one page and one browser may cost.
const (
	// DefaultMaxStreams bounds the browsers that follow the tree at once. The
	// next one is told 503; its page stays readable and tries again.
	DefaultMaxStreams = 100

	// MaxEntries bounds the entries of one page, and of one answer to "more".
	MaxEntries = 200

	// MaxPreview bounds the bytes of a body that a page shows. The rest is a
	// link away.
	MaxPreview = 1024

	// MaxHexPreview is MaxPreview for bodies that are not text.
	MaxHexPreview = 32

	// MaxChanges bounds the revs that one message of a stream tells of. A
	// browser that is further behind loads the tree anew.
	MaxChanges = 1000

	// MaxMessage bounds the bytes of one message of a stream, in the same way.
	MaxMessage = 1 << 20
)

// Times of a stream.
const (
	// pace is the least time between two messages of changes: a tree may change
	// faster than anybody can read, or a browser draw.
	pace = 100 * time.Millisecond

	// heartbeat is the longest time between two messages. A browser that hears
	// nothing for three of them takes the connection for dead.
	heartbeat = 10 * time.Second

	// writeTimeout is how long a browser may take to receive one message.
	writeTimeout = 15 * time.Second
)

// Node is what the pages need of the node they show.
type Node interface {
	ID() string
	Store() *store.Store
}

// Config says what is shown, and to whom. Node is required.
type Config struct {
	Node Node

	// Cluster, Addr and Version are shown on every page.
	Cluster, Addr, Version string

	// RWSecret and ROSecret are those of the client port. If ROSecret is set,
	// a page needs one of the two: HTTP Basic, any user name.
	RWSecret, ROSecret string

	// Hosts are the names that a browser may call this server by, besides IP
	// addresses and localhost. While no secret is needed, any other is refused:
	// a stranger's page could otherwise point a name of its own here and read
	// the tree through its visitor's browser.
	Hosts []string

	MaxStreams int // 0 is DefaultMaxStreams

	Logger *slog.Logger // nil is slog.Default()
}

// Validate returns an error that names the first field that cannot be used.
func (c Config) Validate() error {
	if c.Node == nil {
		return errors.New("web: a node is required")
	}
	if c.ROSecret != "" && c.RWSecret == "" {
		return errors.New("web: a read-only secret needs a read-write secret")
	}
	if c.MaxStreams < 0 {
		return fmt.Errorf("web: %d streams: must not be negative", c.MaxStreams)
	}
	return nil
}

//go:embed assets
var assets embed.FS

// handler serves one node's tree.
type handler struct {
	Config
	pages   *template.Template
	all     *store.Glob   // matches every file
	streams chan struct{} // holds a token for each open stream
}

// New returns the handler that shows the tree. The error is that of
// [Config.Validate]. A stream ends when its request's context does: a server
// that is closing cancels its base context.
func New(c Config) (http.Handler, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = DefaultMaxStreams
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	pages, err := template.ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, err
	}
	all, err := store.ParseGlob("/**")
	if err != nil {
		return nil, err
	}
	h := &handler{Config: c, pages: pages, all: all, streams: make(chan struct{}, c.MaxStreams)}
	return h.routes()
}

func (h *handler) routes() (http.Handler, error) {
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		return nil, err
	}
	tree := http.NewServeMux()
	tree.HandleFunc("GET /{$}", h.tree)
	tree.HandleFunc("GET /tree/{path...}", h.tree)
	tree.HandleFunc("GET /raw/{path...}", h.raw)
	tree.HandleFunc("GET /events", h.events)
	for _, name := range []string{"app.js", "style.css", "icon.svg"} {
		tree.Handle("GET /"+name, http.FileServerFS(files))
	}
	root := http.NewServeMux()
	root.HandleFunc("GET /healthz", healthz)
	root.Handle("/", h.ownHost(h.readers(tree)))
	return readOnly(withHeaders(root)), nil
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "ok")
}

// headers keep a page to itself: it loads nothing from elsewhere, runs no
// script but ours, and is shown in nobody's frame.
var headers = [...][2]string{
	{"Cache-Control", "no-store"},
	{"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Referrer-Policy", "no-referrer"},
	{"X-Content-Type-Options", "nosniff"},
}

func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, h := range headers {
			w.Header().Set(h[0], h[1])
		}
		next.ServeHTTP(w, r)
	})
}

// readOnly refuses every method that is not for reading, on any path.
func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD: the tree is written through the client port", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// treePath returns the path in the tree that a request names: "/" for none.
func treePath(r *http.Request) string {
	return "/" + strings.TrimSuffix(r.PathValue("path"), "/")
}
