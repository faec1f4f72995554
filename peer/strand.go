package peer

import (
	"maps"
	"slices"
	"time"
)

// strand is the state of a node that hears none of the voters it knows. While it was cut off, or far behind,
// all of them may have been replaced, one by one. No message of theirs will ever tell it so; but whoever is at
// their addresses now, or is another member, has a snapshot.
type strand struct {
	on    bool
	next  int           // whom to ask, of those who may know
	askAt time.Duration // when to ask the next one
}

// askOthersEvery is how often a node that is stranded asks somebody.
const askOthersEvery = 500 * time.Millisecond

// seekOthers asks whoever may know, one after the other, as long as no voter is heard.
func (c *Core) seekOthers(v *view) {
	s := &c.strand
	if on := c.isStranded(v); on != s.on {
		s.on = on
		c.changes++ // other links are wanted
	}
	if !s.on || c.fetching != nil || c.now < s.askAt {
		return
	}
	s.askAt = c.now + askOthersEvery
	if ids := c.others(v); len(ids) > 0 {
		s.next = (s.next + 1) % len(ids)
		c.fetchFrom(ids[s.next], strandTries)
	}
}

// isStranded reports whether no voter is heard though there are others.
func (c *Core) isStranded(v *view) bool {
	alone := len(v.voters) == 1 && v.voter
	return c.Joined() && !alone && !c.hearsVoter()
}

// others returns the processes that may be members, by all that is known here.
func (c *Core) others(v *view) []string {
	ids := slices.Collect(maps.Values(c.met))
	for _, m := range v.roster.members {
		ids = append(ids, m.id)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return slices.DeleteFunc(ids, func(id string) bool { return id == c.config.ID || id == "" })
}
