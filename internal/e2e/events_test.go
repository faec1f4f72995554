package e2e

import (
	"fmt"
	"sync"
	"testing"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/internal/e2e/raw"
)

func testEvents(t *testing.T) {
	converse(t, []row{
		{name: "from history", talk: `
			> WAIT path=/ctl/name rev=1
			< flags=4 rev=1 path="/ctl/name" value="local"
			> WAIT path=/ctl/** rev=2
			< flags=4 rev=2 path="/ctl/node/$ID/addr" value="$ADDR"
			> WAIT path=/ctl/cal/* rev=1
			< flags=4 rev=5 path="/ctl/cal/0" value="$ID"`},
		{name: "when it happens", talk: `
			> tag=1 WAIT path=/a/* rev=9
			> REV
			< rev=8
			2> SET path=/b rev=0 value=no
			2< rev=9
			2> SET path=/a/x rev=0 value=yes
			2< rev=10
			< tag=1 flags=4 rev=10 path="/a/x" value="yes"`},
		{name: "answers once", talk: `
			> tag=1 WAIT path=/a rev=9
			2> SET path=/a rev=-1 value=x
			2< rev=9
			< tag=1 flags=4 rev=9 path="/a" value="x"
			2> SET path=/a rev=-1 value=y
			2< rev=10
			> tag=2 NOP
			< tag=2`},
		{name: "the first on or after rev", talk: `
			> SET path=/a rev=-1 value=one
			< rev=9
			> SET path=/b rev=-1 value=other
			< rev=10
			> SET path=/a rev=-1 value=two
			< rev=11
			> SET path=/a rev=-1 value=three
			< rev=12
			> WAIT path=/a rev=1
			< flags=4 rev=9 path="/a" value="one"
			> WAIT path=/a rev=9
			< flags=4 rev=9 path="/a" value="one"
			> WAIT path=/a rev=10
			< flags=4 rev=11 path="/a" value="two"
			> WAIT path=/a rev=12
			< flags=4 rev=12 path="/a" value="three"`},
		{name: "a rev to come ignores what matches before", talk: `
			> tag=1 WAIT path=/a rev=11
			2> SET path=/a rev=-1 value=one
			2< rev=9
			2> SET path=/a rev=-1 value=two
			2< rev=10
			> tag=2 NOP
			< tag=2
			2> SET path=/a rev=-1 value=three
			2< rev=11
			< tag=1 flags=4 rev=11 path="/a" value="three"`},
		{name: "sets", talk: `
			> SET path=/a rev=0
			< rev=9
			> WAIT path=/a rev=9
			< flags=4 rev=9 path="/a" value=""`},
		{name: "deletes", talk: `
			> SET path=/a rev=0 value=x
			< rev=9
			> DEL path=/a rev=9
			<
			> WAIT path=/a rev=10
			< flags=8 rev=10 path="/a" value=""
			> tag=1 WAIT path=/a/b/c rev=11
			2> DEL path=/a/b/c rev=0
			2<
			< tag=1 flags=8 rev=11 path="/a/b/c" value=""`},
		{name: "a watch of all sees every rev ✱", talk: `
			> SET path=/a rev=0 value=x
			< rev=9
			> SET path=/a rev=0 value=y
			< err=REV_MISMATCH
			> DEL path=/ctl rev=-1
			< err=ISDIR
			> SET path=/a/b rev=0
			< err=NOTDIR
			> NOP
			<
			> DEL path=/z rev=0
			<
			> DEL path=/ctl/err rev=12
			<
			> WAIT path=/** rev=9
			< flags=4 rev=9 path="/a" value="x"
			> WAIT path=/** rev=10
			< flags=4 rev=10 path="/ctl/err" value="rev mismatch"
			> WAIT path=/** rev=11
			< flags=4 rev=11 path="/ctl/err" value="is a directory"
			> WAIT path=/** rev=12
			< flags=4 rev=12 path="/ctl/err" value="not a directory"
			> WAIT path=/** rev=13
			< flags=8 rev=13 path="/z" value=""
			> WAIT path=/** rev=14
			< flags=8 rev=14 path="/ctl/err" value=""`},
		{name: "a failure is no event of its path", talk: `
			> tag=1 WAIT path=/a rev=9
			> tag=2 WAIT path=/ctl/err rev=9
			2> DEL path=/ctl/name rev=0
			2< err=REV_MISMATCH
			< tag=2 flags=4 rev=9 path="/ctl/err" value="rev mismatch"
			2> SET path=/a/b rev=-3
			2< err=REV_MISMATCH
			2> SET path=/a rev=0 value=x
			2< rev=11
			< tag=1 flags=4 rev=11 path="/a" value="x"`},
		{name: "directories have no events", talk: `
			> tag=1 WAIT path=/x rev=9
			> tag=2 WAIT path=/x/y rev=9
			2> SET path=/x/y/z rev=0
			2< rev=9
			2> DEL path=/x/y/z rev=9
			2<
			> tag=3 NOP
			< tag=3
			2> SET path=/x rev=0 value=v
			2< rev=11
			< tag=1 flags=4 rev=11 path="/x" value="v"`},
		{name: "nothing has path / ✱", talk: `
			> tag=1 WAIT path=/ rev=1
			> tag=2 NOP
			< tag=2
			> tag=3 CANCEL other=1
			< tag=1 err=OTHER detail="cancelled"
			< tag=3`},
		{name: "many waits for one event", talk: `
			> tag=1 WAIT path=/a rev=9
			2> tag=2 WAIT path=/* rev=9
			3> tag=3 WAIT path=/** rev=9
			4> SET path=/a rev=0 value=x
			4< rev=9
			< tag=1 flags=4 rev=9 path="/a" value="x"
			2< tag=2 flags=4 rev=9 path="/a" value="x"
			3< tag=3 flags=4 rev=9 path="/a" value="x"`},
	})
}

// testWatchUnderLoad lets writers write as fast as they can while watchers
// follow by WAIT, handle it, WAIT at its rev + 1.
func testWatchUnderLoad(t *testing.T) {
	const writers = 4
	writesEach := less(2000)
	last := int64(8 + writers*writesEach)
	n := start(t, "-hist", "100000")
	var work sync.WaitGroup
	for w := range writers {
		work.Go(func() { writeOn(t, n.Addr, w, writesEach) })
	}
	work.Go(func() { everyRev(t, n.Addr, last) })
	work.Go(func() { everyRev(t, n.Addr, last) })
	for w := range writers {
		work.Go(func() { everyWriteOf(t, n.Addr, w, writesEach) })
	}
	work.Wait()
}

// writeOn counts up a file of its own.
func writeOn(t *testing.T, addr string, writer, writes int) {
	c, err := raw.Dial(addr, Patience)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	for i := range writes {
		if a, err := c.Ask("SET path=/load/w%d rev=-1 value=%d", writer, i); err != nil || a.Err != 0 {
			t.Errorf("writer %d: %+v %v", writer, a, err)
			return
		}
	}
}

// everyRev watches everything: each rev must come, once and in order.
func everyRev(t *testing.T, addr string, last int64) {
	c, err := raw.Dial(addr, Patience)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	for rev := int64(1); rev <= last; rev++ {
		a, err := c.Ask("WAIT path=/** rev=%d", rev)
		if err != nil || a.Rev != rev {
			t.Errorf("waited from rev %d: %+v %v", rev, a, err)
			return
		}
	}
}

// everyWriteOf watches one file: each write must come, once and in order.
func everyWriteOf(t *testing.T, addr string, writer, writes int) {
	c, err := raw.Dial(addr, Patience)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	rev := int64(1)
	for i := range writes {
		a, err := c.Ask("WAIT path=/load/w%d rev=%d", writer, rev)
		if err != nil || a.Value != fmt.Sprint(i) {
			t.Errorf("write %d of writer %d: %+v %v", i, writer, a, err)
			return
		}
		rev = a.Rev + 1
	}
}

// TestMissedNothing takes a backup as clients do, a walk at one rev and then
// a WAIT for all that comes, while others write: both together are the state.
func TestMissedNothing(t *testing.T) {
	const writers, writesEach = 4, 300
	const last = 8 + writers*writesEach
	n := start(t, "-hist", "100000")
	c := dial(t, n.Addr)
	var work sync.WaitGroup
	for w := range writers {
		work.Go(func() { writeOn(t, n.Addr, w, writesEach) })
	}
	assert.Equal(t, int64(0), ask(t, c, "WAIT path=/load/** rev=1").Err)
	rev := ask(t, c, "REV").Rev
	copied := map[string]string{}
	for offset := 0; ; offset++ {
		a := ask(t, c, "WALK path=/load/** offset=%d rev=%d", offset, rev)
		if a.Err == codeRange {
			break
		}
		copied[a.Path] = a.Value
	}
	for rev < last {
		a := ask(t, c, "WAIT path=/** rev=%d", rev+1)
		rev = a.Rev
		copied[a.Path] = a.Value
	}
	work.Wait()
	for w := range writers {
		path := fmt.Sprintf("/load/w%d", w)
		assert.Equal(t, ask(t, c, "GET path=%s", path).Value, copied[path])
	}
}
