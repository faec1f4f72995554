package peer

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/store"
)

// observed returns a cluster of n voters and an observer D.
func observed(t *testing.T, n int, timeout time.Duration) *rig {
	t.Helper()
	r := newRig(t)
	r.timeout = timeout
	r.settle(n, n)
	r.join("D", "10.0.0.14:1", "A")
	r.until("D is registered", 5*time.Second, func() bool { return isRegistered(r.cores["A"].Store().Snapshot(), "D") })
	return r
}

// each runs for d and calls f at every turn.
func (r *rig) each(d time.Duration, f func()) {
	for end := r.now + d; r.now < end; {
		r.turn()
		f()
	}
}

// memberOf returns how the node at sees the member id.
func (r *rig) memberOf(at, id string) MemberStatus {
	r.t.Helper()
	all := r.cores[at].Status().Members
	k := slices.IndexFunc(all, func(m MemberStatus) bool { return m.ID == id })
	if k < 0 {
		r.t.Fatalf("%s does not know %s", at, id)
	}
	return all[k]
}

func TestObserverSaysThatTheMajorityIsLost(t *testing.T) {
	r := observed(t, 3, rigTimeout)
	d := r.cores["D"]
	r.run(5 * time.Second)
	r.kill("B")
	r.kill("C")
	r.until("D knows that there is no majority", 3*leastSilence, func() bool { return !d.Majority() })
	r.run(leastSilence)
	r.each(20*time.Second, func() {
		s := d.Status()
		assert.T(t, !s.Majority)
		assert.Equal(t, []string{"no majority: no voter that is heard here hears one, so nothing can be written"}, s.Trouble)
		assert.T(t, r.memberOf("D", "A").Known)
		assert.T(t, !r.memberOf("D", "B").Known && !r.memberOf("D", "C").Known)
		assert.Equal(t, ErrHearsVoter, (&running{core: d}).escape())
	})
	r.kill("A")
	r.run(2 * leastSilence)
	assert.Equal(t, []string{"no voter is heard: nothing can be written, and this may be out of date"}, d.Status().Trouble)
	assert.T(t, !d.hearsVoter())
}

// Who has just come, or has lost the voter that it listened to, waits for another to tell.
func TestObserverThatTurnsToAnotherVoterCriesNotAtOnce(t *testing.T) {
	for _, lose := range []func(r *rig, id string){
		func(r *rig, id string) { r.kill(id) },
		func(r *rig, id string) { r.cut[id] = true },
	} {
		r := founded(t, 5, 5)
		r.join("D", "10.0.0.14:1", "A")
		d := r.cores["D"]
		hears := func() { assert.T(t, !d.Joined() || d.Majority(), "D hears no majority") }
		r.each(5*time.Second, hears)
		for range 2 {
			lose(r, d.engine.Upstream())
			r.each(2*time.Second, hears)
		}
	}
}

// A cluster of one is its own majority, and says so to those who listen.
func TestObserverOfOneVoterHearsAMajority(t *testing.T) {
	r := observed(t, 1, rigTimeout)
	r.each(5*time.Second, func() { assert.T(t, r.cores["D"].Majority()) })
	assert.Equal(t, []string{}, r.cores["D"].Status().Trouble)
}

// A voter that is taken its slot goes on as an observer, and has heard a majority until then.
func TestDemotedVoterCriesNotAtOnce(t *testing.T) {
	r := founded(t, 3, 3)
	r.run(5 * time.Second)
	c := r.cores["C"]
	r.cores["A"].Propose(setting(slotPath(2), "nobody").Append(nil), func(store.Event, error) {})
	r.each(5*time.Second, func() { assert.T(t, c.Majority()) })
	assert.T(t, !c.Writable())
}

// An observer that listened to a voter which has no slot any more, as in every upgrade, turns to another one
// and has heard a majority until then.
func TestObserverOfADemotedVoterCriesNotAtOnce(t *testing.T) {
	r := observed(t, 3, rigTimeout)
	r.run(5 * time.Second)
	d := r.cores["D"]
	up := d.engine.Upstream()
	by := map[string]string{"A": "B", "B": "C", "C": "A"}[up]
	assert.Equal(t, nil, r.write(by, store.Mutation{Op: store.Del, Path: slotPath(int(up[0] - 'A')), Guard: store.Clobber}))
	r.each(5*time.Second, func() { assert.T(t, d.Majority()) })
	assert.T(t, !r.cores[up].Writable())
}

// Nobody can register a process that joins when the majority is lost. It is in its own table all the same.
func TestStatusHasTheNodeItselfWhereItIsNotRegistered(t *testing.T) {
	r := founded(t, 3, 3)
	r.run(time.Second)
	r.kill("A")
	r.kill("B")
	r.join("D", "10.0.0.14:1", "C")
	r.run(5 * time.Second)
	assert.T(t, !isRegistered(r.cores["D"].Store().Snapshot(), "D"))
	m := r.memberOf("D", "D")
	assert.T(t, m.Self && m.Known && !m.Voter)
	assert.Equal(t, r.cores["D"].Store().Snapshot().Rev(), m.Rev)
	assert.Equal(t, "10.0.0.14:1", m.Addr)
	assert.Equal(t, "1.0", m.Version)
	for _, other := range r.cores["C"].Status().Members {
		assert.NotEqual(t, "D", other.ID)
	}
}

// silenceOf returns what the node at says of the silence of the observer D, if it says something.
func silenceOf(r *rig, at string) string {
	said := r.cores[at].Status().Trouble
	k := slices.IndexFunc(said, func(words string) bool { return strings.HasPrefix(words, "observer D at 10.0.0.14:1 ") })
	if k < 0 {
		return ""
	}
	return said[k]
}

func TestDeadObserverIsTroubleToEveryVoter(t *testing.T) {
	r := observed(t, 3, DefaultTimeout)
	r.run(10 * time.Second)
	r.kill("D")
	r.run(27 * time.Second)
	for _, id := range r.order {
		assert.Equal(t, "observer D at 10.0.0.14:1 is heard by no voter that is heard here: the last one that did said so 31s ago", silenceOf(r, id), id)
	}
	r.run(time.Minute)
	for _, id := range r.order {
		assert.Equal(t, []string{}, r.cores[id].Status().Trouble) // it is unregistered
	}
}

// Who hears of an observer from others only, and seldom, takes no pause for its silence, whatever voter it
// turns to; nor does a voter that is new.
func TestObserverThatLivesIsTroubleToNobody(t *testing.T) {
	r := observed(t, 3, 16*time.Second)
	quiet := func() {
		if r.now%(50*time.Millisecond) != 0 {
			return
		}
		for _, id := range r.voters() {
			assert.Equal(t, "", silenceOf(r, id), id)
		}
	}
	r.each(20*time.Second, quiet)
	for range 4 {
		r.cores["D"].engine.Suspect(r.cores["D"].engine.Upstream()) // it turns to another
		r.each(3*time.Second, quiet)
	}
	r.cut[r.cores["D"].engine.Upstream()] = true
	r.each(10*time.Second, quiet)
	clear(r.cut)
	r.each(10*time.Second, quiet)
	assert.Equal(t, nil, r.set("A", slotPath(2), "D"))
	assert.Equal(t, nil, r.set("A", slotPath(2), "C"))
	r.each(20*time.Second, quiet)
	assert.Equal(t, []string{"A", "B", "C"}, r.voters())
}

// What becomes of the voters is told by every node, with the change that did it.
func TestChangesOfVotersAreLoggedWithTheirCause(t *testing.T) {
	r := observed(t, 3, rigTimeout)
	r.run(time.Second)
	logs := map[string]*bytes.Buffer{}
	for id, c := range r.cores {
		logs[id] = new(bytes.Buffer)
		c.log = slog.New(slog.NewTextHandler(logs[id], nil))
	}
	told := func(id, msg, cause string, k int) {
		t.Helper()
		line := fmt.Sprintf("msg=%q rev=%d cause=%q", msg, revOf(r.cores["A"].Store().Snapshot(), slotPath(k)), slotPath(k)+cause)
		assert.Equal(t, 1, strings.Count(logs[id].String(), line), id, line, logs[id].String())
	}
	assert.Equal(t, nil, r.write("A", store.Mutation{Op: store.Set, Path: slotPath(3), Guard: store.Missing}))
	r.until("D is a voter", 5*time.Second, r.areVoters("A", "B", "C", "D"))
	told("A", "voters changed", " was set to D", 3)
	told("D", "voters changed", " was set to D", 3)
	told("D", "this node is a voter now", " was set to D", 3)
	r.cut["B"] = true
	r.until("B is evicted", 10*time.Second, r.evicted("B"))
	r.turn()
	told("A", "voters changed", " was emptied", 1)
	told("C", "voters changed", " was emptied", 1)
	assert.Equal(t, nil, r.set("A", slotPath(2), "nobody"))
	r.run(time.Second)
	told("A", "voters changed", " was set to nobody", 2)
	told("C", "this node is an observer now", " was set to nobody", 2)
	assert.Equal(t, nil, r.write("A", store.Mutation{Op: store.Del, Path: nodePath("D", addrFile), Guard: store.Clobber}))
	assert.T(t, strings.Contains(logs["A"].String(), `cause="/ctl/node/D/addr was deleted"`), logs["A"].String())
}

// Whoever is removed was silent for a while, and the log says for how long.
func TestRemovedObserverWasSilentForSomeTime(t *testing.T) {
	r := observed(t, 3, rigTimeout)
	var log bytes.Buffer
	for _, c := range r.cores {
		c.log = slog.New(slog.NewTextHandler(&log, nil))
	}
	r.kill("D")
	r.until("D is removed", 3*rigTimeout, func() bool { return !isRegistered(r.cores["A"].Store().Snapshot(), "D") })
	line := regexp.MustCompile(`msg="removing a silent observer" id=D addr=10.0.0.14:1 silent=(\S+)`).FindStringSubmatch(log.String())
	assert.Equal(t, 2, len(line), log.String())
	silent, err := time.ParseDuration(line[1])
	assert.Equal(t, nil, err)
	assert.T(t, silent >= rigTimeout && silent < 2*rigTimeout, silent)
}

// What is in the tree may be anything, and is told to terminals.
func TestTroubleIsPlainText(t *testing.T) {
	r := observed(t, 3, rigTimeout)
	for id, addr := range map[string]string{"B": "127.0.0.9:1\x1b[31mRED", "C": "10.0.0.3:1\nall is well", "D": strings.Repeat("x", 1<<20)} {
		assert.Equal(t, nil, r.set("A", nodePath(id, addrFile), addr))
	}
	assert.Equal(t, nil, r.set("A", slotPath(3), "\x1b[2J"))
	a := r.cores["A"]
	r.run(time.Second)
	for _, id := range []string{"B", "C", "D"} {
		r.cut[id] = true
	}
	r.run(leastSilence + time.Second)
	assert.Equal(t, []string{
		`voter B at "127.0.0.9:1\x1b[31mRED" has not been heard for 3s`,
		`voter C at "10.0.0.3:1\nall is well" has not been heard for 3s`,
		"no majority: 2 of 3 voters are not heard, so nothing can be written",
		`slot /ctl/cal/3 names "\x1b[2J", which is no member: empty or delete it`,
	}, a.Status().Trouble)
}

// Only nine can be voters. Whoever is named beyond them is a member, and votes as little as one that is none.
func TestStatusTellsOfSlotsBeyondTheNinth(t *testing.T) {
	c := testCore(t)
	put := func(path, body string) { assert.Equal(t, nil, c.store.Apply(setting(path, body).Append(nil)).Err) }
	for k := range 12 {
		put(nodePath(fmt.Sprint("X", k), addrFile), "10.0.1.1:1")
	}
	for k, id := range []string{"X0", "nobody", "X1", "X2", "X3", "", "X4", "X0", "X5", "X6", "X7", "X8", "X9", "X3", "X10"} {
		put(fmt.Sprintf("/ctl/cal/%02d", k), id)
	}
	assert.Equal(t, nil, c.store.Apply(store.Mutation{Op: store.Del, Path: slotPath(0), Guard: store.Clobber}.Append(nil)).Err)
	c.roster = rosterOf(c.store.Snapshot())
	assert.Equal(t, []string{
		"slots without a voter: 1",
		`slot /ctl/cal/01 names "nobody", which is no member: empty or delete it`,
		"slot /ctl/cal/12 counts for nothing: 9 voters are the most",
		"slot /ctl/cal/14 counts for nothing: 9 voters are the most",
	}, c.Status().Trouble)
}
