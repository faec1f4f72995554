package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"
)

const (
	defaultURI = "doozer:?ca=127.0.0.1:8046"

	uriVariable  = "DOOZER_URI"
	bootVariable = "DOOZER_BOOT_URI"

	// now is the value of -r that asks for the present state.
	now = -1
)

// options holds the values of all options, whichever command they are for.
type options struct {
	uri, bootURI string
	rev          int64
	waitTimeout  time.Duration // 0: none
	timeout      time.Duration // 0: none
	json         bool
	exec         string // empty: print the records
	help         bool
	version      bool
	tls          tlsOptions
}

// defaultOptions are those of an empty command line, where the environment
// speaks for the two URIs.
func defaultOptions(e env) *options {
	o := &options{uri: defaultURI, bootURI: e.getenv(bootVariable), rev: now}
	if uri := e.getenv(uriVariable); uri != "" {
		o.uri = uri
	}
	return o
}

// flags returns the table of all options, which also usage, help and completion
// are made from. It fills o; what o holds already are the defaults.
func (o *options) flags() *flag.FlagSet {
	f := flag.NewFlagSet("doozer", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.StringVar(&o.uri, "a", o.uri, "the cluster's `URI`; overrides "+uriVariable)
	f.StringVar(&o.bootURI, "b", o.bootURI, "the `URI` of the DzNS to look cn up in; overrides "+bootVariable)
	f.Var((*revValue)(&o.rev), "r", "read at this `REV`, or wait or watch from it; -1: now")
	f.Var((*durationValue)(&o.waitTimeout), "t", "the `TIME` that wait waits, like 300ms or 1m30s; 0s: for ever")
	f.Var((*durationValue)(&o.timeout), "timeout", "the `TIME` in which an answer must come; 0s: for ever")
	f.BoolVar(&o.json, "json", o.json, "print JSON, one object per line")
	f.StringVar(&o.exec, "exec", o.exec, "run `CMD` by sh -c for each event instead of printing it")
	f.BoolVar(&o.tls.on, "tls", o.tls.on, "connect with TLS; each of the next four implies it")
	f.StringVar(&o.tls.ca, "tlsca", o.tls.ca, "trust the certificates in `FILE`, not those of the system")
	f.StringVar(&o.tls.cert, "tlscert", o.tls.cert, "show the server the certificate in `FILE`")
	f.StringVar(&o.tls.key, "tlskey", o.tls.key, "the `FILE` with that certificate's private key")
	f.StringVar(&o.tls.name, "tlsname", o.tls.name, "the `NAME` to expect in the server's certificate")
	f.BoolVar(&o.help, "h", o.help, "show this text; behind a command's name, its help")
	f.BoolVar(&o.version, "v", o.version, "print the version")
	return f
}

// parse takes the options that args begin with and returns the rest.
func (o *options) parse(args []string) (rest []string, err error) {
	f := o.flags()
	err = f.Parse(args)
	if errors.Is(err, flag.ErrHelp) { // -help
		o.help, err = true, nil
	}
	return f.Args(), err
}

// parseRev reads a rev as a person writes it: decimal, with or without a sign.
func parseRev(s string) (int64, error) {
	rev, err := strconv.ParseInt(s, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("rev %s does not fit into 64 bits", s)
	case err != nil:
		return 0, fmt.Errorf("rev %q is no number", s)
	}
	return rev, nil
}

// revValue is the [flag.Value] of a rev.
type revValue int64

func (v *revValue) String() string { return strconv.FormatInt(int64(*v), 10) }

func (v *revValue) Set(s string) error {
	rev, err := parseRev(s)
	*v = revValue(rev)
	return err
}

// durationValue is the [flag.Value] of a duration that is not negative.
type durationValue time.Duration

func (v *durationValue) String() string { return time.Duration(*v).String() }

func (v *durationValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return fmt.Errorf("write a duration like 300ms or 1m30s")
	case d < 0:
		return fmt.Errorf("a duration cannot be negative")
	}
	*v = durationValue(d)
	return nil
}
