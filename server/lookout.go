package server

import (
	"net"
	"time"
)

// patience is how long the reader may be kept from reading by the node before
// it looks whether the client is still there. Before that, requests that were
// sent are served even if the client has hung up behind them.
const patience = time.Second

// A lookout is for the client's hanging up while the reader does not read, and
// ends what the reader is doing for it.
type lookout struct {
	conn  *conn
	timer *time.Timer   // nil before the first time
	done  chan struct{} // has a token when run has returned
}

// begin starts to watch, after a time of patience.
func (l *lookout) begin() {
	if l.timer == nil {
		l.done = make(chan struct{}, 1)
		l.timer = time.AfterFunc(patience, l.run)
		return
	}
	l.timer.Reset(patience)
}

// end stops watching.
func (l *lookout) end() {
	if l.timer.Stop() {
		return
	}
	l.conn.readUntil(longAgo)
	<-l.done
	l.conn.readUntil(time.Time{})
}

func (l *lookout) run() {
	if awaitHangup(l.conn.nc) {
		l.conn.cancel()
	}
	l.done <- struct{}{}
}

// readUntil sets the deadline of reading, unless no more is read anyway.
func (c *conn) readUntil(deadline time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.quitting {
		_ = c.nc.SetReadDeadline(deadline)
	}
}

// awaitHangup waits until the client of nc has hung up, and reports false if
// the deadline of reading, or the end of nc, came first. Connections that do
// not run over TCP it cannot watch.
func awaitHangup(nc net.Conn) bool {
	tcp := tcpConn(nc)
	if tcp == nil {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	gone := false
	err = raw.Read(func(fd uintptr) bool {
		gone = hungUp(fd)
		return gone
	})
	return gone && err == nil
}
