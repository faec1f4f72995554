package cluster

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/ha/doozerd/internal/e2e"
)

// bins are what all tests here run.
var bins e2e.Binaries

// sideBySide is how many tests run at once: they wait more than they work.
const sideBySide = "3"

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("whole clusters take minutes: they are not for -short")
		return
	}
	if err := EnterYard(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) { // not asked for
		_ = f.Value.Set(sideBySide)
	}
	dir, err := os.MkdirTemp("", "doozer-cluster-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if bins, err = e2e.Build(dir, raceEnabled()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// raceEnabled says whether this test binary was built with -race: then so are the programs it tests.
func raceEnabled() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// newCluster makes hosts for the length of a test. The logs of their nodes are shown if it fails.
func newCluster(t *testing.T, o Options) *Cluster {
	t.Helper()
	c, err := New(bins, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Complaints(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(c.Logs())
		}
		c.Close()
	})
	return c
}

// needHosts skips what cannot be done without namespaces.
func needHosts(t *testing.T) {
	t.Helper()
	if !HaveHosts() {
		t.Skip("network namespaces are not to be had here (they take root, or user namespaces, and iproute2 and nftables): no wire can be cut")
	}
}

// sh runs a script of the words.
func (c *Cluster) sh(t *testing.T, script string) string {
	t.Helper()
	out, err := c.Sh(script)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// work begins the work of clients that know hosts 1 to n, and ends it with the test, if that did not.
func (c *Cluster) work(t *testing.T, n int) *Work {
	t.Helper()
	w, err := c.Work(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// progress waits for writes to go on.
func (w *Work) progress(t *testing.T) {
	t.Helper()
	const enough = 10 * workers
	if err := w.Progress(enough); err != nil {
		t.Fatal(err)
	}
}

// end ends the work and judges it.
func (w *Work) end(t *testing.T, voters ...int) {
	t.Helper()
	if err := w.End(voters...); err != nil {
		t.Fatal(err)
	}
}
