package sim

import (
	"fmt"
	"time"

	"github.com/ha/doozerd/consensus"
)

// checker compares what happens with what was promised. It knows instances, revs and operations, and
// nothing of how they are agreed on.
type checker struct {
	w        *world
	batches  map[uint64]string // by instance: what the first to apply it saw
	writes   map[int64]op      // by rev
	revs     map[uint64]int64  // by operation
	outcomes map[uint64]outcome
	happened map[uint64]time.Duration // when an operation was first applied anywhere
	refused  map[uint64]bool          // operations that were answered "not done"
	history  []*record                // of operations that ended
	ops      uint64
	spoken   int // messages
	ended    int
	unknown  int
}

// record is one operation as its client saw it.
type record struct {
	client           int
	node             *node // asked
	read             bool
	op               op
	expected         string // the value that a guarded write was to replace
	called, returned time.Duration
	unknown          bool    // it may have happened, or happen yet
	outcome          outcome // of a write
	value            string  // read
	turn             int     // of a write among those to its key
}

func newChecker() *checker {
	return &checker{
		batches: map[uint64]string{}, writes: map[int64]op{}, revs: map[uint64]int64{},
		outcomes: map[uint64]outcome{}, refused: map[uint64]bool{}, happened: map[uint64]time.Duration{},
	}
}

func (c *checker) newOp() uint64 {
	c.ops++
	return c.ops
}

// decided: one agreed history, in order, without gaps.
func (c *checker) decided(n *node, d consensus.Decision) {
	if d.Instance != n.engine.LastApplied()+1 {
		c.w.fail("%s was handed instance %d after %d", n.id, d.Instance, n.engine.LastApplied())
	}
	seen := fmt.Sprintf("%s#%d %q", d.Batch.Proposer, d.Batch.Seq, d.Batch.Mutations)
	if first, ok := c.batches[d.Instance]; !ok {
		c.batches[d.Instance] = seen
	} else if first != seen {
		c.w.fail("%s decided %s at instance %d, another node %s", n.id, seen, d.Instance, first)
	}
}

// applied: each rev is one operation, each operation has one rev.
func (c *checker) applied(n *node, o op, out outcome) {
	if first, ok := c.writes[out.rev]; !ok {
		c.writes[out.rev] = o
	} else if first != o {
		c.w.fail("%s has %v at rev %d, another node %v", n.id, o, out.rev, first)
	}
	if rev, ok := c.revs[o.Number]; !ok {
		c.revs[o.Number], c.outcomes[o.Number], c.happened[o.Number] = out.rev, out, c.w.now
	} else if rev != out.rev {
		c.w.fail("%s applied operation %d at rev %d and at rev %d", n.id, o.Number, rev, out.rev)
	}
}

// sent counts messages, but for the Statuses, which have nothing to do with load.
func (c *checker) sent(m consensus.Message) {
	if m.Kind != consensus.Status {
		c.spoken++
	}
}

// settled reports whether nothing is under way any more and all nodes are equal.
func (c *checker) settled(w *world) bool { return w.now > loadTime && c.unsettled(w) == "" }

// unsettled says what keeps the run from being settled.
func (c *checker) unsettled(w *world) string {
	for _, cl := range w.clients {
		if cl.busy || cl.done == 0 {
			return fmt.Sprintf("client %d waits for %v", cl.number, cl.home)
		}
	}
	alive := w.healthy()
	for _, n := range alive {
		if n.engine.LastApplied() != alive[0].engine.LastApplied() {
			return fmt.Sprintf("%v, %v", alive[0], n)
		}
		if len(n.waiting) > 0 {
			return fmt.Sprintf("%v never answered %d proposals", n, len(n.waiting))
		}
	}
	return ""
}

// final looks at the whole run.
func (c *checker) final(w *world) {
	if w.failed() {
		return
	}
	alive := w.healthy()
	for _, n := range alive {
		if !n.machine.equal(alive[0].machine) {
			w.fail("%v and %v differ", alive[0], n)
		}
	}
	c.acknowledged(w)
	c.counters(w)
	c.prompt(w)
	if !w.failed() {
		c.linearizable(w)
	}
}

// acknowledged: every answer given is in the agreed history, every refusal is not.
func (c *checker) acknowledged(w *world) {
	for _, r := range c.history {
		if !r.read && !r.unknown && c.outcomes[r.op.Number] != r.outcome {
			w.fail("operation %d was acknowledged as %v and is %v", r.op.Number, r.outcome, c.outcomes[r.op.Number])
		}
	}
	for number := range c.ops {
		if c.refused[number] && c.revs[number] != 0 {
			w.fail("operation %d was refused and has rev %d", number, c.revs[number])
		}
	}
}

// counters: nodes that keep the rules never find one broken.
func (c *checker) counters(w *world) {
	for _, n := range w.nodes {
		if k := n.engine.Counters(); k.Dropped > 0 || k.Conflicts > 0 {
			w.fail("%s dropped %d messages, %d of them conflicting decisions", n.id, k.Dropped, k.Conflicts)
		}
	}
}

// latency returns the mean and the longest time that operations took, but for those at the victim of a drill.
func (c *checker) latency() (mean, longest time.Duration) {
	var sum time.Duration
	ops := 0
	for _, r := range c.history {
		if r.node == c.w.sick {
			continue
		}
		d := r.returned - r.called
		sum += d
		longest = max(longest, d)
		ops++
	}
	return sum / time.Duration(max(1, ops)), longest
}

// promptness is what clients of healthy nodes may expect while one fault lasts: by latency and drill.
var promptness = map[string]struct{ mean, longest time.Duration }{
	"lan dead":    {5 * time.Millisecond, 600 * time.Millisecond},
	"lan closed":  {5 * time.Millisecond, 20 * time.Millisecond},
	"wan closed":  {500 * time.Millisecond, 2 * time.Second},
	"lan deaf":    {5 * time.Millisecond, 600 * time.Millisecond},
	"lan mute":    {5 * time.Millisecond, 600 * time.Millisecond},
	"lan parted":  {80 * time.Millisecond, 1500 * time.Millisecond},
	"lan lossy":   {200 * time.Millisecond, 1500 * time.Millisecond},
	"lan stutter": {40 * time.Millisecond, 1200 * time.Millisecond},
	"wan dead":    {500 * time.Millisecond, 2 * time.Second},
	"wan deaf":    {500 * time.Millisecond, 2 * time.Second},
	"wan mute":    {500 * time.Millisecond, 2 * time.Second},
	"wan parted":  {800 * time.Millisecond, 2 * time.Second},
	"wan lossy":   {1100 * time.Millisecond, 2 * time.Second},
	"wan stutter": {500 * time.Millisecond, 2 * time.Second},
	"lan surge":   {250 * time.Millisecond, 2 * time.Second},
	"wan surge":   {1500 * time.Millisecond, 2 * time.Second},
}

// maxQuarrels is how often, in a drill, nodes may get in each other's way while they do the work of one that is gone.
const maxQuarrels = 20

// prompt: in a drill, a client of a healthy node hardly notices, and the nodes do not fight.
func (c *checker) prompt(w *world) {
	expect, ok := promptness[w.plan.kind()]
	if mean, longest := c.latency(); ok && (mean > expect.mean || longest > expect.longest) {
		w.fail("operations took %v, one of them %v, in a drill: %s", mean, longest, w.plan.kind())
	}
	quarrels := uint64(0)
	for _, n := range w.nodes {
		quarrels += n.engine.Counters().Rejected
	}
	if ok && quarrels > maxQuarrels {
		w.fail("nodes got in each other's way %d times in a drill: %s", quarrels, w.plan.kind())
	}
}
