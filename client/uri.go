package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// uriHead is how every doozer URI begins.
const uriHead = "doozer:?"

// loopback is the host that is meant where none is named.
const loopback = "127.0.0.1"

// URI is what a doozer URI says: doozer:?ca=ADDR&cn=NAME&sk=SECRET. See
// doc/uri.md.
type URI struct {
	Addrs  []string // ca, host:port each
	Name   string   // cn; empty if absent
	Secret *string  // sk; nil if absent
}

// ParseURI reads a doozer URI. Parameters that it does not know are ignored.
// The error wraps [ErrInvalidURI].
func ParseURI(uri string) (URI, error) {
	rest, ok := strings.CutPrefix(uri, uriHead)
	if !ok {
		return URI{}, ErrInvalidURI
	}
	q, err := url.ParseQuery(rest)
	if err != nil {
		return URI{}, ErrInvalidURI
	}
	u := URI{Name: q.Get("cn")}
	for _, ca := range q["ca"] {
		addr, err := addressOf(ca)
		if err != nil {
			return URI{}, fmt.Errorf("%w: ca: %w", ErrInvalidURI, err)
		}
		u.Addrs = append(u.Addrs, addr)
	}
	if q.Has("sk") {
		sk := q.Get("sk")
		u.Secret = &sk
	}
	return u, nil
}

// addressOf returns a host:port for what a URI gives as an address. One without
// a host is on this machine, as scripts of old have it.
func addressOf(ca string) (string, error) {
	if host, port, err := net.SplitHostPort(ca); err == nil && host == "" && port != "" {
		return net.JoinHostPort(loopback, port), nil
	}
	return withPort(ca)
}

// DialURI connects to the cluster that a URI names. With a bootURI, which
// names a DzNS, a URI with a cluster name (cn) is looked up there, and what it
// says of addresses is ignored; without one the name is ignored. From base
// come TLS and times; its Addrs and Secret are replaced by the URI's. A secret
// in the URI is not sent to the DzNS, whose URI has its own.
//
// Errors: [ErrInvalidURI], [ErrUnknownName], and those of [DialConfig].
func DialURI(ctx context.Context, uri, bootURI string, base Config) (*Client, error) {
	u, err := ParseURI(uri)
	if err != nil {
		return nil, err
	}
	if bootURI != "" && u.Name != "" {
		if u.Addrs, err = lookup(ctx, u.Name, bootURI, base); err != nil {
			return nil, err
		}
	}
	return dialURI(ctx, u, base)
}

// dialURI connects to the addresses that a URI or a DzNS gave.
func dialURI(ctx context.Context, u URI, base Config) (*Client, error) {
	if len(u.Addrs) == 0 {
		return nil, fmt.Errorf("%w: it has no ca, the address of a node", ErrInvalidURI)
	}
	base.Addrs, base.Secret = u.Addrs, u.Secret
	return DialConfig(ctx, base)
}

// lookup asks the DzNS for the addresses of a cluster.
func lookup(ctx context.Context, name, bootURI string, base Config) ([]string, error) {
	boot, err := ParseURI(bootURI)
	if err != nil {
		return nil, err
	}
	c, err := dialURI(ctx, boot, base)
	if err != nil {
		return nil, fmt.Errorf("DzNS: %w", err)
	}
	addrs, err := c.namesOf(ctx, name)
	return addrs, errors.Join(err, c.Close())
}

// namesOf returns the addresses in the files of /ctl/ns/NAME. What is no
// address there is passed over, as anyone may write it.
func (c *Client) namesOf(ctx context.Context, name string) ([]string, error) {
	var addrs []string
	if !isName(name) {
		return nil, unknownName(name)
	}
	for ev, err := range c.Walk(ctx, "/ctl/ns/"+name+"/*", Now) {
		if err != nil {
			return nil, fmt.Errorf("DzNS: %w", err)
		}
		if addr, err := withPort(string(ev.Body)); err == nil {
			addrs = append(addrs, addr)
		}
		if len(addrs) == MaxAddrs {
			break
		}
	}
	if len(addrs) == 0 {
		return nil, unknownName(name)
	}
	return addrs, nil
}

func unknownName(name string) error {
	return fmt.Errorf("%w %q: there is no address under /ctl/ns/%s at the DzNS", ErrUnknownName, name, name)
}

// isName reports whether a cluster can have this name: what is no name in a
// path would be taken for a pattern.
func isName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-')
	})
}
