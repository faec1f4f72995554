package peer

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// queue takes proposals from any goroutine to the loop. What it may hold,
// together with what the loop has under way, is bounded by count and by bytes.
type queue struct {
	ready chan struct{} // holds a token if there may be something to take

	count *semaphore.Weighted
	bytes *semaphore.Weighted

	mu      sync.Mutex
	closed  bool
	waiting []proposal
	spare   []proposal // the slice taken before, to be filled again
}

func newQueue() *queue {
	return &queue{
		ready: make(chan struct{}, 1),
		count: semaphore.NewWeighted(MaxProposals),
		bytes: semaphore.NewWeighted(MaxProposalBytes),
	}
}

// put hands p over. It blocks while there is no place for it. The error is that
// of ctx, or ErrClosed; p was not taken then.
func (q *queue) put(ctx context.Context, p proposal) error {
	p.held = weight{count: 1, bytes: min(int64(len(p.mutation)), MaxProposalBytes)}
	if err := q.acquire(ctx, p.held); err != nil {
		return err
	}
	if err := q.append(p); err != nil {
		q.release(p.held)
		return err
	}
	select {
	case q.ready <- struct{}{}:
	default: // the loop has been told already
	}
	return nil
}

func (q *queue) acquire(ctx context.Context, w weight) error {
	if err := q.count.Acquire(ctx, w.count); err != nil {
		return err
	}
	if err := q.bytes.Acquire(ctx, w.bytes); err != nil {
		q.count.Release(w.count)
		return err
	}
	return nil
}

func (q *queue) append(p proposal) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	q.waiting = append(q.waiting, p)
	return nil
}

// release gives back the places of proposals that were answered.
func (q *queue) release(w weight) {
	q.count.Release(w.count)
	q.bytes.Release(w.bytes)
}

// take returns everything that waits, in the order it came. The slice is good
// until the next take; the caller clears it, so that nothing is held by it.
func (q *queue) take() []proposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.waiting
	q.waiting, q.spare = q.spare[:0], taken
	return taken
}

// close refuses whatever comes from now on.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}
