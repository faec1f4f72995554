package sim

import (
	"container/heap"
	"time"
)

// clock is simulated time: what is to happen, in order. Events at the same time happen in the order
// they were planned.
type clock struct {
	now     time.Duration
	planned int
	events  eventHeap
}

type event struct {
	at    time.Duration
	order int
	do    func()
}

// after plans do for d from now.
func (c *clock) after(d time.Duration, do func()) {
	c.planned++
	heap.Push(&c.events, event{c.now + max(0, d), c.planned, do})
}

// run lets everything happen that is planned up to the time until, or until stop says so.
func (c *clock) run(until time.Duration, stop func() bool) {
	for len(c.events) > 0 && c.events[0].at <= until && !stop() {
		e := heap.Pop(&c.events).(event)
		c.now = e.at
		e.do()
	}
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*h = old[:len(old)-1]
	return e
}
