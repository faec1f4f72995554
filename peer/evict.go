package peer

import (
	"maps"
	"slices"
	"time"

	"github.com/ha/doozerd/store"
)

// witness is what a voter knows of who is silent.
type witness struct {
	reportAt time.Duration
	reports  map[string]report        // by voter
	heard    map[string]time.Duration // our clock when anybody last heard the member, by id; of those that are no voters
	patient  time.Duration            // until then nobody is removed: when we last heard no majority, and a timeout more
}

// A report is what another voter said last.
type report struct {
	at     time.Duration // our clock when it came
	silent []string
}

func newWitness() witness {
	return witness{reports: map[string]report{}, heard: map[string]time.Duration{}}
}

// reportsPerTimeout is how often voters tell each other who is silent, during the time after which those are evicted.
const reportsPerTimeout = 8

func (c *Core) reportEvery() time.Duration { return c.config.Timeout / reportsPerTimeout }

// report tells the other voters who is silent, and whom we hear.
func (c *Core) report(v *view) {
	if !v.voter || c.now < c.witness.reportAt {
		return
	}
	c.witness.reportAt = c.now + c.reportEvery()
	heard := c.followers()
	for _, id := range heard {
		c.witness.heard[id] = c.now
	}
	silent := c.silent(v)
	for _, to := range v.voters {
		if to != c.config.ID {
			c.note(Note{Kind: Report, To: to, Silent: silent, Heard: heard})
		}
	}
}

// silent returns the voters that gave no sign of having heard us for the eviction timeout.
func (c *Core) silent(v *view) (silent []string) {
	for _, id := range v.voters {
		if c.engine.Silence(id) >= c.config.Timeout {
			silent = append(silent, id)
		}
	}
	return silent
}

// followers returns the members that are no voters and were heard lately: those that follow us, and those that
// still rule a part of the window.
func (c *Core) followers() (heard []string) {
	for f := range c.engine.Peers() {
		if !slices.Contains(c.engine.Voters(), f.ID) && f.Silence < 2*c.reportEvery() {
			heard = append(heard, f.ID)
		}
	}
	return heard
}

func (c *Core) onReport(n *Note) {
	if c.engine == nil || !slices.Contains(c.engine.Voters(), n.From) {
		return
	}
	c.witness.reports[n.From] = report{c.now, n.Silent}
	tree := c.store.Snapshot()
	for _, id := range n.Heard {
		if isRegistered(tree, id) {
			c.witness.heard[id] = c.now
		}
	}
}

// untold returns how long ago a voter last said, we included, that it hears the member id, which is no voter; 0
// is not known. Only voters know, and only as long as they hear a majority, and each whom they hear tells them.
func (c *Core) untold(id string) time.Duration {
	at, ok := c.witness.heard[id]
	if !ok || !c.engine.Writable() || !c.Majority() || slices.ContainsFunc(c.heard(), c.owesReport) {
		return 0
	}
	return c.now - at
}

// owesReport reports whether another voter has not told us lately whom it hears.
func (c *Core) owesReport(from string) bool {
	r, ok := c.witness.reports[from]
	return !ok || !c.fresh(r)
}

// forgetFormer forgets what was noted of processes that are no voters any more.
func (c *Core) forgetFormer(v *view) {
	maps.DeleteFunc(c.gone, func(id string, _ time.Duration) bool { return !slices.Contains(v.voters, id) })
	maps.DeleteFunc(c.witness.reports, func(id string, _ report) bool { return !slices.Contains(v.voters, id) })
}

// evict takes the slot of a voter that a majority finds silent, and then its registration. Who does not hear a
// majority evicts nobody: what it proposes would be decided much later, when others may long be heard again.
// And once it hears one, it gives the others the timeout anew: they come back as it did, some of them a moment
// later.
func (c *Core) evict(v *view) {
	if !v.voter {
		clear(c.witness.reports)
		return
	}
	silent := c.silent(v)
	if len(v.voters)-len(silent) < majority(len(v.voters)) {
		c.witness.patient = c.now + c.config.Timeout
	}
	if c.now < c.witness.patient {
		return
	}
	for _, id := range silent {
		if c.agreeing(v, id) < majority(len(v.voters)) || !c.myTurn(v, 0) {
			continue
		}
		if l, ok := v.roster.slotOf(id); ok && c.emptySlot(l) {
			c.log.Warn("evicting a silent voter", "id", id, "slot", l.path, "silent", c.engine.Silence(id).Round(time.Millisecond))
		}
		c.unregister(v, id)
	}
}

// agreeing returns how many voters find id silent, ourselves included. Each speaks for itself, and not for long.
func (c *Core) agreeing(v *view, id string) int {
	n := 1
	for _, from := range v.voters {
		if r, ok := c.witness.reports[from]; ok && from != id && c.fresh(r) && slices.Contains(r.silent, id) {
			n++
		}
	}
	return n
}

func (c *Core) fresh(r report) bool { return c.now-r.at <= 2*c.reportEvery() }

// myTurn spreads over time what any voter may do, so that usually only one does: the time goes round them,
// share by share.
func (c *Core) myTurn(v *view, share time.Duration) bool {
	share = max(share, c.config.FillDelay)
	return int(c.now/share)%len(v.voters) == slices.Index(v.voters, c.config.ID)
}

// unregister deletes the files that tell of a member. The answer is whether this call has begun something.
func (c *Core) unregister(v *view, id string) (begun bool) {
	for _, f := range filesOf(v.tree, id) {
		begun = c.request(store.Mutation{Op: store.Del, Path: f.Path, Guard: f.Rev}) || begun
	}
	return begun
}

// sweep deletes the registration of members that are no voters and that no voter hears.
func (c *Core) sweep(v *view) {
	if !v.voter || c.founding != nil || c.now < c.witness.patient {
		return
	}
	known := map[string]bool{}
	for _, m := range v.roster.members {
		if slices.Contains(v.voters, m.id) {
			continue
		}
		known[m.id] = true
		at, ok := c.witness.heard[m.id]
		if !ok {
			c.witness.heard[m.id] = c.now
			continue
		}
		if c.now-at >= c.config.Timeout && c.reporting(v) >= majority(len(v.voters)) && c.myTurn(v, c.reportEvery()) {
			c.remove(v, m, c.now-at)
		}
	}
	maps.DeleteFunc(c.witness.heard, func(id string, _ time.Duration) bool { return !known[id] })
}

// remove takes a member that is no voter, and was silent for so long, out of the tree; and out of a slot that
// counts for nothing.
func (c *Core) remove(v *view, m member, silent time.Duration) {
	if l, ok := v.roster.slotOf(m.id); ok {
		c.emptySlot(l)
	}
	if c.unregister(v, m.id) {
		c.log.Info("removing a silent observer", "id", m.id, "addr", m.addr, "silent", silent.Round(time.Millisecond))
	}
}

// reporting returns how many voters tell us what they hear, ourselves included.
func (c *Core) reporting(v *view) int {
	n := 1
	for _, from := range v.voters {
		if r, ok := c.witness.reports[from]; ok && c.fresh(r) {
			n++
		}
	}
	return n
}

// replace gives the place of a member whose address another process has to that process, without waiting for
// the timeout: we dialled that address ourselves and met it there, so the member is gone.
func (c *Core) replace(v *view) {
	if !v.voter || len(c.met) == 0 {
		return
	}
	for _, old := range v.roster.members {
		id := c.met[old.addr]
		if id == "" || id == old.id || old.id == c.config.ID || !c.isSuccessor(v, id, old) || !c.myTurn(v, 0) {
			continue
		}
		if l, ok := v.roster.slotOf(old.id); ok {
			m := store.Mutation{Op: store.Set, Path: l.path, Guard: l.rev}
			if !slices.Contains(v.roster.voters, id) {
				m.Body = []byte(id)
			}
			if c.request(m) {
				c.log.Info("a member was restarted", "addr", old.addr, "id", id, "before", old.id, "slot", l.path)
			}
		}
		c.unregister(v, old.id)
	}
}

// isSuccessor reports whether the process id has registered at the address of old, which is not heard any more.
func (c *Core) isSuccessor(v *view, id string, old member) bool {
	if bodyOf(v.tree, nodePath(id, addrFile)) != old.addr {
		return false
	}
	return !slices.Contains(v.voters, old.id) || c.engine.Silence(old.id) >= asleepWithin*c.config.FillDelay
}
