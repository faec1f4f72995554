package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

func somePeerFrame() *PeerFrame {
	batch := &PeerBatch{Proposer: proto.Uint64(1), Seq: proto.Uint64(7), Mutations: [][]byte{[]byte("one"), {}}}
	return &PeerFrame{
		Cluster: proto.String("cluster"), From: proto.String("a"), To: proto.String("b"), Others: []string{"c", "d"},
		Messages: []*PeerMessage{
			{Kind: PeerMessage_SUGGEST.Enum(), Owner: proto.Uint64(1), Lo: proto.Uint64(10), Batch: batch},
			{Kind: PeerMessage_PROMISE.Enum(), Votes: []*PeerVote{{Instance: proto.Uint64(4), Batch: batch}, {}}},
			{Kind: PeerMessage_LOG.Enum(), Batches: []*PeerBatch{batch, {}}},
		},
	}
}

// sealed is the body of a frame of this version around any bytes.
func sealed(payload []byte) []byte { return sealedAs(PeerVersion, payload) }

func sealedAs(version byte, payload []byte) []byte {
	rest := append([]byte{version}, payload...)
	return append(binary.BigEndian.AppendUint32(nil, peerChecksum(rest)), rest...)
}

func TestPeerFrameRoundTrip(t *testing.T) {
	body, err := AppendPeerFrame([]byte("before"), somePeerFrame())
	assert.Equal(t, nil, err)
	assert.Equal(t, "before", string(body[:6]))
	got, err := DecodePeerFrame(body[6:])
	assert.Equal(t, nil, err)
	assert.T(t, proto.Equal(somePeerFrame(), got), got)
}

// What was decoded stays as it is when the buffer it came in is used again.
func TestPeerFrameSharesNothing(t *testing.T) {
	body, err := AppendPeerFrame(nil, somePeerFrame())
	assert.Equal(t, nil, err)
	got, err := DecodePeerFrame(body)
	assert.Equal(t, nil, err)
	clear(body)
	assert.T(t, proto.Equal(somePeerFrame(), got), got)
}

// Nothing is kept of what this release does not know, except that there was a message.
func TestPeerFrameForgetsTheUnknown(t *testing.T) {
	unknown := within(1, []byte("news"), 100)
	kind := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 99)
	got, err := DecodePeerFrame(sealed(append(within(1, append(kind, unknown...), 5), unknown...)))
	assert.Equal(t, nil, err)
	assert.T(t, proto.Equal(&PeerFrame{Messages: []*PeerMessage{{Kind: PeerMessage_Kind(99).Enum()}}}, got), got)
}

func TestPeerChecksumIsCastagnoli(t *testing.T) {
	assert.Equal(t, uint32(0xe3069283), peerChecksum([]byte("123456789")))
}

func TestPeerFrameTooLong(t *testing.T) {
	f := &PeerFrame{Messages: []*PeerMessage{{Batch: &PeerBatch{Mutations: [][]byte{make([]byte, MaxPeerFrame)}}}}}
	body, err := AppendPeerFrame([]byte("before"), f)
	assert.T(t, errors.Is(err, ErrLimit), err)
	assert.Equal(t, "before", string(body))
	_, err = DecodePeerFrame(make([]byte, MaxPeerFrame+1))
	assert.T(t, errors.Is(err, ErrLimit), err)
}

func TestPeerFrameDamaged(t *testing.T) {
	body, err := AppendPeerFrame(nil, somePeerFrame())
	assert.Equal(t, nil, err)
	for n := range body {
		_, err := DecodePeerFrame(body[:n])
		assert.T(t, errors.Is(err, ErrCorrupt), n, err)
	}
	for bit := range 8 * len(body) {
		damaged := bytes.Clone(body)
		damaged[bit/8] ^= 1 << (bit % 8)
		_, err := DecodePeerFrame(damaged)
		assert.T(t, errors.Is(err, ErrCorrupt), bit, err)
	}
}

func TestPeerFrameOfAnotherVersion(t *testing.T) {
	for _, version := range []byte{0, PeerVersion + 1, 255} {
		_, err := DecodePeerFrame(sealedAs(version, nil))
		assert.T(t, errors.Is(err, ErrVersion), version, err)
	}
}

// A good checksum makes no message of what is none.
func TestPeerFrameMalformed(t *testing.T) {
	for _, b := range malformed {
		_, err := DecodePeerFrame(sealed(bin(t, b.body)))
		assert.T(t, errors.Is(err, ErrCorrupt), b.name, err)
		inside := protowire.AppendTag(nil, 5, protowire.BytesType)
		inside = protowire.AppendBytes(inside, bin(t, b.body))
		_, err = DecodePeerFrame(sealed(inside))
		assert.T(t, errors.Is(err, ErrCorrupt), b.name, err)
	}
}

// within is fields of the given numbers within each other, the innermost
// one holding value, and that one as often as times says.
func within(times int, value []byte, numbers ...protowire.Number) []byte {
	last := len(numbers) - 1
	field := protowire.AppendTag(nil, numbers[last], protowire.BytesType)
	b := bytes.Repeat(protowire.AppendBytes(field, value), times)
	for k := last - 1; k >= 0; k-- {
		b = protowire.AppendBytes(protowire.AppendTag(nil, numbers[k], protowire.BytesType), b)
	}
	return b
}

func TestPeerLimits(t *testing.T) {
	for _, tt := range []struct {
		name    string
		most    int // that many are good, one more is not
		numbers []protowire.Number
	}{
		{"cluster", 1, []protowire.Number{1}},
		{"from", 1, []protowire.Number{2}},
		{"to", 1, []protowire.Number{3}},
		{"others", MaxPeerOthers, []protowire.Number{4}},
		{"messages", MaxPeerMessages, []protowire.Number{5}},
		{"batch", 1, []protowire.Number{5, 6}},
		{"votes", MaxPeerVotes, []protowire.Number{5, 9}},
		{"batches", MaxPeerBatches, []protowire.Number{5, 10}},
		{"batch of a vote", 1, []protowire.Number{5, 9, 3}},
		{"mutations", MaxPeerMutations, []protowire.Number{5, 6, 3}},
		{"mutations of a vote", MaxPeerMutations, []protowire.Number{5, 9, 3, 3}},
		{"mutations in a log", MaxPeerMutations, []protowire.Number{5, 10, 3}},
		{"notes", MaxPeerMessages, []protowire.Number{6}},
		{"mutations", MaxPeerMutations, []protowire.Number{6, 2}},
		{"silent", MaxPeerIDs, []protowire.Number{6, 3}},
		{"heard", MaxPeerIDs, []protowire.Number{6, 4}},
		{"part", 1, []protowire.Number{6, 7}},
		{"eras", MaxPeerVotes, []protowire.Number{6, 7, 2}},
		{"voters", MaxPeerVoters, []protowire.Number{6, 7, 2, 2}},
		{"content", MaxPeerFiles, []protowire.Number{6, 7, 6}},
		{"path", 1, []protowire.Number{6, 7, 6, 1}},
		{"body", 1, []protowire.Number{6, 7, 6, 3}},
		{"assemble", 1, []protowire.Number{6, 8}},
		{"addr", 1, []protowire.Number{6, 8, 2}},
		{"list", 1, []protowire.Number{6, 8, 3}},
		{"value", 1, []protowire.Number{6, 8, 6}},
		{"cluster", 1, []protowire.Number{6, 8, 6, 1}},
		{"voters", MaxPeerVoters, []protowire.Number{6, 8, 6, 2}},
		{"id", 1, []protowire.Number{6, 8, 6, 2, 1}},
		{"addr", 1, []protowire.Number{6, 8, 6, 2, 2}},
		{"cluster", 1, []protowire.Number{6, 8, 7}},
	} {
		_, err := DecodePeerFrame(sealed(within(tt.most, nil, tt.numbers...)))
		assert.Equal(t, nil, err, tt.name)
		_, err = DecodePeerFrame(sealed(within(tt.most+1, nil, tt.numbers...)))
		assert.T(t, errors.Is(err, ErrLimit), tt.name, err)
		if what := tt.numbers; len(what) == 1 || what[0] == 6 { // the names of others say where they are
			assert.Equal(t, fmt.Sprintf("%v: more than %d %s", ErrLimit, tt.most, tt.name), err.Error())
		}
	}
}

func TestPeerLengthLimits(t *testing.T) {
	for _, tt := range []struct {
		name    string
		most    int // so many bytes are good, one more is not
		numbers []protowire.Number
	}{
		{"cluster", MaxPeerID, []protowire.Number{1}},
		{"from", MaxPeerID, []protowire.Number{2}},
		{"to", MaxPeerID, []protowire.Number{3}},
		{"others", MaxPeerID, []protowire.Number{4}},
		{"silent", MaxPeerID, []protowire.Number{6, 3}},
		{"heard", MaxPeerID, []protowire.Number{6, 4}},
		{"voters", MaxPeerID, []protowire.Number{6, 7, 2, 2}},
		{"path", MaxPeerPath, []protowire.Number{6, 7, 6, 1}},
		{"addr", MaxPeerPath, []protowire.Number{6, 8, 2}},
		{"list", MaxPeerList, []protowire.Number{6, 8, 3}},
		{"cluster", MaxPeerID, []protowire.Number{6, 8, 6, 1}},
		{"id", MaxPeerID, []protowire.Number{6, 8, 6, 2, 1}},
		{"addr", MaxPeerPath, []protowire.Number{6, 8, 6, 2, 2}},
		{"cluster", MaxPeerID, []protowire.Number{6, 8, 7}},
	} {
		longest := []byte(strings.Repeat("x", tt.most))
		_, err := DecodePeerFrame(sealed(within(1, longest, tt.numbers...)))
		assert.Equal(t, nil, err, tt.name)
		_, err = DecodePeerFrame(sealed(within(1, append(longest, 'x'), tt.numbers...)))
		assert.T(t, errors.Is(err, ErrLimit), tt.name, err)
		assert.Equal(t, fmt.Sprintf("%v: %s of %d bytes, more than %d", ErrLimit, tt.name, tt.most+1, tt.most), err.Error())
	}
}

// Many small things cost more memory than their bytes; there is a limit over all.
func TestPeerPartsLimit(t *testing.T) {
	most := within(MaxPeerVotes-1, nil, 5, 9) // and the message itself
	const messages = MaxPeerParts / MaxPeerVotes
	_, err := DecodePeerFrame(sealed(bytes.Repeat(most, messages)))
	assert.Equal(t, nil, err)
	_, err = DecodePeerFrame(sealed(append(bytes.Repeat(most, messages), within(1, nil, 5)...)))
	assert.T(t, errors.Is(err, ErrLimit), err)
}

// The limits are checked before anything is made of the frame.
func TestPeerLimitsAllocateNothing(t *testing.T) {
	payload := within(MaxPeerVotes, nil, 5, 9)
	allocs := testing.AllocsPerRun(10, func() { assert.Equal(t, nil, checkPeerLimits(payload)) })
	assert.Equal(t, 0.0, allocs)
}
