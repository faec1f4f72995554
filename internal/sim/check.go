package sim

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/store"
)

// checker compares what happens with what was promised. It knows revs, files and operations, and nothing of how
// they are agreed on.
type checker struct {
	w         *world
	histories map[string]*history // by the id of the cluster
	current   *history            // of the cluster that goes on
	refused   map[string]bool     // marks of writes that were answered "not done"
	records   []*record           // of operations that ended
	answers   []answering
	ops       uint64
	spoken    int // messages
	ended     int
	unknown   int
}

// record is one operation as its client saw it.
type record struct {
	client           int
	node             *node // asked last
	copies           int   // sent, each to another node
	in               *history
	read             bool
	op               op
	called, returned time.Duration
	asked            time.Duration // when node was
	unknown          bool          // it may have happened, or happen yet
	outcome          outcome       // of a write
	seen             file          // read
	turn             int           // of a write among those to its path
}

// op is a write as its client wants it. Mark is unique in a run.
type op struct {
	mark  string
	kind  store.Op
	path  string
	guard int64
}

// outcome is what became of a write.
type outcome struct {
	rev int64
	ok  bool // false: the guard did not pass
}

func newChecker() *checker {
	return &checker{histories: map[string]*history{}, refused: map[string]bool{}}
}

func (c *checker) newOp(kind store.Op, path string, guard int64) op {
	c.ops++
	return op{fmt.Sprint("v", c.ops), kind, path, guard}
}

// historyOf returns the history of a cluster. There is one, unless somebody escapes.
func (c *checker) historyOf(cluster string) *history {
	h := c.histories[cluster]
	if h == nil {
		h = newHistory(cluster)
		c.histories[cluster] = h
	}
	return h
}

// applied: one agreed history, dense; each write in it once, and none that was refused.
func (c *checker) applied(n *node, e store.Event) {
	h := n.in
	switch next := int64(len(h.events)) + 1; {
	case e.Rev > next:
		c.w.fail("%s applied rev %d, and nobody rev %d", n.id, e.Rev, next)
	case e.Rev < next:
		if first := h.events[e.Rev-1].Event; !sameEvent(first, e) {
			c.w.fail("%s has %s at rev %d, another node %s", n.id, eventString(e), e.Rev, eventString(first))
		}
	default:
		c.first(n, h, e)
	}
}

// first takes in an event that nobody has applied before.
func (c *checker) first(n *node, h *history, e store.Event) {
	c.membership(n, h, e)
	if c.w.out != nil {
		c.w.trace("%s applies %d: %s", n.id, e.Rev, eventString(e))
	}
	h.events = append(h.events, agreed{e, c.w.now})
	if before := h.note(e, c.w.now); before != 0 {
		c.w.fail("%s was applied at rev %d and at rev %d", eventString(e), before, e.Rev)
	}
	if strings.HasPrefix(e.Path, keyDir) && e.Op == store.Set && c.refused[markOf(e.Body)] {
		c.w.fail("%s was refused and has rev %d", eventString(e), e.Rev)
	}
	if c.current == nil {
		c.current = h
	} else if h != c.current && h.depth() >= c.current.depth() && strings.HasPrefix(e.Path, keyDir) {
		c.w.fail("%s writes in cluster %s, and there is %s", n.id, h.cluster, c.current.cluster)
	}
}

func sameEvent(a, b store.Event) bool {
	return a.Rev == b.Rev && a.Op == b.Op && a.Path == b.Path && bytes.Equal(a.Body, b.Body) && (a.Err == nil) == (b.Err == nil)
}

func eventString(e store.Event) string {
	switch {
	case e.Err != nil:
		return "failure: " + e.Err.Error()
	case e.Op == store.Del:
		return "del " + e.Path
	}
	return fmt.Sprintf("set %s %.20q", e.Path, e.Body)
}

// walked keeps a whole version that n showed to somebody.
func (c *checker) walked(n *node, tree *store.Snapshot) {
	if tree.Rev() > 0 {
		n.in.walks = append(n.in.walks, walk{n, tree})
	}
}

// sent counts messages, but for the Statuses, which have nothing to do with load.
func (c *checker) sent(n *node, m *consensus.Message) {
	if m.Kind != consensus.Status {
		c.spoken++
	}
	if m.Kind == consensus.Suggest {
		c.suggested(n, m)
	}
}

// acknowledge holds the answer to a write to what happened at its rev.
func (c *checker) acknowledge(r *record, e store.Event) {
	h := r.in
	if e.Rev < 1 || e.Rev > int64(len(h.events)) || !sameEvent(h.events[e.Rev-1].Event, e) {
		c.w.fail("%+v was answered with %s, at rev %d", r.op, eventString(e), e.Rev)
		return
	}
	done := e.Err == nil && e.Op == r.op.kind && e.Path == r.op.path && (e.Op == store.Del || markOf(e.Body) == r.op.mark)
	if !done && e.Err == nil {
		c.w.fail("%+v was answered with the event of another: %s, at rev %d", r.op, eventString(e), e.Rev)
	}
	r.outcome = outcome{e.Rev, done}
}

// refuse notes that a write was answered "not done".
func (c *checker) refuse(o op) {
	c.refused[o.mark] = true
	for _, h := range c.histories {
		if rev := h.revs[o.mark]; rev > 0 {
			c.w.fail("%+v was refused and has rev %d", o, rev)
		}
	}
}

// unsettled says what keeps the run from being settled, "" if nothing does.
func (c *checker) unsettled(w *world) string {
	if w.now <= w.loadEnd {
		return "there is still load"
	}
	for _, cl := range w.clients {
		if cl.busy || cl.done == 0 {
			return fmt.Sprintf("client %d waits for %v", cl.number, cl.home)
		}
	}
	alive := w.healthy()
	for _, n := range alive {
		switch {
		case !n.joined():
			return fmt.Sprintf("%v has not joined", n)
		case n.in != c.current:
			return fmt.Sprintf("%v is not in %s", n, c.current.cluster)
		case n.tree().Rev() < w.lately.old():
			return fmt.Sprintf("%v, and rev %d is old", n, w.lately.old())
		case len(n.waiting) > 0:
			return fmt.Sprintf("%v never answered %d proposals", n, len(n.waiting))
		}
	}
	if w.plan.drill != "" && w.gathering == nil {
		return ""
	}
	return c.unsettledMembers(w, alive)
}

// unsettledMembers: who lives is registered, and a voter as far as there are slots; nobody else is registered.
func (c *checker) unsettledMembers(w *world, alive []*node) string {
	h := c.current
	free, voters := 0, map[string]bool{}
	for _, id := range h.slots {
		if id == "" {
			free++
		} else if h.addrs[id] != "" {
			if voters[id] {
				return id + " has two slots"
			}
			voters[id] = true
		}
	}
	observers := 0
	for _, n := range alive {
		switch {
		case n.leaving:
		case h.addrs[n.id] == "":
			return fmt.Sprintf("%v is not registered", n)
		case n.writable() != voters[n.id]:
			return fmt.Sprintf("%v takes writes: %v, and has a slot: %v", n, n.writable(), voters[n.id])
		case !voters[n.id]:
			observers++
		}
	}
	if free > 0 && observers > 0 && len(voters) < consensus.MaxVoters {
		return fmt.Sprintf("%d slots are free, and there are %d observers", free, observers)
	}
	for id := range h.addrs {
		if n := w.byID[id]; n == nil || n.dead {
			return fmt.Sprintf("%s is gone, and registered", id)
		}
	}
	return ""
}

// final looks at the whole run.
func (c *checker) final(w *world) {
	for _, check := range []func(*world){c.equal, c.acknowledged, c.rescued, c.counters, c.prompt, c.undisturbed, c.watches, c.walks, c.linearizable} {
		if !w.failed() {
			check(w)
		}
	}
}

// equal: nodes at one rev have one tree, whose store is sound.
func (c *checker) equal(w *world) {
	for _, n := range w.alive() {
		if n.core == nil {
			continue
		}
		c.walked(n, n.tree())
		c.sound(n)
		if err := n.core.Store().Check(); err != nil {
			w.fail("%s: %v", n.id, err)
		}
	}
}

// sound: what must always be true of an engine is.
func (c *checker) sound(n *node) {
	if err := n.core.Check(); err != nil {
		c.w.fail("%s: %v", n.id, err)
	}
}

func (c *checker) walks(w *world) {
	for _, h := range c.clusters() {
		h.checkWalks(w)
	}
}

// clusters are the histories, parents first.
func (c *checker) clusters() (all []*history) {
	for _, h := range c.histories {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b *history) int { return strings.Compare(a.cluster, b.cluster) })
	slices.SortStableFunc(all, func(a, b *history) int { return a.depth() - b.depth() })
	return all
}

func (h *history) depth() int {
	if h.parent == nil {
		return 0
	}
	return h.parent.depth() + 1
}

// acknowledged: every answer given is in the history that goes on, unless a majority was lost with it.
func (c *checker) acknowledged(w *world) {
	for _, r := range c.records {
		if r.read || r.unknown || !r.outcome.ok || c.current.has(r) {
			continue
		}
		if r.outcome.rev <= c.current.keeps(r.in) {
			w.fail("%+v was acknowledged at rev %d, and is gone", r.op, r.outcome.rev)
		}
	}
}

// keeps returns up to which rev h must have what was agreed on in another: all, but what was left behind on the
// way from there.
func (h *history) keeps(other *history) int64 {
	kept := int64(math.MaxInt64)
	for ; h != nil; h = h.parent {
		if h == other {
			return kept
		}
		kept = min(kept, h.fork)
	}
	return math.MaxInt64
}

// has reports whether what r did is in h.
func (h *history) has(r *record) bool {
	if r.op.kind == store.Del {
		return slices.Contains(h.dels[r.op.path], r.outcome.rev)
	}
	return h.revs[r.op.mark] > 0
}

// rescued: an escape keeps all that the survivor had a part in. (A guard may fail where something before it is gone.)
func (c *checker) rescued(w *world) {
	e := w.escape
	if e == nil {
		return
	}
	for _, r := range c.records {
		known := r.returned < e.strandedAt || r.node == e.writer && r.returned < e.at-2*time.Millisecond
		if known && !r.read && !r.unknown && r.outcome.ok && r.op.kind == store.Set && r.op.guard == store.Clobber && c.current.revs[r.op.mark] == 0 {
			w.fail("%+v was acknowledged by %v at %v, accepted by the survivor and lost by its escape", r.op, r.node, r.returned)
		}
	}
}

// counters: nodes that keep the rules never find one broken.
func (c *checker) counters(w *world) {
	for _, n := range w.nodes {
		if n.core == nil {
			continue
		}
		if k := n.core.Counters(); k.Dropped > 0 || k.Conflicts > 0 {
			w.fail("%s dropped %d messages, %d of them conflicting decisions", n.id, k.Dropped, k.Conflicts)
		}
	}
}

// undisturbed: in some drills nobody is to lose a slot or its registration.
func (c *checker) undisturbed(w *world) {
	if !w.plan.undisturbed() || c.current == nil {
		return
	}
	for _, e := range c.current.events[w.begun:] {
		if e.Err == nil && (strings.HasPrefix(e.Path, calDir) || isAddr(e.Path) && e.Op == store.Del && w.plan.drill != "imposter") {
			w.fail("nobody was to be disturbed in a drill, %s, and rev %d is %s", w.plan.kind(), e.Rev, eventString(e.Event))
			return
		}
	}
}

// answering is how long a node took to answer, or a client to lose patience with it.
type answering struct {
	node *node
	took time.Duration
}

// took notes that the node asked last has answered r, or has not in time.
func (c *checker) took(r *record) {
	c.answers = append(c.answers, answering{r.node, c.w.now - r.asked})
}

// latency returns the mean and the longest time that answers took, but for those of the victim of a drill.
func (c *checker) latency() (mean, longest time.Duration) {
	var sum time.Duration
	n := 0
	for _, a := range c.answers {
		if a.node == c.w.sick {
			continue
		}
		sum += a.took
		longest = max(longest, a.took)
		n++
	}
	return sum / time.Duration(max(1, n)), longest
}

// fill is the fill delay of all runs.
const fill = 100 * time.Millisecond

// wanTrip is the longest round trip over a WAN. A write takes one, and the fill that it may have to wait for two.
const wanTrip = 220 * time.Millisecond

// promptness is what clients of healthy nodes may expect while one fault lasts: by latency and drill.
var promptness = map[string]struct{ mean, longest time.Duration }{
	"lan dead":     {5 * time.Millisecond, 600 * time.Millisecond},
	"lan closed":   {5 * time.Millisecond, 3 * fill / 2}, // who has applied less promises the last instances when it is asked again
	"wan closed":   {3 * wanTrip, 2 * time.Second},
	"lan deaf":     {5 * time.Millisecond, 600 * time.Millisecond},
	"lan mute":     {5 * time.Millisecond, 600 * time.Millisecond},
	"lan parted":   {80 * time.Millisecond, 1500 * time.Millisecond},
	"lan lossy":    {200 * time.Millisecond, 1500 * time.Millisecond},
	"lan stutter":  {40 * time.Millisecond, 1200 * time.Millisecond},
	"wan dead":     {3 * wanTrip, 2 * time.Second},
	"wan deaf":     {3 * wanTrip, 2 * time.Second},
	"wan mute":     {3 * wanTrip, 2 * time.Second},
	"wan parted":   {800 * time.Millisecond, 2 * time.Second},
	"wan lossy":    {1100 * time.Millisecond, 2 * time.Second},
	"wan stutter":  {3 * wanTrip, 2 * time.Second},
	"lan surge":    {2 * mostSurge, 2 * time.Second}, // a message takes no longer in a surge, and a write two
	"wan surge":    {1500 * time.Millisecond, 2 * time.Second},
	"lan missed":   {2 * fill, 3 * fill},
	"lan haunted":  {2 * fill, 6 * fill},
	"lan besieged": {2 * fill, 6 * fill},
	"lan orphaned": {2 * fill, 8 * fill}, // to be filled by itself, it waits for all others
	"lan demoted":  {2 * fill, 6 * fill}, // who is demoted says so at once
	"lan claimed":  {2 * fill, 6 * fill}, // the filler may be just in time, and is waited for
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
		if n.core != nil {
			quarrels += n.core.Counters().Rejected
		}
	}
	if ok && quarrels > maxQuarrels && w.adversary == nil {
		w.fail("nodes got in each other's way %d times in a drill: %s", quarrels, w.plan.kind())
	}
}
