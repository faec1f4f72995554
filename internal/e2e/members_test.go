package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/internal/e2e/raw"
)

// testMembers is what a client sees of a cluster, at its voters and at those
// that are none.
func testMembers(t *testing.T) {
	host := hostnameValue()
	converseWithObserver(t, []row{
		{name: "attaching/seen at the voter", talk: `
			> WAIT path=/** rev=9
			< flags=4 rev=9 path="/ctl/node/$oID/addr" value="$oADDR"
			> WAIT path=/** rev=10
			< flags=4 rev=10 path="/ctl/node/$oID/hostname" ` + host + `
			> WAIT path=/** rev=11
			< flags=4 rev=11 path="/ctl/node/$oID/version" value="$VERSION"
			> STAT path=/ctl/node/$oID
			< rev=-2 len=3
			> WALK path=/ctl/cal/* offset=1
			< err=RANGE
			> WALK path=/ctl/ns/** offset=1
			< err=RANGE
			> REV
			< rev=11`},
		{name: "attaching/seen at the observer", talk: `
			o> REV
			o< rev=11
			o> SELF
			o< value="$oID"
			o> GET path=/ctl/name
			o< rev=1 value="local"
			o> WALK path=/ctl/cal/* offset=0
			o< flags=4 rev=5 path="/ctl/cal/0" value="$ID"
			o> GET path=/ctl/node/$oID/addr
			o< rev=9 value="$oADDR"
			o> WAIT path=/ctl/node/$oID/version rev=11
			o< flags=4 rev=11 path="/ctl/node/$oID/version" value="$VERSION"`},
		{name: "attaching/history begins there", talk: `
			o> GET path=/ctl/name rev=1
			o< err=TOO_LATE
			o> STAT path=/ctl/name rev=1
			o< err=TOO_LATE
			o> GETDIR path=/ctl offset=0 rev=1
			o< err=TOO_LATE
			o> WALK path=/** offset=0 rev=1
			o< err=TOO_LATE
			o> WAIT path=/** rev=1
			o< err=TOO_LATE
			> WAIT path=/** rev=1
			< flags=4 rev=1 path="/ctl/name" value="local"`},
		{name: "an observer serves reads and waits", talk: `
			o> tag=1 WAIT path=/a rev=12
			o> tag=2 GET path=/a rev=13
			> SET path=/a rev=0 value=x
			< rev=12
			o< tag=1 flags=4 rev=12 path="/a" value="x"
			> SET path=/a rev=12 value=y
			< rev=13
			o< tag=2 rev=13 value="y"`},
		{name: "an observer cancels waits", talk: `
			o> tag=1 WAIT path=/a rev=12
			o> tag=2 CANCEL other=1
			o< tag=1 err=OTHER detail="cancelled"
			o< tag=2`},
		{name: "READONLY/before arguments", talk: `
			o> tag=1 SET
			o< tag=1 err=READONLY
			o> tag=2 DEL
			o< tag=2 err=READONLY
			o> tag=3 NOP
			o< tag=3 err=READONLY
			o> tag=4 SET path=a_b rev=0
			o< tag=4 err=READONLY
			o> tag=5 SET path=/a rev=0 value=1048577*x
			o< tag=5 err=READONLY
			o> tag=6 DEL path=/ctl rev=-1
			o< tag=6 err=READONLY
			o> REV
			o< rev=11
			> REV
			< rev=11`},
		{name: "READONLY/after access", env: secrets("rw", "ro"), talk: `
			o> SET
			o< err=OTHER detail="permission denied"
			o> NOP
			o< err=OTHER detail="permission denied"
			o> ACCESS value=ro
			o<
			o> DEL
			o< err=OTHER detail="permission denied"
			o> ACCESS value=rw
			o<
			o> SET
			o< err=READONLY
			o> DEL
			o< err=READONLY
			o> NOP
			o< err=READONLY`},
		{name: "deletes at an observer ✱", talk: `
			o> tag=1 WAIT path=/d/** rev=13
			> SET path=/d/a rev=0 value=x
			< rev=12
			> DEL path=/d/a rev=12
			<
			o< tag=1 flags=8 rev=13 path="/d/a" value=""
			o> GET path=/d/a
			o< rev=0 value=""
			o> STAT path=/d
			o< rev=0 len=0
			o> GETDIR path=/d offset=0
			o< err=NOENT
			o> GET path=/d/a rev=12
			o< rev=12 value="x"
			> DEL path=/none rev=0
			<
			o> WAIT path=/none rev=12
			o< flags=8 rev=14 path="/none" value=""
			o> STAT path=/
			o< rev=-2 len=1`},
		{name: "failures at an observer ✱", talk: `
			> SET path=/ctl/name rev=0
			< err=REV_MISMATCH
			> DEL path=/ctl rev=-1
			< err=ISDIR
			o> WAIT path=/** rev=12
			o< flags=4 rev=12 path="/ctl/err" value="rev mismatch"
			o> WAIT path=/** rev=13
			o< flags=4 rev=13 path="/ctl/err" value="is a directory"
			> DEL path=/ctl/err rev=13
			<
			o> WAIT path=/ctl/err rev=14
			o< flags=8 rev=14 path="/ctl/err" value=""
			o> GET path=/ctl/err
			o< rev=0 value=""`},
		{name: "a slot is opened/missing before", talk: `
			> SET path=/ctl/cal/1 rev=0
			< rev=12
			> WAIT path=/ctl/cal/* rev=13
			< flags=4 rev=13 path="/ctl/cal/1" value="$oID"`},
		{name: "a slot is opened/of any name", talk: `
			> SET path=/ctl/cal/x rev=0 value=nobody
			< rev=12
			> SET path=/ctl/cal/x rev=12
			< rev=13
			> WAIT path=/ctl/cal/* rev=14
			< flags=4 rev=14 path="/ctl/cal/x" value="$oID"`},
	})
	t.Run("it becomes a voter ✱", testBecomesVoter)
	t.Run("one observer for one slot", testOneObserverPerSlot)
	t.Run("attaching by an observer, and by another name ✱", testAttachAnywhere)
	t.Run("a voter is silent, and was alive ✱", testEviction)
	t.Run("the member of an observer dies ✱", testObserverMovesOn)
	t.Run("duplicate bodies ✱", testDuplicateBodies)
	t.Run("voters at the DzNS", testDzNS)
}

// converseWithObserver is converse with a cluster of two: a voter, and an
// observer that is spoken to by lines beginning with o. The voter's newest rev
// is 11, for the observer has registered.
func converseWithObserver(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			n := startWith(t, Options{Flags: r.flags, Env: r.env})
			o := startWith(t, Options{Flags: append([]string{"-a", n.Addr}, r.flags...), Env: r.env})
			for _, at := range []*Node{n, o} {
				registered(t, at, o, r.env != nil)
			}
			talkWith(t, map[string]*Node{"": n, "o": o}, r.talk)
		})
	}
}

// registered waits until a node has seen all that another says of itself.
func registered(t *testing.T, at, member *Node, guarded bool) {
	t.Helper()
	c := dial(t, at.Addr)
	if guarded {
		assert.Equal(t, "", call(t, c, "ACCESS value=rw"))
	}
	awaitSet(t, c, "/ctl/node/"+member.ID+"/version", member.Version)
}

// awaitSet waits until a file has a body, which it may have already.
func awaitSet(t *testing.T, c *raw.Conn, path, body string) (rev int64) {
	t.Helper()
	rev = ask(t, c, "REV").Rev
	a := ask(t, c, "GET path=%s rev=%d", path, rev)
	for a.Rev == 0 || a.Value != body {
		a = ask(t, c, "WAIT path=%s rev=%d", path, rev+1)
		assert.Equal(t, int64(0), a.Err)
		rev = a.Rev
	}
	return a.Rev
}

// awaitGone waits until a file is missing.
func awaitGone(t *testing.T, c *raw.Conn, path string) {
	t.Helper()
	rev := ask(t, c, "REV").Rev
	a := ask(t, c, "GET path=%s rev=%d", path, rev)
	for a.Rev != 0 && a.Flags != 8 {
		a = ask(t, c, "WAIT path=%s rev=%d", path, rev+1)
		assert.Equal(t, int64(0), a.Err)
		rev = a.Rev
	}
}

// join starts a node that attaches to another, and waits until it takes writes
// in a slot that is opened for it.
func join(t *testing.T, to *Node, slot string, flags ...string) *Node {
	t.Helper()
	n := start(t, append([]string{"-a", to.Addr}, flags...)...)
	c := dial(t, to.Addr)
	ask(t, c, "SET path=/ctl/cal/%s rev=-1", slot)
	awaitVoter(t, c, slot, n)
	awaitSet(t, dial(t, n.Addr), "/ctl/node/"+n.ID+"/writable", "true")
	return n
}

// awaitVoter waits until a node holds a slot and has said all that a voter says.
func awaitVoter(t *testing.T, c *raw.Conn, slot string, n *Node) {
	t.Helper()
	awaitSet(t, c, "/ctl/cal/"+slot, n.ID)
	awaitSet(t, c, "/ctl/node/"+n.ID+"/writable", "true")
	awaitSet(t, c, "/ctl/ns/"+n.Cluster+"/"+n.ID, n.Addr)
}

// three is a cluster of three voters.
func three(t *testing.T, flags ...string) []*Node {
	t.Helper()
	n := start(t, flags...)
	return []*Node{n, join(t, n, "1", flags...), join(t, n, "2", flags...)}
}

// testBecomesVoter: connections from before take writes as well.
func testBecomesVoter(t *testing.T) {
	t.Parallel()
	n := start(t)
	o := start(t, "-a", n.Addr)
	c, at := dial(t, n.Addr), dial(t, o.Addr)
	registered(t, n, o, false)
	assert.Equal(t, "err=READONLY", call(t, at, "SET path=/a rev=0 value=x"))
	assert.Equal(t, "rev=12", call(t, c, "SET path=/ctl/cal/1 rev=0"))
	awaitVoter(t, c, "1", o)
	applied := ask(t, c, "WAIT path=/ctl/node/%s/applied rev=14", o.ID)
	rev, err := strconv.ParseInt(applied.Value, 10, 64)
	assert.T(t, err == nil && 13 <= rev && rev < applied.Rev, applied)
	assert.Equal(t, "rev=16", call(t, c, "REV"))
	awaitSet(t, at, "/ctl/node/"+o.ID+"/writable", "true")
	assert.Equal(t, "rev=17", call(t, at, "SET path=/a rev=0 value=x"))
	assert.Equal(t, `rev=17 value="x"`, call(t, c, "GET path=/a rev=17"))
	assert.Equal(t, "", call(t, at, "NOP"))
	assert.Equal(t, "", call(t, at, "DEL path=/a rev=17"))
}

// testOneObserverPerSlot: of two that wait, one takes the slot, and the other
// goes on waiting for the next.
func testOneObserverPerSlot(t *testing.T) {
	t.Parallel()
	n := start(t)
	waiting := []*Node{start(t, "-a", n.Addr), start(t, "-a", n.Addr)}
	c := dial(t, n.Addr)
	for _, o := range waiting {
		registered(t, n, o, false)
	}
	before := ask(t, c, "SET path=/ctl/cal/1 rev=0").Rev
	winner := ask(t, c, "WAIT path=/ctl/cal/1 rev=%d", before+1).Value
	if winner == waiting[1].ID {
		waiting[0], waiting[1] = waiting[1], waiting[0]
	}
	assert.Equal(t, waiting[0].ID, winner)
	awaitVoter(t, c, "1", waiting[0])
	assert.Equal(t, "err=READONLY", call(t, dial(t, waiting[1].Addr), "SET path=/a rev=0"))
	ask(t, c, "SET path=/ctl/cal/2 rev=0")
	awaitVoter(t, c, "2", waiting[1])
	assert.Equal(t, winner, ask(t, c, "GET path=/ctl/cal/1").Value)
}

// testAttachAnywhere: any member of the cluster will do, by any of its names.
func testAttachAnywhere(t *testing.T) {
	t.Parallel()
	n := start(t)
	o := start(t, "-a", n.Addr)
	_, port, _ := strings.Cut(o.Addr, ":")
	for _, addr := range []string{o.Addr, "localhost:" + port} {
		m := start(t, "-a", addr)
		registered(t, n, m, false)
		assert.Equal(t, m.Addr, ask(t, dial(t, n.Addr), "GET path=/ctl/node/%s/addr", m.ID).Value)
		c := dial(t, m.Addr)
		set := ask(t, dial(t, n.Addr), "SET path=/a rev=-1 value=%s", m.ID)
		assert.Equal(t, m.ID, ask(t, c, "WAIT path=/a rev=%d", set.Rev).Value)
		assert.Equal(t, "err=READONLY", call(t, c, "SET path=/a rev=-1"))
	}
}

// testEviction stops a voter until it is evicted, and lets it go on.
func testEviction(t *testing.T) {
	t.Parallel()
	nodes := three(t, "-timeout", "3")
	c, silent := dial(t, nodes[0].Addr), nodes[2]
	from := ask(t, c, "REV").Rev + 1
	assert.Equal(t, nil, silent.cmd.Process.Signal(syscall.SIGSTOP))
	t.Cleanup(func() { silent.cmd.Process.Signal(syscall.SIGCONT) })

	slot := ask(t, c, "WAIT path=/ctl/cal/* rev=%d", from)
	assert.Equal(t, raw.Answer{Flags: 4, Rev: slot.Rev, Path: "/ctl/cal/2"}, slot)
	for _, file := range []string{"addr", "hostname", "version", "writable", "applied"} {
		gone := ask(t, c, "WAIT path=/ctl/node/%s/%s rev=%d", silent.ID, file, slot.Rev)
		assert.Equal(t, int64(8), gone.Flags, file)
	}
	listed := ask(t, c, "WAIT path=/ctl/ns/** rev=%d", from)
	assert.Equal(t, raw.Answer{Flags: 8, Rev: listed.Rev, Path: "/ctl/ns/local/" + silent.ID}, listed)
	assert.Equal(t, []string{nodes[0].ID, nodes[1].ID}, inOrder(nodes, bodies(t, c, "/ctl/cal/*")))
	for _, n := range nodes[:2] {
		assert.Equal(t, int64(0), ask(t, dial(t, n.Addr), "SET path=/a rev=-1").Err)
	}

	assert.Equal(t, nil, silent.cmd.Process.Signal(syscall.SIGCONT))
	awaitVoter(t, c, "2", silent)
	at := dial(t, silent.Addr)
	assert.Equal(t, silent.ID, ask(t, at, "SELF").Value)
	awaitSet(t, at, "/ctl/node/"+silent.ID+"/writable", "true")
	set := ask(t, at, "SET path=/a rev=-1 value=back")
	assert.Equal(t, "back", ask(t, c, "GET path=/a rev=%d", set.Rev).Value)
}

// bodies are those of the files that match.
func bodies(t *testing.T, c *raw.Conn, glob string) (all []string) {
	t.Helper()
	for _, path := range walk(t, c, glob) {
		if body := ask(t, c, "GET path=%s", path).Value; body != "" {
			all = append(all, body)
		}
	}
	return all
}

// inOrder brings ids into the order of their nodes.
func inOrder(nodes []*Node, ids []string) (in []string) {
	for _, n := range nodes {
		if slices.Contains(ids, n.ID) {
			in = append(in, n.ID)
		}
	}
	return in
}

// testObserverMovesOn kills the only member that an observer was told of: it
// goes on with the others, and takes the dead one's slot.
func testObserverMovesOn(t *testing.T) {
	t.Parallel()
	nodes := three(t, "-timeout", "3")
	c, dead := dial(t, nodes[0].Addr), nodes[2]
	o := start(t, "-timeout", "3", "-a", dead.Addr)
	registered(t, nodes[0], o, false)
	at := dial(t, o.Addr)
	assert.Equal(t, nil, dead.Kill())
	set := ask(t, c, "SET path=/a rev=-1 value=x")
	assert.Equal(t, `flags=4 rev=`+fmt.Sprint(set.Rev)+` path="/a" value="x"`, call(t, at, "WAIT path=/a rev=%d", set.Rev))
	awaitVoter(t, c, "2", o)
	awaitGone(t, c, "/ctl/ns/local/"+dead.ID)
	awaitSet(t, at, "/ctl/node/"+o.ID+"/writable", "true")
	assert.Equal(t, int64(0), ask(t, at, "SET path=/a rev=-1").Err)
}

// testDuplicateBodies is TestOneWinner through three voters: equal proposals
// of different clients meet in one instance, and each answer is its own
// request's.
func testDuplicateBodies(t *testing.T) {
	t.Parallel()
	nodes := three(t, "-hist", "100000")
	c := dial(t, nodes[0].Addr)
	before := ask(t, c, "REV").Rev
	won := oneWinner(t, nodes)
	assert.Equal(t, "", call(t, c, "NOP"))
	for f, revs := range won {
		assert.Equal(t, []int64{ask(t, c, "GET path=/won/%d", f).Rev}, revs)
	}
	assert.Equal(t, before+contestants*contests, ask(t, c, "REV").Rev)
}

// testDzNS boots a cluster by a DzNS, which lists those that take writes, and
// nobody else.
func testDzNS(t *testing.T) {
	t.Parallel()
	dzns := start(t, "-c", "dzns")
	uri := "doozer:?ca=" + dzns.Addr
	flags := []string{"-c", "app", "-b", uri, "-timeout", "3"}
	d := dial(t, dzns.Addr)
	list := func(n *Node) string { return "/ctl/ns/app/" + n.ID }

	founder := start(t, flags...)
	assert.Equal(t, fmt.Sprintf("flags=4 rev=9 path=%q value=%q", list(founder), founder.Addr), call(t, d, "WAIT path=/** rev=9"))
	assert.Equal(t, fmt.Sprintf("flags=4 rev=10 path=%q value=%q", "/ctl/boot/app", founder.ID), call(t, d, "WAIT path=/** rev=10"))
	assert.Equal(t, "rev=10", call(t, d, "REV"))
	c := dial(t, founder.Addr)
	assert.Equal(t, "err=RANGE", call(t, c, "WALK path=/ctl/ns/** offset=0"))

	o := start(t, flags...)
	registered(t, founder, o, false)
	assert.Equal(t, "err=READONLY", call(t, dial(t, o.Addr), "NOP"))
	assert.Equal(t, []string{list(founder)}, walk(t, d, "/ctl/ns/app/*"))
	ask(t, c, "SET path=/ctl/cal/1 rev=0")
	awaitSet(t, d, list(o), o.Addr)

	third := start(t, flags...)
	registered(t, founder, third, false)
	ask(t, c, "SET path=/ctl/cal/2 rev=0")
	awaitSet(t, d, list(third), third.Addr)
	assert.Equal(t, 3, len(walk(t, d, "/ctl/ns/app/*")))

	assert.Equal(t, nil, third.Kill())
	awaitGone(t, d, list(third))
	assert.Equal(t, 2, len(walk(t, d, "/ctl/ns/app/*")))
}
