package server

import (
	"strconv"

	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

// A pending is a request that waits: a WAIT, or a read at a rev to come. It is
// in its connection's waiting list until it is settled or dropped, whichever
// comes first.
type pending struct {
	tag        tag
	length     int           // of its path, in bytes
	waiter     *store.Waiter // the reader's, once it waits
	read       func() answer // set once it is a read that is due
	listed     bool
	prev, next *pending // with the same tag
}

// waiting lists the requests that wait on a connection, those with one tag in
// the order they came.
type waiting struct {
	tags   map[tag]*line
	count  int
	length int // of all their paths, in bytes
}

// A line is the requests with one tag.
type line struct{ first, last *pending }

func (w *waiting) add(p *pending) {
	if w.tags == nil {
		w.tags = make(map[tag]*line)
	}
	l := w.tags[p.tag]
	if l == nil {
		l = new(line)
		w.tags[p.tag] = l
	}
	if p.prev = l.last; p.prev == nil {
		l.first = p
	} else {
		p.prev.next = p
	}
	l.last = p
	p.listed = true
	w.count++
	w.length += p.length
}

func (w *waiting) remove(p *pending) {
	l := w.tags[p.tag]
	if p.prev == nil {
		l.first = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		l.last = p.prev
	} else {
		p.next.prev = p.prev
	}
	p.prev, p.next, p.listed = nil, nil, false
	if l.first == nil {
		delete(w.tags, p.tag)
	}
	w.count--
	w.length -= p.length
}

// take removes the requests with tag t and returns them.
func (w *waiting) take(t tag) []*pending {
	var taken []*pending
	for w.tags[t] != nil {
		p := w.tags[t].first
		w.remove(p)
		taken = append(taken, p)
	}
	return taken
}

// takeAll removes all requests and returns them.
func (w *waiting) takeAll() []*pending {
	var taken []*pending
	for t := range w.tags {
		taken = append(taken, w.take(t)...)
	}
	w.tags = nil
	return taken
}

// wait answers with the first event from rev on whose path the glob matches.
func wait(c *conn, r *request) error {
	t, g, rev := r.tag, r.glob, r.rev
	c.await(r, func(p *pending) (*store.Waiter, error) {
		return c.node.Store().Wait(g, rev, func(e store.Event, err error) {
			c.settle(p, happenedOr(t, e, err))
		})
	})
	return nil
}

// maxWaitingPaths bounds the paths of all requests that wait on one connection,
// in bytes: they are kept, and matched with what happens.
const maxWaitingPaths = 4 << 20

// await lists r as waiting and makes it wait by start, which arranges for settle
// to be called, at once or later.
func (c *conn) await(r *request, start func(*pending) (*store.Waiter, error)) {
	t := r.tag
	p, why := c.list(r)
	if p == nil {
		c.put(refused(t, other("too many waiting requests: the limit is "+why+" on one connection")))
		return
	}
	w, err := start(p)
	if err != nil {
		c.settle(p, refused(t, refuse(err)))
		return
	}
	p.waiter = w
}

// list adds r to the requests that wait, or returns nil and which limit it is
// beyond.
func (c *conn) list(r *request) (p *pending, limit string) {
	p = &pending{tag: r.tag, length: len(r.path)}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.waiting.count >= c.config().MaxWaits:
		return nil, strconv.Itoa(c.config().MaxWaits)
	case c.waiting.length+p.length > maxWaitingPaths:
		return nil, strconv.Itoa(maxWaitingPaths) + " bytes of paths"
	}
	c.claim() // it may be answered at once
	c.waiting.add(p)
	return p, ""
}

// settle answers a request that waits, unless it was cancelled or dropped. It
// may be called on the node's loop.
func (c *conn) settle(p *pending, a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.listed {
		c.waiting.remove(p)
		c.enqueue(a)
	}
}

// cancel ends all requests that wait with the tag that r names.
func cancel(c *conn, r *request) error {
	for _, p := range c.answerCancelled(r) {
		p.waiter.Cancel()
	}
	return nil
}

// answerCancelled answers those requests and then r, and returns them.
func (c *conn) answerCancelled(r *request) []*pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claim()
	cancelled := c.waiting.take(r.other)
	for range cancelled {
		c.enqueue(refused(r.other, other(wire.DetailCancelled)))
	}
	c.enqueue(answer{tag: r.tag})
	return cancelled
}

// drop forgets everything that waits; nothing is answered any more.
func (c *conn) drop() {
	c.mu.Lock()
	c.ended = true
	dropped := c.waiting.takeAll()
	c.mu.Unlock()
	for _, p := range dropped {
		p.waiter.Cancel()
	}
}
