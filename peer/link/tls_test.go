package link

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
)

// An authority signs certificates.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.key = newKey(t)
	a.cert = a.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, a.key)
	a.pool.AddCert(a.cert)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign signs a certificate for key, the authority's own if it has none yet.
func (a *authority) sign(c *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.Subject = pkix.Name{CommonName: "test"}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent := a.cert
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// pair returns a certificate for these hosts, as a server and as a client.
func (a *authority) pair(hosts ...string) tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	c := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, host)
		}
	}
	return tls.Certificate{Certificate: [][]byte{a.sign(c, key).Raw}, PrivateKey: key}
}

// startTLS runs a process that trusts ca and shows pair, if there is one.
func startTLS(t testing.TB, id string, ca *authority, pair tls.Certificate, configure ...func(*Config)) *testNode {
	t.Helper()
	dial := &tls.Config{RootCAs: ca.pool}
	if pair.Certificate != nil {
		dial.Certificates = []tls.Certificate{pair}
	}
	listen := &tls.Config{Certificates: dial.Certificates, ClientCAs: ca.pool, ClientAuth: tls.VerifyClientCertIfGiven}
	l := tls.NewListener(listenAt(t, "127.0.0.1:0"), listen)
	return startAt(t, id, l, append(configure, func(c *Config) { c.TLS = dial })...)
}

func TestCertificates(t *testing.T) {
	ca := newAuthority(t)
	a, b := startTLS(t, "A", ca, ca.pair("127.0.0.1")), startTLS(t, "B", ca, ca.pair("127.0.0.1"))
	a.connect(b)
	a.Send(b.peer(), []byte("hello"))
	b.awaitGot("A/ hello")
	a.stopServing()
	b.awaitLost("A")
}

// Nothing older than TLS 1.3 is spoken between members.
func TestOldTLSIsNotSpoken(t *testing.T) {
	ca := newAuthority(t)
	ours, theirs := net.Pipe()
	defer ours.Close()
	go tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{ca.pair("127.0.0.1")}, MaxVersion: tls.VersionTLS12}).Handshake()
	_, err := secure(t.Context(), ours, "127.0.0.1:1", &tls.Config{RootCAs: ca.pool})
	assert.T(t, err != nil && strings.Contains(err.Error(), "protocol version"), err)
}

func TestSecretOverTLS(t *testing.T) {
	ca := newAuthority(t)
	a := startTLS(t, "A", ca, tls.Certificate{}, withSecret("s"))
	b := startTLS(t, "B", ca, ca.pair("127.0.0.1"), withSecret("s"))
	a.connect(b)
	a.Send(b.peer(), []byte("hello"))
	b.awaitGot("A/ hello")

	c := startTLS(t, "C", ca, ca.pair("127.0.0.1"), withSecret("guess"))
	c.Want([]Peer{b.peer()})
	c.awaitRefusal(ErrSecret)
}

// Without a secret, only a certificate for its address makes a process a member.
func TestCertificatesThatDoNotProve(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	for _, tt := range []struct {
		name string
		pair tls.Certificate
		log  string
	}{
		{"none", tls.Certificate{}, "none was shown"},
		{"a client's", ca.pair("client.example"), "it doesn't contain any IP SANs"},
		{"of another authority", other.pair("127.0.0.1"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := startTLS(t, "B", ca, ca.pair("127.0.0.1"))
			a := startTLS(t, "A", ca, ca.pair("127.0.0.1"))
			a.config.TLS.Certificates = nil
			if tt.pair.Certificate != nil {
				// As an attacker would, it shows what it has although it was not asked for that.
				a.config.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return &tt.pair, nil
				}
			}
			a.Want([]Peer{b.peer()})
			a.await("failed", func() bool { return len(a.failed) > 0 })
			b.awaitLog(tt.log)
			assert.Equal(t, 0, b.Stats().From)
		})
	}
}

// The process that is dialled must have a certificate for the address dialled.
func TestAnswererIsVerified(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	a := startTLS(t, "A", ca, ca.pair("127.0.0.1"), withSecret("s"))
	for _, pair := range []tls.Certificate{other.pair("127.0.0.1"), ca.pair("elsewhere.example")} {
		b := startTLS(t, "B", ca, pair, withSecret("s"))
		a.forget()
		a.Want([]Peer{b.peer()})
		a.await("failed", func() bool { return len(a.failed) > 0 })
		assert.Equal(t, 0, len(a.met))
	}
}

func TestPlainAgainstTLS(t *testing.T) {
	ca := newAuthority(t)
	plain := start(t, "P", withSecret("s"))
	secured := startTLS(t, "T", ca, ca.pair("127.0.0.1"), withSecret("s"))
	plain.Want([]Peer{secured.peer()})
	plain.await("failed", func() bool { return len(plain.failed) > 0 })
	secured.Want([]Peer{plain.peer()})
	secured.await("failed", func() bool { return len(secured.failed) > 0 })

	// Nor does a process that has TLS take a plain connection that was handed to it.
	behind := startAt(t, "B", listenAt(t, "127.0.0.1:0"), withSecret("s"),
		func(c *Config) { c.TLS = &tls.Config{RootCAs: ca.pool} })
	plain.forget()
	plain.Want([]Peer{behind.peer()})
	plain.awaitRefusal(ErrCertificate)
}

// Who has a certificate but not the secret cannot stand between two members and
// pass on the proof of one to the other.
func TestProofIsBoundToTLS(t *testing.T) {
	ca := newAuthority(t)
	a := startTLS(t, "A", ca, ca.pair("127.0.0.1"), withSecret("s"))
	b := startTLS(t, "B", ca, ca.pair("127.0.0.1"), withSecret("s"))
	pair := ca.pair("127.0.0.1")
	l := tls.NewListener(listenAt(t, "127.0.0.1:0"), &tls.Config{Certificates: []tls.Certificate{pair}})
	defer l.Close()
	go func() {
		for {
			dialer, err := l.Accept()
			if err != nil {
				return
			}
			answerer, err := tls.Dial("tcp", b.addr(), &tls.Config{RootCAs: ca.pool})
			if err != nil {
				dialer.Close()
				continue
			}
			go func() {
				defer dialer.Close()
				io.Copy(dialer, answerer)
			}()
			go func() {
				defer answerer.Close()
				io.Copy(answerer, dialer)
			}()
		}
	}()
	a.Want([]Peer{{"B", l.Addr().String()}})
	a.awaitRefusal(ErrSecret)
	b.awaitLog("the secrets differ")
	assert.Equal(t, 0, len(a.met))
}

// A stranger that speaks TLS but has nothing to prove itself by learns no more
// than one without.
func TestGarbageOverTLS(t *testing.T) {
	ca := newAuthority(t)
	b := startTLS(t, "B", ca, ca.pair("127.0.0.1"))
	conn, err := tls.Dial("tcp", b.addr(), &tls.Config{RootCAs: ca.pool})
	assert.Equal(t, nil, err)
	defer conn.Close()
	conn.Write([]byte(wire.PeerPreface + "\xff\xff\xff\xff"))
	awaitEnd(t, conn)
}
