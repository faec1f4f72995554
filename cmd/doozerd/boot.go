package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ha/doozerd/client"
)

const (
	// bootTimeout bounds the dialling of the DzNS, and each request to it.
	bootTimeout = 5 * time.Second

	// bootPatience is how long a node that lost the boot looks for the winner,
	// which may be about to serve, and bootPause how long it waits in between.
	bootPatience = 5 * time.Second
	bootPause    = 100 * time.Millisecond
)

// A booter finds out, by a DzNS, whether to attach to a cluster or to found it.
type booter struct {
	attacher
	dzns client.Config
	id   string // of this process
	addr string // of this node
}

// run returns the address of a member to attach to, or "" if this node is to found the cluster.
func (b *booter) run(ctx context.Context) (member string, err error) {
	c, err := client.DialConfig(ctx, b.dzns)
	if errors.Is(err, client.ErrPermission) {
		return "", err
	}
	if err != nil {
		mend := "start it first, or give the address of one that runs"
		if b.dzns.TLS == nil {
			mend += ", and -tlsboot if it speaks TLS"
		}
		return "", fmt.Errorf("no DzNS answers: %s (%w)", mend, err)
	}
	defer c.Close()
	members, err := b.members(ctx, c)
	if err != nil {
		return "", err
	}
	if member, err := b.find(ctx, members); err == nil {
		return member, nil
	}
	won, err := b.contend(ctx, c)
	if err != nil || won {
		return "", err
	}
	return b.attachToWinner(ctx, c)
}

// bootError says what to do about an error of run.
func bootError(err error) error {
	if errors.Is(err, client.ErrPermission) {
		return fmt.Errorf("-b: %w: add the DzNS's secret for writing to the uri: &sk=SECRET", err)
	}
	return fmt.Errorf("-b: %w", err)
}

func (b *booter) bootPath() string { return "/ctl/boot/" + b.cluster }
func (b *booter) nsDir() string    { return "/ctl/ns/" + b.cluster }
func (b *booter) nsPath() string   { return b.nsDir() + "/" + b.id }

// members returns the addresses that the DzNS lists for the cluster.
func (b *booter) members(ctx context.Context, c *client.Client) (addrs []string, err error) {
	for e, err := range c.Walk(ctx, b.nsDir()+"/*", client.Now) {
		if err != nil {
			return nil, fmt.Errorf("list the cluster's members: %w", err)
		}
		addrs = append(addrs, string(e.Body))
	}
	return addrs, nil
}

// contend lists this node in the DzNS and then tries to become the founder. A
// node that loses is taken off the list.
func (b *booter) contend(ctx context.Context, c *client.Client) (won bool, err error) {
	rev, err := c.Set(ctx, b.nsPath(), client.Missing, []byte(b.addr))
	if err != nil {
		return false, fmt.Errorf("write %s: %w", b.nsPath(), err)
	}
	founder, err := b.claim(ctx, c)
	if err == nil && founder == b.id {
		return true, nil
	}
	if left := c.Del(ctx, b.nsPath(), rev); err == nil && left != nil {
		err = fmt.Errorf("delete %s: %w", b.nsPath(), left)
	}
	return false, err
}

// claim sets the boot file to this node's id, if it is missing, and returns the
// id that it holds then. The answer to the set is not enough: it may get lost.
func (b *booter) claim(ctx context.Context, c *client.Client) (founder string, err error) {
	_, err = c.Set(ctx, b.bootPath(), client.Missing, []byte(b.id))
	if err == nil {
		return b.id, nil
	}
	if !errors.Is(err, client.ErrRevMismatch) && !errors.Is(err, client.ErrUnknownOutcome) {
		return "", fmt.Errorf("write %s: %w", b.bootPath(), err)
	}
	body, _, err := c.Get(ctx, b.bootPath(), client.Now)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", b.bootPath(), err)
	}
	return string(body), nil
}

// attachToWinner looks for a member until the winner has had time to serve.
func (b *booter) attachToWinner(ctx context.Context, c *client.Client) (member string, err error) {
	ctx, cancel := context.WithTimeout(ctx, bootPatience)
	defer cancel()
	for ctx.Err() == nil {
		members, err := b.members(ctx, c)
		if err != nil {
			break
		}
		if member, err := b.find(ctx, members); err == nil {
			return member, nil
		}
		select {
		case <-time.After(bootPause):
		case <-ctx.Done():
		}
	}
	return "", fmt.Errorf("cluster %q was booted before, but no member of it answers: if it is dead, "+
		"delete %s at the DzNS and start again", b.cluster, b.bootPath())
}
