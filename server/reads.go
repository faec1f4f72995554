package server

import (
	"errors"

	"github.com/ha/doozerd/store"
)

// A read answers a request from one version of the store, without its tag. It
// may run on any goroutine.
type read func(*store.Snapshot, *request) (answer, error)

// readBy returns how to serve a request that read answers.
func readBy(f read) func(*conn, *request) error {
	return func(c *conn, r *request) error { return c.read(r, f, f) }
}

// walk is served like any other read, only that the connection remembers how
// far it walked, if it need not wait.
func walk(c *conn, r *request) error { return c.read(r, c.walkOn, walkAfresh) }

// read answers r from the version it asks for: by now if there is one, or by
// later once it is applied.
func (c *conn) read(r *request, now, later read) error {
	s, err := c.version(r)
	switch {
	case err == nil:
		c.put(answerBy(now, s, r))
	case errors.Is(err, store.ErrFuture):
		c.readLater(r, later)
	default:
		c.put(refused(r.tag, refuse(err)))
	}
	return nil
}

// version returns the version of the store that r asks for.
func (c *conn) version(r *request) (*store.Snapshot, error) {
	if !r.hasRev {
		return c.node.Store().Snapshot(), nil
	}
	return c.node.Store().At(r.rev)
}

// readLater answers r by f once the rev that it asks for is applied. The node's
// loop only queues that, for f may take longer than it has time; and f does not
// wait for the client to take the answer, which would keep the version alive.
func (c *conn) readLater(r *request, f read) {
	late := *r
	late.value = nil // whatever it is, it is not worth keeping
	c.await(r, func(p *pending) (*store.Waiter, error) {
		return c.node.Store().AwaitRev(late.rev, func(s *store.Snapshot, err error) {
			if err != nil {
				c.settle(p, refused(late.tag, refuse(err)))
				return
			}
			c.readSoon(p, func() answer { return answerBy(f, s, &late) })
		})
	})
}

// readSoon settles p with what f makes, on another goroutine.
func (c *conn) readSoon(p *pending, f func() answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !p.listed {
		return
	}
	p.read = f
	c.due = append(c.due, p)
	if !c.reading {
		c.reading = true
		c.help((*conn).readDue)
	}
}

func (c *conn) readDue() {
	for p := c.nextDue(); p != nil; p = c.nextDue() {
		c.settle(p, p.read())
	}
}

// nextDue takes the next read that is due and was not cancelled or dropped; or
// if there is none, it returns nil, and the goroutine that reads has to end.
func (c *conn) nextDue() *pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.due) > 0 {
		p := c.due[0]
		c.due[0] = nil // the array stays and would keep the version alive
		c.due = c.due[1:]
		if p.listed {
			return p
		}
	}
	c.due, c.reading = nil, false
	return nil
}

// answerBy is the answer of f to r.
func answerBy(f read, s *store.Snapshot, r *request) answer {
	a, err := f(s, r)
	if err != nil {
		return refused(r.tag, refuse(err))
	}
	a.tag = r.tag
	return a
}

func get(s *store.Snapshot, r *request) (answer, error) {
	body, rev, err := s.Get(r.path)
	return answer{fields: hasRev | hasValue, rev: rev, value: body}, err
}

func stat(s *store.Snapshot, r *request) (answer, error) {
	rev, n := s.Stat(r.path)
	return answer{fields: hasRev | hasLen, rev: rev, length: int32(n)}, nil
}

func getdir(s *store.Snapshot, r *request) (answer, error) {
	name, err := s.Entry(r.path, int(r.offset))
	return answer{fields: hasPath, path: name}, err
}

// walkOn is for the connection's reader only.
func (c *conn) walkOn(s *store.Snapshot, r *request) (answer, error) {
	if c.walker == nil {
		c.walker = new(store.Walker)
	}
	e, err := c.walker.Walk(s, r.glob, int(r.offset))
	return happened(r.tag, e), err
}

func walkAfresh(s *store.Snapshot, r *request) (answer, error) {
	e, err := s.Walk(r.glob, int(r.offset))
	return happened(r.tag, e), err
}
