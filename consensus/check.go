package consensus

import "errors"

// Check returns an error that names the first broken invariant that it finds, of those that hold between any two calls;
// nil if all is well. It looks at the whole window: it is for tests.
func (e *Engine) Check() error {
	c := engineCheck{e: e}
	c.window()
	c.flights()
	c.that(len(e.followers) <= MaxFollowers, "followers are bounded")
	c.that(len(e.former) <= maxFormer, "former voters are bounded")
	c.that(len(e.peers) <= 2*MaxVoters*len(e.eras), "peers are bounded")
	c.that(e.log.first+uint64(e.log.count) == e.window.applied+1, "the log ends with what was applied")
	return c.err
}

// An engineCheck keeps what was found first.
type engineCheck struct {
	e   *Engine
	err error
}

func (c *engineCheck) that(ok bool, what string) {
	if !ok && c.err == nil {
		c.err = errors.New("broken: " + what)
	}
}

func (c *engineCheck) window() {
	e, w := c.e, &c.e.window
	c.that(w.applied <= e.handed && e.handed <= e.known && e.known < w.end(), "applied ≤ handed ≤ known, inside the window")
	for i := w.applied + 1; i < w.end(); i++ {
		c.slot(i, w.at(i))
	}
	if s := w.at(e.known + 1); s != nil {
		c.that(!s.learner.decided, "known reaches as far as it can")
	}
}

func (c *engineCheck) slot(i uint64, s *slot) {
	a := &s.acceptor
	c.that(s.learner.decided || i > c.e.known, "everything up to known is decided")
	c.that(s.era == eraIn(c.e.eras, i), "each slot is ruled by the era of its instance")
	c.that(!a.voted || a.ballot <= a.promised, "no vote above what is promised")
	if s.own != nil {
		c.that(s.owner() == c.e.id && i < c.e.proposer.next, "only own instances are used, and those used are below next")
	}
}

func (c *engineCheck) flights() {
	flights := c.e.proposer.flights
	for k, f := range flights {
		s := c.e.window.at(f.instance)
		c.that(s != nil && s.own == f && !s.learner.decided, "what is in flight is undecided")
		c.that(k == 0 || flights[k-1].instance < f.instance, "flights are in order")
	}
}
