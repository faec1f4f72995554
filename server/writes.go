package server

import (
	"errors"
	"time"

	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

func set(c *conn, r *request) error {
	t := r.tag
	m := store.Mutation{Op: store.Set, Path: r.path, Guard: r.rev, Body: r.value}
	return c.propose(t, m, func(e store.Event) answer {
		return answer{tag: t, fields: hasRev, rev: e.Rev}
	})
}

func del(c *conn, r *request) error {
	t := r.tag
	m := store.Mutation{Op: store.Del, Path: r.path, Guard: r.rev}
	return c.propose(t, m, func(store.Event) answer { return answer{tag: t} })
}

// propose has m decided and answers with what made returns for its event, or
// with why it failed.
func (c *conn) propose(t tag, m store.Mutation, made func(store.Event) answer) error {
	return c.submit(t, func() error {
		return c.node.Propose(c.ctx, m, func(e store.Event, err error) {
			switch {
			case err != nil:
				c.undecided(t, err)
			case e.Err != nil:
				c.decided(refused(t, refuse(e.Err)))
			default:
				c.decided(made(e))
			}
		})
	})
}

func nop(c *conn, r *request) error {
	t := r.tag
	return c.submit(t, func() error {
		return c.node.Barrier(c.ctx, func(err error) {
			if err != nil {
				c.undecided(t, err)
			} else {
				c.decided(answer{tag: t})
			}
		})
	})
}

// submit counts a write with tag t and hands it over by propose. Both may take a
// while.
func (c *conn) submit(t tag, propose func() error) error {
	c.yield()
	c.lookout.begin()
	defer c.lookout.end()
	if err := c.until(c.beginWrite); err != nil {
		return err
	}
	if err := propose(); err != nil {
		return c.notProposed(t, err)
	}
	return nil
}

// beginWrite counts a write if there is room for it.
func (c *conn) beginWrite() bool {
	if c.writes >= c.config().MaxWrites {
		return false
	}
	c.writes++
	return true
}

// notProposed takes back a write that the node did not take.
func (c *conn) notProposed(t tag, err error) error {
	if !isReadOnly(err) {
		return err
	}
	c.undecided(t, err)
	return nil
}

// decided answers a write. It may be called on the node's loop.
func (c *conn) decided(a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endWrite()
	c.enqueue(a)
}

// undecided answers a write that did not happen, or that took too long; or ends
// the connection, since nobody can tell. It may be called on the node's loop.
func (c *conn) undecided(t tag, err error) {
	switch {
	case isReadOnly(err):
		c.decided(refused(t, refusal{code: wire.Response_READONLY}))
		return
	case isTimeout(err):
		c.decided(refused(t, other(err.Error())))
		return
	}
	c.mu.Lock()
	c.endWrite()
	c.mu.Unlock()
	c.quit(time.Now().Add(closeTimeout))
}

func (c *conn) endWrite() {
	c.writes--
	c.signal()
}

// isTimeout reports whether err says that no majority was found in time. Its text
// says what is known of the write.
func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
