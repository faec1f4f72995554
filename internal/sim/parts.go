package sim

import (
	"strings"
	"time"

	"github.com/ha/doozerd/peer"
)

// parts is the course of a drill: a process fetches a snapshot, and its second part comes so late that it
// fetches another by then. It comes just before the second part of that.
type parts struct {
	w        *world
	joins    *node
	instance uint64 // of the first snapshot
	late     func() // says its second part
}

// mixParts lets a process join when there is a file as large as a part, so that all snapshots are cut in the
// same place.
func (w *world) mixParts() {
	p := &parts{w: w}
	w.write(setting("/a", strings.Repeat("x", peer.MaxPartBytes)))
	w.after(time.Second, func() {
		p.joins = w.join(w.newAddr())
		w.delayNote = p.pass
	})
}

func (p *parts) pass(n *peer.Note, post func()) {
	switch {
	case n.Kind != peer.PartOf || n.To != p.joins.id || n.Part.Offset == 0:
		post()
	case p.instance == 0 || n.Part.Snapshot.Instance == p.instance:
		p.instance, p.late = n.Part.Snapshot.Instance, post
	default:
		p.w.trace("a late part of %d comes before one of %d", p.instance, n.Part.Snapshot.Instance)
		p.late()
		p.late = func() {}
		p.w.after(5*time.Millisecond, post)
	}
}
