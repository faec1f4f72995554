package server

import (
	"encoding/binary"
	"syscall"
)

// States of a TCP connection whose other side has closed, as in the first byte
// of Linux's struct tcp_info.
const (
	tcpClose     = 7
	tcpCloseWait = 8
)

// hungUp reports whether the other side of a TCP connection has closed it, even
// if some of what it sent has still to be read.
func hungUp(fd uintptr) bool {
	info, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
	if err != nil {
		return true
	}
	var head [4]byte
	binary.NativeEndian.PutUint32(head[:], uint32(info))
	return head[0] == tcpClose || head[0] == tcpCloseWait
}
