package sim

import (
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
	sent   consensus.Message // what the frame holds
	body   []byte            // nobody else's
	spoilt string            // how, or "" if it is as it was sent
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
func (n *node) sendFrame(m consensus.Message, to *node) {
	if err := n.encode(m); err != nil {
		n.w.fail("%v cannot be sent: %v", m, err)
		return
	}
	for d := range n.w.network.arrivals(m.From, m.To, n.slow+to.slow) {
		c := copied{sent: m, body: n.w.frames.clone(n.body)}
		n.w.after(d, func() { to.arrive(c) })
		if !n.w.network.clean && chance(n.w.frames.rand, n.w.plan.spoiling) {
			n.w.spoil(m, n.body, to, d)
		}
	}
}

// encode makes n.body the frame of m.
func (n *node) encode(m consensus.Message) (err error) {
	encoder := n.encoders[m.To]
	if encoder == nil {
		if encoder, err = peer.NewEncoder(peer.Link{Cluster: clusterID, From: n.id, To: m.To}); err != nil {
			return err
		}
		n.encoders[m.To] = encoder
	}
	n.one[0] = m
	n.body, _, err = encoder.Append(n.body[:0], n.one[:])
	return err
}

// spoil lets a copy of a frame arrive damaged, or at the wrong node.
func (w *world) spoil(m consensus.Message, body []byte, to *node, d time.Duration) {
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
		to = pick(r, slices.DeleteFunc(w.alive(), func(n *node) bool { return n == to })...)
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
// what was sent, and to n; what nobody touched must be taken in.
func (n *node) arrive(c copied) {
	defer n.w.frames.release(c.body)
	if n.dead {
		return
	}
	received, err := peer.Decode(c.body, peer.Link{Cluster: clusterID, From: c.sent.From, To: n.id})
	switch {
	case err != nil && c.spoilt != "":
		n.w.frames.refused++
	case err != nil:
		n.w.fail("%s refused %v: %v", n.id, c.sent, err)
	case received.Unknown > 0 || received.Impossible > 0 || !slices.EqualFunc(received.Messages, []consensus.Message{c.sent}, same):
		n.w.fail("%s took %v for %+v (%s)", n.id, c.sent, received, c.spoilt)
	default:
		n.turn(func() {
			for _, m := range received.Messages {
				n.engine.Step(m)
			}
		})
	}
}

// same reports whether a and b say the same. A slice may be nil in one and empty in the other.
func same(a, b consensus.Message) bool {
	return a.Kind == b.Kind && a.From == b.From && a.To == b.To &&
		a.Owner == b.Owner && a.Range == b.Range && a.Ballot == b.Ballot && a.Skip == b.Skip &&
		a.Applied == b.Applied && a.Sent == b.Sent && a.Echo == b.Echo && a.Held == b.Held && a.Answer == b.Answer &&
		sameBatch(a.Batch, b.Batch) && slices.EqualFunc(a.Batches, b.Batches, sameBatch) &&
		slices.EqualFunc(a.Votes, b.Votes, sameVote)
}

func sameVote(a, b consensus.Vote) bool {
	return a.Instance == b.Instance && a.Ballot == b.Ballot && sameBatch(a.Batch, b.Batch)
}

func sameBatch(a, b consensus.Batch) bool {
	return a.Same(&b) && slices.EqualFunc(a.Mutations, b.Mutations, slices.Equal)
}
