package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// The body of a frame between peers is a CRC-32C of all that follows it (four
// bytes, big-endian), the version (one byte), and a [PeerFrame].
const (
	// PeerVersion is the version of what peers say to each other. It changes only
	// if a reader that skips what it does not know would misunderstand the rest;
	// whoever begins a new version keeps speaking the old one to those who know
	// no other.
	PeerVersion = 1

	// PeerOverhead is the length of what comes before the PeerFrame, in bytes.
	PeerOverhead = checksumSize + 1

	checksumSize = 4
)

// Limits of a frame between peers. Writers keep them, and readers check them
// before they allocate anything.
const (
	// MaxPeerFrame is the longest body, in bytes. The longest mutation that a
	// client can propose fits, and so do a kind before and a seal behind it.
	MaxPeerFrame = MaxFrame - 1 - PeerSealSize

	// MaxPeerID is the longest id of a member or of a cluster, in bytes.
	MaxPeerID = 255

	// MaxPeerOthers is how many ids a frame may name besides the two it is
	// from and to: one for each batch of a log, and then some.
	MaxPeerOthers = 2048

	// MaxPeerMessages is how many messages a frame may hold.
	MaxPeerMessages = 1024

	// MaxPeerVotes is how many votes a message may hold: the largest window.
	// Its ranges are two, each a pair of numbers.
	MaxPeerVotes = 1 << 16

	// MaxPeerBatches is how many batches of a log a message may hold.
	MaxPeerBatches = 1024

	// MaxPeerMutations is how many mutations a batch may hold.
	MaxPeerMutations = 4096

	// MaxPeerIDs is how many ids a note may name in one list.
	MaxPeerIDs = 1024

	// MaxPeerPath is the longest path of a file of a snapshot, and the longest
	// address, in bytes.
	MaxPeerPath = 4096

	// MaxPeerFiles is how many files a part of a snapshot may hold.
	MaxPeerFiles = 4096

	// MaxPeerList is the longest list of addresses of those who assemble, in
	// bytes.
	MaxPeerList = 1 << 16

	// MaxPeerVoters is how many voters an era or a founding may name.
	MaxPeerVoters = 9

	// MaxPeerParts is how many ids, messages, batches, votes and mutations a
	// frame may hold in all. It bounds what a frame of many small ones, each
	// two bytes on the wire, costs in memory; a megabyte of usual mutations has
	// a tenth of it.
	MaxPeerParts = 1 << 18
)

// Errors of a frame between peers. The stream it came on is sound: the frame
// behind it can be read.
var (
	// ErrCorrupt reports a frame that is not what its sender sent, or was never
	// one: the checksum is wrong, or there is no message behind it.
	ErrCorrupt = errors.New("corrupt peer frame")

	// ErrVersion reports a frame of a version that this release does not know.
	ErrVersion = errors.New("peer frame of an unknown version")

	// ErrLimit reports a frame that exceeds a limit; the text names it.
	ErrLimit = errors.New("peer frame beyond a limit")
)

// AppendPeerFrame appends the body of a frame that holds f. The error wraps
// ErrLimit if it is too long; dst is then returned as it was. The other limits
// are the caller's to keep.
func AppendPeerFrame(dst []byte, f *PeerFrame) ([]byte, error) {
	start := len(dst)
	body := append(dst, make([]byte, checksumSize)...)
	body = append(body, PeerVersion)
	body, err := proto.MarshalOptions{}.MarshalAppend(body, f)
	if err != nil {
		return dst, fmt.Errorf("encoding a peer frame: %w", err)
	}
	if n := len(body) - start; n > MaxPeerFrame {
		return dst, fmt.Errorf("%w: %d bytes, more than %d", ErrLimit, n, MaxPeerFrame)
	}
	binary.BigEndian.PutUint32(body[start:], peerChecksum(body[start+checksumSize:]))
	return body, nil
}

// DecodePeerFrame returns what the body of a frame holds. It shares no memory
// with body. An unknown kind is kept as the number it is; unknown fields are gone.
// The error wraps ErrCorrupt, ErrVersion or ErrLimit.
func DecodePeerFrame(body []byte) (*PeerFrame, error) {
	if len(body) > MaxPeerFrame {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrLimit, len(body), MaxPeerFrame)
	}
	if len(body) < PeerOverhead {
		return nil, fmt.Errorf("%w: %d bytes", ErrCorrupt, len(body))
	}
	if binary.BigEndian.Uint32(body) != peerChecksum(body[checksumSize:]) {
		return nil, fmt.Errorf("%w: wrong checksum", ErrCorrupt)
	}
	if v := body[checksumSize]; v != PeerVersion {
		return nil, fmt.Errorf("%w: %d, not %d", ErrVersion, v, PeerVersion)
	}
	if err := checkPeerLimits(body[PeerOverhead:]); err != nil {
		return nil, err
	}
	f := new(PeerFrame)
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body[PeerOverhead:], f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return f, nil
}

func peerChecksum(b []byte) uint32 {
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
}

// A part is what a field that is not a number may hold.
type part struct {
	name  string
	times int    // it may occur so often in its message
	bytes int    // it may be so long
	parts []part // if it is a message, its fields by number
}

// The parts of each message, by field number. Numbers cost nothing to hold, and
// unknown fields are not held.
var (
	peerFrameParts = []part{
		1: {name: "cluster", times: 1, bytes: MaxPeerID},
		2: {name: "from", times: 1, bytes: MaxPeerID},
		3: {name: "to", times: 1, bytes: MaxPeerID},
		4: {name: "others", times: MaxPeerOthers, bytes: MaxPeerID},
		5: {name: "messages", times: MaxPeerMessages, bytes: MaxPeerFrame, parts: peerMessageParts},
		6: {name: "notes", times: MaxPeerMessages, bytes: MaxPeerFrame, parts: peerNoteParts},
	}
	peerMessageParts = []part{
		6:  {name: "batch", times: 1, bytes: MaxPeerFrame, parts: peerBatchParts},
		9:  {name: "votes", times: MaxPeerVotes, bytes: MaxPeerFrame, parts: peerVoteParts},
		10: {name: "batches", times: MaxPeerBatches, bytes: MaxPeerFrame, parts: peerBatchParts},
	}
	peerVoteParts  = []part{3: {name: "batch", times: 1, bytes: MaxPeerFrame, parts: peerBatchParts}}
	peerBatchParts = []part{3: {name: "mutations", times: MaxPeerMutations, bytes: MaxPeerFrame}}

	peerNoteParts = []part{
		2: {name: "mutations", times: MaxPeerMutations, bytes: MaxPeerFrame},
		3: {name: "silent", times: MaxPeerIDs, bytes: MaxPeerID},
		4: {name: "heard", times: MaxPeerIDs, bytes: MaxPeerID},
		7: {name: "part", times: 1, bytes: MaxPeerFrame, parts: peerPartParts},
		8: {name: "assemble", times: 1, bytes: MaxPeerFrame, parts: peerAssembleParts},
	}
	peerPartParts = []part{
		2: {name: "eras", times: MaxPeerVotes, bytes: MaxPeerFrame, parts: peerEraParts},
		6: {name: "content", times: MaxPeerFiles, bytes: MaxPeerFrame, parts: peerFileParts},
	}
	peerEraParts  = []part{2: {name: "voters", times: MaxPeerVoters, bytes: MaxPeerID}}
	peerFileParts = []part{
		1: {name: "path", times: 1, bytes: MaxPeerPath},
		3: {name: "body", times: 1, bytes: MaxPeerFrame},
	}
	peerAssembleParts = []part{
		2: {name: "addr", times: 1, bytes: MaxPeerPath},
		3: {name: "list", times: 1, bytes: MaxPeerList},
		6: {name: "value", times: 1, bytes: MaxPeerFrame, parts: peerFoundingParts},
		7: {name: "cluster", times: 1, bytes: MaxPeerID},
	}
	peerFoundingParts = []part{
		1: {name: "cluster", times: 1, bytes: MaxPeerID},
		2: {name: "voters", times: MaxPeerVoters, bytes: MaxPeerFrame, parts: peerVoterParts},
	}
	peerVoterParts = []part{
		1: {name: "id", times: 1, bytes: MaxPeerID},
		2: {name: "addr", times: 1, bytes: MaxPeerPath},
	}
)

// maxPartNumber is the highest field number of a part.
const maxPartNumber = 10

// checkPeerLimits walks through an encoded PeerFrame and holds it to the limits,
// without allocating anything.
func checkPeerLimits(b []byte) error {
	total := 0
	return checkParts(b, peerFrameParts, &total)
}

// checkParts walks through one message. total counts the parts of the frame.
func checkParts(b []byte, parts []part, total *int) error {
	var times [maxPartNumber + 1]int
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrCorrupt, protowire.ParseError(n))
		}
		b = b[n:]
		n = protowire.ConsumeFieldValue(number, kind, b)
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrCorrupt, protowire.ParseError(n))
		}
		if kind == protowire.BytesType && int(number) < len(parts) {
			value, _ := protowire.ConsumeBytes(b)
			times[number]++
			if err := parts[number].check(value, times[number], total); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}

// check checks a field's value, which is the nth in its message.
func (p *part) check(value []byte, nth int, total *int) error {
	if p.times == 0 {
		return nil
	}
	*total++
	switch {
	case nth > p.times:
		return fmt.Errorf("%w: more than %d %s", ErrLimit, p.times, p.name)
	case len(value) > p.bytes:
		return fmt.Errorf("%w: %s of %d bytes, more than %d", ErrLimit, p.name, len(value), p.bytes)
	case *total > MaxPeerParts:
		return fmt.Errorf("%w: more than %d parts", ErrLimit, MaxPeerParts)
	}
	if p.parts == nil {
		return nil
	}
	return checkParts(value, p.parts, total)
}
