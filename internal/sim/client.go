package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/store"
)

// clientTimeout is a client's patience with one node; after it the outcome is unknown and it turns to another.
const clientTimeout = 2 * time.Second

// client does one operation after the other, as a program would that has one connection at a time. In most runs
// it does as package client: it sends again what that sends again, and asks a node that it turns to for nothing
// before that has applied what it was told of.
type client struct {
	w      *world
	number int
	home   *node
	in     *history // of the cluster that home was in
	done   int      // operations
	busy   bool
	known  map[string]file // what it last read or wrote
	seen   int64           // the newest rev read at home
	told   int64           // the newest rev that an answer told of, anywhere
	floor  int64           // the rev that made the newest of all that it saw: nothing that it reads may be from before
}

// next does an operation, while there is load.
func (c *client) next() {
	if c.w.now > c.w.loadEnd && c.done > 0 {
		return
	}
	if c.home == nil || c.home.dead || c.home == c.w.sick || c.in != c.home.in {
		c.move()
	}
	if !c.connected() {
		c.home = nil
		c.w.after(100*time.Millisecond, c.next)
		return
	}
	c.done++
	path := c.w.somePath()
	switch dice := c.w.rand.IntN(20); {
	case dice < 9 || c.w.now > c.w.loadEnd:
		c.write(store.Set, path, store.Clobber)
	case dice < 10:
		c.write(store.Set, path, store.Missing)
	case dice < 12 || dice < 13 && !c.w.plan.repeats:
		c.write(store.Set, path, c.known[path].rev)
	case dice < 14:
		c.write(store.Del, path, pick(c.w.rand, store.Clobber, c.known[path].rev))
	case dice < 18:
		c.readBehindBarrier(path)
	case dice < 19:
		c.walk()
	default:
		c.read(path)
	}
}

func (w *world) somePath() string { return fmt.Sprint(keyDir, w.rand.IntN(w.plan.keys)) }

// move turns to another node.
func (c *client) move() {
	c.home = c.w.someHome()
	c.seen = 0
	if c.home != nil && c.in != c.home.in { // a cluster that goes on after an escape has revs of its own
		c.in = c.home.in
		c.told, c.floor = 0, 0
		clear(c.known)
	}
}

// connected reports whether c has a node to ask.
func (c *client) connected() bool {
	if c.home == nil || !c.home.joined() {
		return false
	}
	behind := c.w.plan.repeats && c.home.tree().Rev() < c.told
	if behind {
		c.w.trace("client %d has seen rev %d, and is not served by %v", c.number, c.told, c.home)
	}
	return !behind
}

// someHome returns a node that a client finds, or nil.
func (w *world) someHome() *node {
	healthy := w.healthy()
	if len(healthy) == 0 {
		return nil
	}
	return pick(w.rand, healthy...)
}

// write sets or deletes a file, unconditionally or if its rev is still the one known.
func (c *client) write(kind store.Op, path string, guard int64) {
	o := c.w.check.newOp(kind, path, guard)
	m := store.Mutation{Op: kind, Path: path, Guard: guard}
	if kind == store.Set {
		m.Body = c.w.body(o.mark)
	}
	r := &record{client: c.number, op: o}
	c.start(r, func(done func(answer)) { r.node.propose(m, done) }, func(a answer) {
		c.w.check.acknowledge(r, a.event)
		switch {
		case r.copies > 1 && !r.outcome.ok: // the first may have done it
			r.unknown = true
			c.w.check.unknown++
		case !r.outcome.ok:
			delete(c.known, path)
		case kind == store.Set:
			c.tells(r.outcome.rev)
			c.learn(path, file{o.mark, r.outcome.rev})
		default:
			c.learn(path, file{})
		}
	})
}

// body is what is written: its mark, and in some runs a lot more.
func (w *world) body(mark string) []byte {
	if w.plan.large == 0 || w.nodesRand.IntN(largeShare) > 0 {
		return []byte(mark)
	}
	body := make([]byte, w.plan.large)
	copy(body, mark+" ")
	return body
}

// largeShare is how many writes there are to a large one, where there are any.
const largeShare = 8

// readBehindBarrier is NOP, then GET: it must see everything acknowledged before.
func (c *client) readBehindBarrier(path string) {
	r := &record{client: c.number, read: true, op: op{path: path}}
	c.start(r, func(done func(answer)) { r.node.barrier(done) }, func(answer) {
		c.told = max(c.told, r.node.tree().Rev()) // it asks for that
		r.seen = c.sees(r.node, path)
		c.learn(path, r.seen)
	})
}

// read is a GET alone: it may be behind, but never goes back.
func (c *client) read(path string) {
	c.looks()
	c.learn(path, c.sees(c.home, path))
	c.pause()
}

// walk reads everything at one rev, which it asks for first.
func (c *client) walk() {
	c.looks()
	c.tells(c.home.tree().Rev())
	c.w.check.walked(c.home, c.home.tree())
	c.pause()
}

// tells takes in a rev that an answer told of.
func (c *client) tells(rev int64) {
	c.told, c.floor = max(c.told, rev), max(c.floor, rev)
}

// sees reads the file at path from n. It must not be as it was before what c had seen, wherever that was.
func (c *client) sees(n *node, path string) file {
	rev, f := n.tree().Rev(), fileAt(n.tree(), path)
	made := n.in.madeBy(path, rev)
	if c.w.plan.repeats && n.in.madeBy(path, max(rev, c.floor)) != made {
		c.w.fail("client %d read %s at %s as of rev %d, and had seen what happened at rev %d", c.number, path, n.id, rev, c.floor)
	}
	c.floor = max(c.floor, made)
	if c.told = max(c.told, f.rev); f.rev == store.Missing {
		c.told = max(c.told, rev) // it asks for that
	}
	return f
}

func (c *client) looks() {
	rev := c.home.tree().Rev()
	if rev < c.seen {
		c.w.fail("client %d read rev %d at %s after %d", c.number, rev, c.home.id, c.seen)
	}
	c.seen = rev
}

func (c *client) learn(path string, f file) {
	if c.known == nil {
		c.known = map[string]file{}
	}
	c.known[path] = f
}

// request is an operation under way.
type request struct {
	*record
	begin   func(done func(answer)) // asks record.node
	success func(answer)
}

// start begins r, and ends it with the answer or for want of one.
func (c *client) start(r *record, begin func(func(answer)), success func(answer)) {
	c.busy = true
	r.called = c.w.now
	c.ask(&request{r, begin, success})
}

// ask asks the node that c has turned to. It ends with the answer or the timeout, whichever comes first.
func (c *client) ask(q *request) {
	q.node, q.in = c.home, c.home.in
	q.copies, q.asked = q.copies+1, c.w.now
	over := false
	end := func(a answer) {
		if over {
			c.late(q.record, a)
			return
		}
		over = true
		if !refuses(a.err) {
			c.w.check.took(q.record)
		}
		if c.repeats(q, a.err) {
			c.w.after(redial, func() { c.again(q, a) })
			return
		}
		c.end(q, a)
	}
	c.w.after(clientTimeout, func() { end(answer{err: errTimeout}) })
	q.begin(end)
}

// How long it takes until another node is asked, at least, and for how long somebody waits for an operation.
const (
	redial   = 10 * time.Millisecond
	lastCopy = 3 * clientTimeout
)

// repeats reports whether q is sent again: what was not answered, if a second copy does no harm whatever became
// of the first; and what was sent again to an observer. A delete deletes nothing that its client did not mean,
// if its guard is a rev that the client had seen.
func (c *client) repeats(q *request, err error) bool {
	harmless := q.read || q.op.kind == store.Del && q.op.guard >= store.Missing
	lost := errors.Is(err, errTimeout) || errors.Is(err, errGone)
	return c.w.plan.repeats && harmless && (lost || q.copies > 1 && errors.Is(err, peer.ErrReadOnly))
}

// again asks another node the same as the one that gave a, or the lack of it. After an escape revs are others
// than those that a guard was of.
func (c *client) again(q *request, a answer) {
	c.move()
	switch {
	case c.w.now-q.called > lastCopy || !q.read && c.home != nil && c.home.in != q.in:
		c.end(q, a)
	case !c.connected():
		c.w.after(100*time.Millisecond, func() { c.again(q, a) })
	default:
		c.ask(q)
	}
}

func (c *client) end(q *request, a answer) {
	c.busy = false
	c.finish(q.record, a, q.success)
}

// late is an answer for which the client did not wait. What it says must be true all the same.
func (c *client) late(r *record, a answer) {
	if !r.read && refuses(a.err) && r.unknown {
		c.w.check.refuse(r.op)
	}
}

// refuses reports whether err says that nothing was done.
func refuses(err error) bool {
	return errors.Is(err, peer.ErrReadOnly) || errors.Is(err, peer.ErrNoMajority) || errors.Is(err, consensus.ErrBusy)
}

var errTimeout = errors.New("timeout")

func (c *client) finish(r *record, a answer, success func(answer)) {
	r.returned = c.w.now
	if c.w.out != nil {
		c.w.trace("client %d had to wait %v at %v (%v)", c.number, (r.returned - r.called).Round(time.Millisecond), r.node, a.err)
	}
	switch {
	case a.err == nil:
		r.in = r.node.in // it may have escaped meanwhile
		success(a)
		c.w.check.ended++
		c.w.check.records = append(c.w.check.records, r)
	case refuses(a.err) && (r.read || r.copies == 1):
		if !r.read {
			c.w.check.refuse(r.op)
		}
		c.move()
	case refuses(a.err) || errors.Is(a.err, peer.ErrOutcomeUnknown) || errors.Is(a.err, errTimeout) || errors.Is(a.err, errGone):
		r.unknown = true
		c.w.check.unknown++
		c.w.check.records = append(c.w.check.records, r)
		c.move()
	default:
		c.w.fail("%+v at %v ended with %v", r.op, r.node, a.err)
	}
	if c.w.now > c.w.loadEnd && a.err != nil {
		c.done = 0 // the last one must succeed
	}
	c.pause()
}

func (c *client) pause() { c.w.after(between(c.w.rand, 0, c.w.plan.think), c.next) }
