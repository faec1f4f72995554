package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ha/doozerd/internal/wire"
)

// maxAbandoned is how many requests on one connection may be without an answer
// although nobody waits for it. A server that lets more pile up is given up,
// which frees it of them.
const maxAbandoned = 1 << 14

var (
	errGone   = errors.New("connection is not in use any more")
	errSilent = errors.New("server gives no sign of life")
	errLeft   = errors.New("left for a server that takes writes")
)

// conn is one connection. It hands each answer to the call that has its tag.
// Its reader and its writer are its only goroutines; both end when it breaks.
//
// Invariant: a tag is in calls from before its request is sent until its
// answer has come, so no answer reaches a call that it is not for.
type conn struct {
	addr      string
	nc        net.Conn
	heartbeat time.Duration
	born      time.Time
	saw       func(rev int64) // told of each rev in an answer, before whoever asked is

	nextTag atomic.Int32
	heard   atomic.Uint64 // how often bytes have come
	served  atomic.Bool   // a request of the program was answered

	mu      sync.Mutex
	calls   map[int32]*call // without an answer yet, abandoned ones included
	queue   []*call         // not yet taken by the writer
	live    int             // how many in calls are not abandoned
	leaving bool            // takes no more calls
	err     error           // why it broke; set once

	wake chan struct{} // holds a token when queue may have something
	idle chan struct{} // closed when leaving and live is 0
	gone chan struct{} // closed when broken
	wg   sync.WaitGroup
}

func newConn(addr string, nc net.Conn, heartbeat time.Duration, saw func(rev int64)) *conn {
	cn := &conn{
		addr:      addr,
		nc:        nc,
		heartbeat: heartbeat,
		born:      time.Now(),
		saw:       saw,
		calls:     make(map[int32]*call),
		wake:      make(chan struct{}, 1),
		idle:      make(chan struct{}),
		gone:      make(chan struct{}),
	}
	cn.wg.Go(cn.read)
	cn.wg.Go(cn.write)
	return cn
}

// start sends a request and does not wait for its answer. errGone means that
// the connection takes no more: nothing was sent.
func (cn *conn) start(r *wire.Request, waits bool) (*call, error) {
	cl := &call{cn: cn, waits: waits, done: make(chan struct{})}
	if isRead(r) {
		cl.asOf = r.GetRev()
	}
	return cl, cn.send(cl, r)
}

// post sends a request whose answer nobody needs.
func (cn *conn) post(r *wire.Request) {
	// A connection that is gone needs none of these any more.
	_ = cn.send(&call{cn: cn, abandoned: true, done: make(chan struct{})}, r)
}

// look sends a WAIT and cancels it in the same breath: the answer is what there
// is in history, if anything. Nothing gets in between, so that the server never
// holds more of them than one.
func (cn *conn) look(r *wire.Request) (*call, error) {
	cl := &call{cn: cn, done: make(chan struct{})}
	end := &call{cn: cn, done: make(chan struct{})}
	for {
		if err := cn.number(cl, r); err != nil {
			return nil, err
		}
		if err := cn.number(end, cancelOf(cl)); err != nil {
			return nil, err
		}
		if err := cn.enqueue(cl, end); !errors.Is(err, errTagTaken) {
			return cl, err
		}
	}
}

func cancelOf(cl *call) *wire.Request {
	return &wire.Request{Verb: wire.Request_CANCEL.Enum(), OtherTag: &cl.tag}
}

func (cn *conn) send(cl *call, r *wire.Request) error {
	for {
		if err := cn.number(cl, r); err != nil {
			return err
		}
		if err := cn.enqueue(cl); !errors.Is(err, errTagTaken) {
			return err
		}
	}
}

// number gives a call the next tag, and makes its frame.
func (cn *conn) number(cl *call, r *wire.Request) error {
	cl.tag = cn.nextTag.Add(1)
	r.Tag = &cl.tag
	frame, err := wire.AppendFrame(make([]byte, 0, frameRoom(r)), r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	cl.frame = frame
	return nil
}

// errTagTaken: the numbers went round, and a request from the last round
// still waits under this one.
var errTagTaken = errors.New("tag is taken")

// frameRoom is what a request's frame takes, in bytes, or a little more.
func frameRoom(r *wire.Request) int { return 64 + len(r.GetPath()) + len(r.GetValue()) }

// enqueue takes all of the calls, or none.
func (cn *conn) enqueue(calls ...*call) error {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	for _, cl := range calls {
		if cn.err != nil || cn.leaving && !cl.abandoned {
			return errGone
		}
		if cn.calls[cl.tag] != nil {
			return errTagTaken
		}
	}
	if len(cn.queue) == 0 {
		defer cn.wakeWriter()
	}
	for _, cl := range calls {
		cn.calls[cl.tag] = cl
		cn.queue = append(cn.queue, cl)
		if !cl.abandoned {
			cn.live++
		}
	}
	return nil
}

func (cn *conn) wakeWriter() {
	select {
	case cn.wake <- struct{}{}:
	default:
	}
}

// abandon gives up a call whose ctx ended, and reports whether it did: false
// means that the call is settled. The server is freed of what it may hold for
// long; a call that had not left never will.
func (cn *conn) abandon(cl *call) bool {
	cn.mu.Lock()
	if cn.calls[cl.tag] != cl || cl.abandoned {
		cn.mu.Unlock()
		return false
	}
	cn.drop(cl)
	tooMany := len(cn.calls)-cn.live > maxAbandoned
	cn.mu.Unlock()

	if tooMany {
		cn.fail(fmt.Errorf("%w: %d requests without an answer", errSilent, maxAbandoned))
	} else if cl.sent && cl.waits {
		cn.post(cancelOf(cl))
	}
	return true
}

// drop takes a live call out of use. Its tag stays taken if it was sent.
func (cn *conn) drop(cl *call) {
	cl.abandoned = true
	if !cl.sent {
		delete(cn.calls, cl.tag)
		cn.queue = slices.DeleteFunc(cn.queue, func(q *call) bool { return q == cl })
	}
	cn.oneLess()
}

// oneLess counts a call that nobody waits for any more.
func (cn *conn) oneLess() {
	cn.live--
	if cn.leaving && cn.live == 0 {
		close(cn.idle)
	}
}

// leave takes no more calls, hands back those that the server holds for long,
// and returns when the others are settled, or ctx ends. Handed back means
// failed with errLeft: as all that waits changes nothing, it can be sent
// elsewhere.
func (cn *conn) leave(ctx context.Context) {
	for _, cl := range cn.handBack() {
		cl.settle(nil, cn.lost(errLeft))
	}
	select {
	case <-cn.idle:
	case <-cn.gone:
	case <-ctx.Done():
	}
}

func (cn *conn) handBack() (back []*call) {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if cn.err != nil {
		return nil
	}
	for _, cl := range cn.calls {
		if cl.waits && !cl.abandoned {
			back = append(back, cl)
		}
	}
	for _, cl := range back {
		cn.drop(cl)
	}
	if cn.leaving = true; cn.live == 0 {
		close(cn.idle)
	}
	return back
}

// fail breaks the connection. The first reason counts, for all calls.
func (cn *conn) fail(err error) {
	cn.mu.Lock()
	if cn.err != nil {
		cn.mu.Unlock()
		return
	}
	cn.err = cn.lost(err)
	calls := cn.calls
	cn.calls, cn.queue = nil, nil
	cn.mu.Unlock()

	close(cn.gone)
	// What closing has to say is of no use: the connection has an error.
	_ = cn.nc.Close()
	for _, cl := range calls {
		if !cl.abandoned {
			cl.settle(nil, cn.err)
		}
	}
}

// lost names the address in a reason, unless it is our own doing.
func (cn *conn) lost(err error) error {
	if errors.Is(err, ErrClosed) {
		return err
	}
	return &ConnError{Addr: cn.addr, Err: fmt.Errorf("connection lost: %w", err)}
}

// close breaks the connection and joins its goroutines.
func (cn *conn) close(err error) {
	cn.fail(err)
	cn.wg.Wait()
}
