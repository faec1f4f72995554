package link

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/ha/doozerd/internal/wire"
)

// tellInterval is how often, at most, one kind of refused connection is logged.
const tellInterval = time.Minute

// errFarewell is why a link ended that its other side took leave over.
var errFarewell = errors.New("not wanted by the other side any more")

// An incoming is a connection from another process.
type incoming struct {
	conn  net.Conn
	other Remote // once it has proved itself
	key   inKey
}

// An inKey tells links from others apart. A process has one for each name of this
// one that it dials.
type inKey struct{ id, dialed string }

// ServePeer serves a connection that another process has made, and of which first
// was read already. It closes it, and returns when it has ended. It may be called
// as soon as there is a transport.
func (t *Transport) ServePeer(conn net.Conn, first []byte) {
	defer hangUp(conn)
	in := &incoming{conn: conn}
	if !wire.IsPeer(first) || !t.enter(in) {
		return
	}
	defer t.work.Done()
	defer t.dismiss(in)
	rest := bytes.NewReader(bytes.Clone(first[len(wire.PeerPreface):]))
	source := io.MultiReader(rest, conn)
	s, err := t.introduced(in, source)
	if err != nil {
		t.refused(in, explain(err))
		return
	}
	t.ended(in, explain(t.receive(in, s, source)))
}

// enter takes in a connection that has still to prove itself. If there are too
// many of these, the oldest gives way: a genuine one does not take long, so who
// keeps others out has to be faster than they are.
func (t *Transport) enter(in *incoming) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	if len(t.shaking) >= t.config.MaxHandshakes {
		hangUp(t.shaking[0])
		t.shaking = slices.Delete(t.shaking, 0, 1)
	}
	t.shaking = append(t.shaking, in.conn)
	t.work.Add(1)
	return true
}

// admit takes in a process that has proved itself. Its earlier connection gives
// way: it would not have dialled that address again if it still used that.
func (t *Transport) admit(in *incoming, other Remote, dialed string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := inKey{other.ID, dialed}
	old := t.incoming[key]
	switch {
	case t.closed:
		return ErrClosed
	case old != nil:
		hangUp(old.conn)
	case len(t.incoming) >= t.config.MaxLinks:
		return &Refusal{Err: ErrBusy, Other: other, Proven: true}
	}
	in.other, in.key = other, key
	t.incoming[key] = in
	t.shaken(in)
	return nil
}

// shaken takes in out of those that have still to prove themselves. The caller
// holds t.mu.
func (t *Transport) shaken(in *incoming) {
	t.shaking = slices.DeleteFunc(t.shaking, func(c net.Conn) bool { return c == in.conn })
}

// dismiss forgets a connection that has ended.
func (t *Transport) dismiss(in *incoming) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shaken(in)
	if t.incoming[in.key] == in {
		delete(t.incoming, in.key)
	}
}

// introduced does the handshake.
func (t *Transport) introduced(in *incoming, source io.Reader) (*session, error) {
	if tcp, ok := beneath(in.conn).(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(keepAlive)
	}
	_ = in.conn.SetDeadline(time.Now().Add(t.config.HandshakeTimeout))
	h := newHandshake(&t.config, in.conn, source)
	s, err := h.answer(func(other Remote, dialed string) error { return t.admit(in, other, dialed) })
	_ = in.conn.SetDeadline(time.Time{})
	return s, err
}

// receive hands over frames until the link ends, and returns why it did.
func (t *Transport) receive(in *incoming, s *session, source io.Reader) error {
	t.config.Logger.Debug("link from a peer up", "from", s.other.Addr, "id", s.other.ID)
	t.wake(s.other.Addr)
	t.handler.Hailed(s.other)
	frames := wire.NewReader(patient{in.conn, source, t.config.Silence}, wire.MaxFrame)
	for {
		sealed, err := frames.Next()
		if errors.Is(err, wire.ErrFrameSize) {
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		if err != nil {
			return err
		}
		frame, ok := s.seals.open(sealed)
		switch {
		case !ok:
			return fmt.Errorf("%w: a frame that it did not send, or not then", ErrSecret)
		case len(frame) < kindBytes:
			return fmt.Errorf("%w: a frame without a kind", ErrProtocol)
		case frame[0] == wire.PeerFarewell:
			return errFarewell
		case frame[0] != wire.PeerData:
			continue
		}
		if own := t.config.Cluster(); own != s.own && differ(own, s.other.Cluster) {
			return fmt.Errorf("%w: %q, here %q", ErrCluster, s.other.Cluster, own)
		}
		t.counts.received.Add(1)
		t.handler.Receive(s.other, frame[kindBytes:])
	}
}

// wake makes this process dial an address at once, because a process from there
// is alive.
func (t *Transport) wake(addr string) {
	if o := (*t.routes.Load())[addr]; o != nil {
		signal(o.wake)
	}
}

// refused tells of a connection that did not become a link.
func (t *Transport) refused(in *incoming, err error) {
	n := t.counts.refused.Add(1)
	ordinary := errors.Is(err, ErrOther) || errors.Is(err, ErrGone) // where a process was restarted, or gave up
	if t.ctx.Err() == nil && !ordinary && t.tell.now(kindOf(err)) {
		t.config.Logger.Warn("peer refused", "from", in.conn.RemoteAddr(), "cause", err, "refused", n)
	}
}

// ended tells why a link from another process ended.
func (t *Transport) ended(in *incoming, err error) {
	log := t.config.Logger.Debug
	if errors.Is(err, ErrSecret) || errors.Is(err, ErrCluster) || errors.Is(err, ErrProtocol) {
		log = t.config.Logger.Warn
	}
	if t.ctx.Err() == nil {
		log("link from a peer down", "from", in.other.Addr, "id", in.other.ID, "cause", err)
	}
	if errors.Is(err, ErrGone) {
		t.handler.Lost(in.other.ID)
	}
}

// kinds are the reasons for having no link, as far as logs tell them apart.
var kinds = []error{
	ErrNobody, ErrTimeout, ErrGone, ErrVersion, ErrName, ErrWindow, ErrSelf, ErrSecret, ErrCertificate, ErrOther, ErrCluster,
	ErrBusy, ErrProtocol, errUnwanted, errRenamed,
}

// kindOf returns which of kinds err is, nil if none.
func kindOf(err error) error {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}

// A teller tells when it is time to log something that goes on. The zero teller
// is ready.
type teller struct {
	mu   sync.Mutex
	last map[error]time.Time
}

// now reports whether nothing of that kind was logged for tellInterval, and if
// so begins the next.
func (t *teller) now(kind error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, told := t.last[kind]; told && time.Since(last) < tellInterval {
		return false
	}
	if t.last == nil {
		t.last = make(map[error]time.Time)
	}
	t.last[kind] = time.Now()
	return true
}
