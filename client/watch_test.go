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

// Nothing that matches has happened for so long that no server has the rev any
// more from which the watch began.
func TestQuietWatchKeepsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			p.want(wire.Request_WAIT)
			for rev := range int64(3) {
				newest := 5000 + rev
				p.send(p.want(wire.Request_REV), &wire.Response{Rev: &newest})
				r := p.want(wire.Request_WAIT)
				if want := []int64{10, 5001, 5002}[rev]; r.GetRev() != want || r.GetPath() != "/w/*" {
					p.fatalf("got %v, want rev %d", r, want)
				}
				cancel := p.want(wire.Request_CANCEL)
				if cancel.GetOtherTag() != r.GetTag() {
					p.fatalf("cancels something else")
				}
				p.send(r, refusal(wire.Response_OTHER, wire.DetailCancelled))
				p.send(cancel, &wire.Response{})
			}
		})
		n.serve("b:1", func(p *remote) {
			p.hello(6000)
			r := p.want(wire.Request_WAIT)
			if r.GetRev() != 5003 {
				p.fatalf("got %v, want rev 5003", r)
			}
			p.send(r, event(6001, "/w/a", "1"))
			p.rest()
		})
		for ev, err := range n.client("a:1", "b:1").Watch(t.Context(), "/w/*", 10) {
			assert.Equal(t, nil, err)
			assert.Equal(t, int64(6001), ev.Rev)
			break
		}
		synctest.Wait()
	})
}

// A watch that stays quiet asks less and less often, but keeps asking.
func TestQuietWatchAsksSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		var looks []time.Duration
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			p.want(wire.Request_WAIT)
			begun := time.Now()
			for r := p.next(); r != nil; r = p.next() {
				p.rev++
				switch r.GetVerb() {
				case wire.Request_WAIT:
					looks = append(looks, time.Since(begun))
					p.send(r, refusal(wire.Response_OTHER, wire.DetailCancelled))
				default:
					p.send(r, &wire.Response{Rev: &p.rev})
				}
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Second/2)
		defer cancel()
		_, err := n.client("a:1").Wait(ctx, "/w/*", 10)
		assert.Equal(t, context.DeadlineExceeded, err)
		synctest.Wait()
		var want []time.Duration
		for _, s := range []time.Duration{1, 3, 7, 15, 30, 45, 60} {
			want = append(want, s*time.Second)
		}
		assert.Equal(t, want, looks)
	})
}

// How far a watch has come is not known if a server says anything else, and a
// rev that is older than what the watch waits for tells nothing.
func TestQuietWatchKeepsToWhatIsProven(t *testing.T) {
	for name, answer := range map[string]func(p *remote, wait, cancel *wire.Request){
		"found": func(p *remote, wait, cancel *wire.Request) {
			p.send(wait, event(20, "/w/a", "1"))
			p.send(cancel, &wire.Response{})
		},
		"too late": func(p *remote, wait, cancel *wire.Request) {
			p.send(wait, refusal(wire.Response_TOO_LATE, ""))
			p.send(cancel, &wire.Response{})
		},
		"too many": func(p *remote, wait, cancel *wire.Request) {
			p.send(wait, refusal(wire.Response_OTHER, "too many waiting requests"))
			p.send(cancel, &wire.Response{})
		},
		"no CANCEL": func(p *remote, _, cancel *wire.Request) {
			p.send(cancel, refusal(wire.Response_UNKNOWN_VERB, ""))
		},
		"no answer": func(*remote, *wire.Request, *wire.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.serve("a:1", func(p *remote) {
					p.hello(10)
					p.want(wire.Request_WAIT)
					newest := int64(5000)
					p.send(p.want(wire.Request_REV), &wire.Response{Rev: &newest})
					wait := p.want(wire.Request_WAIT)
					answer(p, wait, p.want(wire.Request_CANCEL))
				})
				n.serve("b:1", func(p *remote) {
					p.hello(6000)
					r := p.want(wire.Request_WAIT)
					if r.GetRev() != 10 {
						p.fatalf("got %v, want rev 10", r)
					}
					p.send(r, event(20, "/w/a", "1"))
					p.rest()
				})
				for ev, err := range n.client("a:1", "b:1").Watch(t.Context(), "/w/*", 10) {
					assert.Equal(t, nil, err)
					assert.Equal(t, int64(20), ev.Rev)
					break
				}
				synctest.Wait()
			})
		})
	}
}

// A rev to come is not asked for again.
func TestWatchOfARevToComeKeepsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			p.want(wire.Request_WAIT)
			newest := int64(99)
			p.send(p.want(wire.Request_REV), &wire.Response{Rev: &newest})
			p.send(p.want(wire.Request_REV), &wire.Response{Rev: &newest})
		})
		n.serve("b:1", func(p *remote) {
			p.hello(99)
			r := p.want(wire.Request_WAIT)
			if r.GetRev() != 100 {
				p.fatalf("got %v, want rev 100", r)
			}
			p.send(r, event(100, "/w/a", "1"))
			p.rest()
		})
		for ev, err := range n.client("a:1", "b:1").Watch(t.Context(), "/w/*", 100) {
			assert.Equal(t, nil, err)
			assert.Equal(t, int64(100), ev.Rev)
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

// Like a listing, a watch that is ranged over again begins again.
func TestWatchBeginsAgainAtItsRev(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			for r := p.next(); r != nil; r = p.next() {
				p.send(r, event(r.GetRev(), "/a", ""))
			}
		})
		watch := n.client("a:1").Watch(t.Context(), "/**", 5)
		for range 2 {
			var revs []int64
			for ev, err := range watch {
				assert.Equal(t, nil, err)
				if revs = append(revs, ev.Rev); len(revs) == 2 {
					break
				}
			}
			assert.Equal(t, []int64{5, 6}, revs)
		}
	})
}
