package link

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"hash"

	"github.com/ha/doozerd/internal/wire"
)

// exporterLabel and the labels of keys set our uses of a key apart from others.
const (
	exporterLabel = "EXPORTER-doozerd-peer-link"
	dialerLabel   = "doozerd peer link 1, from the dialer"
	answererLabel = "doozerd peer link 1, from the answerer"
)

// A sealer makes and checks the seals of what goes one way over one connection:
// an authentication code of what is sent and of how much was sealed before it.
// So nothing can be changed, left out, put in or sent twice. It is for one
// goroutine. A nil sealer makes seals of no length and finds them right.
type sealer struct {
	mac   hash.Hash
	count uint64
	head  [8]byte // the count, as it is summed
	sum   [sha256.Size]byte
}

// newSealers returns the sealers of both directions for those who know the
// secret and have seen the same beginning of the same connection.
func newSealers(secret string, transcript []byte) (dialer, answerer *sealer, err error) {
	prk, err := hkdf.Extract(sha256.New, []byte(secret), transcript)
	if err != nil {
		return nil, nil, fmt.Errorf("deriving keys: %w", err)
	}
	if dialer, err = newSealer(prk, dialerLabel); err != nil {
		return nil, nil, err
	}
	answerer, err = newSealer(prk, answererLabel)
	return dialer, answerer, err
}

func newSealer(prk []byte, label string) (*sealer, error) {
	key, err := hkdf.Expand(sha256.New, prk, label, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("deriving keys: %w", err)
	}
	return &sealer{mac: hmac.New(sha256.New, key)}, nil
}

// size is how long a seal is.
func (s *sealer) size() int {
	if s == nil {
		return 0
	}
	return wire.PeerSealSize
}

// seal puts the seal of body where room is, which has the length of one.
func (s *sealer) seal(room, body []byte) {
	if s != nil {
		copy(room, s.next(body))
	}
}

// open returns the body of what was sealed, and whether the seal is right. If it
// is not, everything behind it is lost as well.
func (s *sealer) open(sealed []byte) (body []byte, ok bool) {
	n := len(sealed) - s.size()
	if n < 0 {
		return nil, false
	}
	if s == nil {
		return sealed, true
	}
	return sealed[:n], hmac.Equal(sealed[n:], s.next(sealed[:n])[:wire.PeerSealSize])
}

// next returns the code of the next body. It is valid until the next call.
func (s *sealer) next(body []byte) []byte {
	binary.BigEndian.PutUint64(s.head[:], s.count)
	s.count++
	s.mac.Reset()
	s.mac.Write(s.head[:])
	s.mac.Write(body)
	return s.mac.Sum(s.sum[:0])
}

// binding returns what only the two ends of a TLS connection know of it, so that
// nobody between can pass the proof of one on to the other.
func binding(c *tls.Conn) ([]byte, error) {
	state := c.ConnectionState()
	b, err := state.ExportKeyingMaterial(exporterLabel, nil, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("binding a handshake to TLS: %w", err)
	}
	return b, nil
}
