package peer

import (
	"fmt"
	"math/rand/v2"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/store"
)

// A proposal is what a client waits for: a mutation, or, if mutation is nil, a
// barrier.
type proposal struct {
	mutation []byte
	done     func(store.Event, error)
	held     weight // of the queue's room; the node's own proposals take none
}

// A weight counts proposals and the bytes of their mutations.
type weight struct{ count, bytes int64 }

func (w *weight) add(v weight) {
	w.count += v.count
	w.bytes += v.bytes
}

// core is the node without its loop: what to do with proposals, decisions and
// the time for a pulse. It knows no clock and no goroutine, and only its one
// driver may call it.
type core struct {
	id      string
	engine  *consensus.Engine
	store   *store.Store
	lastTag uint64              // of the newest proposal
	waiting map[uint64]proposal // under way, by tag
	pulsing bool                // the last pulse is under way
}

func newCore(id string, history int) (*core, error) {
	engine, err := consensus.New(consensus.Config{
		ID:     id,
		Rand:   jitter(),
		Retain: 1, // nobody has to catch up with the one voter there is
	}, consensus.Founding(id))
	if err != nil {
		return nil, err
	}
	return &core{
		id:      id,
		engine:  engine,
		store:   store.New(history),
		waiting: make(map[uint64]proposal),
	}, nil
}

// jitter is the source of the engine's random pauses.
func jitter() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) }

// propose hands p to consensus. It is answered by advance or abandon, or at once
// if consensus does not take it; then the room that it held is returned.
func (c *core) propose(p proposal) (answered weight) {
	c.lastTag++
	c.waiting[c.lastTag] = p
	if err := c.hand(c.lastTag, p.mutation); err != nil {
		return c.settle(c.lastTag, store.Event{}, err)
	}
	return weight{}
}

func (c *core) hand(tag uint64, mutation []byte) error {
	if mutation == nil {
		return c.engine.Barrier(tag)
	}
	return c.engine.Propose(tag, mutation)
}

// advance applies what has been decided, answers the proposals among it, and
// returns the room that these have held.
func (c *core) advance() (answered weight) {
	for {
		r := c.engine.Ready()
		for _, f := range r.Failures {
			answered.add(c.settle(f.Tag, store.Event{}, f.Err))
		}
		if len(r.Decisions) == 0 {
			return answered
		}
		for _, d := range r.Decisions {
			answered.add(c.apply(d))
			c.engine.Applied(d.Instance, nil) // the one voter stands
		}
	}
}

func (c *core) apply(d consensus.Decision) (answered weight) {
	for i, m := range d.Batch.Mutations {
		event := c.store.Apply(m)
		if i < len(d.Tags) {
			answered.add(c.settle(d.Tags[i], event, nil))
		}
	}
	for _, tag := range d.Barriers {
		answered.add(c.settle(tag, store.Event{}, nil))
	}
	return answered
}

// abandon answers everything that is under way with ErrOutcomeUnknown.
func (c *core) abandon() (answered weight) {
	for tag := range c.waiting {
		answered.add(c.settle(tag, store.Event{}, ErrOutcomeUnknown))
	}
	return answered
}

// settle answers one proposal.
func (c *core) settle(tag uint64, e store.Event, err error) (answered weight) {
	p := c.waiting[tag]
	delete(c.waiting, tag)
	return p.answer(e, err)
}

// answer tells whoever proposed p what became of it, and returns the room that
// it has held.
func (p proposal) answer(e store.Event, err error) (answered weight) {
	p.done(e, err)
	return p.held
}

// found writes the /ctl files of a new cluster of one. Each must be there
// before the next is proposed, so that they get the revs that clients expect.
func (c *core) found(config Config) error {
	for _, f := range foundingFiles(config) {
		if err := c.create(f); err != nil {
			return err
		}
	}
	rev := c.store.Snapshot().Rev()
	return c.create(file{appliedPath(c.id), string(appliedBody(rev))})
}

// create sets a file that must be missing and waits for it to be applied.
func (c *core) create(f file) error {
	err := fmt.Errorf("%w: no decision", ErrOutcomeUnknown)
	c.propose(proposal{
		mutation: set(f.path, store.Missing, []byte(f.body)),
		done: func(e store.Event, failure error) {
			err = failure
			if err == nil {
				err = e.Err
			}
		},
	})
	c.advance()
	if err != nil {
		return fmt.Errorf("found the cluster: %s: %w", f.path, err)
	}
	return nil
}

// pulse proposes to set the applied file to the rev that is applied now, unless
// the last pulse is still under way. The file's present rev is the guard: if
// somebody else wrote it, the pulse goes on from there. refused is called if
// somebody writes it just before the pulse does.
func (c *core) pulse(refused func(error)) {
	if c.pulsing {
		return
	}
	c.pulsing = true
	now := c.store.Snapshot()
	path := appliedPath(c.id)
	rev, _ := now.Stat(path)
	c.propose(proposal{
		mutation: set(path, rev, appliedBody(now.Rev())),
		done: func(e store.Event, err error) {
			c.pulsing = false
			if err == nil && e.Err != nil {
				refused(e.Err)
			}
		},
	})
}

func set(path string, guard int64, body []byte) []byte {
	m := store.Mutation{Op: store.Set, Path: path, Guard: guard, Body: body}
	return m.Append(nil)
}
