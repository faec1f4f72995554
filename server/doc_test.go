package server

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"
)

const protocolDoc = "../doc/proto.md"

var (
	dump     = regexp.MustCompile("(?s)```dump\n(.*?)```")
	dumpLine = regexp.MustCompile(`^([<>])((?: +[0-9a-f]{2})+)(?: {3,}|$)`)
)

// The bytes in the protocol's document are what a server says.
func TestProtocolDocument(t *testing.T) {
	text, err := os.ReadFile(protocolDoc)
	assert.Equal(t, nil, err)
	rig := newRig(t)
	for i := range 8 {
		rig.node.set(fmt.Sprintf("/ctl/%d", i), "")
	}
	client := rig.dial()
	dumps := dump.FindAllStringSubmatch(string(text), -1)
	assert.Equal(t, 3, len(dumps))
	for _, d := range dumps {
		for line := range strings.Lines(d[1]) {
			client.follow(strings.TrimRight(line, "\n"))
		}
	}
}

// follow sends, or expects, the bytes of one line.
func (c *testClient) follow(line string) {
	c.t.Helper()
	part := dumpLine.FindStringSubmatch(line)
	if part == nil {
		c.t.Fatal("not a line of a dump:", line)
	}
	want := bin(c.t, part[2])
	if part[1] == ">" {
		c.sendBytes(want)
		return
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.nc, got); err != nil || string(want) != string(got) {
		c.t.Fatalf("% x (%v) instead of %s", got, err, line)
	}
}

// The numbers in the document are those of the code.
func TestProtocolDocumentLimits(t *testing.T) {
	text, err := os.ReadFile(protocolDoc)
	assert.Equal(t, nil, err)
	for _, want := range []string{
		fmt.Sprintf("on one connection | %s |", thousands(DefaultMaxWaits)),
		fmt.Sprintf("writes under way on one connection | %s |", thousands(DefaultMaxWrites)),
		fmt.Sprintf("| connections | %s |", thousands(DefaultMaxConns)),
		fmt.Sprintf("answers that are not read | %d MiB |", pauseUnread>>20),
		fmt.Sprintf("a client whose machine is gone without a word | %.0f seconds |",
			(keepAlive.Idle + time.Duration(keepAlive.Count)*keepAlive.Interval).Seconds()),
		fmt.Sprintf("%d MiB, or nothing at all is taken for %.0f seconds", DefaultMaxUnread>>20, DefaultWriteTimeout.Seconds()),
	} {
		assert.T(t, strings.Contains(string(text), want), want)
	}
}

// thousands writes n, of four to six digits, as the document does.
func thousands(n int) string { return fmt.Sprintf("%d,%03d", n/1000, n%1000) }
