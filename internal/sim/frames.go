package sim

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/peer"
)

// clusterID is the id of every simulated cluster.
const clusterID = "simulated"

// frames are the messages of a run as bytes. Its randomness is its own, and what it spoils comes besides what the
// network carries, so that a run is the same, event for event, as if messages traveled as they are: to lose
// them is the network's part.
type frames struct {
	rand    *rand.Rand
	spare   [][]byte // memory of bodies that arrived
	refused int      // copies that were spoiled
}

// copied is one copy of a frame under way.
type copied struct {
	sent   *mail  // what the frame holds
	body   []byte // nobody else's
	spoilt string // how, or "" if it is as it was sent
}

func (f *frames) clone(body []byte) []byte {
	var memory []byte
	if last := len(f.spare) - 1; last >= 0 {
		memory, f.spare = f.spare[last], f.spare[:last]
	}
	return append(memory, body...)
}

func (f *frames) release(body []byte) { f.spare = append(f.spare, body[:0]) }

// sendFrame sends m as the body of a frame.
func (n *node) sendFrame(m *mail, to *node) {
	if err := n.encode(m); err != nil {
		n.w.fail("%v cannot be sent: %v", m, err)
		return
	}
	for d := range n.w.network.arrivals(m.from, m.to, n.slow+to.slow) {
		c := copied{sent: m, body: n.w.frames.clone(n.body)}
		n.w.after(d, func() { to.arrive(c) })
		if !n.w.network.clean && chance(n.w.frames.rand, n.w.plan.spoiling) {
			n.w.spoil(m, n.body, to, d)
		}
	}
}

// encode makes n.body the frame of m.
func (n *node) encode(m *mail) (err error) {
	if m.note != nil {
		n.body, err = appendNote(n.body[:0], m.cluster, m.note)
		return err
	}
	encoder := n.encoders[m.to]
	if encoder == nil {
		if encoder, err = peer.NewEncoder(peer.Link{Cluster: m.cluster, From: n.id, To: m.to}); err != nil {
			return err
		}
		n.encoders[m.to] = encoder
	}
	n.one[0] = m.message
	n.body, _, err = encoder.Append(n.body[:0], n.one[:])
	return err
}

func appendNote(dst []byte, cluster string, note *peer.Note) ([]byte, error) {
	encoder, err := peer.NewEncoder(peer.Link{Cluster: cluster, From: note.From, To: note.To})
	if err != nil {
		return dst, err
	}
	return encoder.AppendNote(dst, note)
}

// spoil lets a copy of a frame arrive damaged, or at the wrong node.
func (w *world) spoil(m *mail, body []byte, to *node, d time.Duration) {
	r := w.frames.rand
	c := copied{sent: m, body: w.frames.clone(body)}
	switch c.spoilt = pick(r, "flipped", "truncated", "extended", "misdelivered"); c.spoilt {
	case "flipped":
		flip(r, c.body)
	case "truncated":
		c.body = c.body[:r.IntN(len(c.body))]
	case "extended":
		c.body = extend(r, c.body)
	case "misdelivered":
		others := slices.DeleteFunc(w.alive(), func(n *node) bool { return n == to })
		if len(others) == 0 {
			return
		}
		to = pick(r, others...)
	}
	w.after(d, func() { to.arrive(c) })
}

// mostSpoilt is how many bytes are flipped or added at most.
const mostSpoilt = 8

// flip flips bits in a few bytes on end.
func flip(r *rand.Rand, body []byte) {
	at := r.IntN(len(body))
	for k := at; k < min(len(body), at+1+r.IntN(mostSpoilt)); k++ {
		body[k] ^= byte(1 + r.IntN(255))
	}
}

// extend appends a few bytes.
func extend(r *rand.Rand, body []byte) []byte {
	for range 1 + r.IntN(mostSpoilt) {
		body = append(body, byte(r.IntN(256)))
	}
	return body
}

// arrive is what n's end of a connection does with a frame, even while the loop stands. What is taken in must be
// what was sent, and to n, in its cluster; what nobody touched must be taken in.
func (n *node) arrive(c copied) {
	defer n.w.frames.release(c.body)
	if n.dead {
		return
	}
	received, err := n.decode(c)
	switch {
	case err != nil && c.spoilt != "":
		n.w.frames.refused++
	case errors.Is(err, peer.ErrCluster) && !n.accepts(c.sent.cluster):
	case err != nil:
		n.w.fail("%s refused %v: %v", n.id, c.sent, err)
	case !c.holds(received) || c.sent.to != n.id || !n.accepts(c.sent.cluster):
		n.w.fail("%s took %v for %+v (%s)", n.id, c.sent, received, c.spoilt)
	default:
		n.receive(c.decoded(received))
	}
}

// decode is what the node's end of a link does.
func (n *node) decode(c copied) (peer.Received, error) {
	l := peer.Link{Cluster: peer.Unfounded, From: c.sent.from, To: n.id}
	if n.core == nil {
		return peer.Decode(c.body, l)
	}
	l.Cluster = n.core.Cluster()
	r, err := peer.Decode(c.body, l)
	if errors.Is(err, peer.ErrCluster) { // from one who still looks for a cluster
		l.Cluster = peer.Unfounded
		r, err = peer.Decode(c.body, l)
	}
	return r, err
}

// holds reports whether r is just what was sent.
func (c *copied) holds(r peer.Received) bool {
	if r.Unknown > 0 || r.Impossible > 0 {
		return false
	}
	if c.sent.note == nil {
		return len(r.Notes) == 0 && slices.EqualFunc(r.Messages, []consensus.Message{c.sent.message}, same)
	}
	return len(r.Notes) == 1 && len(r.Messages) == 0 && sameNote(r.Notes[0], *c.sent.note)
}

func (c *copied) decoded(r peer.Received) *mail {
	m := &mail{cluster: c.sent.cluster, from: c.sent.from, to: c.sent.to}
	if len(r.Notes) == 1 {
		m.note = &r.Notes[0]
	} else {
		m.message = r.Messages[0]
	}
	return m
}

// sameNote reports whether a and b say the same: they have one encoding.
func sameNote(a, b peer.Note) bool {
	x, errA := appendNote(nil, peer.Unfounded, &a)
	y, errB := appendNote(nil, peer.Unfounded, &b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}

// same reports whether a and b say the same. A slice may be nil in one and empty in the other.
func same(a, b consensus.Message) bool {
	return a.Kind == b.Kind && a.From == b.From && a.To == b.To &&
		a.Owner == b.Owner && a.Range == b.Range && a.Ballot == b.Ballot && a.Skip == b.Skip &&
		a.Applied == b.Applied && a.Sent == b.Sent && a.Echo == b.Echo && a.Held == b.Held && a.Answer == b.Answer && a.RoundTrip == b.RoundTrip &&
		sameBatch(a.Batch, b.Batch) && slices.EqualFunc(a.Batches, b.Batches, sameBatch) &&
		slices.EqualFunc(a.Votes, b.Votes, sameVote)
}

func sameVote(a, b consensus.Vote) bool {
	return a.Instance == b.Instance && a.Ballot == b.Ballot && sameBatch(a.Batch, b.Batch)
}

func sameBatch(a, b consensus.Batch) bool {
	return a.Same(&b) && slices.EqualFunc(a.Mutations, b.Mutations, slices.Equal)
}
