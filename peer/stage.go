package peer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ha/doozerd/peer/link"
	"github.com/ha/doozerd/store"
)

// A stage is what a node is about: it looks for a member of its cluster, or founds one together with others, or
// is a member.
type stage interface {
	tick(now time.Duration)
	nextTick() time.Duration // how long the next tick may be put off
	propose(p proposal)
	receive(from link.Remote, r Received)
	met(addr string, other link.Remote)
	hailed(from link.Remote)
	unreachable(addr string, err error)
	lost(id string)
	leave(done func())
	escape() error
	status() *Status
	flush()
	abandon()
}

// idle is a stage's answers before there is a cluster.
type idle struct{ node *Node }

func (i idle) propose(p proposal)      { i.node.queue.release(p.answer(store.Event{}, ErrReadOnly)) }
func (i idle) nextTick() time.Duration { return min(i.node.config.FillDelay/4, assembleAgain/2) }
func (idle) hailed(link.Remote)        {}
func (idle) lost(string)               {}
func (idle) leave(done func())         { done() }
func (idle) escape() error             { return ErrReadOnly }
func (i idle) status() *Status         { return i.node.Status() }
func (idle) abandon()                  {}

// Errors of a node that finds no cluster.
var (
	// ErrNoMember: no member answers at the addresses to attach to.
	ErrNoMember = errors.New("no member answers")
	// ErrStranger: whoever answers there is of a cluster of another name.
	ErrStranger = errors.New("a node of another cluster")
)

// seekPatience is how long a node that is itself only starting may take until it can be attached to.
const seekPatience = 30 * time.Second

// seekAgain is how often a node asks anew those that have no cluster yet. They tell when a link is opened, and
// not later.
const seekAgain = 500 * time.Millisecond

// seeking is the stage of a node that attaches to any of some addresses.
type seeking struct {
	idle
	failed  map[string]error // by address
	since   time.Duration
	begun   bool
	again   bool // a member was found before, and ended
	early   bool // somebody answers who has no cluster yet
	againAt time.Duration
}

func (n *Node) seek() error {
	n.stage = &seeking{idle: idle{n}, failed: map[string]error{}, again: n.again != nil}
	n.again = n.seek
	n.wantAnew()
	return nil
}

// wantAnew dials all addresses to attach to, those that are connected too: each will tell who is there.
func (n *Node) wantAnew() {
	n.links.Want(nil)
	n.want(n.config.Attach)
}

// want dials addresses, whoever is there, and these peers.
func (n *Node) want(addrs []string, peers ...link.Peer) {
	for _, addr := range addrs {
		peers = append(peers, link.Peer{Addr: addr})
	}
	n.links.Want(peers)
}

func (s *seeking) tick(now time.Duration) {
	if !s.begun {
		s.begun, s.since = true, now
	}
	if s.early && now >= s.againAt {
		s.early, s.againAt = false, now+seekAgain
		s.node.wantAnew()
	}
	switch {
	case now-s.since <= seekPatience:
	case s.allFailed():
		s.node.err = s.failure()
	default:
		s.node.err = fmt.Errorf("%w at %s: the nodes there have not joined a cluster themselves", ErrNoMember, strings.Join(s.node.config.Attach, ", "))
	}
}

func (s *seeking) met(addr string, other link.Remote) {
	if other.Cluster != "" {
		other.Addr = addr
		s.node.enter(s.node.joinCluster(other.Cluster, other))
		return
	}
	delete(s.failed, addr)
	s.early = true
}

// receive tells those who greet us, since we are at an address of their list, that we have none: we found nothing.
func (s *seeking) receive(from link.Remote, r Received) {
	s.node.mail.hear(from)
	for _, note := range r.Notes {
		if note.Kind == Assembling && note.Assemble.Kind == AssembleGreet {
			answer := Assemble{Kind: AssembleGreeted, Addr: s.node.config.Addr}
			s.node.mail.note(Note{Kind: Assembling, From: s.node.config.ID, To: note.From, Assemble: &answer})
		}
	}
}

// unreachable gives up when every address has failed. Where a member was found before, it takes longer.
func (s *seeking) unreachable(addr string, err error) {
	s.failed[addr] = err
	if !s.again && s.allFailed() {
		s.node.err = s.failure()
	}
}

func (s *seeking) allFailed() bool {
	return !slices.ContainsFunc(s.node.config.Attach, func(addr string) bool { return s.failed[addr] == nil })
}

// failure says why no address leads to a member.
func (s *seeking) failure() (err error) {
	for _, addr := range s.node.config.Attach {
		if err = s.failed[addr]; errors.Is(err, link.ErrName) {
			return fmt.Errorf("%w answers at %s: %w", ErrStranger, addr, err)
		}
	}
	return fmt.Errorf("%w at %s: %w", ErrNoMember, strings.Join(s.node.config.Attach, ", "), err)
}

func (s *seeking) flush() {}

// assembling is the stage of a node that was started with a list of addresses, its own among them.
type assembling struct {
	idle
	assembly *Assembly
}

func (n *Node) assemble() error {
	a, err := NewAssembly(AssemblyConfig{ID: n.config.ID, Addr: n.config.Addr, Addrs: n.config.Attach, Patience: n.config.Patience, Logger: n.log})
	if err != nil {
		return err
	}
	n.again = func() error {
		a.Resume()
		n.stage = &assembling{idle{n}, a}
		n.wantAnew()
		return nil
	}
	return n.again()
}

// tick also dials whoever speaks to us and is not listed: it may have to be told that its list is another one.
func (s *assembling) tick(now time.Duration) {
	if s.node.mail.changed {
		with := s.node.mail.strangers()
		s.node.want(s.node.config.Attach, with...)
		for _, v := range s.assembly.met() {
			with = append(with, link.Peer{ID: v.ID, Addr: v.Addr})
		}
		s.node.mail.knowOnly(with)
	}
	s.assembly.Tick(now)
}

func (s *assembling) met(addr string, other link.Remote) {
	other.Addr = addr
	s.node.mail.know(other)
	s.assembly.Met(addr, other.ID, other.Cluster)
}

func (s *assembling) hailed(from link.Remote) {
	if from.Cluster != "" {
		s.node.mail.know(from)
		s.assembly.Hailed(from.Addr, from.ID, from.Cluster)
	}
}

func (s *assembling) unreachable(addr string, err error) {
	if errors.Is(err, link.ErrNobody) {
		s.assembly.Refused(addr)
	} else {
		s.assembly.Failed(addr, err)
	}
}

func (s *assembling) receive(from link.Remote, r Received) {
	s.node.mail.hear(from)
	for _, note := range r.Notes {
		s.assembly.Take(note)
	}
}

// flush sends what is to be sent, and goes on when it is known how.
func (s *assembling) flush() {
	for _, note := range s.assembly.Ready() {
		s.node.mail.note(note)
	}
	switch o := s.assembly.Result(); {
	case o == nil:
	case o.Found != nil:
		for _, v := range o.Found.Voters {
			s.node.mail.know(link.Remote{ID: v.ID, Addr: v.Addr})
		}
		s.node.enter(s.node.foundCluster(*o.Found))
	default:
		s.node.enter(s.node.joinCluster(o.Cluster, link.Remote{ID: o.Via, Addr: s.node.mail.addrs[o.Via]}))
	}
}
