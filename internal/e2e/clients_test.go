package e2e

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/internal/e2e/raw"
)

// testIndependentClients does as clients in other languages do, with their
// habits good and bad.
func testIndependentClients(t *testing.T) {
	t.Run("tag 0 always", testTagZeroAlways)
	t.Run("no tag ever", testNoTagEver)
	t.Run("size and body with one read each", testReadsWithoutALoop)
	t.Run("a connection per request", testConnectionPerRequest)
	t.Run("tag 0 again after giving up a wait", testGivenUpWait)
	t.Run("a walk at the rev of an earlier REV", testWalkAtEarlierRev)
	t.Run("a directory as long as STAT said", testListedByCount)
	t.Run("each request to the next member", testRoundRobin)
	t.Run("finding nodes", testFindingNodes)
	t.Run("masters elected", testMasters)
	t.Run("no unasked-for messages", testNothingUnasked)
	t.Run("size and body in two writes", testWritesInTwo)
	t.Run("a heartbeat by REV", testHeartbeat)
	converse(t, []row{
		{name: "path always there, if only empty", talk: `
			> tag=0 verb=5 path=
			< tag=0 rev=8
			> tag=0 verb=99 path=
			< tag=0
			> tag=0 verb=7 path=
			< tag=0
			> tag=0 verb=20 path=
			< tag=0 value="$ID"`},
		{name: "an offset of 0 always there", talk: `
			> path=/a offset=0 tag=0 value=x rev=0 verb=2
			< tag=0 rev=9
			> path=/a tag=0 verb=1
			< tag=0 rev=9 value="x"
			> path=/a verb=16
			< rev=9 len=1`},
		{name: "a name looked up at an earlier rev", talk: `
			> tag=0 REV
			< tag=0 rev=8
			2> SET path=/ctl/ns/local/x rev=0 value=later
			2< rev=9
			> tag=0 GETDIR rev=8 path=/ctl/ns/local offset=0
			< tag=0 path="$ID"
			> tag=0 GETDIR rev=8 path=/ctl/ns/local offset=1
			< tag=0 err=RANGE
			> tag=0 GET path=/ctl/ns/local/$ID rev=8
			< tag=0 rev=6 value="$ADDR"
			> tag=0 GETDIR rev=8 path=/ctl/ns/nobody offset=0
			< tag=0 err=NOENT`},
		{name: "REV, then ACCESS with an empty token/open", talk: `
			> tag=0 REV
			< tag=0 rev=8
			> tag=1 ACCESS value=
			< tag=1
			> tag=2 SET path=/a rev=0
			< tag=2 rev=9`},
		{name: "REV, then ACCESS with an empty token/rw set", env: secrets("rw", ""), talk: `
			> tag=0 REV
			< tag=0 rev=8
			> tag=1 ACCESS value=
			< tag=1
			> tag=2 GET path=/ctl/name
			< tag=2 rev=1 value="local"
			> tag=3 SET path=/a rev=0
			< tag=3 err=OTHER detail="permission denied"`},
		{name: "ACCESS again on permission denied", env: secrets("rw", "ro"), talk: `
			> tag=1 GET path=/ctl/name
			< tag=1 err=OTHER detail="permission denied"
			> tag=2 ACCESS value=rw
			< tag=2
			> tag=1 GET path=/ctl/name
			< tag=1 rev=1 value="local"`},
		{name: "rev omitted to clobber", talk: `
			> tag=1 SET path=/a value=x
			< tag=1 err=MISSING_ARG
			> tag=2 GET path=/a
			< tag=2 rev=0 value=""`},
		{name: "clobbering by a huge rev", talk: `
			> tag=1 SET path=/a rev=4611686018427387904 value=x
			< tag=1 rev=9
			> tag=2 SET path=/a rev=9223372036854775807 value=y
			< tag=2 rev=10
			> tag=3 SET path=/a rev=-1 value=z
			< tag=3 rev=11
			> tag=4 DEL path=/a rev=9223372036854775807
			< tag=4`},
		{name: "a guard that is the rev of the store", talk: `
			> tag=1 REV
			< tag=1 rev=8
			> tag=2 SET path=/s rev=8 value=x
			< tag=2 rev=9
			2> SET path=/other rev=0
			2< rev=10
			> tag=3 REV
			< tag=3 rev=10
			> tag=4 SET path=/s rev=10 value=y
			< tag=4 rev=11
			2> SET path=/s rev=10 value=z
			2< err=REV_MISMATCH
			> tag=5 REV
			< tag=5 rev=12
			> tag=6 DEL path=/s rev=12
			< tag=6
			> tag=7 DEL path=/s rev=12
			< tag=7`},
		{name: "a tree deleted file by file, all by the rev of its listing", talk: `
			> SET path=/t/a rev=0 value=x
			< rev=9
			> SET path=/t/b/c rev=0 value=y
			< rev=10
			> STAT path=/t rev=10
			< rev=-2 len=2
			> STAT path=/t/a rev=10
			< rev=9 len=1
			> DEL path=/t/a rev=10
			<
			> GETDIR path=/t offset=1 rev=10
			< path="b"
			> GETDIR path=/t offset=2 rev=10
			< err=RANGE
			> STAT path=/t/b rev=10
			< rev=-2 len=1
			> GETDIR path=/t/b offset=0 rev=10
			< path="c"
			> DEL path=/t/b/c rev=10
			<
			> GETDIR path=/t/b offset=1 rev=10
			< err=RANGE
			> STAT path=/t
			< rev=0 len=0`},
		{name: "waiting again from the event itself", talk: `
			> tag=1 WAIT path=/ns/master/m rev=0
			2> SET path=/ns/master/m rev=8 value=a
			2< rev=9
			< tag=1 flags=4 rev=9 path="/ns/master/m" value="a"
			> tag=2 WAIT path=/ns/master/m rev=9
			< tag=2 flags=4 rev=9 path="/ns/master/m" value="a"
			> tag=3 DEL path=/ns/master/m rev=9
			< tag=3
			> tag=4 WAIT path=/ns/master/m rev=9
			< tag=4 flags=4 rev=9 path="/ns/master/m" value="a"
			> tag=5 WAIT path=/ns/master/m rev=10
			< tag=5 flags=8 rev=10 path="/ns/master/m" value=""
			> tag=6 WAIT path=/ns/master/m rev=10
			< tag=6 flags=8 rev=10 path="/ns/master/m" value=""`},
		{name: "numbers taken by counting up", talk: `
			> GETDIR path=/n offset=0 rev=8
			< err=NOENT
			2> GETDIR path=/n offset=0 rev=8
			2< err=NOENT
			> SET path=/n/0 rev=0 value=a
			< rev=9
			2> SET path=/n/0 rev=0 value=b
			2< err=REV_MISMATCH
			2> SET path=/n/1 rev=0 value=b
			2< rev=11`},
		{name: "a blank token and a huge rev before all else", talk: `
			> tag=0 ACCESS value=
			< tag=0
			> tag=0 SET path=/eph rev=9999999999 value=name
			< tag=0 rev=9
			> tag=0 SET path=/eph rev=9999999999 value=other
			< tag=0 rev=10`},
		{name: "a journal played back", talk: `
			> SET path=/a rev=-1 value=x
			< rev=9
			> DEL path=/gone rev=-1
			<
			> SET path=/a rev=-1
			< rev=11
			> GET path=/a
			< rev=11 value=""`},
		{name: "telling missing, file and directory by rev", talk: `
			> tag=1 STAT path=/none
			< tag=1 rev=0 len=0
			> tag=2 STAT path=/ctl/name
			< tag=2 rev=1 len=5
			> tag=3 STAT path=/ctl
			< tag=3 rev=-2 len=4`},
		{name: "a write resent where its guard makes it safe", talk: `
			> SET path=/a rev=0 value=x
			> hangup
			2> WAIT path=/a rev=9
			2< flags=4 rev=9 path="/a" value="x"
			2> SET path=/a rev=8 value=x
			2< err=REV_MISMATCH`},
	})
}

func testTagZeroAlways(t *testing.T) {
	c := dial(t, start(t).Addr)
	for i := range 100 {
		set := ask(t, c, "tag=0 SET path=/a rev=-1 value=%d", i)
		assert.Equal(t, raw.Answer{Rev: int64(9 + i)}, set)
		got := call(t, c, "tag=0 GET path=/a")
		assert.Equal(t, fmt.Sprintf(`tag=0 rev=%d value="%d"`, set.Rev, i), got)
		event := call(t, c, "tag=0 WAIT path=/a rev=%d", set.Rev)
		assert.Equal(t, fmt.Sprintf(`tag=0 flags=4 rev=%d path="/a" value="%d"`, set.Rev, i), event)
	}
}

func testNoTagEver(t *testing.T) {
	c := dial(t, start(t).Addr)
	for i := range 100 {
		assert.Equal(t, fmt.Sprintf("rev=%d", 9+i), call(t, c, "SET path=/d/f%d rev=0 value=%d", i, i))
		assert.Equal(t, fmt.Sprintf("rev=-2 len=%d", 1+i), call(t, c, "STAT path=/d"))
	}
}

// testReadsWithoutALoop also watches that way, where replies come unbidden in
// time.
func testReadsWithoutALoop(t *testing.T) {
	n := start(t)
	c, writer := dial(t, n.Addr), dial(t, n.Addr)
	for rev := 9; rev < 200; rev++ {
		assert.Equal(t, nil, c.Send(fmt.Sprintf("tag=1 WAIT path=/** rev=%d", rev)))
		assert.Equal(t, nil, writer.Send(fmt.Sprintf("tag=2 SET path=/a rev=-1 value=%d*b", 70*rev)))
		set, err := writer.RecvByTwoReads()
		assert.Equal(t, nil, err)
		assert.Equal(t, fmt.Sprintf("tag=2 rev=%d", rev), set)
		event, err := c.RecvByTwoReads()
		assert.Equal(t, nil, err)
		assert.Equal(t, fmt.Sprintf(`tag=1 flags=4 rev=%d path="/a" value=%d*b`, rev, 70*rev), event)
	}
}

// testWritesInTwo sends each size and each body by a write of its own, and
// both without a delay.
func testWritesInTwo(t *testing.T) {
	c := dial(t, start(t).Addr)
	for i := range 100 {
		frame := raw.Frame(raw.Request(fmt.Sprintf("tag=%d SET path=/a rev=-1 value=%d", i, i)))
		for _, part := range [][]byte{frame[:4], frame[4:]} {
			_, err := c.Write(part)
			assert.Equal(t, nil, err)
		}
		got, err := c.Recv()
		assert.Equal(t, nil, err)
		assert.Equal(t, fmt.Sprintf("tag=%d rev=%d", i, 9+i), got)
	}
}

// testHeartbeat: a client that asks for the rev from time to time hangs up if
// it has not grown since, so it grows while nobody writes.
func testHeartbeat(t *testing.T) {
	c := dial(t, start(t, "-pulse", "1").Addr)
	rev := ask(t, c, "tag=0 REV").Rev
	for range 2 {
		pulse := ask(t, c, "tag=1 WAIT path=/ctl/node/*/applied rev=%d", rev+1)
		next := ask(t, c, "tag=0 REV").Rev
		assert.T(t, rev < pulse.Rev && pulse.Rev <= next, rev, pulse, next)
		rev = next
	}
}

func testConnectionPerRequest(t *testing.T) {
	const requests = 500
	n := start(t)
	before, err := n.FDs()
	assert.Equal(t, nil, err)
	for i := range requests {
		c, err := raw.Dial(n.Addr, Patience)
		assert.Equal(t, nil, err)
		assert.Equal(t, int64(9+i), ask(t, c, "tag=1 SET path=/a rev=-1").Rev)
		c.Close()
	}
	eventually(t, "the sockets are closed", func() bool { return fds(t, n) <= before+1 })
}

// testGivenUpWait: a client that has lost patience with a WAIT goes on under
// the same tag, and takes the late answer for what it is.
func testGivenUpWait(t *testing.T) {
	n := start(t)
	c := dial(t, n.Addr)
	const rounds = 50
	for range rounds {
		assert.Equal(t, nil, c.Send("tag=0 WAIT path=/later rev=9"))
		assert.Equal(t, `tag=0 rev=0 value=""`, call(t, c, "tag=0 GET path=/later"))
	}
	assert.Equal(t, "rev=9", call(t, dial(t, n.Addr), "SET path=/later rev=0 value=x"))
	for range rounds {
		got, err := c.Recv()
		assert.Equal(t, nil, err)
		assert.Equal(t, `tag=0 flags=4 rev=9 path="/later" value="x"`, got)
	}
	assert.Equal(t, "tag=0 rev=9", call(t, c, "tag=0 REV"))
}

// testWalkAtEarlierRev lists while another deletes and creates: what is seen
// is the tree at that rev, whole.
func testWalkAtEarlierRev(t *testing.T) {
	const files = 200
	n := start(t)
	c, writer := dial(t, n.Addr), dial(t, n.Addr)
	want := map[string]bool{}
	for i := range files {
		path := fmt.Sprintf("/w/f%d", i)
		want[path] = true
		ask(t, writer, "SET path=%s rev=0", path)
	}
	rev := ask(t, c, "REV").Rev
	for offset := range files {
		ask(t, writer, "DEL path=/w/f%d rev=-1", files-1-offset)
		ask(t, writer, "SET path=/w/new%d rev=0", offset)
		a := ask(t, c, "WALK path=/w/* offset=%d rev=%d", offset, rev)
		assert.T(t, want[a.Path], a)
		delete(want, a.Path)
		name := ask(t, c, "GETDIR path=/w offset=%d rev=%d", offset, rev)
		assert.Equal(t, a.Path, "/w/"+name.Path)
	}
	assert.Equal(t, 0, len(want))
	assert.Equal(t, "err=RANGE", call(t, c, "WALK path=/w/* offset=%d rev=%d", files, rev))
	assert.Equal(t, "err=RANGE", call(t, c, "GETDIR path=/w offset=%d rev=%d", files, rev))
}

// testListedByCount asks STAT how long a directory is, and then for all of its
// entries at once, at that rev, while another empties it.
func testListedByCount(t *testing.T) {
	const files = 200
	n := start(t)
	c, writer := dial(t, n.Addr), dial(t, n.Addr)
	for i := range files {
		ask(t, writer, "SET path=/c/f%03d rev=0", i)
	}
	rev := ask(t, c, "REV").Rev
	assert.Equal(t, fmt.Sprintf("rev=-2 len=%d", files), call(t, c, "STAT path=/c rev=%d", rev))
	for i := range files / 2 {
		assert.Equal(t, nil, c.Send(fmt.Sprintf("tag=%d GETDIR path=/c offset=%d rev=%d", i, i, rev)))
	}
	for i := range files {
		ask(t, writer, "DEL path=/c/f%03d rev=-1", i)
	}
	for i := files / 2; i < files; i++ {
		assert.Equal(t, nil, c.Send(fmt.Sprintf("tag=%d GETDIR path=/c offset=%d rev=%d", i, i, rev)))
	}
	seen := map[string]bool{}
	for range files {
		got, err := c.Recv()
		assert.Equal(t, nil, err)
		seen[got] = true
	}
	for i := range files {
		want := fmt.Sprintf(`tag=%d path="f%03d"`, i, i)
		assert.T(t, seen[want], want)
	}
}

// testRoundRobin: a client that holds a connection to each member sends each
// request to the next one, and reads what it wrote at the rev it was told.
func testRoundRobin(t *testing.T) {
	var conns []*raw.Conn
	for _, n := range three(t) {
		conns = append(conns, dial(t, n.Addr))
	}
	rev := int64(0)
	for i := range 60 {
		writer, reader := conns[i%len(conns)], conns[(i+1)%len(conns)]
		set := ask(t, writer, "tag=%d SET path=/r rev=%d value=%d", i, rev, i)
		assert.Equal(t, int64(0), set.Err)
		rev = set.Rev
		got := call(t, reader, "tag=%d GET path=/r rev=%d", i, rev)
		assert.Equal(t, fmt.Sprintf(`tag=%d rev=%d value="%d"`, i, rev, i), got)
	}
}

func testFindingNodes(t *testing.T) {
	n := start(t, "-c", "found")
	c := dial(t, n.Addr)
	addr := "/ctl/node/" + n.ID + "/addr"
	assert.Equal(t, []string{addr}, walk(t, c, "/ctl/node/*/addr"))
	assert.Equal(t, []string{"/ctl/cal/0"}, walk(t, c, "/ctl/cal/*"))
	assert.Equal(t, []string{"/ctl/ns/found/" + n.ID}, walk(t, c, "/ctl/ns/found/*"))
	assert.Equal(t, n.ID, ask(t, c, "GET path=/ctl/cal/0").Value)
	assert.Equal(t, n.Addr, ask(t, c, "GET path=%s", addr).Value)
	assert.Equal(t, n.Addr, ask(t, c, "GET path=/ctl/ns/found/%s", n.ID).Value)
}

// testMasters has candidates become master by SET with guard 0, reign, and
// resign by DEL; the others WAIT on the file. There is never more than one.
func testMasters(t *testing.T) {
	const candidates = 8
	n := start(t)
	var reigning sync.Mutex
	var work sync.WaitGroup
	for i := range candidates {
		work.Go(func() {
			if err := reignOnce(n.Addr, i, &reigning); err != nil {
				t.Errorf("candidate %d: %v", i, err)
			}
		})
	}
	work.Wait()
	sets, deletes := 0, 0
	c := dial(t, n.Addr)
	for rev, last := int64(9), ask(t, c, "REV").Rev; rev <= last; rev++ {
		switch a := ask(t, c, "WAIT path=/** rev=%d", rev); {
		case a.Path == "/master" && a.Flags == 4:
			sets++
		case a.Path == "/master" && a.Flags == 8:
			deletes++
		}
		assert.T(t, sets == deletes || sets == deletes+1)
	}
	assert.Equal(t, candidates, sets)
	assert.Equal(t, candidates, deletes)
}

func reignOnce(addr string, candidate int, reigning *sync.Mutex) error {
	c, err := raw.Dial(addr, Patience)
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		set, err := c.Ask("SET path=/master rev=0 value=%d", candidate)
		if err != nil {
			return err
		}
		if set.Err == 0 {
			return reign(c, set.Rev, reigning)
		}
		master, err := c.Ask("GET path=/master")
		if err != nil {
			return err
		}
		if master.Rev == 0 {
			continue
		}
		if _, err := c.Ask("WAIT path=/master rev=%d", master.Rev+1); err != nil {
			return err
		}
	}
}

// reign is the time between a won election and the resignation.
func reign(c *raw.Conn, rev int64, reigning *sync.Mutex) error {
	if !reigning.TryLock() {
		return fmt.Errorf("two masters at rev %d", rev)
	}
	nop, err := c.Ask("NOP")
	reigning.Unlock()
	if err != nil || nop.Err != 0 {
		return fmt.Errorf("NOP: %+v %v", nop, err)
	}
	if del, err := c.Ask("DEL path=/master rev=%d", rev); err != nil || del.Err != 0 {
		return fmt.Errorf("DEL: %+v %v", del, err)
	}
	return nil
}

// testNothingUnasked ends its side once all is answered: until the server
// ends the other, nothing more may come.
func testNothingUnasked(t *testing.T) {
	c := dial(t, start(t).Addr)
	for range 20 {
		for request := range strings.SplitSeq("REV;SET path=/a rev=-1 value=x;GET path=/a;NOP;WAIT path=/a rev=1;ACCESS", ";") {
			ask(t, c, "%s", request)
		}
	}
	assert.Equal(t, nil, c.Conn.(*net.TCPConn).CloseWrite())
	_, err := c.Recv()
	assert.Equal(t, io.EOF, err)
}
