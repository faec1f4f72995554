package main

import (
	"context"
	"log/slog"
	"path"
	"time"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/store"
)

// A lister keeps the DzNS's list of a cluster's voters true, as far as this node is concerned: it is listed
// while it takes writes. Those that are no members any more it takes off the list.
type lister struct {
	dzns client.Config
	node *peer.Node
	dir  string // of the cluster in the DzNS
	addr string // of this node
	log  *slog.Logger

	listed bool
	failed bool // the last time; said once
}

const (
	// listEvery is how often a lister looks whether it has something to change.
	listEvery = time.Second

	// relistEvery is how often it looks at the list itself, in times of that.
	relistEvery = 15
)

func (d *daemon) lister(node *peer.Node) *lister {
	b := d.booter()
	return &lister{dzns: b.dzns, node: node, dir: b.nsDir(), addr: d.addr, log: d.log}
}

// run keeps the list until ctx ends, and then takes this node off it.
func (l *lister) run(ctx context.Context) {
	tick := time.NewTicker(listEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		if l.node.Writable() != l.listed || n%relistEvery == 0 {
			l.tend(ctx, l.node.Writable())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			farewell, cancel := context.WithTimeout(context.Background(), listEvery)
			defer cancel()
			l.tend(farewell, false)
			return
		}
	}
}

// tend makes the list true, and says once if it cannot.
func (l *lister) tend(ctx context.Context, listed bool) {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	err := l.write(ctx, listed)
	if err != nil && !l.failed && ctx.Err() == nil {
		l.log.Warn("the DzNS cannot be told who takes writes", "err", err)
	}
	l.failed = err != nil
	if err == nil {
		l.listed = listed
	}
}

func (l *lister) write(ctx context.Context, listed bool) error {
	c, err := client.DialConfig(ctx, l.dzns)
	if err != nil {
		return err
	}
	defer c.Close()
	own := l.dir + "/" + l.node.ID()
	_, rev, err := c.Get(ctx, own, client.Now)
	switch {
	case err != nil:
		return err
	case listed && rev == client.Missing:
		_, err = c.Set(ctx, own, client.Missing, []byte(l.addr))
	case !listed && rev != client.Missing:
		err = c.Del(ctx, own, rev)
	}
	if err == nil && listed {
		err = l.strike(ctx, c)
	}
	return err
}

// strike takes off the list who is no member any more.
func (l *lister) strike(ctx context.Context, c *client.Client) error {
	tree := l.node.Store().Snapshot()
	for e, err := range c.Walk(ctx, l.dir+"/*", client.Now) {
		if err != nil {
			return err
		}
		if rev, _ := tree.Stat("/ctl/node/" + path.Base(e.Path) + "/addr"); rev == store.Missing {
			if err := c.Del(ctx, e.Path, e.Rev); err != nil {
				return err
			}
		}
	}
	return nil
}
