package peer

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ha/doozerd/peer/link"
	"github.com/ha/doozerd/store"
)

// Node is one running node. Its methods are safe for concurrent use.
type Node struct {
	config Config // complete
	log    *slog.Logger
	store  *store.Store
	queue  *queue
	links  *link.Transport
	losses losses

	// Owned by the loop.
	stage stage
	again func() error // enters the stage in which a cluster is looked for
	mail  *mail
	start time.Time
	unfed bool // it was told that members send us nothing
	busy  int  // turns in which more is expected than what they were woken for

	events   chan event
	orders   chan func()
	cluster  atomic.Pointer[string] // the id that frames are of
	proven   atomic.Pointer[string] // the id of the cluster of which there is something to read here
	status   atomic.Pointer[Status]
	canWrite atomic.Bool

	closeOnce sync.Once
	closing   chan struct{}
	joined    chan struct{}
	done      chan struct{}
	err       error // why the node ended by itself; written before done is closed
}

// maxEvents is how many frames and other news of links may wait for the loop; whoever has more waits.
const maxEvents = 256

// Start starts a node. Without Attach it founds a cluster of one, and takes writes when Start returns; else it
// is on its way to be a member: see [Node.Joined]. The error is that of [Config.Validate].
func Start(c Config) (*Node, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	n := &Node{
		config:  c,
		log:     c.Logger,
		store:   store.New(c.History),
		queue:   newQueue(),
		start:   time.Now(),
		events:  make(chan event, maxEvents),
		orders:  make(chan func()),
		closing: make(chan struct{}),
		joined:  make(chan struct{}),
		done:    make(chan struct{}),
	}
	n.config.store = n.store
	n.speak(Unfounded)
	n.proven.Store(new(string))
	n.status.Store(&Status{ID: c.ID})
	if err := n.connect(); err != nil {
		return nil, err
	}
	if err := n.begin(); err != nil {
		n.links.Close()
		return nil, err
	}
	go n.loop()
	return n, nil
}

// begin enters the first stage.
func (n *Node) begin() error {
	switch {
	case len(n.config.Attach) == 0:
		return n.foundCluster(Founding{Cluster: NewID(), Voters: []Voter{{n.config.ID, n.config.Addr}}, Slots: 1})
	case slices.Contains(n.config.Attach, n.config.Addr):
		return n.assemble()
	default:
		return n.seek()
	}
}

// ID returns the id of this process.
func (n *Node) ID() string { return n.config.ID }

// Writable reports whether the node takes writes: it is a voter of a cluster.
func (n *Node) Writable() bool { return n.canWrite.Load() }

// Store returns the node's store, for reading. Only the node writes to it. It is empty until the node has joined.
func (n *Node) Store() *store.Store { return n.store }

// Joined is closed when the node is a member of a cluster and there is something to read.
func (n *Node) Joined() <-chan struct{} { return n.joined }

// Ready reports whether the node has joined.
func (n *Node) Ready() bool {
	select {
	case <-n.joined:
		return true
	default:
		return false
	}
}

// Propose hands over a mutation. It blocks while too much is waiting.
//
// If it returns nil, done is called exactly once, on the node's loop, so it must not block: with the mutation's
// event when that has been applied here; or with [ErrReadOnly], [ErrNoMajority] or [ErrClosed], if it does not
// happen, or [ErrOutcomeUnknown]. If it returns an error, that of ctx or [ErrClosed], the mutation does not
// happen and done is never called.
func (n *Node) Propose(ctx context.Context, m store.Mutation, done func(store.Event, error)) error {
	return n.queue.put(ctx, proposal{mutation: m.Append(nil), done: done})
}

// Barrier calls done when everything that was decided anywhere before the call has been applied here. For the
// rest it is as Propose; it changes nothing.
func (n *Node) Barrier(ctx context.Context, done func(error)) error {
	return n.queue.put(ctx, proposal{done: func(_ store.Event, err error) { done(err) }})
}

// ServePeer serves a connection of another member, of which first was read already.
func (n *Node) ServePeer(conn net.Conn, first []byte) { n.links.ServePeer(conn, first) }

// Status returns how the node and its cluster are, as of a moment ago. It must not be modified.
func (n *Node) Status() *Status { return n.status.Load() }

// Leave hands over what others need of this node, and returns when they can do without it, or ctx has ended.
// Close comes after it.
func (n *Node) Leave(ctx context.Context) {
	left := make(chan struct{})
	n.order(func() { n.stage.leave(func() { close(left) }) })
	select {
	case <-left:
	case <-ctx.Done():
	case <-n.done:
	}
}

// Escape makes this node, which has lost the majority of its cluster for good, a cluster of one with its data.
// The error is ErrMajority, as long as a majority is heard, ErrHearsVoter, or ErrReadOnly, if the node has
// nothing.
func (n *Node) Escape() error {
	answer := make(chan error, 1)
	n.order(func() { answer <- n.stage.escape() })
	select {
	case err := <-answer:
		return err
	case <-n.done:
		return ErrClosed
	}
}

// order has the loop do something.
func (n *Node) order(do func()) {
	select {
	case n.orders <- do:
	case <-n.done:
	}
}

// Close ends the node and returns when its loop has ended and everything that waited is answered. It may be
// called again. The error is why the node had ended by itself before, nil if it had not.
func (n *Node) Close() error {
	n.closeOnce.Do(func() { close(n.closing) })
	<-n.done
	return n.err
}

// Done is closed when the node has ended.
func (n *Node) Done() <-chan struct{} { return n.done }

// loop owns the stage: whatever changes consensus or the store happens here. It only waits for the next thing to do and
// hands it on.
func (n *Node) loop() {
	defer close(n.done)
	defer n.end()
	next := time.NewTimer(0)
	defer next.Stop()
	for n.err == nil {
		select {
		case <-n.closing:
			return
		case <-n.queue.ready:
			n.tick()
			n.takeProposals()
		case e := <-n.events:
			n.tick()
			e(n.stage)
		case do := <-n.orders:
			n.tick()
			do()
		case <-next.C:
			n.tick()
		}
		n.takeMore()
		n.stage.flush()
		next.Reset(n.stage.nextTick())
	}
}

// tick tells the stage the time. What comes in is dated by that.
func (n *Node) tick() { n.stage.tick(time.Since(n.start)) }

// takeProposals takes the proposals that wait, and returns how many these were.
func (n *Node) takeProposals() int {
	taken := n.queue.take()
	for _, p := range taken {
		n.stage.propose(p)
	}
	clear(taken)
	return len(taken)
}

// busyTurns is for how many turns a loop that has found more than it was woken for expects more again.
const busyTurns = 64

// longTurn is how long others may keep the loop from its turn. They are at work on something else then.
const longTurn = time.Millisecond

// takeMore takes what else waits, so that it shares batches, frames and answers with what the loop was woken
// for. In busy times, those who are about to hand something over may do so first: that makes a few large
// batches of many small ones.
func (n *Node) takeMore() {
	if n.busy > 0 {
		n.busy--
		before := time.Now()
		runtime.Gosched()
		if time.Since(before) > longTurn {
			n.busy = 0
		}
	}
	more := n.takeEvents()
	select {
	case <-n.queue.ready:
		more += n.takeProposals()
	default:
	}
	if more > 0 {
		n.busy = busyTurns
	}
}

// takeEvents takes the events that wait, and returns how many these were.
func (n *Node) takeEvents() int {
	for taken := range maxEvents {
		select {
		case e := <-n.events:
			e(n.stage)
		default:
			return taken
		}
	}
	return maxEvents
}

// end answers everything that is still waiting, under way first.
func (n *Node) end() {
	n.closeOnce.Do(func() { close(n.closing) }) // nobody waits for this loop any more
	n.links.Close()
	n.queue.close()
	n.stage.abandon()
	for _, p := range n.queue.take() {
		n.queue.release(p.answer(store.Event{}, ErrClosed))
	}
}

// foundCluster begins as one of the first voters of a cluster.
func (n *Node) foundCluster(f Founding) error {
	core, err := Found(n.config, f)
	if err != nil {
		return err
	}
	n.run(core)
	return nil
}

// joinCluster begins as an observer of a cluster, by one of its members.
func (n *Node) joinCluster(cluster string, via link.Remote) error {
	core, err := Join(n.config, cluster, via.ID)
	if err != nil {
		return err
	}
	n.mail.know(via)
	n.run(core)
	return nil
}

// enter ends the node if the next stage could not be entered.
func (n *Node) enter(err error) { n.err = err }

// speak sets the id of the cluster that frames are of.
func (n *Node) speak(cluster string) { n.cluster.Store(&cluster) }
