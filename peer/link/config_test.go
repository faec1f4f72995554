package link

import (
	"crypto/tls"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
)

func TestConfigValidate(t *testing.T) {
	shown := []tls.Certificate{{}}
	for _, tt := range []struct {
		change func(*Config)
		want   string // in the error; "": none
	}{
		{func(c *Config) {}, ""},
		{func(c *Config) { c.ID = strings.Repeat("i", wire.MaxPeerID) }, ""},
		{func(c *Config) { c.ID = "" }, "id of 0 bytes"},
		{func(c *Config) { c.ID = strings.Repeat("i", wire.MaxPeerID+1) }, "id of 256 bytes, which is not 1 to 255"},
		{func(c *Config) { c.Addr = "" }, "address of 0 bytes"},
		{func(c *Config) { c.Addr = "a" }, "malformed address: address a: missing port"},
		{func(c *Config) { c.Name = "" }, "cluster name of 0 bytes"},
		{func(c *Config) { c.Cluster = nil }, "cluster's id is required"},
		{func(c *Config) { c.Logger = nil }, "a logger is required"},
		{func(c *Config) { c.TLS = &tls.Config{Certificates: shown} }, ""},
		{func(c *Config) { c.TLS, c.Secret = new(tls.Config), "s" }, ""},
		{func(c *Config) {
			c.TLS = &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return nil, nil }}
		}, ""},
		{func(c *Config) { c.TLS = new(tls.Config) }, "needs a certificate to show"},
		{func(c *Config) { c.TLS, c.Secret = &tls.Config{InsecureSkipVerify: true}, "s" }, "must be verified"},
		{func(c *Config) { c.MaxLinks = -1 }, "the limit of links is -1, less than 0"},
		{func(c *Config) { c.MaxHandshakes = -1 }, "handshakes"},
		{func(c *Config) { c.MaxQueueFrames = -1 }, "queued frames"},
		{func(c *Config) { c.MaxQueueBytes = -1 }, "queued bytes"},
		{func(c *Config) { c.DialTimeout = -1 }, "dial timeout"},
		{func(c *Config) { c.HandshakeTimeout = -1 }, "handshake timeout"},
		{func(c *Config) { c.WriteTimeout = -1 }, "write timeout"},
		{func(c *Config) { c.Silence = -1 }, "silence"},
		{func(c *Config) { c.MaxBackoff = minBackoff }, ""},
		{func(c *Config) { c.MaxBackoff = time.Millisecond }, "longest pause is 1000000, less than 20000000"},
	} {
		c := testConfig("A", "a:1")
		c.Logger = slog.New(slog.DiscardHandler)
		tt.change(&c)
		err := c.Validate()
		if tt.want == "" {
			assert.Equal(t, nil, err)
			continue
		}
		assert.T(t, err != nil && strings.Contains(err.Error(), tt.want), tt.want, err)
		_, newErr := New(c, &testNode{})
		assert.Equal(t, err.Error(), newErr.Error())
	}
}
