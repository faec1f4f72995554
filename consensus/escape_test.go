package consensus

import (
	"testing"
	"time"

	"github.com/bmizerany/assert"
)

// ending is what became of proposals and barriers, by tag: each ends once.
type ending struct {
	t       *testing.T
	e       *Engine
	ended   map[uint64]string
	batches map[uint64]Batch // by instance
	last    uint64           // instance
	voters  []string         // as the caller's state names them
}

// survivor follows the voters a, b, c of an engine that is about to be alone.
func survivor(t *testing.T, e *Engine) *ending {
	return &ending{t: t, e: e, ended: map[uint64]string{}, batches: map[uint64]Batch{}, last: e.LastApplied(), voters: []string{"a", "b", "c"}}
}

func (r *ending) end(tag uint64, how string) {
	r.t.Helper()
	assert.Equal(r.t, "", r.ended[tag], tag)
	r.ended[tag] = how
}

// take takes in what is handed out, and applies it.
func (r *ending) take() {
	r.t.Helper()
	for {
		ready := r.e.Ready()
		for _, f := range ready.Failures {
			r.end(f.Tag, f.Err.Error())
		}
		for _, d := range ready.Decisions {
			r.decided(d)
		}
		checkInvariants(r.t, r.e)
		if len(ready.Decisions) == 0 {
			return
		}
	}
}

func (r *ending) decided(d Decision) {
	r.t.Helper()
	r.last++
	assert.Equal(r.t, r.last, d.Instance)
	r.batches[d.Instance] = d.Batch
	for _, tag := range append(d.Tags, d.Barriers...) {
		r.end(tag, "decided")
	}
	r.e.Applied(d.Instance, r.voters)
}

func propose(t *testing.T, e *Engine, tag uint64) {
	t.Helper()
	assert.Equal(t, nil, e.Propose(tag, []byte{byte(tag)}))
}

func TestEscapeAdoptsOwnSuggestionAndAnswersIt(t *testing.T) {
	e := lone(t) // a owns 3, 6, 9, 12, 15
	r := survivor(t, e)
	propose(t, e, 1)
	assert.Equal(t, nil, e.Barrier(2))
	r.take()
	e.Escape()
	r.take()
	assert.Equal(t, map[uint64]string{1: "decided", 2: "decided"}, r.ended)
	assert.Equal(t, "a", r.batches[3].Proposer)
}

func TestEscapeAdoptsWhatWasAcceptedOfOthers(t *testing.T) {
	e := lone(t)
	r := survivor(t, e)
	e.Step(Message{Kind: Suggest, From: "b", To: "a", Owner: "b", Range: one(4), Batch: Batch{"b", 1, [][]byte{{1}}}})
	e.Step(Message{Kind: Accept, From: "c", To: "a", Owner: "b", Range: one(7), Ballot: 5, Batch: Batch{"b", 2, [][]byte{{2}}}})
	e.Escape()
	r.take()
	assert.Equal(t, uint64(16), r.last)
	assert.Equal(t, Batch{"b", 1, [][]byte{{1}}}, r.batches[4])
	assert.Equal(t, Batch{"b", 2, [][]byte{{2}}}, r.batches[7])
	for i, b := range r.batches {
		assert.T(t, i == 4 || i == 7 || b.Noop(), i)
	}
}

func TestEscapeKeepsWhatIsDecidedAboveAGap(t *testing.T) {
	e := lone(t)
	r := survivor(t, e)
	e.Step(Message{Kind: Decided, From: "c", To: "a", Owner: "b", Range: one(4), Batch: Batch{"b", 1, [][]byte{{1}}}})
	e.Step(Message{Kind: Accept, From: "b", To: "a", Owner: "b", Range: one(4), Ballot: 4})
	r.take()
	assert.Equal(t, uint64(0), r.last)
	e.Escape()
	r.take()
	assert.Equal(t, "b", r.batches[4].Proposer)
}

func TestEscapeGoesOnFromWhatWasHandedOut(t *testing.T) {
	e := lone(t)
	r := survivor(t, e)
	skipAll(e, 4)
	handed := e.Ready().Decisions
	assert.Equal(t, 4, len(handed))
	handed = append([]Decision(nil), handed...)
	r.decided(handed[0])
	e.Escape()
	for _, d := range handed[1:] {
		r.decided(d)
	}
	r.take()
	assert.Equal(t, uint64(17), r.last)
}

// Our vote for a filler's no-op is newer than that for our own batch, which therefore was not chosen: it is
// proposed again.
func TestEscapeProposesAgainWhatItLost(t *testing.T) {
	e := lone(t)
	r := survivor(t, e)
	propose(t, e, 1)
	r.take()
	e.Step(Message{Kind: Accept, From: "b", To: "a", Owner: "a", Range: one(3), Ballot: 4})
	e.Escape()
	r.take()
	lost := r.batches[3]
	assert.T(t, lost.Noop())
	assert.Equal(t, uint64(1), e.Counters().Lost)
	assert.Equal(t, map[uint64]string{1: "decided"}, r.ended)
}

func TestEscapeAnswersWhatWaits(t *testing.T) {
	e := lone(t)
	r := survivor(t, e)
	want := map[uint64]string{}
	for tag := uint64(1); tag <= 40; tag++ { // more than fit in the window
		propose(t, e, tag)
		if tag < 20 {
			r.take()
		}
		want[tag] = "decided"
	}
	e.Escape()
	r.take()
	propose(t, e, 41)
	want[41] = "decided"
	r.take()
	assert.Equal(t, want, r.ended)
}

func TestObserverEscapesWithWhatItHas(t *testing.T) {
	e := lone(t, "b", "c", "d")
	r := survivor(t, e)
	r.voters = []string{"b", "c", "d"}
	e.Step(Message{Kind: Log, From: "b", To: "a", Range: Range{1, 3}, Applied: 9,
		Batches: []Batch{{}, {"d", 1, [][]byte{{1}}}}})
	assert.Equal(t, ErrReadOnly, e.Propose(1, nil))
	r.take()
	assert.Equal(t, uint64(2), r.last)
	e.Escape()
	propose(t, e, 2)
	r.take()
	assert.Equal(t, map[uint64]string{2: "decided"}, r.ended)
	assert.Equal(t, []string{"a"}, e.Voters())
	assert.Equal(t, "", e.Upstream())
}

// Nobody is waited for, asked, greeted or filled any more, though everything was under way before.
func TestEscapeLeavesNobodyToTalkTo(t *testing.T) {
	e := lone(t)
	r := survivor(t, e)
	e.Step(Message{Kind: Status, From: "x", To: "a", Sent: 1}) // a follower
	e.Step(Message{Kind: Status, From: "b", To: "a", Sent: 1, Applied: 1000})
	e.Step(Message{Kind: TakeSnapshot, From: "b", To: "a", Applied: 1000})
	propose(t, e, 1)
	passes(e, 0, 5*delay, Prepare)
	assert.T(t, e.stallOf("b").fill != nil)
	e.Escape()
	ready := e.Ready()
	assert.Equal(t, "", ready.SnapshotFrom)
	for _, d := range ready.Decisions {
		r.decided(d)
	}
	for now := 5 * delay; now < 100*delay; now += delay / 4 {
		e.Tick(now)
		assert.Equal(t, 0, len(e.Ready().Messages))
		checkInvariants(t, e)
	}
	assert.Equal(t, uint64(16), e.LastApplied())
	for range e.Peers() {
		t.Error("somebody is left")
	}
}

// The caller's state names former members until the caller has taken them out.
func TestFormerMembersDoNotCountAfterEscape(t *testing.T) {
	e := lone(t)
	r := survivor(t, e)
	e.Escape()
	assert.Equal(t, Snapshot{Instance: 0, Eras: []Era{{From: 1, Voters: []string{"a"}}}}, e.Snapshot())
	r.take()
	propose(t, e, 1)
	r.take()
	assert.Equal(t, []string{"a"}, e.Voters())
	assert.Equal(t, map[uint64]string{1: "decided"}, r.ended)
	r.voters = []string{"a"}
	propose(t, e, 2)
	r.take()
	r.voters = []string{"a", "d"}
	propose(t, e, 3)
	r.take()
	assert.Equal(t, []string{"a", "d"}, e.Voters())
}

// An instance that was closed may name us alone, and the next one others again.
func TestInstancesClosedByEscapeNameNoVoters(t *testing.T) {
	e := lone(t)
	r := survivor(t, e)
	r.voters = []string{"a"}
	e.Escape()
	r.take()
	r.voters = []string{"a", "b"}
	propose(t, e, 1)
	r.take()
	assert.Equal(t, []string{"a"}, e.Voters())
}

// A cluster of one that escapes is what it was.
func TestEscapeOfOne(t *testing.T) {
	e := lone(t, "a")
	r := survivor(t, e)
	r.voters = []string{"a"}
	e.Tick(time.Second)
	propose(t, e, 1)
	e.Escape()
	propose(t, e, 2)
	r.take()
	assert.Equal(t, map[uint64]string{1: "decided", 2: "decided"}, r.ended)
}
