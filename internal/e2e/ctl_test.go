package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/bmizerany/assert"
)

func testCtl(t *testing.T) {
	host := hostnameValue()
	converse(t, []row{
		{name: "in order of revs", talk: `
			> WAIT path=/** rev=1
			< flags=4 rev=1 path="/ctl/name" value="local"
			> WAIT path=/** rev=2
			< flags=4 rev=2 path="/ctl/node/$ID/addr" value="$ADDR"
			> WAIT path=/** rev=3
			< flags=4 rev=3 path="/ctl/node/$ID/hostname" ` + host + `
			> WAIT path=/ctl/node/$ID/version rev=4
			< flags=4 rev=4 path="/ctl/node/$ID/version" value="$VERSION"
			> WAIT path=/** rev=5
			< flags=4 rev=5 path="/ctl/cal/0" value="$ID"
			> WAIT path=/** rev=6
			< flags=4 rev=6 path="/ctl/ns/local/$ID" value="$ADDR"
			> REV
			< rev=8`},
		{name: "no ninth file", talk: `
			> WALK path=/** offset=7
			< flags=4 rev=6 path="/ctl/ns/local/$ID" value="$ADDR"
			> WALK path=/** offset=8
			< err=RANGE
			> STAT path=/
			< rev=-2 len=1
			> STAT path=/ctl
			< rev=-2 len=4
			> STAT path=/ctl/node/$ID
			< rev=-2 len=5`},
		{name: "cluster name", flags: []string{"-c", "big.one"}, talk: `
			> GET path=/ctl/name
			< rev=1 value="big.one"
			> GET path=/ctl/ns/big.one/$ID
			< rev=6 value="$ADDR"`},
		{name: "anyone may write", talk: `
			> SET path=/ctl/name rev=1 value=mine
			< rev=9
			> SET path=/ctl/mine rev=0 value=x
			< rev=10
			> DEL path=/ctl/mine rev=10
			<`},
	})
	t.Run("writable and applied are 7 and 8", testWritableAndApplied)
	t.Run("version is digits first", testVersion)
	t.Run("ids", testIDs)
	t.Run("applied goes on", testApplied)
}

func hostnameValue() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	return fmt.Sprintf("value=%q", host)
}

func testWritableAndApplied(t *testing.T) {
	n := start(t)
	c := dial(t, n.Addr)
	writable := ask(t, c, "GET path=/ctl/node/%s/writable", n.ID)
	applied := ask(t, c, "GET path=/ctl/node/%s/applied", n.ID)
	assert.Equal(t, "true", writable.Value)
	assert.Equal(t, int64(15), writable.Rev+applied.Rev)
	before := map[int64]string{7: "6", 8: "7"}
	assert.Equal(t, before[applied.Rev], applied.Value)
}

func testVersion(t *testing.T) {
	n := start(t)
	version := ask(t, dial(t, n.Addr), "GET path=/ctl/node/%s/version", n.ID).Value
	assert.Equal(t, n.Version, version)
	assert.T(t, regexp.MustCompile(`^\d+(\.\d+)*`).MatchString(version), version)
}

// testIDs: 16 characters of 5 bits, new for each process.
func testIDs(t *testing.T) {
	const processes = 5
	good := regexp.MustCompile(`^[A-Z2-7]{16}$`)
	seen := map[string]bool{}
	for range processes {
		n := start(t)
		assert.Equal(t, n.ID, ask(t, dial(t, n.Addr), "SELF").Value)
		assert.T(t, good.MatchString(n.ID), n.ID)
		assert.T(t, !seen[n.ID], n.ID)
		seen[n.ID] = true
	}
}

// testApplied: with a short pulse, applied is set again and again, each time
// to the rev before; and only applied is.
func testApplied(t *testing.T) {
	n := start(t, "-pulse", "0.01")
	c := dial(t, n.Addr)
	for rev := int64(9); rev <= 13; rev++ {
		a := ask(t, c, "WAIT path=/** rev=%d", rev)
		assert.Equal(t, "/ctl/node/"+n.ID+"/applied", a.Path)
		assert.Equal(t, rev, a.Rev)
		assert.Equal(t, strconv.FormatInt(rev-1, 10), a.Value)
	}
}
