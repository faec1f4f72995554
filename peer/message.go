package peer

import (
	"errors"
	"fmt"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/internal/wire"
)

// Errors of a frame that is sound but not of its link. It is dropped, as is a
// frame that wire.DecodePeerFrame refuses.
var (
	// ErrCluster reports a frame of another cluster.
	ErrCluster = errors.New("frame of another cluster")
	// ErrAddressee reports a frame or message for another member: for one that
	// was here before, or that we take this one for.
	ErrAddressee = errors.New("meant for another member")
	// ErrSender reports a frame or message from another member than the one that
	// proved itself.
	ErrSender = errors.New("from another member")
)

// ErrImpossible reports a message that no engine can mean, whatever its state.
var ErrImpossible = errors.New("impossible message")

// Link is one direction between two members, as they proved it to each other.
type Link struct {
	Cluster  string // the id that the cluster drew when it was founded, not its name
	From, To string // ids of members
}

// Validate returns an error that names the first id that is empty, or that wraps
// wire.ErrLimit, if one is too long.
func (l Link) Validate() error {
	for _, id := range []struct{ of, value string }{
		{"cluster", l.Cluster}, {"sender", l.From}, {"addressee", l.To},
	} {
		switch n := len(id.value); {
		case n == 0:
			return fmt.Errorf("link: no id of the %s", id.of)
		case n > wire.MaxPeerID:
			return fmt.Errorf("link: %w: %d bytes of id of the %s, more than %d", wire.ErrLimit, n, id.of, wire.MaxPeerID)
		}
	}
	return nil
}

// carries returns an error unless a frame or message with these ids belongs to l.
func (l Link) carries(from, to string) error {
	if to != l.To {
		return fmt.Errorf("%w: %q, not %q", ErrAddressee, to, l.To)
	}
	if from != l.From {
		return fmt.Errorf("%w: %q, not %q", ErrSender, from, l.From)
	}
	return nil
}

// wireKinds are the numbers by which kinds travel.
var wireKinds = [...]wire.PeerMessage_Kind{
	consensus.Suggest:      wire.PeerMessage_SUGGEST,
	consensus.Skip:         wire.PeerMessage_SKIP,
	consensus.Prepare:      wire.PeerMessage_PREPARE,
	consensus.Promise:      wire.PeerMessage_PROMISE,
	consensus.Accept:       wire.PeerMessage_ACCEPT,
	consensus.Accepted:     wire.PeerMessage_ACCEPTED,
	consensus.Reject:       wire.PeerMessage_REJECT,
	consensus.Decided:      wire.PeerMessage_DECIDED,
	consensus.Pull:         wire.PeerMessage_PULL,
	consensus.Log:          wire.PeerMessage_LOG,
	consensus.TakeSnapshot: wire.PeerMessage_TAKE_SNAPSHOT,
	consensus.Status:       wire.PeerMessage_STATUS,
}

// kindOf returns the kind that travels as w, or 0.
func kindOf(w wire.PeerMessage_Kind) consensus.Kind {
	return consensus.Kind(placeOf(wireKinds[:], w))
}

// check returns an error that wraps ErrImpossible if m is not even well formed.
// Whether it keeps the protocol's rules is for the engine to say.
func check(m *consensus.Message) error {
	for _, rule := range []struct {
		ok   bool
		name string
	}{
		{m.Kind > 0 && int(m.Kind) < len(wireKinds), "kind"},
		{rangeOK(m.Range), "range"},
		{rangeOK(m.Skip), "skip"},
		{m.Applied <= consensus.MaxInstance, "applied"},
		{min(m.Sent, m.Echo, m.Held, m.RoundTrip) >= 0, "time"},
		{m.Batch.WellFormed(), "batch"},
		{votesOK(m.Votes), "votes"},
		{batchesOK(m.Batches), "batches"},
	} {
		if !rule.ok {
			return fmt.Errorf("%w: its %s", ErrImpossible, rule.name)
		}
	}
	return nil
}

func rangeOK(r consensus.Range) bool {
	return r == consensus.Range{} || 0 < r.Lo && r.Lo < r.Hi && r.Hi <= consensus.MaxInstance
}

func batchesOK(batches []consensus.Batch) bool {
	for k := range batches {
		if !batches[k].WellFormed() {
			return false
		}
	}
	return true
}

func votesOK(votes []consensus.Vote) bool {
	for k := range votes {
		v := &votes[k]
		if v.Instance == 0 || v.Instance >= consensus.MaxInstance || !v.Batch.WellFormed() {
			return false
		}
	}
	return true
}

// Received is what a frame brought.
type Received struct {
	Messages   []consensus.Message
	Notes      []Note
	Unknown    int // dropped: of kinds that only a later release knows
	Impossible int // dropped: not well formed
}

// Decode returns what the body of a frame that came over link holds. It shares no
// memory with body. The error, which means that the frame is dropped, wraps one
// of this package's or one of wire.DecodePeerFrame's.
func Decode(body []byte, link Link) (Received, error) {
	f, err := wire.DecodePeerFrame(body)
	if err != nil {
		return Received{}, err
	}
	if c := f.GetCluster(); c != link.Cluster {
		return Received{}, fmt.Errorf("%w: %q, not %q", ErrCluster, c, link.Cluster)
	}
	if err := link.carries(f.GetFrom(), f.GetTo()); err != nil {
		return Received{}, err
	}
	r := Received{Messages: make([]consensus.Message, 0, len(f.Messages))}
	ids := append([]string{"", link.From, link.To}, f.Others...)
	for _, m := range f.Messages {
		r.take(m, ids)
	}
	for _, n := range f.Notes {
		r.takeNote(n, link)
	}
	return r, nil
}

// take decodes one message of a frame with these ids.
func (r *Received) take(w *wire.PeerMessage, ids []string) {
	if w.Kind == nil || kindOf(*w.Kind) == 0 {
		r.Unknown++
		return
	}
	d := decoder{ids: ids}
	m := d.message(w)
	if d.misplaced || check(&m) != nil {
		r.Impossible++
		return
	}
	r.Messages = append(r.Messages, m)
}

// A decoder turns a message into what the engine knows.
type decoder struct {
	ids       []string
	misplaced bool // an id's place was none
}

func (d *decoder) id(place uint64) string {
	if place >= uint64(len(d.ids)) {
		d.misplaced = true
		return ""
	}
	return d.ids[place]
}

func (d *decoder) message(w *wire.PeerMessage) consensus.Message {
	return consensus.Message{
		Kind:    kindOf(w.GetKind()),
		From:    d.ids[fromPlace],
		To:      d.ids[toPlace],
		Owner:   d.id(w.GetOwner()),
		Range:   spanned(w.GetLo(), w.GetSpan()),
		Ballot:  w.GetBallot(),
		Batch:   d.batch(w.Batch),
		Skip:    spanned(w.GetSkipLo(), w.GetSkipSpan()),
		Votes:   d.votes(w.Votes),
		Batches: d.batches(w.Batches),
		Applied: w.GetApplied(),
		Sent:    time.Duration(w.GetSent()),
		Echo:    time.Duration(w.GetEcho()),
		Held:    time.Duration(w.GetHeld()),
		Answer:  w.GetAnswer(),

		RoundTrip: time.Duration(w.GetRoundTrip()),
	}
}

// spanned returns the range of n instances from lo on; from 0 on there is none.
func spanned(lo, n uint64) consensus.Range {
	if lo == 0 {
		return consensus.Range{}
	}
	return consensus.Range{Lo: lo, Hi: lo + n} // backwards if that is too much
}

func (d *decoder) batch(w *wire.PeerBatch) consensus.Batch {
	if w == nil {
		return consensus.Batch{}
	}
	return consensus.Batch{Proposer: d.id(w.GetProposer()), Seq: w.GetSeq(), Mutations: w.Mutations}
}

func (d *decoder) batches(ws []*wire.PeerBatch) []consensus.Batch {
	if len(ws) == 0 {
		return nil
	}
	batches := make([]consensus.Batch, len(ws))
	for k, w := range ws {
		batches[k] = d.batch(w)
	}
	return batches
}

func (d *decoder) votes(ws []*wire.PeerVote) []consensus.Vote {
	if len(ws) == 0 {
		return nil
	}
	votes := make([]consensus.Vote, len(ws))
	for k, w := range ws {
		votes[k] = consensus.Vote{Instance: w.GetInstance(), Ballot: w.GetBallot(), Batch: d.batch(w.Batch)}
	}
	return votes
}
