package e2e

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
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
