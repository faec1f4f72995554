package client_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/client"
)

// certificate returns a certificate for 127.0.0.1 and example.com, and a pool
// that trusts it.
func certificate() (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.TLS.Certificates[0], pool
}

func TestTLS(t *testing.T) {
	cert, pool := certificate()
	n := startNode(t, 0)
	nl, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	assert.Equal(t, nil, err)
	l := &listener{n: n}
	l.serve(nl, "")
	t.Cleanup(l.stop)

	for _, v := range []struct {
		name string
		tls  *tls.Config
		want string // in the error
	}{
		{"the name is the address", &tls.Config{RootCAs: pool}, ""},
		{"a name given", &tls.Config{RootCAs: pool, ServerName: "example.com"}, ""},
		{"nothing verified", &tls.Config{InsecureSkipVerify: true}, ""},
		{"another name", &tls.Config{RootCAs: pool, ServerName: "doozer.io"}, "not doozer.io"},
		{"an authority that is not trusted", &tls.Config{RootCAs: x509.NewCertPool()}, "unknown authority"},
		{"no TLS", nil, "connection lost"},
	} {
		t.Run(v.name, func(t *testing.T) {
			cfg := patient
			cfg.Addrs, cfg.TLS = []string{l.addr}, v.tls
			c, err := client.DialConfig(t.Context(), cfg)
			if v.want != "" {
				assert.Equal(t, true, strings.HasPrefix(err.Error(), l.addr+": "))
				assert.Equal(t, true, strings.Contains(err.Error(), v.want))
				return
			}
			assert.Equal(t, nil, err)
			assert.T(t, v.tls.ServerName != "127.0.0.1", "what was given is changed")
			id, err := c.Self(t.Context())
			assert.Equal(t, []any{n.ID(), nil}, []any{id, err})
			assert.Equal(t, nil, c.Close())
		})
	}
}

func TestTLSToNobody(t *testing.T) {
	cfg := newNetwork(t).config("a:1")
	cfg.TLS = new(tls.Config)
	_, err := client.DialConfig(t.Context(), cfg)
	assert.Equal(t, "a:1: connection refused", err.Error())
}

func TestTLSToAServerWithout(t *testing.T) {
	l := startNode(t, 0).listen("")
	cfg := patient
	cfg.Addrs, cfg.TLS = []string{l.addr}, new(tls.Config)
	_, err := client.DialConfig(t.Context(), cfg)
	var lost *client.ConnError
	assert.Equal(t, true, errors.As(err, &lost))
	assert.Equal(t, l.addr, lost.Addr)
}
