package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/store"
)

// world is one run.
type world struct {
	*clock
	seed    uint64
	rand    *rand.Rand
	plan    plan
	network *network
	frames  frames
	links   *rand.Rand // for what becomes of links
	nodes   []*node    // every process there ever was
	byID    map[string]*node
	at      map[string]*node // the newest process at each address
	moved   bool             // some address has another process than at first
	clients []*client
	check   *checker
	out     io.Writer // for the trace, or nil
	failure error
	born    int
	sick    *node // the victim of a drill, whom no client asks

	adversary func(m *consensus.Message, post func()) // of an aimed drill: it posts what it lets pass; or nil
	delayNote func(n *peer.Note, post func())         // the same for notes
	herald    func(n *peer.Note, post func())         // the same for what is said before there is a cluster
	gathering *gathering                              // of a drill about a founding, or nil
	happened  map[string]int                          // what was traced, by its format

	nodesRand *rand.Rand // for what becomes of members
	watchers  []*watcher
	began     time.Duration   // when there was a cluster
	begun     int64           // the rev that it had then
	loadEnd   time.Duration   // when clients stop
	troubled  time.Duration   // the last time when a fault touched everybody
	operated  map[string]bool // what the operator has written: path=body
	proposals int
	proposed  map[int][]string // sets of voters under way
	escape    *escape          // of a drill, or nil
	escapes   int
	lately    lately
	lostAt    time.Duration // when somebody escaped last
	hosts     int           // addresses drawn
	drawn     int           // ids of clusters drawn by assemblies
	list      []string      // of addresses, of an assembly
}

// Result is what a run came to.
type Result struct {
	Seed      uint64
	Err       error // nil if every promise was kept
	Plan      string
	Kind      string        // the latency, and the drill if it is one
	Decided   uint64        // highest instance applied anywhere
	Revs      int64         // writes agreed on
	Ended     int           // operations of clients that ended
	Unknown   int           // of these, with unknown outcome
	Processes int           // that there ever were
	Escapes   int           // from a lost majority
	Mean      time.Duration // of operations that ended
	Longest   time.Duration
	Messages  int           // sent
	Refused   int           // copies of frames that arrived damaged, or at the wrong node
	Simulated time.Duration // how long it took in there
	Counters  consensus.Counters
}

// Run runs one seed. A trace goes to out, unless that is nil.
func Run(seed uint64, out io.Writer) Result { return newWorld(seed, out).live() }

// Kind returns the kind of a seed's run, as in Result.
func Kind(seed uint64) string { return newWorld(seed, nil).plan.kind() }

// live is the whole run.
func (w *world) live() (result Result) {
	defer func() {
		if p := recover(); p != nil {
			w.fail("panic: %v", p)
			if w.out != nil {
				panic(p) // with the trace, the stack is of use too
			}
		}
		result = w.result()
	}()
	for _, stage := range []func(){w.found, w.begin, w.bear, w.recover, w.judge} {
		if !w.failed() {
			stage()
		}
	}
	return result
}

// bear lets clients work and faults happen.
func (w *world) bear() { w.run(w.loadEnd, w.failed) }

func (w *world) judge() { w.check.final(w) }

func newWorld(seed uint64, out io.Writer) *world {
	w := emptyWorld(rand.New(rand.NewPCG(seed, 1)), out)
	w.seed, w.plan = seed, newPlan(w.rand)
	w.frames.rand = rand.New(rand.NewPCG(seed, 3))
	w.plan.planFrames(w.frames.rand)
	w.links = rand.New(rand.NewPCG(seed, 4))
	w.plan.planLinks(w.links)
	w.nodesRand = rand.New(rand.NewPCG(seed, 5))
	w.plan.planNodes(w.nodesRand)
	w.plan.planAimed(rand.New(rand.NewPCG(seed, 6)))
	w.plan.planFounding(rand.New(rand.NewPCG(seed, 7)))
	w.plan.planClients(rand.New(rand.NewPCG(seed, 8)))
	w.plan.planSize(rand.New(rand.NewPCG(seed, 9)))
	w.trace("plan %+v", w.plan)
	return w
}

func emptyWorld(r *rand.Rand, out io.Writer) *world {
	w := &world{
		clock: &clock{}, rand: r, out: out, check: newChecker(),
		byID: map[string]*node{}, at: map[string]*node{}, operated: map[string]bool{}, proposed: map[int][]string{}, happened: map[string]int{},
	}
	w.check.w = w
	w.network = &network{clock: w.clock, rand: r, plan: &w.plan, links: map[link]*linkState{}}
	return w
}

// foundingTime is how long it may take until there is a cluster.
const foundingTime = 3 * time.Minute

// found starts the first voters, and waits until there is a cluster.
func (w *world) found() {
	switch {
	case foundingDrills[w.plan.drill] != nil:
		w.gather()
	case w.plan.assembles:
		w.assemble()
	default:
		w.foundAtOnce()
	}
	w.after(superviseEvery, w.supervise)
	w.run(foundingTime, func() bool { return w.failed() || w.founded() })
	if !w.founded() {
		w.fail("no cluster within %v", foundingTime)
		return
	}
	w.began, w.begun, w.loadEnd = w.now, int64(len(w.check.current.events)), w.now+loadTime
}

// founded reports whether the first voters are there, or for an assembly any.
func (w *world) founded() bool {
	if w.gathering != nil && !w.gathering.over {
		return false
	}
	some := false
	for _, n := range w.alive() {
		some = some || n.writable()
		if !n.writable() && !w.plan.assembles {
			return false
		}
	}
	return some
}

func (w *world) foundAtOnce() {
	f := peer.Founding{Cluster: clusterID, Slots: w.plan.slots}
	for range w.plan.voters {
		f.Voters = append(f.Voters, peer.Voter{ID: w.newID(), Addr: w.newAddr()})
	}
	for _, v := range f.Voters {
		w.newNode(v.ID, v.Addr).run(peer.Found(w.config(v.ID, v.Addr), f))
	}
}

// newAddr returns an address that no process had.
func (w *world) newAddr() string {
	w.hosts++
	return fmt.Sprintf("host%d:1", w.hosts)
}

// newID returns an id no process had. Its place among the others is random, as it is in life.
func (w *world) newID() string {
	w.born++
	return fmt.Sprintf("%c%d", 'a'+rune(w.rand.IntN(26)), w.born)
}

// begin starts the load and plans the faults.
func (w *world) begin() {
	for k := range w.plan.clients {
		c := &client{w: w, number: k}
		w.clients = append(w.clients, c)
		w.after(between(w.rand, 0, w.plan.think), c.next)
	}
	if w.plan.drill != "" && w.gathering == nil {
		w.after(between(w.rand, 0, w.plan.faulty/20), w.drill)
	}
	for range w.plan.mishaps {
		w.after(between(w.rand, 0, w.plan.faulty), w.mishap)
	}
	for range w.plan.suspicions {
		w.after(between(w.links, 0, w.plan.faulty), w.suspectSomeone)
	}
	w.after(w.plan.faulty, w.mend)
	w.beginMembers()
}

// beginMembers starts what only members of a whole cluster see.
func (w *world) beginMembers() {
	r := w.nodesRand
	for k := range w.plan.watchers {
		v := &watcher{w: w, number: k, glob: pick(r, watched...)}
		w.watchers = append(w.watchers, v)
		w.after(between(r, 0, watchEvery), v.begin)
	}
	for range w.plan.observers {
		w.after(between(r, 0, time.Second), func() { w.join(w.newAddr()) })
	}
	for range w.plan.disturbances {
		w.after(between(r, 0, w.plan.faulty), w.disturb)
	}
	if w.plan.loses {
		w.after(between(r, time.Second, w.plan.faulty), w.loseMajority)
	}
}

var watched = []*store.Glob{everything, store.MustParseGlob(keyDir + "**"), store.MustParseGlob(keyDir + "0"), store.MustParseGlob("/ctl/**"), store.MustParseGlob("/ctl/cal/*")}

// settleEvery is how often it is looked at whether a run is over.
const settleEvery = 25 * time.Millisecond

// recover waits until every operation has ended and all nodes are as they should be, which must happen in bounded time.
func (w *world) recover() {
	for k, n := range w.alive() {
		if n.writable() && n != w.sick {
			c := &client{w: w, number: len(w.clients) + k, home: n, in: n.in}
			w.clients = append(w.clients, c)
			w.after(0, c.next)
		}
	}
	settled := false
	var look func()
	look = func() {
		w.lately.add(w.now, int64(len(w.check.current.events)))
		settled = w.check.unsettled(w) == ""
		w.after(settleEvery, look)
	}
	look()
	w.run(w.loadEnd+recoveryTime+w.plan.catchUpTime(), func() bool { return w.failed() || settled })
	if !w.failed() && !settled {
		w.fail("not settled %v after the faults stopped: %s", w.now-w.began-w.plan.faulty, w.check.unsettled(w))
	}
}

// lately is which revs there were in the last while. Members write of themselves all the time, so nodes are
// hardly ever at one rev; but none is to be behind for long.
type lately struct {
	at   []time.Duration
	revs []int64
}

// behind is how long a node may be.
const behind = time.Second

func (l *lately) add(now time.Duration, rev int64) {
	l.at, l.revs = append(l.at, now), append(l.revs, rev)
	for l.at[0] < now-behind {
		l.at, l.revs = l.at[1:], l.revs[1:]
	}
}

// old is the newest rev that every node should have.
func (l *lately) old() int64 { return l.revs[0] }

func (w *world) alive() []*node {
	var alive []*node
	for _, n := range w.nodes {
		if !n.dead {
			alive = append(alive, n)
		}
	}
	return alive
}

// onlyVoters are those of nodes that take writes.
func onlyVoters(nodes []*node) []*node {
	return slices.DeleteFunc(nodes, func(n *node) bool { return !n.writable() })
}

// healthy are the nodes that clients ask.
func (w *world) healthy() []*node {
	return slices.DeleteFunc(w.alive(), func(n *node) bool { return n == w.sick })
}

func (w *world) trace(format string, args ...any) {
	w.happened[format]++
	if w.out != nil {
		fmt.Fprintf(w.out, "%10.4f  %s\n", w.now.Seconds(), fmt.Sprintf(format, args...))
	}
}

// fail ends the run; the first failure counts.
func (w *world) fail(format string, args ...any) {
	if w.failure == nil {
		w.failure = fmt.Errorf(format, args...)
		w.trace("FAILURE: %v", w.failure)
	}
}

func (w *world) failed() bool { return w.failure != nil }

func (w *world) result() Result {
	r := Result{Seed: w.seed, Err: w.failure, Plan: fmt.Sprintf("%+v", w.plan), Kind: w.plan.kind(), Messages: w.network.sent, Refused: w.frames.refused, Simulated: w.now}
	for _, n := range w.nodes {
		if n.core == nil {
			continue
		}
		c := n.core.Counters()
		r.Decided = max(r.Decided, n.core.Position().Instance)
		r.Revs = max(r.Revs, n.tree().Rev())
		r.Counters.Dropped += c.Dropped
		r.Counters.Conflicts += c.Conflicts
		r.Counters.Lost += c.Lost
		r.Counters.Fills += c.Fills
		r.Counters.Rejected += c.Rejected
		r.Counters.Pulls += c.Pulls
		r.Counters.Resends += c.Resends
	}
	r.Ended, r.Unknown, r.Processes, r.Escapes = w.check.ended, w.check.unknown, w.born, w.escapes
	r.Mean, r.Longest = w.check.latency()
	return r
}
