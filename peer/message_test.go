package peer

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/internal/wire"
)

var rewrite = flag.Bool("rewrite", false, "rewrite testdata/frames.txt")

var testLink = Link{Cluster: "MZXW6YTBOI2TGNBV", From: "AAAABBBBCCCCDDDD", To: "EEEEFFFFGGGGHHHH"}

const testOther = "IIIIJJJJKKKKLLLL"

// oneOfEach is a message of each kind, as engines send them.
func oneOfEach() []consensus.Message {
	a, b, c := testLink.From, testLink.To, testOther
	writes := consensus.Batch{Proposer: a, Seq: 9, Mutations: [][]byte{[]byte("set /a"), []byte("set /b")}}
	barrier := consensus.Batch{Proposer: c, Seq: 3}
	span := consensus.Range{Lo: 1000, Hi: 1256}
	messages := []consensus.Message{
		{Kind: consensus.Suggest, Owner: a, Range: single(1003), Batch: writes, Skip: consensus.Range{Lo: 991, Hi: 1003}},
		{Kind: consensus.Skip, Skip: span},
		{Kind: consensus.Prepare, Owner: c, Range: span, Ballot: 5},
		{Kind: consensus.Promise, Owner: c, Range: span, Ballot: 5,
			Votes: []consensus.Vote{{Instance: 1001, Batch: barrier}, {Instance: 1004, Ballot: 4}}},
		{Kind: consensus.Accept, Owner: c, Range: single(1001), Ballot: 5, Batch: barrier},
		{Kind: consensus.Accepted, Owner: b, Range: single(1002), Skip: span},
		{Kind: consensus.Reject, Owner: c, Range: span, Ballot: 8},
		{Kind: consensus.Decided, Owner: b, Range: span},
		{Kind: consensus.Pull, Range: span},
		{Kind: consensus.Log, Range: consensus.Range{Lo: 7, Hi: 10}, Applied: 1255,
			Batches: []consensus.Batch{{}, writes, barrier}},
		{Kind: consensus.TakeSnapshot, Applied: 1255},
		{Kind: consensus.Status, Applied: 1255, Answer: true,
			Sent: 3 * time.Hour, Echo: 2 * time.Hour, Held: 5 * time.Millisecond, RoundTrip: time.Millisecond},
	}
	for k := range messages {
		messages[k].From, messages[k].To = a, b
	}
	return messages
}

func single(i uint64) consensus.Range { return consensus.Range{Lo: i, Hi: i + 1} }

func mustEncoder(t testing.TB, l Link) *Encoder {
	t.Helper()
	e, err := NewEncoder(l)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// encode is the one frame that holds messages, all of them.
func encode(t testing.TB, l Link, messages ...consensus.Message) []byte {
	t.Helper()
	body, taken, err := mustEncoder(t, l).Append(nil, messages)
	if err != nil || taken != len(messages) {
		t.Fatalf("%d of %d messages encoded: %v", taken, len(messages), err)
	}
	return body
}

// sealed is the frame around any bytes, with the checksum that they need.
func sealed(payload []byte) []byte {
	rest := append([]byte{wire.PeerVersion}, payload...)
	sum := crc32.Checksum(rest, crc32.MakeTable(crc32.Castagnoli))
	return append(binary.BigEndian.AppendUint32(nil, sum), rest...)
}

// The test's own list of kinds is complete, and so are the tables.
func TestEveryKindTravels(t *testing.T) {
	messages := oneOfEach()
	for k := range messages {
		kind := consensus.Kind(k + 1)
		assert.Equal(t, kind, messages[k].Kind)
		assert.Equal(t, kind, kindOf(wireKinds[kind]))
		assert.Equal(t, strings.ReplaceAll(wireKinds[kind].String(), "_", ""), strings.ToUpper(kind.String()))
	}
	assert.Equal(t, "?", consensus.Kind(len(messages)+1).String())
	assert.Equal(t, len(messages), len(wire.PeerMessage_Kind_name))
	r, err := Decode(encode(t, testLink, messages...), testLink)
	assert.Equal(t, nil, err)
	assert.Equal(t, Received{Messages: messages}, r)
}

// TestGoldenFrames shows every change of what is on the wire. One that is meant
// is taken over with -rewrite; then ask whether the release before can read it.
func TestGoldenFrames(t *testing.T) {
	const file = "testdata/frames.txt"
	var b strings.Builder
	for _, m := range oneOfEach() {
		fmt.Fprintf(&b, "%v\n%s\n", m, hex.Dump(encode(t, testLink, m)))
	}
	if *rewrite {
		assert.Equal(t, nil, os.WriteFile(file, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	assert.Equal(t, nil, err)
	assert.Equal(t, string(want), b.String())
}

// Generators of all that can be said, likely or not.
var (
	genID = rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "b", "c"}), rapid.StringN(0, wire.MaxPeerID, wire.MaxPeerID))
	genNumber = rapid.OneOf(rapid.Uint64Range(0, 9), rapid.Uint64())
	genTime   = rapid.OneOf(rapid.Int64Range(0, 9), rapid.Int64Range(0, math.MaxInt64))
	genBytes  = rapid.SliceOfN(rapid.Byte(), 0, 20)

	genRange = rapid.Custom(func(t *rapid.T) consensus.Range {
		if rapid.Bool().Draw(t, "none") {
			return consensus.Range{}
		}
		lo := rapid.Uint64Range(1, consensus.MaxInstance-1).Draw(t, "lo")
		return consensus.Range{Lo: lo, Hi: rapid.Uint64Range(lo+1, consensus.MaxInstance).Draw(t, "hi")}
	})
	genBatch = rapid.Custom(func(t *rapid.T) consensus.Batch {
		b := consensus.Batch{Proposer: genID.Draw(t, "proposer")}
		if b.Noop() {
			return b
		}
		b.Seq = max(1, genNumber.Draw(t, "seq"))
		b.Mutations = someOf(t, "mutations", genBytes)
		return b
	})
	genVote = rapid.Custom(func(t *rapid.T) consensus.Vote {
		return consensus.Vote{
			Instance: rapid.Uint64Range(1, consensus.MaxInstance-1).Draw(t, "instance"),
			Ballot:   genNumber.Draw(t, "ballot"),
			Batch:    genBatch.Draw(t, "batch"),
		}
	})
)

// someOf is nil rather than empty, as it is in messages.
func someOf[T any](t *rapid.T, label string, of *rapid.Generator[T]) []T {
	some := rapid.SliceOfN(of, 0, 4).Draw(t, label)
	if len(some) == 0 {
		return nil
	}
	return some
}

func genMessage(l Link) *rapid.Generator[consensus.Message] {
	return rapid.Custom(func(t *rapid.T) consensus.Message {
		return consensus.Message{
			Kind: consensus.Kind(rapid.IntRange(1, len(wireKinds)-1).Draw(t, "kind")),
			From: l.From, To: l.To,
			Owner:   genID.Draw(t, "owner"),
			Range:   genRange.Draw(t, "range"),
			Ballot:  genNumber.Draw(t, "ballot"),
			Batch:   genBatch.Draw(t, "batch"),
			Skip:    genRange.Draw(t, "skip"),
			Votes:   someOf(t, "votes", genVote),
			Batches: someOf(t, "batches", genBatch),
			Applied: rapid.Uint64Range(0, consensus.MaxInstance).Draw(t, "applied"),
			Sent:    time.Duration(genTime.Draw(t, "sent")),
			Echo:    time.Duration(genTime.Draw(t, "echo")),
			Held:    time.Duration(genTime.Draw(t, "held")),

			RoundTrip: time.Duration(genTime.Draw(t, "round trip")),
			Answer:    rapid.Bool().Draw(t, "answer"),
		}
	})
}

func TestRoundTrip(t *testing.T) {
	l := Link{Cluster: "x", From: "a", To: "b"}
	e := mustEncoder(t, l)
	rapid.Check(t, func(r *rapid.T) {
		messages := rapid.SliceOfN(genMessage(l), 1, 5).Draw(r, "messages")
		body, taken, err := e.Append(nil, messages)
		assert.Equal(t, nil, err)
		assert.Equal(t, len(messages), taken)
		got, err := Decode(body, l)
		assert.Equal(t, nil, err)
		assert.Equal(t, Received{Messages: messages}, got)
	})
}

func TestForeignFrames(t *testing.T) {
	body := encode(t, testLink, oneOfEach()...)
	for _, tt := range []struct {
		link Link
		want error
	}{
		{Link{"another", testLink.From, testLink.To}, ErrCluster},
		{Link{testLink.Cluster, testOther, testLink.To}, ErrSender},
		{Link{testLink.Cluster, testLink.From, testOther}, ErrAddressee},
		{Link{testLink.Cluster, testLink.To, testLink.From}, ErrAddressee},
	} {
		_, err := Decode(body, tt.link)
		assert.T(t, errors.Is(err, tt.want), tt, err)
	}
}

// Nothing that a damaged link makes of a frame gets through.
func TestDamagedFrames(t *testing.T) {
	body := encode(t, testLink, oneOfEach()...)
	for n := range body {
		_, err := Decode(body[:n], testLink)
		assert.T(t, errors.Is(err, wire.ErrCorrupt), n, err)
		damaged := bytes.Clone(body)
		damaged[n] ^= 0x40
		_, err = Decode(damaged, testLink)
		assert.T(t, errors.Is(err, wire.ErrCorrupt), n, err)
	}
	_, err := Decode(append(bytes.Clone(body), 0), testLink)
	assert.T(t, errors.Is(err, wire.ErrCorrupt), err)
}

// field is one field of bytes.
func field(number protowire.Number, value ...byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

// number is one field that is a number.
func number(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

// envelope is a sealed frame of testLink with these fields behind its ids.
func envelope(fields ...[]byte) []byte {
	payload := bytes.Join([][]byte{
		field(1, []byte(testLink.Cluster)...), field(2, []byte(testLink.From)...), field(3, []byte(testLink.To)...),
	}, nil)
	return sealed(append(payload, bytes.Join(fields, nil)...))
}

// news is what only the next release knows, of every wire type.
var news = bytes.Join([][]byte{
	field(100, 1, 2, 3), number(101, math.MaxUint64),
	protowire.AppendFixed32(protowire.AppendTag(nil, 102, protowire.Fixed32Type), 1),
	protowire.AppendFixed64(protowire.AppendTag(nil, 103, protowire.Fixed64Type), 1),
	protowire.AppendGroup(protowire.AppendTag(nil, 104, protowire.StartGroupType), 104, field(1, 9)),
}, nil)

func TestNextRelease(t *testing.T) {
	batch := bytes.Join([][]byte{number(1, 1), news, number(2, 7), field(3, 'm'), news}, nil)
	suggest := bytes.Join([][]byte{news, number(1, 1), number(2, 1), number(3, 40), field(6, batch...), news}, nil)
	vote := bytes.Join([][]byte{number(1, 41), news, field(3, batch...)}, nil)
	promise := bytes.Join([][]byte{number(1, 4), number(2, 2), number(3, 41), field(9, vote...), news}, nil)
	unknown := bytes.Join([][]byte{number(1, 99), field(6, batch...), number(9, 5), field(20, 1)}, nil)

	body := envelope(news, field(5, unknown...), field(5, suggest...), field(5, news...), news, field(5, promise...))
	r, err := Decode(body, testLink)
	assert.Equal(t, nil, err)
	a, b := testLink.From, testLink.To
	want := consensus.Batch{Proposer: a, Seq: 7, Mutations: [][]byte{{'m'}}}
	assert.Equal(t, Received{Unknown: 2, Messages: []consensus.Message{
		{Kind: consensus.Suggest, From: a, To: b, Owner: a, Range: single(40), Batch: want},
		{Kind: consensus.Promise, From: a, To: b, Owner: b, Range: single(41),
			Votes: []consensus.Vote{{Instance: 41, Batch: want}}},
	}}, r)
}

func TestNextVersion(t *testing.T) {
	body := encode(t, testLink, oneOfEach()...)
	body[4]++
	binary.BigEndian.PutUint32(body, crc32.Checksum(body[4:], crc32.MakeTable(crc32.Castagnoli)))
	_, err := Decode(body, testLink)
	assert.T(t, errors.Is(err, wire.ErrVersion), err)
}

// What is not well formed is dropped by itself; the rest of its frame is not.
func TestImpossibleMessages(t *testing.T) {
	good := number(1, uint64(wire.PeerMessage_STATUS))
	for _, tt := range []struct {
		name   string
		fields []byte
	}{
		{"range of none", append(number(3, 5), number(4, 0)...)},
		{"range that is too long", append(number(3, 5), number(4, math.MaxUint64)...)},
		{"range backwards", append(number(3, 5), number(4, math.MaxUint64-2)...)},
		{"range beyond all", number(3, consensus.MaxInstance)},
		{"negative instance", number(3, math.MaxUint64)},
		{"skip backwards", append(number(7, 5), number(8, math.MaxUint64-2)...)},
		{"owner nowhere", number(2, 4)},
		{"owner far away", number(2, math.MaxUint64)},
		{"applied too much", number(11, consensus.MaxInstance+1)},
		{"time below 0", number(13, math.MaxUint64)},
		{"round trip below 0", number(16, math.MaxUint64)},
		{"batch without proposer", field(6, number(2, 1)...)},
		{"batch without number", field(6, number(1, 1)...)},
		{"batch of nobody", field(6, field(3, 'm')...)},
		{"batch from nowhere", field(6, append(number(1, 4), number(2, 1)...)...)},
		{"vote in no instance", field(9)},
		{"vote too far", field(9, number(1, consensus.MaxInstance)...)},
		{"vote for half a batch", field(9, append(number(1, 5), field(3, number(2, 1)...)...)...)},
		{"log with half a batch", field(10, number(1, 2)...)},
	} {
		// the place 3 is that of an id in others
		bad := append(bytes.Clone(good), tt.fields...)
		body := envelope(field(4, 'c'), field(5, good...), field(5, bad...), field(5, good...))
		r, err := Decode(body, testLink)
		assert.Equal(t, nil, err, tt.name)
		assert.Equal(t, 1, r.Impossible, tt.name)
		assert.Equal(t, 2, len(r.Messages), tt.name)
	}
}

func TestLinkValidate(t *testing.T) {
	long := strings.Repeat("x", wire.MaxPeerID+1)
	assert.Equal(t, nil, Link{long[1:], long[1:], long[1:]}.Validate())
	for _, l := range []Link{{long, "a", "b"}, {"x", long, "b"}, {"x", "a", long}} {
		_, err := NewEncoder(l)
		assert.T(t, errors.Is(err, wire.ErrLimit), l, err)
	}
	for _, l := range []Link{{"", "a", "b"}, {"x", "", "b"}, {"x", "a", ""}} {
		_, err := NewEncoder(l)
		assert.T(t, err != nil, l)
	}
}

// What can never be sent is an error of its own, and the rest goes on.
func TestEncoderRefuses(t *testing.T) {
	good := oneOfEach()
	long := strings.Repeat("x", wire.MaxPeerID+1)
	type message = consensus.Message
	huge := make([]byte, wire.MaxPeerFrame)
	for _, tt := range []struct {
		name  string
		spoil func(*message)
		want  error
	}{
		{"to another", func(m *message) { m.To = testOther }, ErrAddressee},
		{"from another", func(m *message) { m.From = testOther }, ErrSender},
		{"no kind", func(m *message) { m.Kind = 0 }, ErrImpossible},
		{"unknown kind", func(m *message) { m.Kind = 99 }, ErrImpossible},
		{"backwards", func(m *message) { m.Range = consensus.Range{Lo: 2, Hi: 1} }, ErrImpossible},
		{"long owner", func(m *message) { m.Owner = long }, wire.ErrLimit},
		{"long proposer", func(m *message) { m.Batch.Proposer = long }, wire.ErrLimit},
		{"many votes", func(m *message) { m.Votes = manyVotes(wire.MaxPeerVotes + 1) }, wire.ErrLimit},
		{"many batches", func(m *message) { m.Batches = make([]consensus.Batch, wire.MaxPeerBatches+1) }, wire.ErrLimit},
		{"many mutations", func(m *message) { m.Batch.Mutations = make([][]byte, wire.MaxPeerMutations+1) }, wire.ErrLimit},
		{"long mutation", func(m *message) { m.Batch.Mutations = [][]byte{huge} }, wire.ErrLimit},
		{"many ids", func(m *message) { m.Votes = votesOfMany(wire.MaxPeerOthers + 1) }, wire.ErrLimit},
	} {
		messages := []consensus.Message{good[0], good[1], good[0], good[2]}
		tt.spoil(&messages[2])
		e := mustEncoder(t, testLink)
		body, taken, err := e.Append(nil, messages)
		assert.Equal(t, nil, err, tt.name)
		assert.Equal(t, 2, taken, tt.name)
		checkFrame(t, body, messages[:2])

		body, taken, err = e.Append([]byte("before"), messages[2:])
		assert.T(t, errors.Is(err, tt.want), tt.name, err)
		assert.Equal(t, 1, taken, tt.name)
		assert.Equal(t, "before", string(body), tt.name)

		body, taken, err = e.Append(nil, messages[3:])
		assert.Equal(t, nil, err, tt.name)
		assert.Equal(t, 1, taken, tt.name)
		checkFrame(t, body, messages[3:])
	}
}

func manyVotes(n int) []consensus.Vote {
	votes := make([]consensus.Vote, n)
	for k := range votes {
		votes[k].Instance = uint64(k) + 1
	}
	return votes
}

func votesOfMany(n int) []consensus.Vote {
	votes := manyVotes(n)
	for k := range votes {
		votes[k].Batch = consensus.Batch{Proposer: fmt.Sprint(k), Seq: 1}
	}
	return votes
}

func checkFrame(t *testing.T, body []byte, want []consensus.Message) {
	t.Helper()
	r, err := Decode(body, testLink)
	assert.Equal(t, nil, err)
	assert.Equal(t, Received{Messages: want}, r)
}

func TestNothingToEncode(t *testing.T) {
	body, taken, err := mustEncoder(t, testLink).Append([]byte("before"), nil)
	assert.Equal(t, nil, err)
	assert.Equal(t, 0, taken)
	assert.Equal(t, "before", string(body))
}

// What does not fit one frame goes in several, and each of them is accepted.
func TestFramesWithinLimits(t *testing.T) {
	status := oneOfEach()[11]
	promise := oneOfEach()[3]
	promise.Votes = manyVotes(wire.MaxPeerVotes)
	suggest := oneOfEach()[0]
	suggest.Batch.Mutations = [][]byte{make([]byte, wire.MaxPeerFrame/3)}
	for _, tt := range []struct {
		name    string
		message consensus.Message
		count   int
		frames  []int
	}{
		{"messages", status, wire.MaxPeerMessages + 10, []int{wire.MaxPeerMessages, 10}},
		{"parts", promise, 5, []int{1, 1, 1, 1, 1}},
		{"bytes", suggest, 5, []int{2, 2, 1}},
	} {
		messages := make([]consensus.Message, tt.count)
		for k := range messages {
			messages[k] = tt.message
		}
		e := mustEncoder(t, testLink)
		var frames []int
		for rest := messages; len(rest) > 0; {
			body, taken, err := e.Append(nil, rest)
			assert.Equal(t, nil, err, tt.name)
			r, err := Decode(body, testLink)
			assert.Equal(t, nil, err, tt.name)
			assert.Equal(t, taken, len(r.Messages), tt.name)
			frames, rest = append(frames, taken), rest[taken:]
		}
		assert.Equal(t, tt.frames, frames, tt.name)
	}
}

// The largest message of each sort that engines make by their own limits fits.
func TestEnginesLargestMessagesFit(t *testing.T) {
	log := oneOfEach()[9]
	log.Batches = make([]consensus.Batch, consensus.MaxLogBatches)
	small := consensus.Batch{Proposer: testOther, Seq: math.MaxUint64, Mutations: make([][]byte, consensus.MaxBatch)}
	for k := range small.Mutations {
		small.Mutations[k] = make([]byte, 6) // the shortest that the store knows
	}
	for k := range consensus.MaxMessageSize/(6*consensus.MaxBatch) + 1 {
		log.Batches[k] = small
	}
	large := oneOfEach()[0]
	large.Batch.Mutations = [][]byte{make([]byte, wire.MaxFrame-wire.FrameSlack)}
	promise := oneOfEach()[3]
	promise.Votes = manyVotes(consensus.MaxWindow)
	for _, m := range []consensus.Message{log, large, promise} {
		r, err := Decode(encode(t, testLink, m), testLink)
		assert.Equal(t, nil, err)
		assert.Equal(t, 1, len(r.Messages))
	}
}

// An encoder that is warm works in the memory it has, and a giant message does
// not stay there.
func TestEncoderKeepsItsMemory(t *testing.T) {
	e := mustEncoder(t, testLink)
	usual, body := tenWrites(0), make([]byte, 0, 4096)
	assert.Equal(t, 0.0, testing.AllocsPerRun(1000, func() { _, _, _ = e.Append(body, usual) }))

	giant := oneOfEach()[3]
	giant.Votes = manyVotes(wire.MaxPeerVotes)
	_, _, err := e.Append(nil, []consensus.Message{giant})
	assert.Equal(t, nil, err)
	assert.T(t, len(e.votes.items) <= maxSlab && len(e.numbers.items) <= maxSlab)
}

// FuzzPeerFrame decodes arbitrary bytes, with a good checksum if sealing is set: no
// panic, and what was understood means the same when it is sent again.
func FuzzPeerFrame(f *testing.F) {
	for _, m := range oneOfEach() {
		body := encode(f, testLink, m)
		f.Add(body, false)
		f.Add(body[wire.PeerOverhead:], true)
	}
	f.Add(encode(f, testLink, oneOfEach()...)[wire.PeerOverhead:], true)
	f.Add(envelope(news, field(5, number(1, 99)...))[wire.PeerOverhead:], true)
	e := mustEncoder(f, testLink)
	f.Fuzz(func(t *testing.T, in []byte, sealing bool) {
		if sealing {
			in = sealed(in)
		}
		first, err := Decode(in, testLink)
		if err != nil || len(first.Messages) == 0 {
			return
		}
		body, taken, err := e.Append(nil, first.Messages)
		if err != nil || taken != len(first.Messages) {
			t.Fatalf("%d of %d messages encoded again: %v", taken, len(first.Messages), err)
		}
		checkFrame(t, body, first.Messages)
	})
}

// tenWrites is a message with ten mutations of a hundred bytes.
func tenWrites(k int) []consensus.Message {
	m := oneOfEach()[k]
	m.Batch = consensus.Batch{Proposer: m.Owner, Seq: 12345}
	for range 10 {
		m.Batch.Mutations = append(m.Batch.Mutations, make([]byte, 100))
	}
	return []consensus.Message{m}
}

func BenchmarkEncode(b *testing.B) {
	all := oneOfEach()
	for _, bb := range []struct {
		name     string
		messages []consensus.Message
	}{{"Suggest 10×100", tenWrites(0)}, {"Accept 10×100", tenWrites(4)}, {"Accepted", all[5:6]}, {"one of each", all}} {
		b.Run(bb.name, func(b *testing.B) {
			e := mustEncoder(b, testLink)
			var body []byte
			b.ReportAllocs()
			for b.Loop() {
				body, _, _ = e.Append(body[:0], bb.messages)
			}
			b.ReportMetric(float64(len(body)), "bytes/frame")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	all := oneOfEach()
	for _, bb := range []struct {
		name     string
		messages []consensus.Message
	}{{"Suggest 10×100", tenWrites(0)}, {"Accepted", all[5:6]}, {"one of each", all}} {
		b.Run(bb.name, func(b *testing.B) {
			body := encode(b, testLink, bb.messages...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(body, testLink); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
