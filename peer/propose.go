package peer

import (
	"errors"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

var (
	// ErrClosed reports a proposal that came too late: the node is closed, and what was proposed does not happen.
	ErrClosed = errors.New("node is closed")

	// ErrReadOnly reports a proposal to a node that is no voter: it does not happen.
	ErrReadOnly error = readOnlyError{}

	// ErrNoMajority reports a proposal for which no majority of the voters was found in time: it does not happen.
	ErrNoMajority error = timeoutError("not written: no majority of the voters answered in time")

	// ErrOutcomeUnknown reports a proposal whose decision this node does not know: it may or may not have happened, or
	// still happen.
	ErrOutcomeUnknown = errors.New("outcome unknown")

	// errOverdue is that because no majority of the voters answered in time.
	errOverdue error = timeoutError(wire.DetailUnknown + "no majority of the voters answered in time, the write may still happen")
)

// A timeoutError is how the server knows that a client is to be told.
type timeoutError string

func (e timeoutError) Error() string { return string(e) }

// Timeout is always true.
func (e timeoutError) Timeout() bool { return true }

// Is makes what is overdue an unknown outcome.
func (e timeoutError) Is(target error) bool { return target == ErrOutcomeUnknown && e == errOverdue }

type readOnlyError struct{}

func (readOnlyError) Error() string { return "node is an observer" }

// ReadOnly is how the server knows it.
func (readOnlyError) ReadOnly() bool { return true }

// A proposal is what a client waits for: a mutation, or, if mutation is nil, a barrier.
type proposal struct {
	mutation []byte
	done     func(store.Event, error)
	held     weight // of the queue's room; the node's own proposals take none
}

// answer tells whoever proposed p what became of it, and returns the room that it has held.
func (p proposal) answer(e store.Event, err error) (answered weight) {
	p.done(e, err)
	return p.held
}

// A weight counts proposals and the bytes of their mutations.
type weight struct{ count, bytes int64 }

func (w *weight) add(v weight) {
	w.count += v.count
	w.bytes += v.bytes
}

// proposals are those under way, by tag. Tags ascend.
type proposals struct {
	lastTag uint64 // of the newest proposal
	ended   uint64 // all up to here are answered
	waiting map[uint64]proposal
	marks   []mark
	apart   time.Duration // two marks are at least
}

// marksKept is how many marks there are at most: so fine is the time told after which a proposal is overdue.
const marksKept = 64

// A mark says that the proposals up to tag had come by the time at.
type mark struct {
	tag uint64
	at  time.Duration
}

func newProposals(apart time.Duration) proposals {
	return proposals{waiting: map[uint64]proposal{}, apart: apart}
}

func (p *proposals) tick(now time.Duration) {
	newest := mark{tag: p.ended, at: now - p.apart}
	if k := len(p.marks); k > 0 {
		newest = p.marks[k-1]
	}
	if p.lastTag > newest.tag && now-newest.at >= p.apart {
		p.marks = append(p.marks, mark{p.lastTag, now})
	}
}

// overdue returns the newest tag that came before since, if it is newer than what it returned before.
func (p *proposals) overdue(since time.Duration) (tag uint64) {
	for len(p.marks) > 0 && p.marks[0].at < since {
		tag = p.marks[0].tag
		p.marks = p.marks[1:]
	}
	return tag
}

// Propose hands over the encoding of a mutation, or if it is nil a barrier, which holds once everything that
// was decided anywhere before has been applied here. done is called exactly once, by this or a later call: with
// the event when it has been applied, or with an error: ErrReadOnly, ErrNoMajority, ErrOutcomeUnknown.
func (c *Core) Propose(mutation []byte, done func(store.Event, error)) {
	c.propose(proposal{mutation: mutation, done: done})
}

func (c *Core) propose(p proposal) {
	if !c.Joined() {
		c.out.answered.add(p.answer(store.Event{}, ErrReadOnly))
		return
	}
	c.enter(p)
}

// enter is propose, for the founder's own proposals too.
func (c *Core) enter(p proposal) {
	c.proposals.lastTag++
	tag := c.proposals.lastTag
	c.proposals.waiting[tag] = p
	if err := c.hand(tag, p.mutation); err != nil {
		c.settle(tag, store.Event{}, failureOf(err))
	}
}

func (c *Core) hand(tag uint64, mutation []byte) error {
	if mutation == nil {
		return c.engine.Barrier(tag)
	}
	return c.engine.Propose(tag, mutation)
}

// settle answers a proposal, unless it was answered in time.
func (c *Core) settle(tag uint64, e store.Event, err error) {
	p, ok := c.proposals.waiting[tag]
	if !ok {
		return
	}
	delete(c.proposals.waiting, tag)
	c.out.answered.add(p.answer(e, err))
}

// failureOf returns this package's error for one of the engine.
func failureOf(err error) error {
	switch {
	case errors.Is(err, consensus.ErrReadOnly):
		return ErrReadOnly
	case errors.Is(err, consensus.ErrUnknown):
		return ErrOutcomeUnknown
	default:
		return err
	}
}

// endOverdue answers the proposals that have waited too long. Those that were not suggested yet are taken back;
// of the others nobody knows.
func (c *Core) endOverdue() {
	tag := c.proposals.overdue(c.now - c.config.WriteTimeout)
	if tag == 0 {
		return
	}
	for _, t := range c.engine.Withdraw(tag) {
		c.settle(t, store.Event{}, ErrNoMajority)
	}
	c.abandonUpTo(tag, errOverdue)
}

// Abandon answers everything that is under way with ErrOutcomeUnknown.
func (c *Core) Abandon() { c.abandonUpTo(c.proposals.lastTag, ErrOutcomeUnknown) }

func (c *Core) abandonUpTo(tag uint64, err error) {
	for c.proposals.ended < tag {
		c.proposals.ended++
		c.settle(c.proposals.ended, store.Event{}, err)
	}
}
