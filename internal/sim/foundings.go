package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ha/doozerd/peer"
)

// Some drills are about how a cluster is founded by processes that know nothing but the list of their addresses. The network between them is an
// adversary: it sees what they say to each other, and loses, delays and parts what hurts one rule most. Then all is well again, and there must be
// one cluster of them all.
var foundingDrills = map[string]func(*gathering){
	"outnumbered": (*gathering).outnumber,
	"silenced":    (*gathering).silence,
	"outbid":      (*gathering).outbid,
	"walkout":     (*gathering).walkOut,
	"estranged":   (*gathering).estrange,
	"beside":      (*gathering).beside,
}

// foundingShare is how many seeds there are to one that may become a drill about a founding.
const foundingShare = 12

// planFounding decides what is drawn from a source of its own, lest it change the other seeds.
func (p *plan) planFounding(r *rand.Rand) {
	if r.IntN(foundingShare) > 0 || p.drill != "" {
		return
	}
	p.becomeAimed(pick(r, "outnumbered", "silenced", "outbid", "walkout", "estranged", "beside"), r)
	p.assembles = true
	switch p.drill {
	case "outnumbered":
		p.voters = pick(r, 2, 3, 4, 5) // of an even number, neither half may found
	case "estranged", "beside":
		p.voters = pick(r, 5, 7) // some of whom come later
	}
	p.slots = p.voters
}

// gathering is the course of such a drill.
type gathering struct {
	w     *world
	addrs []string // of the list, in a random order
	here  []string // addresses that are cut off from the rest, those that are there and those that come
	first string   // the process that proposes first
	over  bool     // all is well again
}

// gather begins a drill about a founding.
func (w *world) gather() {
	for range w.plan.voters {
		w.list = append(w.list, w.newAddr())
	}
	g := &gathering{w: w, addrs: slices.Clone(w.list)}
	w.nodesRand.Shuffle(len(g.addrs), func(i, j int) { g.addrs[i], g.addrs[j] = g.addrs[j], g.addrs[i] })
	w.gathering = g
	w.trace("drill: %s", w.plan.drill)
	foundingDrills[w.plan.drill](g)
}

// come starts processes at some addresses, one after the other.
func (g *gathering) come(addrs ...string) {
	for _, addr := range addrs {
		g.w.after(between(g.w.nodesRand, 0, 500*time.Millisecond), func() { g.start(addr) })
	}
}

func (g *gathering) start(addr string) {
	g.w.startListed(addr)
	g.cutSides()
}

// part cuts the processes at some addresses off from the rest.
func (g *gathering) part(here ...string) {
	g.w.trace("partition %v | the others", here)
	g.here = here
	g.cutSides()
}

func (g *gathering) cutSides() {
	if g.over || g.here == nil {
		return
	}
	var here, there []string
	for _, n := range g.w.nodes {
		if slices.Contains(g.here, n.addr) {
			here = append(here, n.id)
		} else {
			there = append(there, n.id)
		}
	}
	g.w.network.cut(here, there, true)
	g.w.network.cut(there, here, true)
}

// healIn ends all faults after a while.
func (g *gathering) healIn(d time.Duration) {
	g.w.after(d, func() {
		g.w.trace("all is well again")
		g.over, g.w.herald = true, nil
		for _, l := range g.w.network.links {
			l.cut = false
		}
	})
}

// beyondPatience is longer than anybody waits for those who are out of reach, and than it takes to found something then.
func (g *gathering) beyondPatience() time.Duration {
	return assemblyPatience + between(g.w.nodesRand, 5*time.Second, 10*time.Second)
}

// minority is most of the list that is no majority.
func (g *gathering) minority() int { return (len(g.addrs) - 1) / 2 }

// addrOf is where a process is.
func (g *gathering) addrOf(id string) string { return g.w.byID[id].addr }

// outnumber parts a minority, or a half, from the others, for longer than anybody's patience.
func (g *gathering) outnumber() {
	g.part(g.addrs[:len(g.addrs)/2]...)
	g.come(g.addrs...)
	g.healIn(g.beyondPatience())
}

// silence lets nobody hear the first to propose any more: since it has proposed, or since it has learned that all have accepted. Either its links are
// cut, or they break under each word that it says and are made again.
func (g *gathering) silence() {
	since, cut := pick(g.w.nodesRand, peer.AssembleAccept, peer.AssembleMember), g.w.nodesRand.IntN(2) == 0
	g.come(g.addrs...)
	g.w.herald = func(n *peer.Note, post func()) {
		if g.first == "" && n.Assemble.Kind == since {
			g.first = n.From
			if cut {
				g.part(g.addrOf(n.From))
			}
			g.healIn(g.beyondPatience())
		}
		if n.From != g.first {
			post()
		}
	}
}

// outbid holds back what is proposed until another, of whom the proposer hears nothing, has got the promises of all others for a higher ballot. Then
// what was held back arrives, before the other has proposed anything itself.
func (g *gathering) outbid() {
	b := &bid{gathering: g}
	g.come(g.addrs...)
	g.w.herald = b.pass
}

type bid struct {
	*gathering
	ballot     uint64
	said       time.Duration // last
	held       map[string]func()
	outbid     bool
	overridden bool // what was held back has arrived
}

// stillSaid is how long after its last word on it a process certainly stands by what it proposed, for it says so again and again.
const stillSaid = 350 * time.Millisecond

func (b *bid) pass(n *peer.Note, post func()) {
	m := n.Assemble
	rival := m.Kind == peer.AssemblePrepare && m.Ballot > b.ballot && n.From != b.first && b.w.now < b.said+stillSaid
	switch {
	case b.overridden && n.From == b.first:
	case b.overridden && n.To == b.first && (m.Kind != peer.AssembleAccepted || m.Ballot != b.ballot):
	case b.outbid && m.Kind == peer.AssembleAccept && n.From == b.first:
	case b.outbid:
		if n.To != b.first || m.Kind == peer.AssembleAccepted {
			post()
		}
	case m.Kind == peer.AssembleAccept && m.Ballot >= b.ballot:
		b.hold(n, post)
	case rival:
		b.outbid = true
		b.w.trace("%s outbids %s", n.From, b.first)
		b.w.after(between(b.w.nodesRand, 100*time.Millisecond, 800*time.Millisecond), b.release)
		b.pass(n, post)
	default:
		post()
	}
}

// hold keeps what is said to each about the newest proposal.
func (b *bid) hold(n *peer.Note, post func()) {
	if n.Assemble.Ballot > b.ballot {
		b.ballot, b.first, b.held = n.Assemble.Ballot, n.From, map[string]func(){}
	}
	b.said, b.held[n.To] = b.w.now, post
}

func (b *bid) release() {
	b.w.trace("what %s proposed arrives", b.first)
	b.overridden = true
	for _, n := range b.w.nodes {
		if post := b.held[n.id]; post != nil {
			post()
		}
	}
	b.healIn(between(b.w.nodesRand, 4*time.Second, 8*time.Second))
}

// walkOut gives the first to propose the promises of a majority, and takes one of those who made them away again, with all who have not: no majority
// is left here, and there is one elsewhere.
func (g *gathering) walkOut() {
	witness, here := "", []string{}
	g.come(g.addrs...)
	g.w.herald = func(n *peer.Note, post func()) {
		if g.first == "" && n.Assemble.Kind == peer.AssemblePrepare {
			g.first = n.From
			others := without(g.addrs, g.addrOf(n.From))
			here, witness = append(others[:g.minority()-1:g.minority()-1], g.addrOf(n.From)), others[g.minority()-1]
		}
		switch {
		case n.Assemble.Kind != peer.AssemblePromise || n.To != g.first || slices.Contains(here, g.addrOf(n.From)):
			post()
		case g.addrOf(n.From) == witness && g.here == nil:
			post()
			g.here = here
			g.w.after(tickEvery, func() { g.part(here...) })
			g.healIn(g.beyondPatience())
		}
	}
}

// estrange lets a bare majority found a cluster, and cuts one of them off before it knows. Then the others of the list start, on its side: together
// they are a majority, and beyond the partition there are clients already.
func (g *gathering) estrange() {
	late, early := g.addrs[:g.minority()], g.addrs[g.minority():]
	estranged := ""
	g.come(early...)
	g.w.herald = func(n *peer.Note, post func()) {
		switch {
		case estranged == "" && n.Assemble.Kind == peer.AssembleAccept:
			g.first, estranged = n.From, g.addrOf(n.To)
		case g.here == nil && n.Assemble.Kind == peer.AssembleMember && n.From == g.first:
			g.part(append(late, estranged)...)
			g.come(late...)
			g.healIn(g.beyondPatience())
		}
		post()
	}
}

// beside lets a bare majority found a cluster, and restarts one of them where it cannot reach the others; there the rest of the list start, too. They are
// a majority, and must not found anything beside the data. The partition is shorter than their patience; or all of them stand still for longer than that.
func (g *gathering) beside() {
	late, early := g.addrs[:g.minority()], g.addrs[g.minority():]
	g.come(early...)
	var look func()
	look = func() {
		for _, addr := range early {
			if n := g.w.at[addr]; n == nil || !n.writable() {
				g.w.after(tickEvery, look)
				return
			}
		}
		gone := g.w.at[early[0]]
		g.w.trace("%s crashes", gone.id)
		gone.crash()
		here := append(late, gone.addr)
		g.part(here...)
		g.come(here...)
		if g.w.nodesRand.IntN(2) == 0 {
			g.healIn(assemblyPatience / 2)
			return
		}
		g.w.after(2*time.Second, func() { g.doze(here) })
	}
	look()
}

// doze stops the processes at some addresses for longer than their patience, as when hosts are suspended.
func (g *gathering) doze(addrs []string) {
	d := g.beyondPatience()
	for _, addr := range addrs {
		n := g.w.at[addr]
		g.w.trace("%s paused", n.id)
		n.pause()
		g.w.after(d, n.resume)
	}
	g.healIn(d + assemblyPatience/2)
}

// supervise is called again and again. Two clusters of one list are a failure as soon as clients are let in to both. Who was to join by a member that
// has come to nothing looks for the cluster anew.
func (g *gathering) supervise() {
	for _, n := range g.w.alive() {
		if n.joined() && n.in != g.w.check.current {
			g.w.fail("there are two clusters of one list: %v, and %s", n, g.w.check.current.cluster)
		}
	}
}
