package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/peer"
)

// tickEvery is how often a node's loop turns when nothing comes in.
const tickEvery = 20 * time.Millisecond

// node is one process: an engine, the state above it, and the loop that joins them.
type node struct {
	w       *world
	id      string
	engine  *consensus.Engine
	machine *machine
	dead    bool
	paused  bool          // the loop stands; what arrives waits
	inbox   []func()      // what arrived while paused
	slow    time.Duration // added to everything it sends
	local   time.Duration // its own clock, which never goes back
	looked  time.Duration // the true time when it last looked at it
	rate    float64       // of its clock
	asking  bool          // a snapshot is under way
	nextTag uint64
	waiting map[uint64]func(answer) // by tag

	encoders map[string]*peer.Encoder // by addressee
	body     []byte                   // of the frame sent last
	one      [1]consensus.Message     // in it
}

// answer is how a proposal ended: decided with outcome, a barrier that holds, or an error.
type answer struct {
	outcome outcome
	err     error
}

func (w *world) newNode(id string, start consensus.Snapshot, m *machine) *node {
	engine, err := consensus.New(consensus.Config{
		ID:          id,
		Rand:        rand.New(rand.NewPCG(w.rand.Uint64(), 2)),
		Window:      w.plan.window,
		FillDelay:   w.plan.fillDelay,
		MaxInFlight: w.plan.inFlight,
		Retain:      w.plan.retain,
	}, start)
	if err != nil {
		w.fail("node %s: %v", id, err)
		return nil
	}
	n := &node{w: w, id: id, engine: engine, machine: m, rate: 1, waiting: map[uint64]func(answer){}, encoders: map[string]*peer.Encoder{}}
	w.nodes = append(w.nodes, n)
	w.byID[id] = n
	w.after(between(w.rand, 0, tickEvery), n.tick)
	return n
}

func (n *node) tick() {
	if n.dead {
		return
	}
	n.turn(func() {})
	n.w.after(tickEvery, n.tick)
}

// turn is one turn of the loop, with something that came in.
func (n *node) turn(input func()) {
	if n.dead {
		return
	}
	if n.paused {
		n.inbox = append(n.inbox, input)
		return
	}
	n.local += time.Duration(float64(n.w.now-n.looked) * n.rate)
	n.looked = n.w.now
	n.engine.Tick(n.local)
	input()
	n.drain()
}

// drain does what the engine wants done, until it wants nothing more.
func (n *node) drain() {
	for {
		r := n.engine.Ready()
		for _, m := range r.Messages {
			n.send(m)
		}
		for _, f := range r.Failures {
			n.answer(f.Tag, answer{err: f.Err})
		}
		if r.SnapshotFrom != "" {
			n.askSnapshot(r.SnapshotFrom)
		}
		if len(r.Decisions) == 0 {
			return
		}
		for _, d := range r.Decisions {
			n.apply(d)
		}
	}
}

func (n *node) apply(d consensus.Decision) {
	n.w.check.decided(n, d)
	for k, b := range d.Batch.Mutations {
		o, err := decodeOp(b)
		if err != nil {
			n.w.fail("%s: instance %d: %v", n.id, d.Instance, err)
			return
		}
		out := n.machine.apply(o)
		n.w.check.applied(n, o, out)
		if d.Tags != nil {
			n.answer(d.Tags[k], answer{outcome: out})
		}
	}
	n.engine.Applied(d.Instance, n.machine.voters())
	for _, t := range d.Barriers {
		n.answer(t, answer{})
	}
	if n.w.out != nil && len(d.Batch.Mutations) > 0 {
		n.w.trace("%s applied %d: %v", n.id, d.Instance, d.Batch)
	}
}

func (n *node) answer(tag uint64, a answer) {
	done := n.waiting[tag]
	if done == nil {
		n.w.fail("%s: tag %d was answered twice", n.id, tag)
		return
	}
	delete(n.waiting, tag)
	done(a)
}

// propose hands o to the engine; done is called with the answer, if one comes.
func (n *node) propose(o op, done func(answer)) {
	n.enter(done, func(tag uint64) error { return n.engine.Propose(tag, o.encode()) })
}

// barrier is a NOP.
func (n *node) barrier(done func(answer)) { n.enter(done, n.engine.Barrier) }

func (n *node) enter(done func(answer), put func(tag uint64) error) {
	n.turn(func() {
		n.nextTag++
		if err := put(n.nextTag); err != nil {
			done(answer{err: err})
			return
		}
		n.waiting[n.nextTag] = done
	})
}

func (n *node) send(m consensus.Message) {
	if n.w.out != nil && m.Kind != consensus.Status {
		n.w.trace("%v", m)
	}
	n.w.check.sent(m)
	to := n.w.byID[m.To]
	if to == nil {
		n.w.fail("%s sent to %q, who never was", n.id, m.To)
		return
	}
	if n.w.plan.frames {
		n.sendFrame(m, to)
		return
	}
	n.w.network.carry(m.From, m.To, n.slow+to.slow, func() {
		to.turn(func() { to.engine.Step(m) })
	})
}

// askSnapshot fetches state and position of another node, over the same network.
func (n *node) askSnapshot(from string) {
	if n.asking {
		return
	}
	n.asking = true
	n.w.after(time.Second, func() { n.asking = false })
	source := n.w.byID[from]
	n.w.network.carry(n.id, from, n.slow, func() {
		source.turn(func() {
			position, state := source.engine.Snapshot(), source.machine.clone()
			n.w.network.carry(from, n.id, n.slow, func() {
				n.turn(func() { n.install(position, state) })
			})
		})
	})
}

func (n *node) install(position consensus.Snapshot, state *machine) {
	n.asking = false
	installed, err := n.engine.Install(position)
	if err != nil {
		n.w.fail("%s: %v", n.id, err)
	}
	if installed {
		n.machine = state.clone()
		n.w.trace("%s installed a snapshot of instance %d", n.id, position.Instance)
	}
}

// crash ends the process: its memory is gone, and with it everyone who waited there.
func (n *node) crash() {
	n.dead = true
	n.inbox = nil
	if n.w.plan.closes {
		n.w.closeLinks(n)
	}
	tags := n.waiting
	n.waiting = nil
	for t := range n.nextTag { // in order, not as the map has it
		if done := tags[t+1]; done != nil {
			done(answer{err: errGone})
		}
	}
}

// suspect is told when the link to another was closed by the other side.
func (n *node) suspect(id string) {
	n.w.trace("%s sees %s's link closed", n.id, id)
	n.turn(func() { n.engine.Suspect(id) })
}

func (n *node) pause() { n.paused = true }

func (n *node) resume() {
	n.paused = false
	inbox := n.inbox
	n.inbox = nil
	for _, input := range inbox {
		n.turn(input)
	}
}

func (n *node) String() string { return fmt.Sprintf("%s@%d", n.id, n.engine.LastApplied()) }
