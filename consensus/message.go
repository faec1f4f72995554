package consensus

import (
	"fmt"
	"time"
)

// Kind says what a message is. The comments give its name in "Paxos Made Simple".
type Kind uint8

// The kinds of messages. In each, From speaks for itself only, and Range together with Owner names
// exactly the instances meant: those of Owner in [Lo, Hi), no others.
const (
	// Suggest (2a at ballot 0): the owner puts Batch to its instance Range.Lo. It is the owner's own Accepted too.
	Suggest Kind = iota + 1
	// Skip: the sender's own instances in Skip are no-ops. Final when heard.
	Skip
	// Prepare (1a): promise me Ballot for Owner's instances in Range.
	Prepare
	// Promise (1b): I shall accept nothing below Ballot in Owner's instances in Range; Votes is what I had
	// accepted there.
	Promise
	// Accept (2a above ballot 0): Batch for each of Owner's instances in Range. It is the sender's own Accepted too.
	Accept
	// Accepted (2b): I accepted what was put at Ballot to Owner's instances in Range.
	Accepted
	// Reject: I promised Ballot there, which is more than you used.
	Reject
	// Decided: Batch is decided in each of Owner's instances in Range.
	Decided
	// Pull: what of the instances in Range?
	Pull
	// Log: Batches are decided in the instances from Range.Lo on, whoever owns them.
	Log
	// TakeSnapshot: what you ask about is no longer in my log; I have applied up to Applied.
	TakeSnapshot
	// Status: I am here, and have applied up to Applied. Sent, Echo and Held show that both directions work.
	Status

	kinds
)

var kindNames = [kinds]string{
	"?", "Suggest", "Skip", "Prepare", "Promise", "Accept", "Accepted",
	"Reject", "Decided", "Pull", "Log", "TakeSnapshot", "Status",
}

// String returns the kind's name, or "?" for a number that is none.
func (k Kind) String() string {
	if k >= kinds {
		k = 0
	}
	return kindNames[k]
}

// Range is the instances Lo ≤ i < Hi. The zero Range is empty.
type Range struct{ Lo, Hi uint64 }

func one(i uint64) Range { return Range{i, i + 1} }

func (r Range) empty() bool            { return r.Lo >= r.Hi }
func (r Range) single() bool           { return r.Lo < r.Hi && r.Hi-r.Lo == 1 }
func (r Range) contains(i uint64) bool { return r.Lo <= i && i < r.Hi }

func (r Range) String() string {
	if r.single() {
		return fmt.Sprint(r.Lo)
	}
	return fmt.Sprintf("[%d,%d)", r.Lo, r.Hi)
}

// Batch is what one instance decides. The zero Batch is the no-op; a batch with a proposer but without
// mutations is a barrier. Proposer and Seq are its identity: two clients may well propose equal bytes, so
// content never tells whose a batch is.
type Batch struct {
	Proposer  string   // id of the voter that made it; "" in a no-op
	Seq       uint64   // from 1, counted by the proposer; 0 in a no-op
	Mutations [][]byte // in order; nobody may modify them once proposed
}

// Noop reports whether b is the no-op.
func (b *Batch) Noop() bool { return b.Proposer == "" }

// Same reports whether b and c are one proposal.
func (b *Batch) Same(c *Batch) bool { return b.Proposer == c.Proposer && b.Seq == c.Seq }

// WellFormed reports whether b names its proposer and a number, or is the no-op, which has neither and nothing in it.
func (b *Batch) WellFormed() bool {
	if b.Noop() {
		return b.Seq == 0 && len(b.Mutations) == 0
	}
	return b.Seq > 0
}

func (b Batch) String() string {
	switch {
	case b.Noop():
		return "no-op"
	case len(b.Mutations) == 0:
		return fmt.Sprintf("%s#%d barrier", b.Proposer, b.Seq)
	}
	return fmt.Sprintf("%s#%d×%d", b.Proposer, b.Seq, len(b.Mutations))
}

// Vote is what an acceptor last accepted in an instance.
type Vote struct {
	Instance uint64
	Ballot   uint64
	Batch    Batch
}

// Message is one engine's word to another. Which fields count depends on Kind. It must not be modified
// once it is out: several messages share what their slices point to. A message may be lost, repeated,
// delayed and overtaken without harm, but From must be proven by whoever carries it.
type Message struct {
	Kind     Kind
	From, To string

	Owner   string  // whose instances Range means
	Range   Range   // the instances spoken of
	Ballot  uint64  // 0 is the owner's
	Batch   Batch   // Suggest, Accept, Decided
	Skip    Range   // Skip, Suggest, Accepted: the sender's own instances in it are no-ops
	Votes   []Vote  // Promise
	Batches []Batch // Log

	Applied uint64        // Status, TakeSnapshot
	Sent    time.Duration // Status: the sender's clock
	Echo    time.Duration // Status: Sent of the newest Status the sender has of the receiver; 0 is none
	Held    time.Duration // Status: how long the sender has had that one
	Answer  bool          // Status: sent in answer to one, so not to be answered

	RoundTrip time.Duration // Status: how long the nearest majority usually takes to answer the sender; 0 is not known, or none is heard
}

// String is m on one line, for traces and scenarios.
func (m Message) String() string {
	s := fmt.Sprintf("%s→%s %v", m.From, m.To, m.Kind)
	switch m.Kind {
	case Suggest:
		s += fmt.Sprintf(" %v %v", m.Range, m.Batch)
	case Accept:
		s += fmt.Sprintf(" %s's %v ballot %d %v", m.Owner, m.Range, m.Ballot, m.Batch)
	case Prepare, Accepted, Reject:
		s += fmt.Sprintf(" %s's %v ballot %d", m.Owner, m.Range, m.Ballot)
	case Promise:
		s += fmt.Sprintf(" %s's %v ballot %d votes%v", m.Owner, m.Range, m.Ballot, m.Votes)
	case Decided:
		s += fmt.Sprintf(" %s's %v %v", m.Owner, m.Range, m.Batch)
	case Pull:
		s += fmt.Sprintf(" %v", m.Range)
	case Log:
		s += fmt.Sprintf(" from %d %v", m.Range.Lo, m.Batches)
	case TakeSnapshot, Status:
		s += fmt.Sprintf(" applied %d", m.Applied)
	}
	if !m.Skip.empty() {
		s += fmt.Sprintf(" skip %v", m.Skip)
	}
	return s
}
