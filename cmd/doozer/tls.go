package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// tlsOptions holds the values of the -tls options.
type tlsOptions struct {
	on            bool
	ca, cert, key string // files
	name          string
}

// config returns how to connect with TLS, nil if none of the options is given.
func (o tlsOptions) config() (*tls.Config, error) {
	if o == (tlsOptions{}) {
		return nil, nil
	}
	c := &tls.Config{ServerName: o.name}
	return c, errors.Join(o.addAuthorities(c), o.addCertificate(c))
}

func (o tlsOptions) addAuthorities(c *tls.Config) error {
	if o.ca == "" {
		return nil
	}
	pem, err := os.ReadFile(o.ca)
	if err != nil {
		return fmt.Errorf("-tlsca: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("-tlsca: no certificate (PEM) in %s", o.ca)
	}
	return nil
}

func (o tlsOptions) addCertificate(c *tls.Config) error {
	switch {
	case o.cert == "" && o.key == "":
		return nil
	case o.cert == "" || o.key == "":
		return errors.New("-tlscert and -tlskey go together: give both")
	}
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return fmt.Errorf("-tlscert, -tlskey: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return nil
}
