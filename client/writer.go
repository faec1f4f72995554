package client

import (
	"runtime"
	"slices"
	"time"

	"github.com/ha/doozerd/internal/wire"
)

// maxBatch is how many bytes of small frames share one write.
const maxBatch = 64 << 10

// write sends what is queued, and keeps watch over the server's pulse, until
// the connection breaks.
func (cn *conn) write() {
	beat := time.NewTicker(cn.heartbeat)
	defer beat.Stop()
	p := pulse{cn: cn}
	for {
		var err error
		select {
		case <-cn.wake:
			err = cn.flush()
		case <-beat.C:
			err = p.check()
		case <-cn.gone:
			return
		}
		if err != nil {
			cn.fail(err)
			return
		}
	}
}

// flush writes until the queue is empty. What is queued while it writes goes
// out together in its next write: that is how many callers share one.
func (cn *conn) flush() error {
	var batch []byte
	for {
		runtime.Gosched() // callers that are ready to run get on board
		batch = cn.nextBatch(batch[:0])
		if len(batch) == 0 {
			return nil
		}
		if err := cn.writeAll(batch); err != nil {
			return err
		}
	}
}

// nextBatch takes frames off the queue, maxBatch bytes of them or a single
// larger one, and counts them as sent. It appends to dst or returns the only
// frame as it is.
func (cn *conn) nextBatch(dst []byte) []byte {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if len(cn.queue) > 0 && len(cn.queue[0].frame) >= maxBatch || len(cn.queue) == 1 {
		return cn.pop()
	}
	for len(cn.queue) > 0 && len(dst)+len(cn.queue[0].frame) <= maxBatch {
		dst = append(dst, cn.pop()...)
	}
	return dst
}

// pop takes the first frame off the queue.
func (cn *conn) pop() []byte {
	cl := cn.queue[0]
	cn.queue[0] = nil // else the queue's memory would hold on to its answer
	cn.queue = cn.queue[1:]
	frame := cl.frame
	cl.sent, cl.frame = true, nil
	return frame
}

// writeAll gives a server that stops reading two heartbeats for each maxBatch
// bytes.
func (cn *conn) writeAll(b []byte) error {
	for chunk := range slices.Chunk(b, maxBatch) {
		if err := cn.nc.SetWriteDeadline(time.Now().Add(2 * cn.heartbeat)); err != nil {
			return err
		}
		if _, err := cn.nc.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

// pulse tells a server that is slow to answer, as to a WAIT, from one that is
// dead or stopped without its connection having been closed.
type pulse struct {
	cn    *conn
	heard uint64 // conn.heard at the last check
	asked bool   // a sign of life was asked for at the last check
}

// check runs each heartbeat. A server that owes an answer and has been silent
// since the last check is asked for its rev; if even that brings nothing by
// the next check, it counts as dead.
func (p *pulse) check() error {
	heard := p.cn.heard.Load()
	silent := heard == p.heard && p.cn.owed()
	p.heard = heard
	if silent && p.asked {
		return errSilent
	}
	if p.asked = silent; silent {
		p.cn.post(plain(wire.Request_REV))
	}
	return nil
}

// owed reports whether a request is without an answer.
func (cn *conn) owed() bool {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	return len(cn.calls) > 0
}
