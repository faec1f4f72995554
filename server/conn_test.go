package server

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

func bin(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFraming(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     string // "": the connection is closed without an answer
	}{
		{"size 0", "00000000", "00000003 a00602"},
		{"rev", "00000002 1005", "00000002 1800"},
		{"two requests", "00000002 1005 00000004 08011005", "00000002 1800 00000004 08011800"},
		{"unknown fields", "0000000e 1801 1a0101 1b1c 1d01020304 1005", "00000002 1800"},
		{"tag of a wrong type", "00000005 0a0105 1005", "00000002 1800"},
		{"the last tag", "00000006 0801 0802 1005", "00000004 0802 1800"},
		{"a negative tag", "0000000d 08ffffffffffffffffff01 1005", "0000000d 08ffffffffffffffffff01 1800"},
		{"a negative tag in five bytes", "00000008 08ffffffff0f 1005", "0000000d 08ffffffffffffffffff01 1800"},
		{"bad glob that is not UTF-8", "00000008 1006 2202 2fff 4801",
			"0000001e a0067f aa0618" + hex.EncodeToString([]byte("invalid glob pattern: /\xff"))},

		{"2 GiB", "80000000", ""},
		{"4 GiB", "ffffffff", ""},
		{"above 64 MiB", "04000001", ""},
		{"bad varint", "00000001 80", ""},
		{"field number 0", "00000002 0001", ""},
		{"wire type 4", "00000001 0c", ""},
		{"wire type 6", "00000001 0e", ""},
		{"wire type 7", "00000001 0f", ""},
		{"length beyond the frame", "00000003 220561", ""},
	} {
		client := newRig(t).dial()
		client.sendBytes(bin(t, tt.in))
		if tt.want == "" {
			client.expectEnd()
			continue
		}
		want := bin(t, tt.want)
		got := make([]byte, len(want))
		_, err := io.ReadFull(client.nc, got)
		assert.Equal(t, nil, err, tt.name)
		assert.Equal(t, hex.EncodeToString(want), hex.EncodeToString(got), tt.name)
	}
}

func TestMalformedRequestEndsOnlyItsConnection(t *testing.T) {
	rig := newRig(t)
	bad, good := rig.dial(), rig.dial()
	bad.send(req(REV))
	bad.expect(&wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
	bad.sendBytes([]byte{0, 0, 0, 1, 0xff})
	bad.expectEnd()
	good.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
}

// What came before a malformed request is answered.
func TestAnswersBeforeMalformedRequest(t *testing.T) {
	client := newRig(t).dial()
	client.sendBytes(append(framesOf(t, req(REV)), 0, 0, 0, 1, 0xff))
	client.expect(&wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
	client.expectEnd()
}

func TestRequestInPieces(t *testing.T) {
	client := newRig(t).pipe() // every write arrives by itself
	for _, b := range framesOf(t, req(REV)) {
		client.sendBytes([]byte{b})
	}
	client.expect(&wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
}

func TestTruncatedRequestEndsWithTheConnection(t *testing.T) {
	client := newRig(t).dial()
	client.sendBytes([]byte{0, 0, 0, 9, 8})
	client.hangUp()
}

// A request that is too large is skipped, and answered with the tag that it has
// wherever that stands.
func TestTooLargeRequests(t *testing.T) {
	client := newRig(t, func(c *Config) { c.MaxValue = 1000 }).dial()
	limit := 1000 + wire.FrameSlack
	text := "request too large: the limit is 1000 bytes for a value and 65536 for all else"
	for _, size := range []int{limit + 1, limit + 4096, wire.MaxFrame} {
		value := size - 2 - 1 - len(binary.AppendUvarint(nil, uint64(size)))
		body := append([]byte{0x2a}, binary.AppendUvarint(nil, uint64(value))...)
		body = append(append(body, make([]byte, value)...), 8, 1)
		client.sendBytes(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
		client.expect(failsOther(text), size)

		body[len(body)-2] = 0x10 // the tag is a verb now
		client.sendBytes(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
		client.expect(&wire.Response{ErrCode: wire.Response_OTHER.Enum(), ErrDetail: &text}, size)
	}
	client.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})

	body := make([]byte, limit+1) // field number 0
	client.sendBytes(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	client.expectEnd()
}

// Requests sent without waiting for answers are all answered.
func TestPipelining(t *testing.T) {
	const n = 20000
	rig := newRig(t)
	plant(rig.node)
	client := rig.dial()
	var requests []*wire.Request
	for i := range n {
		switch i % 3 {
		case 0:
			requests = append(requests, req(GET, withTag(int32(i)), withPath("/f")))
		case 1:
			requests = append(requests, req(SET, withTag(int32(i)), withPath("/s"), withRev(-1)))
		default:
			requests = append(requests, req(WAIT, withTag(int32(i)), withPath("/s"), withRev(1<<40+int64(i))))
			requests = append(requests, req(CANCEL, withTag(-int32(i)), withOther(int32(i))))
		}
	}
	frames := framesOf(t, requests...)
	go client.nc.Write(frames)
	open := make(map[int32]bool)
	for _, r := range requests {
		open[r.GetTag()] = true
	}
	for len(open) > 0 {
		tag := client.receive().GetTag()
		if !open[tag] {
			t.Fatal("answered twice or never asked for:", tag)
		}
		delete(open, tag)
	}
}

// A write that was answered is seen by whatever is asked after.
func TestReadYourWrites(t *testing.T) {
	client := newRig(t).dial()
	for i := range int64(100) {
		client.roundTrip(req(SET, withPath("/a"), withRev(i), withValue(fmt.Sprint(i))), &wire.Response{Tag: ptr[int32](1), Rev: ptr(i + 1)})
		client.roundTrip(req(GET, withPath("/a")), &wire.Response{Tag: ptr[int32](1), Rev: ptr(i + 1), Value: []byte(fmt.Sprint(i))})
	}
}

// Listing by counting the offset up, in several listings that take turns.
func TestWalkByOffset(t *testing.T) {
	rig := newRig(t)
	for i := range 90 {
		rig.node.set(fmt.Sprintf("/d/%02d/x", i), "")
		rig.node.set(fmt.Sprintf("/d/%02d/y", i), "")
	}
	client := rig.dial()
	for i := range int32(90) {
		for _, file := range []string{"x", "y"} {
			got := client.call(req(WALK, withPath("/d/*/"+file), withOffset(i), withRev(180)))
			assert.Equal(t, fmt.Sprintf("/d/%02d/%s", i, file), got.GetPath())
		}
	}
	client.roundTrip(req(WALK, withPath("/d/*/x"), withOffset(90), withRev(180)), fails(wire.Response_RANGE))
	assert.Equal(t, "/d/07/x", client.call(req(WALK, withPath("/d/*/x"), withOffset(7), withRev(180))).GetPath())
}

// A read at a rev to come holds up nothing, and shows exactly that version.
func TestReadsAtRevsToCome(t *testing.T) {
	rig := newRig(t)
	client := rig.dial()
	client.send(
		req(GET, withTag(1), withPath("/a"), withRev(2)),
		req(STAT, withTag(2), withPath("/d"), withRev(3)),
		req(GETDIR, withTag(3), withPath("/"), withOffset(0), withRev(4)),
		req(WALK, withTag(4), withPath("/**"), withOffset(0), withRev(5)),
		req(GET, withTag(5), withPath("/d"), withRev(6)),
		req(WALK, withTag(6), withPath("/*"), withOffset(9), withRev(7)),
		req(REV, withTag(7)),
	)
	client.expect(&wire.Response{Tag: ptr[int32](7), Rev: ptr[int64](0)})
	rig.node.set("/a", "1")
	rig.node.set("/a", "2")
	rig.node.set("/d/x", "3")
	rig.node.set("/a", "4")
	rig.node.del("/a")
	rig.node.set("/a", "6")
	rig.node.set("/a", "7")
	for _, want := range []*wire.Response{
		{Tag: ptr[int32](1), Rev: ptr[int64](2), Value: []byte("2")},
		{Tag: ptr[int32](2), Rev: ptr[int64](-2), Len: ptr[int32](1)},
		{Tag: ptr[int32](3), Path: ptr("a")},
		{Tag: ptr[int32](4), Flags: ptr[int32](4), Rev: ptr[int64](3), Path: ptr("/d/x"), Value: []byte("3")},
		{Tag: ptr[int32](5), ErrCode: wire.Response_ISDIR.Enum()},
		{Tag: ptr[int32](6), ErrCode: wire.Response_RANGE.Enum()},
	} {
		client.expect(want)
	}
}

func TestWaits(t *testing.T) {
	rig := newRig(t)
	client := rig.dial()
	client.send(
		req(WAIT, withTag(1), withPath("/a"), withRev(1)),
		req(WAIT, withTag(2), withPath("/b"), withRev(1)),
		req(WAIT, withTag(3), withPath("/*"), withRev(2)),
		req(SET, withTag(4), withPath("/a"), withRev(0), withValue("v")),
	)
	got := map[int32]string{}
	for range 2 {
		m := client.receive()
		got[m.GetTag()] = m.String()
	}
	fired := &wire.Response{Tag: ptr[int32](1), Flags: ptr[int32](4), Rev: ptr[int64](1), Path: ptr("/a"), Value: []byte("v")}
	assert.Equal(t, map[int32]string{1: fired.String(), 4: (&wire.Response{Tag: ptr[int32](4), Rev: ptr[int64](1)}).String()}, got)
	rig.node.del("/c")
	client.expect(&wire.Response{Tag: ptr[int32](3), Flags: ptr[int32](8), Rev: ptr[int64](2), Path: ptr("/c"), Value: []byte{}})
	assert.Equal(t, 1, rig.node.store.Waits())
}

// A node that fell far behind goes on from another's version. What waited for
// something that was passed over is told so; all else goes on.
func TestWaitsAcrossAJump(t *testing.T) {
	rig := newRig(t)
	client := rig.dial()
	client.send(
		req(WAIT, withTag(1), withPath("/a"), withRev(1)),
		req(GET, withTag(2), withPath("/a"), withRev(8)),
		req(GET, withTag(3), withPath("/a"), withRev(9)),
		req(GET, withTag(4), withPath("/a"), withRev(10)),
		req(WAIT, withTag(5), withPath("/a"), withRev(10)),
		req(REV, withTag(6)),
	)
	client.expect(&wire.Response{Tag: ptr[int32](6), Rev: ptr[int64](0)})
	assert.Equal(t, nil, rig.node.install(9, "/a", "9"))
	got := map[int32]string{}
	for range 3 {
		m := client.receive()
		got[m.GetTag()] = m.String()
	}
	assert.Equal(t, map[int32]string{
		1: (&wire.Response{Tag: ptr[int32](1), ErrCode: wire.Response_TOO_LATE.Enum()}).String(),
		2: (&wire.Response{Tag: ptr[int32](2), ErrCode: wire.Response_TOO_LATE.Enum()}).String(),
		3: (&wire.Response{Tag: ptr[int32](3), Rev: ptr[int64](9), Value: []byte("9")}).String(),
	}, got)
	rig.node.set("/a", "10")
	for range 2 {
		m := client.receive()
		got[m.GetTag()] = string(m.GetValue())
	}
	assert.Equal(t, []string{"10", "10"}, []string{got[4], got[5]})
}

// After that, history begins with that version, which has no event.
func TestReadsAfterAJump(t *testing.T) {
	rig := newRig(t)
	client := rig.dial()
	assert.Equal(t, nil, rig.node.install(9, "/a", "9"))
	client.roundTrip(req(GET, withPath("/a"), withRev(8)), fails(wire.Response_TOO_LATE))
	client.roundTrip(req(GET, withPath("/a"), withRev(0)), fails(wire.Response_TOO_LATE))
	client.roundTrip(req(WAIT, withPath("/a"), withRev(8)), fails(wire.Response_TOO_LATE))
	client.roundTrip(req(WAIT, withPath("/a"), withRev(9)), fails(wire.Response_TOO_LATE))
	client.roundTrip(req(GET, withPath("/a"), withRev(9)),
		&wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](9), Value: []byte("9")})
}

func TestTooManyWaits(t *testing.T) {
	rig := newRig(t, func(c *Config) { c.MaxWaits = 3 })
	client := rig.dial()
	wait := req(WAIT, withPath("/a"), withRev(1))
	client.send(wait, wait, req(GET, withPath("/a"), withRev(9)))
	for _, r := range []*wire.Request{wait, req(GET, withPath("/a"), withRev(9))} {
		client.roundTrip(r, failsOther("too many waiting requests: the limit is 3 on one connection"))
	}
	rig.node.set("/a", "")
	client.receive()
	client.receive()
	client.send(wait, wait)
	client.receive() // from history
	client.receive()
	assert.Equal(t, 1, rig.node.store.Waits())
}

func TestTooLongWaits(t *testing.T) {
	rig := newRig(t)
	client := rig.dial()
	wait := req(WAIT, withPath("/"+strings.Repeat("a", store.MaxPath-1)), withRev(1))
	for range maxWaitingPaths / store.MaxPath {
		client.send(wait)
	}
	client.roundTrip(req(WAIT, withPath("/a"), withRev(1)),
		failsOther("too many waiting requests: the limit is 4194304 bytes of paths on one connection"))
	client.roundTrip(req(CANCEL, withTag(2), withOther(9)), &wire.Response{Tag: ptr[int32](2)})
	client.hangUp()
	assert.Equal(t, 0, rig.node.store.Waits())
}

func TestManyWaits(t *testing.T) {
	rig := newRig(t)
	client := rig.dial()
	var waits []*wire.Request
	for i := range 10000 {
		waits = append(waits, req(WAIT, withTag(0), withPath(fmt.Sprintf("/w/%d", i)), withRev(1)))
	}
	client.send(waits...)
	client.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
	assert.Equal(t, 10000, rig.node.store.Waits())
	client.hangUp()
	assert.Equal(t, 0, rig.node.store.Waits())
}

func TestCancel(t *testing.T) {
	rig := newRig(t)
	client := rig.dial()
	rig.node.hold = true
	cancelled := &wire.Response{Tag: ptr[int32](7), ErrCode: wire.Response_OTHER.Enum(), ErrDetail: ptr("cancelled")}
	client.send(
		req(WAIT, withTag(7), withPath("/a"), withRev(1)),
		req(GET, withTag(7), withPath("/a"), withRev(9)),
		req(WAIT, withTag(7), withPath("/a"), withRev(1)),
		req(WAIT, withTag(0), withPath("/b"), withRev(1)),
		req(WAIT, noTag, withPath("/b"), withRev(1)),
		req(SET, withTag(7), withPath("/b"), withRev(0)),
		req(CANCEL, withTag(1), withOther(7)),
	)
	for range 3 {
		client.expect(cancelled)
	}
	client.expect(&wire.Response{Tag: ptr[int32](1)})
	assert.Equal(t, 2, rig.node.store.Waits())

	client.roundTrip(req(CANCEL, withTag(2), withOther(7)), &wire.Response{Tag: ptr[int32](2)}, "nothing waits any more")
	client.roundTrip(req(CANCEL, withTag(3), withOther(1)), &wire.Response{Tag: ptr[int32](3)}, "nothing ever waited")
	client.send(req(CANCEL, noTag, withOther(0)))
	client.expect(&wire.Response{Tag: ptr[int32](0), ErrCode: wire.Response_OTHER.Enum(), ErrDetail: ptr("cancelled")})
	client.expect(&wire.Response{})
	assert.Equal(t, 1, rig.node.store.Waits(), "absent is not 0")

	rig.node.release()
	got := []string{client.receive().String(), client.receive().String()}
	want := []string{
		(&wire.Response{Flags: ptr[int32](4), Rev: ptr[int64](1), Path: ptr("/b"), Value: []byte{}}).String(),
		(&wire.Response{Tag: ptr[int32](7), Rev: ptr[int64](1)}).String(),
	}
	assert.Equal(t, want, got)
}

// CANCEL is for requests of its own connection.
func TestCancelOfAnotherConnection(t *testing.T) {
	rig := newRig(t)
	a, b := rig.dial(), rig.dial()
	a.send(req(WAIT, withTag(7), withPath("/a"), withRev(1)))
	a.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
	b.roundTrip(req(CANCEL, withOther(7)), &wire.Response{Tag: ptr[int32](1)})
	rig.node.set("/a", "")
	assert.Equal(t, int32(7), a.receive().GetTag())
}

// The bubble ends only if everything that a connection started has ended.
func TestEndOfConnectionEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t)
		rig.node.hold = true
		client := rig.pipe()
		client.send(
			req(WAIT, withTag(0), withPath("/a"), withRev(1)),
			req(WAIT, withTag(0), withPath("/**"), withRev(7)),
			req(GET, noTag, withPath("/a"), withRev(3)),
			req(SET, withPath("/a"), withRev(0)),
		)
		synctest.Wait()
		assert.Equal(t, 3, rig.node.store.Waits())
		client.hangUp()
		assert.Equal(t, 0, rig.node.store.Waits())
		assert.Equal(t, 0, rig.srv.Stats().Conns)
		rig.node.release()
		assert.Equal(t, int64(1), rig.node.store.Snapshot().Rev(), "what was proposed is decided")
	})
}

func TestTooManyWritesPauseReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t, func(c *Config) { c.MaxWrites = 4 })
		rig.node.hold = true
		client := rig.pipe()
		nop, set := req(NOP), req(SET, withPath("/a"), withRev(-1))
		client.send(nop, set, nop, set, nop, set, nop, set, nop, set)
		synctest.Wait()
		assert.Equal(t, 4, rig.node.underWay())
		rig.node.release()
		for range 10 {
			assert.T(t, client.receive().ErrCode == nil)
		}
	})
}

// The reader does not pause with answers in its hands.
func TestAnswersAreGivenBeforeReadingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t, func(c *Config) { c.MaxWrites = 1 })
		rig.node.hold = true
		client := rig.pipe()
		client.send(req(REV), req(NOP), req(NOP))
		client.expect(&wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
		rig.node.release()
		client.receive()
		client.receive()
	})
}

// stuckNode are nodes that keep the reader from reading.
var stuckNode = map[string]func(*fakeNode){
	"undecided": func(n *fakeNode) { n.hold = true },
	"full":      func(n *fakeNode) { n.full = true },
}

func TestHangUpWhileReadingPauses(t *testing.T) {
	for name, stick := range stuckNode {
		t.Run(name, func(t *testing.T) {
			rig := newRig(t, func(c *Config) { c.MaxWrites = 2 })
			stick(rig.node)
			client := rig.dial()
			client.send(req(WAIT, withPath("/a"), withRev(1)))
			for range 1000 {
				client.send(req(NOP))
			}
			client.hangUp()
			assert.Equal(t, 0, rig.node.store.Waits())
		})
	}
}

func TestCloseWhileReadingPauses(t *testing.T) {
	for name, stick := range stuckNode {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rig := newRig(t, func(c *Config) { c.MaxWrites = 2 })
				stick(rig.node)
				client := rig.pipe()
				client.send(req(NOP), req(NOP), req(NOP))
				synctest.Wait()
				assert.Equal(t, nil, rig.srv.Close())
				client.expectEnd()
			})
		})
	}
}

// While the node keeps the reader, the client is watched; then it is served on.
func TestReadingGoesOnAfterALongPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t, func(c *Config) { c.MaxWrites = 1 })
		client := rig.pipe()
		for range 2 {
			rig.node.hold = true
			client.send(req(NOP), req(NOP))
			<-time.After(time.Minute)
			rig.node.release()
			client.receive()
			client.receive()
			<-time.After(time.Minute)
		}
		client.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
	})
}

// Whoever hangs up behind its writes has them decided all the same.
func TestFireAndForget(t *testing.T) {
	rig := newRig(t, func(c *Config) { c.MaxWrites = 1 })
	client := rig.dial()
	for range 2000 {
		client.send(req(SET, withPath("/a"), withRev(-1)))
	}
	client.nc.(*net.TCPConn).CloseWrite()
	<-client.ended
	assert.Equal(t, int64(2000), rig.node.store.Snapshot().Rev())
}

func TestClientThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t)
		client := rig.pipe()
		start := time.Now()
		client.send(req(REV))
		<-client.ended
		assert.Equal(t, DefaultWriteTimeout, time.Since(start))
		assert.Equal(t, uint64(1), rig.srv.Stats().Cut)
		client.expectEnd()
	})
}

// Whoever takes a little now and then is slow, but not stuck.
func TestClientThatReadsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t)
		rig.node.set("/a", strings.Repeat("v", 10000))
		client := rig.pipe()
		client.send(req(GET, withPath("/a")))
		got := make([]byte, 10011)
		for i := range got {
			if i%500 == 0 {
				<-time.After(DefaultWriteTimeout - time.Second)
			}
			_, err := client.nc.Read(got[i : i+1])
			assert.Equal(t, nil, err)
		}
		assert.T(t, bytes.HasSuffix(got, []byte("vvv")))
		client.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](1)})
	})
}

// A client that does not read is not read from any more either.
func TestUnreadAnswersPauseReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3 * pauseUnread / answerOverhead
		rig := newRig(t)
		client := rig.pipe()
		client.send(req(WAIT, withPath("/a"), withRev(1)))
		synctest.Wait()
		rig.node.set("/a", "") // the writer is stuck with this answer
		sent := 0
		go func() {
			for ; sent < n; sent++ {
				client.send(req(REV))
			}
		}()
		synctest.Wait()
		assert.T(t, sent < n/2, sent)
		for range n + 1 {
			client.receive()
		}
	})
}

func TestTooMuchUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t, func(c *Config) { c.MaxValue, c.MaxUnread = 100000, pauseUnread+200000 })
		client := rig.pipe()
		for i := range 12 {
			client.send(req(WAIT, withPath(fmt.Sprintf("/%d", i)), withRev(1)))
		}
		synctest.Wait()
		start := time.Now()
		for i := range 12 {
			rig.node.set(fmt.Sprintf("/%d", i), strings.Repeat("v", 110000))
		}
		<-client.ended
		assert.Equal(t, time.Duration(0), time.Since(start), "at once")
		assert.Equal(t, uint64(1), rig.srv.Stats().Cut)
		client.expectEnd()
	})
}

// Long texts of errors count like values.
func TestTooMuchUnreadText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t, func(c *Config) { c.MaxUnread = 10 * pauseUnread })
		client := rig.pipe()
		client.send(req(WAIT, withPath("/a"), withRev(1)))
		synctest.Wait()
		rig.node.set("/a", "") // the writer is stuck with this answer
		glob := strings.Repeat("*", pauseUnread/2)
		sent := 0
		go func() {
			for ; sent < 9; sent++ {
				client.send(req(WAIT, withPath(glob), withRev(1)))
			}
		}()
		synctest.Wait()
		assert.Equal(t, 2, sent)
		for range 10 {
			client.receive()
		}
	})
}

// A request that waits keeps nothing of a value that it has no use for.
func TestWaitingRequestsKeepNoValue(t *testing.T) {
	const n, size = 64, 1 << 20
	rig := newRig(t)
	client := rig.dial()
	before := heap()
	for range n {
		client.send(req(GET, withPath("/a"), withRev(1), withValue(strings.Repeat("v", size))))
	}
	client.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
	assert.Equal(t, n, rig.node.store.Waits())
	kept := int64(heap()) - int64(before)
	assert.T(t, kept < n*size/2, kept)
}

// A connection keeps nothing of the requests that were answered.
func TestAnsweredRequestsKeepNoValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 32 << 20
		client := newRig(t, func(c *Config) { c.MaxValue = size }).pipe()
		before := heap()
		client.roundTrip(req(GET, withPath("/a"), withValue(strings.Repeat("v", size)), noTag), &wire.Response{Rev: ptr[int64](0), Value: []byte{}})
		synctest.Wait() // until the next request is waited for
		kept := int64(heap()) - int64(before)
		assert.T(t, kept < size/2, kept)
	})
}

// A read that waited for its version does not keep it for a client that does
// not take the answer.
func TestUnreadAnswersKeepNoVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, size = 64, 1 << 20
		rig := newRig(t)
		client := rig.pipe()
		client.send(req(WAIT, withPath("/a"), withRev(1)))
		for rev := range int64(n) {
			client.send(req(GET, withPath("/a"), withRev(rev+2)))
			client.send(req(WALK, withPath("/?"), withOffset(0), withRev(rev+2)))
		}
		synctest.Wait()
		before := heap()
		rig.node.set("/a", "") // the writer is stuck with this answer
		for range n {
			rig.node.set("/b", strings.Repeat("v", size))
		}
		for range 100 { // all of history
			rig.node.set("/b", "")
		}
		synctest.Wait()
		kept := int64(heap()) - int64(before)
		assert.T(t, kept < n*size/2, kept)
		for range 1 + 2*n {
			assert.Equal(t, int64(1), client.receive().GetRev())
		}
	})
}

// Any number of answers with one value keep that value once.
func TestAnswersShareValues(t *testing.T) {
	const n = 300
	rig := newRig(t, func(c *Config) { c.MaxUnread = 3 << 20 })
	client := rig.dial()
	for i := range int32(n) {
		client.send(req(WAIT, withTag(i), withPath("/a"), withRev(1)))
	}
	client.roundTrip(req(REV), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
	value := strings.Repeat("v", 1<<20)
	rig.node.set("/a", value)
	for range n {
		assert.T(t, string(client.receive().Value) == value)
	}
}

// A recorder keeps the writes to a connection apart.
type recorder struct {
	net.Conn
	writes chan []byte
}

func (r *recorder) Write(b []byte) (int, error) {
	r.writes <- bytes.Clone(b)
	return len(b), nil
}

// Whatever is answered, each write is whole frames.
func TestFramesAreWrittenWhole(t *testing.T) {
	rig := newRig(t)
	rig.node.set("/large", strings.Repeat("v", 1<<20))
	rig.node.set("/small", "v")
	theirs, ours := net.Pipe()
	rec := &recorder{ours, make(chan []byte, 100)}
	client := rig.connect(theirs, rec)
	client.send(
		req(GET, withPath("/large")), req(GET, withPath("/small")),
		req(WAIT, withPath("/**"), withRev(1)), req(GET, withPath("/large")),
		req(SET, withPath("/small"), withRev(-1)), req(REV),
	)
	for answers := 0; answers < 6; {
		b := <-rec.writes
		for len(b) > 0 {
			size := int(binary.BigEndian.Uint32(b))
			assert.T(t, size <= len(b)-4, "a write that ends within a frame")
			b = b[4+size:]
			answers++
		}
	}
}

// A slowMajority is an error of a node that found no majority in time.
type slowMajority string

func (e slowMajority) Error() string { return string(e) }
func (slowMajority) Timeout() bool   { return true }

func TestNodeErrors(t *testing.T) {
	readOnly := fmt.Errorf("demoted: %w", ErrReadOnly)
	for _, r := range []*wire.Request{
		req(SET, withPath("/a"), withRev(0)), req(DEL, withPath("/a"), withRev(0)), req(NOP),
	} {
		rig := newRig(t)
		client := rig.dial()
		rig.node.failure = readOnly
		client.roundTrip(r, fails(wire.Response_READONLY), "decided so")
		rig.node.failure = fmt.Errorf("%w", slowMajority("no majority"))
		client.roundTrip(r, failsOther("no majority"), "took too long")
		rig.node.failure = errors.New("outcome unknown")
		client.send(req(REV), r)
		client.expect(&wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0)})
		client.expectEnd()

		rig.node.refuse = readOnly
		rig.dial().roundTrip(r, fails(wire.Response_READONLY), "not taken")
		rig.node.refuse = errors.New("closed")
		client = rig.dial()
		client.send(r)
		client.expectEnd()
	}
}

// Errors of the store that have no code of their own say what they are.
func TestRefusals(t *testing.T) {
	assert.Equal(t, refusal{code: wire.Response_NOENT}, refuse(fmt.Errorf("wrapped: %w", store.ErrNoEnt)))
	assert.Equal(t, other("bad mutation"), refuse(store.ErrBadMutation))
}

// CANCEL may come while what it is for is being answered: each of that is
// answered once, and before it.
func TestCancelOfWhatIsBeingAnswered(t *testing.T) {
	const rounds, n = 20, 1000
	rig := newRig(t)
	client := rig.dial()
	for range rounds {
		next := withRev(rig.node.store.Snapshot().Rev() + 1)
		for range n {
			client.send(req(WAIT, withTag(7), withPath("/a"), next), req(WALK, withTag(7), withPath("/?"), withOffset(0), next))
		}
		client.call(req(REV))
		var set sync.WaitGroup
		set.Go(func() { rig.node.set("/a", "") })
		client.send(req(CANCEL, withOther(7)))
		for range 2 * n {
			assert.Equal(t, int32(7), client.receive().GetTag())
		}
		client.expect(&wire.Response{Tag: ptr[int32](1)})
		set.Wait()
		client.roundTrip(req(NOP, withTag(2)), &wire.Response{Tag: ptr[int32](2)}, "nothing in between")
	}
}
