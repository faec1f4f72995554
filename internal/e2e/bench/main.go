// Command bench measures what doozerd promises about speed and size, as ratios
// within one run, and prints a table of goals and figures in Markdown.
//
//	go run ./internal/e2e/bench                        the table on stdout
//	go run ./internal/e2e/bench -o doc/performance.md  into the document that keeps it
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
	"strings"

	"github.com/ha/doozerd/internal/e2e"
	"github.com/ha/doozerd/internal/e2e/report"
	"github.com/ha/doozerd/internal/sim"
)

// part is a section of the document.
type part struct {
	name  string
	title string
	write func(*bench) (string, error)
}

var parts = []part{
	{"store", "The store by itself", table(measureStore)},
	{"memory", "Memory", table(measureMemory)},
	{"daemon", "The daemon with much in it", table(measureDaemon)},
	{"listing", "Listings through the Go client", table(measureListings)},
	{"tcp", "Requests per second, beside a bare echo server", table(measureTCP)},
	{"web", "The WebView", table(measureWeb)},
	{"engine", "The engine by itself", table(measureEngine)},
	{"simulated", "Clusters: round trips", writeSimulated},
}

// table is a part that is a table of what measure finds.
func table(measure func(*bench) error) func(*bench) (string, error) {
	return func(b *bench) (string, error) {
		b.rows = nil
		err := measure(b)
		return markdown(b.rows), err
	}
}

// writeSimulated writes what does not depend on the machine: the same every time, as long as the protocol is.
func writeSimulated(*bench) (string, error) {
	var b strings.Builder
	sim.Figures(&b)
	return "```\n" + b.String() + "```\n", nil
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
		out     = flag.String("o", "-", "document whose sections are replaced; - only prints")
		only    = flag.String("only", "", "measure just this part: store, memory, daemon, listing, tcp, web, engine or simulated")
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

// run measures, and prints or keeps each part as soon as it is there.
func run(out, only string) error {
	dir, err := os.MkdirTemp("", "doozer-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, log: os.Stderr}
	for _, p := range parts {
		if only != "" && only != p.name {
			continue
		}
		made := report.Made("go run ./internal/e2e/bench -only "+p.name, report.LoadAverage())
		text, err := p.write(b)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		text = fmt.Sprintf("## %s\n\n%s\n%s", p.title, made, text)
		if out == "-" {
			fmt.Println(text)
		} else if err := report.Put(out, p.name, text); err != nil {
			return err
		}
	}
	return nil
}

// add keeps a row, and shows it at once.
func (b *bench) add(r row) {
	b.rows = append(b.rows, r)
	fmt.Fprintln(b.log, r.markdown())
}
