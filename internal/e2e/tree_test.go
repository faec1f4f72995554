package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/internal/e2e/raw"
)

func testTree(t *testing.T) {
	converse(t, []row{
		{name: "directories appear", talk: `
			> SET path=/x/y/z rev=0 value=v
			< rev=9
			> STAT path=/x
			< rev=-2 len=1
			> STAT path=/x/y
			< rev=-2 len=1
			> GETDIR path=/x offset=0
			< path="y"
			> GET path=/x/y
			< err=ISDIR`},
		{name: "empty directories vanish", talk: `
			> SET path=/x/y/z rev=0
			< rev=9
			> SET path=/x/f rev=0
			< rev=10
			> DEL path=/x/y/z rev=9
			<
			> STAT path=/x/y
			< rev=0 len=0
			> STAT path=/x
			< rev=-2 len=1
			> DEL path=/x/f rev=10
			<
			> STAT path=/x
			< rev=0 len=0
			> GETDIR path=/x offset=0
			< err=NOENT`},
		{name: "a vanished directory's name may be a file", talk: `
			> SET path=/x/y/z rev=0
			< rev=9
			> DEL path=/x/y/z rev=9
			<
			> SET path=/x rev=0 value=file
			< rev=11
			> GET path=/x
			< rev=11 value="file"
			> GET path=/x/y/z rev=9
			< rev=9 value=""`},
		{name: "a deleted file's name may be a directory", talk: `
			> SET path=/x rev=0
			< rev=9
			> DEL path=/x rev=9
			<
			> SET path=/x/y rev=0
			< rev=11
			> STAT path=/x
			< rev=-2 len=1`},
		{name: "all may be deleted", talk: `
			> DEL path=/ctl/name rev=-1
			<
			> DEL path=/ctl/node/$ID/hostname rev=-1
			<
			> DEL path=/ctl/node/$ID/version rev=-1
			<
			> DEL path=/ctl/ns/local/$ID rev=-1
			<
			> DEL path=/ctl/node/$ID/writable rev=-1
			<
			> WAIT path=/ctl/name rev=9
			< flags=8 rev=9 path="/ctl/name" value=""
			# the node writes its own again`},
		{name: "write to a directory or the root", talk: `
			> SET path=/ctl rev=-1 value=x
			< err=ISDIR
			> DEL path=/ctl rev=-1
			< err=ISDIR
			> SET path=/ rev=-1 value=x
			< err=ISDIR
			> DEL path=/ rev=-1
			< err=ISDIR
			> SET path=/ rev=-3
			< err=REV_MISMATCH
			> DEL path=/ctl rev=-3
			< err=REV_MISMATCH`},
		{name: "SET below a file, however deep", talk: `
			> SET path=/f rev=0 value=x
			< rev=9
			> SET path=/f/a rev=0
			< err=NOTDIR
			> SET path=/f/a/b/c/d/e rev=-1
			< err=NOTDIR
			> SET path=/f/a rev=-9
			< err=NOTDIR
			> GET path=/f
			< rev=9 value="x"`},
		{name: "DEL below a file ✱", talk: `
			> SET path=/f rev=0 value=x
			< rev=9
			> DEL path=/f/a rev=-1
			< err=NOTDIR
			> DEL path=/f/a/b rev=0
			< err=NOTDIR
			> GET path=/f
			< rev=9 value="x"`},
		{name: "DEL of a missing file", talk: `
			> DEL path=/none rev=0
			<
			> DEL path=/none rev=-1
			<
			> DEL path=/none rev=7
			<
			> DEL path=/no/where rev=9223372036854775807
			<
			> STAT path=/no
			< rev=0 len=0
			> WAIT path=/none rev=9
			< flags=8 rev=9 path="/none" value=""
			> WAIT path=/no/** rev=9
			< flags=8 rev=12 path="/no/where" value=""`},
		{name: "DEL of a missing file with a guard below -1", talk: `
			> DEL path=/none rev=-2
			< err=REV_MISMATCH
			> DEL path=/none rev=-3
			< err=REV_MISMATCH`},
		{name: "values come back as they went in", talk: `
			> SET path=/a rev=0 value="\x00"
			< rev=9
			> GET path=/a
			< rev=9 value="\x00"
			> SET path=/a rev=-1 value=1048576*x
			< rev=10
			> GET path=/a
			< rev=10 value=1048576*x
			> SET path=/a rev=-1 value=2990*y
			< rev=11
			> STAT path=/a
			< rev=11 len=2990
			> WAIT path=/a rev=10
			< flags=4 rev=10 path="/a" value=1048576*x`},
		{name: "below ctl err before it exists ✱", talk: `
			> SET path=/ctl/err/x rev=0
			< err=NOTDIR
			> GET path=/ctl/err
			< rev=9 value="not a directory"
			> DEL path=/ctl/err rev=9
			<
			> DEL path=/ctl/err/x rev=-1
			< err=NOTDIR
			> SET path=/ctl/err/x/y rev=-1
			< err=NOTDIR
			> STAT path=/ctl/err
			< rev=12 len=15`},
		{name: "names are not normalised", talk: `
			> SET path=/a/../b rev=0 value=x
			< rev=9
			> GET path=/b
			< rev=0 value=""
			> GETDIR path=/a offset=0
			< path=".."
			> SET path=/a/. rev=0
			< rev=10
			> GETDIR path=/a offset=0
			< path="."
			> SET path=/A rev=0
			< rev=11
			> STAT path=/a
			< rev=-2 len=2`},
	})
}

// testOrder puts files in every which way and lists them.
func testOrder(t *testing.T) {
	n := start(t)
	c := dial(t, n.Addr)
	t.Run("GETDIR: names in byte order", func(t *testing.T) {
		want := "-x .x 10 9 B a a-b a.b ab b"
		for _, name := range strings.Fields("ab b a.b 10 .x a B a-b 9 -x") {
			ask(t, c, "SET path=/names/%s rev=0", name)
		}
		assert.Equal(t, want, strings.Join(list(t, c, "/names"), " "))
	})
	t.Run("GETDIR: files and directories alike", func(t *testing.T) {
		for _, name := range strings.Fields("b/x a.b a/x a-b/x") {
			ask(t, c, "SET path=/mixed/%s rev=0", name)
		}
		assert.Equal(t, "a a-b a.b b", strings.Join(list(t, c, "/mixed"), " "))
	})
	t.Run("WALK: component by component", func(t *testing.T) {
		want := "/t/a/x /t/a/y/z /t/a-b /t/a.b /t/ab /t/b"
		files := strings.Fields(want)
		for _, f := range slices.Backward(files) {
			ask(t, c, "SET path=%s rev=0", f)
		}
		assert.Equal(t, want, strings.Join(walk(t, c, "/t/**"), " "))
		assert.Equal(t, "/t/a-b /t/a.b /t/ab /t/b", strings.Join(walk(t, c, "/t/*"), " "))
		assert.Equal(t, "/t/a/x /t/a/y/z /t/a-b /t/a.b /t/ab", strings.Join(walk(t, c, "/t/a**"), " "))
	})
	t.Run("WALK: a literal path", func(t *testing.T) {
		assert.Equal(t, []string{"/t/a/y/z"}, walk(t, c, "/t/a/y/z"))
		assert.Equal(t, []string(nil), walk(t, c, "/t/a"))
		assert.Equal(t, []string(nil), walk(t, c, "/t/none"))
	})
	t.Run("offsets from 0 to the count", func(t *testing.T) {
		for _, request := range []string{"GETDIR path=/t", "WALK path=/t/**"} {
			for _, offset := range []int{-1, -1 << 31, 6, 7, 1<<31 - 1} {
				assert.Equal(t, "err=RANGE", call(t, c, "%s offset=%d", request, offset), request, offset)
			}
		}
	})
}

// list reads a directory by counting offsets until RANGE.
func list(t *testing.T, c *raw.Conn, dir string) []string {
	t.Helper()
	var names []string
	for {
		a := ask(t, c, "GETDIR path=%s offset=%d", dir, len(names))
		if a.Err != 0 {
			assert.Equal(t, codeRange, a.Err)
			return names
		}
		names = append(names, a.Path)
	}
}
