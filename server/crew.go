package server

import (
	"context"
	"sync"
	"sync/atomic"
)

// maxResting is how many goroutines of a crew may wait for a next task.
const maxResting = 16

// A crew does what must keep nobody waiting, each task on a goroutine of its
// own. One that has done its task rests and takes the next: a new one would
// have to grow its stack first, which costs as much as most tasks.
type crew struct {
	ctx     context.Context // when it ends, nobody rests any more
	tasks   chan task
	resting atomic.Int32
	all     sync.WaitGroup // its goroutines
}

// A task is what is to be done for a connection, as its helper.
type task struct {
	conn *conn
	do   func(*conn)
}

func newCrew(ctx context.Context) *crew { return &crew{ctx: ctx, tasks: make(chan task)} }

// start has t done, and does not wait for that.
func (w *crew) start(t task) {
	select {
	case w.tasks <- t:
	default:
		w.all.Go(func() { w.work(t) })
	}
}

func (w *crew) work(t task) {
	for ok := true; ok; t, ok = w.rest() {
		t.do(t.conn)
		t.conn.helpers.Done()
	}
}

// rest waits for a task, and returns false if none is to be waited for.
func (w *crew) rest() (t task, ok bool) {
	defer w.resting.Add(-1)
	if w.resting.Add(1) > maxResting {
		return task{}, false
	}
	select {
	case t := <-w.tasks:
		return t, true
	case <-w.ctx.Done():
		return task{}, false
	}
}

// help has do called for c on another goroutine.
func (c *conn) help(do func(*conn)) {
	c.helpers.Add(1)
	c.srv.crew.start(task{c, do})
}
