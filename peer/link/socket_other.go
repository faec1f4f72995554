//go:build !linux

package link

import (
	"net"
	"time"
)

// limitUnacknowledged does nothing here: the system decides for itself how long
// it tries, and keepalive and the deadline of writing end what it does not.
func limitUnacknowledged(net.Conn, time.Duration) {}
