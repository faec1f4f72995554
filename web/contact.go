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
	cut     bool
	changed chan struct{} // closed when cut changes
}

func newContact(members Cluster) *contact {
	return &contact{members: members, cut: members.Status().CutOff, changed: make(chan struct{})}
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
	if cut == c.cut {
		return
	}
	c.cut = cut
	close(c.changed)
	c.changed = make(chan struct{})
}

// now returns whether the node is cut off, and what is closed when that changes.
func (c *contact) now() (cut bool, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut, c.changed
}
