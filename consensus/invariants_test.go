package consensus

import "testing"

// checkInvariants holds what must be true of an engine between any two calls.
func checkInvariants(t *testing.T, e *Engine) {
	t.Helper()
	ok := func(cond bool, what string) {
		t.Helper()
		if !cond {
			t.Fatalf("broken: %s", what)
		}
	}
	w := &e.window
	ok(w.applied <= e.handed && e.handed <= e.known && e.known < w.end(), "applied ≤ handed ≤ known, inside the window")
	for i := w.applied + 1; i < w.end(); i++ {
		s := w.at(i)
		ok(s.learner.decided || i > e.known, "everything up to known is decided")
		ok(s.era == eraIn(e.eras, i), "each slot is ruled by the era of its instance")
		a := &s.acceptor
		ok(!a.voted || a.ballot <= a.promised, "no vote above what is promised")
		if s.own != nil {
			ok(s.owner() == e.id && i < e.proposer.next, "only own instances are used, and those used are below next")
		}
	}
	if s := w.at(e.known + 1); s != nil {
		ok(!s.learner.decided, "known reaches as far as it can")
	}
	for k, f := range e.proposer.flights {
		s := w.at(f.instance)
		ok(s != nil && s.own == f && !s.learner.decided, "what is in flight is undecided")
		ok(k == 0 || e.proposer.flights[k-1].instance < f.instance, "flights are in order")
	}
	ok(len(e.followers) <= MaxFollowers, "followers are bounded")
	ok(len(e.peers) <= 2*MaxVoters*len(e.eras), "peers are bounded")
	ok(e.log.first+uint64(e.log.count) == w.applied+1, "the log ends with what was applied")
}
