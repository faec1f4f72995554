package server

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/bmizerany/assert"
)

// A client whose machine is gone, which never says so, is found out.
func TestSilentClientsAreProbed(t *testing.T) {
	theirs, ours := tcpPair(t)
	client := newRig(t).connect(theirs, ours)
	client.call(req(REV))
	seconds := func(d time.Duration) int { return int(d / time.Second) }
	assert.Equal(t, 1, socketOption(t, ours, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE))
	assert.Equal(t, seconds(keepAlive.Idle), socketOption(t, ours, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE))
	assert.Equal(t, seconds(keepAlive.Interval), socketOption(t, ours, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL))
	assert.Equal(t, keepAlive.Count, socketOption(t, ours, syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT))
}

func socketOption(t *testing.T, c net.Conn, level, option int) (value int) {
	raw, err := c.(syscall.Conn).SyscallConn()
	assert.Equal(t, nil, err)
	assert.Equal(t, nil, raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), level, option) }))
	assert.Equal(t, nil, err)
	return value
}
