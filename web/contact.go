package web

import (
	"context"
	"sync"
	"time"
)

// lookAround is how often a view asks whether its node hears a majority.
const lookAround = time.Second

// A contact knows whether a node is cut off from the majority of its cluster,
// and lets others wait for that to change.
type contact struct {
	members Cluster

	mu      sync.Mutex
	since   time.Time     // when it was found to be cut off; zero if it is not
	changed chan struct{} // closed when that changes
}

func newContact(members Cluster) *contact {
	c := &contact{members: members, changed: make(chan struct{})}
	c.look()
	return c
}

// run looks around until ctx ends.
func (c *contact) run(ctx context.Context) {
	t := time.NewTicker(lookAround)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			c.look()
		case <-ctx.Done():
			return
		}
	}
}

func (c *contact) look() {
	cut := c.members.Status().CutOff
	c.mu.Lock()
	defer c.mu.Unlock()
	if cut == !c.since.IsZero() {
		return
	}
	c.since = time.Time{}
	if cut {
		c.since = time.Now()
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// now returns since when the node is cut off, zero if it is not, and what is
// closed when that changes.
func (c *contact) now() (since time.Time, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since, c.changed
}

// secondsSince returns how long ago something was, nil if it was not.
func secondsSince(t time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	return new(time.Since(t).Seconds())
}
