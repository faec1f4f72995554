package server

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// minAcceptDelay and maxAcceptDelay bound how long Serve waits before it
	// accepts again when it lacked the means, such as file descriptors.
	minAcceptDelay = 5 * time.Millisecond
	maxAcceptDelay = time.Second

	// logInterval is how often, at most, a condition that goes on is logged.
	logInterval = time.Minute
)

// While no more clients are served, other members have to get through all the same,
// and nothing tells them from clients but their first bytes.
const (
	// maxStrangers is how many connections beyond Config.MaxConns may be open
	// to see whether they are those of members.
	maxStrangers = 64

	// strangerTimeout is how long such a connection may take to show it, TLS
	// included.
	strangerTimeout = time.Second
)

// keepAlive finds out within about a minute that a client's machine is gone,
// which never says so.
var keepAlive = net.KeepAliveConfig{
	Enable:   true,
	Idle:     30 * time.Second,
	Interval: 10 * time.Second,
	Count:    3,
}

// Serve accepts connections on l and serves each. It returns when l fails or
// the server is closed; then the error is ErrClosed. It closes l. Failures that
// pass, such as a lack of file descriptors, do not end it.
func (s *Server) Serve(l net.Listener) error {
	if !s.listen(l) {
		l.Close()
		return ErrClosed
	}
	defer s.unlisten(l)
	a := acceptor{server: s, listener: l}
	for {
		nc, err := a.accept()
		if err != nil {
			return s.serveError(err)
		}
		if c := s.open(nc); c != nil {
			go s.run(c)
		}
	}
}

func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[l] = true
	s.work.Add(1)
	return true
}

// unlisten closes l, unless Close has done so.
func (s *Server) unlisten(l net.Listener) {
	defer s.work.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	if !s.closed {
		l.Close()
	}
}

// serveError is what Serve returns when the listener fails with err.
func (s *Server) serveError(err error) error {
	if s.ctx.Err() != nil {
		return ErrClosed
	}
	return err
}

// An acceptor accepts connections, patiently.
type acceptor struct {
	server   *Server
	listener net.Listener
	delay    time.Duration // before it tries again; 0 after a success
	short    occasional    // tells of what is lacking
}

// accept returns the next connection. The error is one that will not pass.
func (a *acceptor) accept() (net.Conn, error) {
	for {
		nc, err := a.listener.Accept()
		if err == nil {
			a.delay = 0
			return nc, nil
		}
		if !passing(err) {
			return nil, err
		}
		if a.short.now() {
			a.server.config.Logger.Warn("cannot accept connections at the moment", "err", err)
		}
		if !a.pause() {
			return nil, err
		}
	}
}

// pause waits, longer each time, and reports false if the server was closed.
func (a *acceptor) pause() bool {
	a.delay = min(max(2*a.delay, minAcceptDelay), maxAcceptDelay)
	timer := time.NewTimer(a.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-a.server.ctx.Done():
		return false
	}
}

// passing reports whether accepting may succeed later although it failed with
// err: the system lacked something, or a client went away too early.
func passing(err error) bool {
	for _, e := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EINTR, syscall.EAGAIN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// setKeepAlive makes the system probe a silent client. A failure means that
// the connection is already gone, which reading will tell.
func setKeepAlive(nc net.Conn) {
	if tcp := tcpConn(nc); tcp != nil {
		_ = tcp.SetKeepAliveConfig(keepAlive)
	}
}

// tcpConn returns the TCP connection that nc is or runs over, nil if none.
func tcpConn(nc net.Conn) *net.TCPConn {
	tcp, _ := beneath(nc).(*net.TCPConn)
	return tcp
}

// beneath returns what nc runs over, nc itself if nothing.
func beneath(nc net.Conn) net.Conn {
	if over, ok := nc.(interface{ NetConn() net.Conn }); ok {
		return over.NetConn()
	}
	return nc
}

// An occasional tells when it is time to log a condition that goes on. The
// zero occasional is ready.
type occasional struct {
	mu   sync.Mutex
	last time.Time
}

// now reports whether it was silent for logInterval, and if so begins the next.
func (o *occasional) now() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := time.Now()
	if !o.last.IsZero() && t.Sub(o.last) < logInterval {
		return false
	}
	o.last = t
	return true
}
