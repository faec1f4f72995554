package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/ha/doozerd/internal/e2e/raw"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/server"
)

// serveNode is a node alone in this process, under the profiler, with no web
// and no limits of its own. It prints its address and ends with its standard
// input.
func serveNode(cpu string) (err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	node, err := peer.Start(peer.Config{Addr: l.Addr().String(), Pulse: time.Hour, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	srv, err := server.New(server.Config{Node: node, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	f, err := os.Create(filepath.Clean(cpu))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	fmt.Println(l.Addr())
	go srv.Serve(l)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// profileNode writes one profile per kind and shape of load.
func profileNode(dir string) error {
	const span = 3 * time.Second
	for _, r := range requests {
		for _, s := range shapes {
			file := filepath.Join(dir, strings.NewReplacer(" ", "-", ",", "").Replace(strings.ToLower(r.name+" "+s.name))+".prof")
			node, err := startRole("-role", "node", "-cpuprofile", file)
			if err != nil {
				return err
			}
			if _, err := replyTo(node.addr, r.text(0)); err != nil {
				return errors.Join(err, node.stop())
			}
			rate, err := r.load(s).rate(node.addr, span)
			if err := errors.Join(err, node.stop()); err != nil {
				return err
			}
			fmt.Printf("%s: %.0f per s\n", file, rate)
		}
	}
	return nil
}

// load is the request in a shape.
func (r request) load(s shape) load {
	l := load{pipelined: s.pipelined}
	for i := range s.clients {
		l.frames = append(l.frames, raw.Frame(raw.Request(r.text(i))))
	}
	return l
}
