package consensus

import (
	"testing"
	"time"

	"github.com/bmizerany/assert"
)

// A message that breaks a rule is dropped and counted. What one engine cannot know is no broken rule: that is ignored.

// breaks holds that e drops and counts m, and that nothing comes of it.
func breaks(t *testing.T, e *Engine, m Message) {
	t.Helper()
	hasNoEffect(t, e, m, 1)
}

// ignores holds that nothing comes of m, and that it is not counted.
func ignores(t *testing.T, e *Engine, m Message) {
	t.Helper()
	hasNoEffect(t, e, m, 0)
}

func hasNoEffect(t *testing.T, e *Engine, m Message, dropped uint64) {
	t.Helper()
	m.To = e.id
	e.Ready()
	before, next, known, need := e.Counters().Dropped, e.proposer.next, e.known, e.need
	e.Step(m)
	assert.Equal(t, dropped, e.Counters().Dropped-before, m)
	assert.Equal(t, []uint64{next, known, need}, []uint64{e.proposer.next, e.known, e.need}, m)
	r := e.Ready()
	assert.Equal(t, 0, len(r.Messages)+len(r.Decisions)+len(r.SnapshotFrom), m)
}

func TestOnlyAVoterRejects(t *testing.T) {
	e := lone(t) // a owns 3, 6, 9
	breaks(t, e, Message{Kind: Reject, From: "z", Owner: "a", Range: Range{1, 1 << 40}, Ballot: 4})
	breaks(t, e, Message{Kind: Reject, From: "z", Owner: "a", Range: Range{3, 1 << 40}, Ballot: 4})
	breaks(t, e, Message{Kind: Reject, From: "b", Owner: "a", Range: one(3), Ballot: 2}) // nobody's
	ignores(t, e, Message{Kind: Reject, From: "z", Owner: "a", Range: one(1 << 40), Ballot: 4})
}

// filling returns an engine that fills for b.
func filling(t *testing.T) *Engine {
	t.Helper()
	e := lone(t)
	e.needs(1) // it is b's
	assert.T(t, len(passes(e, 0, 2*delay, Prepare)) > 0)
	return e
}

func TestFillGoesOnWhenNoVoterRejects(t *testing.T) {
	e := filling(t)
	fill := e.stallOf("b").fill
	breaks(t, e, Message{Kind: Reject, From: "z", Owner: "b", Range: one(1), Ballot: 1 << 62})
	assert.T(t, e.stallOf("b").fill == fill)
}

// Whatever anyone says that it promised, a later fill has a ballot that others take.
func TestBallotIsLeftAfterARejectAtTheHighest(t *testing.T) {
	e := filling(t)
	for now := 2 * delay; now < time.Minute; now += delay / 4 {
		e.Tick(now)
		for _, m := range said(e, Prepare) {
			assert.T(t, e.standing().mayUse("a", m.Ballot), m)
			e.Step(Message{Kind: Reject, From: "b", To: "a", Owner: m.Owner, Range: m.Range, Ballot: maxBallot})
		}
	}
	assert.T(t, e.Counters().Rejected > 8, e.Counters())
}

// If somebody really has promised the highest ballot, there is none to fill with.
func TestNoFillAboveTheHighestBallot(t *testing.T) {
	e := lone(t)
	ballot := e.standing().ballotAbove("c", maxBallot-3)
	e.Step(Message{Kind: Prepare, From: "c", To: "a", Owner: "b", Range: one(1), Ballot: ballot})
	assert.Equal(t, ballot, e.window.at(1).acceptor.promised)
	e.needs(1)
	for _, m := range passes(e, 0, 100*delay, Prepare) {
		assert.T(t, m.Ballot <= maxBallot, m)
	}
}

func TestOwnerGivesNothingAwayToWhoMayNotPrepare(t *testing.T) {
	e := lone(t)
	breaks(t, e, Message{Kind: Prepare, From: "z", Owner: "a", Range: Range{3, 10}, Ballot: 4})
	breaks(t, e, Message{Kind: Prepare, From: "b", Owner: "a", Range: Range{3, 10}, Ballot: 5}) // c's
	breaks(t, e, Message{Kind: Prepare, From: "b", Owner: "a", Range: Range{3, 10}, Ballot: 0})
	ignores(t, e, Message{Kind: Prepare, From: "z", Owner: "a", Range: one(1 << 40), Ballot: 4})
}

func TestSuggestIsOfItsSendersOwnInstance(t *testing.T) {
	e := lone(t) // b owns 1, 4, 7
	suggest := Message{Kind: Suggest, From: "b", Owner: "b", Range: one(4), Batch: Batch{"b", 1, nil}, Skip: Range{1, 4}}
	other := suggest
	other.Owner = "c"
	breaks(t, e, other)
	other = suggest
	other.Skip = Range{1, 5}
	breaks(t, e, other)
	other = suggest
	other.Batch.Proposer = "c"
	breaks(t, e, other)
	other = suggest
	other.Range = one(5)
	breaks(t, e, other)
	suggest.To = "a"
	e.Step(suggest)
	assert.T(t, e.window.at(4).acceptor.voted)
}

func TestSkipIsOfInstancesOfItsSender(t *testing.T) {
	e := lone(t) // b owns 1, 4, 7
	breaks(t, e, Message{Kind: Skip, From: "z", Skip: Range{1, 10}})
	breaks(t, e, Message{Kind: Skip, From: "b", Skip: Range{2, 4}})
	breaks(t, e, Message{Kind: Skip, From: "b"})
	breaks(t, e, Message{Kind: Accepted, From: "b", Owner: "c", Range: one(2), Skip: Range{2, 4}})
	ignores(t, e, Message{Kind: Skip, From: "z", Skip: Range{1, 18}}) // 17 may be z's
}

func TestInstancesAreOfTheOwnerNamed(t *testing.T) {
	e := lone(t) // b owns 1, 4, 7
	for _, kind := range []Kind{Prepare, Promise, Accept, Accepted, Reject, Decided} {
		for owner, ranges := range map[string][]Range{"z": {one(1), {1, 1 << 40}}, "b": {one(2), {1, 4}, {0, 5}, {4, 4}}} {
			for _, r := range ranges {
				breaks(t, e, Message{Kind: kind, From: "c", Owner: owner, Range: r, Ballot: 5})
			}
		}
		ignores(t, e, Message{Kind: kind, From: "c", Owner: "z", Range: one(17), Ballot: 5})
	}
}

func TestPromiseIsForOurBallot(t *testing.T) {
	e := filling(t)
	f := e.stallOf("b").fill
	promise := Message{Kind: Promise, From: "c", Owner: "b", Range: one(1), Ballot: f.ballot + 1}
	breaks(t, e, promise)
	promise.Ballot = f.ballot
	for _, v := range []Vote{
		{4, 0, Batch{"b", 1, nil}},             // of no instance that the promise is for
		{1, 0, Batch{"c", 1, nil}},             // b never proposed that
		{1, f.ballot + 1, Batch{"b", 1, nil}},  // at more than what was promised
		{1, 1, Batch{Proposer: "b", Seq: 1}},   // no ballot
		{1, 0, Batch{Mutations: [][]byte{{}}}}, // no batch
	} {
		promise.Votes = []Vote{v}
		breaks(t, e, promise)
	}
	promise.Votes, promise.To = []Vote{{1, 0, Batch{"b", 1, nil}}}, "a"
	e.Step(promise)
	assert.Equal(t, 2, len(said(e, Accept)))
}

func TestStatusTellsOfTimesThatWere(t *testing.T) {
	e := lone(t)
	e.Tick(delay)
	for _, m := range []Message{{Sent: -1}, {Echo: -1}, {Held: -1}, {RoundTrip: -1}, {Echo: delay + 1}, {Applied: MaxInstance + 1}} {
		for _, from := range []string{"b", "z"} {
			m.Kind, m.From = Status, from
			breaks(t, e, m)
			assert.Equal(t, delay, e.Silence("b"))
			assert.Equal(t, 0, len(e.followers))
		}
	}
}

// An observer may be asked what it knows, and may have forgotten it. Of anyone else we cannot know whether it
// is a member.
func TestSnapshotIsTakenFromWhoIsKnown(t *testing.T) {
	e := lone(t)
	take := Message{Kind: TakeSnapshot, From: "z", To: "a", Applied: 100}
	ignores(t, e, take)
	e.Step(Message{Kind: Status, From: "z", To: "a", Applied: 100})
	e.Step(take)
	assert.Equal(t, "z", e.Ready().SnapshotFrom)
	take.Applied = MaxInstance + 1
	breaks(t, e, take)
}

// A voter that left, and whose words are late, keeps the rules.
func TestWhoLeftMaySpeakOfWhatItHadAPartIn(t *testing.T) {
	e := lone(t)
	skipAll(e, 1)
	e.Ready()
	e.Applied(1, []string{"a", "b"}) // from 17 on
	e.Step(Message{Kind: Skip, From: "c", To: "a", Skip: Range{2, 6}})
	assert.T(t, e.window.at(2).learner.decided)
	breaks(t, e, Message{Kind: Accepted, From: "c", Owner: "b", Range: one(17)})
	e.Step(Message{Kind: Skip, From: "c", To: "a", Skip: Range{6, 17}})
	skipAll(e, 16)
	e.Ready()
	for i := uint64(2); i < 17; i++ {
		e.Applied(i, nil)
	}
	assert.Equal(t, []string{"a", "b"}, e.windowVoters())
	for _, m := range []Message{
		{Kind: Skip, Skip: Range{2, 6}},
		{Kind: Accepted, Owner: "b", Range: one(16)},
		{Kind: Reject, Owner: "a", Range: one(15), Ballot: 4},
		{Kind: Promise, Owner: "b", Range: one(16), Ballot: 3},
		{Kind: TakeSnapshot, Applied: 40},
	} {
		m.From = "c"
		ignores(t, e, m)
	}
}
