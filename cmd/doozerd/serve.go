package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/version"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/peer/link"
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
	lobby   lobby
	web     *webServer

	certWarning sync.Once
}

// serve runs a node until ctx ends or it fails. If it was left alone while a cluster was being founded, another
// one begins in its place.
func serve(ctx context.Context, o *options, log *slog.Logger) error {
	for {
		err := serveOne(ctx, o, log)
		if !errors.Is(err, peer.ErrUnfounded) {
			return err
		}
		log.Warn("beginning anew", "cause", err)
	}
}

// serveOne is one node from its start to its end. Whatever can go wrong on this
// machine is tried before any other is asked.
func serveOne(ctx context.Context, o *options, log *slog.Logger) error {
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
	d.web = newWebServer(&d.lobby, d.keys.pages, log)
	defer d.web.close()
	if d.pages != nil {
		d.web.start(d.pages)
	}
	attach, booted, err := d.where(ctx)
	if err != nil {
		return err
	}
	return d.be(ctx, attach, !booted)
}

// where returns the addresses to attach to, none if this node is to found a cluster, and whether a DzNS has said so.
func (d *daemon) where(ctx context.Context) (attach []string, booted bool, err error) {
	if d.boot == "" || slices.Contains(d.attach, d.addr) {
		return d.attach, false, nil
	}
	if len(d.attach) > 0 {
		if _, err := d.attacher(d.keys.members).find(ctx, d.attach); err == nil {
			return d.attach, false, nil
		}
	}
	member, err := d.booter().run(ctx)
	switch {
	case err != nil:
		return nil, false, bootError(err)
	case member != "":
		return []string{member}, true, nil
	}
	return nil, true, nil
}

func (d *daemon) booter() *booter {
	uri, _ := client.ParseURI(d.boot) // validated
	dzns := client.Config{Addrs: uri.Addrs, Secret: uri.Secret, DialTimeout: bootTimeout, RetryFor: bootTimeout}
	if d.tlsBoot {
		dzns.TLS = d.keys.members
	}
	return &booter{
		attacher: d.attacher(d.keys.members),
		dzns:     dzns,
		id:       d.id,
		addr:     d.addr,
	}
}

// be is one node, from its start to its end.
func (d *daemon) be(ctx context.Context, attach []string, ns bool) error {
	node, err := d.newNode(attach, ns)
	if err != nil {
		return attachError(err)
	}
	defer node.Close()
	times := web.NewLatencies()
	port, err := d.newPort(node, times)
	if err != nil {
		return err
	}
	view, err := d.newView(node, port, times)
	if err != nil {
		return err
	}
	defer view.Close()
	warnOfFewFiles(d.log, d.maxConns)
	return d.run(ctx, node, port, view)
}

func (d *daemon) newNode(attach []string, ns bool) (*peer.Node, error) {
	return peer.Start(peer.Config{
		Addr:         d.addr,
		Cluster:      d.cluster,
		Hostname:     hostname(),
		Version:      version.Version,
		ID:           d.id,
		NS:           ns,
		History:      d.hist,
		Pulse:        d.pulse,
		FillDelay:    d.fill,
		Timeout:      d.timeout,
		WriteTimeout: d.writeTimeout,
		Attach:       attach,
		Secret:       d.membersSecret(),
		TLS:          d.keys.members,
		Logger:       d.log,
	})
}

func (d *daemon) newPort(node *peer.Node, times *web.Latencies) (*server.Server, error) {
	return server.New(server.Config{
		Node:         timedNode{node, times},
		Desk:         peer.Desk{Node: node},
		Ready:        node.Ready,
		Peers:        node,
		Logger:       d.log,
		RWSecret:     d.rwSecret,
		ROSecret:     d.roSecret,
		MaxValue:     d.maxValue,
		MaxConns:     d.maxConns,
		MaxWaits:     d.maxWaits,
		MaxUnread:    d.maxUnread,
		WriteTimeout: d.sendTimeout,
	})
}

func (d *daemon) newView(node *peer.Node, port *server.Server, times *web.Latencies) (*web.View, error) {
	c := web.Config{
		Node:      node,
		Members:   members{node},
		Server:    traffic{port},
		Consensus: agreement{node},
		Latencies: times,
		Ready:     ready(node),
		Live:      live(node, d.fill),
		Name:      d.cluster,
		ClusterID: func() string { return node.Status().Cluster },
		Addr:      d.addr,
		Version:   version.Version,
		RWSecret:  d.rwSecret,
		ROSecret:  d.roSecret,
		Hosts:     d.ownHosts(),
		Profile:   d.webProf,
		MaxValue:  d.maxValue,
		Logger:    d.log,
	}
	if d.webEdit {
		c.Writer = timedNode{node, times}
	}
	return web.New(c)
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

// run serves until ctx ends or something fails. Other members are served from the start, clients as soon as the
// node has joined, and then browsers, who were in the lobby. In the end it hands over to the other members, and
// closes first the client port, which answers what it still can.
func (d *daemon) run(ctx context.Context, node *peer.Node, port *server.Server, view *web.View) error {
	failed := make(chan error, 1)
	go func() { failed <- port.Serve(d.clients) }()
	err := d.awaitJoined(ctx, node)
	if err == nil && ctx.Err() == nil {
		d.lobby.lead(d.forCertified(view))
		d.sayServing()
		if d.boot != "" {
			stop := d.keepListed(node)
			defer stop()
		}
		select {
		case <-ctx.Done():
			d.log.Info("stopping", "cause", context.Cause(ctx))
			handOver(node)
		case err = <-failed:
		case err = <-d.web.failed:
		case <-node.Done():
			err = node.Close()
		}
	}
	err = errors.Join(err, ignoreClosed(port.Close()))
	d.web.close()
	return err
}

// keepListed keeps the DzNS's list true until stop is called.
func (d *daemon) keepListed(node *peer.Node) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.lister(node).run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// awaitJoined waits until the node is a member of a cluster, or ctx ends.
func (d *daemon) awaitJoined(ctx context.Context, node *peer.Node) error {
	patience := time.AfterFunc(sayLookingAfter, func() {
		d.log.Info("looking for the cluster", "addr", d.addr, "id", d.id, "cluster", d.cluster, "at", d.attach.String())
		d.certWarning.Do(d.warnOfCertificate)
	})
	defer patience.Stop()
	select {
	case <-node.Joined():
	case <-ctx.Done():
	case <-node.Done():
		return attachError(node.Close())
	}
	return nil
}

// sayLookingAfter is how long a node looks for its cluster before it says so.
const sayLookingAfter = 2 * time.Second

// attachError says what to do about a node that found no cluster.
func attachError(err error) error {
	var authority *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	var alert *net.OpError // what TLS calls an error that the other side has sent
	switch {
	case errors.Is(err, peer.ErrAssembly):
		return fmt.Errorf("-a: %w: list the voters, which are nine at most, the same everywhere", err)
	case errors.Is(err, peer.ErrStranger):
		return fmt.Errorf("-a: %w: give the name of its cluster with -c, or another address", err)
	case errors.Is(err, link.ErrSecret):
		return fmt.Errorf("-a: %w: give the same secret to all members", err)
	case errors.Is(err, link.ErrCertificate), errors.As(err, &alert) && alert.Op == "remote error":
		return fmt.Errorf("-a: %w: give a certificate for the host of -l, signed by the authority that the members trust, to -tlscert", err)
	case errors.As(err, &authority):
		return fmt.Errorf("-a: %w: give the authority that signs the members' certificates to -tlsca, and the hosts that these are for to -a", err)
	case errors.As(err, &plain):
		return fmt.Errorf("-a: %w: give -tlscert to all members, or to none", err)
	case errors.Is(err, link.ErrGone):
		return fmt.Errorf("-a: %w: if the members there speak TLS, give -tlscert, or else the address of one that runs", err)
	case errors.Is(err, peer.ErrNoMember):
		return fmt.Errorf("-a: %w: start one there first, or give the address of one that runs; "+
			"if these are the hosts of a new cluster, spell this one's as in -l", err)
	}
	return err
}

// leaveTimeout is how long a node that is asked to stop waits for others to take over.
const leaveTimeout = 5 * time.Second

// handOver lets the other members take over.
func handOver(node *peer.Node) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	node.Leave(ctx)
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
		url = webURL(asked, d.pages, d.host(), d.tlsCert != "")
	} else if asked != "" {
		d.log.Warn("no WebView: its default address is in use; give another one with -w, or -w false", "addr", asked)
	}
	d.certWarning.Do(d.warnOfCertificate)
	d.log.Info("serving",
		"addr", d.addr, "web", url, "id", d.id, "cluster", d.cluster, "version", version.Version, "try", d.example())
}

// example returns a command line that reads from the node.
func (d *daemon) example() string {
	words := []string{"doozer"}
	switch {
	case d.tlsCA != "":
		words = append(words, "-tlsca", d.tlsCA)
	case d.tlsCert != "":
		words = append(words, "-tls")
	}
	if d.tlsClients {
		words = append(words, "-tlscert", d.tlsCert, "-tlskey", d.tlsKey)
	}
	switch {
	case d.roSecret != "": // which the log is not to tell
		words = append(words, "-a", "'doozer:?ca="+d.addr+"&sk='$DOOZER_ROSECRET")
	case d.addr != defaultListen:
		words = append(words, "-a", "'doozer:?ca="+d.addr+"'")
	}
	return strings.Join(append(words, "find", "/"), " ")
}

// hostname returns the machine's name, empty if it has none.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
