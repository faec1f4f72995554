package server

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

const (
	// pauseUnread is how much a client may leave unread, in bytes, before no
	// more of its requests are read. What it already waits for may add to
	// that, up to Config.MaxUnread.
	pauseUnread = 1 << 20

	// flushAt is how much is queued, in bytes, before it is written although
	// more requests are at hand that can be answered at once.
	flushAt = 64 << 10
)

// longAgo is a deadline that makes reading or writing end at once.
var longAgo = time.Unix(1, 0)

// A conn is one connection. What is its reader's is used by no goroutine but
// the one that runs serve.
type conn struct {
	srv  *Server
	node Node
	nc   net.Conn

	ctx    context.Context // ends when reading does
	cancel context.CancelFunc

	// The reader's.
	in      *wire.Reader
	message wire.Request
	request request
	access  access
	walker  *store.Walker // nil before the first WALK
	lookout lookout
	mine    bool // the reader is the one that writes

	requests counts // only the reader adds to it
	heard    bool   // a request; so it is a client
	peer     bool   // it is another member's, to be handed over

	stranger bool // there is room for it only if it is another member's

	// room has a token when something that the reader was starved of may be
	// there.
	room chan struct{}

	helpers sync.WaitGroup // goroutines of the crew that write or read the store for it

	mu       sync.Mutex
	outbox   outbox
	waiting  waiting
	due      []*pending // reads whose rev has come
	reading  bool       // a goroutine serves those
	writes   int        // under way
	starved  bool       // the reader waits for room
	quitting bool       // no more is read
	deadline time.Time  // of all writing, once quitting
	ended    bool       // nothing more is answered
}

func (s *Server) newConn(nc net.Conn) *conn {
	c := &conn{
		srv:    s,
		node:   s.config.Node,
		nc:     nc,
		in:     wire.NewReader(nc, s.config.MaxValue+wire.FrameSlack),
		access: s.secrets.grants(nil),
		room:   make(chan struct{}, 1),
	}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	c.lookout.conn = c
	return c
}

func (c *conn) config() *Config { return &c.srv.config }

// serve serves requests until the connection ends, and then ends all that was
// done for it. What turns out to be a peer's it leaves open.
func (c *conn) serve() {
	if c.stranger {
		c.identify()
	} else {
		for c.step() == nil {
		}
	}
	if c.peer {
		c.cancel()
		return
	}
	c.quit(time.Now().Add(c.config().WriteTimeout))
	c.drop()
	c.flushRest()
	c.hangUp()
}

// hangUp closes the connection, over which nothing is written any more. Of TLS
// that is a farewell, for which a client that was given up is not waited for.
func (c *conn) hangUp() {
	c.mu.Lock()
	broken := c.outbox.broken
	c.mu.Unlock()
	if broken {
		beneath(c.nc).Close()
		return
	}
	c.nc.Close()
}

// step serves one request. An error ends the connection.
func (c *conn) step() error {
	body, err := c.in.Next()
	if err == nil {
		err = c.serveBody(body)
	} else {
		c.peer = c.isPeer(err)
		err = c.tooLarge(err)
	}
	c.heard = true
	if err != nil {
		return err
	}
	return c.pace()
}

func (c *conn) serveBody(body []byte) error {
	if ready := c.config().Ready; ready != nil && !ready() {
		return errNotReady
	}
	if err := wire.Decode(body, &c.message); err != nil {
		return err
	}
	c.request = newRequest(&c.message)
	err := c.handle(&c.request)
	c.message.Reset() // a connection that waits for more keeps nothing
	c.request = request{}
	return err
}

// identify finds out whether a stranger is another member.
func (c *conn) identify() {
	c.readUntil(time.Now().Add(strangerTimeout))
	_, err := c.in.Next()
	c.peer = c.isPeer(err)
	c.readUntil(time.Time{})
	if !c.peer {
		c.srv.countRefused(c)
	}
}

// errNotReady ends a connection to a node that has joined no cluster yet.
var errNotReady = errors.New("the node has not joined its cluster yet")

// isPeer reports whether the connection, of which nothing could be read as a
// client's, is a peer's. A deadline that ends it all as well may be set by then.
func (c *conn) isPeer(err error) bool {
	return err == wire.ErrFrameSize && !c.heard && c.config().Peers != nil && wire.IsPeer(c.in.Rest())
}

// tooLarge answers a request that was skipped. All other errors of reading end
// the connection.
func (c *conn) tooLarge(err error) error {
	var skipped *wire.TooLarge
	if !errors.As(err, &skipped) {
		return err
	}
	c.put(refused(tag{skipped.Tag, skipped.Tagged}, other("request too large: the limit is "+
		strconv.Itoa(c.config().MaxValue)+" bytes for a value and "+
		strconv.Itoa(wire.FrameSlack)+" for all else")))
	return nil
}

// pace writes what is queued, if the reader is the one that writes, before it
// may have to wait for the next request; and keeps it from reading while the
// client does not.
func (c *conn) pace() error {
	if !c.mine {
		return c.until(func() bool { return c.outbox.held <= pauseUnread })
	}
	if !c.in.Ready() || c.backlog() >= flushAt {
		c.yield()
	}
	return nil
}

// backlog is how much is queued, in bytes.
func (c *conn) backlog() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.outbox.held
}

// until waits until ok, which is called with c.mu held, reports true. The error
// is that the connection ended meanwhile.
func (c *conn) until(ok func() bool) error {
	for !c.try(ok) {
		select {
		case <-c.room:
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	return nil
}

// try reports what ok does, and asks for a signal if that is false.
func (c *conn) try(ok func() bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.starved = !ok()
	return !c.starved
}

// signal wakes the reader if it waits for room. The caller holds c.mu.
func (c *conn) signal() {
	if !c.starved {
		return
	}
	c.starved = false
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// quit makes the connection end: nothing more is read, and what is answered is
// written until the deadline. It does not block.
func (c *conn) quit(deadline time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop(deadline)
}

// stop is quit for a caller that holds c.mu. Only an earlier deadline counts
// after the first. Failures to set one mean that the connection is gone.
func (c *conn) stop(deadline time.Time) {
	if c.quitting && !deadline.Before(c.deadline) {
		return
	}
	c.quitting, c.deadline = true, deadline
	_ = c.nc.SetReadDeadline(longAgo)
	_ = c.nc.SetWriteDeadline(deadline)
	c.cancel()
}
