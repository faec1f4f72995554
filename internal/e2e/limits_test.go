package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/internal/e2e/raw"
)

// What the limits are unless a flag says otherwise.
const (
	maxValue = 1 << 20
	maxPath  = 4096
	maxFrame = 64 << 20
)

func testLimits(t *testing.T) {
	converse(t, []row{
		{name: "value/at the limit", talk: `
			> SET path=/a rev=0 value=1048576*x
			< rev=9
			> GET path=/a
			< rev=9 value=1048576*x`},
		{name: "value/above ✱", talk: `
			> tag=1 SET path=/a rev=0 value=1048577*x
			< tag=1 err=OTHER detail~"1048576"
			> GET path=/a
			< rev=0 value=""
			> REV
			< rev=8`},
		{name: "value/with the slack of a frame ✱", talk: `
			> tag=1 SET path=/a rev=0 value=1113000*x
			< tag=1 err=OTHER detail~"1048576"
			> REV
			< rev=8`},
		{name: "frame/skipped and answered with its tag ✱", talk: `
			> tag=77 SET path=/a rev=0 value=2000000*x
			< tag=77 err=OTHER detail~"1048576"
			> tag=-3 SET path=/a rev=0 value=31457280*x
			< tag=-3 err=OTHER detail~"1048576"
			> SET path=/a rev=0 value=2000000*x
			< err=OTHER detail~"1048576"
			> tag=1 SET path=/a rev=0 value=fits
			< tag=1 rev=9`},
		{name: "frame/skipped while others are served ✱", talk: `
			2> tag=1 WAIT path=/a rev=9
			> tag=77 SET path=/b rev=0 value=20000000*x
			< tag=77 err=OTHER detail~"1048576"
			> SET path=/a rev=0
			< rev=9
			2< tag=1 flags=4 rev=9 path="/a" value=""`},
	})
	t.Run("path", testPathLimit)
	t.Run("frame/64 MiB ✱", testLargestFrame)
	t.Run("frame/65 MiB ✱", testTooLargeFrame)
	t.Run("waiting on one connection", func(t *testing.T) { testManyWaits(t, 1, 1000) })
	t.Run("waiting on ten connections", func(t *testing.T) { testManyWaits(t, 10, 1000) })
	t.Run("beyond what may wait ✱", testTooManyWaits)
	t.Run("values as fast as they come", testLargeValues)
	t.Run("as the flags say", testLimitFlags)
}

// testLimitFlags holds the flags that set limits to doing so.
func testLimitFlags(t *testing.T) {
	t.Run("-max-value", func(t *testing.T) {
		c := dial(t, start(t, "-max-value", "10").Addr)
		assert.Equal(t, "rev=9", call(t, c, "SET path=/a rev=0 value=10*x"))
		assert.Equal(t, nil, raw.Match(`err=OTHER detail~"the limit is 10 bytes"`, call(t, c, "SET path=/b rev=0 value=11*x")))
	})
	t.Run("-max-waits", func(t *testing.T) {
		c := dial(t, start(t, "-max-waits", "2").Addr)
		assert.Equal(t, nil, c.Send(waits(2)...))
		assert.Equal(t, nil, raw.Match(`err=OTHER detail~"the limit is 2"`, call(t, c, "WAIT path=/w rev=9")))
	})
	t.Run("-max-conns", func(t *testing.T) {
		n := start(t, "-max-conns", "2")
		for range 2 {
			assert.Equal(t, "rev=8", call(t, dial(t, n.Addr), "REV"))
		}
		_, err := dial(t, n.Addr).Callf("REV")
		assert.T(t, err != nil, "a third connection is served")
	})
	t.Run("-max-unread", testUnreadFlag)
	t.Run("-send-timeout", testSendTimeoutFlag)
}

// testUnreadFlag leaves more unread than the flag allows, and the kernels hold
// for it, but less than is allowed without the flag.
func testUnreadFlag(t *testing.T) {
	const values = 30
	n := start(t, "-max-unread", fmt.Sprint(4<<20))
	lazy, busy := dial(t, n.Addr), dial(t, n.Addr)
	for i := range values {
		assert.Equal(t, nil, lazy.Send(fmt.Sprintf("tag=%d WAIT path=/v/%d rev=9", i, i)))
	}
	assert.Equal(t, nil, lazy.Send("tag=99 REV"))
	assert.Equal(t, "tag=99 rev=8", receive(t, lazy))
	for i := range values {
		assert.Equal(t, int64(0), ask(t, busy, "SET path=/v/%d rev=0 value=1000000*v", i).Err)
	}
	for got := 0; ; got++ {
		assert.T(t, got < values, "all that was left unread was kept")
		if _, err := lazy.RecvAnswer(); err != nil {
			break
		}
	}
}

// defaultSendTimeout is how long a client may take nothing if no flag says otherwise.
const defaultSendTimeout = 10 * time.Second

// testSendTimeoutFlag takes nothing, and sends until it cannot.
func testSendTimeoutFlag(t *testing.T) {
	n := start(t, "-send-timeout", "0.1")
	c := dial(t, n.Addr)
	assert.Equal(t, "rev=9", call(t, c, "SET path=/a rev=0 value=1000000*v"))
	begun := time.Now()
	assert.Equal(t, nil, c.SetWriteDeadline(begun.Add(Patience)))
	for c.Send("GET path=/a") == nil {
		begun = time.Now() // what was sent before took as long as the machine is slow
	}
	assert.T(t, time.Since(begun) < defaultSendTimeout, "as long as without the flag")
}

func receive(t *testing.T, c *raw.Conn) string {
	t.Helper()
	got, err := c.Recv()
	assert.Equal(t, nil, err)
	return got
}

func testPathLimit(t *testing.T) {
	c := dial(t, start(t).Addr)
	longest := "/" + strings.Repeat("p", maxPath-1)
	assert.Equal(t, "rev=9", call(t, c, "SET path=%s rev=0", longest))
	assert.Equal(t, "err=BAD_PATH", call(t, c, "SET path=%s rev=0", longest+"p"))
	assert.Equal(t, "err=RANGE", call(t, c, "WALK path=%s offset=1", longest))
	tooLong := longest + "*"
	assert.Equal(t, raw.Answer{Err: 127, Detail: "invalid glob pattern: " + tooLong}, ask(t, c, "WALK path=%s offset=0", tooLong))
	assert.Equal(t, "err=BAD_PATH", call(t, c, "GET path=%d*/", maxValue))
}

// testLargestFrame sends the largest frame that is not illegal.
func testLargestFrame(t *testing.T) {
	c := dial(t, start(t).Addr)
	head := raw.Request("tag=5 SET path=/a rev=0")
	// The value's own head is a byte for its number and four for its length.
	value := maxFrame - len(head) - 5
	frame := raw.Frame(append(head, raw.Request(fmt.Sprintf("value=%d*x", value))...))
	assert.Equal(t, maxFrame, len(frame)-4)
	_, err := c.Write(frame)
	assert.Equal(t, nil, err)
	got, err := c.Recv()
	assert.Equal(t, nil, err)
	assert.Equal(t, nil, raw.Match(`tag=5 err=OTHER detail~"1048576"`, got))
	assert.Equal(t, "rev=8", call(t, c, "REV"))
}

// testTooLargeFrame sends more than that: the connection is closed at the
// size, whatever follows.
func testTooLargeFrame(t *testing.T) {
	n := start(t)
	c := dial(t, n.Addr)
	size := binary.BigEndian.AppendUint32(nil, 65<<20)
	c.Write(size)
	_, err := c.Recv()
	assert.Equal(t, nil, hearEnd(err))
	c.Write(bytes.Repeat([]byte{0}, 1<<20))
	assert.Equal(t, "rev=8", call(t, dial(t, n.Addr), "REV"))
}

// testManyWaits has so many waits outstanding at once, and all are answered.
func testManyWaits(t *testing.T, connections, each int) {
	n := start(t)
	var conns []*raw.Conn
	for range connections {
		c := dial(t, n.Addr)
		conns = append(conns, c)
		assert.Equal(t, nil, c.Send(waits(each)...))
		assert.Equal(t, "rev=8", call(t, c, "REV"))
	}
	assert.Equal(t, "rev=9", call(t, dial(t, n.Addr), "SET path=/w rev=0 value=x"))
	for _, c := range conns {
		seen := make([]bool, each)
		for range each {
			a, err := c.RecvAnswer()
			assert.Equal(t, nil, err)
			assert.Equal(t, raw.Answer{Tag: a.Tag, Flags: 4, Rev: 9, Path: "/w", Value: "x"}, a)
			assert.T(t, !seen[a.Tag], a.Tag)
			seen[a.Tag] = true
		}
	}
}

// waits are so many requests for the first change of /w, numbered from 0.
func waits(count int) []string {
	requests := make([]string, count)
	for i := range requests {
		requests[i] = fmt.Sprintf("tag=%d WAIT path=/w rev=9", i)
	}
	return requests
}

// testTooManyWaits goes on until waits are refused, and sees that the refusal
// names the limit and that the connection serves on.
func testTooManyWaits(t *testing.T) {
	const enough = 1 << 20
	c := dial(t, start(t).Addr)
	for sent := 0; ; sent += 1000 {
		assert.T(t, sent < enough, "waits are never refused")
		assert.Equal(t, nil, c.Send(append(waits(1000), "tag=1000 REV")...))
		a, err := c.RecvAnswer()
		assert.Equal(t, nil, err)
		if a.Tag == 1000 {
			continue
		}
		refused := 1
		assert.Equal(t, int64(127), a.Err)
		assert.T(t, strings.ContainsAny(a.Detail, "0123456789"), a.Detail)
		for a.Tag != 1000 {
			a, err = c.RecvAnswer()
			assert.Equal(t, nil, err)
			refused++
		}
		assert.T(t, sent+1000-(refused-1) >= 1000, "fewer than 1,000 may wait")
		break
	}
	assert.Equal(t, int64(9), ask(t, c, "tag=2000 SET path=/x rev=0").Rev)
}

// testLargeValues sets and reads values near the limit, many at a time.
func testLargeValues(t *testing.T) {
	const values = 32
	c := dial(t, start(t).Addr)
	var sets, gets []string
	for i := range values {
		sets = append(sets, fmt.Sprintf("tag=%d SET path=/v/%d rev=0 value=%d*v", i, i, maxValue-i))
		gets = append(gets, fmt.Sprintf("tag=%d GET path=/v/%d", i, i))
	}
	sent := make(chan error, 1)
	for _, requests := range [][]string{sets, gets} {
		go func() { sent <- c.Send(requests...) }()
		for range values {
			a, err := c.RecvAnswer()
			assert.Equal(t, nil, err)
			assert.Equal(t, int64(0), a.Err)
			if a.Value != "" {
				assert.Equal(t, maxValue-int(a.Tag), len(a.Value))
			}
		}
		assert.Equal(t, nil, <-sent)
	}
}
