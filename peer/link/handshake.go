package link

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"

	"google.golang.org/protobuf/proto"

	"github.com/ha/doozerd/internal/wire"
)

// The versions of the protocol that this release speaks.
const minVersion, maxVersion = 1, 1

// sizeBytes is the length of the size in front of every message and frame.
const sizeBytes = 4

// A session is what two processes know when their handshake is done.
type session struct {
	other Remote
	own   string  // the id of this process's cluster, as the other was told
	seals *sealer // of the frames to come; nil if they have none
}

// A handshake opens a link. doc/peer-protocol.md tells what is said and why.
type handshake struct {
	config *Config
	conn   net.Conn
	in     io.Reader // of conn, from behind what the server read

	heard   hash.Hash // all of the hellos
	out, by *sealer   // of what is sent, and of what comes by the other side
	own     string
	other   Remote
	proven  bool // the other side is who it says, as far as that can be proven
}

func newHandshake(c *Config, conn net.Conn, in io.Reader) *handshake {
	return &handshake{config: c, conn: conn, in: in, heard: sha256.New(), own: c.Cluster()}
}

// dial is the dialer's side. target is what was dialled; its id may be empty.
func (h *handshake) dial(target Peer) (*session, error) {
	if _, err := io.WriteString(h.conn, wire.PeerPreface); err != nil {
		return nil, err
	}
	return h.greet(target)
}

// greet is the rest of dial, behind the preface.
func (h *handshake) greet(target Peer) (*session, error) {
	if err := h.send(&wire.PeerHandshake{Hello: h.hello(target)}); err != nil {
		return nil, err
	}
	answer, err := h.receive()
	if err != nil {
		return nil, err
	}
	if err := h.meet(answer); err != nil {
		return nil, err
	}
	dialer, answerer, err := h.sealers()
	if err != nil {
		return nil, err
	}
	h.out, h.by = dialer, answerer
	return h.prove()
}

// prove is the rest of dial: each side seals what it says, and thereby proves
// that it knows the secret, the dialer first.
func (h *handshake) prove() (*session, error) {
	if err := h.send(&wire.PeerHandshake{}); err != nil {
		return nil, err
	}
	welcome, err := h.receive()
	if err != nil {
		return nil, err
	}
	h.proven, h.other.Cluster = true, welcome.GetCluster()
	if welcome.Refusal != nil {
		return nil, h.refused(*welcome.Refusal)
	}
	start := &wire.PeerHandshake{Cluster: present(h.own)}
	verdict := h.checkCluster()
	if verdict != nil {
		start.Refusal = wire.PeerHandshake_CLUSTER.Enum()
	}
	if err := h.send(start); err != nil {
		return nil, err
	}
	return h.session(h.out), verdict
}

// answer is the side of the process that was dialled. admit takes the other
// process, which dialled that address, in before it is welcome, or returns an
// error of a handshake.
func (h *handshake) answer(admit func(other Remote, dialed string) error) (*session, error) {
	hello, err := h.receive()
	if err != nil {
		return nil, err
	}
	target := Peer{hello.GetHello().GetWanted(), hello.GetHello().GetDialed()}
	own := &wire.PeerHandshake{Hello: h.hello(Peer{})}
	verdict := h.meet(hello)
	if verdict == nil {
		verdict = h.checkCertificate()
	}
	own.Refusal = refusalOf(verdict)
	if err := h.send(own); err != nil || verdict != nil {
		return nil, errors.Join(verdict, err)
	}
	dialer, answerer, err := h.sealers()
	if err != nil {
		return nil, err
	}
	h.out, h.by = answerer, dialer
	return h.welcome(target, admit)
}

// welcome is the rest of answer, in which the dialer proves itself.
func (h *handshake) welcome(target Peer, admit func(other Remote, dialed string) error) (*session, error) {
	if _, err := h.receive(); err != nil {
		if errors.Is(err, ErrSecret) {
			h.out = nil // it could not tell our seal from another
			_ = h.send(&wire.PeerHandshake{Refusal: refusalOf(err)})
		}
		return nil, err
	}
	h.proven = true
	verdict := h.checkWanted(target.ID)
	if verdict == nil {
		verdict = admit(h.other, target.Addr)
	}
	welcome := &wire.PeerHandshake{Cluster: present(h.own), Refusal: refusalOf(verdict)}
	if err := h.send(welcome); err != nil || verdict != nil {
		return nil, errors.Join(verdict, err)
	}
	start, err := h.receive()
	if err != nil {
		return nil, err
	}
	h.other.Cluster = start.GetCluster()
	if start.Refusal != nil {
		return nil, h.refused(*start.Refusal)
	}
	if err := h.checkCluster(); err != nil {
		return nil, err
	}
	return h.session(h.by), nil
}

// session is the result. seals are those of the frames, from the dialer: TLS
// has its own, once the two sides of it have proved themselves.
func (h *handshake) session(seals *sealer) *session {
	if _, secured := h.conn.(*tls.Conn); secured {
		seals = nil
	}
	return &session{other: h.other, own: h.own, seals: seals}
}

// hello is what this process says of itself, and whom it dials.
func (h *handshake) hello(target Peer) *wire.PeerHello {
	nonce := make([]byte, wire.PeerNonceSize)
	rand.Read(nonce) // never fails
	return &wire.PeerHello{
		MinVersion: proto.Uint32(minVersion),
		MaxVersion: proto.Uint32(maxVersion),
		Nonce:      nonce,
		Secret:     proto.Bool(h.config.Secret != ""),
		Name:       &h.config.Name,
		Id:         &h.config.ID,
		Addr:       &h.config.Addr,
		Wanted:     present(target.ID),
		Dialed:     present(target.Addr),
		Window:     &h.config.Window,
	}
}

// meet judges what the other side says of itself. Both sides come to the same
// verdict.
func (h *handshake) meet(m *wire.PeerHandshake) error {
	hello := m.Hello
	if hello == nil {
		if m.Refusal != nil {
			return h.refused(*m.Refusal)
		}
		return h.refusal(ErrProtocol, "no hello")
	}
	h.other = Remote{ID: hello.GetId(), Addr: hello.GetAddr()}
	version := min(hello.GetMaxVersion(), maxVersion)
	switch c := h.config; {
	case h.other.ID == c.ID:
		return h.refusal(ErrSelf, "")
	case version < max(hello.GetMinVersion(), minVersion):
		return h.refusal(ErrVersion, fmt.Sprintf("%d to %d, here %d to %d",
			hello.GetMinVersion(), hello.GetMaxVersion(), minVersion, maxVersion))
	case hello.GetName() != c.Name:
		return h.refusal(ErrName, fmt.Sprintf("%q, here %q", hello.GetName(), c.Name))
	case hello.GetWindow() != c.Window:
		return h.refusal(ErrWindow, fmt.Sprintf("%d, here %d", hello.GetWindow(), c.Window))
	case hello.GetSecret() && c.Secret == "":
		return h.refusal(ErrSecret, "it has a secret, this process has none")
	case !hello.GetSecret() && c.Secret != "":
		return h.refusal(ErrSecret, "it has no secret, this process has one")
	case m.Refusal != nil:
		return h.refused(*m.Refusal)
	}
	return nil
}

// checkCertificate asks a process that dialled for a certificate where nothing
// else can prove it. Clients may have certificates of the same authority, but
// not for the address of a member.
func (h *handshake) checkCertificate() error {
	if h.config.TLS == nil {
		return nil
	}
	c, ok := h.conn.(*tls.Conn)
	if !ok {
		return h.refusal(ErrCertificate, "no TLS")
	}
	if h.config.Secret != "" {
		return nil
	}
	state := c.ConnectionState()
	if len(state.VerifiedChains) == 0 {
		return h.refusal(ErrCertificate, "none was shown")
	}
	host, _, err := net.SplitHostPort(h.other.Addr)
	if err == nil {
		err = state.PeerCertificates[0].VerifyHostname(host)
	}
	if err != nil {
		return h.refusal(ErrCertificate, err.Error())
	}
	return nil
}

func (h *handshake) checkWanted(wanted string) error {
	if wanted != "" && wanted != h.config.ID {
		return h.refusal(ErrOther, fmt.Sprintf("%q was wanted", wanted))
	}
	return nil
}

func (h *handshake) checkCluster() error {
	if differ(h.own, h.other.Cluster) {
		return h.refusal(ErrCluster, fmt.Sprintf("%q, here %q", h.other.Cluster, h.own))
	}
	return nil
}

// differ reports whether two ids are those of different clusters.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// sealers returns the sealers of both directions, nil if there is no secret.
func (h *handshake) sealers() (dialer, answerer *sealer, err error) {
	if h.config.Secret == "" {
		return nil, nil, nil
	}
	if c, ok := h.conn.(*tls.Conn); ok {
		b, err := binding(c)
		if err != nil {
			return nil, nil, err
		}
		h.heard.Write(b)
	}
	return newSealers(h.config.Secret, h.heard.Sum(nil))
}

// send sends one message, sealed once there are keys.
func (h *handshake) send(m *wire.PeerHandshake) error {
	b, err := wire.AppendPeerHandshake(make([]byte, sizeBytes), m)
	if err != nil {
		return fmt.Errorf("encoding a handshake: %w", err)
	}
	body := b[sizeBytes:]
	b = append(b, make([]byte, h.out.size())...)
	h.out.seal(b[sizeBytes+len(body):], body)
	binary.BigEndian.PutUint32(b, uint32(len(b)-sizeBytes))
	if m.Hello != nil {
		h.heard.Write(b)
	}
	_, err = h.conn.Write(b)
	return err
}

// receive returns the next message, whose seal is right.
func (h *handshake) receive() (*wire.PeerHandshake, error) {
	sealed, err := h.read()
	if err != nil {
		return nil, err
	}
	body, ok := h.by.open(sealed)
	if !ok {
		return nil, h.unsealed(sealed)
	}
	m, err := wire.DecodePeerHandshake(body)
	if err != nil {
		return nil, h.refusal(ErrProtocol, err.Error())
	}
	return m, nil
}

// read reads one message, and no byte behind it.
func (h *handshake) read() ([]byte, error) {
	b := make([]byte, sizeBytes, sizeBytes+wire.MaxPeerHandshake+wire.PeerSealSize)
	if _, err := io.ReadFull(h.in, b); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(b)
	if size > uint32(cap(b)-sizeBytes) {
		return nil, h.refusal(ErrProtocol, fmt.Sprintf("a message of %d bytes", size))
	}
	b = b[:sizeBytes+size]
	if _, err := io.ReadFull(h.in, b[sizeBytes:]); err != nil {
		return nil, err
	}
	if h.by == nil {
		h.heard.Write(b)
	}
	return b[sizeBytes:], nil
}

// unsealed tells why a message has no seal of ours: the other side could not tell
// our seal from another and says so, or else it is we who cannot. What it says
// then is shorter than a seal, which may look like any message.
func (h *handshake) unsealed(body []byte) error {
	m, err := wire.DecodePeerHandshake(body)
	if err == nil && m.Refusal != nil && len(body) < wire.PeerSealSize {
		return h.refused(*m.Refusal)
	}
	return h.refusal(ErrSecret, "the secrets differ")
}

// refusal is this side's.
func (h *handshake) refusal(err error, detail string) error {
	return &Refusal{Err: err, Other: h.other, Proven: h.proven, Detail: detail}
}

// refused is the other side's refusal.
func (h *handshake) refused(code wire.PeerHandshake_Refusal) error {
	err, known := refusals[code]
	if !known {
		err = ErrProtocol
	}
	return &Refusal{Err: err, Other: h.other, Proven: h.proven, Theirs: true}
}

// refusals are the errors by the numbers that they travel as.
var refusals = map[wire.PeerHandshake_Refusal]error{
	wire.PeerHandshake_PROTOCOL:    ErrProtocol,
	wire.PeerHandshake_VERSION:     ErrVersion,
	wire.PeerHandshake_NAME:        ErrName,
	wire.PeerHandshake_WINDOW:      ErrWindow,
	wire.PeerHandshake_SELF:        ErrSelf,
	wire.PeerHandshake_SECRET:      ErrSecret,
	wire.PeerHandshake_CERTIFICATE: ErrCertificate,
	wire.PeerHandshake_OTHER:       ErrOther,
	wire.PeerHandshake_CLUSTER:     ErrCluster,
	wire.PeerHandshake_BUSY:        ErrBusy,
}

// refusalOf returns the number that err travels as, nil if it is nil.
func refusalOf(err error) *wire.PeerHandshake_Refusal {
	if err == nil {
		return nil
	}
	for code, e := range refusals {
		if errors.Is(err, e) {
			return code.Enum()
		}
	}
	return wire.PeerHandshake_PROTOCOL.Enum()
}

// present returns s as a field that is absent if it is empty.
func present(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
