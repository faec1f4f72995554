package peer

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/store"
)

// Core is a node without its loop: what to do with proposals, messages and the passing of time. It joins consensus, the
// store and the membership. It knows no clock, no goroutine and no socket, so a simulation drives it as the loop of a
// [Node] does: any number of calls that tell it something, then [Core.Ready]. It belongs to one goroutine.
//
// The state is agreed on; what a Core holds beside it are doings under way, each of which may be lost without harm: it
// looks at the tree again and again, and requests what is not yet as it should be (see duties).
type Core struct {
	config  Config
	cluster string // id of the cluster, drawn when it was founded
	log     *slog.Logger
	now     time.Duration // time while the loop ran: see Tick
	raw     time.Duration // the newest time Tick was told

	engine *consensus.Engine // nil until the first snapshot has come
	store  *store.Store
	roster roster // as of the newest rev
	stale  bool   // something in the batch being applied concerns it
	cause  cause  // of its newest change

	changes uint64 // of the roster, and of what we are in it

	proposals proposals
	requests  map[string]request // changes of /ctl under way, by path
	pulsing   bool               // the last pulse is under way
	unsure    bool               // one before it may have happened
	pulseAt   time.Duration
	dutyAt    time.Duration
	founding  *Founding // until it is done
	escaping  bool
	leaving   leaving
	witness   witness
	source    source
	fetching  *fetching
	vias      []string          // members to fetch a first snapshot from
	met       map[string]string // id, by address that was dialled; "" is nobody
	strand    strand
	lost      bool                     // the majority, as was told last
	turnBy    time.Duration            // until then one of the voters that stand since lately need not be heard
	gone      map[string]time.Duration // when the link of those was closed by its kernel who were not heard since

	out     Output // being gathered
	spare   Output // the one that the last Ready lent out
	forward [][]byte
}

// Output is what a Core wants done. Its slices are lent until the next call of Ready.
type Output struct {
	Messages []consensus.Message // to be sent; any may be lost
	Notes    []Note              // as well
	answered weight
}

// Founding is how a cluster begins. It is the same for all of its first voters.
type Founding struct {
	Cluster string  // the id of the cluster, which no other ever had
	Voters  []Voter // the first voters
	Slots   int     // that there shall be, not less than voters
}

// Voter is a process and the address at which it is reached.
type Voter struct{ ID, Addr string }

// Found returns the core of one of the first voters of a cluster. The only one of a cluster of one has founded it when
// Found returns. The error is that of [Config.Validate], or says what is wrong with f.
func Found(config Config, f Founding) (*Core, error) {
	c, err := newCore(config, f.Cluster)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, v := range f.Voters {
		ids = append(ids, v.ID)
	}
	if !slices.Contains(ids, c.config.ID) {
		return nil, fmt.Errorf("found a cluster: %s is not among its first voters", c.config.ID)
	}
	if err := c.begin(consensus.Founding(ids...)); err != nil {
		return nil, fmt.Errorf("found a cluster: %w", err)
	}
	if len(ids) == 1 {
		return c, c.foundAlone()
	}
	c.founding = &f
	return c, nil
}

// Join returns the core of a process that is to become a member of a cluster. It fetches a snapshot from one of vias,
// which are ids of members, and is of no use before: see [Core.Joined]. The error is that of [Config.Validate].
func Join(config Config, cluster string, vias ...string) (*Core, error) {
	c, err := newCore(config, cluster)
	if err != nil {
		return nil, err
	}
	c.vias = vias
	return c, nil
}

func newCore(config Config, cluster string) (*Core, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	if config.store == nil {
		config.store = store.New(config.History)
	}
	return &Core{
		config:    config,
		cluster:   cluster,
		log:       config.Logger,
		store:     config.store,
		proposals: newProposals(config.WriteTimeout / marksKept),
		requests:  map[string]request{},
		pulseAt:   config.Pulse,
		witness:   newWitness(),
		met:       map[string]string{},
		gone:      map[string]time.Duration{},
	}, nil
}

// Check returns an error that names the first broken invariant that it finds in the agreement; nil if all is
// well. It looks at the whole window: it is for tests.
func (c *Core) Check() error {
	if c.engine == nil {
		return nil
	}
	return c.engine.Check()
}

// begin makes the engine, which goes on from start.
func (c *Core) begin(start consensus.Snapshot) (err error) {
	tuning := c.config.Engine
	tuning.ID = c.config.ID
	tuning.FillDelay = c.config.FillDelay
	if tuning.Rand == nil {
		tuning.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	c.engine, err = consensus.New(tuning, start)
	return err
}

// Cluster returns the id of the cluster. An escape changes it.
func (c *Core) Cluster() string { return c.cluster }

// Store returns the node's store, for reading.
func (c *Core) Store() *store.Store { return c.store }

// Joined reports whether there is anything to read: a founder, or a node that has its first snapshot.
func (c *Core) Joined() bool { return c.engine != nil && c.founding == nil }

// Writable reports whether the node takes proposals: it is among the voters that stand.
func (c *Core) Writable() bool { return c.Joined() && c.engine.Writable() }

// Tick tells the core the time, on any clock that does not go back. Call it before every turn of the loop, and when
// NextTick says. A step longer than FillDelay counts as FillDelay: while our own loop stood still, the
// silence of others proves nothing.
func (c *Core) Tick(now time.Duration) {
	if now <= c.raw {
		return
	}
	c.now += min(now-c.raw, c.config.FillDelay)
	c.raw = now
	c.proposals.tick(c.now)
	c.fetch()
	if c.engine == nil {
		return
	}
	c.engine.Tick(c.now)
	c.endOverdue()
	c.source.forget(c.now)
	if c.now >= c.dutyAt {
		c.dutyAt = c.now + c.config.FillDelay/2
		c.look()
	}
	if c.now >= c.pulseAt {
		c.pulseAt = c.now + c.config.Pulse
		c.pulse()
	}
}

// NextTick returns how long, from the last Tick on, the next one may be put off if nothing comes in.
func (c *Core) NextTick() time.Duration {
	if c.engine == nil || c.leaving.on || c.founding != nil {
		return c.config.FillDelay / 4
	}
	return min(c.engine.NextTick(), max(c.pulseAt-c.now, 0))
}

// Step takes in a message of consensus. It must have come from m.From, of this cluster.
func (c *Core) Step(m consensus.Message) {
	if c.engine == nil {
		return
	}
	if at, ok := c.gone[m.From]; ok && c.now-at >= c.config.FillDelay { // what was under way by then proves nothing
		delete(c.gone, m.From)
	}
	c.engine.Step(m)
}

// Take takes in a note, and reports whether it was one for us. It must have come from n.From, of this cluster.
func (c *Core) Take(n Note) bool {
	if n.To != c.config.ID || n.Kind >= noteKinds || noteHandlers[n.Kind] == nil {
		return false
	}
	noteHandlers[n.Kind](c, &n)
	return true
}

var noteHandlers = [noteKinds]func(*Core, *Note){
	Forward:    (*Core).onForward,
	Report:     (*Core).onReport,
	FetchPart:  (*Core).onFetch,
	PartOf:     (*Core).onPart,
	Assembling: (*Core).onAssembling,
}

// onAssembling tells whoever still looks for a cluster that there is one.
func (c *Core) onAssembling(n *Note) {
	if c.engine != nil && n.Assemble != nil && n.Assemble.Kind != AssembleMember {
		c.note(Note{Kind: Assembling, To: n.From, Assemble: &Assemble{Kind: AssembleMember, Addr: c.config.Addr, Cluster: c.cluster}})
	}
}

// Met says that the process at addr, which was dialled, proved to be id.
func (c *Core) Met(addr, id string) {
	if len(c.met) >= MaxMembers {
		clear(c.met)
	}
	c.met[addr] = id
	c.dutyAt = c.now
}

// Refused says that the system at addr, which was dialled, answered that nobody listens there.
func (c *Core) Refused(addr string) {
	if id, ok := c.met[addr]; !ok || id != "" {
		c.Met(addr, "")
	}
}

// Lost says that the other side's kernel closed the link to id: that process is probably gone.
func (c *Core) Lost(id string) {
	if c.engine != nil {
		c.gone[id] = c.now
		c.engine.Suspect(id)
	}
}

// Ready does what can be done without others, applies what was decided, and returns what is to be sent. Call it after
// every turn of the loop.
func (c *Core) Ready() Output {
	for c.engine != nil && c.advance() {
	}
	c.sendForward()
	lent := c.out
	c.out = Output{Messages: emptied(c.spare.Messages), Notes: emptied(c.spare.Notes)}
	c.spare = lent
	return lent
}

// advance does what the engine wants done, and reports whether that may have made more to do.
func (c *Core) advance() (more bool) {
	r := c.engine.Ready()
	c.out.Messages = append(c.out.Messages, r.Messages...)
	for _, f := range r.Failures {
		c.settle(f.Tag, store.Event{}, failureOf(f.Err))
	}
	if r.SnapshotFrom != "" {
		c.fetchFrom(r.SnapshotFrom, fetchTries)
	}
	for _, d := range r.Decisions {
		c.apply(d)
	}
	if len(c.source.held) == 0 && c.engine.Alone() {
		c.engine.Trim() // nobody has to catch up
	}
	return len(r.Decisions) > 0
}

// apply applies one decision, and answers the proposals in it.
func (c *Core) apply(d consensus.Decision) {
	for i, m := range d.Batch.Mutations {
		event := c.store.Apply(m)
		if concernsRoster(event.Path) {
			c.concern(event)
		}
		c.pulseTogether(event.Path)
		if i < len(d.Tags) {
			c.settle(d.Tags[i], event, nil)
		}
	}
	ruled := c.engine.Writable()
	c.engine.Applied(d.Instance, c.voters())
	if now := c.engine.Writable(); now != ruled {
		c.promoted(d.Instance+c.engine.Window()-1, now)
	}
	for _, tag := range d.Barriers {
		c.settle(tag, store.Event{}, nil)
	}
}

// voters returns the voters as of the batch just applied; nil if they are those before. After an escape the
// engine is told anew.
func (c *Core) voters() []string {
	switch {
	case c.stale:
	case c.escaping:
		return c.roster.voters
	default:
		return nil
	}
	c.stale = false
	c.changes++
	before := c.roster.voters
	c.roster = rosterOf(c.store.Snapshot())
	c.dutyAt = c.now
	c.turn()
	switch {
	case before == nil || slices.Equal(before, c.roster.voters):
	case len(c.roster.voters) == 0:
		c.log.Warn("no slot names a member: the last voters go on", "rev", c.cause.rev, "cause", c.cause.words, "voters", c.engine.Voters())
	default:
		c.log.Info("voters changed", "rev", c.cause.rev, "cause", c.cause.words, "voters", c.roster.voters, "before", before)
	}
	return c.roster.voters
}

// promoted is called when this node becomes a voter, or is one no more, beyond an instance.
func (c *Core) promoted(until uint64, voter bool) {
	c.leaving.until = until
	c.pulseAt = c.now
	c.changes++
	c.witness = newWitness() // what was heard before is long ago, or was told to others
	what := "this node is an observer now"
	if voter {
		what = "this node is a voter now"
	}
	c.log.Info(what, "rev", c.cause.rev, "cause", c.cause.words, "beyond", until)
}

// note puts n to be sent.
func (c *Core) note(n Note) {
	n.From = c.config.ID
	c.out.Notes = append(c.out.Notes, n)
}
