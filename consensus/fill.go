package consensus

import (
	"cmp"
	"math/bits"
	"slices"
)

// fill is one attempt of ours to close instances of a silent owner: Paxos with both phases, at one ballot, for many
// instances at once; each of them gets on by itself.
type fill struct {
	era    *era
	ballot uint64
	rows   []row // by instance
	resend backoff
}

// row is one instance of a fill.
type row struct {
	slot     *slot
	instance uint64 // the slot may have been taken by a later one
	promised uint16 // bit k: voter k promised
	putting  bool   // the promises suffice: value is put to the voters
	votes    bool   // some promise came with a vote: the highest is (ballot, value)
	ballot   uint64
	value    Batch // the no-op unless votes
}

func (r *row) decided() bool {
	return r.slot.instance != r.instance || r.slot.learner.decided
}

// find returns the row of instance i, or nil.
func (f *fill) find(i uint64) *row {
	k, ok := slices.BinarySearchFunc(f.rows, i, func(r row, i uint64) int { return cmp.Compare(r.instance, i) })
	if !ok {
		return nil
	}
	return &f.rows[k]
}

// beginFill prepares the undecided instances of t's owner from s on.
func (e *Engine) beginFill(t *stall, s *slot) {
	r := Range{s.instance, e.fillEnd(t, s)}
	if t.owner == e.id {
		e.announce(e.skipTo(r.Hi))
	}
	f := e.newFill(t, r, s.era)
	if len(f.rows) == 0 || f.ballot > maxBallot {
		return
	}
	e.counters.Fills++
	t.fill, t.floor = f, f.ballot // so that a late answer to this fill is not taken for one to the next
	f.resend.start(e.now, e.patience())
	if t.peer != nil {
		t.peer.used = 0 // gone, unless it is heard of anew
	}
	for k := range f.rows {
		e.promiseOurselves(f, &f.rows[k])
	}
	e.broadcast(f.era, Message{Kind: Prepare, Owner: t.owner, Range: f.span(), Ballot: f.ballot})
	e.putValues(t)
}

// fillEnd is the instance before which a fill from s on ends. Unless the owner is at work that is far ahead of
// need, so that one stall pays for many.
func (e *Engine) fillEnd(t *stall, s *slot) uint64 {
	end := max(e.need, s.instance) + 1
	if t.peer == nil || !e.atWork(t.peer) {
		end = max(end, e.fillTo()+1)
	}
	return min(end, e.window.end())
}

// newFill returns a fill of the undecided instances of t's owner in r, at our lowest ballot above all that we
// know of. It stays within one era: the quorum of each instance is that of its own voters.
func (e *Engine) newFill(t *stall, r Range, within *era) *fill {
	f := &fill{era: within}
	floor := t.floor
	for s := range e.window.owned(r, t.owner) {
		if s.era != f.era {
			break
		}
		if !s.learner.decided {
			f.rows = append(f.rows, row{slot: s, instance: s.instance})
			floor = max(floor, s.acceptor.promised)
		}
	}
	f.ballot = f.era.ballotAbove(e.id, floor)
	return f
}

// span is from the first to the last instance.
func (f *fill) span() Range { return Range{f.rows[0].instance, f.rows[len(f.rows)-1].instance + 1} }

// Our own promise comes first: it makes the ballot ours for good, so that it is never used twice.
func (e *Engine) promiseOurselves(f *fill, r *row) {
	a := &r.slot.acceptor
	must(f.ballot > a.promised, "ballot used again")
	a.promise(f.ballot)
	if a.voted {
		r.hearVote(a.ballot, a.batch)
	}
	r.promised |= 1 << f.era.self
}

// hearVote keeps the vote of the highest ballot: the only value that may have been chosen below ours. Once a
// value was put at our ballot it stays: a ballot carries one value.
func (r *row) hearVote(ballot uint64, value Batch) {
	if !r.putting && (!r.votes || ballot > r.ballot) {
		r.votes, r.ballot, r.value = true, ballot, value
	}
}

// onPromise counts a promise for exactly the instances it names.
func (e *Engine) onPromise(m *Message) {
	t := e.stallOf(m.Owner)
	if t == nil || t.fill == nil || t.fill.ballot != m.Ballot || !t.fill.touches(m.Range) {
		return // of an earlier attempt; elsewhere its ballot may have been the same
	}
	f := t.fill
	voter := f.era.index(m.From)
	if voter < 0 {
		return // of instances applied meanwhile, whose voters we do not know any more
	}
	for _, v := range m.Votes {
		if r := f.find(v.Instance); r != nil {
			r.hearVote(v.Ballot, v.Batch)
		}
	}
	for k := range f.rows {
		if r := &f.rows[k]; m.Range.contains(r.instance) {
			r.promised |= 1 << voter
		}
	}
	e.putValues(t)
}

// putValues goes to the second phase in every instance that has a quorum of promises: with the value that
// may have been chosen, or else with the no-op. A filler never puts a value of its own.
func (e *Engine) putValues(t *stall) {
	f := t.fill
	puts := bundle{engine: e}
	for k := range f.rows {
		r := &f.rows[k]
		if r.putting || r.decided() || bits.OnesCount16(r.promised) < f.era.quorum() {
			continue
		}
		if !r.slot.acceptor.accept(f.ballot, r.value) {
			e.retreat(t, r.slot.acceptor.promised)
			break
		}
		r.putting = true
		e.learnVote(r.slot, e.id, f.ballot)
		puts.add(r.slot, Message{Kind: Accept, Ballot: f.ballot, Batch: r.value})
		e.checkQuorum(r.slot)
	}
	puts.flush()
}

// pursue ends a fill that is complete, and repeats what was not answered of one that is not.
func (e *Engine) pursue(t *stall) {
	f := t.fill
	if f.complete() {
		t.fill, t.pause = nil, 0
		return
	}
	if !f.resend.due(e.now) {
		return
	}
	e.counters.Resends++
	for k, v := range f.era.voters {
		if v != e.id {
			e.repeatFill(f, k)
		}
	}
}

func (f *fill) complete() bool {
	for k := range f.rows {
		if !f.rows[k].decided() {
			return false
		}
	}
	return true
}

func (e *Engine) repeatFill(f *fill, voter int) {
	again := bundle{engine: e, to: f.era.voters[voter]}
	for k := range f.rows {
		switch r := &f.rows[k]; {
		case r.decided():
		case r.putting && !r.slot.learner.heard(voter, f.ballot):
			again.add(r.slot, Message{Kind: Accept, Ballot: f.ballot, Batch: r.value})
		case !r.putting && r.promised&(1<<voter) == 0:
			again.add(r.slot, Message{Kind: Prepare, Ballot: f.ballot})
		}
	}
	again.flush()
}

// onReject: somebody promised a higher ballot. To an owner it says that its instances are prepared: it gives
// those it did not use away and goes on beyond them. To a filler it says that another is at work.
func (e *Engine) onReject(m *Message) {
	e.goBeyond(m)
	if t := e.stallOf(m.Owner); t != nil && t.fill != nil && m.Ballot > t.fill.ballot && t.fill.touches(m.Range) {
		e.retreat(t, m.Ballot)
	}
}

func (f *fill) touches(r Range) bool {
	for k := range f.rows {
		if r.contains(f.rows[k].instance) {
			return true
		}
	}
	return false
}
