package sim

import (
	"strings"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/store"
)

const (
	calDir   = "/ctl/cal/"
	nodeDirs = "/ctl/node/"
)

func isAddr(path string) bool {
	return strings.HasPrefix(path, nodeDirs) && strings.HasSuffix(path, "/addr")
}

// idIn is the id in the path of a member's file.
func idIn(path string) string {
	id, _, _ := strings.Cut(path[len(nodeDirs):], "/")
	return id
}

// membership holds the events that change who takes part to what members may do to each other. It is called before h
// takes e in. What the operator does, or a process does to itself, is free.
func (c *checker) membership(n *node, h *history, e store.Event) {
	switch {
	case e.Err != nil || c.w.operated[string(e.Path)+"="+string(e.Body)]:
	case strings.HasPrefix(e.Path, calDir):
		c.slotChange(n, h, e.Path, h.slots[e.Path], strings.TrimSpace(string(e.Body)))
	case isAddr(e.Path) && e.Op == store.Del:
		if id := idIn(e.Path); c.w.blameless(id) {
			c.w.fail("%s was unregistered at rev %d, though nothing was wrong with it", id, e.Rev)
		}
	}
}

// slotChange: a slot goes from its holder to nobody when that is gone, or to who was started in its place; and
// from nobody to a member that is there to stay.
func (c *checker) slotChange(n *node, h *history, slot, before, after string) {
	w := c.w
	taker := w.byID[after]
	switch {
	case w.plan.drill == "exodus" && after == "" && !h.anyVoterBut(before):
		w.fail("%s gave %s away, and nobody is left", before, slot)
	case h.gives(before, w.now): // what it has too many
	case before == after || len(h.slots) == 0 || h.survivor != "" && w.now < w.lostAt+lateDecision:
	case before != "" && after == "" && h.addrs[before] != "" && c.hasty(h, before):
		w.fail("%s was evicted from %s before it could be silent there for long enough", before, slot)
	case before != "" && h.addrs[before] != "" && w.blameless(before):
		w.fail("%s lost %s to %q, though nothing was wrong with it", before, slot, after)
	case before != "" && after != "" && h.addrs[before] != "" && h.listed[before] < w.now-lateDecision && w.byID[before] != nil && taker != nil && taker.addr != w.byID[before].addr:
		w.fail("%s took %s from %s, in whose place it was not started", after, slot, before)
	}
}

// anyVoterBut reports whether some slot holds a member other than id.
func (h *history) anyVoterBut(id string) bool {
	for _, other := range h.slots {
		if other != id && h.addrs[other] != "" {
			return true
		}
	}
	return false
}

// gives reports whether process id has more than one slot, of which it gives back all but one; or had a moment
// ago, and did not know yet that it has lost the one.
func (h *history) gives(id string, now time.Duration) bool {
	s := h.seats[id]
	return s.slots > 1 || s.several > 0 && now < s.several+lateDecision
}

// hasty reports whether the voter id is evicted sooner than it could be silent for so long. One that asks for a
// second slot, since it hears nothing, or is given another soon after it lost one, was one already; and so was
// one of the first, whom the first slots name.
func (c *checker) hasty(h *history, id string) bool {
	s := h.seats[id]
	wasVoter := s.lost > 0 && s.taken-s.lost < c.w.plan.timeout
	first := len(h.events) > 0 && s.taken == h.events[0].at
	return s.taken > c.w.now-c.w.plan.timeout/2 && !wasVoter && !first && c.w.stays(id) && c.w.byID[id].ran < s.taken
}

// asked holds what a member asks of others to the rules of who takes a slot: not while it is leaving, nor
// before the voters that stand are back in theirs; and only the slot as it saw it, when it decided to.
func (c *checker) asked(n *node, note *peer.Note) {
	for _, b := range note.Mutations {
		m, err := store.DecodeMutation(b)
		if err != nil {
			c.w.fail("%s asks for what is no mutation: %v", n.id, err)
			return
		}
		if !strings.HasPrefix(m.Path, calDir) || string(m.Body) != n.id {
			continue
		}
		switch rev, _ := n.before.Stat(m.Path); {
		case n.leaving:
			c.w.fail("%s asks for %s, though it is leaving", n.id, m.Path)
		case rev != m.Guard:
			c.w.fail("%s asks for %s with guard %d, at rev %d", n.id, m.Path, m.Guard, rev)
		case !anyVoter(n.before):
			c.w.fail("%s asks for %s before those that stand are back in theirs", n.id, m.Path)
		}
	}
}

// suggested holds what a member proposes to do to slots and to the files of members to what was seen: the guard
// is a rev that the file had, or says that there is none yet. Who proposes it may be behind whoever asked for
// it. Only the operator goes without a guard.
func (c *checker) suggested(n *node, m *consensus.Message) {
	for _, b := range m.Batch.Mutations {
		m, err := store.DecodeMutation(b)
		switch {
		case err != nil:
			c.w.fail("%s proposes what is no mutation: %v", n.id, err)
		case !strings.HasPrefix(m.Path, calDir) && !strings.HasPrefix(m.Path, nodeDirs):
		case m.Guard == store.Missing && m.Op == store.Set:
		case m.Guard == store.Clobber && c.w.operated[m.Path+"="+string(m.Body)]:
		case !n.in.had(m.Path, m.Guard):
			c.w.fail("%s proposes %s at rev %d, and nobody has seen that rev of the file", n.id, mutationString(m), n.tree().Rev())
		}
	}
}

// had reports whether the file at path was made at rev.
func (h *history) had(path string, rev int64) bool {
	if rev <= store.Missing || rev > int64(len(h.events)) {
		return false
	}
	e := h.events[rev-1]
	return e.Err == nil && e.Op == store.Set && e.Path == path
}

// anyVoter reports whether some slot names a member.
func anyVoter(s *store.Snapshot) bool {
	for e := range s.All(slotGlob) {
		if id := strings.TrimSpace(string(e.Body)); id != "" && !strings.Contains(id, "/") {
			if rev, _ := s.Stat(nodeDirs + id + "/addr"); rev > 0 {
				return true
			}
		}
	}
	return false
}

var slotGlob = store.MustParseGlob(calDir + "*")

// blameless reports whether process id is there to stay, and whether nothing has happened lately that might
// have kept it, for as long as it takes to be evicted, from hearing others or being heard.
func (w *world) blameless(id string) bool {
	n := w.byID[id]
	if n == nil || !w.stays(id) || n.paused || n.slow > 0 || n.rate != 1 {
		return false
	}
	trouble := max(n.troubled, w.troubled)
	if !n.writable() { // one of the others speaks for it
		for _, other := range w.nodes {
			trouble = max(trouble, other.troubled)
		}
	}
	return w.now-n.born > 3*w.plan.timeout && (trouble == 0 || w.now-trouble > 3*w.plan.timeout+lateDecision) &&
		!w.network.cutAt(id) && w.plan.loss <= 0.05 && w.plan.tail == 0 && w.network.surge == 0
}

// stays reports whether process id lives, is not about to go, and nobody has come in its place.
func (w *world) stays(id string) bool {
	n := w.byID[id]
	return n != nil && n.joined() && !n.dead && !n.leaving && w.at[n.addr] == n
}

// lateDecision is how long it may take until what was proposed amid faults is decided.
const lateDecision = 5 * time.Second
