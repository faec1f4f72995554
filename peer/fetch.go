package peer

import (
	"fmt"
	"slices"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/store"
)

// Limits of the snapshots that are sent to others.
const (
	maxHeld   = 4                // kept at once
	heldFor   = 30 * time.Second // after the last part that somebody asked for
	freshHeld = time.Second      // so long the newest one serves whoever begins
)

// source is the snapshots that others fetch part by part. Each is kept while it is fetched: it is immutable, so
// it costs what has changed since.
type source struct{ held []*held }

type held struct {
	position   consensus.Snapshot
	tree       *store.Snapshot
	born, used time.Duration
}

// onFetch sends a part of a snapshot: of the one asked for or, if that is not kept, the first part of the newest.
func (c *Core) onFetch(n *Note) {
	if !c.Joined() && !c.foundsWith(n.From) || c.escaping || n.Fetch.Offset < 0 {
		return
	}
	h, offset := c.source.find(n.Fetch.Instance), n.Fetch.Offset
	if h == nil || offset > h.tree.Len() || h.position.Instance <= n.Fetch.Above {
		h, offset = c.newest(n.Fetch.Above), 0
	}
	h.used = c.now
	c.note(Note{Kind: PartOf, To: n.From, Part: h.part(offset)})
}

// foundsWith reports whether we are about to found a cluster, and id with us. It may need a snapshot as
// anybody, though there is nothing in it yet; whoever joins waits until there is.
func (c *Core) foundsWith(id string) bool {
	return c.founding != nil && c.founding.has(id)
}

func (s *source) find(instance uint64) *held {
	for _, h := range s.held {
		if h.position.Instance == instance {
			return h
		}
	}
	return nil
}

// newest returns a snapshot of about now, above the given instance if there can be one.
func (c *Core) newest(above uint64) *held {
	s := &c.source
	if k := len(s.held); k > 0 && c.now-s.held[k-1].born < freshHeld {
		if h := s.held[k-1]; h.position.Instance > above || c.engine.LastApplied() <= above {
			return h
		}
	}
	if len(s.held) == maxHeld {
		s.held = s.held[1:]
	}
	h := &held{position: c.engine.Snapshot(), tree: c.store.Snapshot(), born: c.now, used: c.now}
	s.held = append(s.held, h)
	return h
}

// forget lets go of what nobody asks for any more.
func (s *source) forget(now time.Duration) {
	s.held = slices.DeleteFunc(s.held, func(h *held) bool { return now-h.used > heldFor })
}

// part returns the files from the given one on.
func (h *held) part(offset int) *Part {
	p := &Part{Snapshot: h.position, Rev: h.tree.Rev(), Files: h.tree.Len(), Offset: offset}
	bytes := 0
	for e := range h.tree.Files(offset) {
		bytes += len(e.Path) + len(e.Body)
		if len(p.Content) == MaxPartFiles || bytes > MaxPartBytes && len(p.Content) > 0 {
			break
		}
		p.Content = append(p.Content, File{e.Path, e.Rev, e.Body})
	}
	return p
}

// fetching is a snapshot on its way here.
type fetching struct {
	from    string
	head    *Part // of the snapshot: its first part; nil until that has come
	builder *store.Builder
	asked   time.Duration // our clock when we asked last
	tries   int           // since something came
	most    int           // tries, after which another member is asked
}

const (
	fetchAgain  = 1 // fill delays after which a part is asked for again at first; each time twice as many
	fetchTries  = 6
	strandTries = 2 // of each, by one who knows nobody of whom it has heard lately
)

// fetchFrom begins to fetch a snapshot, unless one is on its way.
func (c *Core) fetchFrom(id string, tries int) {
	if c.fetching != nil {
		return
	}
	c.fetching = &fetching{from: id, most: tries}
	c.ask()
}

// fetch asks again for what did not come; for a first snapshot, whoever may have it.
func (c *Core) fetch() {
	f := c.fetching
	switch {
	case f == nil && c.engine == nil && len(c.vias) > 0:
		c.fetchFrom(c.vias[0], fetchTries)
		c.vias = append(c.vias[1:], c.vias[0])
	case f == nil || c.now-f.asked < fetchAgain*c.config.FillDelay<<(f.tries-1):
	case f.tries >= f.most:
		c.fetching = nil // the engine will name another member, or the next via is asked
	default:
		c.ask()
	}
}

func (c *Core) ask() {
	f := c.fetching
	f.asked = c.now
	f.tries++
	n := Note{Kind: FetchPart, To: f.from}
	if f.head != nil {
		n.Fetch = Fetch{Instance: f.head.Snapshot.Instance, Offset: f.builder.Len()}
	}
	if c.engine != nil {
		n.Fetch.Above = c.engine.LastApplied()
	}
	c.note(n)
}

// onPart takes in a part of the snapshot that we fetch.
func (c *Core) onPart(n *Note) {
	f, p := c.fetching, n.Part
	if f == nil || p == nil || n.From != f.from {
		return
	}
	if p.Rev == 0 && c.founding == nil {
		return // there is nothing in it yet
	}
	if c.engine != nil && p.Snapshot.Instance <= c.engine.LastApplied() {
		c.fetching = nil // nothing in it is new
		return
	}
	if p.Offset == 0 && (f.head == nil || p.Snapshot.Instance != f.head.Snapshot.Instance) {
		f.head, f.builder = p, store.NewBuilder(p.Rev)
	}
	if f.head == nil || p.Snapshot.Instance != f.head.Snapshot.Instance || p.Offset != f.builder.Len() {
		return // repeated, or late
	}
	if err := f.add(p); err != nil {
		c.log.Error("a member sent a snapshot that is none", "from", f.from, "err", err)
		c.fetching = nil
		return
	}
	f.tries = 0
	if f.builder.Len() < f.head.Files {
		c.ask()
		return
	}
	c.fetching = nil
	if err := c.install(f.head, f.builder); err != nil {
		c.log.Error("a member sent a snapshot that is of no use", "from", f.from, "err", err)
	}
}

func (f *fetching) add(p *Part) error {
	if len(p.Content) == 0 && f.head.Files > f.builder.Len() {
		return fmt.Errorf("no files from %d on, of %d", p.Offset, f.head.Files)
	}
	for _, file := range p.Content {
		if err := f.builder.Add(store.Event{Rev: file.Rev, Op: store.Set, Path: file.Path, Body: file.Body}); err != nil {
			return err
		}
	}
	return nil
}

// install goes on from a snapshot, if that is newer than what we have.
func (c *Core) install(head *Part, b *store.Builder) error {
	before, ruled := uint64(0), false
	if c.engine == nil {
		if err := c.begin(head.Snapshot); err != nil {
			return err
		}
	} else {
		if now := c.store.Snapshot().Rev(); head.Rev < now && head.Snapshot.Instance > c.engine.LastApplied() {
			return fmt.Errorf("%w: instance %d is of rev %d, and here is rev %d", ErrImpossible, head.Snapshot.Instance, head.Rev, now)
		}
		before, ruled = c.engine.LastApplied(), c.engine.Writable()
		newer, err := c.engine.Install(head.Snapshot)
		if !newer || err != nil {
			return err
		}
	}
	if head.Rev > c.store.Snapshot().Rev() {
		if err := c.store.Install(b); err != nil {
			panic("peer: broken: the engine went on from a snapshot, and the store did not: " + err.Error())
		}
	}
	c.installed(head, before, ruled)
	return nil
}

// installed takes over what the snapshot says of the members.
func (c *Core) installed(head *Part, before uint64, ruled bool) {
	c.log.Info("took a snapshot", "instance", head.Snapshot.Instance, "before", before, "rev", head.Rev, "files", head.Files)
	c.roster = rosterOf(c.store.Snapshot())
	c.cause = cause{rev: head.Rev, words: "a snapshot was taken"}
	c.dutyAt = c.now
	if head.Rev > 0 {
		c.founding = nil
	}
	c.changes++
	eras := head.Snapshot.Eras
	until := max(c.leaving.until, head.Snapshot.Instance, eras[len(eras)-1].From-1) // we may have ruled up to there
	if now := c.engine.Writable(); now != ruled {
		c.promoted(until, now)
	}
	c.leaving.until = until
}
