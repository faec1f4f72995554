package consensus

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// FuzzStep feeds an engine arbitrary messages from arbitrary senders, between honest use by its caller. It
// must not panic, and its own state must keep its invariants.
func FuzzStep(f *testing.F) {
	f.Add([]byte{})
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		b := make([]byte, 600)
		for k := range b {
			b[k] = byte(r.IntN(256))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		in := source(input)
		e, err := New(Config{ID: "b", Rand: rand.New(rand.NewPCG(1, 2)), Window: 8, Retain: 4, MaxInFlight: 3}, Founding("a", "b", "c"))
		if err != nil {
			t.Fatal(err)
		}
		h := host{engine: e, withdrawn: map[uint64]bool{}}
		for len(in) > 0 {
			h.act(t, &in)
			checkInvariants(t, e)
		}
	})
}

// host is the caller of an engine under fuzzing.
type host struct {
	engine    *Engine
	now       time.Duration
	tag       uint64
	pending   []Decision
	withdrawn map[uint64]bool
}

func (h *host) act(t *testing.T, in *source) {
	switch e := h.engine; in.next() % 8 {
	case 0:
		h.now += time.Duration(in.next()) * time.Millisecond
		e.Tick(h.now)
	case 1:
		h.tag++
		_ = e.Propose(h.tag, []byte{in.next()})
	case 2:
		h.tag++
		_ = e.Barrier(h.tag)
	case 3:
		h.take(t, e.Ready())
	case 4:
		if len(h.pending) > 0 {
			e.Applied(h.pending[0].Instance, in.ids())
			h.pending = h.pending[1:]
		}
	case 5:
		h.seldom(in)
	default:
		e.Step(in.message())
	}
}

func (h *host) seldom(in *source) {
	switch e := h.engine; in.next() % 8 {
	case 0:
		if ok, _ := e.Install(in.snapshot()); ok {
			h.pending = nil
		}
	case 1:
		e.Escape()
	case 2:
		e.Suspect(in.id())
	case 3:
		for _, tag := range e.Withdraw(in.number()) {
			h.withdrawn[tag] = true
		}
	case 4:
		e.Trim()
	case 5:
		e.Linger()
	}
}

// take keeps what is to be applied. What was taken back does not happen, nor does it fail.
func (h *host) take(t *testing.T, r Ready) {
	for _, d := range r.Decisions {
		for _, tag := range slices.Concat(d.Tags, d.Barriers) {
			if h.withdrawn[tag] {
				t.Fatalf("%d was taken back, and is decided in %d", tag, d.Instance)
			}
		}
	}
	for _, f := range r.Failures {
		if h.withdrawn[f.Tag] {
			t.Fatalf("%d was taken back, and fails: %v", f.Tag, f.Err)
		}
	}
	h.pending = append(h.pending, r.Decisions...)
}

// source is the bytes that decide what happens.
type source []byte

func (s *source) next() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

func (s *source) id() string { return []string{"a", "b", "c", "d", ""}[s.next()%5] }

func (s *source) ids() []string {
	var ids []string
	for k, b := 0, s.next(); k < 4; k++ {
		if b>>k&1 == 1 && b < 128 {
			ids = append(ids, string(rune('a'+k)))
		}
	}
	return ids
}

// number is small mostly, and now and then at the edge of what there is.
func (s *source) number() uint64 {
	b := s.next()
	switch {
	case b == 255:
		return ^uint64(0)
	case b == 254:
		return 1 << 63
	case b == 253:
		return MaxInstance
	}
	return uint64(b % 32)
}

func (s *source) span() Range {
	lo := s.number()
	if s.next()%2 == 0 {
		return one(lo)
	}
	return Range{lo, s.number()}
}

func (s *source) batch() Batch {
	switch s.next() % 4 {
	case 0:
		return Batch{}
	case 1:
		return Batch{Proposer: s.id(), Seq: s.number()}
	}
	return Batch{Proposer: s.id(), Seq: uint64(s.next() % 4), Mutations: [][]byte{{s.next()}}}
}

func (s *source) message() Message {
	m := Message{Kind: Kind(s.next() % 16), From: s.id(), To: "b", Owner: s.id(), Range: s.span(), Ballot: s.number(), Batch: s.batch()}
	if s.next()%3 == 0 {
		m.Skip = s.span()
	}
	for range s.next() % 3 {
		m.Votes = append(m.Votes, Vote{s.number(), s.number(), s.batch()})
		m.Batches = append(m.Batches, s.batch())
	}
	if s.next()%2 == 0 {
		m.Range.Hi = m.Range.Lo + uint64(len(m.Batches))
	}
	m.Applied = s.number()
	m.Sent, m.Echo, m.Held, m.RoundTrip = time.Duration(s.number()), time.Duration(s.number()), time.Duration(s.number()), time.Duration(s.number())
	m.Answer = s.next()%2 == 0
	return m
}

func (s *source) snapshot() Snapshot {
	snap := Snapshot{Instance: s.number(), Eras: []Era{{From: s.number(), Voters: s.ids()}}}
	if s.next()%2 == 0 {
		snap.Eras = append(snap.Eras, Era{From: s.number(), Voters: s.ids()})
	}
	return snap
}
