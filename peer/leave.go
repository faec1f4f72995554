package peer

import "slices"

// leaving is how a node that is asked to stop takes its leave.
type leaving struct {
	on     bool
	done   bool
	until  uint64 // the last instance that it rules, once it is no voter any more
	unseen bool   // it has asked to be registered, and does not see it yet
}

// Leave begins to hand over: the slot first, so that the others need not miss us; then the registration. The last voter
// keeps its slot. Poll [Core.Left], and do not wait for long: others may be gone as well.
func (c *Core) Leave() {
	c.leaving.on = true
	if c.engine != nil {
		c.engine.Linger()
	}
}

// Left reports whether nobody needs this node any more.
func (c *Core) Left() bool { return c.leaving.done || c.engine == nil }

func (c *Core) leave(v *view) {
	l := &c.leaving
	slot, named := v.roster.slotOf(c.config.ID)
	switch {
	case !l.on || l.done:
	case v.voter:
		c.giveSlot(v)
	case c.othersGone(v):
		l.done = true // nobody is left to hand over to
	case c.successorsApplied(v) < majority(len(v.voters)):
		// What we accepted may be all that is left of a decision until they have it.
	case named: // a registration of ours that is still under way would make us a voter again
		c.emptySlot(slot)
	case isRegistered(v.tree, c.config.ID):
		l.unseen = false
		c.unregister(v, c.config.ID)
	case l.unseen: // others may have made us a voter since
	default:
		l.done = true
	}
}

// giveSlot frees our slot, if those that remain can go on without us. It waits for its turn: two that left at
// once could leave nobody.
func (c *Core) giveSlot(v *view) {
	slot, ok := v.roster.slotOf(c.config.ID)
	if _, giving := c.requests[slot.path]; ok && giving {
		return // if that succeeds, the others need us until they have what we know
	}
	if len(v.voters) == 1 || c.remaining(v) < majority(len(v.voters)-1) {
		c.leaving.done = true
		return
	}
	if ok && len(v.roster.voters) > 1 && c.myTurn(v, 0) {
		c.emptySlot(slot)
	}
}

// remaining returns how many of the other voters are heard.
func (c *Core) remaining(v *view) (n int) {
	for _, id := range v.voters {
		if id != c.config.ID && !c.isGone(id) && !c.isQuiet(id) {
			n++
		}
	}
	return n
}

// othersGone reports whether nobody is left to hand over to: the processes of all other voters have ended, and
// of those that voted with us, and do no more, as well, unless they have applied all that we had a part in.
// Those that are merely silent may be cut off from us, and have nobody but us to find out from what was
// decided.
func (c *Core) othersGone(v *view) bool {
	for p := range c.engine.Peers() {
		knows := p.Applied >= c.leaving.until && !slices.Contains(v.voters, p.ID)
		if p.Voter && !knows && !(c.isQuiet(p.ID) && c.hasEnded(v, p.ID)) {
			return false
		}
	}
	for id := range c.engine.Former() {
		if !c.hasEnded(v, id) {
			return false
		}
	}
	return true
}

// hasEnded reports whether nobody, or another process, was found at the address of id, or it is no member any
// more. A link that was closed shows less: that may have been done for a process that was cut off.
func (c *Core) hasEnded(v *view, id string) bool {
	found, dialled := c.met[bodyOf(v.tree, nodePath(id, addrFile))]
	return dialled && found != id || !isRegistered(v.tree, id)
}

// isGone reports whether the kernel of id's host has closed its link.
func (c *Core) isGone(id string) bool {
	_, gone := c.gone[id]
	return gone
}

// isQuiet reports whether id is silent for longer than a voter that lives may be.
func (c *Core) isQuiet(id string) bool {
	return c.engine.Silence(id) >= aliveWithin*c.config.FillDelay
}

// How long a voter may be silent, in fill delays: one that sleeps, and one that is still thought alive.
const (
	asleepWithin = 4
	aliveWithin  = 10
)

// successorsApplied returns how many of the voters are known to have applied all that we had a part in.
func (c *Core) successorsApplied(v *view) (n int) {
	for p := range c.engine.Peers() {
		if slices.Contains(v.voters, p.ID) && p.Applied >= c.leaving.until {
			n++
		}
	}
	return n
}
