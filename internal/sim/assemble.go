package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/ha/doozerd/peer"
)

// assemblyPatience is longer than any fault lasts, but in drills: an address out of reach may hold the data.
const assemblyPatience = 15 * time.Second

// assemble starts a process at each of some addresses, which know nothing but the addresses. Meanwhile some are
// stopped and started again.
func (w *world) assemble() {
	for range w.plan.voters {
		w.list = append(w.list, w.newAddr())
	}
	for _, addr := range w.list {
		w.after(between(w.nodesRand, 0, 2*time.Second), func() { w.startListed(addr) })
	}
	for range pick(w.nodesRand, 0, 0, 1, 3) {
		w.after(between(w.nodesRand, 0, 6*time.Second), func() {
			n := w.at[pick(w.nodesRand, w.list...)]
			if n != nil && n.core == nil && !n.dead {
				n.kill()
				w.after(between(w.nodesRand, 0, time.Second), func() { w.startListed(n.addr) })
			}
		})
	}
	for range pick(w.nodesRand, 0, 1, 3) {
		w.after(between(w.nodesRand, 0, 5*time.Second), w.partition)
	}
}

// startListed starts a process at an address of the list.
func (w *world) startListed(addr string) {
	n := w.newNode(w.newID(), addr)
	w.trace("%s starts at %s, of %v", n.id, addr, w.list)
	a, err := peer.NewAssembly(peer.AssemblyConfig{
		ID: n.id, Addr: addr, Addrs: w.list, Patience: assemblyPatience, Logger: w.logger(n.id),
		NewCluster: func() string {
			w.drawn++
			return fmt.Sprint(clusterID, "-", n.id, "-", w.drawn)
		},
	})
	if err != nil {
		w.fail("%s: %v", n.id, err)
	}
	n.assembly, n.linked = a, map[string]string{}
}

// dialListed tells n who is at the addresses of its list.
func (n *node) dialListed() {
	for _, addr := range n.w.list {
		p := n.w.at[addr]
		n.turn(func() {
			switch {
			case p == n || n.core != nil:
			case p != nil && n.w.gathering.seemsWhole(n, p):
			case p == nil || p.dead && !n.w.network.parted(n.id, p.id):
				delete(n.linked, addr)
				n.assembly.Refused(addr)
			case n.w.network.parted(n.id, p.id) || p.paused && n.linked[addr] != p.id:
				delete(n.linked, addr)
				n.assembly.Failed(addr, nil)
			case p.paused: // its kernel goes on to acknowledge what is sent over a link
			case p.joined():
				n.linked[addr] = p.id
				n.assembly.Met(addr, p.id, p.core.Cluster())
			default:
				n.linked[addr] = p.id
				n.assembly.Met(addr, p.id, "")
			}
		})
	}
}

var errNoOutcome = errors.New("assembled, and neither founds nor joins")

// assembled sends what n's assembly wants sent, and goes on when that is over.
func (n *node) assembled() {
	for _, note := range n.assembly.Ready() {
		n.sendNote(note)
	}
	switch o := n.assembly.Result(); {
	case o == nil:
	case o.Found != nil:
		n.w.trace("%s founds %+v", n.id, *o.Found)
		n.founding = o.Found
		n.run(peer.Found(n.w.config(n.id, n.addr), *o.Found))
	case o.Cluster != "":
		n.w.trace("%s joins %s by %s", n.id, o.Cluster, o.Via)
		n.run(peer.Join(n.w.config(n.id, n.addr), o.Cluster, o.Via))
	default:
		n.w.fail("%s: %v", n.id, errNoOutcome)
	}
}
