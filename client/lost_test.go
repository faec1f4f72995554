package client_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/wire"
)

// hangUpOn says hello at rev 10, reads one request and hangs up.
func hangUpOn(verb wire.Request_Verb) func(*remote) {
	return func(p *remote) {
		p.hello(10)
		p.want(verb)
	}
}

// answering says hello at rev 10 and answers one request.
func answering(verb wire.Request_Verb, a *wire.Response) func(*remote) {
	return func(p *remote) {
		p.hello(10)
		p.send(p.want(verb), a)
		p.stay()
	}
}

// idle says hello and expects no request at all.
func idle(p *remote) {
	p.hello(10)
	if r := p.next(); r != nil {
		p.fatalf("unexpected %v", r)
	}
}

func TestWhatChangesNothingIsSentAgain(t *testing.T) {
	for verb, call := range map[wire.Request_Verb]func(context.Context, *client.Client) error{
		wire.Request_GET: func(ctx context.Context, c *client.Client) error {
			_, _, err := c.Get(ctx, "/a", client.Now)
			return err
		},
		wire.Request_STAT: func(ctx context.Context, c *client.Client) error {
			_, _, err := c.Stat(ctx, "/a", client.Now)
			return err
		},
		wire.Request_WALK: func(ctx context.Context, c *client.Client) error {
			_, err := c.WalkAt(ctx, "/a", 0, client.Now)
			return err
		},
		wire.Request_GETDIR: func(ctx context.Context, c *client.Client) error {
			_, err := c.GetdirAt(ctx, "/", 0, client.Now)
			return err
		},
		wire.Request_WAIT: func(ctx context.Context, c *client.Client) error {
			_, err := c.Wait(ctx, "/a", 3)
			return err
		},
		wire.Request_SELF: func(ctx context.Context, c *client.Client) error {
			_, err := c.Self(ctx)
			return err
		},
		wire.Request_NOP: func(ctx context.Context, c *client.Client) error { return c.Nop(ctx) },
		wire.Request_ACCESS: func(ctx context.Context, c *client.Client) error {
			return c.Access(ctx, "s")
		},
	} {
		t.Run(verb.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.serve("a:1", hangUpOn(verb))
				n.serve("b:1", hangUpOn(verb), answering(verb, &wire.Response{}))
				c := n.client("a:1", "b:1")
				assert.Equal(t, nil, call(t.Context(), c))
				assert.Equal(t, []string{"a:1", "b:1", "a:1", "b:1"}, n.dialled())
			})
		})
	}
}

func TestRevIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", hangUpOn(wire.Request_REV))
		n.serve("b:1", answering(wire.Request_REV, &wire.Response{Rev: ptr[int64](12)}))
		rev, err := n.client("a:1", "b:1").Rev(t.Context())
		assert.Equal(t, nil, err)
		assert.Equal(t, int64(12), rev)
	})
}

// Each of these may have been applied, and a second copy could do harm.
func TestWritesThatMayHaveBeenAppliedAreNotSentAgain(t *testing.T) {
	for _, v := range []struct {
		name string
		verb wire.Request_Verb
		call func(context.Context, *client.Client) error
	}{
		{"Set, clobber", wire.Request_SET, set(client.Clobber)},
		{"Set, missing", wire.Request_SET, set(client.Missing)},
		{"Set, a guard", wire.Request_SET, set(5)},
		{"Del, clobber", wire.Request_DEL, del(client.Clobber)},
		{"Del, a guard above what was seen", wire.Request_DEL, del(11)},
		{"Del, a guard that always passes", wire.Request_DEL, del(1<<63 - 1)},
	} {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.serve("a:1", hangUpOn(v.verb))
				n.serve("b:1", func(p *remote) { p.hello(10); p.hello(10); idle(p) })
				c := n.client("a:1", "b:1")
				err := v.call(t.Context(), c)
				assert.Equal(t, true, errors.Is(err, client.ErrUnknownOutcome))
				assert.Equal(t, true, errors.Is(err, io.EOF))
				var lost *client.ConnError
				assert.Equal(t, true, errors.As(err, &lost))
				assert.Equal(t, "a:1", lost.Addr)
			})
		})
	}
}

func set(guard int64) func(context.Context, *client.Client) error {
	return func(ctx context.Context, c *client.Client) error {
		_, err := c.Set(ctx, "/a", guard, []byte("x"))
		return err
	}
}

func del(guard int64) func(context.Context, *client.Client) error {
	return func(ctx context.Context, c *client.Client) error { return c.Del(ctx, "/a", guard) }
}

func TestGuardedDelIsSentAgain(t *testing.T) {
	for _, guard := range []int64{client.Missing, 5, 10} {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t)
			n.serve("a:1", hangUpOn(wire.Request_DEL))
			n.serve("b:1", answering(wire.Request_DEL, &wire.Response{}))
			assert.Equal(t, nil, n.client("a:1", "b:1").Del(t.Context(), "/a", guard))
		})
	}
}

// The first copy may have been applied, and then somebody else have made the
// file anew: to call it a failure would be a guess.
func TestRefusalOfASecondCopyIsNoOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", hangUpOn(wire.Request_DEL))
		n.serve("b:1", answering(wire.Request_DEL, refusal(wire.Response_REV_MISMATCH, "")))
		err := n.client("a:1", "b:1").Del(t.Context(), "/a", 5)
		assert.Equal(t, true, errors.Is(err, client.ErrUnknownOutcome))
		assert.Equal(t, true, errors.Is(err, client.ErrRevMismatch))
	})
}

// The search fails after the first copy: that is no outcome either.
func TestNobodyToSendASecondCopyTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", hangUpOn(wire.Request_DEL))
		err := n.client("a:1").Del(t.Context(), "/a", 5)
		assert.Equal(t, true, errors.Is(err, client.ErrUnknownOutcome))
	})
}

func TestWhatNeverLeftIsSentElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		queued := make(chan struct{})
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			<-queued // the first write is stuck, the second behind it
		})
		n.serve("b:1", func(p *remote) {
			p.hello(10)
			r := p.want(wire.Request_SET)
			if r.GetPath() != "/second" {
				p.fatalf("got %v", r)
			}
			p.send(r, &wire.Response{Rev: ptr[int64](11)})
			p.rest()
		})
		c := n.client("a:1", "b:1")
		first := make(chan error)
		second := make(chan error)
		go func() {
			_, err := c.Set(t.Context(), "/first", client.Clobber, nil)
			first <- err
		}()
		synctest.Wait()
		go func() {
			_, err := c.Set(t.Context(), "/second", client.Clobber, nil)
			second <- err
		}()
		synctest.Wait()
		close(queued)
		assert.Equal(t, true, errors.Is(<-first, client.ErrUnknownOutcome))
		assert.Equal(t, nil, <-second)
	})
}

func TestWriteAfterTheConnectionDiedGoesElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) { p.hello(10) })
		n.serve("b:1", answering(wire.Request_SET, &wire.Response{Rev: ptr[int64](11)}))
		c := n.client("a:1", "b:1")
		synctest.Wait()
		rev, err := c.Set(t.Context(), "/a", client.Clobber, nil)
		assert.Equal(t, nil, err)
		assert.Equal(t, int64(11), rev)
	})
}

// Whatever a server sends that makes no sense ends its connection, and with
// it what was under way.
func TestNonsenseBreaksTheConnection(t *testing.T) {
	garbage := func(b ...byte) func(*remote, *wire.Request) {
		return func(p *remote, _ *wire.Request) {
			p.raw(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
			p.rest()
		}
	}
	for _, v := range []struct {
		name     string
		instead  func(*remote, *wire.Request)
		protocol bool // a violation, not just an end
	}{
		{"nothing", func(*remote, *wire.Request) {}, false},
		{"half a size", func(p *remote, _ *wire.Request) { p.raw([]byte{0, 0}) }, false},
		{"half a body", func(p *remote, _ *wire.Request) { p.raw([]byte{0, 0, 0, 9, 8}) }, false},
		{"a size of 4 GiB", func(p *remote, _ *wire.Request) { p.raw([]byte{255, 255, 255, 255}); p.rest() }, false},
		{"a size just above the limit", func(p *remote, _ *wire.Request) { p.raw([]byte{4, 0, 0, 1}); p.rest() }, false},
		{"an empty message", garbage(), true},
		{"what cannot be decoded", garbage(0xff), true},
		{"an unknown tag", garbage(8, 100), true},
		{"no tag", func(p *remote, _ *wire.Request) { p.send(&wire.Request{}, file(1, "")); p.rest() }, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.serve("a:1", func(p *remote) {
					p.hello(10)
					v.instead(p, p.want(wire.Request_SET))
				})
				n.serve("b:1", answering(wire.Request_GET, file(10, "alive")))
				c := n.client("a:1", "b:1")
				err := set(client.Clobber)(t.Context(), c)
				assert.Equal(t, true, errors.Is(err, client.ErrUnknownOutcome))
				assert.Equal(t, v.protocol, errors.Is(err, client.ErrProtocol))
				body, _, err := c.Get(t.Context(), "/a", client.Now)
				assert.Equal(t, nil, err)
				assert.Equal(t, "alive", string(body))
			})
		})
	}
}

// The second answer must not reach a later request.
func TestSecondAnswerBreaksTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			r := p.want(wire.Request_GET)
			p.send(r, file(1, "first"))
			p.send(r, file(1, "second"))
			p.rest()
		})
		n.serve("b:1", answering(wire.Request_GET, file(1, "other")))
		c := n.client("a:1", "b:1")
		for _, want := range []string{"first", "other"} {
			body, _, err := c.Get(t.Context(), "/a", client.Now)
			assert.Equal(t, nil, err)
			assert.Equal(t, want, string(body))
			synctest.Wait()
		}
	})
}

func TestLateAnswerIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			late := p.want(wire.Request_GET)
			r := p.want(wire.Request_GET)
			if r.GetTag() == late.GetTag() {
				p.fatalf("tag %d given away before its answer", r.GetTag())
			}
			p.send(late, file(1, "late"))
			p.send(r, file(1, "in time"))
			p.rest()
		})
		c := n.client("a:1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := c.Get(ctx, "/a", client.Now)
		assert.Equal(t, context.DeadlineExceeded, err)
		body, _, err := c.Get(t.Context(), "/a", client.Now)
		assert.Equal(t, nil, err)
		assert.Equal(t, "in time", string(body))
	})
}

func TestCtxThatEndsCancelsWhatTheServerHolds(t *testing.T) {
	for name, call := range map[string]func(context.Context, *client.Client) error{
		"WAIT": func(ctx context.Context, c *client.Client) error {
			_, err := c.Wait(ctx, "/a", 5)
			return err
		},
		"a read at a rev to come": func(ctx context.Context, c *client.Client) error {
			_, _, err := c.Get(ctx, "/a", 11)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.serve("a:1", func(p *remote) {
					p.hello(10)
					held := p.want(wire.Request_WAIT, wire.Request_GET)
					r := p.want(wire.Request_CANCEL)
					if r.GetOtherTag() != held.GetTag() {
						p.fatalf("cancels %d, not %d", r.GetOtherTag(), held.GetTag())
					}
					p.send(held, refusal(wire.Response_OTHER, "cancelled"))
					p.send(r, &wire.Response{})
					p.send(p.want(wire.Request_SELF), &wire.Response{Value: []byte("x")})
					p.rest()
				})
				c := n.client("a:1")
				ctx, cancel := context.WithTimeout(t.Context(), time.Second/2) // before it is asked how far a WAIT has come
				defer cancel()
				assert.Equal(t, context.DeadlineExceeded, call(ctx, c))
				id, err := c.Self(t.Context())
				assert.Equal(t, nil, err)
				assert.Equal(t, "x", id)
			})
		})
	}
}

func TestCtxThatEndsAfterAWriteLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) { p.hello(10); p.want(wire.Request_SET); p.rest() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := set(3)(ctx, n.client("a:1"))
		assert.Equal(t, true, errors.Is(err, client.ErrUnknownOutcome))
		assert.Equal(t, true, errors.Is(err, context.DeadlineExceeded))
	})
}

// A write whose ctx ended in the queue never leaves, so its outcome is known.
func TestCtxThatEndsBeforeAWriteLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		given := make(chan struct{})
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			<-given
			p.send(p.want(wire.Request_GET), file(1, ""))
			idle := p.next()
			if idle != nil {
				p.fatalf("unexpected %v", idle)
			}
		})
		c := n.client("a:1")
		got := make(chan error)
		go func() {
			_, _, err := c.Get(t.Context(), "/a", client.Now)
			got <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.Equal(t, context.DeadlineExceeded, set(3)(ctx, c))
		close(given)
		assert.Equal(t, nil, <-got)
		time.Sleep(time.Minute) // of the bubble's clock: nor does the server owe an answer to it
	})
}

// What is too large to go out together with others goes out before them.
func TestLargeRequestDoesNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		given := make(chan struct{})
		n.serve("a:1", func(p *remote) {
			p.hello(10)
			<-given
			for _, verb := range []wire.Request_Verb{wire.Request_NOP, wire.Request_SET, wire.Request_SELF} {
				r := p.want(verb)
				defer p.send(r, &wire.Response{Rev: ptr[int64](11)})
			}
		})
		c := n.client("a:1")
		for _, call := range []func(){
			func() { _ = c.Nop(t.Context()) },
			func() { _, _ = c.Set(t.Context(), "/a", client.Missing, make([]byte, 1<<20)) },
			func() { _, _ = c.Self(t.Context()) },
		} {
			go call()
			synctest.Wait() // the server reads nothing, so the first is being written and the others queue
		}
		begun := time.Now()
		close(given)
		n.wg.Wait()
		assert.Equal(t, time.Duration(0), time.Since(begun))
	})
}

func TestCtxThatHasEndedSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", idle)
		c := n.client("a:1")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.Equal(t, context.Canceled, set(3)(ctx, c))
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) { p.hello(10); p.rest() })
		c := n.client("a:1")
		waiting, writing := make(chan error), make(chan error)
		go func() {
			_, err := c.Wait(t.Context(), "/a", 5)
			waiting <- err
		}()
		go func() { writing <- set(3)(t.Context(), c) }()
		synctest.Wait()
		assert.Equal(t, nil, c.Close())
		assert.Equal(t, client.ErrClosed, <-waiting)
		err := <-writing
		assert.Equal(t, true, errors.Is(err, client.ErrUnknownOutcome))
		assert.Equal(t, true, errors.Is(err, client.ErrClosed))
		assert.Equal(t, client.ErrClosed, set(3)(t.Context(), c))
		assert.Equal(t, nil, c.Close())
	})
}

// A server that never answers what nobody waits for any more is given up: that
// frees both sides of it.
func TestTooManyAbandonedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) { p.hello(10); p.rest() })
		n.serve("b:1", answering(wire.Request_SELF, &wire.Response{Value: []byte("b")}))
		c := n.client("a:1", "b:1")
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 1<<14 + 1 {
			wg.Go(func() { _, _, _ = c.Get(ctx, "/a", client.Now) })
		}
		synctest.Wait()
		begun := time.Now()
		cancel()
		wg.Wait()
		id, err := c.Self(t.Context())
		assert.Equal(t, nil, err)
		assert.Equal(t, "b", id)
		assert.T(t, time.Since(begun) < client.DefaultHeartbeat, "it was given up for its silence")
	})
}

// The server may lose its majority while a write is under way, and says so. That
// is as good as a lost connection.
func TestServerThatDoesNotKnowTheOutcome(t *testing.T) {
	for _, v := range []struct {
		detail  string
		unknown bool
	}{
		{"outcome unknown: no majority of the voters answered in time, the write may still happen", true},
		{"not written: no majority of the voters answered in time", false},
	} {
		for verb, call := range map[wire.Request_Verb]func(context.Context, *client.Client) error{
			wire.Request_SET: set(5),
			wire.Request_DEL: del(5),
		} {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.serve("a:1", answering(verb, refusal(wire.Response_OTHER, v.detail)))
				err := call(t.Context(), n.client("a:1", "b:1"))
				assert.Equal(t, v.unknown, errors.Is(err, client.ErrUnknownOutcome), v.detail)
				assert.Equal(t, "OTHER: "+v.detail, err.Error())
			})
		}
	}
}
