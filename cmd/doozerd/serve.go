package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/version"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/server"
	"github.com/ha/doozerd/web"
)

// A daemon is one node with all that listens for it.
type daemon struct {
	*options
	log  *slog.Logger
	id   string
	addr string // of the client port, as others reach it
	keys keys

	clients net.Listener
	pages   net.Listener // nil if there is no WebView
}

// serve runs a node until ctx ends or it fails. Whatever can go wrong on this
// machine is tried before any other is asked.
func serve(ctx context.Context, o *options, log *slog.Logger) error {
	d := &daemon{options: o, log: log, id: peer.NewID()}
	var err error
	if d.keys, err = o.loadKeys(); err != nil {
		return err
	}
	if d.clients, d.addr, err = o.listenClients(d.keys.clients); err != nil {
		return err
	}
	defer d.clients.Close()
	if d.pages, err = o.listenWeb(); err != nil {
		return err
	}
	if d.pages != nil {
		defer d.pages.Close()
	}
	booted, err := d.join(ctx)
	if err != nil {
		return err
	}
	return d.found(ctx, !booted)
}

// join tries -a and then -b. It returns nil if this node is to found a cluster,
// and whether a DzNS has said so.
func (d *daemon) join(ctx context.Context) (booted bool, err error) {
	if len(d.attach) > 0 {
		member, err := d.attacher(d.keys.members).find(ctx, d.attach)
		if err == nil {
			return false, fmt.Errorf("-a: %w", joins(member))
		}
		if d.boot == "" {
			return false, fmt.Errorf("-a: %w", err)
		}
	}
	if d.boot == "" {
		return false, nil
	}
	if err := d.booter().run(ctx); err != nil {
		return false, fmt.Errorf("-b: %w", err)
	}
	return true, nil
}

func (d *daemon) booter() *booter {
	uri, _ := client.ParseURI(d.boot) // validated
	return &booter{
		attacher: d.attacher(d.keys.members),
		dzns:     client.Config{Addrs: uri.Addrs, Secret: uri.Secret, DialTimeout: bootTimeout, RetryFor: bootTimeout},
		id:       d.id,
		addr:     d.addr,
	}
}

// found founds a cluster of one and serves it.
func (d *daemon) found(ctx context.Context, ns bool) error {
	node, err := peer.Start(peer.Config{
		Addr:     d.addr,
		Cluster:  d.cluster,
		Hostname: hostname(),
		Version:  version.Version,
		ID:       d.id,
		NS:       ns,
		History:  d.hist,
		Pulse:    d.pulse,
		Logger:   d.log,
	})
	if err != nil {
		return err
	}
	defer node.Close()
	port, err := server.New(server.Config{
		Node:         node,
		Logger:       d.log,
		RWSecret:     d.rwSecret,
		ROSecret:     d.roSecret,
		MaxValue:     d.maxValue,
		MaxConns:     d.maxConns,
		MaxWaits:     d.maxWaits,
		MaxUnread:    d.maxUnread,
		WriteTimeout: d.writeTimeout,
	})
	if err != nil {
		return err
	}
	view, err := d.newView(node)
	if err != nil {
		return err
	}
	warnOfFewFiles(d.log, d.maxConns)
	return d.run(ctx, port, view)
}

func (d *daemon) newView(node *peer.Node) (*webServer, error) {
	h, err := web.New(web.Config{
		Node:     node,
		Cluster:  d.cluster,
		Addr:     d.addr,
		Version:  version.Version,
		RWSecret: d.rwSecret,
		ROSecret: d.roSecret,
		Hosts:    d.ownHosts(),
		Logger:   d.log,
	})
	if err != nil {
		return nil, err
	}
	return newWebServer(h, d.log), nil
}

// ownHosts returns the names that a browser may call this machine by.
func (d *daemon) ownHosts() []string {
	web, _ := d.webAddr()
	host, _, _ := net.SplitHostPort(web)
	return []string{d.host(), host, hostname()}
}

// host returns the host of the client port, as others reach it.
func (d *daemon) host() string {
	host, _, _ := net.SplitHostPort(d.addr) // made by JoinHostPort
	return host
}

// run serves clients and browsers until ctx ends or one of the two fails. Then
// it ends both: first the client port, which answers what it still can.
func (d *daemon) run(ctx context.Context, port *server.Server, view *webServer) error {
	failed := make(chan error, 2)
	go func() { failed <- port.Serve(d.clients) }()
	if d.pages != nil {
		go func() { failed <- view.serve(d.pages) }()
	}
	d.sayServing()
	var err error
	select {
	case <-ctx.Done():
		d.log.Info("stopping")
	case err = <-failed:
	}
	err = errors.Join(err, ignoreClosed(port.Close()))
	view.close()
	return err
}

// ignoreClosed drops the error of a listener that was closed before.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// sayServing logs the one line that scripts wait for.
func (d *daemon) sayServing() {
	url := ""
	asked, _ := d.webAddr()
	if d.pages != nil {
		url = webURL(asked, d.pages, d.host())
	} else if asked != "" {
		d.log.Warn("no WebView: its default address is in use; give another one with -w, or -w false", "addr", asked)
	}
	d.log.Info("serving",
		"addr", d.addr, "web", url, "id", d.id, "cluster", d.cluster, "version", version.Version, "try", d.example())
}

// example returns a command line that reaches the node.
func (d *daemon) example() string {
	tls := ""
	if d.tlsCert != "" {
		tls = "-tls "
	}
	if d.addr == defaultListen {
		return "doozer " + tls + "find /"
	}
	return "doozer " + tls + "-a 'doozer:?ca=" + d.addr + "' find /"
}

// hostname returns the machine's name, empty if it has none.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
