package server

import (
	"crypto/tls"
	"errors"
	"math"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// spareBundle is how many answers a bundle that is kept for the next time
	// may have room for.
	spareBundle = 1024

	// tlsPiece is how much is given to TLS at once, in bytes. TLS cannot go on
	// after a write that timed out, so a piece has to go out within the
	// timeout, even to a slow client.
	tlsPiece = 64 << 10
)

// errGone reports writing to a client that was given up.
var errGone = errors.New("connection given up")

// An outbox is the answers that a connection has still to write. At most one
// goroutine at a time writes them: it took that role when nobody had it, and
// has it until it finds the outbox empty.
type outbox struct {
	queue  *bundle // nil if empty
	held   int     // bytes of all answers not yet written
	taken  bool    // somebody has the role of writing
	broken bool    // nothing can be written any more
}

// A bundle is answers in the order in which they are written.
type bundle struct{ answers []answer }

// bundles caches bundles that no connection needs at the moment.
var bundles = sync.Pool{New: func() any { return new(bundle) }}

// release forgets the answers of b and gives it back to the cache.
func (b *bundle) release() {
	clear(b.answers)
	b.answers = b.answers[:0]
	if cap(b.answers) <= spareBundle {
		bundles.Put(b)
	}
}

// add queues a.
func (o *outbox) add(a answer) {
	if o.queue == nil {
		o.queue = bundles.Get().(*bundle)
	}
	a.cost = answerOverhead + len(a.path) + len(a.detail)
	if last := len(o.queue.answers) - 1; last < 0 || !a.sharesValue(&o.queue.answers[last]) {
		a.cost += len(a.value)
	}
	o.held += a.cost
	o.queue.answers = append(o.queue.answers, a)
}

// put queues an answer for the reader, which will write it if nobody else does.
func (c *conn) put(a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claim()
	c.enqueue(a)
}

// claim makes the reader, which calls it with c.mu held, the one that writes,
// unless somebody else is.
func (c *conn) claim() {
	if !c.outbox.taken {
		c.outbox.taken, c.mine = true, true
	}
}

// enqueue queues an answer and sees to it that somebody writes it. The caller
// holds c.mu.
func (c *conn) enqueue(a answer) {
	if c.ended || c.outbox.broken {
		return
	}
	c.outbox.add(a)
	if c.outbox.held > c.config().MaxUnread {
		c.giveUp()
		c.srv.cut.Add(1)
		return
	}
	if !c.outbox.taken {
		c.outbox.taken = true
		c.help((*conn).drain)
	}
}

// giveUp drops everything that is not yet written and makes the connection end
// at once. The caller holds c.mu.
func (c *conn) giveUp() {
	c.outbox.broken = true
	c.outbox.queue = nil
	c.stop(longAgo)
}

// yield writes what is queued if that is the reader's role, and gives it up.
func (c *conn) yield() {
	if c.mine {
		c.mine = false
		c.drain()
	}
}

// flushRest writes what is queued once nothing is added any more.
func (c *conn) flushRest() {
	c.mu.Lock()
	c.claim()
	c.mu.Unlock()
	c.yield()
	c.helpers.Wait()
}

// drain writes what is queued until nothing is, and gives up the role of
// writing, which the caller has.
func (c *conn) drain() {
	e := encoders.Get().(*encoder)
	defer e.release()
	for b := c.take(); b != nil; b = c.take() {
		if err := c.writeBundle(e, b); err != nil {
			c.lost(err)
		}
		b.release()
	}
}

// take removes everything that is queued and returns it; or if nothing is, it
// gives up the role of writing and returns nil.
func (c *conn) take() *bundle {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.outbox.queue
	c.outbox.queue = nil
	c.outbox.taken = b != nil
	if b == nil {
		c.disarm()
	}
	return b
}

// lost gives up the connection after a failure to write.
func (c *conn) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, os.ErrDeadlineExceeded) && !c.quitting {
		c.srv.cut.Add(1)
	}
	c.giveUp()
}

// writeBundle writes the answers of b, few at a time, so that what they take in
// memory does not depend on how many share a value.
func (c *conn) writeBundle(e *encoder, b *bundle) error {
	for rest := b.answers; len(rest) > 0; {
		n, value := e.chunk(rest)
		if err := c.send(e.buf, value); err != nil {
			return err
		}
		c.written(rest[:n])
		rest = rest[n:]
	}
	return nil
}

// written takes account of answers that were written.
func (c *conn) written(answers []answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range answers {
		c.outbox.held -= answers[i].cost
	}
	if c.outbox.held <= pauseUnread {
		c.signal()
	}
}

// send writes frames, the last of which goes on with value, if there is any:
// size and body of a frame never in two writes. A value is not copied, but for
// a piece of it where several slices cannot be written at once.
func (c *conn) send(frames, value []byte) error {
	if len(value) == 0 {
		return c.write(frames)
	}
	if _, ok := c.nc.(*net.TCPConn); ok {
		return c.writeSlices(net.Buffers{frames, value})
	}
	n := min(len(value), max(c.piece()-len(frames), 0))
	if err := c.write(append(frames, value[:n]...)); err != nil {
		return err
	}
	return c.write(value[n:])
}

// piece is the most that is written at once, in bytes.
func (c *conn) piece() int {
	if _, ok := c.nc.(*tls.Conn); ok {
		return tlsPiece
	}
	return math.MaxInt
}

// write writes b for as long as the client takes something of it.
func (c *conn) write(b []byte) error {
	for len(b) > 0 {
		if err := c.arm(); err != nil {
			return err
		}
		n, err := c.nc.Write(b[:min(len(b), c.piece())])
		if stuck(int64(n), err) {
			return err
		}
		b = b[n:]
	}
	return nil
}

// writeSlices is write for several slices, which go out in one write.
func (c *conn) writeSlices(b net.Buffers) error {
	for len(b) > 0 {
		if err := c.arm(); err != nil {
			return err
		}
		if n, err := b.WriteTo(c.nc); stuck(n, err) {
			return err
		}
	}
	return nil
}

// stuck reports whether a write of n bytes that returned err was the last: it
// failed, and not for want of time for the rest.
func stuck(n int64, err error) bool {
	return err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded))
}

// disarm takes back the deadline of the last write of TLS, which itself writes
// at times and cannot go on if that fails. The caller holds c.mu.
func (c *conn) disarm() {
	if _, ok := c.nc.(*tls.Conn); ok && !c.quitting {
		_ = c.nc.SetWriteDeadline(time.Time{})
	}
}

// arm sets the deadline of the next write.
func (c *conn) arm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outbox.broken {
		return errGone
	}
	deadline := time.Now().Add(c.config().WriteTimeout)
	if c.quitting && c.deadline.Before(deadline) {
		deadline = c.deadline
	}
	return c.nc.SetWriteDeadline(deadline)
}
