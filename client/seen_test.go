package client

import (
	"context"
	"errors"
	"net"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
)

// An answer counts as seen from when it has come, even if whoever asked has
// not looked at it before the next connection is made.
func TestAnswerNotYetLookedAtIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers := make(chan net.Conn, 2)
		c, err := DialConfig(t.Context(), Config{
			Addrs: []string{"a:1"},
			DialFunc: func(context.Context, string, string) (net.Conn, error) {
				here, there := net.Pipe()
				servers <- there
				go answer(t, there, wire.Request_REV, 10)
				return here, nil
			},
		})
		assert.Equal(t, nil, err)
		defer c.Close()

		path, guard := "/a", Clobber
		x, err := c.begin(t.Context(), &wire.Request{Verb: wire.Request_SET.Enum(), Path: &path, Rev: &guard})
		assert.Equal(t, nil, err)
		first := <-servers
		answer(t, first, wire.Request_SET, 20)
		<-x.call.done
		first.Close()
		<-x.call.cn.gone

		got := make(chan error, 1)
		go func() {
			_, _, err := c.Get(t.Context(), path, Now)
			got <- err
		}()
		second := <-servers
		synctest.Wait()                                  // the second server has said that it is at rev 10
		answer(t, second, wire.Request_STAT, int64(Dir)) // asked for rev 20 first
		answer(t, second, wire.Request_GET, 20)
		assert.Equal(t, nil, <-got)
	})
}

// An answer that has come counts, even if ctx has ended and whoever asked has not
// been told yet.
func TestAnswerThatCameCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		cl := &call{cn: new(conn), done: make(chan struct{})} // taken off the connection's calls
		answer := new(wire.Response)
		go func() {
			synctest.Wait()
			cl.settle(answer, nil)
		}()
		got, err := cl.wait(ctx)
		assert.Equal(t, nil, err)
		assert.T(t, got == answer)
	})
}

// Once a copy of a write may have been applied, its outcome is unknown, even if the
// next copy never leaves.
func TestOutcomeStaysUnknown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := newClient(Config{Addrs: []string{"a:1"}}.withDefaults())
	defer c.Close()
	second := &call{cn: new(conn), done: make(chan struct{})}
	second.settle(nil, errGone)
	x := &exchange{req: plain(wire.Request_SET), call: second, write: true, repeatable: true, doubtful: true}
	_, err := c.finish(ctx, x)
	assert.T(t, errors.Is(err, ErrUnknownOutcome), err)
}

// A connection that is found when the client has been closed is closed.
func TestConnectionFoundTooLateIsClosed(t *testing.T) {
	c := newClient(Config{Addrs: []string{"a:1"}}.withDefaults())
	c.Close()
	here, _ := net.Pipe()
	s := &search{cn: newConn("a:1", here, DefaultHeartbeat, c.saw), done: make(chan struct{})}
	found := s.cn
	c.publish(s)
	<-s.done
	<-found.gone
	assert.Equal(t, ErrClosed, s.err)
	assert.T(t, s.cn == nil)
}

// answer reads one request, which must have the verb, and answers it.
func answer(t *testing.T, nc net.Conn, verb wire.Request_Verb, rev int64) {
	var req wire.Request
	body, err := wire.NewReader(nc, wire.MaxFrame).Next()
	if err == nil {
		err = wire.Decode(body, &req)
	}
	if err != nil || req.GetVerb() != verb {
		t.Errorf("got %v, %v, want %v", &req, err, verb)
		runtime.Goexit()
	}
	frame, err := wire.AppendFrame(nil, &wire.Response{Tag: req.Tag, Rev: &rev})
	if err != nil {
		t.Error(err)
	}
	_, _ = nc.Write(frame)
}
