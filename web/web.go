// Package web shows a node to people, in a browser, and to the programs that
// look after it.
//
// It reads immutable snapshots of the store and waits for its events; nothing
// that a browser does or leaves undone can hold up the node. What it needs of
// the node, of the client port and of the cluster it declares as small
// interfaces; it must not know who implements them.
//
// A path in the tree is the path of its page, /a/b for /a/b. No name in the
// tree has an underscore, so whatever a page itself needs is below /_/ and in
// nobody's way:
//
//	/PATH        the tree from a directory on, or a file; ?rev=N as it was
//	/?path=PATH  the same, for paths that a browser would change (/a/../b) and
//	             those that are something else here (/events)
//	/_/cluster   the members, and what is wrong
//	/_/...       what the pages ask for: see routes
//	/events      the changes, one by one, for scripts
//	/metrics     for Prometheus
//	/livez       200 unless the process should be restarted
//	/readyz      200 if clients should be sent here
//
// A page is live by a stream of frames. A frame leads from one rev to a later
// one, and the next begins where it ended, so a page that has applied them all
// has missed nothing: see [frame]. All pages share the frames, so what a change
// costs hardly depends on how many look on.
//
// The invariant it keeps: nothing is served to somebody who could not read the
// same through the client port, nothing is written for somebody who could not
// write it there, and what clients have stored is data on a page, never a part
// of it.
package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"sync"

	"github.com/ha/doozerd/store"
)

// DefaultMaxStreams bounds the pages and scripts that follow the tree at once.
// The next one is told 503; a page says so and tries again.
const DefaultMaxStreams = 4096

// DefaultMaxValue is how long a value may be that is set here, in bytes.
const DefaultMaxValue = 1 << 20

// Node is what the pages need of the node they show.
type Node interface {
	ID() string
	Store() *store.Store
}

// Writer takes what is edited. Its Propose is that of the node: see the server
// package.
type Writer interface {
	Propose(ctx context.Context, m store.Mutation, done func(store.Event, error)) error
}

// Config says what is shown, and to whom. Only Node is required.
type Config struct {
	Node Node

	// Writer makes the tree editable. Without one it is only shown.
	Writer Writer

	// Members tells of the cluster; nil shows what the tree says of it.
	Members Cluster

	// Server and Consensus have counters for the metrics, and for the plots of
	// the cluster page. Without one, its metrics are missing.
	Server    Server
	Consensus Consensus
	Latencies *Latencies

	// Ready says why clients should not be sent to this node, Live why its
	// process should be restarted; nil errors say that all is well. Functions
	// that are nil always find it so.
	Ready func(context.Context) error
	Live  func() error

	// Name, Addr and Version are shown on every page: the cluster's name, the
	// address of the client port, the program's version.
	Name, Addr, Version string

	// ClusterID names the history that revs count in: to another cluster, the
	// same number means something else. Nil says the node's id.
	ClusterID func() string

	// RWSecret and ROSecret are those of the client port, and mean the same:
	// who has not shown one that is needed is asked for it.
	RWSecret, ROSecret string

	// Hosts are the names that a browser may call this server by, besides IP
	// addresses and localhost. While no secret is needed to read, any other is
	// refused: a stranger's page could otherwise point a name of its own here
	// and read the tree through its visitor's browser.
	Hosts []string

	// Profile serves /debug/pprof/, to those who may read.
	Profile bool

	MaxStreams int // 0 is DefaultMaxStreams
	MaxValue   int // 0 is DefaultMaxValue

	Logger *slog.Logger // nil is slog.Default()
}

// Validate returns an error that names the first field that cannot be used.
func (c Config) Validate() error {
	switch {
	case c.Node == nil:
		return errors.New("web: a node is required")
	case c.ROSecret != "" && c.RWSecret == "":
		return errors.New("web: a read-only secret needs a read-write secret")
	case c.MaxStreams < 0:
		return fmt.Errorf("web: %d streams: must not be negative", c.MaxStreams)
	case c.MaxValue < 0:
		return fmt.Errorf("web: a value limit of %d bytes: must not be negative", c.MaxValue)
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.MaxStreams = cmp.Or(c.MaxStreams, DefaultMaxStreams)
	c.MaxValue = cmp.Or(c.MaxValue, DefaultMaxValue)
	if c.ClusterID == nil {
		c.ClusterID = c.Node.ID
	}
	if c.Members == nil {
		c.Members = fromTree{c.Node}
	}
	if c.Ready == nil {
		c.Ready = func(context.Context) error { return nil }
	}
	if c.Live == nil {
		c.Live = func() error { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// View is the WebView of one node: an http.Handler that has to be closed.
type View struct {
	config  Config // complete
	gate    *gate
	assets  *assets
	pages   *template.Template
	past    past
	hub     *hub
	rates   *rates
	contact *contact
	streams chan struct{} // holds a token for each open stream
	handler http.Handler

	cancel context.CancelFunc
	work   sync.WaitGroup
}

// New returns a view. The error is that of [Config.Validate]. A stream ends
// when its request's context does: a server that is closing cancels its base
// context.
func New(c Config) (*View, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	files, err := loadAssets()
	if err != nil {
		return nil, err
	}
	pages, err := template.New("").Funcs(template.FuncMap{"modules": files.modules}).ParseFS(embedded, "assets/*.html")
	if err != nil {
		return nil, err
	}
	p := past{c.Node.Store()}
	v := &View{
		config:  c,
		gate:    newGate(c),
		assets:  files,
		pages:   pages,
		past:    p,
		hub:     newHub(p),
		rates:   newRates(c),
		contact: newContact(c.Members),
		streams: make(chan struct{}, c.MaxStreams),
	}
	v.handler = v.routes()
	ctx, cancel := context.WithCancel(context.Background())
	v.cancel = cancel
	v.work.Go(func() { v.hub.run(ctx) })
	v.work.Go(func() { v.rates.run(ctx) })
	v.work.Go(func() { v.contact.run(ctx) })
	return v, nil
}

// Close ends what the view does by itself, and returns when it has ended. What
// is being served is the business of the HTTP server.
func (v *View) Close() error {
	v.cancel()
	v.work.Wait()
	return nil
}

// ServeHTTP serves all that is at the paths in the package's comment.
func (v *View) ServeHTTP(w http.ResponseWriter, r *http.Request) { v.handler.ServeHTTP(w, r) }

func (v *View) routes() http.Handler {
	open := http.NewServeMux() // needs no secret
	open.HandleFunc("GET /livez", v.livez)
	open.HandleFunc("GET /readyz", v.readyz)

	named := http.NewServeMux() // needs no secret, but one of our names
	named.HandleFunc("GET /_/a/{hash}/{name}", v.assets.serve)
	named.HandleFunc("GET /_/signin", v.signinPage)
	named.HandleFunc("POST /_/signin", v.signin)
	named.HandleFunc("POST /_/signout", v.signout)

	read := http.NewServeMux()
	read.HandleFunc("GET /_/list", v.list)
	read.HandleFunc("GET /_/file", v.file)
	read.HandleFunc("GET /_/raw", v.raw)
	read.HandleFunc("GET /_/history", v.fileHistory)
	read.HandleFunc("GET /_/find", v.find)
	read.HandleFunc("GET /_/event", v.eventAt)
	read.HandleFunc("GET /_/stream", v.stream)
	read.HandleFunc("GET /_/status", v.status)
	read.HandleFunc("GET /_/cluster", v.page)
	read.HandleFunc("GET /_/", http.NotFound)
	read.HandleFunc("POST /_/edit", v.edit)
	read.HandleFunc("GET /events", v.events)
	read.Handle("GET /metrics", v.metrics())
	read.HandleFunc("GET /{path...}", v.page)
	if v.config.Profile {
		profile(read)
	}
	named.Handle("/", v.needRead(read))
	open.Handle("/", v.gate.ownHost(named))
	return withHeaders(http.NewCrossOriginProtection().Handler(methods(open)))
}

// headers keep a page to itself: it loads nothing from elsewhere, runs no
// script but ours, makes no markup of strings, and is shown in nobody's frame.
var headers = [...][2]string{
	{"Cache-Control", "no-store"},
	{"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
		"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
		"require-trusted-types-for 'script'; trusted-types 'none'"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
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

// methods refuses what no path here is for.
func methods(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodPost:
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD, and POST where a page needs it", http.StatusMethodNotAllowed)
		}
	})
}
