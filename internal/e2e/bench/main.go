// Command bench measures what doozerd promises about speed and size, as ratios
// within one run, and prints a table of goals and figures in Markdown.
//
//	go run ./internal/e2e/bench                        the table on stdout
//	go run ./internal/e2e/bench -o doc/performance.md  the document that keeps it
//	go run ./internal/e2e/bench -only tcp              one part of it
//	go run ./internal/e2e/bench -profile DIR           CPU profiles of a server under load
//
// A rate means little by itself, so each is set beside another, taken in turns
// with it: of a smaller directory, of a store without waits, of a bare echo
// server with the same frames. Figures are medians. Absolute ones are for
// orientation.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ha/doozerd/internal/e2e"
)

// part is a group of measurements that make a table of their own.
type part struct {
	name    string
	title   string
	measure func(*bench) error
}

var parts = []part{
	{"store", "The store by itself", measureStore},
	{"memory", "Memory", measureMemory},
	{"daemon", "The daemon with much in it", measureDaemon},
	{"listing", "Listings through the Go client", measureListings},
	{"tcp", "Requests per second, beside a bare echo server", measureTCP},
	{"web", "The WebView", measureWeb},
}

// bench is one run: the programs to measure, and what has been found.
type bench struct {
	dir  string
	bins e2e.Binaries // built in dir, once they are needed
	rows []row
	log  io.Writer
}

func main() {
	var (
		out     = flag.String("o", "-", "file for the whole document; - prints the tables")
		only    = flag.String("only", "", "measure just this part: store, memory, daemon, listing, tcp or web")
		profile = flag.String("profile", "", "write CPU profiles of a node under load into this directory, and nothing else")
		role    = flag.String("role", "", "be a process that is measured: echo, node or store")
		reply   = flag.String("reply", "", "role echo: the answer to each frame, in hex")
		collect = flag.Bool("collect", false, "role echo: write several answers at once")
		files   = flag.Int("files", 100, "role store: files in it")
		hot     = flag.Int("hot", 100, "role store: files that are set")
		waits   = flag.Int("waits", 0, "role store: waits for others")
		cpu     = flag.String("cpuprofile", "", "role node: file for the CPU profile")
	)
	flag.Parse()
	var err error
	switch {
	case *role == "echo":
		err = serveEcho(*reply, *collect)
	case *role == "node":
		err = serveNode(*cpu)
	case *role == "store":
		err = serveStore(kept{*files, *hot, *waits})
	case *profile != "":
		err = profileNode(*profile)
	default:
		err = run(*out, *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures and writes the document or the tables.
func run(out, only string) error {
	dir, err := os.MkdirTemp("", "doozer-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, log: os.Stderr}
	doc := document{busy: loadAverage()}
	for _, p := range parts {
		if only != "" && only != p.name {
			continue
		}
		b.rows = nil
		if err := p.measure(b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		doc.tables = append(doc.tables, table{p.title, b.rows})
	}
	if out == "-" {
		return doc.writeTables(os.Stdout)
	}
	f, err := os.Create(filepath.Clean(out))
	if err != nil {
		return err
	}
	if err := doc.write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// add keeps a row, and shows it at once.
func (b *bench) add(r row) {
	b.rows = append(b.rows, r)
	fmt.Fprintln(b.log, r.markdown())
}
