package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// heartbeat is the longest time between two messages. A page that hears
	// nothing for three of them takes the connection for dead.
	heartbeat = 10 * time.Second

	// writeTimeout is how long a browser may take to receive one message.
	writeTimeout = 15 * time.Second

	// retryAfter is how long a browser waits before it connects anew.
	retryAfter = time.Second
)

// An sse writes server-sent events.
type sse struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// openStream begins a stream of events, or answers why not. The caller must
// call done when it is over.
func (v *View) openStream(w http.ResponseWriter, r *http.Request) (s *sse, done func()) {
	select {
	case v.streams <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many streams follow this node", http.StatusServiceUnavailable)
		return nil, nil
	}
	done = func() { <-v.streams }
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy that gathers messages makes them late
	s = &sse{w, http.NewResponseController(w)}
	// The time for a request to come ends a stream as well, unless it is lifted.
	if err := s.rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) || r.Method == http.MethodHead {
		done()
		return nil, nil
	}
	return s, done
}

// send sends one message. A browser that does not take it in time is cut off.
func (s *sse) send(id int64, event string, data []byte) error {
	if err := s.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if id > 0 {
		fmt.Fprintf(s.w, "id: %d\n", id)
	}
	if _, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", event, data); err != nil {
		return err
	}
	return s.rc.Flush()
}

// A hello is the first message to a page: what it is connected to.
type hello struct {
	ClusterID string   `json:"cluster"`
	Node      string   `json:"node"`
	Addr      string   `json:"addr"`
	Rev       int64    `json:"rev"`
	Oldest    int64    `json:"oldest"`
	Cut       *float64 `json:"cut,omitempty"` // for how many seconds the node is cut off from the majority, if it is
}

// A beat says that the stream is alive, and where it stands. It comes now and
// then, and when the node is cut off from the majority or no longer is.
type beat struct {
	Rev    int64    `json:"rev"` // a page that has another one has missed something
	Oldest int64    `json:"oldest"`
	Cut    *float64 `json:"cut,omitempty"`
}

// stream follows the tree for a page: the frames after the rev that it has. A
// page of another cluster's history is told so by the hello, and where this one
// stands.
func (v *View) stream(w http.ResponseWriter, r *http.Request) {
	s, done := v.openStream(w, r)
	if s == nil {
		return
	}
	defer done()
	v.hub.join()
	defer v.hub.leave()
	p := &follower{View: v, sse: s, rev: v.resumeAt(r)}
	p.run(r.Context())
}

// resumeAt returns the rev that a page has.
func (v *View) resumeAt(r *http.Request) int64 {
	newest := v.past.Snapshot().Rev()
	if r.URL.Query().Get("cluster") != v.config.ClusterID() {
		return newest
	}
	rev, err := strconv.ParseInt(cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("rev")), 10, 64)
	if err != nil || rev < 0 {
		return newest
	}
	return rev
}

// A follower is one page that follows the tree.
type follower struct {
	*View
	*sse
	rev int64     // that the page has
	cut time.Time // since when the node is cut off, as the page was told last
}

func (p *follower) run(ctx context.Context) error {
	if _, err := fmt.Fprintf(p.w, "retry: %d\n", retryAfter.Milliseconds()); err != nil {
		return err
	}
	if err := p.sayHello(); err != nil {
		return err
	}
	beats := time.NewTicker(heartbeat)
	defer beats.Stop()
	for {
		f, more := p.nextFrame()
		if f != nil {
			if err := p.sendFrame(f); err != nil {
				return err
			}
			continue
		}
		cut, changed := p.contact.now()
		if !cut.Equal(p.cut) {
			if err := p.sayBeat(); err != nil {
				return err
			}
			continue
		}
		select {
		case <-more:
		case <-changed:
		case <-beats.C:
			if err := p.sayBeat(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *follower) sayHello() error {
	p.contact.look() // the node may just have joined
	p.cut, _ = p.contact.now()
	data, err := json.Marshal(hello{
		ClusterID: p.config.ClusterID(), Node: p.config.Node.ID(), Addr: p.config.Addr,
		Rev: max(p.past.Snapshot().Rev(), p.rev), Oldest: p.past.oldest(), Cut: secondsSince(p.cut),
	})
	if err != nil {
		return err
	}
	return p.send(0, "hello", data)
}

func (p *follower) sayBeat() error {
	p.cut, _ = p.contact.now()
	data, err := json.Marshal(beat{Rev: p.rev, Oldest: p.past.oldest(), Cut: secondsSince(p.cut)})
	if err != nil {
		return err
	}
	return p.send(0, "beat", data)
}

func (p *follower) sendFrame(f *frame) error {
	p.rev = f.To
	return p.send(f.To, "frame", f.data)
}

// nextFrame returns the frame that leads on from the page's rev: one that all
// share, or if none of them begins there one of its own; or nil, and what is
// closed when there may be one.
func (p *follower) nextFrame() (*frame, <-chan struct{}) {
	shared, to, changed := p.hub.after(p.rev)
	if to != nil {
		return p.past.frame(p.rev, to), nil
	}
	return shared, changed
}
