package main

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of the WebView's server. Those of a page are package web's.
const (
	// maxWebConns bounds the connections of browsers. The next one waits.
	maxWebConns = 8192

	maxWebHeader    = 64 << 10         // bytes of a request's header
	webReadTimeout  = 10 * time.Second // for a request to come; a stream lifts it
	webWriteTimeout = 2 * time.Minute  // for an answer to be taken; a stream sets its own
	webIdleTimeout  = time.Minute      // between two requests
	webCloseTimeout = time.Second      // for the last answers
)

// webServer serves the WebView.
type webServer struct {
	http   http.Server
	cancel context.CancelFunc // ends every stream
	failed chan error         // why it ended, once start was called
}

// newWebServer returns one that serves h, with TLS unless keys is nil.
func newWebServer(h http.Handler, keys *tls.Config, log *slog.Logger) *webServer {
	ctx, cancel := context.WithCancel(context.Background())
	return &webServer{
		cancel: cancel,
		failed: make(chan error, 1),
		http: http.Server{
			Handler:        h,
			TLSConfig:      keys,
			BaseContext:    func(net.Listener) context.Context { return ctx },
			MaxHeaderBytes: maxWebHeader,
			ReadTimeout:    webReadTimeout,
			WriteTimeout:   webWriteTimeout,
			IdleTimeout:    webIdleTimeout,
			ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
	}
}

// start serves in the background until close is called.
func (s *webServer) start(l net.Listener) {
	go func() { s.failed <- s.serve(l) }()
}

func (s *webServer) serve(l net.Listener) error {
	l = newLimitedListener(l, maxWebConns)
	if s.http.TLSConfig != nil {
		return s.http.ServeTLS(l, "", "") // with HTTP/2: browsers limit streams otherwise
	}
	return s.http.Serve(l)
}

// close ends the streams, lets other answers be taken, and returns when the
// server has ended. It may be called again.
func (s *webServer) close() {
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), webCloseTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
}

// A lobby answers until there is a tree to show, which may be long: that the process does its work, to who asks
// that, and to all others that it is too early.
type lobby struct{ view atomic.Pointer[http.Handler] }

// lead lets view answer from now on.
func (l *lobby) lead(view http.Handler) { l.view.Store(&view) }

func (l *lobby) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	view := l.view.Load()
	switch {
	case view != nil:
		(*view).ServeHTTP(w, r)
	case r.URL.Path == livePath:
		io.WriteString(w, "ok\n")
	default:
		http.Error(w, "the node is looking for its cluster", http.StatusServiceUnavailable)
	}
}

// Paths of the probes, which are answered to everybody.
const (
	livePath  = "/livez"
	readyPath = "/readyz"
)

// forCertified returns h, or what asks for a certificate before it, if -tlsclients says so. Probes often have none.
func (o *options) forCertified(h http.Handler) http.Handler {
	if !o.tlsClients {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath() // as the pages are told apart
		if len(r.TLS.VerifiedChains) == 0 && path != livePath && path != readyPath {
			http.Error(w, "show a certificate that this cluster's authority has signed", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// limitedListener accepts only as many connections at once as it has room for.
type limitedListener struct {
	net.Listener
	room   chan struct{} // holds a token for each connection
	once   sync.Once
	closed chan struct{}
}

func newLimitedListener(l net.Listener, limit int) *limitedListener {
	return &limitedListener{Listener: l, room: make(chan struct{}, limit), closed: make(chan struct{})}
}

// Accept waits for room and then for a connection.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.room <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { <-l.room })}, nil
}

// Close ends an Accept that waits, too.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	leave func()
}

// Close makes room for another connection.
func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// webURL returns what to type into a browser, for a WebView on l that was asked
// for at addr. A wildcard stands for the node's own host too.
func webURL(addr string, l net.Listener, nodeHost string, secure bool) string {
	host, _, _ := net.SplitHostPort(addr) // it was listened on
	if isWildcard(host) {
		host = nodeHost
	}
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, boundPort(l)) + "/"
}
