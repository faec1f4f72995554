package e2e

import (
	"fmt"
	"os"
	"runtime/debug"
	"testing"

	"github.com/ha/doozerd/internal/e2e/raw"
)

// bins are what all tests here run: built once, before the first of them.
var bins Binaries

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "doozer-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if bins, err = Build(dir, raceEnabled()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// raceEnabled says whether this test binary was built with -race: then so are
// the programs it tests.
func raceEnabled() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// start runs a node for the length of a test; that it ends cleanly is part of
// the test.
func start(t *testing.T, flags ...string) *Node {
	t.Helper()
	return startWith(t, Options{Flags: flags})
}

func startWith(t *testing.T, o Options) *Node {
	t.Helper()
	n, err := bins.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Errorf("the node did not end cleanly: %v", err)
		}
	})
	return n
}

// alone is a free port of an address at which nobody else is given one: that of a node which has ended is still
// free when the next one takes it.
const alone = "127.0.0.44:0"

// dial connects to a node for the length of a test.
func dial(t *testing.T, addr string) *raw.Conn {
	t.Helper()
	c, err := raw.Dial(addr, Patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// call sends one request and returns the answer.
func call(t *testing.T, c *raw.Conn, format string, args ...any) string {
	t.Helper()
	got, err := c.Callf(format, args...)
	if err != nil {
		t.Fatalf("> "+format+": %v", append(args, err)...)
	}
	return got
}

// ask is call with the answer taken apart.
func ask(t *testing.T, c *raw.Conn, format string, args ...any) raw.Answer {
	t.Helper()
	a, err := c.Ask(format, args...)
	if err != nil {
		t.Fatalf("> "+format+": %v", append(args, err)...)
	}
	return a
}
