// Package wire is the outer layer of what goes over connections: the messages,
// how they are framed, and the limits on a frame. The server and the client
// share the client protocol's; peers have frames of their own.
//
// A frame is four bytes, an unsigned big-endian size n, and then n bytes: one
// protobuf message, a [Request] or a [Response] (see doc/proto.md), or, between
// peers, a checksum, a version and a [PeerFrame] (see [AppendPeerFrame]).
//
// The package knows bytes and nothing of what they mean: no verbs, no access,
// no store, no connections, no logging, no goroutines. Its invariant is that
// memory follows what was received, never what was announced: a size that
// somebody sends allocates nothing by itself, and a frame above the limit is
// walked through in a buffer of fixed size.
package wire

//go:generate ./generate.sh

const (
	// MaxFrame is the largest legal size of a frame's body, in bytes. Whoever
	// announces more, or sets the size's top bit, does not speak the protocol.
	MaxFrame = 64 << 20

	// FrameSlack is what a frame may hold besides its value, in bytes: path,
	// numbers, and fields of later versions. A frame of at most the value
	// limit and FrameSlack is decoded, a longer one is skipped.
	FrameSlack = 64 << 10

	// DefaultMaxValue is the largest value a server takes unless it is
	// configured otherwise, in bytes.
	DefaultMaxValue = 1 << 20

	// DefaultPort is the TCP port of doozerd.
	DefaultPort = "8046"

	// headerSize is the length of the size in front of every body, in bytes.
	headerSize = 4
)

// Details of OTHER answers that clients compare, byte for byte.
const (
	// DetailPermission refuses an access that the connection does not have,
	// and a token that no secret matches.
	DetailPermission = "permission denied"

	// DetailCancelled ends a request that a CANCEL named.
	DetailCancelled = "cancelled"

	// DetailBadGlob is followed by the pattern exactly as it was sent.
	DetailBadGlob = "invalid glob pattern: "

	// DetailUnknown is followed by why the server does not know whether what
	// it was asked to write was, or will be, written.
	DetailUnknown = "outcome unknown: "
)

// Paths that no file can have, by which a client speaks to the node itself: a
// server that does not know them answers BAD_PATH.
const (
	// StatusPath is for GET. The value of the answer is how the node sees
	// itself and its cluster, as JSON.
	StatusPath = "@status"

	// EscapePath is for SET, with a node's id as the value and any rev. It
	// makes that node, if a majority is lost, a cluster of one.
	EscapePath = "@escape"
)

// Flags of an event in a Response: exactly one of them is set.
const (
	FlagSet int32 = 4 // the file was set
	FlagDel int32 = 8 // the file was deleted
)
