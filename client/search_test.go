package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/wire"
)

func TestDialTriesEachAddressOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		_, err := client.DialConfig(t.Context(), n.config("a:1", "b", "c:3"))
		assert.Equal(t, []string{"a:1", "b:8046", "c:3"}, n.dialled())
		assert.Equal(t, "a:1: connection refused; b:8046: connection refused; c:3: connection refused", err.Error())
		assert.Equal(t, true, errors.Is(err, syscall.ECONNREFUSED))
		var lost *client.ConnError
		assert.Equal(t, true, errors.As(err, &lost))
	})
}

func TestAddressesAreTriedInRandomOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		orders := make(map[string]bool)
		for i := range 64 {
			n := newNetwork(t)
			cfg := n.config("a:1", "b:1", "c:1")
			draws := []float64{float64(i%8) / 8, float64(i/8) / 8}
			cfg.Rand = func() float64 {
				d := draws[0]
				draws = draws[1:]
				return d
			}
			_, err := client.DialConfig(t.Context(), cfg)
			assert.Equal(t, true, errors.Is(err, syscall.ECONNREFUSED))
			orders[fmt.Sprint(n.dialled())] = true
		}
		assert.Equal(t, 6, len(orders)) // each order of three
	})
}

func TestServerThatAcceptsAndSaysNothingIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", (*remote).rest)
		n.serve("b:1", func(p *remote) { p.hello(1); p.rest() })
		n.client("a:1", "b:1")
		assert.Equal(t, client.DefaultDialTimeout, n.dials[1].at)
	})
}

func TestDialTimeoutSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", (*remote).rest)
		_, err := client.DialConfig(t.Context(), n.config("a:1"))
		assert.Equal(t, true, errors.Is(err, os.ErrDeadlineExceeded))
		assert.Equal(t, "a:1: no answer in time: i/o timeout", err.Error())
	})
}

// over is a context whose time is over, and that does not know yet.
type over struct{ context.Context }

func (over) Deadline() (time.Time, bool) { return time.Now(), true }

// Dialers have clocks of their own: what they say of a time that is over is not more than its ctx says a moment later.
func TestDialerThatNoticesFirstThatTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithTimeoutCause(t.Context(), time.Millisecond, errors.New("too late"))
		defer end()
		_, err := client.DialConfig(over{ctx}, client.Config{
			Addrs: []string{"a:1"},
			DialFunc: func(_ context.Context, network, _ string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
			},
		})
		assert.Equal(t, "a:1: too late", err.Error())
	})
}

func TestDialEndsWithItsCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", (*remote).rest)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.DialConfig(ctx, n.config("a:1"))
		assert.Equal(t, true, errors.Is(err, context.DeadlineExceeded))
	})
}

func TestServerThatHangsUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(*remote) {})
		_, err := client.DialConfig(t.Context(), n.config("a:1"))
		assert.Equal(t, true, strings.HasPrefix(err.Error(), "a:1: connection lost: "))
	})
}

// Between rounds of addresses the client waits, longer each time, and not
// beyond RetryFor.
func TestBackoff(t *testing.T) {
	for _, v := range []struct {
		random float64
		scale  float64 // of the pause
	}{{0, 0.5}, {0.5, 0.75}} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			n.serve("a:1", func(p *remote) { p.hello(1); p.want(wire.Request_SELF) })
			cfg := n.config("a:1")
			cfg.Rand = func() float64 { return v.random }
			cfg.MinBackoff, cfg.MaxBackoff = time.Second, 6*time.Second
			cfg.RetryFor = 20 * time.Second
			c, err := client.DialConfig(t.Context(), cfg)
			assert.Equal(t, nil, err)
			defer c.Close()
			_, err = c.Self(t.Context())
			assert.Equal(t, "a:1: connection refused", err.Error())

			// A connection that did not last counts as the first failure.
			want := []time.Duration{0}
			for at, pause := time.Duration(0), time.Second; ; pause = min(2*pause, cfg.MaxBackoff) {
				at += time.Duration(v.scale * float64(pause))
				if at >= cfg.RetryFor {
					break
				}
				want = append(want, at)
			}
			var got []time.Duration
			for _, d := range n.dials {
				got = append(got, d.at)
			}
			assert.Equal(t, want, got)
		})
	}
}

// However often it failed, the pauses do not grow beyond their limit, nor do they end.
func TestBackoffForAWeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", hangUpOn(wire.Request_SELF))
		cfg := n.config("a:1")
		cfg.MaxBackoff, cfg.RetryFor = time.Hour, 7*24*time.Hour
		c, err := client.DialConfig(t.Context(), cfg)
		assert.Equal(t, nil, err)
		defer c.Close()
		_, err = c.Self(t.Context())
		assert.Equal(t, "a:1: connection refused", err.Error())
		assert.T(t, len(n.dials) > 7*24 && len(n.dials) < 8*24, len(n.dials))
	})
}

// After a search has failed, the next request begins another.
func TestClientRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", hangUpOn(wire.Request_SELF))
		c := n.client("a:1")
		_, err := c.Self(t.Context())
		assert.Equal(t, true, errors.Is(err, syscall.ECONNREFUSED))

		n.serve("a:1", answering(wire.Request_SELF, &wire.Response{Value: []byte("x")}))
		id, err := c.Self(t.Context())
		assert.Equal(t, nil, err)
		assert.Equal(t, "x", id)
	})
}

func TestSearchIsSharedAndAsLongAsEachCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) { p.hello(1) })
		c := n.client("a:1")
		synctest.Wait()
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*100*time.Millisecond)
				defer cancel()
				if _, err := c.Self(ctx); err != context.DeadlineExceeded {
					t.Errorf("Self: %v", err)
				}
			})
		}
		wg.Wait()
		// Dial, and after pauses of 20, 40, 80, 160 and 320 ms, five rounds.
		assert.Equal(t, 6, len(n.dialled()))
	})
}

func TestCloseEndsASearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) { p.hello(1) })
		c := n.client("a:1")
		synctest.Wait()
		done := make(chan error)
		go func() {
			_, err := c.Self(t.Context())
			done <- err
		}()
		synctest.Wait()
		c.Close()
		assert.Equal(t, client.ErrClosed, <-done)
	})
}

// A server that was stopped, or whose host is gone, closes nothing.
func TestSilentServerIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(1)
			p.want(wire.Request_WAIT)
			p.want(wire.Request_REV) // a heartbeat
			p.rest()
		})
		n.serve("b:1", answering(wire.Request_WAIT, event(5, "/a", "")))
		ev, err := n.client("a:1", "b:1").Wait(t.Context(), "/a", 2)
		assert.Equal(t, nil, err)
		assert.Equal(t, int64(5), ev.Rev)
		assert.Equal(t, 3*client.DefaultHeartbeat, n.dials[1].at)
	})
}

func TestServerThatStopsReadingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		end := make(chan struct{})
		n.serve("a:1", func(p *remote) { p.hello(1); <-end })
		n.serve("b:1", answering(wire.Request_GET, file(1, "b")))
		body, _, err := n.client("a:1", "b:1").Get(t.Context(), "/a", client.Now)
		assert.Equal(t, nil, err)
		assert.Equal(t, "b", string(body))
		close(end)
	})
}

// A large request takes a slow server long. That is no reason to leave it.
func TestServerThatReadsSlowlyIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(1)
			p.r = wire.NewReader(slow{p.nc}, wire.MaxFrame)
			p.send(p.want(wire.Request_SET), &wire.Response{Rev: ptr[int64](2)})
			p.rest()
		})
		begun := time.Now()
		_, err := n.client("a:1").Set(t.Context(), "/a", client.Clobber, make([]byte, 1<<20))
		assert.Equal(t, nil, err)
		assert.T(t, time.Since(begun) > 10*client.DefaultHeartbeat)
	})
}

// slow reads 32 KiB in half a heartbeat.
type slow struct{ nc net.Conn }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(client.DefaultHeartbeat / 2) // of the bubble's clock
	return s.nc.Read(p[:min(len(p), 32<<10)])
}

func TestQuietServerThatLivesIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(1)
			wait := p.want(wire.Request_WAIT)
			for range 1000 {
				p.hello(1) // each heartbeat asks for the rev
			}
			p.send(wait, event(5, "/a", ""))
			p.rest()
		})
		_, err := n.client("a:1").Wait(t.Context(), "/a", 2)
		assert.Equal(t, nil, err)
		assert.Equal(t, 1, len(n.dialled()))
	})
}

func TestIdleClientSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", idle)
		c := n.client("a:1")
		time.Sleep(24 * time.Hour) // synctest's hours
		c.Close()
	})
}

func TestObserverIsLeftForAServerThatTakesWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		readonly := refusal(wire.Response_READONLY, "")
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			p.want(wire.Request_WAIT)
			first, second := p.want(wire.Request_SET), p.want(wire.Request_SET)
			p.send(first, readonly)
			// What is under way is not torn off: its outcome would be unknown.
			synctest.Wait()
			p.send(second, readonly)
			p.rest()
		})
		n.serve("b:1", func(p *remote) {
			p.hello(10)
			for r := p.next(); r != nil; r = p.next() {
				if r.GetVerb() == wire.Request_SET {
					p.send(r, readonly)
				}
			}
		})
		n.serve("c:1", func(p *remote) {
			p.hello(10)
			for range 3 {
				switch r := p.want(wire.Request_WAIT, wire.Request_SET); r.GetVerb() {
				case wire.Request_WAIT:
					p.send(r, event(11, "/a", ""))
				default:
					p.send(r, &wire.Response{Rev: ptr[int64](12)})
				}
			}
			p.rest()
		})
		c := n.client("a:1", "b:1", "c:1")
		errs := make(chan error)
		go func() {
			_, err := c.Wait(t.Context(), "/a", 11)
			errs <- err
		}()
		synctest.Wait()
		for range 2 {
			go func() { errs <- set(client.Clobber)(t.Context(), c) }()
		}
		for range 3 {
			assert.Equal(t, nil, <-errs)
		}
		assert.Equal(t, []string{"a:1", "b:1", "c:1"}, n.dialled())
	})
}

func TestObserversOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		for _, addr := range []string{"a:1", "b:1"} {
			n.serve(addr, answering(wire.Request_SET, refusal(wire.Response_READONLY, "")))
		}
		err := set(client.Clobber)(t.Context(), n.client("a:1", "b:1"))
		assert.Equal(t, "READONLY", err.Error())
		assert.Equal(t, []string{"a:1", "b:1"}, n.dialled())
	})
}

func TestOnlyObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", answering(wire.Request_NOP, refusal(wire.Response_READONLY, "")))
		err := n.client("a:1").Nop(t.Context())
		assert.Equal(t, true, errors.Is(err, client.ErrReadOnly))
	})
}

// Close must not wait for what an observer still owes.
func TestCloseWhileLeavingAnObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			p.want(wire.Request_GET)
			p.send(p.want(wire.Request_SET), refusal(wire.Response_READONLY, ""))
			p.rest()
		})
		c := n.client("a:1", "b:1")
		errs := make(chan error)
		go func() {
			_, _, err := c.Get(t.Context(), "/a", client.Now)
			errs <- err
		}()
		synctest.Wait()
		go func() { errs <- set(client.Clobber)(t.Context(), c) }()
		synctest.Wait()
		c.Close()
		assert.Equal(t, client.ErrClosed, <-errs)
		assert.Equal(t, client.ErrClosed, <-errs)
	})
}

func TestCloseEndsAWriteToAnObserverThatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			p.want(wire.Request_SET)
			p.send(p.want(wire.Request_SET), refusal(wire.Response_READONLY, ""))
			p.rest()
		})
		c := n.client("a:1", "b:1")
		errs := make(chan error)
		for range 2 {
			go func() { errs <- set(client.Clobber)(t.Context(), c) }()
			synctest.Wait()
		}
		c.Close()
		for range 2 {
			if err := <-errs; !errors.Is(err, client.ErrClosed) {
				t.Errorf("%v, want %v", err, client.ErrClosed)
			}
		}
	})
}

func TestServerThatIsBehindIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", hangUpOn(wire.Request_GET))
		n.serve("b:1", func(p *remote) {
			p.hello(7)
			r := p.want(wire.Request_STAT)
			if r.GetRev() != 10 {
				p.fatalf("waits for %v", r)
			}
			time.Sleep(time.Second) // synctest's second
			p.send(r, &wire.Response{Rev: ptr(client.Dir), Len: ptr[int32](1)})
			p.send(p.want(wire.Request_GET), file(9, "b"))
			p.rest()
		})
		body, _, err := n.client("a:1", "b:1").Get(t.Context(), "/a", client.Now)
		assert.Equal(t, nil, err)
		assert.Equal(t, "b", string(body))
	})
}

func TestServerThatStaysBehindIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		behind := func(p *remote) { p.hello(7); p.want(wire.Request_STAT); p.rest() }
		n.serve("a:1", hangUpOn(wire.Request_GET))
		n.serve("b:1", behind)
		n.serve("c:1", answering(wire.Request_GET, file(9, "c")))
		body, _, err := n.client("a:1", "b:1", "c:1").Get(t.Context(), "/a", client.Now)
		assert.Equal(t, nil, err)
		assert.Equal(t, "c", string(body))
	})
}

func TestAllServersAreBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		behind := func(p *remote) { p.hello(7); p.want(wire.Request_STAT); p.rest() }
		n.serve("a:1", hangUpOn(wire.Request_GET))
		n.serve("a:1", slices.Repeat([]func(*remote){behind}, 10)...)
		_, _, err := n.client("a:1").Get(t.Context(), "/a", client.Now)
		assert.Equal(t, true, errors.Is(err, client.ErrBehind))
		assert.Equal(t, "a:1: server is behind what was seen before: it is at rev 7, not yet 10", err.Error())
	})
}

// bindsTheNext lets a client make a call, to which its server answers and is then
// lost. The next server must be known to have rev 20 before it is asked anything.
func bindsTheNext(t *testing.T, answers func(*remote), call func(*testing.T, *client.Client)) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			answers(p)
			p.want(wire.Request_SELF)
		})
		n.serve("b:1", func(p *remote) {
			p.hello(10)
			r := p.want(wire.Request_STAT)
			if r.GetRev() != 20 {
				p.fatalf("waits for %v", r)
			}
			p.send(r, refusal(wire.Response_TOO_LATE, "")) // it is beyond it by far
			p.send(p.want(wire.Request_SELF), &wire.Response{Value: []byte("b")})
			p.rest()
		})
		c := n.client("a:1", "b:1")
		call(t, c)
		id, err := c.Self(t.Context())
		assert.Equal(t, nil, err)
		assert.Equal(t, "b", id)
	})
}

// What was seen without being told a rev binds the next server, too: the client has asked for one.
func TestWhatWasSeenOfWhatHasNoRev(t *testing.T) {
	path, name := "/a", "x"
	for what, v := range map[string]struct {
		verb   wire.Request_Verb
		answer *wire.Response
		call   func(context.Context, *client.Client)
	}{
		"no file": {wire.Request_GET, file(client.Missing, ""), func(ctx context.Context, c *client.Client) {
			_, _, _ = c.Get(ctx, path, client.Now)
		}},
		"no file any more": {wire.Request_GET, refusal(wire.Response_ISDIR, ""), func(ctx context.Context, c *client.Client) {
			_, _, _ = c.Get(ctx, path, client.Now)
		}},
		"a directory": {wire.Request_STAT, &wire.Response{Rev: ptr(client.Dir), Len: ptr[int32](1)}, func(ctx context.Context, c *client.Client) {
			_, _, _ = c.Stat(ctx, path, client.Now)
		}},
		"an entry": {wire.Request_GETDIR, &wire.Response{Path: &name}, func(ctx context.Context, c *client.Client) {
			_, _ = c.GetdirAt(ctx, path, 0, client.Now)
		}},
		"the first file": {wire.Request_WALK, event(5, path, ""), func(ctx context.Context, c *client.Client) {
			_, _ = c.WalkAt(ctx, "/**", 0, client.Now)
		}},
		"all before a barrier": {wire.Request_NOP, &wire.Response{}, func(ctx context.Context, c *client.Client) {
			_ = c.Nop(ctx)
		}},
	} {
		t.Run(what, func(t *testing.T) {
			bindsTheNext(t, func(p *remote) {
				p.send(p.want(v.verb), v.answer)
				p.hello(20)
			}, func(t *testing.T, c *client.Client) { v.call(t.Context(), c) })
		})
	}
}

// If nobody can say any more as of which rev something was seen, it is asked for anew.
func TestWhatWasSeenAtAServerThatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			p.send(p.want(wire.Request_GET), file(client.Missing, ""))
			p.want(wire.Request_REV)
		})
		n.serve("b:1", answering(wire.Request_GET, file(9, "b")))
		body, _, err := n.client("a:1", "b:1").Get(t.Context(), "/a", client.Now)
		assert.Equal(t, nil, err)
		assert.Equal(t, "b", string(body))
	})
}

// What was learned from each kind of answer binds the next server.
func TestWhatWasSeen(t *testing.T) {
	for name, v := range map[string]struct {
		verb   wire.Request_Verb
		answer *wire.Response
		call   func(context.Context, *client.Client) error
	}{
		"Set": {wire.Request_SET, &wire.Response{Rev: ptr[int64](20)}, set(client.Clobber)},
		"an event": {wire.Request_WAIT, event(20, "/a", ""), func(ctx context.Context, c *client.Client) error {
			_, err := c.Wait(ctx, "/a", 1)
			return err
		}},
		"a file's rev": {wire.Request_GET, file(20, ""), func(ctx context.Context, c *client.Client) error {
			_, _, err := c.Get(ctx, "/a", client.Now)
			return err
		}},
		"a read at a rev": {wire.Request_GET, file(3, ""), func(ctx context.Context, c *client.Client) error {
			_, _, err := c.Get(ctx, "/a", 20)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bindsTheNext(t, func(p *remote) { p.send(p.want(v.verb), v.answer) }, func(t *testing.T, c *client.Client) {
				assert.Equal(t, nil, v.call(t.Context(), c))
			})
		})
	}
}

// granted expects a secret at the beginning of a connection.
func granted(p *remote, secrets ...string) {
	for _, secret := range secrets {
		r := p.want(wire.Request_ACCESS)
		if r.Value == nil || string(r.Value) != secret {
			p.fatalf("secret %q, want %q", r.Value, secret)
		}
		p.send(r, &wire.Response{})
	}
}

func TestSecretsAreGivenOnEachConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			granted(p, "")
			p.hello(1)
			granted(p, "rw")
			granted(p, "rw")
			p.want(wire.Request_SELF)
		})
		n.serve("b:1", func(p *remote) {
			// All at once: one round trip.
			first, second, rev := p.want(wire.Request_ACCESS), p.want(wire.Request_ACCESS), p.want(wire.Request_REV)
			if string(first.Value) != "" || string(second.Value) != "rw" {
				p.fatalf("secrets %q, %q", first.Value, second.Value)
			}
			for _, r := range []*wire.Request{rev, second, first} {
				p.send(r, &wire.Response{Rev: ptr[int64](1)})
			}
			p.send(p.want(wire.Request_SELF), &wire.Response{Value: []byte("b")})
			p.rest()
		})
		cfg := n.config("a:1", "b:1")
		cfg.Secret = ptr("")
		c, err := client.DialConfig(t.Context(), cfg)
		assert.Equal(t, nil, err)
		defer c.Close()
		assert.Equal(t, nil, c.Access(t.Context(), "rw"))
		assert.Equal(t, nil, c.Access(t.Context(), "rw"))
		id, err := c.Self(t.Context())
		assert.Equal(t, nil, err)
		assert.Equal(t, "b", id)
	})
}

// A secret that a server granted while it was being left is given to the next one,
// which may have been greeted without it, before Access returns.
func TestAccessAtAServerThatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(1)
			access := p.want(wire.Request_ACCESS)
			p.send(p.want(wire.Request_SET), refusal(wire.Response_READONLY, ""))
			synctest.Wait() // until it is left
			p.send(access, &wire.Response{})
			p.rest()
		})
		n.serve("b:1", func(p *remote) {
			r := p.want(wire.Request_ACCESS, wire.Request_REV)
			if r.GetVerb() == wire.Request_ACCESS {
				p.send(r, &wire.Response{})
				r = p.want(wire.Request_REV)
			}
			p.send(r, &wire.Response{Rev: ptr[int64](1)})
			for range 2 {
				p.send(p.want(wire.Request_ACCESS, wire.Request_SET), &wire.Response{Rev: ptr[int64](2)})
			}
			p.send(p.want(wire.Request_SELF), &wire.Response{})
			p.rest()
		})
		c := n.client("a:1", "b:1")
		errs := make(chan error)
		go func() { errs <- c.Access(t.Context(), "rw") }()
		synctest.Wait()
		go func() { errs <- set(client.Clobber)(t.Context(), c) }()
		for range 2 {
			assert.Equal(t, nil, <-errs)
		}
		_, err := c.Self(t.Context())
		assert.Equal(t, nil, err)
	})
}

func TestRefusedSecretIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.send(p.want(wire.Request_ACCESS), refusal(wire.Response_OTHER, "permission denied"))
			p.rest() // the client may hang up before or after it has asked for the rev
		})
		cfg := n.config("a:1", "b:1")
		cfg.Secret = ptr("wrong")
		begun := time.Now()
		_, err := client.DialConfig(t.Context(), cfg)
		n.wg.Wait() // until the client has hung up
		assert.Equal(t, time.Duration(0), time.Since(begun))
		assert.Equal(t, true, errors.Is(err, client.ErrPermission))
		assert.Equal(t, "OTHER: permission denied", err.Error())
		assert.Equal(t, []string{"a:1"}, n.dialled())
	})
}

// A secret that was refused is not tried on the next connection.
func TestRefusedAccessIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(1)
			p.send(p.want(wire.Request_ACCESS), refusal(wire.Response_OTHER, "permission denied"))
			p.want(wire.Request_SELF)
		})
		n.serve("b:1", answering(wire.Request_SELF, &wire.Response{Value: []byte("b")}))
		c := n.client("a:1", "b:1")
		assert.Equal(t, true, errors.Is(c.Access(t.Context(), "wrong"), client.ErrPermission))
		_, err := c.Self(t.Context())
		assert.Equal(t, nil, err)
	})
}

func TestConfigValidate(t *testing.T) {
	for _, v := range []struct {
		change func(*client.Config)
		want   string
	}{
		{func(c *client.Config) { c.Addrs = nil }, "client: no address given"},
		{func(c *client.Config) { c.Addrs = make([]string, client.MaxAddrs+1) }, "client: 257 addresses, more than 256"},
		{func(c *client.Config) { c.Addrs = []string{"a:1", ":1"} }, `client: address ":1" has no host`},
		{func(c *client.Config) { c.Addrs = []string{"a:b:c"} }, `client: address "a:b:c" is neither host nor host:port`},
		{func(c *client.Config) { c.DialTimeout = -1 }, "client: DialTimeout is negative: -1ns"},
		{func(c *client.Config) { c.RetryFor = -1 }, "client: RetryFor is negative: -1ns"},
		{func(c *client.Config) { c.Heartbeat = -1 }, "client: Heartbeat is negative: -1ns"},
		{func(c *client.Config) { c.MinBackoff = 3 * time.Second }, "client: MinBackoff 3s is above MaxBackoff 2s"},
	} {
		cfg := client.Config{Addrs: []string{"a:1"}}
		assert.Equal(t, nil, cfg.Validate())
		v.change(&cfg)
		err := cfg.Validate()
		if err == nil {
			t.Fatalf("accepted, want %q", v.want)
		}
		assert.Equal(t, v.want, err.Error())
		_, dialErr := client.DialConfig(t.Context(), cfg)
		assert.Equal(t, v.want, dialErr.Error())
	}
}

func TestNameThatCannotBeResolved(t *testing.T) {
	cfg := client.Config{
		Addrs: []string{"nowhere"},
		DialFunc: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "nowhere"}}
		},
	}
	_, err := client.DialConfig(t.Context(), cfg)
	assert.Equal(t, "nowhere:8046: lookup nowhere: no such host", err.Error())
}

// When it is the client that gives up, nobody must take that for the end of a
// context of theirs.
func TestSearchThatGivesUpIsNoContextsDeadline(t *testing.T) {
	for name, cfg := range map[string]client.Config{
		"while it dials":      {DialTimeout: time.Hour},
		"before it has begun": {MinBackoff: time.Minute, MaxBackoff: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.serve("a:1", func(p *remote) { p.hello(1) })
				dial, dials := n.dialer(), 0
				cfg.Addrs = []string{"a:1"}
				cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
					if dials++; dials == 1 {
						return dial(ctx, network, addr)
					}
					<-ctx.Done()
					return nil, ctx.Err()
				}
				c, err := client.DialConfig(t.Context(), cfg)
				assert.Equal(t, nil, err)
				defer c.Close()
				_, err = c.Self(t.Context())
				assert.Equal(t, false, errors.Is(err, context.DeadlineExceeded), err)
				var lost *client.ConnError
				assert.Equal(t, true, errors.As(err, &lost), err)
			})
		})
	}
}

// A request may need a search at the moment at which it is too late for one.
func TestSearchWithNoTimeAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) { p.hello(1) })
		cfg := n.config("a:1")
		cfg.RetryFor = 1
		c, err := client.DialConfig(t.Context(), cfg)
		assert.Equal(t, nil, err)
		defer c.Close()
		for range 3 {
			_, err = c.Self(t.Context())
			assert.T(t, err != nil && !errors.Is(err, context.DeadlineExceeded), err)
		}
	})
}

// Of the secrets that were accepted the newest are remembered.
func TestSecretsRememberedAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, given = 8, 20
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(1)
			for range given {
				p.send(p.want(wire.Request_ACCESS), &wire.Response{})
			}
			p.want(wire.Request_SELF)
		})
		n.serve("b:1", func(p *remote) {
			for i := range most {
				r := p.want(wire.Request_ACCESS)
				if string(r.Value) != fmt.Sprint(given-most+i) {
					p.fatalf("secret %q in place %d", r.Value, i)
				}
				defer p.send(r, &wire.Response{})
			}
			defer p.hello(1)
		})
		c := n.client("a:1", "b:1")
		for i := range given {
			assert.Equal(t, nil, c.Access(t.Context(), fmt.Sprint(i)))
		}
		_, err := c.Self(t.Context())
		assert.T(t, err != nil) // b hangs up after its greeting
	})
}

// A refusal says nothing of the rev that was asked for.
func TestRevOfARefusedReadIsNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			p.send(p.want(wire.Request_GET), refusal(wire.Response_OTHER, "permission denied"))
			p.want(wire.Request_SELF)
		})
		n.serve("b:1", answering(wire.Request_SELF, &wire.Response{}))
		c := n.client("a:1", "b:1")
		_, _, err := c.Get(t.Context(), "/a", 1000)
		assert.T(t, errors.Is(err, client.ErrPermission))
		_, err = c.Self(t.Context())
		assert.Equal(t, nil, err)
	})
}
