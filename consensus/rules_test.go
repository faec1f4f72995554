package consensus

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bmizerany/assert"
)

// The tests here hold the rules whose absence other rules make up for, so that a whole cluster hardly shows it.

const delay = DefaultFillDelay

// lone returns engine a of the voters a, b, c (or more), to whom nobody answers unless the test does.
func lone(t *testing.T, voters ...string) *Engine {
	t.Helper()
	if voters == nil {
		voters = []string{"a", "b", "c"}
	}
	e, err := New(Config{ID: "a", Rand: rand.New(rand.NewPCG(1, 1)), Window: 16}, Founding(voters...))
	assert.Equal(t, nil, err)
	return e
}

// said returns what e says of this kind, and to whom, in one turn.
func said(e *Engine, kind Kind) []Message {
	var found []Message
	for _, m := range e.Ready().Messages {
		if m.Kind == kind {
			found = append(found, m)
		}
	}
	return found
}

// passes lets time pass and returns what e says of this kind meanwhile.
func passes(e *Engine, from, to time.Duration, kind Kind) []Message {
	var found []Message
	for now := from; now <= to; now += 10 * time.Millisecond {
		e.Tick(now)
		found = append(found, said(e, kind)...)
	}
	return found
}

// hears lets e hear id both ways at its time now.
func hears(e *Engine, id string) {
	e.Step(Message{Kind: Status, From: id, To: e.id, Sent: e.now, Echo: e.now})
}

func TestSuggestionIsRepeatedToThoseThatDidNotAnswer(t *testing.T) {
	e := lone(t, "a", "b", "c", "d", "e")
	assert.Equal(t, nil, e.Propose(1, []byte("x")))
	first := said(e, Suggest)
	assert.Equal(t, 4, len(first))
	e.Step(Message{Kind: Accepted, From: "b", To: "a", Owner: "a", Range: first[0].Range})
	var to []string
	for _, m := range passes(e, delay/2, delay+delay/2, Suggest) {
		assert.Equal(t, first[0].Range, m.Range)
		to = append(to, m.To)
	}
	assert.Equal(t, []string{"c", "d", "e"}, to)
}

func TestFillIsRepeatedToThoseThatDidNotAnswer(t *testing.T) {
	e := lone(t, "a", "b", "c", "d", "e")
	e.needs(1) // it is b's
	assert.Equal(t, 4, len(passes(e, 0, delay+delay/2, Prepare)))
	f := e.stallOf("b").fill
	e.Step(Message{Kind: Promise, From: "c", To: "a", Owner: "b", Range: f.span(), Ballot: f.ballot})
	var to []string
	for _, m := range passes(e, delay+delay/2, 2*delay+delay/2, Prepare) {
		assert.Equal(t, f.span(), m.Range)
		to = append(to, m.To)
	}
	assert.Equal(t, []string{"b", "d", "e"}, to)
}

func TestResendsBackOff(t *testing.T) {
	e := lone(t)
	assert.Equal(t, nil, e.Propose(1, []byte("x")))
	e.Ready()
	n := len(passes(e, 0, 40*delay, Suggest))
	assert.T(t, n >= 2*4 && n <= 2*8, n)
}

func TestFillGivesWayOncePerBallot(t *testing.T) {
	e := lone(t)
	e.Tick(delay)
	prepare := Message{Kind: Prepare, From: "c", To: "a", Owner: "b", Range: one(1), Ballot: 5}
	e.Step(prepare)
	held := e.stallOf("b").holdoff
	assert.T(t, held > e.now)
	for range 5 {
		e.Tick(e.raw + delay/4)
		e.Step(prepare)
	}
	assert.Equal(t, held, e.stallOf("b").holdoff)
	prepare.Ballot = 8
	e.Step(prepare)
	assert.T(t, e.stallOf("b").holdoff > held)
}

func TestFillThatIsRejectedBacksOff(t *testing.T) {
	e := lone(t)
	e.needs(1)
	var pauses []time.Duration
	now := time.Duration(0)
	for ballot := uint64(0); len(pauses) < 6; {
		now += 10 * time.Millisecond
		e.Tick(now)
		for _, m := range said(e, Prepare) {
			if m.Owner == "b" && m.Ballot > ballot {
				ballot = m.Ballot
				e.Step(Message{Kind: Reject, From: "c", To: "a", Owner: "b", Range: one(1), Ballot: ballot + 2})
				pauses = append(pauses, e.stallOf("b").holdoff-e.now)
				break
			}
		}
	}
	assert.T(t, pauses[0] > 0 && pauses[5] > 4*pauses[0], pauses)
}

func TestFillerOfAHigherBallotIsNotDisturbed(t *testing.T) {
	e := lone(t)
	e.needs(1)
	passes(e, 0, 2*delay, Prepare)
	fill := e.stallOf("b").fill
	assert.T(t, fill != nil)
	e.Step(Message{Kind: Prepare, From: "c", To: "a", Owner: "b", Range: one(1), Ballot: fill.ballot - 1})
	assert.T(t, e.stallOf("b").fill == fill)
}

func TestFillEndsWhereVotersChange(t *testing.T) {
	e := lone(t)
	skipAll(e, 1)
	e.Ready()
	e.Applied(1, []string{"a", "aa", "b"}) // from 17 on, which is b's as well
	e.needs(17)
	spans := map[Range]bool{}
	for _, m := range passes(e, 0, 2*delay, Prepare) {
		if m.Owner == "b" {
			spans[m.Range] = true
		}
	}
	assert.Equal(t, map[Range]bool{{4, 17}: true}, spans)
}

// A ballot is used once for each instance. A promise for others at the same ballot may come late.
func TestPromiseForAnotherFill(t *testing.T) {
	e := lone(t)
	assert.Equal(t, nil, e.Propose(1, nil))
	prepares := passes(e, delay, 3*delay, Prepare)
	assert.T(t, len(prepares) > 0)
	m := Message{Kind: Promise, From: "b", To: "a", Owner: prepares[0].Owner, Range: prepares[0].Range, Ballot: prepares[0].Ballot}
	m.Range.Lo, m.Range.Hi = m.Range.Hi+2, m.Range.Hi+3
	ignores(t, e, m)
	m.Range = prepares[0].Range
	e.Step(m)
	assert.Equal(t, 2, len(said(e, Accept)))
}

// One who was a voter of what was applied meanwhile, and is none of those that we fill for, has kept the rules.
func TestPromiseForWhatWasAppliedMeanwhile(t *testing.T) {
	e := filling(t)
	f := e.stallOf("b").fill
	assert.T(t, len(f.rows) > 1)
	skipAll(e, 3)
	for _, d := range e.Ready().Decisions {
		e.Applied(d.Instance, nil)
	}
	ignores(t, e, Message{Kind: Promise, From: "z", Owner: "b", Range: one(1), Ballot: f.ballot})
}

// All are heard, and nobody decides: whoever prepared these instances may be gone.
func TestHeardOwnerIsFilledAfterAll(t *testing.T) {
	e := lone(t)
	assert.Equal(t, nil, e.Propose(1, []byte("x"))) // at 3; 1 is b's and 2 is c's
	filled := map[string]bool{}
	for now := time.Duration(0); now < 4*fillAnyway*delay; now += 10 * time.Millisecond {
		e.Tick(now)
		hears(e, "b")
		hears(e, "c")
		for _, m := range said(e, Prepare) {
			assert.T(t, now >= fillAnyway*delay/2, now)
			filled[m.Owner] = true
		}
	}
	assert.Equal(t, map[string]bool{"a": true, "b": true, "c": true}, filled)
}

func TestSkipIsNotInferred(t *testing.T) {
	e := lone(t) // c owns 2, 5, 8
	e.Step(Message{Kind: Suggest, From: "c", To: "a", Owner: "c", Range: one(8), Batch: Batch{"c", 2, [][]byte{{1}}}, Skip: Range{4, 8}})
	assert.T(t, e.window.at(5).learner.decided)
	assert.T(t, !e.window.at(2).learner.decided)
}

// Rejected and prepared is not lost: the batch may be chosen yet, by the filler's own hand.
func TestRejectedBatchIsNotLost(t *testing.T) {
	e := lone(t)
	assert.Equal(t, nil, e.Propose(1, []byte("x")))
	i := said(e, Suggest)[0].Range
	e.Step(Message{Kind: Reject, From: "b", To: "a", Owner: "a", Range: i, Ballot: 4})
	e.Step(Message{Kind: Prepare, From: "b", To: "a", Owner: "a", Range: i, Ballot: 4})
	assert.Equal(t, 0, len(said(e, Suggest)))
	e.Step(Message{Kind: Decided, From: "b", To: "a", Owner: "a", Range: i})
	again := said(e, Suggest)
	assert.Equal(t, 2, len(again)) // to b and c
	assert.T(t, again[0].Range.Lo > i.Lo)
}

func TestPreparedOwnerGoesOnBeyond(t *testing.T) {
	e := lone(t) // a owns 3, 6, 9, 12, 15
	e.Step(Message{Kind: Prepare, From: "b", To: "a", Owner: "a", Range: Range{3, 10}, Ballot: 4})
	skips := said(e, Skip)
	assert.Equal(t, 2, len(skips))
	assert.Equal(t, Range{1, 10}, skips[0].Skip)
	assert.Equal(t, nil, e.Propose(1, []byte("x")))
	assert.Equal(t, one(12), said(e, Suggest)[0].Range)
}

func TestRejectedOwnerGoesOnBeyond(t *testing.T) {
	e := lone(t)
	e.Step(Message{Kind: Reject, From: "b", To: "a", Owner: "a", Range: Range{3, 10}, Ballot: 4})
	assert.Equal(t, nil, e.Propose(1, []byte("x")))
	assert.Equal(t, one(12), said(e, Suggest)[0].Range)
}

func TestSilenceCountsOnlyWhileOurLoopRan(t *testing.T) {
	e := lone(t)
	e.Tick(delay / 2)
	hears(e, "b")
	e.Tick(time.Hour)
	assert.Equal(t, delay, e.Silence("b"))
	assert.Equal(t, 0, len(said(e, Prepare)))
}

func TestHeardMeansBothWays(t *testing.T) {
	e := lone(t)
	e.needs(2)
	var filled []string
	for now := time.Duration(0); now < 3*delay; now += 10 * time.Millisecond {
		e.Tick(now)
		hears(e, "b")
		e.Step(Message{Kind: Status, From: "c", To: "a", Sent: e.now}) // it speaks and does not hear
		for _, m := range said(e, Prepare) {
			filled = append(filled, m.Owner)
		}
	}
	assert.T(t, len(filled) > 0)
	for _, owner := range filled {
		assert.Equal(t, "c", owner)
	}
}

func TestDelayIsWidenedWhereRoundTripsAreLonger(t *testing.T) {
	e := lone(t)
	e.needs(2)
	for now := time.Duration(0); now < 20*delay; now += 10 * time.Millisecond {
		e.Tick(now)
		for _, id := range []string{"b", "c"} { // round trips of three fill delays
			e.Step(Message{Kind: Status, From: id, To: "a", Sent: e.now, Echo: e.now - 3*delay})
		}
		if now > 5*delay && now < 8*delay {
			assert.Equal(t, 0, len(said(e, Prepare)))
		}
		e.Ready()
	}
	assert.T(t, e.patience() >= 6*delay)
}

func TestJoinerDoesNotCountForEarlierInstances(t *testing.T) {
	e := lone(t)
	assert.Equal(t, nil, e.Propose(1, []byte("x")))
	s := said(e, Suggest)[0]
	e.Step(Message{Kind: Accepted, From: "d", To: "a", Owner: "a", Range: s.Range})
	assert.Equal(t, uint64(1), e.Counters().Dropped)
	assert.T(t, !e.window.at(s.Range.Lo).learner.decided)
}

func TestAppliedInstanceIsNeverPromised(t *testing.T) {
	e := lone(t)
	e.Step(Message{Kind: Skip, From: "b", To: "a", Skip: one(1)})
	for _, d := range e.Ready().Decisions {
		e.Applied(d.Instance, nil)
	}
	e.Step(Message{Kind: Prepare, From: "c", To: "a", Owner: "b", Range: Range{1, 5}, Ballot: 5})
	out := e.Ready().Messages
	assert.Equal(t, Log, out[0].Kind)
	assert.Equal(t, one(1), out[0].Range)
	assert.Equal(t, Promise, out[1].Kind)
	assert.Equal(t, one(4), out[1].Range)
}

func TestMessageNamesOnlyTheInstancesMeant(t *testing.T) {
	e := lone(t) // c owns 2, 5, 8, 11
	for _, kind := range []Kind{Prepare, Promise, Accept, Accepted, Decided} {
		b := bundle{engine: e, to: "b"}
		for _, i := range []uint64{2, 5, 11} {
			b.add(e.window.at(i), Message{Kind: kind, Ballot: 5})
		}
		b.flush()
		sent := said(e, kind)
		assert.Equal(t, 2, len(sent))
		assert.Equal(t, Range{2, 6}, sent[0].Range)
		assert.Equal(t, one(11), sent[1].Range)
	}
}

// Two clients may write the same. That the one's write is decided says nothing of the other's.
func TestEqualBytesAreNotTheSameBatch(t *testing.T) {
	e := lone(t) // a owns 3, b 1
	assert.Equal(t, nil, e.Propose(7, []byte("x")))
	ours := said(e, Suggest)[0]
	e.Step(Message{Kind: Suggest, From: "b", To: "a", Owner: "b", Range: one(1), Batch: Batch{"b", ours.Batch.Seq, ours.Batch.Mutations}})
	decided := e.Ready().Decisions
	assert.Equal(t, 1, len(decided))
	assert.Equal(t, 0, len(decided[0].Tags))
	e.Step(Message{Kind: Decided, From: "b", To: "a", Owner: "a", Range: ours.Range})
	again := said(e, Suggest)
	assert.Equal(t, 2, len(again)) // to b and c
	assert.Equal(t, ours.Batch, again[0].Batch)
}

func TestSnapshotOfAnotherClusterIsRefused(t *testing.T) {
	e := lone(t)
	_, err := e.Install(Snapshot{Instance: 3, Eras: []Era{{From: 1, Voters: []string{"x", "y", "z"}}}})
	assert.NotEqual(t, nil, err)
	assert.Equal(t, uint64(0), e.LastApplied())
}

// What a snapshot jumps over ends with ErrUnknown: in flight, decided, or handed out and not applied.
func TestSnapshotEndsWhatItJumpsOver(t *testing.T) {
	e := lone(t) // a owns 3, 6, 9, 12, 15
	accepted := func(i uint64) {
		e.Step(Message{Kind: Accepted, From: "b", To: "a", Owner: "a", Range: one(i)})
	}
	for tag := uint64(1); tag <= 3; tag++ {
		assert.Equal(t, nil, e.Propose(tag, []byte("x")))
		e.Ready() // each its own batch, at 3, 6 and 9
	}
	e.Step(Message{Kind: Skip, From: "b", To: "a", Skip: Range{1, 5}})
	e.Step(Message{Kind: Skip, From: "c", To: "a", Skip: Range{1, 5}})
	accepted(3)
	assert.Equal(t, 4, len(e.Ready().Decisions)) // handed out, and not applied
	accepted(6)
	ok, err := e.Install(Snapshot{Instance: 10, Eras: []Era{{From: 1, Voters: []string{"a", "b", "c"}}}})
	assert.Equal(t, nil, err)
	assert.T(t, ok)
	ended := map[uint64]error{}
	for _, f := range e.Ready().Failures {
		ended[f.Tag] = f.Err
	}
	assert.Equal(t, map[uint64]error{1: ErrUnknown, 2: ErrUnknown, 3: ErrUnknown}, ended)
}

// What we promised and accepted above a snapshot is not forgotten.
func TestSnapshotKeepsPromisesAndVotesAboveIt(t *testing.T) {
	e := lone(t)
	e.Step(Message{Kind: Prepare, From: "c", To: "a", Owner: "b", Range: one(13), Ballot: 5})
	e.Step(Message{Kind: Suggest, From: "c", To: "a", Owner: "c", Range: one(14), Batch: Batch{Proposer: "c", Seq: 1}})
	ok, err := e.Install(Snapshot{Instance: 10, Eras: []Era{{From: 1, Voters: []string{"a", "b", "c"}}}})
	assert.Equal(t, nil, err)
	assert.T(t, ok)
	assert.Equal(t, uint64(5), e.window.at(13).acceptor.promised)
	assert.Equal(t, "c", e.window.at(14).acceptor.batch.Proposer)
	assert.Equal(t, 16, len(e.window.slots))
}

func TestConfigErrorsNameTheField(t *testing.T) {
	good := Config{ID: "a", Rand: rand.New(rand.NewPCG(1, 1))}
	assert.Equal(t, nil, good.Validate())
	for field, change := range map[string]func(*Config){
		"ID":          func(c *Config) { c.ID = "" },
		"Rand":        func(c *Config) { c.Rand = nil },
		"Window":      func(c *Config) { c.Window = MaxWindow + 1 },
		"FillDelay":   func(c *Config) { c.FillDelay = -1 },
		"MaxInFlight": func(c *Config) { c.MaxInFlight = -1 },
		"BatchBytes":  func(c *Config) { c.BatchBytes = MaxBatchBytes + 1 },
		"RetainBytes": func(c *Config) { c.RetainBytes = -1 },
	} {
		c := good
		change(&c)
		err := c.Validate()
		assert.T(t, err != nil, field)
		assert.Equal(t, "consensus: bad configuration: "+field, err.Error()[:len("consensus: bad configuration: "+field)])
	}
}

func TestPeersTellsWhatIsKnownOfOthers(t *testing.T) {
	e := lone(t)
	e.Tick(delay / 2)
	e.Step(Message{Kind: Status, From: "c", To: "a", Applied: 7, Sent: e.now, Echo: e.now - delay/10})
	e.Step(Message{Kind: Status, From: "c", To: "a", Applied: 6, Sent: e.now - 1}) // overtaken
	e.Step(Message{Kind: Status, From: "x", To: "a", Applied: 5, Sent: e.now})
	e.Tick(delay)
	assert.Equal(t, []Peer{
		{ID: "b", Voter: true, Silence: delay},
		{ID: "c", Voter: true, Applied: 7, RoundTrip: delay / 10, Silence: delay * 6 / 10},
		{ID: "x", Applied: 5, Silence: delay / 2},
	}, slices.Collect(e.Peers()))
	assert.Equal(t, delay, e.Silence("b"))
	assert.Equal(t, 0.0, testing.AllocsPerRun(10, func() {
		for range e.Peers() {
		}
	}))
}

func TestVotersAreThoseThatStand(t *testing.T) {
	e := lone(t, "c", "a", "b")
	assert.Equal(t, []string{"a", "b", "c"}, e.Voters())
	skipAll(e, 1)
	e.Ready()
	e.Applied(1, []string{"d", "a"})
	assert.Equal(t, []string{"a", "d"}, e.Voters())
}

// What a voter that was demoted has not suggested yet, it answers at once, though some of its own instances are
// still to come.
func TestDemotedVoterSuggestsNothingMore(t *testing.T) {
	e := lone(t)
	skipAll(e, 1)
	e.Ready()
	assert.Equal(t, nil, e.Propose(1, []byte("x")))
	e.Applied(1, []string{"b", "c"})
	r := e.Ready()
	assert.Equal(t, []Failure{{1, ErrReadOnly}}, r.Failures)
	for _, m := range r.Messages {
		assert.T(t, m.Kind != Suggest, m)
	}
}

func TestUpstreamIsWhomAnObserverListensTo(t *testing.T) {
	voter := lone(t)
	voter.Tick(delay)
	assert.Equal(t, "", voter.Upstream())
	observer := lone(t, "b", "c")
	assert.Equal(t, "", observer.Upstream())
	observer.Tick(delay)
	assert.Equal(t, said(observer, Status)[0].To, observer.Upstream())
}

// However long a voter once took to answer, an observer does not wait much longer than usual for one that is silent.
func TestObserverTurnsAwayFromTheSilent(t *testing.T) {
	observer := lone(t, "b", "c", "d")
	observer.Tick(delay)
	silent := observer.Upstream()
	observer.peer(silent).srtt = 50 * delay
	turns := 0
	for now := 2 * delay; now <= 10*turnAway*delay; now += delay {
		observer.Tick(now)
		if observer.turned == observer.now {
			turns++
			assert.NotEqual(t, silent, observer.Upstream())
		}
		silent = observer.Upstream()
	}
	assert.T(t, turns >= 8, turns) // all are silent
}

// A voter that is heard, and hears no majority itself, has nothing new to tell. Whoever has is asked.
func TestObserverTurnsToWhoHearsAMajority(t *testing.T) {
	observer := lone(t, "b", "c", "d")
	trip := map[string]time.Duration{}
	answer := func(until time.Duration) {
		for now := observer.now; now <= until; now += delay / 4 {
			observer.Tick(now)
			for _, m := range said(observer, Status) {
				observer.Step(Message{Kind: Status, From: m.To, To: "a", Sent: now, Echo: m.Sent, RoundTrip: trip[m.To], Answer: true})
			}
		}
	}
	answer(2 * turnAway * delay)
	cutOff := observer.Upstream()
	answer(4 * turnAway * delay)
	assert.Equal(t, cutOff, observer.Upstream()) // the others are no better
	for _, v := range observer.Voters() {
		if v != cutOff {
			trip[v] = delay / 10
		}
	}
	answer(5 * turnAway * delay)
	better := observer.Upstream()
	assert.NotEqual(t, cutOff, better)
	trip[cutOff] = delay / 10
	answer(9 * turnAway * delay)
	assert.Equal(t, better, observer.Upstream())
}

// That a voter heard a majority before the observer turned from it says nothing: it may be dead since, and the
// one that is left is not to be given up for it.
func TestObserverDoesNotTurnToWhoOnceHeardAMajority(t *testing.T) {
	observer := lone(t, "b", "c", "d")
	left := ""
	answer := func(until, trip time.Duration) {
		for now := observer.now; now <= until; now += delay / 4 {
			observer.Tick(now)
			for _, m := range said(observer, Status) {
				if left == "" || m.To == left {
					observer.Step(Message{Kind: Status, From: m.To, To: "a", Sent: now, Echo: m.Sent, RoundTrip: trip, Answer: true})
				}
			}
		}
	}
	answer(2*turnAway*delay, delay/10)
	left = observer.otherUpstream().id
	answer(4*turnAway*delay, 0)
	for until := observer.now; until < 20*turnAway*delay; until += delay {
		answer(until, 0)
		assert.Equal(t, left, observer.Upstream())
	}
}

// An observer knows of a majority by what voters tell it: one that answers and hears none is none, and when it
// turned to another says nothing.
func TestObserverIsToldOfAMajority(t *testing.T) {
	observer := lone(t, "b", "c", "d")
	answer := func(d, trip time.Duration) {
		for until := observer.now + d; observer.now < until; {
			observer.Tick(observer.now + delay/4)
			for _, m := range said(observer, Status) {
				observer.Step(Message{Kind: Status, From: m.To, To: "a", Sent: observer.now, Echo: m.Sent, RoundTrip: trip, Answer: true})
			}
		}
	}
	answer(turnAway*delay, 0)
	assert.Equal(t, turnAway*delay, observer.MajoritySilence()) // it has just begun
	answer(turnAway*delay, 1)
	assert.T(t, observer.MajoritySilence() <= delay, observer.MajoritySilence())
	answer(5*turnAway*delay, 0)
	assert.T(t, observer.MajoritySilence() >= 5*turnAway*delay, observer.MajoritySilence())
}

// A voter knows of one as long as it hears enough of the others.
func TestVoterKnowsOfAMajority(t *testing.T) {
	e := lone(t)
	for range 20 {
		e.Tick(e.now + delay/4)
		hears(e, "b")
	}
	assert.T(t, e.MajoritySilence() <= delay, e.MajoritySilence())
	for range 80 {
		e.Tick(e.now + delay/4)
	}
	assert.T(t, e.MajoritySilence() >= 10*delay, e.MajoritySilence())
}

// A voter that is none any more tells nobody that it hears us.
func TestObserverListensToVotersThatStand(t *testing.T) {
	observer := lone(t, "b", "c")
	observer.Tick(delay)
	skipAll(observer, 1)
	observer.Ready()
	observer.upstream = "b"
	observer.Applied(1, []string{"c"})
	observer.Tick(2 * delay)
	assert.Equal(t, "c", observer.Upstream())
}

// Whoever was away for a while asks about many instances at once, and each part of the log is large.
func TestLogIsToldOnceInATurn(t *testing.T) {
	e := lone(t)
	skipAll(e, 6)
	for _, d := range e.Ready().Decisions {
		e.Applied(d.Instance, nil)
	}
	for i := range uint64(3) {
		e.Step(Message{Kind: Pull, From: "b", To: "a", Range: Range{1 + i, 7}})
	}
	e.Step(Message{Kind: Pull, From: "c", To: "a", Range: Range{1, 7}})
	assert.Equal(t, 2, len(said(e, Log)))
	e.Step(Message{Kind: Pull, From: "b", To: "a", Range: Range{1, 7}})
	assert.Equal(t, 1, len(said(e, Log)))
}

func TestNothingThatWasSaidIsKept(t *testing.T) {
	e := lone(t)
	assert.Equal(t, nil, e.Propose(1, make([]byte, 100)))
	e.Ready()
	e.Ready()
	e.Ready()
	for _, m := range slices.Concat(e.out[:cap(e.out)], e.spare[:cap(e.spare)]) {
		assert.Equal(t, 0, len(m.Batch.Mutations))
	}
}

// The room that one burst has needed is given back.
func TestRoomOfABurstIsNotKept(t *testing.T) {
	e := lone(t)
	for range 10 * maxSpare {
		e.send(Message{To: "b"})
	}
	assert.Equal(t, 10*maxSpare, len(e.Ready().Messages))
	for range 3 {
		e.send(Message{To: "b"})
		assert.T(t, len(e.Ready().Messages) > 0)
	}
	assert.T(t, cap(e.out) <= maxSpare && cap(e.spare) <= maxSpare, cap(e.out), cap(e.spare))
}

// A cluster may use up more instances between two greetings than one message takes.
func TestFollowerIsFedAsMuchAsItsWindowTakes(t *testing.T) {
	e := wide(t)
	const many = 5 * MaxLogBatches
	skipAll(e, many)
	for _, d := range e.Ready().Decisions {
		e.Applied(d.Instance, nil)
	}
	e.Step(Message{Kind: Status, From: "x", To: "a", Sent: 1})
	fed := said(e, Log)
	assert.Equal(t, 5, len(fed))
	assert.Equal(t, uint64(many+1), fed[4].Range.Hi)
}

// Whoever is at work beyond our window has all that we miss. It is not asked for each thing that it says.
func TestWhoIsBehindByAWindowAsksAtOnce(t *testing.T) {
	e := lone(t)
	e.Tick(delay)
	owner := func(i uint64) string { return e.standing().voters[i%3] }
	suggest := func(i uint64) []Message {
		e.Step(Message{Kind: Suggest, From: owner(i), To: "a", Owner: owner(i), Range: Range{i, i + 1}, Batch: Batch{Proposer: owner(i), Seq: 1, Mutations: [][]byte{{1}}}})
		return said(e, Pull)
	}
	i := e.window.end() + 2
	for owner(i) == "a" {
		i++
	}
	pulls := suggest(i)
	assert.Equal(t, 1, len(pulls))
	assert.Equal(t, owner(i), pulls[0].To)
	assert.Equal(t, Range{1, i + 1}, pulls[0].Range)
	assert.Equal(t, 0, len(suggest(i+3)))
	e.Tick(delay + delay/4)
	assert.Equal(t, 1, len(suggest(i+6)))
}

// A follower is fed on when it greets, so it does when it has taken in what fills its window, be that small.
func TestFollowerGreetsOnceItIsFed(t *testing.T) {
	e := lone(t, "b", "c")
	e.Tick(1)
	up := said(e, Status)[0].To
	e.Tick(2)
	e.Step(Message{Kind: Log, From: up, To: "a", Range: Range{1, 17}, Batches: make([]Batch, 16), Applied: 100})
	for _, d := range e.Ready().Decisions {
		e.Applied(d.Instance, nil)
	}
	e.Tick(3)
	greetings := said(e, Status)
	assert.Equal(t, 1, len(greetings))
	assert.Equal(t, uint64(16), greetings[0].Applied)
}

// What a follower was sent may be on its way for longer than our patience with anybody. It was lost if the
// follower has heard what we said later, and does not have it.
func TestFollowerFarAwayIsFedOnce(t *testing.T) {
	const ms = time.Millisecond
	e := aloneWith(t, 100)
	greets := func(now, echo time.Duration) (fed []Message) {
		passes(e, e.now, now, Log)
		e.Step(Message{Kind: Status, From: "d", To: "a", Sent: now, Echo: echo})
		return said(e, Log)
	}
	greets(10*ms, 0)
	decides(t, e, 1)
	e.Tick(20 * ms)
	assert.Equal(t, 1, len(said(e, Log)))
	assert.Equal(t, 0, len(greets(300*ms, 10*ms)))
	again := greets(600*ms, 300*ms)
	assert.Equal(t, 1, len(again))
	assert.Equal(t, one(1), again[0].Range)
	assert.Equal(t, 0, len(greets(900*ms, 600*ms)))
}

// Who cannot hear an owner learns from the others that it suggested something, and that it waits for what is below.
func TestSkipsWhenOthersTellOfASuggestion(t *testing.T) {
	e := lone(t)
	e.Step(Message{Kind: Accepted, From: "c", To: "a", Owner: "b", Range: one(7)})
	told := said(e, Skip)
	assert.Equal(t, 2, len(told))
	assert.Equal(t, Range{1, 7}, told[0].Skip)
}

// One that writes, as others tell, and is only not heard by us, must not be driven away from the front.
func TestWhoIsAtWorkIsNotFilledAhead(t *testing.T) {
	for _, atWork := range []bool{false, true} {
		e := lone(t)
		assert.Equal(t, nil, e.Propose(1, []byte("x")))
		e.Ready()
		if atWork {
			e.peer("c").used = 1
		}
		prepared := slices.DeleteFunc(passes(e, delay/2, 2*delay, Prepare), func(m Message) bool { return m.Owner != "c" })
		assert.Equal(t, atWork, prepared[0].Range.Hi <= 4, prepared[0])
	}
}

// An observer hears one voter only. How long others once took to answer must not make it wait.
func TestObserverIsAsPatientAsItsVoterIsSlow(t *testing.T) {
	observer := lone(t, "b", "c", "d")
	observer.Tick(delay)
	for _, p := range observer.peers {
		p.srtt = 10 * delay
	}
	observer.peer(observer.Upstream()).srtt = delay
	assert.Equal(t, 2*delay, observer.patience())
}

// A link that the other side's kernel closed is reason enough to fill at once, but no evidence for an eviction.
func TestSuspectIsFilledAtOnce(t *testing.T) {
	e := lone(t) // follows c
	assert.Equal(t, nil, e.Propose(1, []byte("x")))
	e.Tick(1)
	assert.Equal(t, 0, len(said(e, Prepare)))
	e.Suspect("c")
	prepared := said(e, Prepare)
	assert.Equal(t, 2, len(prepared))
	assert.Equal(t, "c", prepared[0].Owner)
	assert.Equal(t, time.Duration(1), e.Silence("c"))
	e.Suspect("nobody")
	e.Suspect("a")
}

func TestSuspicionEndsWithAnEchoOfSomethingLater(t *testing.T) {
	e := lone(t)
	e.Tick(delay / 2)
	e.Suspect("c")
	hears(e, "c") // what it says was sent before its link was closed
	assert.T(t, e.silent(e.peer("c")))
	e.Tick(delay)
	hears(e, "c")
	assert.T(t, !e.silent(e.peer("c")))
}

// skipAll lets the others give their instances up to i away, and a its own.
func skipAll(e *Engine, i uint64) {
	for _, v := range e.windowVoters() {
		if v != e.id {
			e.Step(Message{Kind: Skip, From: v, To: e.id, Skip: Range{1, i + 1}})
		}
	}
	e.announce(e.skipTo(i + 1))
}

// Whoever stood still answers late what was sent long ago. That must not make others wait for it the next time.
func TestPatienceIsWhatItWasSoonAfterAPause(t *testing.T) {
	e := lone(t)
	e.Tick(delay)
	for range 40 {
		e.Tick(e.now + delay)
	}
	for range 10 { // what waited for it while it stood still
		e.Tick(e.now + delay/4)
		e.Step(Message{Kind: Status, From: "b", To: "a", Sent: e.now, Echo: e.now - 35*delay})
	}
	assert.T(t, e.patienceWith(e.peer("b")) > 10*delay)
	for range 80 { // for two seconds, in which it answers at once, by a clock that steps as ours does
		e.Tick(e.now + delay/4)
		e.Step(Message{Kind: Status, From: "b", To: "a", Sent: e.now, Echo: e.now - delay/4, Held: delay/4 + 1})
	}
	assert.Equal(t, delay, e.patienceWith(e.peer("b")))
}

// Two that got in each other's way must not do so again at the same moment.
func TestPausesDiffer(t *testing.T) {
	const d = 100 * time.Millisecond
	r, drawn := rand.New(rand.NewPCG(1, 1)), map[time.Duration]bool{}
	for range 100 {
		p := jitter(r, d)
		assert.T(t, p >= d/2 && p <= 3*d/2, p)
		drawn[p] = true
	}
	assert.T(t, len(drawn) > 50)
}
