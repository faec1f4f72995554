package web

import (
	"context"
	"sync"
	"time"

	"github.com/ha/doozerd/store"
)

const (
	// pace is the least time between two frames, unless one is full before: a
	// tree may change faster than anybody can read, or a browser draw.
	pace = 50 * time.Millisecond

	// lookEvery is how many revs the hub lets pass before it looks at them,
	// while it waits for its pace: well within the history.
	lookEvery = 256

	// keptFrames is how many frames are kept for streams that do not keep up.
	keptFrames = 64
)

// A hub makes the frames that all streams share, in one goroutine.
type hub struct {
	past past

	mu      sync.Mutex
	follows int             // streams that want frames
	frames  []*frame        // the last ones, without a gap
	shown   *store.Snapshot // where they lead
	changed chan struct{}   // closed when the above changes
}

func newHub(p past) *hub { return &hub{past: p, changed: make(chan struct{})} }

// join says that a stream wants frames, until it leaves.
func (h *hub) join() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.follows++
	h.tell()
}

func (h *hub) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.follows--
}

// tell wakes whoever waits for a change. The caller holds h.mu.
func (h *hub) tell() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// after returns the frame that begins at rev; or if there is none, but frames
// lead beyond rev, the version they lead to; or what is closed when that changes.
func (h *hub) after(rev int64) (f *frame, to *store.Snapshot, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.frames {
		if f.From == rev {
			return f, nil, nil
		}
	}
	if h.shown != nil && h.shown.Rev() > rev {
		return nil, h.shown, nil
	}
	return nil, nil, h.changed
}

// begin goes on from a version to which no frame leads.
func (h *hub) begin(s *store.Snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.frames, h.shown = nil, s
	h.tell()
}

// add publishes a frame that leads to a version.
func (h *hub) add(f *frame, to *store.Snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.frames, h.shown = append(h.frames, f), to
	if len(h.frames) > keptFrames {
		h.frames[0] = nil
		h.frames = h.frames[1:]
	}
	h.tell()
}

// wanted waits until there are streams, and reports whether it had to wait.
func (h *hub) wanted(ctx context.Context) (waited bool) {
	for ctx.Err() == nil {
		h.mu.Lock()
		follows, changed := h.follows, h.changed
		h.mu.Unlock()
		if follows > 0 {
			return waited
		}
		waited = true
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return waited
}

// run makes frames until ctx ends, while there are streams that want them.
func (h *hub) run(ctx context.Context) {
	m := &maker{hub: h}
	for ctx.Err() == nil {
		if h.wanted(ctx) || m.shown == nil {
			m.shown = h.past.Snapshot()
			h.begin(m.shown)
		}
		if f := m.next(ctx); f != nil {
			h.add(f, m.shown)
			m.rest(ctx)
		}
	}
}

// A maker makes one frame after the other.
type maker struct {
	*hub
	shown *store.Snapshot // as of the last frame
	seen  int64           // the newest rev whose event is among paths
	paths map[string]bool
	lost  bool // some events were gone before they were looked at
}

// next waits for a change and returns the frame that tells of it, and of those
// collected while the maker rested.
func (m *maker) next(ctx context.Context) *frame {
	if m.seen <= m.shown.Rev() {
		m.start()
		came, cancel := m.past.reached(m.seen + 1)
		defer cancel()
		select {
		case <-came:
		case <-ctx.Done():
			return nil
		}
	}
	to := m.collect()
	from := m.shown
	m.shown = to
	if m.lost {
		return allFrame(from.Rev(), to.Rev())
	}
	return newFrame(from, to, m.paths)
}

// start begins to collect what comes after the last frame.
func (m *maker) start() {
	m.seen, m.paths, m.lost = m.shown.Rev(), make(map[string]bool), false
}

// collect looks at the events up to the newest version, and returns that.
func (m *maker) collect() *store.Snapshot {
	to := m.past.Snapshot()
	for m.seen < to.Rev() && !m.lost {
		m.seen++
		e, err := m.past.event(m.seen)
		m.lost = err != nil
		m.paths[e.Path] = true
	}
	m.seen = to.Rev()
	return to
}

// rest lets the pace pass, and looks now and then at what comes meanwhile,
// before it leaves history.
func (m *maker) rest(ctx context.Context) {
	m.start()
	t := time.NewTimer(pace)
	defer t.Stop()
	for {
		came, cancel := m.past.reached(m.seen + lookEvery)
		select {
		case <-came:
			m.collect()
			continue
		case <-t.C:
		case <-ctx.Done():
		}
		cancel()
		return
	}
}
