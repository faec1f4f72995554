package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
	"google.golang.org/protobuf/proto"
)

func someHandshake() *PeerHandshake {
	return &PeerHandshake{
		Cluster: proto.String("K"),
		Refusal: PeerHandshake_NAME.Enum(),
		Hello: &PeerHello{
			MinVersion: proto.Uint32(1), MaxVersion: proto.Uint32(2), Nonce: make([]byte, PeerNonceSize),
			Secret: proto.Bool(true), Name: proto.String("local"), Id: proto.String("A"),
			Addr: proto.String("a:1"), Wanted: proto.String("B"), Dialed: proto.String("b:1"),
		},
	}
}

func TestPeerPrefaceIsNoClientFrame(t *testing.T) {
	r := NewReader(strings.NewReader(PeerPreface+"more"), MaxFrame)
	_, err := r.Next()
	assert.Equal(t, ErrFrameSize, err)
	assert.Equal(t, PeerPreface+"more", string(r.Rest()))
	assert.T(t, IsPeer(r.Rest()))
	assert.T(t, IsPeer([]byte(PeerPreface)))
	assert.T(t, !IsPeer([]byte(PeerPreface[:3])))
	assert.T(t, !IsPeer(nil))
}

func TestPeerHandshake(t *testing.T) {
	want := someHandshake()
	body, err := AppendPeerHandshake([]byte("before"), want)
	assert.Equal(t, nil, err)
	body, _ = bytes.CutPrefix(body, []byte("before"))
	got, err := DecodePeerHandshake(append(body, 0x3a, 1, 'x'))
	assert.Equal(t, nil, err)
	assert.T(t, proto.Equal(want, got), got)
	got, err = DecodePeerHandshake([]byte{0x18, 99}) // a refusal of a later release
	assert.Equal(t, nil, err)
	assert.T(t, got.Refusal != nil)
}

func TestPeerHandshakeLimits(t *testing.T) {
	for name, spoil := range map[string]func(*PeerHandshake){
		"no nonce":       func(h *PeerHandshake) { h.Hello.Nonce = nil },
		"short nonce":    func(h *PeerHandshake) { h.Hello.Nonce = h.Hello.Nonce[1:] },
		"long nonce":     func(h *PeerHandshake) { h.Hello.Nonce = append(h.Hello.Nonce, 0) },
		"no id":          func(h *PeerHandshake) { h.Hello.Id = nil },
		"long id":        func(h *PeerHandshake) { *h.Hello.Id = strings.Repeat("x", MaxPeerID+1) },
		"no name":        func(h *PeerHandshake) { *h.Hello.Name = "" },
		"long name":      func(h *PeerHandshake) { *h.Hello.Name = strings.Repeat("x", MaxPeerName+1) },
		"no address":     func(h *PeerHandshake) { h.Hello.Addr = nil },
		"long address":   func(h *PeerHandshake) { *h.Hello.Addr = strings.Repeat("x", MaxPeerAddr+1) },
		"long wanted id": func(h *PeerHandshake) { *h.Hello.Wanted = strings.Repeat("x", MaxPeerID+1) },
		"long dialed":    func(h *PeerHandshake) { *h.Hello.Dialed = strings.Repeat("x", MaxPeerAddr+1) },
		"long cluster":   func(h *PeerHandshake) { *h.Cluster = strings.Repeat("x", MaxPeerID+1) },
		"too long":       func(h *PeerHandshake) { *h.Hello.Name = strings.Repeat("x", MaxPeerHandshake) },
	} {
		h := someHandshake()
		spoil(h)
		body, err := AppendPeerHandshake(nil, h)
		assert.Equal(t, nil, err, name)
		_, err = DecodePeerHandshake(body)
		assert.T(t, errors.Is(err, ErrHandshake), name)
	}
	for _, bad := range []string{"80", "0a05", "0a0108"} {
		_, err := DecodePeerHandshake(bin(t, bad))
		assert.T(t, errors.Is(err, ErrHandshake), bad)
	}
}

// The longest hello fits.
func TestLongestPeerHandshake(t *testing.T) {
	h := someHandshake()
	*h.Cluster, *h.Hello.Id, *h.Hello.Wanted = strings.Repeat("x", MaxPeerID), strings.Repeat("x", MaxPeerID), strings.Repeat("x", MaxPeerID)
	*h.Hello.Name, *h.Hello.Addr = strings.Repeat("x", MaxPeerName), strings.Repeat("x", MaxPeerAddr)
	*h.Hello.Dialed = *h.Hello.Addr
	body, err := AppendPeerHandshake(nil, h)
	assert.Equal(t, nil, err)
	_, err = DecodePeerHandshake(body)
	assert.Equal(t, nil, err)
}

// FuzzPeerHandshake decodes arbitrary bytes: what is taken is within the limits and
// survives being encoded again.
func FuzzPeerHandshake(f *testing.F) {
	body, err := AppendPeerHandshake(nil, someHandshake())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte{0x18, 99})
	f.Add([]byte{0x0a, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := DecodePeerHandshake(in)
		if err != nil {
			if !errors.Is(err, ErrHandshake) {
				t.Fatal(err)
			}
			return
		}
		again, err := AppendPeerHandshake(nil, h)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := DecodePeerHandshake(again); err != nil || !proto.Equal(h, got) {
			t.Fatal(got, err)
		}
	})
}
