package peer

import (
	"log/slog"
	"slices"
	"time"
)

// The ballots of an Assembly: when one is begun, what is put, and when it is learned.

// mayPropose reports whether it is known of every address who is there, or that nobody is, and whether it is our turn.
func (a *Assembly) mayPropose() bool {
	for _, l := range a.listed {
		if a.outOfReach(l) {
			a.warn(l)
			return false
		}
	}
	present := a.present()
	if present < a.majority() || a.disputed() {
		a.enough = 0
		return false
	}
	if a.enough == 0 {
		a.enough = max(a.now, 1)
		a.retryAt = a.now + settleTime + a.yield()
	}
	return a.now >= a.retryAt
}

// outOfReach reports whether it is not known who is at an address of the list, and that has not lasted for long.
func (a *Assembly) outOfReach(l listed) bool {
	return l.id == "" && !l.refused && (l.missing == 0 || a.now-l.missing < a.config.Patience)
}

// disputed reports whether somebody who is there has another list, or has not had the time to say.
func (a *Assembly) disputed() bool {
	return slices.ContainsFunc(a.listed, func(l listed) bool {
		return l.id != "" && (l.list == differs || l.list == unsaid && a.now-l.since < greetTime)
	})
}

// warn says once that an address keeps the cluster from being founded.
func (a *Assembly) warn(l listed) {
	if l.missing == 0 || a.warned[l.addr] {
		return
	}
	a.warned[l.addr] = true
	a.config.Logger.Warn("an address of the list cannot be asked: it may have the data of a running cluster, so no new one is founded",
		"addr", l.addr, "cause", l.cause, "for", a.config.Patience)
}

func (a *Assembly) majority() int { return majority(len(a.listed)) }

// yield is how long those before us in the list, as far as they are there, get to propose.
func (a *Assembly) yield() time.Duration {
	before := 0
	for _, l := range a.listed {
		if l.addr == a.config.Addr {
			break
		}
		if l.id != "" {
			before++
		}
	}
	return time.Duration(before) * yieldTime
}

// place is our place in the list.
func (a *Assembly) place() int {
	return slices.IndexFunc(a.listed, func(l listed) bool { return l.addr == a.config.Addr })
}

// prepare begins a ballot of ours, higher than any that we know.
func (a *Assembly) prepare() {
	n := uint64(len(a.listed))
	a.ballot = (a.promised/n+1)*n + uint64(a.place())
	a.value, a.promises, a.accepts = nil, map[string]ballotValue{}, map[string]bool{}
	a.begun, a.retryAt = a.now, a.now+yieldTime<<min(a.tried, maxDoublings)
	a.tried++
	a.promised = a.ballot
	a.promise(a.config.Addr, a.accepted)
	a.say()
}

// resend repeats what was not answered.
func (a *Assembly) resend() {
	if a.now >= a.resendAt {
		a.say()
	}
}

// say sends the ballot's present question to everybody who is there.
func (a *Assembly) say() {
	a.resendAt = a.now + assembleAgain
	if a.result != nil {
		return
	}
	for _, l := range a.listed {
		if l.id == "" || l.id == a.config.ID {
			continue
		}
		m := Assemble{Kind: AssemblePrepare, Ballot: a.ballot}
		if a.value != nil {
			m = Assemble{Kind: AssembleAccept, Ballot: a.ballot, Value: a.value}
		}
		a.send(l.id, m)
	}
}

// sound reports whether f is what a process of our list would propose.
func (a *Assembly) sound(f *Founding) bool {
	ids, addrs := map[string]bool{}, map[string]bool{}
	for _, v := range f.Voters {
		if a.at(v.Addr) == nil || ids[v.ID] || addrs[v.Addr] {
			return false
		}
		ids[v.ID], addrs[v.Addr] = true, true
	}
	return len(f.Voters) >= a.majority() && f.Slots == len(a.listed)
}

func (a *Assembly) onPrepare(from string, m *Assemble) {
	if m.Ballot < a.promised {
		return
	}
	a.giveWay(m.Ballot)
	a.send(from, Assemble{Kind: AssemblePromise, Ballot: m.Ballot, Accepted: a.accepted.ballot, Value: a.accepted.value})
}

// giveWay promises a ballot. One of ours that is lower is over: what it had accepted must not be learned any more.
func (a *Assembly) giveWay(ballot uint64) {
	a.promised = ballot
	if a.ballot != 0 && a.ballot < ballot {
		a.ballot = 0
	}
	if a.ballot == 0 {
		a.retryAt = max(a.retryAt, a.now+yieldTime+a.yield())
	}
}

func (a *Assembly) onPromise(_ string, m *Assemble) {
	a.at(m.Addr).owes = 0
	if m.Ballot == a.ballot && a.value == nil {
		a.promise(m.Addr, ballotValue{m.Accepted, m.Value})
	}
}

// promise counts a promise.
func (a *Assembly) promise(addr string, accepted ballotValue) {
	a.promises[addr] = accepted
	a.propose()
}

// propose puts a founding to those who have promised, once they are a majority, and all who are there or as
// many as came in time.
func (a *Assembly) propose() {
	n := len(a.promises)
	if n < a.majority() || a.disputed() || n < a.present() && a.now < a.begun+settleTime {
		return
	}
	if a.value = a.choose(); a.value == nil {
		return
	}
	a.accepted = ballotValue{a.ballot, a.value}
	a.accepts[a.config.ID] = true
	a.say()
	a.learn()
}

func (a *Assembly) present() (n int) {
	for _, l := range a.listed {
		if l.id != "" {
			n++
		}
	}
	return n
}

// choose returns what was accepted at the highest ballot, if all of its voters are still there; or else a new
// founding by those who promised and are there, if they are a majority and nobody else may know of another. It
// is nil as long as neither can be.
func (a *Assembly) choose() *Founding {
	var highest ballotValue
	for _, v := range a.promises {
		if v.ballot > highest.ballot && v.value != nil {
			highest = v
		}
	}
	if highest.value != nil && !a.ended(highest.value) {
		if a.standing(highest.value) {
			return highest.value
		}
		a.warnOf(highest.value)
		return nil
	}
	f := &Founding{Slots: len(a.listed)}
	for _, l := range a.listed {
		if _, ok := a.promises[l.addr]; ok && l.id != "" {
			f.Voters = append(f.Voters, Voter{l.id, l.addr})
		}
	}
	if len(f.Voters) < a.majority() || a.awaited() {
		return nil
	}
	f.Cluster = a.config.NewCluster()
	return f
}

// awaited reports whether somebody owes us a promise, and that not for long: it may have learned what those who
// promised have forgotten, since they were restarted. That it says something else proves nothing: it may not
// hear us.
func (a *Assembly) awaited() bool {
	awaited := false
	for i := range a.listed {
		l := &a.listed[i]
		if _, promised := a.promises[l.addr]; promised || l.refused || l.list == hasNone || l.id == "" && !a.outOfReach(*l) {
			continue
		}
		if l.owes == 0 {
			l.owes = max(a.now, 1)
		}
		if a.now-l.owes < a.config.Patience {
			a.warnQuiet(l)
			awaited = true
		}
	}
	return awaited
}

// warnQuiet says once that somebody who owes us a promise keeps the cluster from being founded.
func (a *Assembly) warnQuiet(l *listed) {
	if l.id == "" {
		a.warn(*l)
		return
	}
	if a.now-l.owes >= quietTime {
		a.tellOnce(slog.LevelWarn, l.id, "a process of the list is there and does not answer: it may be in a cluster that was founded before, so no new one is",
			"addr", l.addr, "id", l.id, "for", a.config.Patience)
	}
}

// ended reports whether some voter of f is gone, and all others have promised us this ballot, so that they have
// not learned it, and are there: what we propose needs them, so it fails if they still learn f, from what one
// that is gone had said.
func (a *Assembly) ended(f *Founding) bool {
	ended := false
	for _, v := range f.Voters {
		l := a.at(v.Addr)
		gone := l == nil || l.refused || l.id != "" && l.id != v.ID
		if _, promised := a.promises[v.Addr]; !gone && (!promised || l.id == "") {
			return false
		}
		ended = ended || gone
	}
	return ended
}

// warnOf says once that a founding that was accepted keeps another from being proposed.
func (a *Assembly) warnOf(f *Founding) {
	a.tellOnce(slog.LevelWarn, f.Cluster, "a cluster was about to be founded, and some of its first voters cannot be asked: they may have founded it. If they are gone for good, start the others anew",
		"cluster", f.Cluster, "voters", f.Voters)
}

// standing reports whether the voters of f are the processes at their addresses.
func (a *Assembly) standing(f *Founding) bool {
	for _, v := range f.Voters {
		if l := a.at(v.Addr); l == nil || l.id != v.ID {
			return false
		}
	}
	return true
}

func (a *Assembly) onAccept(from string, m *Assemble) {
	if m.Ballot < a.promised || m.Value == nil {
		return
	}
	a.giveWay(m.Ballot)
	a.accepted = ballotValue{m.Ballot, m.Value}
	a.send(from, Assemble{Kind: AssembleAccepted, Ballot: m.Ballot})
}

func (a *Assembly) onAccepted(from string, m *Assemble) {
	if m.Ballot == a.ballot && a.value != nil {
		a.accepts[from] = true
		a.learn()
	}
}

// learn ends the assembly if every voter has accepted.
func (a *Assembly) learn() {
	for _, v := range a.value.Voters {
		if !a.accepts[v.ID] {
			return
		}
	}
	a.result = &Outcome{Found: a.value}
	if !a.value.has(a.config.ID) { // we only finished what another began
		a.result = &Outcome{Cluster: a.value.Cluster, Via: a.value.Voters[0].ID}
	}
	for _, l := range a.listed {
		if l.id != "" && l.id != a.config.ID {
			a.send(l.id, Assemble{Kind: AssembleMember, Cluster: a.value.Cluster})
		}
	}
}
