package consensus

import "slices"

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

func sortedVoters(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) > 0 && ids[0] == "" {
		ids = ids[1:]
	}
	return ids
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
		e.retire(e.eras[0], e.eras[1].from-1)
		e.eras = e.eras[1:]
		e.meetVoters()
	}
}

// replaceEras makes eras, of a snapshot, ours.
func (e *Engine) replaceEras(eras []*era) {
	for k, r := range e.eras {
		until := eras[0].from - 1
		if k+1 < len(e.eras) {
			until = min(until, e.eras[k+1].from-1)
		}
		if until >= r.from {
			e.retire(r, until)
		}
	}
	e.eras = eras
}

// changed hastens a new era: everyone gives its instances before it away, so that it begins now instead
// of a whole window of writes later.
func (e *Engine) changed(next *era) {
	e.meetVoters()
	e.needs(next.from - 1)
	e.announce(e.skipTo(next.from))
}
