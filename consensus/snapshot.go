package consensus

import (
	"fmt"
	"slices"
)

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

// contradicts returns an instance whose voters are known to be others than s says, or 0. Voters are agreed on
// like everything else, so such a snapshot is of another cluster.
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
	e.replaceEras(e.erasOf(s))
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
