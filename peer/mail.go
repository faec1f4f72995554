package peer

import (
	"cmp"
	"errors"
	"maps"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/peer/link"
)

// An event is news of a link, for the loop.
type event func(stage)

// connect makes the transport. From then on events come.
func (n *Node) connect() (err error) {
	n.mail = newMail(n)
	n.links, err = link.New(link.Config{
		ID:      n.config.ID,
		Addr:    n.config.Addr,
		Name:    n.config.Cluster,
		Window:  uint32(cmp.Or(n.config.Engine.Window, consensus.DefaultWindow)),
		Cluster: func() string { return *n.proven.Load() },
		Secret:  n.config.Secret,
		TLS:     n.config.TLS,
		Logger:  n.linkLog(),
	}, (*postman)(n))
	return err
}

// postman brings what links tell to the loop. Frames are decoded on the goroutine of their link.
type postman Node

func (p *postman) Receive(from link.Remote, body []byte) {
	l := Link{Cluster: *p.cluster.Load(), From: from.ID, To: p.config.ID}
	r, err := Decode(body, l)
	if errors.Is(err, ErrCluster) { // from one who still looks for a cluster
		l.Cluster = Unfounded
		r, err = Decode(body, l)
		r.Impossible += len(r.Messages)
		r.Messages = nil
	}
	(*Node)(p).account(from, r, err)
	if err == nil {
		p.tell(func(s stage) { s.receive(from, r) })
	}
}

func (p *postman) Met(addr string, found link.Remote) { p.tell(func(s stage) { s.met(addr, found) }) }
func (p *postman) Hailed(from link.Remote)            { p.tell(func(s stage) { s.hailed(from) }) }
func (p *postman) Lost(id string)                     { p.tell(func(s stage) { s.lost(id) }) }
func (p *postman) Unreachable(addr string, err error) {
	p.tell(func(s stage) { s.unreachable(addr, err) })
}

func (p *postman) tell(e event) {
	select {
	case p.events <- e:
	case <-p.closing:
	case <-p.done:
	}
}

// mail sends to processes by their ids. It belongs to the loop.
type mail struct {
	node    *Node
	addrs   map[string]string    // by id: as registered, or as they said
	heard   map[string]time.Time // who speaks to us, by id
	changed bool                 // somebody new does
	cluster string               // of the encoders
	boxes   map[string]*box      // by id, of those in addrs
	full    []*box
	body    []byte
}

// A box is what goes to one process in one turn of the loop.
type box struct {
	id       string
	encoder  *Encoder
	messages []consensus.Message
}

func newMail(n *Node) *mail {
	return &mail{node: n, addrs: map[string]string{}, heard: map[string]time.Time{}, boxes: map[string]*box{}}
}

const (
	// strangerFor is how long a process that is no member is answered after it was heard.
	strangerFor = 30 * time.Second

	// maxStrangers is how many such processes are answered.
	maxStrangers = 256
)

// know notes where a process is reached.
func (m *mail) know(r link.Remote) { m.addrs[r.ID] = r.Addr }

// knowOnly forgets all others. Of those that are given twice, the last counts.
func (m *mail) knowOnly(peers []link.Peer) {
	clear(m.addrs)
	for _, p := range peers {
		m.addrs[p.ID] = p.Addr
	}
	maps.DeleteFunc(m.boxes, func(id string, _ *box) bool { return m.addrs[id] == "" })
}

// hear notes who speaks to us, so that it can be answered.
func (m *mail) hear(r link.Remote) {
	if _, known := m.heard[r.ID]; !known {
		if m.forgetStrangers(); len(m.heard) >= maxStrangers {
			return
		}
		m.changed = true
		if m.addrs[r.ID] == "" {
			m.addrs[r.ID] = r.Addr
		}
	}
	m.heard[r.ID] = time.Now()
}

// forgetStrangers forgets who was not heard lately.
func (m *mail) forgetStrangers() {
	maps.DeleteFunc(m.heard, func(_ string, at time.Time) bool { return time.Since(at) > strangerFor })
}

// strangers returns who was heard lately.
func (m *mail) strangers() (peers []link.Peer) {
	m.changed = false
	m.forgetStrangers()
	for id := range m.heard {
		peers = append(peers, link.Peer{ID: id, Addr: m.addrs[id]})
	}
	return peers
}

// forget empties the book: of a cluster that was left.
func (m *mail) forget() {
	clear(m.heard)
	clear(m.addrs)
	clear(m.boxes)
}

// send sends messages, those to one process together.
func (m *mail) send(messages []consensus.Message) {
	for k := range messages {
		b := m.box(messages[k].To)
		if b == nil {
			continue
		}
		if len(b.messages) == 0 {
			m.full = append(m.full, b)
		}
		b.messages = append(b.messages, messages[k])
	}
	for _, b := range m.full {
		m.empty(b)
	}
	m.full = m.full[:0]
}

// empty sends what is in b, in as many frames as it takes.
func (m *mail) empty(b *box) {
	for rest := b.messages; len(rest) > 0; {
		body, taken, err := b.encoder.Append(m.body[:0], rest)
		if err == nil || len(body) > 0 {
			m.deliver(b.id, body)
		} else {
			m.node.log.Error("a message cannot be sent", "to", b.id, "err", err)
		}
		rest = rest[taken:]
	}
	b.messages = emptied(b.messages)
}

// maxSpare is for how many elements a slice keeps its room from one turn to the next.
const maxSpare = 1024

// emptied returns s to be filled anew; nothing that was in it is kept, nor the room that only a burst has needed.
func emptied[T any](s []T) []T {
	if cap(s) > maxSpare {
		return nil
	}
	clear(s)
	return s[:0]
}

func (m *mail) deliver(to string, body []byte) {
	m.node.links.Send(link.Peer{ID: to, Addr: m.addrs[to]}, body)
	if m.body = body; cap(body) > maxKept {
		m.body = nil
	}
}

// maxKept is how much memory for frames is kept from one to the next.
const maxKept = 4 << 20

// box returns what goes to id, nil if nobody knows where that is.
func (m *mail) box(id string) *box {
	if cluster := *m.node.cluster.Load(); cluster != m.cluster {
		m.cluster = cluster
		clear(m.boxes)
	}
	if b := m.boxes[id]; b != nil {
		return b
	}
	if m.addrs[id] == "" {
		return nil
	}
	e, err := NewEncoder(Link{Cluster: m.cluster, From: m.node.config.ID, To: id})
	if err != nil {
		return nil
	}
	b := &box{id: id, encoder: e}
	m.boxes[id] = b
	return b
}

// note sends one note.
func (m *mail) note(n Note) {
	cluster := *m.node.cluster.Load()
	if n.Kind == Assembling {
		cluster = Unfounded
	}
	e, err := NewEncoder(Link{Cluster: cluster, From: n.From, To: n.To})
	if err != nil || m.addrs[n.To] == "" {
		return
	}
	body, err := e.AppendNote(m.body[:0], &n)
	if err != nil {
		m.node.log.Error("a note cannot be sent", "to", n.To, "err", err)
		return
	}
	m.deliver(n.To, body)
}
