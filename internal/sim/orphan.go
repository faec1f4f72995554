package sim

import (
	"time"

	"github.com/ha/doozerd/consensus"
)

// orphan is the course of a drill: what a voter has suggested is prepared by another, which dies, and what
// others prepare of it is lost. So only the owner itself can close its instances.
type orphan struct {
	w     *world
	owner string
	first uint64 // the instance that nobody hears of
	began string // who was the first to fill
}

// orphan cuts a voter off as it suggests something, until another has begun to fill for it, and died of that.
func (w *world) orphan() {
	o := &orphan{w: w, owner: w.shuffled()[0].id}
	w.adversary = o.pass
}

func (o *orphan) pass(m *consensus.Message, post func()) {
	switch {
	case m.Kind == consensus.Suggest && m.From == o.owner && o.first == 0:
		o.first = m.Range.Lo
		o.w.trace("nobody hears of instance %d of %s", o.first, o.owner)
		o.w.after(0, func() { o.w.isolate(o.owner, true) })
	case m.Kind == consensus.Suggest && m.From == o.owner && o.began == "":
	case m.Kind == consensus.Prepare && m.Owner == o.owner && m.From != o.owner && o.first > 0:
		o.prepares(m.From, post)
	default:
		post()
	}
}

// prepares lets the words of the first filler pass, and its process end with them.
func (o *orphan) prepares(filler string, post func()) {
	if o.began == "" {
		o.began = filler
		o.w.after(0, func() {
			o.w.byID[filler].kill()
			o.w.after(2*time.Millisecond, func() { o.w.isolate(o.owner, false) })
		})
	}
	if filler == o.began {
		post()
	}
}

// besiege: a voter is dead, and the first that begins to fill for it hears nothing from then on, and the
// network says its Prepares again and again. Everybody else has heard them, and waits for it to go on; but not
// for ever.
func (w *world) besiege() {
	dead := w.someone()
	dead.kill()
	w.adversary = func(m *consensus.Message, post func()) {
		post()
		if m.Kind != consensus.Prepare || m.Owner != dead.id || w.sick != nil && m.From != w.sick.id {
			return
		}
		if w.sick == nil {
			w.sick = w.byID[m.From]
			w.trace("%s hears nothing any more", m.From)
			w.network.cut(w.ids(), []string{m.From}, true)
		}
		w.again(post)
	}
}
