package peer

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/store"
)

// A view is what the duties look at.
type view struct {
	tree   *store.Snapshot
	voter  bool     // we are one that stands
	voters []string // who stands, sorted
	roster *roster
}

// duties are what a member looks after in the tree, in this order. Each looks at how /ctl is and requests the changes
// that bring it nearer to how it should be: what was lost is requested again, and what somebody else changed meanwhile
// fails by its guard. Only who takes a slot looks at what it has requested, lest it be given two.
var duties = []func(*Core, *view){
	(*Core).keepFounded,
	(*Core).keepEscaped,
	(*Core).keepRegistered,
	(*Core).keepStanding,
	(*Core).takeSlot,
	(*Core).keepOneSlot,
	(*Core).keepVoterFiles,
	(*Core).forgetFormer,
	(*Core).tellMajority,
	(*Core).report,
	(*Core).evict,
	(*Core).replace,
	(*Core).sweep,
	(*Core).leave,
	(*Core).seekOthers,
}

// look does the duties.
func (c *Core) look() {
	v := &view{
		tree:   c.store.Snapshot(),
		voter:  c.engine.Writable(),
		voters: c.engine.Voters(),
		roster: &c.roster,
	}
	for _, duty := range duties {
		duty(c, v)
	}
	c.forgetRequests()
}

// A request is a change of /ctl under way. What this node proposes itself ends with its answer; what it asked others to
// propose is thought lost after a while.
type request struct {
	until time.Duration // 0 is until it is answered
}

// retryAfter is how long a request to others is believed to be under way, in fill delays.
const retryAfter = 3

// request proposes a change of /ctl, or asks a voter to, unless one of the same file is under way. It must have a guard
// that fails once it was done. The answer is whether this call has begun something.
func (c *Core) request(m store.Mutation) (begun bool) {
	if _, ok := c.requests[m.Path]; ok {
		return false
	}
	if rev := revOf(c.store.Snapshot(), m.Path); rev > m.Guard {
		return false // it would fail, and cost a rev
	}
	if !c.engine.Writable() {
		return c.entrust(m)
	}
	c.requests[m.Path] = request{}
	c.enter(proposal{mutation: m.Append(nil), done: func(e store.Event, err error) {
		delete(c.requests, m.Path)
		if e.Err != nil { // somebody was faster, or the tree is not as we need it
			c.requests[m.Path] = request{until: c.now + retryAfter*c.config.FillDelay}
		}
	}})
	return true
}

// entrust puts m among what others are to propose for us.
func (c *Core) entrust(m store.Mutation) (begun bool) {
	if len(c.forward) == MaxForward {
		return false
	}
	c.requests[m.Path] = request{until: c.now + retryAfter*c.config.FillDelay}
	c.forward = append(c.forward, m.Append(nil))
	return true
}

func (c *Core) forgetRequests() {
	for path, r := range c.requests {
		if r.until > 0 && c.now >= r.until {
			delete(c.requests, path)
		}
	}
}

// sendForward sends what we ask of others to the voter that we follow.
func (c *Core) sendForward() {
	if len(c.forward) == 0 {
		return
	}
	if to := c.sponsor(); to != "" {
		c.note(Note{Kind: Forward, To: to, Mutations: c.forward})
	}
	c.forward = nil
}

// sponsor returns the voter to propose for us: the one that we follow or, while we still rule an instance or
// are about to leave, the one heard last.
func (c *Core) sponsor() string {
	if id := c.engine.Upstream(); id != "" {
		return id
	}
	best := consensus.Peer{}
	for p := range c.engine.Peers() {
		if slices.Contains(c.engine.Voters(), p.ID) && (best.ID == "" || p.Silence < best.Silence) {
			best = p
		}
	}
	return best.ID
}

// onForward proposes what an observer asks for, if that is what members may ask for.
func (c *Core) onForward(n *Note) {
	if !c.Writable() || len(n.Mutations) > MaxForward {
		return
	}
	for _, b := range n.Mutations {
		if m, err := store.DecodeMutation(b); err == nil && mayForward(m, n.From) {
			c.request(m)
		}
	}
}

// mayForward: a member speaks for its own files, and for a slot that it takes or gives back. The guard must be one that
// fails when the change was done.
func mayForward(m store.Mutation, from string) bool {
	switch {
	case m.Guard < store.Missing || m.Guard == store.Missing && m.Op == store.Del:
		return false
	case strings.HasPrefix(m.Path, calDir):
		return m.Op == store.Set && (string(m.Body) == from || len(m.Body) == 0)
	default:
		return strings.HasPrefix(m.Path, nodeDir(from)+"/") || strings.HasPrefix(m.Path, nsDirs) && strings.HasSuffix(m.Path, "/"+from)
	}
}

// keepFounded writes the first files of a new cluster, all in one batch: voters that are not in a slot yet must not be
// outvoted by those that are. If the first voter does not, the next one does.
func (c *Core) keepFounded(v *view) {
	if c.founding == nil {
		return
	}
	if v.tree.Rev() > 0 {
		c.founding = nil
		c.changes++
		c.tellFounded(v.voters)
		return
	}
	if _, ok := c.requests[namePath]; ok || c.now < time.Duration(slices.Index(v.voters, c.config.ID))*foundAfter*c.config.FillDelay {
		return
	}
	for _, f := range c.firstFiles(v.voters) {
		c.request(f.create())
	}
}

func (c *Core) tellFounded(voters []string) {
	c.log.Info("cluster founded", "cluster", c.cluster, "voters", voters)
}

// foundAfter is how long each voter waits for the one before it to found the cluster, in fill delays.
const foundAfter = 10

// firstFiles returns what a cluster of several begins with. What each writes of itself follows.
func (c *Core) firstFiles(voters []string) []file {
	files := []file{{namePath, c.config.Cluster}}
	for _, v := range c.founding.Voters {
		files = append(files, file{nodePath(v.ID, addrFile), v.Addr})
	}
	for k := range max(c.founding.Slots, len(voters)) {
		f := file{path: slotPath(k)}
		if k < len(voters) {
			f.body = voters[k]
		}
		files = append(files, f)
	}
	return files
}

// keepRegistered makes this process a member, again if somebody removed it. One that leaves does not, unless it
// has asked for that and does not know what became of it: it might be made a voter later.
func (c *Core) keepRegistered(v *view) {
	if c.founding != nil || c.leaving.on && !v.voter && !c.leaving.unseen {
		return
	}
	c.leaving.unseen = !isRegistered(v.tree, c.config.ID)
	for _, f := range registration(c.config) {
		if revOf(v.tree, f.path) == store.Missing {
			c.request(f.create())
		}
	}
}

// keepStanding brings a voter that stands back into a slot if none of the slots names a member any more: whatever
// somebody wrote there, the last voters go on.
func (c *Core) keepStanding(v *view) {
	if !v.voter || c.founding != nil || len(v.roster.voters) > 0 || !isRegistered(v.tree, c.config.ID) {
		return
	}
	path := c.standingSlot(v)
	c.request(store.Mutation{Op: store.Set, Path: path, Guard: max(revOf(v.tree, path), store.Missing), Body: []byte(c.config.ID)})
}

// standingSlot returns the slot for a voter that stands and is named in none: of those that name nobody who
// stands, another one for each. Whoever stands and is named needs only to register again.
func (c *Core) standingSlot(v *view) string {
	open := slices.DeleteFunc(slices.Clone(v.roster.slots), func(l slot) bool { return slices.Contains(v.voters, l.id) })
	place := 0
	for _, id := range v.voters[:slices.Index(v.voters, c.config.ID)] {
		if _, named := v.roster.slotOf(id); !named {
			place++
		}
	}
	if place < len(open) {
		return open[place].path
	}
	if path := slotPath(len(v.roster.slots) + place); revOf(v.tree, path) == store.Missing {
		return path
	}
	return calDir + c.config.ID
}

// takeSlot makes an observer a voter, if a slot is free. Observers that wait together try different slots.
func (c *Core) takeSlot(v *view) {
	if v.voter || c.leaving.on || len(v.roster.voters) == 0 || !isRegistered(v.tree, c.config.ID) {
		return
	}
	if _, taken := v.roster.slotOf(c.config.ID); taken {
		return
	}
	free := v.roster.free()
	if len(free) == 0 || len(v.voters) >= consensus.MaxVoters {
		return
	}
	for _, l := range free {
		if _, asked := c.requests[l.path]; asked {
			return
		}
	}
	l := free[c.rank(v)%len(free)]
	c.request(store.Mutation{Op: store.Set, Path: l.path, Guard: l.rev, Body: []byte(c.config.ID)})
}

// keepOneSlot gives back all slots but one: whoever asks again, since it hears nothing of a slot that it was
// given, may be given another, and somebody waits for that.
func (c *Core) keepOneSlot(v *view) {
	taken := false
	for _, l := range v.roster.slots {
		if taken && l.id == c.config.ID {
			c.emptySlot(l)
		}
		taken = taken || l.id == c.config.ID
	}
}

// emptySlot opens slot l for another. The answer is that of request.
func (c *Core) emptySlot(l slot) (begun bool) {
	return c.request(store.Mutation{Op: store.Set, Path: l.path, Guard: l.rev})
}

// rank is this process's place among the observers.
func (c *Core) rank(v *view) (rank int) {
	for _, m := range v.roster.members {
		if m.id < c.config.ID && !slices.Contains(v.voters, m.id) {
			rank++
		}
	}
	return rank
}

// keepVoterFiles says that this process takes writes and, unless the cluster was booted by another one, where clients
// find it; and takes it back when it takes no more.
func (c *Core) keepVoterFiles(v *view) {
	if c.founding != nil {
		return
	}
	files := []file{{nodePath(c.config.ID, writableFile), "true"}}
	if c.config.NS {
		files = append(files, file{nsPath(c.config.Cluster, c.config.ID), c.config.Addr})
	}
	for _, f := range files {
		rev := revOf(v.tree, f.path)
		switch {
		case v.voter && rev == store.Missing && isRegistered(v.tree, c.config.ID):
			c.request(f.create())
		case !v.voter && rev > store.Missing:
			c.request(store.Mutation{Op: store.Del, Path: f.path, Guard: rev})
		}
	}
	if path := appliedPath(c.config.ID); !v.voter && revOf(v.tree, path) > store.Missing {
		c.request(store.Mutation{Op: store.Del, Path: path, Guard: revOf(v.tree, path)})
	}
}

// pulseTogether pulses now if it is soon due and another does, so that hosts with nothing else to do wake up
// once for all.
func (c *Core) pulseTogether(changed string) {
	if c.pulseAt-c.now <= c.config.Pulse/2 && isApplied(changed) && changed != appliedPath(c.config.ID) {
		c.pulseAt = c.now
	}
}

// pulse sets the applied file to the rev that is applied now, unless the last pulse is still under way. The file's
// present rev is the guard: if somebody else wrote it, the pulse goes on from there.
func (c *Core) pulse() {
	if c.pulsing || !c.Writable() {
		return
	}
	now := c.store.Snapshot()
	path := appliedPath(c.config.ID)
	rev := revOf(now, path)
	if rev == store.Dir || !isRegistered(now, c.config.ID) {
		return
	}
	c.pulsing = true
	m := store.Mutation{Op: store.Set, Path: path, Guard: rev, Body: appliedBody(now.Rev())}
	c.enter(proposal{mutation: m.Append(nil), done: func(e store.Event, err error) {
		unsure := c.unsure
		c.pulsing, c.unsure = false, err != nil && (unsure || errors.Is(err, ErrOutcomeUnknown))
		if err == nil && e.Err != nil && !unsure {
			c.log.Warn("somebody else writes this node's applied file", "path", path, "err", e.Err)
		}
	}})
}
