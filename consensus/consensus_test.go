package consensus

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/bmizerany/assert"
	"pgregory.net/rapid"
)

func newEngine(t *testing.T) *Engine {
	t.Helper()
	e, err := New(Config{ID: "A"}, Founding("A"))
	assert.Equal(t, nil, err)
	return e
}

func TestNewRefusesAnyOtherVoters(t *testing.T) {
	for _, voters := range [][]string{nil, {"B"}, {"A", "B"}, {"A", "A"}, {"A", "B", "C"}} {
		_, err := New(Config{ID: "A"}, Founding(voters...))
		assert.Equal(t, true, errors.Is(err, ErrVoters), voters)
	}
}

func TestNewRefusesNoID(t *testing.T) {
	_, err := New(Config{}, Founding(""))
	assert.NotEqual(t, nil, err)
	assert.Equal(t, false, errors.Is(err, ErrVoters))
}

func TestWhatWaitsIsBounded(t *testing.T) {
	e := newEngine(t)
	for tag := range uint64(MaxWaiting / 2) {
		assert.Equal(t, nil, e.Propose(tag, nil))
		assert.Equal(t, nil, e.Barrier(tag))
	}
	assert.Equal(t, ErrBusy, e.Propose(1, nil))
	assert.Equal(t, ErrBusy, e.Barrier(1))

	d := e.Ready().Decisions
	assert.Equal(t, MaxWaiting/2, len(d[0].Tags))
	assert.Equal(t, MaxWaiting/2, len(d[0].Barriers))
	assert.Equal(t, nil, e.Propose(1, nil))
}

func TestNothingIsDecidedUnasked(t *testing.T) {
	e := newEngine(t)
	assert.Equal(t, 0, len(e.Ready().Decisions))

	e.Propose(1, []byte("x"))
	e.Ready()
	assert.Equal(t, 0, len(e.Ready().Decisions))
}

func TestProposalsThatWaitShareABatch(t *testing.T) {
	e := newEngine(t)
	e.Propose(7, []byte("x"))
	e.Propose(5, []byte("y"))

	want := []Decision{{
		Instance: 1,
		Batch:    Batch{Proposer: "A", Seq: 1, Mutations: [][]byte{[]byte("x"), []byte("y")}},
		Tags:     []uint64{7, 5},
	}}
	assert.Equal(t, want, e.Ready().Decisions)
}

func TestBarrierJoinsABatchNotYetSuggested(t *testing.T) {
	e := newEngine(t)
	e.Propose(1, []byte("x"))
	e.Barrier(2)
	first := e.Ready().Decisions
	assert.Equal(t, []uint64{2}, first[0].Barriers)

	e.Barrier(3)
	second := e.Ready().Decisions
	assert.Equal(t, []uint64{3}, second[0].Barriers)
}

func TestBarrierAloneIsABatchOfItsOwn(t *testing.T) {
	e := newEngine(t)
	e.Barrier(9)

	want := []Decision{{Instance: 1, Batch: Batch{Proposer: "A", Seq: 1}, Barriers: []uint64{9}}}
	assert.Equal(t, want, e.Ready().Decisions)
}

// TestEveryProposalIsDecidedOnce runs random schedules against the plain
// sequence of what was proposed.
func TestEveryProposalIsDecidedOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{T: rt, engine: newEngine(t)}
		rt.Repeat(map[string]func(*rapid.T){
			"propose": m.propose,
			"barrier": m.barrier,
			"ready":   m.ready,
		})
		m.ready(rt)
		if len(m.proposed)+len(m.barriers) != 0 {
			rt.Fatalf("never decided: proposals %v, barriers %v", m.proposed, m.barriers)
		}
	})
}

// model holds the tags that have not come back, in the order they went in.
type model struct {
	*rapid.T
	engine             *Engine
	tag                uint64
	instance           uint64
	proposed, barriers []uint64
}

func (m *model) propose(*rapid.T) {
	m.tag++
	m.engine.Propose(m.tag, binary.BigEndian.AppendUint64(nil, m.tag))
	m.proposed = append(m.proposed, m.tag)
}

func (m *model) barrier(*rapid.T) {
	m.tag++
	m.engine.Barrier(m.tag)
	m.barriers = append(m.barriers, m.tag)
}

func (m *model) ready(*rapid.T) {
	for _, d := range m.engine.Ready().Decisions {
		m.instance++
		if d.Instance != m.instance {
			m.Fatalf("instance %d where %d is due", d.Instance, m.instance)
		}
		for i, mutation := range d.Batch.Mutations {
			if tag := binary.BigEndian.Uint64(mutation); tag != d.Tags[i] {
				m.Fatalf("mutation of %d came with tag %d", tag, d.Tags[i])
			}
		}
		m.proposed = m.match(d.Tags, m.proposed)
		m.barriers = m.match(d.Barriers, m.barriers)
	}
}

// match takes got from the front of want.
func (m *model) match(got, want []uint64) []uint64 {
	if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
		m.Fatalf("got %v, want the beginning of %v", got, want)
	}
	return want[len(got):]
}
