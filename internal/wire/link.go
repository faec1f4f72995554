package wire

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
)

// PeerPreface is what a peer sends before all else. No client does: as the size
// of a frame it would be illegal.
const PeerPreface = "\xd0\x02zr"

// Limits of a handshake between peers.
const (
	// MaxPeerHandshake is the longest message of a handshake, in bytes.
	MaxPeerHandshake = 2048

	// MaxPeerName is the longest name of a cluster, in bytes.
	MaxPeerName = 255

	// MaxPeerAddr is the longest address, in bytes: a host name, a port, and
	// brackets.
	MaxPeerAddr = 255 + len("[]:65535")

	// PeerNonceSize is the length of a nonce, in bytes.
	PeerNonceSize = 32

	// PeerSealSize is the length of what proves the origin of a frame or of a
	// message of a handshake, and follows it, in bytes.
	PeerSealSize = 16
)

// The kinds of frames on a link, the first byte of each. A reader skips those
// that it does not know.
const (
	PeerData      = 1 // the body of a frame follows
	PeerHeartbeat = 2 // nothing does: there was nothing to send
	PeerFarewell  = 3 // nothing does: the sender is going to close the link
)

// ErrHandshake reports a message of a handshake that is none.
var ErrHandshake = errors.New("malformed peer handshake")

// IsPeer reports whether a connection whose first bytes are b is a peer's.
func IsPeer(b []byte) bool {
	return strings.HasPrefix(string(b[:min(len(b), len(PeerPreface))]), PeerPreface)
}

// AppendPeerHandshake appends h to dst. The limits are the caller's to keep.
func AppendPeerHandshake(dst []byte, h *PeerHandshake) ([]byte, error) {
	return proto.MarshalOptions{}.MarshalAppend(dst, h)
}

// DecodePeerHandshake returns what body holds. It shares no memory with body, and
// a hello in it is complete and within the limits. The error wraps ErrHandshake.
func DecodePeerHandshake(body []byte) (*PeerHandshake, error) {
	if len(body) > MaxPeerHandshake {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrHandshake, len(body), MaxPeerHandshake)
	}
	h := new(PeerHandshake)
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, h); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	if n := len(h.GetCluster()); n > MaxPeerID {
		return nil, fmt.Errorf("%w: cluster id of %d bytes", ErrHandshake, n)
	}
	if h.Hello != nil {
		if err := h.Hello.check(); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// check holds a hello to the limits.
func (h *PeerHello) check() error {
	for _, field := range []struct {
		name             string
		length, min, max int
	}{
		{"nonce", len(h.Nonce), PeerNonceSize, PeerNonceSize},
		{"name", len(h.GetName()), 1, MaxPeerName},
		{"id", len(h.GetId()), 1, MaxPeerID},
		{"addr", len(h.GetAddr()), 1, MaxPeerAddr},
		{"wanted", len(h.GetWanted()), 0, MaxPeerID},
		{"dialed", len(h.GetDialed()), 0, MaxPeerAddr},
	} {
		if field.length < field.min || field.length > field.max {
			return fmt.Errorf("%w: %s of %d bytes", ErrHandshake, field.name, field.length)
		}
	}
	return nil
}
