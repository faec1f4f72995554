package client_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/wire"
)

// entry answers GETDIR and WALK for so many entries, all of one size.
func entry(r *wire.Request, entries, size int) *wire.Response {
	if int(r.GetOffset()) >= entries {
		return refusal(wire.Response_RANGE, "")
	}
	return event(5, fmt.Sprint(r.GetOffset()), string(make([]byte, size)))
}

// The requests ahead are few at first and bounded in number and in bytes.
func TestListingAsksAhead(t *testing.T) {
	for _, v := range []struct{ entries, size, atMost int }{
		{3, 0, 11}, // 8, and one more for each answer
		{3000, 0, 512},
		{30, 4 << 20, 8},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			most := 0
			n.serve("a:1", func(p *remote) {
				p.hello(10)
				requests := make(chan *wire.Request, 1000)
				go func() {
					defer close(requests)
					for r := p.next(); r != nil; r = p.next() {
						requests <- r
					}
				}()
				for r := range requests {
					synctest.Wait() // for all that the client sends ahead
					most = max(most, 1+len(requests))
					p.send(r, entry(r, v.entries, v.size))
				}
			})
			c := n.client("a:1")
			got := 0
			for _, err := range c.Walk(t.Context(), "/**", 5) {
				assert.Equal(t, nil, err)
				got++
			}
			assert.Equal(t, v.entries, got)
			if most > v.atMost {
				t.Errorf("%d requests ahead, want at most %d", most, v.atMost)
			}
		})
	}
}

func TestListingGoesOnElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			for range 20 {
				r := p.want(wire.Request_GETDIR)
				p.send(r, entry(r, 100, 0))
			}
		})
		n.serve("b:1", func(p *remote) {
			p.hello(10)
			for r := p.next(); r != nil; r = p.next() {
				if r.GetRev() != 10 {
					p.fatalf("got %v, want the same rev", r)
				}
				p.send(r, entry(r, 100, 0))
			}
		})
		c := n.client("a:1", "b:1")
		var names []string
		for name, err := range c.Getdir(t.Context(), "/", 10) {
			assert.Equal(t, nil, err)
			assert.Equal(t, fmt.Sprint(len(names)), name)
			names = append(names, name)
		}
		assert.Equal(t, 100, len(names))
	})
}

func TestListingEndsWithItsFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			for r := p.next(); r != nil; r = p.next() {
				if r.GetOffset() == 5 {
					p.send(r, refusal(wire.Response_TOO_LATE, ""))
				} else {
					p.send(r, entry(r, 100, 0))
				}
			}
		})
		var got []string
		for name, err := range n.client("a:1").Getdir(t.Context(), "/", 10) {
			got = append(got, fmt.Sprint(name, err))
		}
		assert.Equal(t, []string{"0<nil>", "1<nil>", "2<nil>", "3<nil>", "4<nil>", "TOO_LATE"}, got)
	})
}

func TestListingOfAnUnreachableCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) { p.hello(10) })
		c := n.client("a:1")
		synctest.Wait()
		for _, rev := range []int64{client.Now, 5} {
			var errs []string
			for _, err := range c.Walk(t.Context(), "/**", rev) {
				errs = append(errs, err.Error())
			}
			assert.Equal(t, []string{"a:1: connection refused"}, errs)
		}
	})
}

// A listing that is broken off leaves nothing that anybody waits for: not even
// whoever leaves the server.
func TestListingThatIsBrokenOffIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			for r := p.next(); r != nil; r = p.next() {
				switch {
				case r.GetVerb() == wire.Request_SET:
					p.send(r, refusal(wire.Response_READONLY, ""))
				case r.GetOffset() == 0:
					p.send(r, entry(r, 100, 0))
				}
			}
		})
		n.serve("b:1", answering(wire.Request_SET, &wire.Response{Rev: ptr[int64](11)}))
		c := n.client("a:1", "b:1")
		for range c.Walk(t.Context(), "/**", 5) {
			break
		}
		begun := time.Now()
		assert.Equal(t, nil, set(client.Clobber)(t.Context(), c))
		assert.Equal(t, time.Duration(0), time.Since(begun))
	})
}
