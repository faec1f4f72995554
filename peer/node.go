package peer

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ha/doozerd/store"
)

var (
	// ErrClosed reports a proposal that came too late: the node is closed, and
	// what was proposed does not happen.
	ErrClosed = errors.New("node is closed")

	// ErrOutcomeUnknown reports a proposal that was under way when the node
	// closed: it may or may not have been decided.
	ErrOutcomeUnknown = errors.New("node closed with the outcome unknown")
)

// Node is one running node. Its methods are safe for concurrent use.
type Node struct {
	config Config // complete
	core   *core  // owned by the loop
	queue  *queue
	log    *slog.Logger

	closeOnce sync.Once
	closing   chan struct{}
	done      chan struct{}
}

// Start founds a cluster of one and returns its node as soon as that takes
// writes. The error is that of [Config.Validate].
func Start(c Config) (*Node, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	core, err := newCore(c.ID, c.History)
	if err != nil {
		return nil, err
	}
	if err := core.found(c); err != nil {
		return nil, err
	}
	n := &Node{
		config:  c,
		core:    core,
		queue:   newQueue(),
		log:     c.Logger,
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go n.loop()
	return n, nil
}

// ID returns the id of this process.
func (n *Node) ID() string { return n.config.ID }

// Writable reports whether the node takes writes. The one voter of a cluster
// always does.
func (n *Node) Writable() bool { return true }

// Store returns the node's store, for reading. Only the node writes to it.
func (n *Node) Store() *store.Store { return n.core.store }

// Propose hands over a mutation. It blocks while too much is waiting.
//
// If it returns nil, done is called exactly once, on the node's loop, so it
// must not block: with the mutation's event when that has been applied here, or
// with [ErrClosed] or [ErrOutcomeUnknown] if the node closes before. If it
// returns an error, that of ctx or [ErrClosed], the mutation does not happen
// and done is never called.
func (n *Node) Propose(ctx context.Context, m store.Mutation, done func(store.Event, error)) error {
	return n.queue.put(ctx, proposal{mutation: m.Append(nil), done: done})
}

// Barrier calls done when everything that was decided anywhere before the call
// has been applied here. For the rest it is as Propose; it changes nothing.
func (n *Node) Barrier(ctx context.Context, done func(error)) error {
	return n.queue.put(ctx, proposal{done: func(_ store.Event, err error) { done(err) }})
}

// Close ends the node and returns when its loop has ended and everything that
// waited is answered. It may be called again; the error is always nil.
func (n *Node) Close() error {
	n.closeOnce.Do(func() { close(n.closing) })
	<-n.done
	return nil
}

// Done is closed when the node has ended.
func (n *Node) Done() <-chan struct{} { return n.done }

// loop owns core: whatever changes consensus or the store happens here. It only
// waits for the next thing to do and hands it on.
func (n *Node) loop() {
	defer close(n.done)
	defer n.end()
	pulse := time.NewTicker(n.config.Pulse)
	defer pulse.Stop()
	for {
		var answered weight
		select {
		case <-n.closing:
			return
		case <-n.queue.ready:
			answered = n.takeProposals()
		case <-pulse.C:
			n.core.pulse(n.pulseRefused)
		}
		answered.add(n.core.advance())
		n.queue.release(answered)
	}
}

func (n *Node) takeProposals() (answered weight) {
	taken := n.queue.take()
	for _, p := range taken {
		answered.add(n.core.propose(p))
	}
	clear(taken)
	return answered
}

func (n *Node) pulseRefused(err error) {
	n.log.Warn("somebody else writes this node's applied file", "path", appliedPath(n.config.ID), "err", err)
}

// end answers everything that is still waiting, under way first.
func (n *Node) end() {
	n.queue.close()
	n.queue.release(n.core.abandon())
	for _, p := range n.queue.take() {
		n.queue.release(p.answer(store.Event{}, ErrClosed))
	}
}
