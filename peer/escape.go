package peer

import "github.com/ha/doozerd/store"

// Escape makes this node, which has lost the majority for good, a cluster of one under a new id, with its data.
// Whatever it had accepted is adopted, for it may have been acknowledged. Former members are refused from then
// on.
func (c *Core) Escape(cluster string) {
	c.cluster = cluster
	c.escaping = true
	c.source, c.fetching = source{}, nil // those snapshots name former voters
	c.engine.Escape()
	c.log.Warn("escaped from a lost majority: this node is the cluster now", "cluster", cluster)
	for c.advance() {
	}
	c.dutyAt = c.now
}

// keepEscaped takes the slots of all others, in one batch, and deletes their registrations. It is over when the
// engine has been told that we are alone, which the slots may have said before.
func (c *Core) keepEscaped(v *view) {
	if !c.escaping {
		return
	}
	if !c.engine.Escaping() {
		c.escaping = false
		return
	}
	if _, ok := v.roster.slotOf(c.config.ID); !ok {
		c.request(store.Mutation{Op: store.Set, Path: slotPath(0), Guard: max(revOf(v.tree, slotPath(0)), 0), Body: []byte(c.config.ID)})
	}
	for _, l := range v.roster.slots {
		if l.id != "" && l.id != c.config.ID {
			c.emptySlot(l)
		}
	}
	for _, m := range v.roster.members {
		if m.id != c.config.ID {
			c.unregister(v, m.id)
		}
	}
}
