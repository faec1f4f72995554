package client_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/bmizerany/assert"
	"google.golang.org/protobuf/proto"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/wire"
)

func ptr[T any](v T) *T { return &v }

// request is what a fake server should see, but for the tag.
func request(verb wire.Request_Verb, set func(*wire.Request)) *wire.Request {
	r := &wire.Request{Verb: &verb}
	if set != nil {
		set(r)
	}
	return r
}

func pathRev(path string, rev int64) func(*wire.Request) {
	return func(r *wire.Request) { r.Path, r.Rev = &path, &rev }
}

func TestVerbs(t *testing.T) {
	type result []any
	for _, v := range []struct {
		name   string
		call   func(context.Context, *client.Client) result
		want   *wire.Request
		answer *wire.Response
		result result
	}{
		{"Get now",
			func(ctx context.Context, c *client.Client) result {
				body, rev, err := c.Get(ctx, "/a", client.Now)
				return result{string(body), rev, err}
			},
			request(wire.Request_GET, func(r *wire.Request) { r.Path = ptr("/a") }),
			file(7, "x"), result{"x", int64(7), error(nil)}},
		{"Get at a rev",
			func(ctx context.Context, c *client.Client) result {
				body, rev, err := c.Get(ctx, "/a", 0)
				return result{string(body), rev, err}
			},
			request(wire.Request_GET, pathRev("/a", 0)),
			file(client.Missing, ""), result{"", client.Missing, error(nil)}},
		{"Set",
			func(ctx context.Context, c *client.Client) result {
				rev, err := c.Set(ctx, "/a", client.Missing, []byte("b"))
				return result{rev, err}
			},
			request(wire.Request_SET, func(r *wire.Request) { pathRev("/a", 0)(r); r.Value = []byte("b") }),
			&wire.Response{Rev: ptr[int64](9)}, result{int64(9), error(nil)}},
		{"Del",
			func(ctx context.Context, c *client.Client) result {
				return result{c.Del(ctx, "/a", client.Clobber)}
			},
			request(wire.Request_DEL, pathRev("/a", -1)),
			&wire.Response{}, result{error(nil)}},
		{"Rev",
			func(ctx context.Context, c *client.Client) result {
				rev, err := c.Rev(ctx)
				return result{rev, err}
			},
			request(wire.Request_REV, nil),
			&wire.Response{Rev: ptr[int64](3)}, result{int64(3), error(nil)}},
		{"Wait",
			func(ctx context.Context, c *client.Client) result {
				ev, err := c.Wait(ctx, "/**", 5)
				return result{ev, ev.IsSet(), ev.IsDel(), err}
			},
			request(wire.Request_WAIT, pathRev("/**", 5)),
			event(6, "/a", "x"),
			result{client.Event{Rev: 6, Path: "/a", Body: []byte("x"), Flags: client.FlagSet}, true, false, error(nil)}},
		{"Nop",
			func(ctx context.Context, c *client.Client) result { return result{c.Nop(ctx)} },
			request(wire.Request_NOP, nil),
			&wire.Response{}, result{error(nil)}},
		{"Stat",
			func(ctx context.Context, c *client.Client) result {
				rev, n, err := c.Stat(ctx, "/d", 4)
				return result{rev, n, err}
			},
			request(wire.Request_STAT, pathRev("/d", 4)),
			&wire.Response{Rev: ptr(client.Dir), Len: ptr[int32](2)}, result{client.Dir, 2, error(nil)}},
		{"WalkAt",
			func(ctx context.Context, c *client.Client) result {
				ev, err := c.WalkAt(ctx, "/*", 3, client.Now)
				return result{ev.Path, err}
			},
			request(wire.Request_WALK, func(r *wire.Request) { r.Path, r.Offset = ptr("/*"), ptr[int32](3) }),
			event(6, "/a", "x"), result{"/a", error(nil)}},
		{"GetdirAt, an offset beyond the protocol's",
			func(ctx context.Context, c *client.Client) result {
				name, err := c.GetdirAt(ctx, "/", 1<<40, 2)
				return result{name, err}
			},
			request(wire.Request_GETDIR, func(r *wire.Request) { pathRev("/", 2)(r); r.Offset = ptr[int32](math.MaxInt32) }),
			&wire.Response{Path: ptr("a")}, result{"a", error(nil)}},
		{"Self",
			func(ctx context.Context, c *client.Client) result {
				id, err := c.Self(ctx)
				return result{id, err}
			},
			request(wire.Request_SELF, nil),
			&wire.Response{Value: []byte("ID")}, result{"ID", error(nil)}},
		{"Status",
			func(ctx context.Context, c *client.Client) result {
				status, err := c.Status(ctx)
				return result{string(status), err}
			},
			request(wire.Request_GET, func(r *wire.Request) { r.Path = ptr(wire.StatusPath) }),
			file(7, "{}"), result{"{}", error(nil)}},
		{"Escape",
			func(ctx context.Context, c *client.Client) result { return result{c.Escape(ctx, "ID")} },
			request(wire.Request_SET, func(r *wire.Request) { pathRev(wire.EscapePath, client.Clobber)(r); r.Value = []byte("ID") }),
			&wire.Response{Rev: ptr[int64](9)}, result{error(nil)}},
		{"Access",
			func(ctx context.Context, c *client.Client) result { return result{c.Access(ctx, "s")} },
			request(wire.Request_ACCESS, func(r *wire.Request) { r.Value = []byte("s") }),
			&wire.Response{}, result{error(nil)}},
	} {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.serve("a:1", func(p *remote) {
					p.hello(1)
					r := p.want(v.want.GetVerb())
					p.send(r, v.answer)
					if r.Tag = nil; !proto.Equal(v.want, r) {
						t.Errorf("sent %v, want %v", r, v.want)
					}
					p.stay()
				})
				assert.Equal(t, v.result, v.call(t.Context(), n.client("a:1")))
			})
		})
	}
}

func TestWaitFromNowBeginsWithTheCurrentRev(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(8)
			p.hello(9)
			r := p.want(wire.Request_WAIT)
			p.send(r, event(r.GetRev(), "/a", ""))
			p.rest()
		})
		ev, err := n.client("a:1").Wait(t.Context(), "/**", client.Now)
		assert.Equal(t, nil, err)
		assert.Equal(t, int64(9), ev.Rev)
	})
}

func TestErrors(t *testing.T) {
	for _, v := range []struct {
		code     wire.Response_Err
		detail   string
		sentinel error
		text     string
	}{
		{wire.Response_UNKNOWN_VERB, "", client.ErrUnknownVerb, "UNKNOWN_VERB"},
		{wire.Response_READONLY, "", client.ErrReadOnly, "READONLY"},
		{wire.Response_TOO_LATE, "", client.ErrTooLate, "TOO_LATE"},
		{wire.Response_REV_MISMATCH, "", client.ErrRevMismatch, "REV_MISMATCH"},
		{wire.Response_BAD_PATH, "", client.ErrBadPath, "BAD_PATH"},
		{wire.Response_MISSING_ARG, "", client.ErrMissingArg, "MISSING_ARG"},
		{wire.Response_RANGE, "", client.ErrRange, "RANGE"},
		{wire.Response_NOTDIR, "", client.ErrNotDir, "NOTDIR"},
		{wire.Response_ISDIR, "", client.ErrIsDir, "ISDIR"},
		{wire.Response_NOENT, "", client.ErrNoEnt, "NOENT"},
		{wire.Response_OTHER, "permission denied", client.ErrPermission, "OTHER: permission denied"},
		{wire.Response_OTHER, "cancelled", client.ErrCancelled, "OTHER: cancelled"},
		{wire.Response_OTHER, "invalid glob pattern: /[", client.ErrBadGlob, "OTHER: invalid glob pattern: /["},
		{wire.Response_OTHER, "outcome unknown: why", client.ErrUnknownOutcome, "OTHER: outcome unknown: why"},
		{wire.Response_OTHER, "what ever", nil, "OTHER: what ever"},
		{wire.Response_TAG_IN_USE, "", nil, "TAG_IN_USE"},
		{wire.Response_Err(0), "", nil, "0"},
		{wire.Response_Err(77), "odd", nil, "77: odd"},
	} {
		t.Run(v.text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				n.serve("a:1", func(p *remote) {
					p.hello(1)
					p.send(p.want(wire.Request_GET), refusal(v.code, v.detail))
					p.stay()
				})
				_, _, err := n.client("a:1").Get(t.Context(), "/a", client.Now)
				assert.Equal(t, v.text, err.Error())
				if v.sentinel != nil {
					assert.Equal(t, true, errors.Is(err, v.sentinel))
				}
				var answer *client.Error
				assert.Equal(t, true, errors.As(err, &answer))
				assert.Equal(t, client.Error{Code: client.Code(v.code), Detail: v.detail}, *answer)
			})
		})
	}
}

// A sentinel must match its own code and no other.
func TestSentinelsAreDistinct(t *testing.T) {
	mismatch := &client.Error{Code: client.RevMismatch}
	assert.Equal(t, false, errors.Is(mismatch, client.ErrTooLate))
	assert.Equal(t, false, errors.Is(&client.Error{Code: client.TagInUse}, nil))
	assert.Equal(t, false, errors.Is(&client.Error{Code: client.Other, Detail: "permission denied!"}, client.ErrPermission))
}

func TestAnswersInAnyOrderReachTheirCalls(t *testing.T) {
	const calls = 50
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(1)
			var held []*wire.Request
			tags := make(map[int32]bool)
			for range calls {
				r := p.want(wire.Request_GET)
				held = append(held, r)
				tags[r.GetTag()] = true
			}
			if len(tags) != calls {
				t.Errorf("%d tags for %d requests under way", len(tags), calls)
			}
			for i := range held {
				r := held[len(held)-1-i]
				p.send(r, file(1, r.GetPath()))
			}
			p.rest()
		})
		c := n.client("a:1")
		var wg sync.WaitGroup
		for i := range calls {
			wg.Go(func() {
				path := fmt.Sprintf("/%d", i)
				body, _, err := c.Get(t.Context(), path, client.Now)
				if err != nil || string(body) != path {
					t.Errorf("Get(%s) = %q, %v", path, body, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestRequestsUnderContentionShareWrites(t *testing.T) {
	const calls = 100
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		queued := make(chan struct{})
		writes := 0
		n.serve("a:1", func(p *remote) {
			p.hello(1)
			<-queued // behind one write that nobody reads
			buf := make([]byte, 64<<10)
			for got := 0; got < calls*len(getFrame(t)); writes++ {
				k, err := p.nc.Read(buf)
				if err != nil {
					p.fatalf("%v", err)
				}
				got += k
			}
		})
		c := n.client("a:1")
		var wg sync.WaitGroup
		for range calls {
			wg.Go(func() {
				if _, _, err := c.Get(t.Context(), "/a", client.Now); err == nil {
					t.Error("Get got an answer that nobody sent")
				}
			})
		}
		synctest.Wait()
		close(queued)
		wg.Wait() // the server hangs up, and no other can be found
		if writes > 3 {
			t.Errorf("%d requests went out in %d writes", calls, writes)
		}
	})
}

// getFrame returns a frame as long as that of any GET of /a with a small tag.
func getFrame(t *testing.T) []byte {
	f, err := wire.AppendFrame(nil, &wire.Request{Tag: ptr[int32](2), Verb: wire.Request_GET.Enum(), Path: ptr("/a")})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTooLargeARequestIsRefusedHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1", func(p *remote) {
			p.hello(1)
			p.send(p.want(wire.Request_GET), file(5, "alive"))
			p.rest()
		})
		c := n.client("a:1")
		_, err := c.Set(t.Context(), "/a", client.Clobber, make([]byte, wire.MaxFrame))
		assert.Equal(t, true, errors.Is(err, client.ErrTooLarge))
		body, _, err := c.Get(t.Context(), "/a", client.Now)
		assert.Equal(t, nil, err)
		assert.Equal(t, "alive", string(body))
	})
}
