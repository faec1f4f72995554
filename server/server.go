// Package server speaks the client protocol (see doc/proto.md) for one node:
// it reads and watches the node's store and hands it the writes.
//
// Requests of a connection run side by side and are answered as they complete.
// What needs no agreement is served at once, on the one goroutine that reads the
// connection; the rest is answered by callbacks. Answers are queued in the
// connection's outbox, and whoever finds it without a writer writes: the reader
// before it waits for more, or else a goroutine of the crew, so that the node's
// loop, which runs the callbacks, never waits for a client.
//
// The package must not know how agreement is reached, and nothing of peers but
// the bytes by which their connections begin: it hands these over. The
// invariant it keeps: a connection owns all that is done for it, within named
// limits, and the end of a connection is the end of all that it waited for.
// What it proposed is still decided.
package server

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ErrReadOnly is for a Node's errors to be or to wrap: it takes no writes any
// more, and the one in question did not happen.
var ErrReadOnly error = readOnlyError{}

type readOnlyError struct{}

func (readOnlyError) Error() string  { return "node takes no writes" }
func (readOnlyError) ReadOnly() bool { return true }

// ErrClosed is returned by Serve after Close.
var ErrClosed = errors.New("server is closed")

// closeTimeout is how long Close lets connections take the last answers.
const closeTimeout = 2 * time.Second

// Server serves one node on any number of listeners. Its methods may be called
// from any goroutine.
type Server struct {
	config  Config // complete
	secrets secrets
	full    occasional // tells of refused connections

	refused, cut atomic.Uint64

	ctx    context.Context // ends when the server is closed
	cancel context.CancelFunc
	work   sync.WaitGroup // connections, and calls of Serve
	crew   *crew

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]bool
	conns     map[*conn]bool
	strangers int    // of conns
	ended     counts // of the connections that ended
}

// Stats is what a server has to do and has done.
type Stats struct {
	Conns   int    // connections open
	Refused uint64 // connections closed at once, because MaxConns were open
	Cut     uint64 // connections ended because the client did not read
}

// New returns a server that serves nothing yet. The error is that of
// [Config.Validate].
func New(c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		config:    c.withDefaults(),
		secrets:   newSecrets(c.RWSecret, c.ROSecret),
		listeners: make(map[net.Listener]bool),
		conns:     make(map[*conn]bool),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.crew = newCrew(s.ctx)
	return s, nil
}

// Stats returns the numbers of the moment.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Conns: len(s.conns), Refused: s.refused.Load(), Cut: s.cut.Load()}
}

// ServeConn serves one connection, which it closes, and returns when all that
// was done for it has ended, except writes that are still to be decided. A
// stream that does not begin like a client's, with a size whose top bit is set,
// is closed at once, unless it begins like a peer's.
func (s *Server) ServeConn(nc net.Conn) {
	if c := s.open(nc); c != nil {
		s.run(c)
	}
}

// open registers nc as a connection to be run, or closes it and returns nil.
func (s *Server) open(nc net.Conn) *conn {
	c := s.newConn(nc)
	admitted, full := s.admit(c)
	if full {
		s.countRefused(c)
	}
	if !admitted {
		c.cancel() // or the server's context remembers it
		nc.Close()
		return nil
	}
	return c
}

// run serves an open connection until it has ended.
func (s *Server) run(c *conn) {
	setKeepAlive(c.nc)
	c.serve()
	s.dismiss(c)
	if c.peer {
		s.config.Peers.ServePeer(c.nc, c.in.Rest())
	}
}

// admit registers c, unless the server is closed or full. If it has only so many
// clients that it serves no more, c is admitted as a stranger.
func (s *Server) admit(c *conn) (admitted, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, false
	}
	if len(s.conns)-s.strangers >= s.config.MaxConns {
		if s.config.Peers == nil || s.strangers >= maxStrangers {
			return false, true
		}
		c.stranger = true
		s.strangers++
	}
	s.conns[c] = true
	s.work.Add(1)
	return true, false
}

// countRefused counts c among those that were too many, and says so now and then.
func (s *Server) countRefused(c *conn) {
	n := s.refused.Add(1)
	if s.full.now() {
		s.config.Logger.Warn("too many connections: closing further ones",
			"limit", s.config.MaxConns, "refused", n, "client", c.nc.RemoteAddr())
	}
}

// dismiss takes out c, which has ended.
func (s *Server) dismiss(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	if c.stranger {
		s.strangers--
	}
	c.requests.addTo(&s.ended)
	s.mu.Unlock()
	s.work.Done()
}

// Close stops listening and reading, gives clients a moment to take what is
// answered, and returns when everything that the server started has ended. A
// second Close waits for the first. The error is that of closing a listener.
func (s *Server) Close() error {
	err := s.stop()
	s.work.Wait()
	s.crew.all.Wait()
	return err
}

// stop makes everything end.
func (s *Server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.cancel()
	var errs []error
	for l := range s.listeners {
		errs = append(errs, l.Close())
	}
	deadline := time.Now().Add(closeTimeout)
	for c := range s.conns {
		c.quit(deadline)
	}
	return errors.Join(errs...)
}
