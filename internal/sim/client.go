package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/ha/doozerd/consensus"
)

// patience of a client with one operation; after it the outcome is unknown and it turns to another node.
const clientTimeout = 2 * time.Second

// client does one operation after the other, as a program would that has one connection at a time.
type client struct {
	w      *world
	number int
	home   *node
	done   int // operations
	busy   bool
	known  map[string]file // what it last read or wrote
	seen   int64           // the newest rev read at home
}

// next does an operation, while there is load.
func (c *client) next() {
	if c.w.now > loadTime && c.done > 0 {
		return
	}
	if c.home == nil || c.home.dead || c.home == c.w.sick {
		c.move()
	}
	c.done++
	key := fmt.Sprint("k", c.w.rand.IntN(c.w.plan.keys))
	switch dice := c.w.rand.IntN(10); {
	case dice < 5 || c.w.now > loadTime:
		c.write(key, clobber, "")
	case dice < 7:
		known := c.known[key]
		c.write(key, known.rev, known.value)
	case dice < 9:
		c.readBehindBarrier(key)
	default:
		c.read(key)
	}
}

// move turns to another node.
func (c *client) move() {
	c.home = pick(c.w.rand, c.w.healthy()...)
	c.seen = 0
}

// write sets key, unconditionally or if its rev is still the one known.
func (c *client) write(key string, guard int64, expected string) {
	o := op{Number: c.w.check.newOp(), Key: key, Guard: guard}
	o.Value = fmt.Sprint("v", o.Number)
	r := &record{client: c.number, op: o, expected: expected, called: c.w.now}
	c.start(r, func(done func(answer)) { c.home.propose(o, done) }, func(a answer) {
		r.outcome = a.outcome
		if a.outcome.ok {
			c.learn(key, file{o.Value, a.outcome.rev})
		} else {
			delete(c.known, key)
		}
	})
}

// readBehindBarrier is NOP, then GET: it must see everything acknowledged before.
func (c *client) readBehindBarrier(key string) {
	home := c.home
	r := &record{client: c.number, read: true, op: op{Key: key}, called: c.w.now}
	c.start(r, home.barrier, func(answer) {
		f := home.machine.files[key]
		r.value = f.value
		c.learn(key, f)
	})
}

// read is a GET alone: it may be behind, but never goes back.
func (c *client) read(key string) {
	if rev := c.home.machine.rev; rev < c.seen {
		c.w.fail("client %d read rev %d at %s after %d", c.number, rev, c.home.id, c.seen)
	}
	c.seen = c.home.machine.rev
	c.learn(key, c.home.machine.files[key])
	c.pause()
}

func (c *client) learn(key string, f file) {
	if c.known == nil {
		c.known = map[string]file{}
	}
	c.known[key] = f
}

// start begins r, and ends it with the answer or the timeout, whichever comes first.
func (c *client) start(r *record, begin func(func(answer)), success func(answer)) {
	c.busy = true
	r.node = c.home
	over := false
	end := func(a answer) {
		if over {
			return
		}
		over, c.busy = true, false
		c.finish(r, a, success)
	}
	c.w.after(clientTimeout, func() { end(answer{err: errTimeout}) })
	begin(end)
}

var errTimeout = errors.New("timeout")

func (c *client) finish(r *record, a answer, success func(answer)) {
	r.returned = c.w.now
	if c.w.out != nil {
		c.w.trace("client %d had to wait %v at %v (%v)", c.number, (r.returned - r.called).Round(time.Millisecond), r.node, a.err)
	}
	switch {
	case a.err == nil:
		success(a)
		c.w.check.ended++
		c.w.check.history = append(c.w.check.history, r)
	case errors.Is(a.err, consensus.ErrReadOnly) || errors.Is(a.err, consensus.ErrBusy):
		c.w.check.refused[r.op.Number] = true
		c.move()
	default:
		r.unknown = true
		c.w.check.unknown++
		c.w.check.history = append(c.w.check.history, r)
		c.move()
	}
	if c.w.now > loadTime && a.err != nil {
		c.done = 0 // the last one must succeed
	}
	c.pause()
}

func (c *client) pause() { c.w.after(between(c.w.rand, 0, c.w.plan.think), c.next) }
