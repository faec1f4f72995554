package peer

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/store"
)

// Status is how a node sees itself and its cluster.
type Status struct {
	ID       string             `json:"id"`       // of the process
	Name     string             `json:"name"`     // of the cluster
	Cluster  string             `json:"cluster"`  // its id
	Writable bool               `json:"writable"` // the node takes writes
	Rev      int64              `json:"rev"`
	Instance uint64             `json:"instance"` // the last one applied
	Members  []MemberStatus     `json:"members"`  // by id, this node included
	Majority bool               `json:"majority"` // it hears a majority of the voters
	Trouble  []string           `json:"trouble"`  // what is wrong, in words; empty if nothing is
	Counters consensus.Counters `json:"counters"` // of consensus
}

// MemberStatus is how a node sees a member.
type MemberStatus struct {
	ID        string        `json:"id"`
	Addr      string        `json:"addr"`
	Hostname  string        `json:"hostname"`
	Version   string        `json:"version"`
	Self      bool          `json:"self"`
	Voter     bool          `json:"voter"`
	Slot      string        `json:"slot"`    // the name of its file in /ctl/cal; empty if it has none
	Rev       int64         `json:"rev"`     // that it has told to have applied; 0 is unknown
	Known     bool          `json:"known"`   // this node hears it directly, so the rest is known
	Applied   uint64        `json:"applied"` // the last instance that it has applied
	Lag       uint64        `json:"lag"`     // instances that it is behind this node
	RoundTrip time.Duration `json:"roundTripNs"`
	Silence   time.Duration `json:"silenceNs"` // since it was last heard
}

// Status returns how things are.
func (c *Core) Status() *Status {
	s := &Status{ID: c.config.ID, Name: c.config.Cluster, Cluster: c.cluster, Writable: c.Writable()}
	if c.engine == nil {
		s.Trouble = []string{"this node has not joined its cluster yet"}
		return s
	}
	tree := c.store.Snapshot()
	s.Rev, s.Instance, s.Counters = tree.Rev(), c.engine.LastApplied(), c.engine.Counters()
	s.Majority = c.Majority()
	known := map[string]consensus.Peer{}
	for p := range c.engine.Peers() {
		known[p.ID] = p
	}
	for _, id := range c.everybody() {
		s.Members = append(s.Members, c.memberStatus(tree, id, known))
	}
	s.Trouble = c.trouble(s)
	return s
}

// everybody returns the ids of members and voters, and of this node, which may not be registered yet; sorted.
func (c *Core) everybody() []string {
	ids := append(slices.Clone(c.engine.Voters()), c.config.ID)
	for _, m := range c.roster.members {
		ids = append(ids, m.id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (c *Core) memberStatus(tree *store.Snapshot, id string, known map[string]consensus.Peer) MemberStatus {
	m := MemberStatus{
		ID:       id,
		Addr:     bodyOf(tree, nodePath(id, addrFile)),
		Hostname: bodyOf(tree, nodePath(id, hostnameFile)),
		Version:  bodyOf(tree, nodePath(id, versionFile)),
		Self:     id == c.config.ID,
		Voter:    slices.Contains(c.engine.Voters(), id),
	}
	if l, ok := c.roster.slotOf(id); ok {
		m.Slot = l.path[len(calDir):]
	}
	m.Rev, _ = strconv.ParseInt(bodyOf(tree, appliedPath(id)), 10, 64) // 0 if somebody else wrote it
	if m.Self {
		// What the tree does not tell yet, we know.
		m.Addr, m.Hostname, m.Version = cmp.Or(m.Addr, c.config.Addr), cmp.Or(m.Hostname, c.config.Hostname), cmp.Or(m.Version, c.config.Version)
		m.Rev, m.Known, m.Applied = tree.Rev(), true, c.engine.LastApplied()
		return m
	}
	if p, ok := known[id]; ok && (c.engine.Writable() || c.hearsNow(p)) {
		m.Known, m.Applied, m.RoundTrip, m.Silence = true, p.Applied, p.RoundTrip, p.Silence
		m.Lag = c.engine.LastApplied() - min(p.Applied, c.engine.LastApplied())
	}
	return m
}

// hearsNow reports whether an observer hears p. That it does not says nothing of p: it may not have asked.
func (c *Core) hearsNow(p consensus.Peer) bool { return p.RoundTrip > 0 && p.Silence < c.silentFor() }

// trouble says what is wrong, in words.
func (c *Core) trouble(s *Status) []string {
	words := []string{}
	silent, voters := 0, 0
	for _, m := range s.Members {
		if m.Voter && m.Known && m.Silence >= c.silentFor() {
			silent++
			words = append(words, fmt.Sprintf("voter %s at %s has not been heard for %v", m.ID, plain(m.Addr), m.Silence.Round(time.Second)))
		}
		if ago := c.untold(m.ID); !m.Voter && ago >= c.untoldFor() {
			words = append(words, fmt.Sprintf("observer %s at %s is heard by no voter that is heard here: the last one that did said so %v ago", m.ID, plain(m.Addr), ago.Round(time.Second)))
		}
		if m.Voter {
			voters++
		}
	}
	switch {
	case s.Majority:
	case c.engine.Writable():
		words = append(words, fmt.Sprintf("no majority: %d of %d voters are not heard, so nothing can be written", silent, voters))
	case c.hearsVoter():
		words = append(words, "no majority: no voter that is heard here hears one, so nothing can be written")
	default:
		words = append(words, "no voter is heard: nothing can be written, and this may be out of date")
	}
	if free := len(c.roster.free()); free > 0 {
		words = append(words, fmt.Sprintf("slots without a voter: %d", free))
	}
	return append(words, c.idleSlots()...)
}

// idleSlots says which slots name somebody and count for nothing: who is named is no member, or there are as
// many voters before it as there can be.
func (c *Core) idleSlots() (words []string) {
	tree := c.store.Snapshot()
	for _, l := range c.roster.slots {
		switch {
		case l.id == "" || slices.Contains(c.roster.voters, l.id):
		case isRegistered(tree, l.id):
			words = append(words, fmt.Sprintf("slot %s counts for nothing: %d voters are the most", l.path, consensus.MaxVoters))
		default:
			words = append(words, fmt.Sprintf("slot %s names %.24q, which is no member: empty or delete it", l.path, l.id))
		}
	}
	return words
}

// leastSilence is the silence after which a member is called silent, where the fill delay is not so long that
// one that lives may be silent for as long.
const leastSilence = 2 * time.Second

func (c *Core) silentFor() time.Duration { return max(leastSilence, aliveWithin*c.config.FillDelay) }

// untoldFor is for how long nobody may have told us of an observer that lives: until the report that the voter
// it turned away from owed us, and the first one of its next voter, of which one may be lost; and turning takes
// time.
func (c *Core) untoldFor() time.Duration { return 3*c.reportEvery() + c.silentFor() }

// Majority reports whether this node hears a majority of the voters, itself included. An observer, which listens to one
// voter at a time, cannot count them: it goes by what voters tell it of themselves.
func (c *Core) Majority() bool {
	if !c.engine.Writable() {
		return c.hearsVoter() && c.engine.MajoritySilence() < turningFor*c.silentFor()
	}
	return len(c.heard())+1 >= majority(len(c.engine.Voters()))
}

// turningFor is for how many times the silence of a voter an observer may be told of no majority, and yet there
// is one: it may have to turn to another voter meanwhile, and from that one to a third.
const turningFor = 2

// hearsVoter reports whether another voter was heard lately. It may have a majority, whatever it says of that.
func (c *Core) hearsVoter() bool { return len(c.heard()) > 0 || c.now < c.turnBy }

// turn is called before other voters stand: the one that an observer hears may be none of them.
func (c *Core) turn() {
	if len(c.heard()) > 0 {
		c.turnBy = c.now + c.silentFor()
	}
}

// heard returns the other voters that were heard lately.
func (c *Core) heard() (ids []string) {
	for _, id := range c.engine.Voters() {
		if id != c.config.ID && c.engine.Silence(id) < c.silentFor() {
			ids = append(ids, id)
		}
	}
	return ids
}

// tellMajority logs that the majority is lost, or is there again.
func (c *Core) tellMajority(v *view) {
	lost := !c.Majority()
	if lost == c.lost {
		return
	}
	if c.lost = lost; lost {
		c.log.Warn("no majority of the voters is heard: nothing can be written", "voters", v.voters, "heard", c.heard())
	} else {
		c.log.Info("a majority of the voters is heard again", "voters", v.voters, "heard", c.heard())
	}
}

// Associates returns the members that this node keeps connected: all of them if it is a voter, or hears no
// voter, else the voters; and the first voters of a cluster that is being founded.
func (c *Core) Associates() []Voter {
	var with []Voter
	if c.founding != nil {
		with = append(with, c.founding.Voters...)
	}
	if c.engine == nil {
		return with
	}
	for _, m := range c.roster.members {
		if m.id != c.config.ID && (c.engine.Writable() || c.strand.on || slices.Contains(c.engine.Voters(), m.id)) {
			with = append(with, Voter{m.id, m.addr})
		}
	}
	return with
}

// Position returns where consensus stands: the last instance applied, and the voters of every instance in the window
// after it. It is the zero value as long as there is no first snapshot.
func (c *Core) Position() consensus.Snapshot {
	if c.engine == nil {
		return consensus.Snapshot{}
	}
	return c.engine.Snapshot()
}

// Counters returns what consensus counted.
func (c *Core) Counters() consensus.Counters {
	if c.engine == nil {
		return consensus.Counters{}
	}
	return c.engine.Counters()
}
