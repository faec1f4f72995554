package sim

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/store"
)

const (
	tickEvery     = 20 * time.Millisecond  // how often a node's loop turns that is no member yet
	leastTick     = time.Millisecond       // how soon a timer fires at best
	turnsPerCheck = 200                    // how many turns a member's loop takes until it is looked at whether its engine is sound: that takes a while
	dialEvery     = 250 * time.Millisecond // how often it looks who is at the addresses it knows
)

// node is one process: what production runs, and the loop around it.
type node struct {
	w    *world
	id   string
	addr string

	core     *peer.Core        // nil while it assembles
	assembly *peer.Assembly    // while it has no core, and what it remembers of that; or nil
	linked   map[string]string // the ids that it has links to while it assembles, by address
	founding *peer.Founding    // what it began with, if that was by an assembly
	in       *history          // of its cluster
	before   *store.Snapshot   // what it knew when its turn began
	applied  int64             // the rev that it was seen to apply last
	since    int64             // revs up to here came with a snapshot
	born     time.Duration
	ran      time.Duration // since when it has a core

	turns     int // of its loop, as a member
	dead      bool
	paused    bool              // the loop stands; what arrives waits
	inbox     []func()          // what arrived while paused
	slow      time.Duration     // added to everything it sends
	local     time.Duration     // its own clock, which never goes back
	looked    time.Duration     // the true time when it last looked at it
	rate      float64           // of its clock
	leaving   bool              // it was asked to stop
	abandoned bool              // it has found nobody to hand over to
	troubled  time.Duration     // the last time when a fault kept it from hearing or being heard
	tickAt    time.Duration     // when its loop turns next if nothing comes in
	wakesAt   time.Duration     // when that is looked at next; 0 is not set
	met       map[string]string // the process that it knows of, by address
	ticks     func()            // tick

	nextTag uint64
	waiting map[uint64]func(answer) // by tag

	encoders map[string]*peer.Encoder // by addressee
	body     []byte                   // of the frame sent last
	one      [1]consensus.Message     // in it
}

// answer is how a proposal ended: with an event, as a barrier that holds, or with an error.
type answer struct {
	event store.Event
	err   error
}

// config is that of a process of this run.
func (w *world) config(id, addr string) peer.Config {
	return peer.Config{
		ID: id, Addr: addr, Cluster: clusterID, Hostname: "host", Version: "1", NS: w.plan.ns,
		History: w.plan.history, Pulse: w.plan.pulse, FillDelay: w.plan.fillDelay, Timeout: w.plan.timeout, WriteTimeout: w.plan.writeTimeout,
		Engine: consensus.Config{
			Rand:        rand.New(rand.NewPCG(w.rand.Uint64(), 2)),
			Window:      w.plan.window,
			MaxInFlight: w.plan.inFlight,
			Retain:      w.plan.retain,
			RetainBytes: w.plan.retainBytes,
		},
		Logger: w.logger(id),
	}
}

// logger writes what a node has to say into the trace.
func (w *world) logger(id string) *slog.Logger {
	if w.out == nil {
		return slog.New(slog.DiscardHandler)
	}
	strip := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewTextHandler(traceWriter{w, id}, &slog.HandlerOptions{ReplaceAttr: strip}))
}

type traceWriter struct {
	w  *world
	id string
}

func (t traceWriter) Write(line []byte) (int, error) {
	t.w.trace("%s says %s", t.id, line[:len(line)-1])
	return len(line), nil
}

var _ io.Writer = traceWriter{}

// newNode is a process that has just started at addr, and is nothing yet.
func (w *world) newNode(id, addr string) *node {
	n := &node{w: w, id: id, addr: addr, born: w.now, looked: w.now, rate: 1, waiting: map[uint64]func(answer){}, encoders: map[string]*peer.Encoder{}, met: map[string]string{}}
	if before := w.at[addr]; before != nil {
		w.moved = true
	}
	w.nodes = append(w.nodes, n)
	w.byID[id], w.at[addr] = n, n
	n.ticks = n.tick
	first := between(w.rand, 0, tickEvery)
	n.wake(first)
	w.after(first, n.dialing)
	return n
}

// run makes n a member of a cluster, or one that is to be.
func (n *node) run(core *peer.Core, err error) {
	if err != nil {
		n.w.fail("%s: %v", n.id, err)
		return
	}
	n.core, n.in, n.ran = core, n.w.check.historyOf(core.Cluster()), n.w.now
	n.observe(1)
}

// tick is what the timer of the loop does, if nothing came in that has put it off.
func (n *node) tick() {
	switch {
	case n.dead || n.w.now != n.wakesAt:
	case n.w.now < n.tickAt:
		n.wakesAt = n.tickAt
		n.w.after(n.tickAt-n.w.now, n.ticks)
	default:
		n.wakesAt = 0
		n.wake(tickEvery)
		n.turn(nothing)
	}
}

// dialing is what its links do beside.
func (n *node) dialing() {
	if n.dead {
		return
	}
	if !n.paused {
		n.dial()
	}
	n.w.after(dialEvery, n.dialing)
}

// wake sets the timer of the loop.
func (n *node) wake(in time.Duration) {
	n.tickAt = n.w.now + in
	if n.wakesAt == 0 || n.wakesAt > n.tickAt {
		n.wakesAt = n.tickAt
		n.w.after(in, n.ticks)
	}
}

func nothing() {}

// noteAbandoned notes that n leaves as a voter, since there is nobody to hand over to.
func (n *node) noteAbandoned() {
	n.abandoned = n.abandoned || n.leaving && n.core.Left() && n.writable()
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
	if n.core == nil {
		n.assembly.Tick(n.local)
		input()
		n.assembled()
		return
	}
	n.before = n.tree()
	n.core.Tick(n.local)
	n.noteAbandoned()
	input()
	n.flush()
	n.noteAbandoned()
	if n.turns++; n.turns%turnsPerCheck == 0 {
		n.w.check.sound(n)
	}
	n.wake(max(leastTick, time.Duration(float64(n.core.NextTick())/n.rate)))
}

// flush sends what is to be sent.
func (n *node) flush() {
	o := n.core.Ready()
	for _, m := range o.Messages {
		n.send(m)
	}
	for k := range o.Notes {
		n.sendNote(o.Notes[k])
	}
}

// joined reports whether there is something to read at n.
func (n *node) joined() bool { return n.core != nil && n.core.Joined() }

func (n *node) writable() bool { return n.core != nil && n.core.Writable() }

// tree is the newest version at n.
func (n *node) tree() *store.Snapshot { return n.core.Store().Snapshot() }

var everything = store.MustParseGlob("/**")

// observe lets the checker see each event that n applies.
func (n *node) observe(rev int64) {
	_, err := n.core.Store().Wait(everything, rev, func(e store.Event, err error) {
		if err != nil {
			n.jumped()
			return
		}
		n.applied = e.Rev
		n.w.check.applied(n, e)
		n.observe(e.Rev + 1)
	})
	if err != nil {
		n.jumped()
	}
}

// jumped is called when n took a snapshot.
func (n *node) jumped() {
	n.since, n.applied = n.tree().Rev(), n.tree().Rev()
	n.w.check.walked(n, n.tree())
	n.observe(n.since + 1)
}

// propose hands m to the node; done is called with the answer, if one comes.
func (n *node) propose(m store.Mutation, done func(answer)) { n.enter(m.Append(nil), done) }

// barrier is a NOP.
func (n *node) barrier(done func(answer)) { n.enter(nil, done) }

func (n *node) enter(mutation []byte, done func(answer)) {
	n.turn(func() {
		if n.core == nil {
			done(answer{err: peer.ErrReadOnly})
			return
		}
		n.nextTag++
		tag := n.nextTag
		n.waiting[tag] = done
		n.core.Propose(mutation, func(e store.Event, err error) { n.answer(tag, answer{e, err}) })
	})
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

// mail is one message or note under way.
type mail struct {
	cluster  string // of the sender, when it was sent
	from, to string
	message  consensus.Message
	note     *peer.Note // or nil
}

func (m *mail) String() string {
	if m.note == nil {
		return m.message.String()
	}
	return noteString(m.note)
}

func noteString(n *peer.Note) string {
	s := fmt.Sprintf("%s→%s %v", n.From, n.To, n.Kind)
	switch n.Kind {
	case peer.Forward:
		for _, b := range n.Mutations {
			if m, err := store.DecodeMutation(b); err == nil {
				s += fmt.Sprintf(" %v", mutationString(m))
			}
		}
	case peer.Report:
		s += fmt.Sprintf(" silent %v, heard %v", n.Silent, n.Heard)
	case peer.FetchPart:
		s += fmt.Sprintf(" %d from file %d", n.Fetch.Instance, n.Fetch.Offset)
	case peer.PartOf:
		s += fmt.Sprintf(" %d, rev %d: files %d to %d of %d", n.Part.Snapshot.Instance, n.Part.Rev, n.Part.Offset, n.Part.Offset+len(n.Part.Content), n.Part.Files)
	case peer.Assembling:
		s += " " + assembleString(n.Assemble)
	}
	return s
}

func assembleString(m *peer.Assemble) string {
	s := fmt.Sprintf("%v of %s", m.Kind, m.Addr)
	if m.Ballot > 0 {
		s += fmt.Sprintf(" ballot %d", m.Ballot)
	}
	if m.Value != nil {
		s += fmt.Sprintf(" %+v, accepted at %d", *m.Value, m.Accepted)
	}
	if m.Kind == peer.AssembleMember {
		s += " in " + m.Cluster
	}
	return s
}

func mutationString(m store.Mutation) string {
	if m.Op == store.Del {
		return fmt.Sprintf("del %s guard %d", m.Path, m.Guard)
	}
	return fmt.Sprintf("set %s guard %d %.20q", m.Path, m.Guard, m.Body)
}

func (n *node) send(m consensus.Message) {
	if n.w.out != nil && m.Kind != consensus.Status {
		n.w.trace("%v", m)
	}
	n.w.check.sent(n, &m)
	sent := &mail{cluster: n.core.Cluster(), from: m.From, to: m.To, message: m}
	if n.w.adversary != nil {
		n.w.adversary(&sent.message, func() { n.post(sent) })
		return
	}
	n.post(sent)
}

func (n *node) sendNote(note peer.Note) {
	if n.w.out != nil && (note.Kind != peer.Report || len(note.Silent) > 0) {
		n.w.trace("%v", noteString(&note))
	}
	cluster := peer.Unfounded
	if note.Kind != peer.Assembling {
		cluster = n.core.Cluster()
	}
	if note.Kind == peer.Forward {
		n.w.check.asked(n, &note)
	}
	sent := &mail{cluster: cluster, from: note.From, to: note.To, note: &note}
	post := func() { n.post(sent) }
	switch {
	case n.w.herald != nil && note.Kind == peer.Assembling:
		n.w.herald(&note, post)
	case n.w.delayNote != nil && note.Kind != peer.Assembling:
		n.w.delayNote(&note, post)
	default:
		post()
	}
}

func (n *node) post(m *mail) {
	to := n.w.byID[m.to]
	if to == nil {
		n.w.fail("%s sent to %q, who never was", n.id, m.to)
		return
	}
	if n.w.plan.frames {
		n.sendFrame(m, to)
		return
	}
	n.w.network.carry(m.from, m.to, n.slow+to.slow, func() {
		if to.accepts(m.cluster) {
			to.receive(m)
		}
	})
}

// accepts reports whether n takes in what is said in a cluster. Those that found one speak to everybody.
func (n *node) accepts(cluster string) bool {
	return !n.dead && (cluster == peer.Unfounded || n.core != nil && n.core.Cluster() == cluster)
}

// receive takes in mail that is for n.
func (n *node) receive(m *mail) {
	n.turn(func() {
		switch {
		case n.core == nil:
			if m.note != nil {
				n.assembly.Take(*m.note)
			}
		case m.note != nil:
			n.core.Take(*m.note)
		default:
			n.core.Step(m.message)
		}
	})
}

// dial tells n who is at the addresses of those it has to do with, if that is somebody else than it believes.
func (n *node) dial() {
	if n.core == nil {
		n.dialListed()
		return
	}
	if !n.core.Joined() {
		return
	}
	for _, m := range n.core.Associates() {
		switch p := n.w.at[m.Addr]; {
		case p == nil || p == n || n.w.network.parted(n.id, p.id):
		case p.dead && n.w.plan.closes:
			delete(n.met, m.Addr)
			n.turn(func() { n.core.Refused(m.Addr) })
		case n.w.moved && p.id != m.ID && n.met[m.Addr] != p.id && n.reaches(p):
			n.met[m.Addr] = p.id
			n.w.trace("%s meets %s at %s", n.id, p.id, m.Addr)
			n.turn(func() { n.core.Met(m.Addr, p.id) })
			n.hail(p)
		}
	}
}

// hail lets p know, if it assembles, that a member of a cluster has dialled it.
func (n *node) hail(p *node) {
	cluster := n.core.Cluster()
	p.turn(func() {
		if p.core == nil {
			p.assembly.Hailed(n.addr, n.id, cluster)
		}
	})
}

// reaches reports whether a connection from n to p can be made, and p is of n's cluster or of none yet.
func (n *node) reaches(p *node) bool {
	return !p.dead && !p.paused && !n.w.network.parted(n.id, p.id) && (!p.joined() || p.core.Cluster() == n.core.Cluster())
}

// crash ends the process: its memory is gone, and with it everyone who waited there.
func (n *node) crash() {
	n.dead = true
	n.inbox = nil
	if n.w.plan.closes {
		n.w.closeLinks(n)
	}
	for _, tag := range n.tags() {
		done := n.waiting[tag]
		delete(n.waiting, tag)
		done(answer{err: errGone})
	}
}

// kill is crash, and the trace says so.
func (n *node) kill() {
	n.w.trace("%s crashes", n.id)
	n.crash()
}

// tags are those under way, in order.
func (n *node) tags() (tags []uint64) {
	for tag := range n.waiting {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	return tags
}

var errGone = errors.New("the process is gone")

// suspect is told when the link to another was closed by the other side.
func (n *node) suspect(id string) {
	n.w.trace("%s sees %s's link closed", n.id, id)
	n.turn(func() {
		if n.core != nil {
			n.core.Lost(id)
		}
	})
}

func (n *node) pause() { n.paused = true }

func (n *node) resume() {
	n.paused = false
	n.trouble()
	inbox := n.inbox
	n.inbox = nil
	for _, input := range inbox {
		n.turn(input)
	}
}

// trouble notes that up to now somebody may have had reason to take n for gone, or n others.
func (n *node) trouble() { n.troubled = n.w.now }

func (n *node) String() string {
	if n.core == nil {
		return n.id + " that assembles"
	}
	return fmt.Sprintf("%s@%d of %s", n.id, n.tree().Rev(), n.core.Cluster())
}
