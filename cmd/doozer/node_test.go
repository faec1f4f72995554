package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/server"
	"github.com/ha/doozerd/store"
)

// firstRev is the rev of a node that has just been started, see doc/data-model.md.
const firstRev = 8

// nodeCommand serves a cluster of one, which changes nothing by itself, and has
// DOOZER_URI name it. Its options are
//
//	-id ID            its id
//	-rw, -ro SECRET   its secrets
//	-history N        how many revs it keeps
//	-tls              serve TLS; the certificate, for the name "doozer.test",
//	                  goes to ca.pem and its key to key.pem
//	-tlsclients       serve TLS to those who show a certificate of ca.pem
func nodeCommand(ts *testscript.TestScript, args []string) {
	f := flag.NewFlagSet("node", flag.ContinueOnError)
	id := f.String("id", "", "")
	rw := f.String("rw", "", "")
	ro := f.String("ro", "", "")
	history := f.Int("history", 0, "")
	useTLS := f.Bool("tls", false, "")
	tlsClients := f.Bool("tlsclients", false, "")
	ts.Check(f.Parse(args))

	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	addr := l.Addr().String()
	if *useTLS || *tlsClients {
		l = tls.NewListener(l, tlsConfig(certificate(ts), *tlsClients))
	}
	_, stop, err := serve(l, peer.Config{ID: *id, History: *history}, server.Config{RWSecret: *rw, ROSecret: *ro})
	ts.Check(err)
	ts.Defer(stop)
	benchOf(ts).nodeAddr = addr
	ts.Setenv("ADDR", addr)
	ts.Setenv(uriVariable, "doozer:?ca="+addr)
}

func tlsConfig(c tls.Certificate, clients bool) *tls.Config {
	config := &tls.Config{Certificates: []tls.Certificate{c}}
	if clients {
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AddCert(c.Leaf)
	}
	return config
}

// serve runs a cluster of one that changes nothing by itself, until stop.
func serve(l net.Listener, p peer.Config, s server.Config) (n *peer.Node, stop func(), err error) {
	p.Addr = l.Addr().String()
	p.Hostname = "localhost"
	p.NS = true
	p.Pulse = 24 * time.Hour
	p.Logger = slog.New(slog.DiscardHandler)
	n, err = peer.Start(p)
	if err != nil {
		return nil, nil, err
	}
	s.Node, s.Desk, s.Logger = n, peer.Desk{Node: n}, p.Logger
	srv, err := server.New(s)
	if err != nil {
		return nil, nil, errors.Join(err, n.Close())
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	awaitRev(n.Store(), firstRev)
	return n, func() {
		srv.Close()
		<-served
		n.Close()
	}, nil
}

func awaitRev(s *store.Store, rev int64) {
	applied := make(chan struct{})
	s.AwaitRev(rev, func(*store.Snapshot, error) { close(applied) })
	<-applied
}

// certificate makes one that signs itself and writes it to ca.pem, its key to
// key.pem.
func certificate(ts *testscript.TestScript) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"doozer.test"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), certPEM, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("key.pem"), keyPEM, 0o600))
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	ts.Check(err)
	return pair
}

// A door is an address through which a node can be reached.
type door struct {
	listener net.Listener
	answers  chan struct{} // the first of each visitor
	mu       sync.Mutex
	isShut   bool
	conns    []net.Conn
}

// maxVisitors is how many connections a door takes in one script.
const maxVisitors = 1000

// doorCommand opens an address that leads to the node, or, with the word
// nowhere, to silence. It sets the variable NAME to it. A door that was shut
// opens again.
func doorCommand(ts *testscript.TestScript, args []string) {
	name, b := args[0], benchOf(ts)
	if d := b.doors[name]; d != nil {
		d.open()
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	d := &door{listener: l, answers: make(chan struct{}, maxVisitors)}
	b.doors[name] = d
	lead := dialer(b.nodeAddr)
	if len(args) > 1 && args[1] == "nowhere" {
		lead = nowhere
	}
	go d.serve(lead)
	ts.Defer(func() {
		l.Close()
		d.shut()
	})
	ts.Setenv(name, l.Addr().String())
}

func dialer(addr string) func() (net.Conn, error) {
	return func() (net.Conn, error) { return net.Dial("tcp", addr) }
}

// nowhere is a connection to nobody.
func nowhere() (net.Conn, error) {
	conn, _ := net.Pipe()
	return conn, nil
}

func doorOf(ts *testscript.TestScript, name string) *door {
	d := benchOf(ts).doors[name]
	if d == nil {
		ts.Fatalf("no door %s was opened", name)
	}
	return d
}

// shutCommand shuts a door: who is in is cut off, and who comes is at once. (To
// stop listening would give the address to whoever wants a free one.)
func shutCommand(ts *testscript.TestScript, args []string) { doorOf(ts, args[0]).shut() }

// visitorCommand waits until somebody came in, who was not waited for before, and
// got a first answer: the one that a client takes for being connected.
func visitorCommand(ts *testscript.TestScript, args []string) { <-doorOf(ts, args[0]).answers }

// serve lets visitors in, each to a connection of its own that lead makes.
func (d *door) serve(lead func() (net.Conn, error)) {
	for {
		outer, err := d.listener.Accept()
		if err != nil {
			return
		}
		inner, err := lead()
		if err != nil || !d.admit(outer, inner) {
			outer.Close()
			continue
		}
		go carry(outer, inner)
		go d.answer(inner, outer)
	}
}

// admit reports whether the door is open.
func (d *door) admit(outer, inner net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.isShut {
		inner.Close()
		return false
	}
	d.conns = append(d.conns, outer, inner)
	return true
}

func (d *door) answer(from, to net.Conn) {
	first := make([]byte, 1<<10)
	n, _ := from.Read(first)
	if _, err := to.Write(first[:n]); n > 0 && err == nil {
		d.answers <- struct{}{}
	}
	carry(from, to)
}

func carry(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
}

func (d *door) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isShut = false
}

func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isShut = true
	for _, c := range d.conns {
		c.Close()
	}
}
