package peer

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/peer/link"
)

// Losses is what a node was sent and did not take in, and what it could not send, since it started. What breaks
// a rule that only consensus can tell is in its counters.
type Losses struct {
	// Frames are by cause: "corrupt", "version", "limit", "cluster", "sender" and "addressee" of those
	// received; and "no_link" and "no_room" of those to be sent.
	Frames     map[string]uint64
	Unknown    uint64 // messages and notes of kinds that only a later release knows
	Impossible uint64 // messages and notes that are not well formed
}

// causes are why a frame is not taken in.
var causes = [...]struct {
	err  error
	name string
}{
	{wire.ErrCorrupt, "corrupt"},
	{wire.ErrVersion, "version"},
	{wire.ErrLimit, "limit"},
	{ErrCluster, "cluster"},
	{ErrSender, "sender"},
	{ErrAddressee, "addressee"},
}

// errLater reports messages that are skipped.
var errLater = errors.New("messages of kinds that only a later release knows")

// losses counts on the goroutines of links.
type losses struct {
	frames              [len(causes)]atomic.Uint64
	unknown, impossible atomic.Uint64

	mu   sync.Mutex
	told map[string]bool // ids whose words were complained about; too many are forgotten, all at once
}

// count counts what is lost of one frame, and returns why the rest of what its sender says will hardly be
// understood either, nil if there is no reason to think so: one that is of another cluster, or speaks to
// another process, may learn better.
func (l *losses) count(r Received, err error) error {
	for k, c := range causes {
		if errors.Is(err, c.err) {
			l.frames[k].Add(1)
		}
	}
	l.unknown.Add(uint64(r.Unknown))
	l.impossible.Add(uint64(r.Impossible))
	switch {
	case errors.Is(err, ErrCluster), errors.Is(err, ErrAddressee):
		return nil
	case err == nil && r.Impossible > 0:
		return ErrImpossible
	case err == nil && r.Unknown > 0:
		return errLater
	}
	return err
}

// first reports whether nothing was told of id yet.
func (l *losses) first(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told[id] {
		return false
	}
	if l.told == nil || len(l.told) >= maxStrangers {
		l.told = map[string]bool{}
	}
	l.told[id] = true
	return true
}

// account counts what is lost of one frame, and tells once of whoever is not understood: it may be a release
// that does not fit.
func (n *Node) account(from link.Remote, r Received, err error) {
	if why := n.losses.count(r, err); why != nil && n.losses.first(from.ID) {
		n.log.Warn("what a peer says cannot be understood, and is dropped", "id", from.ID, "addr", from.Addr, "cause", why)
	}
}

// Losses returns what was lost so far.
func (n *Node) Losses() Losses {
	s := n.links.Stats()
	told := Losses{
		Frames:     map[string]uint64{"no_link": s.NoLink, "no_room": s.NoRoom},
		Unknown:    n.losses.unknown.Load(),
		Impossible: n.losses.impossible.Load(),
	}
	for k, c := range causes {
		told.Frames[c.name] = n.losses.frames[k].Load()
	}
	return told
}
