package client_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/wire"
)

func TestWatchGoesOnFromTheNextRev(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		wait := func(p *remote, rev int64) *wire.Request {
			r := p.want(wire.Request_WAIT)
			if r.GetRev() != rev || r.GetPath() != "/w/*" {
				p.fatalf("got %v, want rev %d", r, rev)
			}
			return r
		}
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			p.hello(10) // the present rev
			p.send(wait(p, 10), event(10, "/w/a", "1"))
			p.send(wait(p, 11), event(15, "/w/b", "2"))
			wait(p, 16)
		})
		n.serve("b:1", func(p *remote) {
			p.hello(20)
			p.send(wait(p, 16), event(16, "/w/c", "3"))
			r := wait(p, 17)
			if p.want(wire.Request_CANCEL).GetOtherTag() != r.GetTag() {
				p.fatalf("cancels something else")
			}
			p.rest()
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var revs []int64
		var end error
		for ev, err := range n.client("a:1", "b:1").Watch(ctx, "/w/*", client.Now) {
			if end = err; err != nil {
				continue // it must end by itself
			}
			if revs = append(revs, ev.Rev); ev.Rev == 16 {
				go func() {
					synctest.Wait()
					cancel()
				}()
			}
		}
		assert.Equal(t, []int64{10, 15, 16}, revs)
		assert.Equal(t, context.Canceled, end)
		synctest.Wait()
	})
}

func TestWatchEndsWhenNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) { p.hello(10); p.want(wire.Request_WAIT) })
		c := n.client("a:1")
		start := time.Now()
		for _, err := range c.Watch(t.Context(), "/**", 5) {
			assert.Equal(t, true, errors.Is(err, syscall.ECONNREFUSED))
		}
		assert.Equal(t, client.DefaultRetryFor, time.Since(start))
	})
}

func TestWatchThatIsBrokenOffAsksForNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			p.send(p.want(wire.Request_WAIT), event(5, "/a", ""))
			if r := p.next(); r != nil {
				p.fatalf("unexpected %v", r)
			}
		})
		c := n.client("a:1")
		for range c.Watch(t.Context(), "/**", 5) {
			break
		}
		synctest.Wait()
	})
}

// A server that joined lately, or took a snapshot, lacks events that others have.
func TestWatchGoesOnWhereHistoryIsLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		for _, addr := range []string{"a:1", "b:1"} {
			n.serve(addr, func(p *remote) {
				p.hello(20)
				p.send(p.want(wire.Request_WAIT), refusal(wire.Response_TOO_LATE, ""))
			})
		}
		n.serve("c:1", func(p *remote) {
			p.hello(20)
			p.send(p.want(wire.Request_WAIT), event(15, "/w/a", "1"))
			p.rest()
		})
		for ev, err := range n.client("a:1", "b:1", "c:1").Watch(t.Context(), "/w/*", 15) {
			assert.Equal(t, nil, err)
			assert.Equal(t, int64(15), ev.Rev)
			break
		}
		assert.Equal(t, []string{"a:1", "b:1", "c:1"}, n.dialled())
	})
}

func TestWatchEndsWhenNobodyHasTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		for _, addr := range []string{"a:1", "b:1"} {
			n.serve(addr, answering(wire.Request_WAIT, refusal(wire.Response_TOO_LATE, "")))
		}
		for _, err := range n.client("a:1", "b:1").Watch(t.Context(), "/w/*", 5) {
			assert.Equal(t, true, errors.Is(err, client.ErrTooLate))
		}
		assert.Equal(t, []string{"a:1", "b:1"}, n.dialled())
	})
}
