package peer

import (
	"errors"
	"slices"
	"time"

	"github.com/ha/doozerd/peer/link"
)

// ErrUnfounded: a cluster was about to be founded, and most of its first voters ended before it was, or are
// members of another. Nothing was ever written in it.
var ErrUnfounded = errors.New("most of those who were founding the cluster have ended")

// ErrMajority reports an escape where there is nothing to escape from.
var ErrMajority = errors.New("a majority of the voters answers")

// ErrHearsVoter reports an escape of an observer, which cannot tell whether a voter that it hears has a majority.
var ErrHearsVoter = errors.New("this observer still hears a voter: let that one escape, or end it first")

// running is the stage of a member, or of a node that fetches its first snapshot.
type running struct {
	node     *Node
	core     *Core
	wanted   uint64        // the core's changes when the links were last set
	linkAt   time.Duration // when they are to be set again at the latest
	fetched  time.Duration // when a part of the first snapshot came last
	astray   bool          // who was to send it is gone
	statusAt time.Duration
	ended    map[string]bool // addresses at which another process was met, or none
	left     func()          // to be called when nobody needs us any more
}

// run begins to be a member.
func (n *Node) run(c *Core) {
	s := &running{node: n, core: c, ended: map[string]bool{}, fetched: time.Since(n.start)}
	n.stage = s
	n.speak(c.Cluster())
	c.Tick(time.Since(n.start))
	s.link()
	s.flush()
}

func (s *running) tick(now time.Duration) {
	s.core.Tick(now)
	if s.wanted != s.core.changes || s.node.mail.changed || now >= s.linkAt {
		s.link()
	}
	if now >= s.statusAt {
		s.statusAt = now + statusEvery
		s.node.status.Store(s.core.Status())
	}
	if s.core.engine == nil && (s.astray || now-s.fetched > joinPatience) {
		s.tellUnfed()
		s.node.speak(Unfounded)
		s.node.enter(s.node.again())
	}
}

// joinPatience is how long the first member that was found may take for each part of a first snapshot. Then the
// cluster is looked for anew.
const joinPatience = 10 * time.Second

// tellUnfed says, once, why this node may go on looking for ever: a link that it has dialled brings it nothing.
func (s *running) tellUnfed() {
	if s.astray || s.node.unfed {
		return
	}
	s.node.unfed = true
	s.node.log.Warn("a member that was asked for the data sends none: can it reach this node at its -l?", "addr", s.core.config.Addr, "members", s.core.vias)
}

// statusEvery is how often the status that others read is made.
const statusEvery = 250 * time.Millisecond

func (s *running) nextTick() time.Duration { return s.core.NextTick() }

func (s *running) status() *Status    { return s.core.Status() }
func (s *running) propose(p proposal) { s.core.propose(p) }

func (s *running) unreachable(addr string, err error) {
	s.astray = s.astray || s.isVia(addr)
	if errors.Is(err, link.ErrNobody) {
		s.core.Refused(addr)
		s.founderEnded(addr)
	}
}

// founderEnded notes that a process that was founding the cluster with us, if there was one at addr, does so no
// more. Without a majority of them nothing can ever be decided. Whoever was restarted would wait for us, and we
// for those before it.
func (s *running) founderEnded(addr string) {
	f := s.core.founding
	if f == nil {
		return
	}
	s.ended[addr] = true
	gone := 0
	for _, v := range f.Voters {
		if s.ended[v.Addr] {
			gone++
		}
	}
	if len(f.Voters)-gone < majority(len(f.Voters)) {
		s.node.err = ErrUnfounded
	}
}

func (s *running) lost(id string) {
	s.core.Lost(id)
	s.astray = s.astray || slices.Contains(s.core.vias, id)
}

func (s *running) met(addr string, other link.Remote) {
	s.astray = s.astray || s.isVia(addr) && !slices.Contains(s.core.vias, other.ID)
	ours := other.Cluster == "" || other.Cluster == s.core.Cluster()
	if f := s.core.founding; f != nil && (!ours || !slices.Contains(f.Voters, Voter{other.ID, addr})) {
		s.founderEnded(addr)
	}
	if ours {
		s.node.mail.hear(link.Remote{ID: other.ID, Addr: addr})
		s.core.Met(addr, other.ID)
	}
}

func (s *running) hailed(link.Remote) {}

// isVia reports whether addr is that of a member to fetch a first snapshot from.
func (s *running) isVia(addr string) bool {
	return slices.ContainsFunc(s.core.vias, func(id string) bool { return s.node.mail.addrs[id] == addr })
}

func (s *running) receive(from link.Remote, r Received) {
	s.node.mail.hear(from)
	for _, m := range r.Messages {
		s.core.Step(m)
	}
	for _, note := range r.Notes {
		if note.Kind == PartOf {
			s.fetched = s.core.raw
		}
		if !s.core.Take(note) {
			s.node.losses.impossible.Add(1)
		}
	}
}

func (s *running) leave(done func()) {
	s.left = done
	s.core.Leave()
}

// escape refuses to leave a cluster that is only slow: nothing may be lost by a mistake.
func (s *running) escape() error {
	switch {
	case !s.core.Joined():
		return ErrReadOnly
	case s.core.hearsVoter() && !s.core.Writable():
		return ErrHearsVoter
	case s.core.Majority():
		return ErrMajority
	}
	s.core.Escape(NewID())
	s.node.speak(s.core.Cluster())
	s.node.mail.forget()
	return nil
}

// link connects to whom this node has to do with: a voter to all members, an observer to the voters; and to
// whoever speaks to us and is no member yet.
func (s *running) link() {
	s.wanted, s.linkAt = s.core.changes, s.core.raw+relinkEvery
	with := s.node.mail.strangers()
	if s.core.engine == nil {
		for _, id := range s.core.vias {
			with = append(with, link.Peer{ID: id, Addr: s.node.mail.addrs[id]})
		}
	}
	if s.core.strand.on {
		for _, addr := range s.node.config.Attach {
			if addr != s.node.config.Addr {
				with = append(with, link.Peer{Addr: addr})
			}
		}
	}
	for _, m := range s.core.Associates() {
		with = append(with, link.Peer{ID: m.ID, Addr: m.Addr})
	}
	s.node.mail.knowOnly(with)
	s.node.links.Want(with)
}

// relinkEvery is how often the links are looked through for those that nobody needs any more.
const relinkEvery = 10 * time.Second

func (s *running) flush() {
	o := s.core.Ready()
	n := s.node
	n.mail.send(o.Messages)
	for _, note := range o.Notes {
		n.mail.note(note)
	}
	n.queue.release(o.answered)
	n.canWrite.Store(s.core.Writable())
	if s.core.Joined() && *n.proven.Load() != s.core.Cluster() {
		id := s.core.Cluster()
		n.proven.Store(&id)
		n.status.Store(s.core.Status())
		if !n.Ready() {
			close(n.joined)
		}
	}
	if s.left != nil && s.core.Left() {
		s.left()
		s.left = nil
	}
}

func (s *running) abandon() {
	s.core.Abandon()
	s.node.queue.release(s.core.Ready().answered)
}
