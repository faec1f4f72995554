package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// listen listens on the address that the flag gives.
func listen(flag, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, addr, listenError{err})
	}
	return l, nil
}

// A listenError says what to do about an error of net.Listen.
type listenError struct{ error }

func (e listenError) Unwrap() error { return e.error }

func (e listenError) Error() string {
	switch {
	case errors.Is(e.error, syscall.EADDRINUSE):
		return "address already in use: end the program that listens there, or give another address"
	case errors.Is(e.error, syscall.EADDRNOTAVAIL):
		return "not an address of this machine: give one that it has"
	case errors.Is(e.error, syscall.EACCES):
		return "permission denied: give a port above 1023"
	}
	var unknown *net.DNSError
	if errors.As(e.error, &unknown) {
		return unknown.Err + ": give a name that this machine can look up, or an IP address of its own"
	}
	var op *net.OpError
	if errors.As(e.error, &op) {
		return op.Err.Error()
	}
	return e.error.Error()
}

// keys are what TLS is spoken with; nil where it is not.
type keys struct {
	clients *tls.Config // to those who connect
	pages   *tls.Config // to browsers
	members *tls.Config // to other members, by this node as a client
}

// loadKeys reads the files of -tlscert, -tlskey and -tlsca.
func (o *options) loadKeys() (keys, error) {
	if o.tlsCert == "" {
		return keys{}, nil
	}
	pair, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return keys{}, fmt.Errorf("-tlscert %s, -tlskey %s: cannot be used, give a PEM certificate and its key: %w", o.tlsCert, o.tlsKey, err)
	}
	k := keys{
		clients: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		pages:   &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		members: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13},
	}
	return k, o.addAuthorities(k)
}

// addAuthorities makes k trust -tlsca, and nobody else. Who connects may show a
// certificate, by which other members prove themselves, or must, if -tlsclients
// says so: on the client port right away, in the WebView by what is asked for.
func (o *options) addAuthorities(k keys) error {
	if o.tlsCA == "" {
		return nil
	}
	file, err := os.ReadFile(o.tlsCA)
	if err != nil {
		return fmt.Errorf("-tlsca: cannot be read, give a PEM file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(file) {
		return fmt.Errorf("-tlsca %s: there is no certificate in it, give a PEM file with one", o.tlsCA)
	}
	k.members.RootCAs, k.clients.ClientCAs, k.pages.ClientCAs = pool, pool, pool
	k.clients.ClientAuth, k.pages.ClientAuth = tls.VerifyClientCertIfGiven, tls.VerifyClientCertIfGiven
	if o.tlsClients {
		k.clients.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return nil
}

// warnOfCertificate warns of a certificate that is not for the host of -l, or not valid now. The node is not
// ended: others may know it by another name, have another clock, or not look.
func (d *daemon) warnOfCertificate() {
	if d.keys.clients == nil {
		return
	}
	cert := d.keys.clients.Certificates[0].Leaf
	if err := cert.VerifyHostname(d.host()); err != nil {
		d.log.Warn("the certificate is not for the host of -l, so clients and members may refuse this node: give one that is to -tlscert",
			"tlscert", d.tlsCert, "cause", err)
	}
	if now := time.Now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		d.log.Warn("the certificate is not valid now, so clients and members may refuse this node: give one that is to -tlscert, or set the clock",
			"tlscert", d.tlsCert, "from", cert.NotBefore, "until", cert.NotAfter)
	}
}

// listenClients listens on the client port, with TLS if k is not nil, and returns
// the address that others reach it by: the host as it was given, and the port that
// was bound.
func (o *options) listenClients(k *tls.Config) (net.Listener, string, error) {
	l, err := listen("-l", o.listen)
	if err != nil {
		return nil, "", err
	}
	host, _, _ := net.SplitHostPort(o.listen) // validated
	addr := net.JoinHostPort(host, boundPort(l))
	if k != nil {
		l = tls.NewListener(l, k)
	}
	return l, addr, nil
}

func boundPort(l net.Listener) string {
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// listenWeb listens on the address of the WebView, which speaks TLS if the client
// port does. It returns nil if there is to be none, or if its default address is
// in use.
func (o *options) listenWeb() (net.Listener, error) {
	addr, asked := o.webAddr()
	if addr == "" {
		return nil, nil
	}
	l, err := listen("-w", addr)
	if err != nil && !asked && errors.Is(err, syscall.EADDRINUSE) {
		return nil, nil
	}
	return l, err
}

// webAddr returns the address of the WebView, empty if there is to be none, and
// whether it was asked for by address.
func (o *options) webAddr() (addr string, asked bool) {
	wanted, err := strconv.ParseBool(o.web)
	if o.web != "" && err != nil {
		return o.web, true
	}
	if o.web != "" && !wanted {
		return "", false
	}
	host, _, _ := net.SplitHostPort(o.listen) // validated
	return net.JoinHostPort(host, defaultWebPort), false
}
