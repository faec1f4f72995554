package consensus

import (
	"fmt"
	"slices"
)

// era is a stretch of instances ruled by the same voters, from the instance from until the next era.
type era struct {
	from   uint64
	voters []string // sorted, distinct
	self   int      // our place among them, or -1
}

// newEra makes the era of voters, which are sorted and distinct, from instance from on.
func (e *Engine) newEra(from uint64, voters []string) *era {
	return &era{from, voters, slices.Index(voters, e.id)}
}

// owner returns the voter whose turn instance i is.
func (r *era) owner(i uint64) string { return r.voters[i%uint64(len(r.voters))] }

// index returns the place of id among the voters, or -1.
func (r *era) index(id string) int { return slices.Index(r.voters, id) }

// quorum is how many voters any two majorities share one of.
func (r *era) quorum() int { return len(r.voters)/2 + 1 }

// maxBallot is far beyond any fill; it keeps arithmetic on ballots from overflowing.
const maxBallot = 1 << 62

// mayUse reports whether id may prepare ballot in this era: its ballots are k·n + its index, k ≥ 1.
func (r *era) mayUse(id string, ballot uint64) bool {
	n := uint64(len(r.voters))
	return ballot >= n && ballot <= maxBallot && r.voters[ballot%n] == id
}

// isBallot reports whether ballot may be used by anyone.
func (r *era) isBallot(ballot uint64) bool {
	return ballot == 0 || ballot >= uint64(len(r.voters)) && ballot <= maxBallot
}

// ballotAbove returns the lowest ballot of id that is higher than floor.
func (r *era) ballotAbove(id string, floor uint64) uint64 {
	n := uint64(len(r.voters))
	ballot := max(1, floor/n)*n + uint64(r.index(id))
	if ballot <= floor {
		ballot += n
	}
	return ballot
}

// Era names the voters of the instances from From until the next era.
type Era struct {
	From   uint64
	Voters []string
}

// Snapshot is where an engine stands, without what was decided: the caller keeps it together with its own
// state as of the same instance. Eras name the voters of every instance in the window after it; the last
// ones stand.
type Snapshot struct {
	Instance uint64 // the last one applied; 0 is none
	Eras     []Era  // the first From is Instance+1 or less; ascending, at most Instance+Window
}

// Founding is the beginning of a cluster whose first voters are these.
func Founding(voters ...string) Snapshot {
	return Snapshot{Eras: []Era{{From: 1, Voters: voters}}}
}

func (s Snapshot) check(window uint64) error {
	if s.Instance >= MaxInstance {
		return fmt.Errorf("%w: snapshot of instance %d", ErrConfig, s.Instance)
	}
	if len(s.Eras) == 0 || s.Eras[0].From > s.Instance+1 {
		return fmt.Errorf("%w: snapshot of instance %d does not name the voters of the next", ErrConfig, s.Instance)
	}
	for k, r := range s.Eras {
		if k > 0 && r.From <= s.Eras[k-1].From || r.From > s.Instance+window {
			return fmt.Errorf("%w: snapshot of instance %d with an era from %d out of place", ErrConfig, s.Instance, r.From)
		}
		if n := len(sortedVoters(r.Voters)); n == 0 || n > MaxVoters {
			return fmt.Errorf("%w: snapshot of instance %d with %d voters from %d", ErrConfig, s.Instance, n, r.From)
		}
	}
	return nil
}

func sortedVoters(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) > 0 && ids[0] == "" {
		ids = ids[1:]
	}
	return ids
}

// Snapshot returns where the engine stands, as of the last Applied.
func (e *Engine) Snapshot() Snapshot {
	s := Snapshot{Instance: e.window.applied}
	for _, r := range e.eras {
		s.Eras = append(s.Eras, Era{r.from, slices.Clone(r.voters)})
	}
	return s
}

// Install goes on from a snapshot of another engine. It reports whether it did: only one that is newer
// than what was applied here is of use, and then the caller must take over the state that belongs to it. Decisions
// handed out and not applied yet must be thrown away.
//
// What we promised, accepted and used above the snapshot stays: that memory is not ours to lose. Proposals whose
// instance was jumped over fail with ErrUnknown.
func (e *Engine) Install(s Snapshot) (bool, error) {
	if err := s.check(e.window.size); err != nil {
		return false, err
	}
	if s.Instance <= e.window.applied {
		return false, nil
	}
	if i := e.contradicts(s); i > 0 {
		return false, fmt.Errorf("%w: snapshot of instance %d has other voters for %d than were agreed on", ErrConfig, s.Instance, i)
	}
	e.failJumped(s.Instance)
	e.restart(s)
	return true, nil
}

// contradicts returns an instance whose voters are known to be others than s says, or 0. Voters are agreed on like everything
// else, so such a snapshot is of another cluster.
func (e *Engine) contradicts(s Snapshot) uint64 {
	eras := e.erasOf(s)
	for i := s.Instance + 1; i < e.window.end(); i++ {
		if !slices.Equal(eraIn(eras, i).voters, e.window.at(i).era.voters) {
			return i
		}
	}
	return 0
}

// failJumped ends the proposals whose decision nobody will tell us any more. A lost batch is known not to have been
// chosen, so it stays.
func (e *Engine) failJumped(instance uint64) {
	keep := e.proposer.flights[:0]
	for _, f := range e.proposer.flights {
		if f.instance > instance {
			keep = append(keep, f)
			continue
		}
		e.fail(f, ErrUnknown)
	}
	e.proposer.flights = keep
	for i := e.window.applied + 1; i <= instance; i++ {
		s := e.window.at(i)
		if s == nil {
			break
		}
		if s.own != nil && s.learner.decided && s.own.batch.Same(&s.learner.batch) {
			e.fail(s.own, ErrUnknown)
		}
	}
}

// restart moves the window to the instances after s, keeping the slots that are in both.
func (e *Engine) restart(s Snapshot) {
	old := e.window
	e.window = newWindow(old.size)
	e.window.applied = s.Instance
	e.eras = e.erasOf(s)
	for i := s.Instance + 1; i < e.window.end(); i++ {
		e.window.reset(i, eraIn(e.eras, i))
		if kept := old.slots[i%old.size]; kept.instance == i {
			kept.era = eraIn(e.eras, i)
			e.window.slots[i%old.size] = kept
		}
	}
	e.forgetEras()
	e.log.restart(s.Instance)
	e.handed, e.known = s.Instance, s.Instance
	for s := e.window.at(e.known + 1); s != nil && s.learner.decided; s = e.window.at(e.known + 1) {
		e.known++
	}
	e.meetVoters()
	for _, t := range e.stalls {
		*t = stall{owner: t.owner, peer: t.peer, floor: t.floor} // a fill's rows were of the old window
	}
}

func (e *Engine) erasOf(s Snapshot) []*era {
	var eras []*era
	for _, r := range s.Eras {
		eras = append(eras, e.newEra(r.From, sortedVoters(r.Voters)))
	}
	return eras
}

// eraIn returns the one of eras that rules instance i.
func eraIn(eras []*era, i uint64) *era {
	r := eras[0]
	for _, next := range eras[1:] {
		if next.from <= i {
			r = next
		}
	}
	return r
}

// standing is the newest era: nothing decided yet says that it will end.
func (e *Engine) standing() *era { return e.eras[len(e.eras)-1] }

// eraAfter returns the era that voters, decided at instance i, make from i+window on.
func (e *Engine) eraAfter(i uint64, voters []string) *era {
	now := e.standing()
	ids := sortedVoters(voters)
	if e.namesFormer(i, ids) || len(ids) == 0 || len(ids) > MaxVoters || slices.Equal(ids, now.voters) {
		return now
	}
	next := e.newEra(i+e.window.size, ids)
	e.eras = append(e.eras, next)
	return next
}

// forgetEras drops the eras that ended before the window.
func (e *Engine) forgetEras() {
	for len(e.eras) > 1 && e.eras[1].from <= e.window.applied+1 {
		e.eras = e.eras[1:]
		e.meetVoters()
	}
}

// changed hastens a new era: everyone gives its instances before it away, so that it begins now instead
// of a whole window of writes later.
func (e *Engine) changed(next *era) {
	e.meetVoters()
	e.needs(next.from - 1)
	e.announce(e.skipTo(next.from))
}
