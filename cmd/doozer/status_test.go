package main

import (
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"
)

// Whatever a server says of its cluster, a terminal is shown one line for each thing.
func TestStatusIsPlainText(t *testing.T) {
	s := clusterStatus{
		Members: []memberStatus{{ID: "A\n", Addr: "10.0.0.1:1\x1b[31m", Version: "\a", Slot: "\r", Known: true, Silence: time.Second}},
		Trouble: []string{"voter B at 127.0.0.9:1\x1b[31mRED\nall is well", "slots without a voter: 1"},
	}
	lines := strings.Split(string(s.table()), "\n")
	assert.Equal(t, []string{`"voter B at 127.0.0.9:1\x1b[31mRED\nall is well"`, "slots without a voter: 1", ""}, lines[2:])
	assert.T(t, !strings.ContainsAny(lines[1], "\x1b\a\r"), lines[1])
}
