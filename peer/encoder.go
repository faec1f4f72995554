package peer

import (
	"fmt"
	"slices"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/internal/wire"
)

// An Encoder makes the frames that go over one link. It keeps its working
// memory, so that a frame without votes and logs costs no allocation, and is for
// one goroutine.
type Encoder struct {
	link  Link
	frame wire.PeerFrame
	used  cost // of the frame's messages

	numbers  slab[uint64]
	messages slab[wire.PeerMessage]
	batches  slab[wire.PeerBatch]
	votes    slab[wire.PeerVote]
}

// NewEncoder returns the encoder of a link. The error is that of Link.Validate.
func NewEncoder(link Link) (*Encoder, error) {
	if err := link.Validate(); err != nil {
		return nil, err
	}
	e := &Encoder{link: link}
	e.frame.Cluster, e.frame.From, e.frame.To = &e.link.Cluster, &e.link.From, &e.link.To
	return e, nil
}

// Append appends the body of a frame to dst: as many of messages, from the first
// on, as fit. It returns the extended slice and how many of messages it took.
//
// An error concerns the first message alone, which can never be sent; it counts
// as taken, and dst is returned as it was. It wraps wire.ErrLimit,
// ErrImpossible, ErrAddressee or ErrSender.
func (e *Encoder) Append(dst []byte, messages []consensus.Message) (body []byte, taken int, err error) {
	defer e.forget()
	for taken < len(messages) {
		if err = e.add(&messages[taken]); err != nil {
			break
		}
		taken++
	}
	switch {
	case len(messages) == 0:
		return dst, 0, nil
	case taken == 0:
		return dst, 1, err
	}
	body, err = wire.AppendPeerFrame(dst, &e.frame)
	return body, taken, err
}

// add makes m part of the frame, or returns why it cannot be.
func (e *Encoder) add(m *consensus.Message) error {
	if err := e.link.carries(m.From, m.To); err != nil {
		return fmt.Errorf("%v message %w", m.Kind, err)
	}
	if err := check(m); err != nil {
		return err
	}
	used := e.used.plus(costOf(m))
	if !used.fits() {
		return fmt.Errorf("%w: %v message of %d bytes", wire.ErrLimit, m.Kind, costOf(m).bytes)
	}
	others := len(e.frame.Others)
	w := e.message(m)
	if len(e.frame.Others) > wire.MaxPeerOthers {
		e.frame.Others = e.frame.Others[:others]
		return fmt.Errorf("%w: more than %d ids", wire.ErrLimit, wire.MaxPeerOthers)
	}
	e.used, e.frame.Messages = used, append(e.frame.Messages, w)
	return nil
}

// forget empties the frame and lets go of what the messages shared with it.
func (e *Encoder) forget() {
	clear(e.frame.Others)
	clear(e.frame.Messages)
	e.frame.Others, e.frame.Messages = e.frame.Others[:0], e.frame.Messages[:0]
	e.used = cost{}
	e.numbers.reset()
	e.messages.reset()
	e.batches.reset()
	e.votes.reset()
}

// The places of ids in a frame.
const (
	noPlace = iota
	fromPlace
	toPlace
	firstPlace // of those that are neither
)

// place returns the place of id, giving it one if it has none.
func (e *Encoder) place(id string) uint64 {
	switch id {
	case "":
		return noPlace
	case e.link.From:
		return fromPlace
	case e.link.To:
		return toPlace
	}
	if k := slices.Index(e.frame.Others, id); k >= 0 {
		return firstPlace + uint64(k)
	}
	e.frame.Others = append(e.frame.Others, id)
	return firstPlace + uint64(len(e.frame.Others)-1)
}

func (e *Encoder) message(m *consensus.Message) *wire.PeerMessage {
	w := e.messages.next()
	w.Kind = &wireKinds[m.Kind]
	w.Owner = e.number(e.place(m.Owner))
	w.Lo, w.Span = e.span(m.Range)
	w.Ballot = e.number(m.Ballot)
	w.SkipLo, w.SkipSpan = e.span(m.Skip)
	if !m.Batch.Noop() {
		w.Batch = e.batch(&m.Batch)
	}
	w.Votes = make([]*wire.PeerVote, 0, len(m.Votes))
	for k := range m.Votes {
		w.Votes = append(w.Votes, e.vote(&m.Votes[k]))
	}
	w.Batches = make([]*wire.PeerBatch, 0, len(m.Batches))
	for k := range m.Batches {
		w.Batches = append(w.Batches, e.batch(&m.Batches[k]))
	}
	w.Applied = e.number(m.Applied)
	w.Sent = e.number(uint64(m.Sent))
	w.Echo = e.number(uint64(m.Echo))
	w.Held = e.number(uint64(m.Held))
	w.RoundTrip = e.number(uint64(m.RoundTrip))
	if m.Answer {
		w.Answer = &m.Answer
	}
	return w
}

func (e *Encoder) batch(b *consensus.Batch) *wire.PeerBatch {
	w := e.batches.next()
	w.Proposer = e.number(e.place(b.Proposer))
	w.Seq = e.number(b.Seq)
	w.Mutations = b.Mutations
	return w
}

func (e *Encoder) vote(v *consensus.Vote) *wire.PeerVote {
	w := e.votes.next()
	w.Instance = e.number(v.Instance)
	w.Ballot = e.number(v.Ballot)
	if !v.Batch.Noop() {
		w.Batch = e.batch(&v.Batch)
	}
	return w
}

// number returns where v is kept, or nil for 0, which is left out.
func (e *Encoder) number(v uint64) *uint64 {
	if v == 0 {
		return nil
	}
	p := e.numbers.next()
	*p = v
	return p
}

// span returns a range as it travels: its first instance and, unless it is the
// only one, how many there are.
func (e *Encoder) span(r consensus.Range) (lo, n *uint64) {
	if r.Hi-r.Lo > 1 {
		n = e.number(r.Hi - r.Lo)
	}
	return e.number(r.Lo), n
}

// cost is what messages take of the limits of a frame.
type cost struct {
	messages, parts, bytes int
	beyond                 bool // one of them is beyond a limit by itself
}

// What a frame, a message and a batch, with a vote around it, take at most in bytes
// besides mutations. Their ids are reckoned as if they were named only there.
const (
	frameBytes    = wire.PeerOverhead + 3*idBytesMax
	messageBytes  = 16*fieldBytes + idBytesMax
	batchBytes    = 6*fieldBytes + idBytesMax
	mutationBytes = 6
	fieldBytes    = 12 // the tag and a number of 64 bits
	idBytesMax    = wire.MaxPeerID + 3
)

func (c cost) plus(d cost) cost {
	return cost{c.messages + d.messages, c.parts + d.parts, c.bytes + d.bytes, c.beyond || d.beyond}
}

// fits reports whether a frame can hold it.
func (c cost) fits() bool {
	const ids = 3 + wire.MaxPeerOthers
	return !c.beyond && c.messages <= wire.MaxPeerMessages && c.parts <= wire.MaxPeerParts-ids &&
		c.bytes <= wire.MaxPeerFrame-frameBytes
}

func costOf(m *consensus.Message) cost {
	c := cost{messages: 1, parts: 1, bytes: messageBytes}
	c.beyond = len(m.Owner) > wire.MaxPeerID ||
		len(m.Votes) > wire.MaxPeerVotes || len(m.Batches) > wire.MaxPeerBatches
	c.addBatch(&m.Batch)
	for k := range m.Votes {
		c.parts++
		c.addBatch(&m.Votes[k].Batch)
	}
	for k := range m.Batches {
		c.addBatch(&m.Batches[k])
	}
	return c
}

func (c *cost) addBatch(b *consensus.Batch) {
	c.beyond = c.beyond || len(b.Proposer) > wire.MaxPeerID || len(b.Mutations) > wire.MaxPeerMutations
	c.parts += 1 + len(b.Mutations)
	c.bytes += batchBytes
	for _, m := range b.Mutations {
		c.bytes += len(m) + mutationBytes
	}
}

// A slab hands out zero values one after the other, from memory that it keeps.
type slab[T any] struct {
	items []T
	used  int
}

// The first and the largest number of items that a slab keeps.
const minSlab, maxSlab = 64, 1024

// next returns a zero value, valid until the next reset.
func (s *slab[T]) next() *T {
	if s.used == len(s.items) {
		s.items, s.used = make([]T, max(minSlab, 2*len(s.items))), 0 // the old ones are still pointed to
	}
	s.used++
	return &s.items[s.used-1]
}

// reset takes back all that was handed out.
func (s *slab[T]) reset() {
	if len(s.items) > maxSlab {
		s.items = nil
	}
	clear(s.items[:min(s.used, len(s.items))])
	s.used = 0
}
