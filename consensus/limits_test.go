package consensus

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bmizerany/assert"
)

// aloneWith returns an engine that decides by itself, with this limit on a batch.
func aloneWith(t *testing.T, batchBytes int) *Engine {
	t.Helper()
	e, err := New(Config{ID: "a", Rand: rand.New(rand.NewPCG(1, 1)), BatchBytes: batchBytes}, Founding("a"))
	assert.Equal(t, nil, err)
	return e
}

// decides proposes mutations of these lengths in one turn, and returns how many of them each batch has.
func decides(t *testing.T, e *Engine, lengths ...int) []int {
	t.Helper()
	for k, n := range lengths {
		assert.Equal(t, nil, e.Propose(uint64(k), make([]byte, n)))
	}
	var batches []int
	for _, d := range e.Ready().Decisions {
		batches = append(batches, len(d.Batch.Mutations))
		e.Applied(d.Instance, nil)
	}
	return batches
}

func TestBatchEndsBeforeTheMutationThatExceedsIt(t *testing.T) {
	assert.Equal(t, []int{2, 1}, decides(t, aloneWith(t, 100), 50, 50, 1))
	assert.Equal(t, []int{1, 1}, decides(t, aloneWith(t, 100), 51, 50))
}

func TestMutationThatExceedsABatchIsAloneInIt(t *testing.T) {
	assert.Equal(t, []int{1, 1, 1}, decides(t, aloneWith(t, 100), 1, 101, 1))
	assert.Equal(t, []int{1, 2}, decides(t, aloneWith(t, 100), 101, 0, 100))
}

func TestBarriersTakeNoRoomInABatch(t *testing.T) {
	e := aloneWith(t, 100)
	assert.Equal(t, nil, e.Barrier(1))
	assert.Equal(t, nil, e.Propose(2, make([]byte, 101)))
	assert.Equal(t, nil, e.Barrier(3))
	assert.Equal(t, []uint64{1, 3}, e.Ready().Decisions[0].Barriers)
}

func TestLogReplyEndsBeforeTheBatchThatExceedsIt(t *testing.T) {
	e := aloneWith(t, MaxBatchBytes)
	const half = MaxMessageSize/2 - 2*partSize
	for _, n := range []int{half, half, MaxMessageSize, 1, 1} {
		decides(t, e, n)
	}
	for i, want := range map[uint64]int{1: 2, 2: 1, 3: 1, 4: 2} {
		batches, ok := e.log.from(i, MaxLogBatches)
		assert.T(t, ok)
		assert.Equal(t, want, len(batches), i)
	}
}

// suggested is e with suggestions of b accepted, of mutations of these lengths.
func suggested(t *testing.T, e *Engine, lengths ...int) {
	t.Helper()
	for k, n := range lengths {
		i := uint64(1 + 5*k) // b owns 1, 6, 11, 16
		e.Step(Message{Kind: Suggest, From: "b", To: "a", Owner: "b", Range: one(i), Batch: Batch{"b", i, [][]byte{make([]byte, n)}}})
		assert.T(t, e.window.at(i).acceptor.voted)
	}
	e.Ready()
}

// A Promise that would be too large is several, and each names what it covers.
func TestPromiseIsCutBySize(t *testing.T) {
	e := lone(t, "a", "b", "c", "d", "e")
	const half = MaxMessageSize/2 - 3*partSize
	suggested(t, e, half, half, half, MaxMessageSize)
	e.Step(Message{Kind: Prepare, From: "c", To: "a", Owner: "b", Range: Range{1, 17}, Ballot: 7})
	promises := said(e, Promise)
	assert.Equal(t, 3, len(promises))
	for k, want := range []struct {
		r     Range
		votes int
	}{{Range{1, 7}, 2}, {one(11), 1}, {one(16), 1}} {
		assert.Equal(t, want.r, promises[k].Range)
		assert.Equal(t, want.votes, len(promises[k].Votes))
	}
}

// What is too much for one answer is asked for again, and answered then.
func TestAnswerIsCutBySize(t *testing.T) {
	e := lone(t, "a", "b", "c", "d", "e")
	suggested(t, e, MaxReplySize, MaxReplySize, 1)
	prepare := Message{Kind: Prepare, From: "c", To: "a", Owner: "b", Range: Range{1, 12}, Ballot: 7}
	e.Step(prepare)
	promises := said(e, Promise)
	assert.Equal(t, 1, len(promises))
	assert.Equal(t, one(1), promises[0].Range)
	prepare.Range.Lo = 6
	e.Step(prepare)
	promises = said(e, Promise)
	assert.Equal(t, 1, len(promises))
	assert.Equal(t, one(6), promises[0].Range)
	prepare.Range.Lo = 11
	e.Step(prepare)
	assert.Equal(t, one(11), said(e, Promise)[0].Range)
}

// A voter that died may have told only an observer what was decided: then that one is asked.
func TestFollowerIsAskedForWhatItKnows(t *testing.T) {
	e, err := New(Config{ID: "a", Rand: rand.New(rand.NewPCG(1, 1))}, Founding("a", "b"))
	assert.Equal(t, nil, err)
	e.Tick(time.Millisecond)
	e.Step(Message{Kind: Status, From: "c", To: "a", Applied: 5, Sent: 1})
	asked := false
	for now := time.Duration(0); now < 10*time.Second && !asked; now += 10 * time.Millisecond {
		e.Tick(now)
		for _, m := range e.Ready().Messages {
			asked = asked || m.Kind == Pull && m.To == "c"
		}
	}
	assert.T(t, asked)
}
