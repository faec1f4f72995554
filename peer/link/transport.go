package link

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ha/doozerd/internal/wire"
)

// Transport is a process's links to and from others. Its methods may be called
// from any goroutine.
type Transport struct {
	config  Config // complete
	handler Handler
	dial    func(ctx context.Context, addr string) (net.Conn, error)

	ctx    context.Context // ends when the transport is closed
	cancel context.CancelFunc
	work   sync.WaitGroup
	counts counts
	tell   teller // of refused connections

	routes atomic.Pointer[map[string]*outgoing] // by address; replaced, never changed

	mu       sync.Mutex
	closed   bool
	shaking  []net.Conn // accepted, in order, not proven yet
	incoming map[inKey]*incoming
}

// counts are the parts of Stats that only grow.
type counts struct {
	sent, received, noLink, noRoom, refused atomic.Uint64
}

// Stats is what a transport has to do and has done.
type Stats struct {
	To, From   int    // links that are up
	Handshakes int    // accepted connections that have not proved themselves yet
	Sent       uint64 // frames handed to the network
	Received   uint64 // frames handed to the handler
	NoLink     uint64 // frames dropped, because there was no link to that process, or it broke
	NoRoom     uint64 // frames dropped, because too much was waiting or they were too long
	Refused    uint64 // accepted connections that did not prove themselves, or were refused
}

// New returns a transport that wants nobody yet and accepts what is handed to
// ServePeer. The error is that of Config.Validate.
func New(c Config, h Handler) (*Transport, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if h == nil {
		return nil, errors.New("link: a handler is required")
	}
	t := &Transport{config: c.withDefaults(), handler: h, dial: dialTCP, incoming: make(map[inKey]*incoming)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.routes.Store(new(map[string]*outgoing))
	return t, nil
}

// Send puts a frame for a process at an address into the queue of its link, or
// drops it: if there is no link to that process, or too much is waiting. An empty
// id is that of whichever process is at the address. body is at most
// wire.MaxPeerFrame bytes, and is copied. Send never blocks.
func (t *Transport) Send(to Peer, body []byte) {
	o := (*t.routes.Load())[to.Addr]
	switch {
	case len(body) > wire.MaxPeerFrame:
		t.counts.noRoom.Add(1)
	case o == nil:
		t.counts.noLink.Add(1)
	default:
		t.count(o.queue.push(to.ID, body))
	}
}

// count counts a frame that was dropped.
func (t *Transport) count(v verdict) {
	switch v {
	case noLink:
		t.counts.noLink.Add(1)
	case noRoom:
		t.counts.noRoom.Add(1)
	}
}

// Want says whom to keep connected, instead of all who were wanted before. New
// addresses are dialled at once; links to those that are wanted no more are
// closed. Of processes at one address, whichever is there is connected to, if it
// is among them or one of them has no id. This process itself is left out, and so
// are addresses beyond Config.MaxLinks, and what is too long to be an address or
// an id.
func (t *Transport) Want(peers []Peer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	wanted := t.byAddr(peers)
	old := *t.routes.Load()
	routes := make(map[string]*outgoing, len(wanted))
	for addr, ids := range wanted {
		if o := old[addr]; o != nil {
			routes[addr] = o
			o.want(ids)
		} else {
			routes[addr] = t.begin(addr, ids)
		}
	}
	t.routes.Store(&routes)
	for addr, o := range old {
		if routes[addr] == nil {
			o.cancel()
		}
	}
}

// byAddr returns the ids that are wanted at each address.
func (t *Transport) byAddr(peers []Peer) map[string][]string {
	wanted := make(map[string][]string)
	for _, p := range peers {
		ids, known := wanted[p.Addr]
		switch {
		case p.ID == t.config.ID || p.Addr == t.config.Addr,
			len(p.ID) > wire.MaxPeerID || len(p.Addr) > wire.MaxPeerAddr,
			!known && len(wanted) == t.config.MaxLinks:
			continue
		}
		if !slices.Contains(ids, p.ID) {
			wanted[p.Addr] = append(ids, p.ID)
		}
	}
	return wanted
}

// begin starts to keep addr connected. The caller holds t.mu.
func (t *Transport) begin(addr string, ids []string) *outgoing {
	o := newOutgoing(t, addr, ids)
	t.work.Add(1)
	go o.run()
	return o
}

// Stats returns the numbers of the moment.
func (t *Transport) Stats() Stats {
	s := Stats{
		Sent:     t.counts.sent.Load(),
		Received: t.counts.received.Load(),
		NoLink:   t.counts.noLink.Load(),
		NoRoom:   t.counts.noRoom.Load(),
		Refused:  t.counts.refused.Load(),
	}
	for _, o := range *t.routes.Load() {
		if o.queue.leadsTo() != "" {
			s.To++
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s.From, s.Handshakes = len(t.incoming), len(t.shaking)
	return s
}

// Close closes all links and returns when everything that the transport started,
// and every call of ServePeer and of the handler, has ended.
func (t *Transport) Close() {
	t.stop()
	t.work.Wait()
}

func (t *Transport) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.closed = true
	t.cancel()
	for _, conn := range t.shaking {
		hangUp(conn)
	}
	for _, in := range t.incoming {
		hangUp(in.conn)
	}
}
