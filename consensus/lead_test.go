package consensus

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bmizerany/assert"
)

// wide returns engine a of the voters a, b, c with a window that no lead comes to the end of.
func wide(t *testing.T) *Engine {
	t.Helper()
	e, err := New(Config{ID: "a", Rand: rand.New(rand.NewPCG(1, 1))}, Founding("a", "b", "c"))
	assert.Equal(t, nil, err)
	return e
}

// writes lets b put one batch each step, until e has heard n of them, and returns how far e has skipped beyond
// the last.
func writes(e *Engine, n int, step time.Duration) (lead uint64) {
	i := e.front
	for k := range n {
		e.Tick(e.now + step)
		for _, p := range e.peers { // goes on as before
			e.Step(Message{Kind: Status, From: p.id, To: "a", Sent: e.now, Echo: e.now - p.srtt, RoundTrip: p.trip})
		}
		if i++; i%3 != 1 {
			i += (4 - i%3) % 3 // b's next
		}
		e.Step(Message{Kind: Suggest, From: "b", To: "a", Owner: "b", Range: one(i), Batch: Batch{Proposer: "b", Seq: uint64(k + 1)}})
		e.Step(Message{Kind: Skip, From: "c", To: "a", Skip: Range{1, i + 1}})
		for _, d := range e.Ready().Decisions {
			e.Applied(d.Instance, nil)
		}
	}
	return e.proposer.next - min(e.proposer.next, i)
}

// trips lets b and c be known to e as voters that answer it after mine, and a majority after theirs.
func trips(e *Engine, mine, theirs time.Duration) {
	for range 60 { // until the measurements before count no more
		e.Tick(e.now + delay/4)
		for _, id := range []string{"b", "c"} {
			e.Step(Message{Kind: Status, From: id, To: "a", Sent: e.now, Echo: e.now - mine, RoundTrip: theirs})
		}
		e.Ready()
	}
}

// Whoever was a voter may be followed by those who do not know yet that it is none, and must not keep them.
func TestWhoIsNoVoterHearsNoMajority(t *testing.T) {
	voter, observer := lone(t, "a"), lone(t, "b")
	assert.Equal(t, time.Duration(1), voter.toMajority())
	assert.Equal(t, time.Duration(0), observer.toMajority())
}

func TestIdleVoterLeadsByWhatIsWrittenUntilItIsMissed(t *testing.T) {
	seldom, often, always := writes(wide(t), 5, 10*delay), writes(wide(t), 500, delay/20), writes(wide(t), 20000, delay/2000)
	assert.T(t, seldom >= 3 && seldom <= 3*8, seldom)
	assert.T(t, often >= 3*2*20, often) // at least what is put in two fill delays, wherever in its lead it is
	assert.T(t, always >= leastLead(DefaultWindow/2) && always <= DefaultWindow/2+3, always)
}

func TestBusyVoterStaysAtTheFront(t *testing.T) {
	e := wide(t)
	trips(e, delay/100, delay/100)
	assert.Equal(t, nil, e.Propose(1, []byte("x")))
	e.Ready()
	assert.T(t, !e.slow && writes(e, 10, delay/100) <= 1)
}

func TestNobodyIsSlowByAMillisecond(t *testing.T) {
	e := wide(t)
	trips(e, delay/50, 1)
	assert.T(t, e.roundTrip > slowFactor && !e.slow)
}

func TestSlowVoterLeadsThoughItWrites(t *testing.T) {
	e := wide(t)
	trips(e, delay/4, delay/20)
	assert.T(t, e.slow)
	assert.Equal(t, nil, e.Propose(1, []byte("x")))
	messages := e.Ready().Messages
	suggested := messages[0].Range.Lo
	skip := messages[len(messages)-1]
	assert.Equal(t, Suggest, messages[0].Kind)
	assert.Equal(t, Skip, skip.Kind)
	assert.T(t, skip.Skip.Lo == suggested+1 && skip.Skip.Hi > suggested+3, skip)
	assert.T(t, writes(e, 50, delay/50) > 3)
}

// A voter that is slow and idle is further ahead than one that is only idle ever is, or that one's next write
// would wait for it.
func TestSlowVoterLeadsTheIdle(t *testing.T) {
	slow, quick := wide(t), wide(t)
	trips(slow, delay/4, delay/20)
	trips(quick, delay/20, delay/20)
	for heard := range 100 {
		slow.pace.heard, quick.pace.heard = heard, heard
		least, most := leastLead(slow.lead()), quick.lead()
		assert.T(t, least > most, heard, least, most)
	}
}

// How far our own batches jump depends on the pace; if they counted, it would go up and up.
func TestOwnBatchesDoNotQuickenThePace(t *testing.T) {
	e := wide(t)
	trips(e, delay/4, delay/20)
	before := e.lead()
	for n := range uint64(100) {
		assert.Equal(t, nil, e.Propose(n, []byte("x")))
		e.Ready()
		e.Step(Message{Kind: Skip, From: "b", To: "a", Skip: Range{1, e.front}})
		e.Step(Message{Kind: Skip, From: "c", To: "a", Skip: Range{1, e.front}})
		e.Step(Message{Kind: Accepted, From: "b", To: "a", Owner: "a", Range: one(e.front)})
		for _, d := range e.Ready().Decisions {
			e.Applied(d.Instance, nil)
		}
	}
	e.proposer.busyUntil = 0
	assert.Equal(t, before, e.lead())
}
