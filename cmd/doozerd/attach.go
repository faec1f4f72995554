package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/ha/doozerd/client"
)

// attachTimeout bounds the asking of one member for its cluster's name.
const attachTimeout = 3 * time.Second

// An attacher looks for a member of the cluster.
type attacher struct {
	cluster string
	secret  *string     // nil if there is none
	tls     *tls.Config // nil if members do not speak it
}

func (o *options) attacher(members *tls.Config) attacher {
	a := attacher{cluster: o.cluster, tls: members}
	if o.rwSecret != "" {
		a.secret = &o.rwSecret
	}
	return a
}

// A strangerError reports a node that is not of this cluster.
type strangerError struct{ addr, cluster, wanted string }

func (e strangerError) Error() string {
	return fmt.Sprintf("the node at %s is of cluster %q, not %q: give -c %s, or another address",
		e.addr, e.cluster, e.wanted, e.cluster)
}

// A silenceError reports addresses at none of which a member was found.
type silenceError struct {
	addrs []string
	last  error
}

func (e silenceError) Error() string {
	return fmt.Sprintf("no member answers at %s: start one there first, or give the address of one that runs (%v)",
		strings.Join(e.addrs, ", "), e.last)
}

// find returns the first of addrs that is a member of the cluster. The error is
// a strangerError if one that is not answered, or else a silenceError.
func (a attacher) find(ctx context.Context, addrs []string) (member string, err error) {
	var stranger, last error
	for _, addr := range addrs {
		name, err := a.clusterAt(ctx, addr)
		switch {
		case err != nil:
			last = err
		case name == a.cluster:
			return addr, nil
		case stranger == nil:
			stranger = strangerError{addr, name, a.cluster}
		}
	}
	if stranger != nil {
		return "", stranger
	}
	return "", silenceError{addrs, last}
}

// clusterAt asks the node at addr for its cluster's name.
func (a attacher) clusterAt(ctx context.Context, addr string) (name string, err error) {
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	c, err := client.DialConfig(ctx, client.Config{Addrs: []string{addr}, Secret: a.secret, TLS: a.tls})
	if err != nil {
		return "", err
	}
	defer c.Close()
	body, _, err := c.Get(ctx, "/ctl/name", client.Now)
	return string(body), err
}
