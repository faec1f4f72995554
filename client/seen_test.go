package client

import (
	"context"
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
