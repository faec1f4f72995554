package store

import "sync/atomic"

// MaxHistory is the largest number of revs that a store can retain.
const MaxHistory = 1 << 24

// A version is what one rev left behind.
type version struct {
	snapshot Snapshot
	event    Event // none at rev 0, and where the version was installed
}

// hasEvent reports whether it is known what happened at this rev.
func (v *version) hasEvent() bool { return v.event.Rev != 0 }

// history holds the last versions in a ring. The writer adds to it; readers
// need no lock.
type history struct {
	ring   []atomic.Pointer[version] // the version of rev r is at r modulo the length, until another takes its place
	newest atomic.Pointer[version]   // stored last, so whatever is not after it has been in the ring
}

func newHistory(length int) *history {
	h := &history{ring: make([]atomic.Pointer[version], length)}
	h.newest.Store(&version{snapshot: Snapshot{root: emptyDir()}})
	return h
}

func (h *history) slot(rev int64) *atomic.Pointer[version] {
	return &h.ring[rev%int64(len(h.ring))]
}

// add makes v the newest version.
func (h *history) add(v *version) {
	h.slot(v.snapshot.rev).Store(v)
	h.newest.Store(v)
}

// begin makes v the newest version and the only one. Meanwhile a reader may be
// told of an earlier one that it is too late for it.
func (h *history) begin(v *version) {
	for i := range h.ring {
		h.ring[i].Store(nil)
	}
	h.add(v)
}

// at returns the version of rev, where revs below 1 mean 1. The error is
// ErrTooLate or ErrFuture.
func (h *history) at(rev int64) (*version, error) {
	rev = max(rev, 1)
	if rev > h.newest.Load().snapshot.rev {
		return nil, ErrFuture
	}
	v := h.slot(rev).Load()
	if v == nil || v.snapshot.rev != rev {
		return nil, ErrTooLate
	}
	return v, nil
}

// find returns the first version, from rev from to rev to, whose event matches
// g; or, if g is nil, just the first; nil if there is none. The error is
// ErrTooLate.
func (h *history) find(g *Glob, from, to int64) (*version, error) {
	for rev := from; rev <= to; rev++ {
		v, err := h.at(rev)
		if err != nil {
			return nil, err
		}
		switch {
		case g == nil:
			return v, nil
		case !v.hasEvent():
			return nil, ErrTooLate
		case g.Match(v.event.Path):
			return v, nil
		}
	}
	return nil, nil
}
