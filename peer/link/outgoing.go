package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/ha/doozerd/internal/wire"
)

// farewellTimeout is how long taking leave of another process may take: on a busy machine even that waits for its turn.
const farewellTimeout = time.Second

// ticks is how many there are in the silence that others bear.
const ticks = 4

// longAgo is a deadline that makes reading or writing end at once.
var longAgo = time.Unix(1, 0)

// Why this side ended a link.
var (
	errUnwanted = errors.New("not wanted any more")
	errRenamed  = errors.New("the cluster has another id now")
)

// An outgoing keeps an address connected for as long as it is wanted. One
// goroutine dials and writes, and while the link is up another one listens for
// its end.
type outgoing struct {
	t      *Transport
	addr   string
	queue  queue
	ctx    context.Context // ends when the address is not wanted any more
	cancel context.CancelFunc
	wake   chan struct{} // has a token when it is time to look anew

	told map[error]bool // kinds of failure that were logged since the link was up

	mu  sync.Mutex
	ids []string // wanted
}

func newOutgoing(t *Transport, addr string, ids []string) *outgoing {
	o := &outgoing{
		t:    t,
		addr: addr,
		queue: queue{
			maxFrames: t.config.MaxQueueFrames,
			maxBytes:  t.config.MaxQueueBytes,
			ready:     make(chan struct{}, 1),
		},
		wake: make(chan struct{}, 1),
		told: make(map[error]bool),
		ids:  ids,
	}
	o.ctx, o.cancel = context.WithCancel(t.ctx)
	return o
}

// want says which processes are wanted.
func (o *outgoing) want(ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(ids, o.ids) {
		o.ids = ids
		signal(o.wake)
	}
}

// wants reports whether the process with that id is wanted.
func (o *outgoing) wants(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Contains(o.ids, id) || slices.Contains(o.ids, "")
}

// only is the one id that is wanted, empty if there are several, or any will do.
func (o *outgoing) only() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.ids) != 1 {
		return ""
	}
	return o.ids[0]
}

func (o *outgoing) run() {
	defer o.t.work.Done()
	defer o.cancel()
	p := pauses{longest: o.t.config.MaxBackoff}
	for o.ctx.Err() == nil {
		began := time.Now()
		err := o.attempt()
		if o.ctx.Err() != nil && !errors.Is(err, errUnwanted) {
			return
		}
		if time.Since(began) >= p.longest {
			p.last = 0 // it was up, or has taken its time anyway
		}
		o.down(err)
		o.pause(p.next())
	}
}

// attempt connects once, and carries frames for as long as that lasts. The error
// is why it does not, or no longer.
func (o *outgoing) attempt() error {
	conn, s, err := o.connect()
	if err != nil {
		o.failed(err)
		return err
	}
	defer hangUp(conn)
	if !o.wants(s.other.ID) {
		o.t.handler.Met(o.addr, s.other)
		return fmt.Errorf("%w: %q", ErrOther, s.other.ID)
	}
	o.up(s.other)
	o.queue.open(s.other.ID, s.seals.size())
	o.t.handler.Met(o.addr, s.other)
	err = explain(o.carry(conn, s))
	o.t.counts.noLink.Add(uint64(o.queue.close()))
	if errors.Is(err, ErrGone) {
		o.t.handler.Lost(s.other.ID)
	}
	return err
}

// failed tells the handler of an attempt to connect that failed.
func (o *outgoing) failed(err error) {
	var r *Refusal
	switch {
	case o.ctx.Err() != nil:
	case errors.As(err, &r) && r.Proven && r.Err == ErrOther:
		o.t.handler.Met(o.addr, r.Other)
	default:
		o.t.handler.Unreachable(o.addr, err)
	}
}

// connect dials and proves this process to the other, and the other to this one.
func (o *outgoing) connect() (net.Conn, *session, error) {
	ctx, cancel := context.WithTimeout(o.ctx, o.t.config.DialTimeout)
	conn, err := o.t.dial(ctx, o.addr)
	cancel()
	if err != nil {
		return nil, nil, explain(err)
	}
	limitUnacknowledged(conn, o.t.config.WriteTimeout)
	conn, s, err := o.introduce(conn)
	if err != nil {
		hangUp(conn)
		return nil, nil, explain(err)
	}
	return conn, s, nil
}

// introduce does the handshakes, that of TLS first where there is TLS, and
// returns the connection to go on with.
func (o *outgoing) introduce(conn net.Conn) (net.Conn, *session, error) {
	ctx, cancel := context.WithTimeout(o.ctx, o.t.config.HandshakeTimeout)
	defer cancel()
	if o.t.config.TLS != nil {
		var err error
		if conn, err = secure(ctx, conn, o.addr, o.t.config.TLS); err != nil {
			return conn, nil, fmt.Errorf("TLS: %w", err)
		}
	}
	_ = conn.SetDeadline(time.Now().Add(o.t.config.HandshakeTimeout))
	stop := context.AfterFunc(o.ctx, func() { _ = conn.SetDeadline(longAgo) })
	s, err := newHandshake(&o.t.config, conn, conn).dial(Peer{o.only(), o.addr})
	if !stop() {
		return conn, nil, o.ctx.Err()
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, s, err
}

// carry writes frames until the link ends, and returns why it did.
func (o *outgoing) carry(conn net.Conn, s *session) error {
	stop := context.AfterFunc(o.ctx, func() { _ = conn.SetWriteDeadline(time.Now().Add(farewellTimeout)) })
	defer stop()
	w := watch(conn)
	err := o.write(conn, s, w)
	hangUp(conn)
	<-w.done
	if errors.Is(err, net.ErrClosed) {
		return w.err // it was the watcher who closed
	}
	return err
}

// write writes what comes into the queue until the link ends, and returns why it
// did.
func (o *outgoing) write(conn net.Conn, s *session, w *watcher) error {
	wr := writer{outgoing: o, conn: conn, session: s}
	tick := time.NewTicker(o.t.config.Silence / ticks)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-w.done:
			return w.err
		case <-o.ctx.Done():
			return wr.leave(errUnwanted)
		case <-o.wake:
			if !o.wants(s.other.ID) {
				return wr.leave(errUnwanted)
			}
		case <-o.queue.ready:
			err = wr.flush()
		case <-tick.C:
			err = wr.tick()
		}
		if err != nil {
			return err
		}
	}
}

// A writer writes to one connection.
type writer struct {
	*outgoing
	conn    net.Conn
	session *session
	batch   []byte // empty; the memory of the last one
	idle    bool   // nothing was sent since the last tick
}

// flush sends all that waits, at once.
func (w *writer) flush() error {
	w.idle = false
	if w.t.config.Cluster() != w.session.own {
		return w.leave(errRenamed)
	}
	batch, frames := w.queue.take(w.batch)
	w.batch = batch[:0]
	sealAll(batch, w.session.seals)
	if err := writeAll(w.ctx, w.conn, batch, w.t.config.WriteTimeout); err != nil {
		w.t.counts.noLink.Add(uint64(frames))
		return err
	}
	w.t.counts.sent.Add(uint64(frames))
	return nil
}

// tick sends a sign of life if nothing else was sent since the last tick, and then
// gives back what memory is not needed.
func (w *writer) tick() error {
	if !w.idle {
		w.idle = true
		return nil
	}
	w.queue.rest()
	if cap(w.batch) > keptBuffer {
		w.batch = nil
	}
	if w.t.config.Cluster() != w.session.own {
		return w.leave(errRenamed)
	}
	return writeAll(w.ctx, w.conn, sealedFrame(wire.PeerHeartbeat, w.session.seals), w.t.config.WriteTimeout)
}

// leave says that this side is going to close the link, and returns why. Without
// that the other side takes this process for dead; which is right, as soon as the
// transport has been closed.
func (w *writer) leave(why error) error {
	if w.t.ctx.Err() == nil {
		farewell := sealedFrame(wire.PeerFarewell, w.session.seals)
		_ = writeAll(context.Background(), w.conn, farewell, farewellTimeout)
	}
	return why
}

// sealedFrame returns a frame that is nothing but its kind.
func sealedFrame(kind byte, s *sealer) []byte {
	b := appendFrame(nil, kind, nil, s.size())
	sealAll(b, s)
	return b
}

// A watcher listens where nothing is to be heard but the end.
type watcher struct {
	done chan struct{}
	err  error // why the connection ended, once done is closed
}

// watch closes conn when the other side does.
func watch(conn net.Conn) *watcher {
	w := &watcher{done: make(chan struct{})}
	go func() {
		defer close(w.done)
		n, err := conn.Read(make([]byte, 1))
		if n > 0 {
			err = fmt.Errorf("%w: it sends where it should read", ErrProtocol)
		}
		w.err = err
		hangUp(conn)
	}()
	return w
}

// up logs that the link is up.
func (o *outgoing) up(other Remote) {
	clear(o.told)
	o.t.config.Logger.Info("link up", "to", o.addr, "id", other.ID, "cluster", other.Cluster)
}

// down logs why the link is down: each kind of reason once until it is up again.
func (o *outgoing) down(err error) {
	kind := kindOf(err)
	if o.t.ctx.Err() != nil || o.told[kind] {
		return
	}
	o.told[kind] = true
	level := slog.LevelInfo
	if errors.Is(err, errRenamed) {
		level = slog.LevelDebug // whoever joins a cluster dials anew
	}
	o.t.config.Logger.Log(o.t.ctx, level, "link down", "to", o.addr, "cause", err)
}

// pause waits, unless there is a reason to look anew.
func (o *outgoing) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-o.wake:
	case <-o.ctx.Done():
	}
}

// pauses are those between attempts: each twice as long as the last, and shorter
// by chance, so that processes do not dial in step.
type pauses struct {
	last, longest time.Duration
}

func (p *pauses) next() time.Duration {
	p.last = min(max(2*p.last, minBackoff), p.longest)
	return p.last/2 + rand.N(p.last/2+1)
}
