package link

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/bmizerany/assert"
)

// Either end finds out that the other machine is gone, which never says so.
func TestSilentPeersAreProbed(t *testing.T) {
	a, b := start(t, "A"), start(t, "B")
	dialled := make(chan net.Conn, 1)
	a.dial = func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := dialTCP(ctx, addr)
		dialled <- conn
		return conn, err
	}
	a.connect(b)
	b.awaitHailed(a.addr() + " A/")
	ours := <-dialled
	for _, conn := range []net.Conn{ours, b.conns[0]} {
		assert.Equal(t, 1, socketOption(t, conn, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE))
		assert.Equal(t, int(keepAlive.Idle/time.Second), socketOption(t, conn, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE))
		assert.Equal(t, int(keepAlive.Interval/time.Second), socketOption(t, conn, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL))
		assert.Equal(t, keepAlive.Count, socketOption(t, conn, syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT))
	}
	assert.Equal(t, int(DefaultWriteTimeout.Milliseconds()), socketOption(t, ours, syscall.IPPROTO_TCP, tcpUserTimeout))
}

func socketOption(t *testing.T, c net.Conn, level, option int) (value int) {
	raw, err := c.(syscall.Conn).SyscallConn()
	assert.Equal(t, nil, err)
	assert.Equal(t, nil, raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, option) }))
	assert.Equal(t, nil, err)
	return value
}
