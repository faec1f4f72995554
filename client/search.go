package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// search is the looking for a connection to replace one. All requests that
// need it share it. cn and err are set before done is closed.
type search struct {
	old   *conn // may be nil
	leave bool  // old still works: let its requests finish first

	done chan struct{}
	cn   *conn
	err  error
}

// connection returns the connection in use, or finds one. It may break at any
// time.
func (c *Client) connection(ctx context.Context) (*conn, error) {
	if cn := c.cur.Load(); cn != nil {
		return cn, nil
	}
	s, cn, err := c.joinSearch()
	if err != nil || cn != nil {
		return cn, err
	}
	select {
	case <-s.done:
		return s.cn, s.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// joinSearch returns the search under way, begins one, or returns the
// connection that one has just found.
func (c *Client) joinSearch() (*search, *conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, ErrClosed
	}
	if cn := c.cur.Load(); cn != nil {
		return nil, cn, nil
	}
	if c.search == nil {
		c.beginSearch(&search{})
	}
	return c.search, nil, nil
}

// replace begins the search for another connection than cn, unless somebody
// has begun it already.
func (c *Client) replace(cn *conn, leave bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed && c.cur.CompareAndSwap(cn, nil) {
		c.beginSearch(&search{old: cn, leave: leave})
	}
}

// beginSearch needs c.mu.
func (c *Client) beginSearch(s *search) {
	s.done = make(chan struct{})
	c.search = s
	c.wg.Go(func() {
		c.retire(s)
		c.find(s)
		c.publish(s)
	})
}

// retire ends the connection to be replaced and puts its address last.
func (c *Client) retire(s *search) {
	if s.old == nil {
		// The last search has failed, and its caller has had the pauses.
		c.failures = 0
		return
	}
	if s.leave {
		s.old.leave(c.ctx)
	}
	reason := errLeft
	if c.ctx.Err() != nil {
		reason = ErrClosed
	}
	s.old.close(reason)
	c.addrs = rotated(c.addrs)
	c.failures = c.failuresAfter(s)
}

// failuresAfter judges the connection that is to be replaced. One that broke
// soon without having answered anything is one failure more, so that servers
// that do nothing but accept are not asked ever faster.
func (c *Client) failuresAfter(s *search) int {
	switch {
	case s.leave || time.Since(s.old.born) > c.cfg.MaxBackoff:
		return 0
	case s.old.served.Load():
		return 1
	}
	return c.failures + 1
}

// find tries all addresses, round after round, for RetryFor.
func (c *Client) find(s *search) {
	ctx, cancel := context.WithTimeoutCause(c.ctx, c.cfg.RetryFor, errDialTimeout)
	defer cancel()
	for {
		if !sleep(ctx, c.backoff()) {
			break
		}
		cn, err := c.tryAll(ctx)
		if err == nil {
			s.cn, s.err = cn, nil
			return
		}
		c.failures++
		if s.err == nil || ctx.Err() == nil {
			s.err = err
		}
		if errors.Is(err, ErrPermission) {
			break
		}
	}
	if s.err == nil {
		s.err = fmt.Errorf("no server found within %v: %w", c.cfg.RetryFor, s.reason(ctx))
	}
}

// reason says why a search of which not even one round was made was begun, or
// else why it ended.
func (s *search) reason(ctx context.Context) error {
	if s.old != nil {
		return s.old.err
	}
	return context.Cause(ctx)
}

// publish lets everybody use what the search has found.
func (c *Client) publish(s *search) {
	c.mu.Lock()
	c.search = nil
	closed := c.closed
	if closed {
		s.err = ErrClosed
	} else {
		c.cur.Store(s.cn)
	}
	c.mu.Unlock()

	if closed && s.cn != nil {
		s.cn.close(ErrClosed)
		s.cn = nil
	}
	close(s.done)
}

// backoff returns how long to wait before the next round: nothing before the
// first, and then a random time between half of what the failures so far
// stand for and all of it.
func (c *Client) backoff() time.Duration {
	if c.failures == 0 {
		return 0
	}
	d := c.cfg.MinBackoff
	for n := 1; n < c.failures && d < c.cfg.MaxBackoff; n++ {
		d *= 2
	}
	d = min(d, c.cfg.MaxBackoff)
	return d/2 + time.Duration(c.cfg.Rand()*float64(d/2))
}

// sleep reports whether it slept for d before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// rotated puts the first address last.
func rotated(addrs []string) []string {
	return append(addrs[1:len(addrs):len(addrs)], addrs[0])
}

// shuffled returns the addresses in random order.
func shuffled(addrs []string, random func() float64) []string {
	s := slices.Clone(addrs)
	for i := len(s) - 1; i > 0; i-- {
		j := int(random() * float64(i+1))
		s[i], s[j] = s[j], s[i]
	}
	return s
}
