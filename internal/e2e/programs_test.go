package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/internal/e2e/raw"
)

// TestSmoke drives the two programs as a person does.
func TestSmoke(t *testing.T) {
	n := start(t, "-w", "127.0.0.1:0")
	doozer := func(stdin string, args ...string) string {
		t.Helper()
		command := exec.Command(bins.Doozer, append([]string{"-a", "doozer:?ca=" + n.Addr}, args...)...)
		command.Env = Environ()
		command.Stdin = strings.NewReader(stdin)
		out, err := command.Output()
		assert.Equal(t, nil, err, args)
		return string(out)
	}
	assert.Equal(t, "8\n", doozer("", "rev"))
	assert.Equal(t, "9\n", doozer("hello, world\n", "add", "/message"))
	assert.Equal(t, "hello, world\n", doozer("", "get", "/message"))
	assert.Equal(t, "9 13\n", doozer("", "stat", "/message"))
	assert.Equal(t, "/message 9 set 13\nhello, world\n\n", doozer("", "wait", "-r", "1", "/message"))
	assert.Equal(t, n.ID, doozer("", "self"))
	assert.Equal(t, "", doozer("", "del", "/message", "9"))
	assert.T(t, strings.HasPrefix(doozer("", "find", "/ctl"), "/ctl\n/ctl/cal\n/ctl/cal/0\n"))
	assert.T(t, strings.HasPrefix(n.Web, "http://127.0.0.1:"), n.Web)
	page, err := http.Get(n.Web)
	assert.Equal(t, nil, err)
	page.Body.Close()
	assert.Equal(t, http.StatusOK, page.StatusCode)
}

// TestAddressWithoutHost: scripts of 2012 name a node of their own machine by
// its port alone, to both programs.
func TestAddressWithoutHost(t *testing.T) {
	dzns := start(t, "-c", "dzns")
	_, port, err := net.SplitHostPort(dzns.Addr)
	assert.Equal(t, nil, err)
	uri := "doozer:?ca=:" + port
	app := start(t, "-c", "app", "-b", uri)
	for _, v := range []struct {
		args []string
		want string
	}{
		{[]string{"-a", uri, "self"}, dzns.ID},
		{[]string{"-b", uri, "-a", "doozer:?cn=app", "self"}, app.ID},
	} {
		command := exec.Command(bins.Doozer, v.args...)
		command.Env = Environ()
		out, err := command.Output()
		assert.Equal(t, nil, err, v.args)
		assert.Equal(t, v.want, string(out), v.args)
	}
}

// TestWatchGoesOn has the command watch through two members of a cluster, and
// kills each in turn: it leaves nothing out and prints nothing twice, whichever
// it was connected to.
func TestWatchGoesOn(t *testing.T) {
	n := start(t)
	members := []*Node{start(t, "-a", n.Addr, "-l", alone), start(t, "-a", n.Addr, "-l", alone)}
	for _, m := range members {
		registered(t, m, m, false)
	}
	c := dial(t, n.Addr)
	from := ask(t, c, "REV").Rev + 1
	uri := "doozer:?ca=" + members[0].Addr + "&ca=" + members[1].Addr
	watch := exec.Command(bins.Doozer, "-a", uri, "watch", "-r", fmt.Sprint(from), "/w/*")
	watch.Env = Environ()
	out, err := watch.StdoutPipe()
	assert.Equal(t, nil, err)
	var said strings.Builder
	watch.Stderr = &said
	assert.Equal(t, nil, watch.Start())
	t.Cleanup(func() { watch.Process.Kill() })
	records := bufio.NewReader(out)

	for round := range len(members) + 1 {
		set := ask(t, c, "SET path=/w/a rev=-1 value=%d", round)
		assert.Equal(t, "", call(t, c, "DEL path=/w/a rev=%d", set.Rev))
		want := fmt.Sprintf("/w/a %d set 1\n%d\n/w/a ", set.Rev, round)
		got := make([]byte, len(want))
		_, err := io.ReadFull(records, got)
		assert.Equal(t, nil, err, said.String())
		assert.Equal(t, want, string(got))
		var del int64 // a member that begins writes, too
		_, err = fmt.Fscanf(records, "%d del 0\n\n", &del)
		assert.Equal(t, nil, err)
		assert.T(t, del > set.Rev, del)
		if round < len(members) {
			assert.Equal(t, nil, members[round].Kill())
			start(t, "-a", n.Addr, "-l", members[round].Addr)
		}
	}
	assert.Equal(t, nil, watch.Process.Signal(syscall.SIGINT))
	rest, err := io.ReadAll(records)
	assert.Equal(t, nil, err)
	assert.Equal(t, "", string(rest))
	var exit *exec.ExitError
	assert.T(t, errors.As(watch.Wait(), &exit), "it ended with status 0")
	assert.Equal(t, 130, exit.ExitCode())
	assert.Equal(t, "", said.String())
}

// TestLogsNothingPerChange: a busy node logs no more than an idle one ✱.
func TestLogsNothingPerChange(t *testing.T) {
	var lines []int
	for _, changes := range []int{0, 100} {
		n, err := bins.Start(Options{})
		assert.Equal(t, nil, err)
		t.Cleanup(func() { n.Kill() })
		for range changes {
			c := dial(t, n.Addr)
			assert.Equal(t, int64(0), ask(t, c, "SET path=/a rev=-1").Err)
			assert.Equal(t, codeRevMismatch, ask(t, c, "SET path=/a rev=0").Err)
			assert.Equal(t, int64(4), ask(t, c, "WAIT path=/a rev=1").Flags)
			assert.Equal(t, int64(0), ask(t, c, "DEL path=/a rev=-1").Err)
			c.Close()
		}
		assert.Equal(t, nil, n.Stop())
		lines = append(lines, strings.Count(n.Stderr(), "\n"))
	}
	assert.Equal(t, lines[0], lines[1])
}

// TestStopping ends nodes that are busy: each still ends cleanly, and its
// clients are told by the end of their connections.
func TestStopping(t *testing.T) {
	busy := []struct {
		name string
		with func(t *testing.T, c *raw.Conn)
	}{
		{"with a client that is idle", func(t *testing.T, c *raw.Conn) {
			ask(t, c, "REV")
		}},
		{"with waits under way", func(t *testing.T, c *raw.Conn) {
			assert.Equal(t, nil, c.Send(waits(1000)...))
			ask(t, c, "REV")
		}},
		{"with half a request", func(t *testing.T, c *raw.Conn) {
			ask(t, c, "REV")
			c.Write([]byte{0, 0, 1})
		}},
		{"while writes pour in", func(t *testing.T, c *raw.Conn) {
			go func() {
				for c.Send("tag=1 SET path=/pour rev=-1", "tag=2 SET path=/pour/in rev=-1") == nil {
				}
			}()
			_, err := c.Recv()
			assert.Equal(t, nil, err)
		}},
		{"with a client that does not read", func(t *testing.T, c *raw.Conn) {
			ask(t, c, "SET path=/large rev=-1 value=%d*x", maxValue)
			assert.Equal(t, nil, c.Send(slices.Repeat([]string{"GET path=/large"}, 100)...))
		}},
	}
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, b := range busy {
			t.Run(sig.String()+" "+b.name, func(t *testing.T) {
				t.Parallel()
				n, err := bins.Start(Options{})
				assert.Equal(t, nil, err)
				t.Cleanup(func() { n.Kill() })
				c := dial(t, n.Addr)
				b.with(t, c)
				assert.Equal(t, nil, n.StopBy(sig))
				_, err = io.Copy(io.Discard, c)
				assert.T(t, err == nil || errors.Is(err, syscall.ECONNRESET), err)
				_, err = raw.Dial(n.Addr, Patience)
				assert.T(t, errors.Is(err, syscall.ECONNREFUSED), err)
			})
		}
	}
}
