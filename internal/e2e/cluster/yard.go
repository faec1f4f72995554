package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// yardVar says to a process that it was begun by EnterYard, and how that went.
const yardVar = "E2E_YARD"

// What yardVar says.
const (
	yardOurs = "ours" // the process has a yard
	yardNone = "none" // it cannot have one
)

// EnterYard begins this process anew where it may make hosts: in namespaces of
// its own for the network, for mounts and for processes. So nothing that is
// done to the network can be felt outside, names collide with nobody's, and
// when the process ends, so does all that it has started. Where that is not to
// be had, the process goes on as it is: see [HaveHosts]. Call it first in main.
func EnterYard() error {
	switch os.Getenv(yardVar) {
	case yardOurs:
		return furnish()
	case yardNone:
		return nil
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return nil
	}
	args := []string{"unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"}
	if os.Geteuid() != 0 {
		args = append(args, "--map-root-user")
	}
	state := yardOurs
	trial := append(append([]string{}, args[1:]...), "sh", "-c", "mount -t tmpfs tmpfs /run && mkdir /run/netns && ip link set lo up && "+
		"ip netns add a && ip link add v0 type veth peer name eth0 netns a && ip netns exec a nft list ruleset")
	if exec.Command(unshare, trial...).Run() != nil {
		state = yardNone
	}
	env := append(os.Environ(), yardVar+"="+state)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if state == yardNone {
		return syscall.Exec(self, os.Args, env)
	}
	// The first process of a yard takes the end of those that lost their parent: a shell does.
	args = append(args, "sh", "-c", `"$@"; exit $?`, "sh", self)
	return syscall.Exec(unshare, append(args, os.Args[1:]...), env)
}

// furnish makes a new yard usable.
func furnish() error {
	for _, step := range [][]string{
		{"mount", "-t", "tmpfs", "tmpfs", "/run"},
		{"mkdir", "-p", "/run/netns"},
		{"ip", "link", "set", "lo", "up"},
	} {
		if out, err := exec.Command(step[0], step[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(step, " "), err, out)
		}
	}
	return nil
}

// HaveHosts reports whether hosts can be made. If not, nodes run on addresses
// of the loopback interface, between which no wire can be cut.
func HaveHosts() bool { return os.Getenv(yardVar) == yardOurs }

// wordsFile returns the path of the words that drills are written in.
func wordsFile() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "doc", "firedrill.sh"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("not inside the module")
		}
	}
}
