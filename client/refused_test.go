package client_test

import (
	"context"
	"net"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/wire"
)

// A server that is being restarted refuses a while before it is back.
func TestServerThatIsBackAfterRefusingIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		n.serve("a:1",
			func(p *remote) { p.hello(1); p.want(wire.Request_WAIT) },
			answering(wire.Request_WAIT, event(5, "/a", "")))
		cfg := n.config("a:1")
		dial, dials := cfg.DialFunc, 0
		cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dials++; dials == 2 || dials == 3 {
				return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
			}
			return dial(ctx, network, addr)
		}
		c, err := client.DialConfig(t.Context(), cfg)
		assert.Equal(t, nil, err)
		defer c.Close()
		ev, err := c.Wait(t.Context(), "/a", 2)
		assert.Equal(t, nil, err)
		assert.Equal(t, int64(5), ev.Rev)
		assert.Equal(t, 4, dials)
	})
}
