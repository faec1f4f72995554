package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ha/doozerd/peer"
)

// Some drills are about how a cluster is founded by processes that know nothing but the list of their
// addresses. The network between them is an adversary: it sees what they say to each other, and loses, delays
// and parts what hurts one rule most. Then all is well again, and there must be one cluster of them all.
var foundingDrills = map[string]func(*gathering){
	"outnumbered": (*gathering).outnumber,
	"silenced":    (*gathering).silence,
	"outbid":      (*gathering).outbid,
	"walkout":     (*gathering).walkOut,
	"estranged":   (*gathering).estrange,
	"beside":      (*gathering).beside,
	"unnoticed":   (*gathering).forget,
	"unmet":       (*gathering).forgetUnmet,
	"flapping":    (*gathering).flap,
}

// foundingShare is how many seeds there are to one that may become a drill about a founding.
const foundingShare = 12

// planFounding decides what is drawn from a source of its own, lest it change the other seeds.
func (p *plan) planFounding(r *rand.Rand) {
	if r.IntN(foundingShare) > 0 || p.drill != "" {
		return
	}
	p.becomeAimed(pick(r, "outnumbered", "silenced", "outbid", "walkout", "estranged", "beside", "unnoticed", "unmet", "flapping"), r)
	p.assembles = true
	switch p.drill {
	case "outnumbered":
		p.voters = pick(r, 2, 3, 4, 5) // of an even number, neither half may found
	case "walkout", "estranged", "beside", "unnoticed", "unmet":
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

	unnoticed bool // to those who are here, the links that are cut seem whole
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
	g.healIn(mostTroubled)
}

// mostTroubled is how long a founding is disturbed at most.
const mostTroubled = time.Minute

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
	for _, side := range [][]string{here, there} {
		g.w.network.cut(side, here, true)
		g.w.network.cut(side, there, true)
		g.w.network.cut(side, side, false)
	}
}

// seemsWhole reports whether n has not noticed yet that it is parted from p.
func (g *gathering) seemsWhole(n, p *node) bool {
	return g != nil && g.unnoticed && slices.Contains(g.here, n.addr) && g.w.network.parted(n.id, p.id)
}

// healIn ends all faults after a while.
func (g *gathering) healIn(d time.Duration) {
	g.w.after(d, func() {
		if g.over {
			return
		}
		g.w.trace("all is well again")
		g.over, g.w.herald = true, nil
		for _, l := range g.w.network.links {
			l.cut = false
		}
	})
}

// beyondPatience is longer than anybody waits for those who are out of reach, and than it takes to found
// something then.
func (g *gathering) beyondPatience() time.Duration {
	return assemblyPatience + between(g.w.nodesRand, 5*time.Second, 10*time.Second)
}

// minority is most of the list that is no majority.
func (g *gathering) minority() int { return (len(g.addrs) - 1) / 2 }

// others are the addresses of the list but some.
func (g *gathering) others(some []string) []string {
	return slices.DeleteFunc(slices.Clone(g.addrs), func(addr string) bool { return slices.Contains(some, addr) })
}

// addrOf is where a process is.
func (g *gathering) addrOf(id string) string { return g.w.byID[id].addr }

// outnumber parts a minority, or a half, from the others, for longer than anybody's patience.
func (g *gathering) outnumber() {
	g.part(g.addrs[:len(g.addrs)/2]...)
	g.come(g.addrs...)
	g.healIn(g.beyondPatience())
}

// silence lets nobody hear the first to propose any more: since it has proposed, or since it has learned that
// all have accepted. Either its links are cut, or they break under each word that it says and are made again.
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

// outbid lets the first of the list hear nothing of the second, and nobody hear what it proposes, until the
// second has the promises of all others for a higher ballot and has nearly waited for long enough to do without
// the first. Then what the first proposed arrives at last.
func (g *gathering) outbid() {
	b := &bid{gathering: g, tries: map[uint64]bool{}, held: map[string]func(){}}
	g.come(g.addrs...)
	g.w.herald = b.pass
}

// bid is what the first of the list proposes.
type bid struct {
	*gathering
	tries  map[uint64]bool   // its ballots
	since  time.Duration     // when it began to put one that is long enough
	held   map[string]func() // what was said of it, by addressee
	outbid bool
}

// owedLater is how long after the first has begun to put its ballot it owes the second a promise: when the next
// ballot of that was promised.
const owedLater = 4 * time.Second

// longTry is which ballot of a process is the first that lasts for longer than anybody's patience.
const longTry = 4

func (b *bid) pass(n *peer.Note, post func()) {
	m, from, to := n.Assemble, b.addrOf(n.From), b.addrOf(n.To)
	first, second := b.w.list[0], b.w.list[1]
	switch {
	case m.Kind == peer.AssemblePromise && m.Value != nil: // or else all would propose the same
	case b.outbid && from == first, from == second && to == first && m.Kind <= peer.AssemblePromise:
	case b.outbid && to == first:
		if m.Kind == peer.AssembleAccepted {
			post()
		}
	case m.Kind == peer.AssembleAccept && from == first:
		b.hold(n.To, post)
	case m.Kind == peer.AssemblePrepare && from == first:
		b.tries[m.Ballot] = true
		post()
	case m.Kind == peer.AssemblePrepare && from == second && b.since > 0:
		post()
		b.nears()
	case m.Kind != peer.AssemblePrepare:
		post()
	}
}

// hold keeps the newest of what is said to each.
func (b *bid) hold(to string, post func()) {
	b.held[to] = post
	if len(b.tries) >= longTry && b.since == 0 {
		b.since = b.w.now
	}
}

// nears lets what was held back arrive if the end of the patience is near.
func (b *bid) nears() {
	if b.outbid || b.w.now < b.since+owedLater+assemblyPatience-time.Second {
		return
	}
	b.outbid = true
	b.w.after(between(b.w.nodesRand, 10*time.Millisecond, 500*time.Millisecond), func() {
		b.w.trace("what was proposed first arrives")
		for _, n := range b.w.nodes {
			if post := b.held[n.id]; post != nil && n.addr != b.w.list[1] {
				post()
			}
		}
	})
	b.healIn(between(b.w.nodesRand, 4*time.Second, 8*time.Second))
}

// walkOut lets a bare majority lose patience with the rest. Of the promises that the first of them gets to
// propose, one arrives, and who made it goes over to the rest; then the others arrive. They are a majority of
// promises, and those who are still there are none: that is on the other side now.
func (g *gathering) walkOut() {
	near := g.addrs[g.minority():]
	gone, held, arrived := "", []func(){}, false
	g.part(near...)
	g.come(g.addrs...)
	g.w.herald = func(n *peer.Note, post func()) {
		kind, from := n.Assemble.Kind, g.addrOf(n.From)
		if g.first == "" && kind == peer.AssemblePrepare && slices.Contains(near, from) {
			g.first = n.From
		}
		switch {
		case g.first == "" || kind != peer.AssemblePromise || n.To != g.first || arrived:
			post()
		case gone != "":
			held = append(held, post)
		default:
			gone = from
			post()
			g.w.after(tickEvery, func() { g.part(without(near, gone)...) })
			g.w.after(tickEvery+2*dialEvery, func() {
				arrived = true
				for _, post := range held {
					post()
				}
			})
			g.healIn(g.beyondPatience())
		}
	}
}

// estrange lets a bare majority found a cluster, and cuts one of them off before it knows. Then the others of
// the list start, on its side: together they are a majority, and beyond the partition there are clients
// already.
func (g *gathering) estrange() {
	late, early := slices.Clip(g.addrs[:g.minority()]), g.addrs[g.minority():]
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

// beside lets a bare majority found a cluster, and restarts one of them where it cannot reach the others; there
// the rest of the list start, too. They are a majority, and must not found anything beside the data. The
// partition is shorter than their patience; or all of them stand still for longer than that.
func (g *gathering) beside() {
	late, early := slices.Clip(g.addrs[:g.minority()]), g.addrs[g.minority():]
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
		gone.kill()
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

// forget lets all promise to the first of the list, and parts some from it before it proposes, which only it
// and those with it notice. They found a cluster, and one of them is restarted where the others are, who are a
// majority then, and remember nothing; and to whom all links seem whole.
func (g *gathering) forget() {
	first, late := g.w.list[0], append(without(without(g.addrs, g.w.list[0]), g.w.list[1])[:g.minority()-1], g.w.list[1]) // the second is the next to propose
	var held []func()
	g.come(g.addrs...)
	g.w.herald = func(n *peer.Note, post func()) {
		kind, from := n.Assemble.Kind, g.addrOf(n.From)
		switch {
		case g.here == nil && kind == peer.AssemblePromise && g.addrOf(n.To) == first && !slices.Contains(late, from):
			held = append(held, post)
			return
		case g.here == nil && kind == peer.AssemblePromise && len(held) > 0 && from == g.w.list[1]:
			g.w.after(tickEvery, func() { g.partUnnoticed(assemblyPatience*2/3, late...) })
			g.w.after(tickEvery+2*dialEvery, func() {
				for _, post := range held {
					post()
				}
			})
		case g.first == "" && kind == peer.AssembleMember && from == first:
			g.first = n.From
			g.restart(g.others(append(late, first))[0], late)
		}
		post()
	}
}

// forgetUnmet lets a bare majority found a cluster as soon as the others have come, whom it does not know yet,
// and of whom nobody hears whose list is whose; and parts them, which the others do not notice. One of those
// who founded is restarted where the others are, who are a majority then, and remember nothing.
func (g *gathering) forgetUnmet() {
	late := append(without(g.addrs, g.w.list[0])[:g.minority()-1], g.w.list[0]) // the first of the list is the next to propose
	early := g.others(late)
	g.come(early...)
	g.w.herald = func(n *peer.Note, post func()) {
		switch kind := n.Assemble.Kind; {
		case g.here == nil && slices.Contains(late, g.addrOf(n.From)) != slices.Contains(late, g.addrOf(n.To)):
			return
		case g.first == "" && kind == peer.AssemblePrepare:
			g.first = n.From
			for _, addr := range late {
				g.start(addr)
			}
			g.w.after(time.Second, func() {
				if g.here == nil { // they have met, and a link on which nothing arrives is noticed
					g.healIn(0)
				}
			})
		case kind == peer.AssemblePromise && n.To == g.first && g.here == nil:
			g.w.after(2*tickEvery, post) // by then the others have met them
			return
		case g.here == nil && kind == peer.AssembleMember && n.From == g.first:
			g.partUnnoticed(assemblyPatience*9/10, late...)
			g.restart(without(early, g.addrOf(g.first))[0], late)
		}
		post()
	}
}

// partUnnoticed parts the processes at some addresses from the others, and they do not notice for a while.
func (g *gathering) partUnnoticed(until time.Duration, here ...string) {
	g.unnoticed = true
	g.part(here...)
	g.w.after(until, func() {
		g.w.trace("the partition is noticed")
		g.unnoticed = false
	})
	g.healIn(assemblyPatience * 6 / 5)
}

// restart starts another process in the place of one, on the side of some others.
func (g *gathering) restart(addr string, others []string) {
	g.w.at[addr].kill()
	g.part(append(others, addr)...)
	g.w.after(100*time.Millisecond, func() { g.start(addr) })
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

// flap loses many of the words between processes and delays others, parts some from the rest, and restarts
// some, as luck will have it.
func (g *gathering) flap() {
	r := g.w.nodesRand
	lost, delayed := pick(r, 0.1, 0.3, 0.6), pick(r, 0.1, 0.5)
	g.come(g.addrs...)
	g.w.herald = func(_ *peer.Note, post func()) {
		if chance(r, delayed) {
			g.w.after(between(r, 0, 4*time.Second), post)
		}
		if !chance(r, lost) {
			post()
		}
	}
	for range pick(r, 0, 1, 3, 6) {
		g.w.after(between(r, time.Second, flapFor/2), g.flapOne)
	}
	for range pick(r, 0, 1, 2, 4) {
		g.w.after(between(r, time.Second, flapFor/2), g.replaceOne)
	}
	g.healIn(flapFor)
}

// flapFor is for how long.
const flapFor = 30 * time.Second

// flapOne parts some from the rest, or stops one of them, for a while.
func (g *gathering) flapOne() {
	r := g.w.nodesRand
	d := between(r, 100*time.Millisecond, pick(r, 2*time.Second, 6*time.Second, assemblyPatience))
	if n := pick(r, g.w.alive()...); r.IntN(3) == 0 && !n.paused {
		g.w.trace("%s paused", n.id)
		n.pause()
		g.w.after(d, n.resume)
		return
	}
	g.join()
	some := slices.Clone(g.addrs)
	r.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	g.part(some[:1+r.IntN(len(some)-1)]...)
	g.w.after(d, g.join)
}

// join ends a partition.
func (g *gathering) join() {
	g.here = nil
	for _, l := range g.w.network.links {
		l.cut = false
	}
}

// replaceOne restarts a process, unless what it knows is that of a majority.
func (g *gathering) replaceOne() {
	n := pick(g.w.nodesRand, g.w.alive()...)
	if n.paused || n.joined() || g.needed(n) {
		return
	}
	n.kill()
	g.w.after(between(g.w.nodesRand, 0, 2*time.Second), func() { g.start(n.addr) })
}

// needed reports whether somebody founds a cluster whose first voters are no majority without n.
func (g *gathering) needed(n *node) bool {
	return slices.ContainsFunc(g.w.alive(), func(m *node) bool {
		return m.founding != nil && slices.ContainsFunc(m.founding.Voters, func(v peer.Voter) bool { return v.ID == n.id }) && !g.majority(m.founding, n)
	})
}

// majority reports whether most of those who found f are there, without one of them.
func (g *gathering) majority(f *peer.Founding, without *node) bool {
	var ids []string
	for _, v := range f.Voters {
		ids = append(ids, v.ID)
	}
	return g.w.majorityLives(ids, without)
}

// supervise is called again and again. Two clusters of one list are a failure as soon as clients are let in to
// both. Who was to join by a member that has come to nothing looks for the cluster anew; and most of whose
// founders have ended, ends, too.
func (g *gathering) supervise() {
	for _, n := range g.w.alive() {
		switch {
		case n.paused || n.core == nil:
		case n.joined() && n.in != g.w.check.current:
			g.w.fail("there are two clusters of one list: %v, and %s", n, g.w.check.current.cluster)
		case n.joined():
		case n.founding != nil && !g.majority(n.founding, nil):
			g.w.trace("%s ends, for most of those who were founding %s have ended", n.id, n.founding.Cluster)
			n.crash()
			g.start(n.addr)
		case n.founding == nil && g.w.now-n.ran > hopeless:
			g.w.trace("%s looks for the cluster anew", n.id)
			n.core = nil
			n.assembly.Resume()
		}
	}
}
