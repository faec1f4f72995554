package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/server"
)

var (
	errHelp  = flag.ErrHelp
	errUsage = errors.New("bad usage")
)

// A usageError is a mistake on the command line: it is followed by the usage.
type usageError struct{ error }

func (usageError) Is(target error) bool { return target == errUsage }

// Defaults that no other package knows.
const (
	defaultListen  = "127.0.0.1:" + wire.DefaultPort
	defaultWebPort = "8000"
	defaultWeb     = "127.0.0.1:" + defaultWebPort
)

// options is what the command line and the environment say.
type options struct {
	listen  string
	attach  addrs
	boot    string // URI of the DzNS; empty if there is none. It may hold a secret: not to be shown
	cluster string
	web     string // an address, a word for yes or no, or empty for the default
	webEdit bool
	webProf bool

	pulse   time.Duration
	fill    time.Duration
	timeout time.Duration
	hist    int

	tlsCert, tlsKey, tlsCA string // files
	tlsClients, tlsBoot    bool

	maxValue, maxConns, maxWaits, maxUnread int
	writeTimeout, sendTimeout               time.Duration

	logLevel, logFormat string

	help, version bool

	rwSecret, roSecret, peerSecret string
}

// parse reads the command line and the environment. The error is errHelp, or
// one that is errUsage.
func parse(args []string, getenv func(string) string) (*options, error) {
	o := &options{
		boot:     getenv("DOOZER_BOOT_URI"),
		rwSecret: getenv("DOOZER_RWSECRET"),
		roSecret: getenv("DOOZER_ROSECRET"),

		peerSecret: getenv("DOOZER_PEERSECRET"),
	}
	f := o.flags()
	err := f.Parse(args)
	switch {
	case o.help || errors.Is(err, errHelp):
		return nil, errHelp
	case err != nil:
		return nil, usageError{err}
	case f.NArg() > 0:
		return nil, usageError{fmt.Errorf("arguments left over: %s", strings.Join(f.Args(), " "))}
	}
	return o, nil
}

// membersSecret is what the members of a cluster prove to each other that they
// know; empty if there is nothing.
func (o *options) membersSecret() string { return cmp.Or(o.peerSecret, o.rwSecret, o.roSecret) }

// flags returns the flags that set o, and sets it to their defaults.
func (o *options) flags() *flag.FlagSet {
	f := flag.NewFlagSet("doozerd", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.listen, "l", defaultListen, "listen on `ADDR`, host:port, which is also the node's name in the cluster")
	f.Var(&o.attach, "a", "attach to the member at `ADDR`; may be repeated; with the node's own among them, the list of the cluster's hosts")
	f.StringVar(&o.boot, "b", o.boot, "boot by the DzNS at this doozer `URI`; tried after -a")
	f.StringVar(&o.cluster, "c", peer.DefaultCluster, "the cluster's `NAME`; a node of another name is not attached to")
	f.StringVar(&o.web, "w", "", "serve the WebView on `ADDR`, host:port; false for none")
	f.BoolVar(&o.webEdit, "web-edit", false, "let the tree be edited in the WebView")
	f.BoolVar(&o.webProf, "web-pprof", false, "serve profiles of this process under /debug/pprof/ of the WebView")
	secondsVar(f, &o.pulse, "pulse", peer.DefaultPulse, "write the node's applied file every `S` seconds")
	secondsVar(f, &o.fill, "fill", peer.DefaultFillDelay, "wait `S` seconds for a silent voter before closing its instances")
	secondsVar(f, &o.timeout, "timeout", peer.DefaultTimeout, "evict a voter after `S` seconds of silence")
	countVar(f, &o.hist, "hist", peer.DefaultHistory, maxHist, "keep the last `N` revs readable")
	f.StringVar(&o.tlsCert, "tlscert", "", "speak TLS on the client port, with the certificate in this PEM `FILE`")
	f.StringVar(&o.tlsKey, "tlskey", "", "the private key of -tlscert, a PEM `FILE`")
	f.StringVar(&o.tlsCA, "tlsca", "", "trust certificates that the authorities in this PEM `FILE` have signed: other members', and clients'")
	f.BoolVar(&o.tlsClients, "tlsclients", false, "serve only clients that show a certificate that -tlsca has signed")
	f.BoolVar(&o.tlsBoot, "tlsboot", false, "speak TLS with the DzNS of -b, too, as with members")
	countVar(f, &o.maxValue, "max-value", wire.DefaultMaxValue, server.MaxMaxValue, "refuse values of more than `N` bytes")
	countVar(f, &o.maxConns, "max-conns", server.DefaultMaxConns, maxCount, "refuse more than `N` client connections at once")
	countVar(f, &o.maxWaits, "max-waits", server.DefaultMaxWaits, maxCount, "refuse more than `N` waiting requests on one connection")
	countVar(f, &o.maxUnread, "max-unread", server.DefaultMaxUnread, maxCount, "cut off a client that leaves `N` bytes unread")
	secondsVar(f, &o.writeTimeout, "write-timeout", peer.DefaultWriteTimeout, "fail a write for which no majority answers for `S` seconds")
	secondsVar(f, &o.sendTimeout, "send-timeout", server.DefaultWriteTimeout, "cut off a client that takes nothing for `S` seconds")
	f.Var(newChoice(&o.logLevel, "info", "debug", "warn", "error"), "log-level", "log from this `LEVEL` on: debug, info, warn or error")
	f.Var(newChoice(&o.logFormat, "text", "json"), "log-format", "log as `FORMAT`: text or json")
	f.BoolVar(&o.version, "v", false, "print the version on stdout and exit")
	f.BoolVar(&o.help, "h", false, "print this and exit")
	return f
}

// logger returns the log that the process writes to w.
func (o *options) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	level.UnmarshalText([]byte(o.logLevel)) // one of the four names: never fails
	settings := &slog.HandlerOptions{Level: level}
	if o.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, settings))
	}
	return slog.New(slog.NewTextHandler(w, settings))
}
