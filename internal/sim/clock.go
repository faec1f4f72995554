package sim

import "time"

// clock is simulated time: what is to happen, in order. Events at the same time happen in the order
// they were planned.
type clock struct {
	now     time.Duration
	planned int
	events  agenda
}

type event struct {
	at    time.Duration
	order int
	do    func()
}

func (e *event) before(f *event) bool { return e.at < f.at || e.at == f.at && e.order < f.order }

// after plans do for d from now.
func (c *clock) after(d time.Duration, do func()) {
	c.planned++
	c.events.add(event{c.now + max(0, d), c.planned, do})
}

// run lets everything happen that is planned up to the time until, or until stop says so.
func (c *clock) run(until time.Duration, stop func() bool) {
	for len(c.events) > 0 && c.events[0].at <= until && !stop() {
		e := c.events.next()
		c.now = e.at
		e.do()
	}
}

// agenda is a heap: the next event comes first. (container/heap would allocate for each of them.)
type agenda []event

func (a *agenda) add(e event) {
	h := append(*a, e)
	*a = h
	k := len(h) - 1
	for k > 0 && e.before(&h[(k-1)/2]) {
		h[k] = h[(k-1)/2]
		k = (k - 1) / 2
	}
	h[k] = e
}

// next takes the next event out.
func (a *agenda) next() event {
	h := *a
	first, last := h[0], h[len(h)-1]
	h[len(h)-1] = event{}
	h = h[:len(h)-1]
	*a = h
	if len(h) > 0 {
		h.sink(last)
	}
	return first
}

// sink puts e where the first one was, or below.
func (a agenda) sink(e event) {
	k := 0
	for {
		child := 2*k + 1
		if child+1 < len(a) && a[child+1].before(&a[child]) {
			child++
		}
		if child >= len(a) || !a[child].before(&e) {
			a[k] = e
			return
		}
		a[k] = a[child]
		k = child
	}
}
