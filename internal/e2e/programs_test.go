package e2e

import (
	"errors"
	"io"
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
