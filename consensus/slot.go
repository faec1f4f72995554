package consensus

import "iter"

// slot is one undecided or not yet applied instance: who rules it, what we accepted, what we learned.
type slot struct {
	instance uint64
	era      *era
	acceptor acceptor
	learner  learner
	own      *suggestion // what we suggested here at ballot 0, if it is ours and we did
}

func (s *slot) owner() string { return s.era.owner(s.instance) }

// legal reports whether batch could have been put to this instance by someone who keeps the rules: only
// the owner proposes a batch at first hand, everyone else the no-op or what the owner proposed.
func (s *slot) legal(batch *Batch, self string) bool {
	if !batch.WellFormed() {
		return false
	}
	if batch.Noop() {
		return true
	}
	owner := s.owner()
	if batch.Proposer != owner {
		return false
	}
	return owner != self || s.own != nil && s.own.batch.Same(batch)
}

// window is the instances we take part in: applied < i ≤ applied+size. Only there do we know who the
// voters are, so only there do we propose, promise and accept.
type window struct {
	size    uint64
	applied uint64
	slots   []slot // instance i is slots[i%size]
}

func newWindow(size uint64) window { return window{size: size, slots: make([]slot, size)} }

// end is the first instance beyond the window.
func (w *window) end() uint64 { return w.applied + w.size + 1 }

// at returns the slot of instance i, or nil outside the window.
func (w *window) at(i uint64) *slot {
	if i <= w.applied || i >= w.end() {
		return nil
	}
	s := &w.slots[i%w.size]
	must(s.instance == i, "slot holds another instance")
	return s
}

// advance moves the window by one; the instance that comes in is ruled by era.
func (w *window) advance(era *era) {
	w.applied++
	w.reset(w.applied+w.size, era)
}

func (w *window) reset(i uint64, era *era) {
	w.slots[i%w.size] = slot{instance: i, era: era}
}

// inside returns the part of r that is in the window.
func (w *window) inside(r Range) Range {
	return Range{max(r.Lo, w.applied+1), min(r.Hi, w.end())}
}

// owned yields the slots of owner's instances in r, as far as they are in the window.
func (w *window) owned(r Range, owner string) iter.Seq[*slot] {
	r = w.inside(r)
	return func(yield func(*slot) bool) {
		for i := r.Lo; i < r.Hi; {
			s := w.at(i)
			if s.owner() != owner {
				i++
				continue
			}
			if !yield(s) {
				return
			}
			i = w.nextTurn(s)
		}
	}
}

// nextTurn returns the next instance that may be of the owner of s: a whole row on, unless others rule there.
func (w *window) nextTurn(s *slot) uint64 {
	row := uint64(len(s.era.voters))
	if next := w.at(s.instance + row); next == nil || next.era != s.era {
		return s.instance + 1
	}
	return s.instance + row
}
