package e2e

import (
	"fmt"
	"testing"
)

// guardRow says what becomes of a write with a guard. Each of the four targets
// is fresh: a missing file, a file of rev 9, a directory, and the root.
type guardRow struct {
	guard              string
	missing, file, dir string
}

const (
	passes   = "passes"
	mismatch = "REV_MISMATCH"
	isDir    = "ISDIR"
)

func testGuards(t *testing.T) {
	table := []guardRow{
		{guard: "1", missing: passes, file: mismatch, dir: isDir},
		{guard: "8", missing: passes, file: mismatch, dir: isDir},
		{guard: "9", missing: passes, file: passes, dir: isDir},
		{guard: "10", missing: passes, file: passes, dir: isDir},
		{guard: "0", missing: passes, file: mismatch, dir: isDir},
		{guard: "-1", missing: passes, file: passes, dir: isDir},
		{guard: "-2", missing: mismatch, file: mismatch, dir: isDir},
		{guard: "-3", missing: mismatch, file: mismatch, dir: mismatch},
		{guard: "-4294967296", missing: mismatch, file: mismatch, dir: mismatch},
		{guard: "-9223372036854775808", missing: mismatch, file: mismatch, dir: mismatch},
		{guard: "2147483647", missing: passes, file: passes, dir: isDir},
		{guard: "4611686018427387904", missing: passes, file: passes, dir: isDir},
		{guard: "9223372036854775807", missing: passes, file: passes, dir: isDir},
	}
	var rows []row
	for _, g := range table {
		for _, verb := range []string{"SET", "DEL"} {
			rows = append(rows, row{name: verb + " " + g.guard, talk: g.talk(verb)})
		}
	}
	converse(t, append(rows, []row{
		{name: "absent", talk: `
			> SET path=/a value=x
			< err=MISSING_ARG
			> DEL path=/ctl/name
			< err=MISSING_ARG
			> REV
			< rev=8
			> GET path=/a
			< rev=0 value=""`},
		{name: "in an answer", talk: `
			> STAT path=/none
			< rev=0 len=0
			> STAT path=/ctl
			< rev=-2 len=4
			> SET path=/a rev=0
			< rev=9
			> STAT path=/a
			< rev=9 len=0`},
	}...))
}

// talk tries one guard on every target with one verb.
func (g guardRow) talk(verb string) string {
	script := `
		> SET path=/f rev=0 value=x
		< rev=9
		> SET path=/d/x rev=0
		< rev=10`
	rev := 10
	try := func(path, outcome string) {
		rev++
		answer := "err=" + outcome
		switch {
		case outcome == passes && verb == "SET":
			answer = fmt.Sprintf("rev=%d", rev)
		case outcome == passes:
			answer = ""
		}
		script += fmt.Sprintf("\n> %s path=%s rev=%s value=y\n< %s", verb, path, g.guard, answer)
	}
	try("/new", g.missing)
	try("/no/where", g.missing)
	try("/f", g.file)
	try("/d", g.dir)
	try("/", g.dir)
	return script + fmt.Sprintf("\n> REV\n< rev=%d", rev)
}

func testReadRevs(t *testing.T) {
	const story = `
		> SET path=/d/a rev=0 value=one
		< rev=9
		> SET path=/d/b rev=0 value=two
		< rev=10
		> SET path=/d/a rev=9 value=three
		< rev=11
		> DEL path=/d/a rev=11
		<
		> DEL path=/d/b rev=10
		<`
	converse(t, []row{
		{name: "that rev", talk: story + `
			> GET path=/d/a rev=8
			< rev=0 value=""
			> GET path=/d/a rev=9
			< rev=9 value="one"
			> GET path=/d/a rev=10
			< rev=9 value="one"
			> GET path=/d/a rev=11
			< rev=11 value="three"
			> GET path=/d/a rev=12
			< rev=0 value=""
			> STAT path=/d rev=8
			< rev=0 len=0
			> STAT path=/d rev=9
			< rev=-2 len=1
			> STAT path=/d rev=11
			< rev=-2 len=2
			> STAT path=/d rev=12
			< rev=-2 len=1
			> STAT path=/d rev=13
			< rev=0 len=0
			> GETDIR path=/d offset=0 rev=12
			< path="b"
			> GETDIR path=/d offset=1 rev=12
			< err=RANGE
			> GETDIR path=/d offset=0 rev=13
			< err=NOENT
			> GET path=/d rev=12
			< err=ISDIR
			> WALK path=/d/* offset=1 rev=11
			< flags=4 rev=10 path="/d/b" value="two"
			> WALK path=/d/* offset=0 rev=11
			< flags=4 rev=11 path="/d/a" value="three"
			> WALK path=/d/* offset=0 rev=10
			< flags=4 rev=9 path="/d/a" value="one"
			> WALK path=/d/** offset=0 rev=13
			< err=RANGE
			> WALK path=/d/** offset=0
			< err=RANGE`},
		{name: "a rev of 0 and below is 1", talk: `
			> GET path=/ctl/name rev=0
			< rev=1 value="local"
			> GET path=/ctl/ns/local/$ID rev=0
			< rev=0 value=""
			> STAT path=/ctl rev=-1
			< rev=-2 len=1
			> GETDIR path=/ctl offset=0 rev=-2
			< path="name"
			> WALK path=/** offset=0 rev=-3
			< flags=4 rev=1 path="/ctl/name" value="local"
			> WALK path=/** offset=1 rev=-9223372036854775808
			< err=RANGE
			> WAIT path=/** rev=0
			< flags=4 rev=1 path="/ctl/name" value="local"
			> WAIT path=/** rev=-1
			< flags=4 rev=1 path="/ctl/name" value="local"
			> WAIT path=/** rev=-9223372036854775808
			< flags=4 rev=1 path="/ctl/name" value="local"`},
		{name: "a rev to come: exactly that version", talk: `
			> tag=1 GET path=/d/a rev=9
			> tag=2 GET path=/d/a rev=10
			> tag=3 STAT path=/d rev=11
			> tag=4 GETDIR path=/d offset=1 rev=12
			> tag=5 WALK path=/d/* offset=1 rev=13
			> REV
			< rev=8
			2> SET path=/d/a rev=0 value=one
			2< rev=9
			< tag=1 rev=9 value="one"
			2> SET path=/d/a rev=9 value=two
			2< rev=10
			< tag=2 rev=10 value="two"
			2> DEL path=/d/a rev=10
			2<
			< tag=3 rev=0 len=0
			2> SET path=/d/b rev=0
			2< rev=12
			2> SET path=/d/c rev=0 value=x
			2< rev=13
			2> SET path=/d/c rev=-1 value=y
			2< rev=14
			< tag=4 err=RANGE
			< tag=5 flags=4 rev=13 path="/d/c" value="x"`},
		{name: "a rev to come is reached by failures too", talk: `
			> tag=1 GET path=/ctl/err rev=9
			2> SET path=/ctl rev=0
			2< err=ISDIR
			< tag=1 rev=9 value="is a directory"`},
		{name: "a huge rev waits", talk: `
			> tag=1 GET path=/ctl/name rev=9223372036854775807
			> tag=2 WAIT path=/** rev=9223372036854775807
			> tag=3 STAT path=/ rev=4611686018427387904
			2> SET path=/a rev=0
			2< rev=9
			> tag=4 NOP
			< tag=4`},
		{name: "absent is now", talk: `
			> SET path=/a rev=0 value=x
			< rev=9
			> GET path=/a
			< rev=9 value="x"
			> SET path=/a rev=9 value=y
			< rev=10
			> GET path=/a
			< rev=10 value="y"
			> WALK path=/a offset=0
			< flags=4 rev=10 path="/a" value="y"`},
	})
}

func testDenseRevs(t *testing.T) {
	converse(t, []row{
		{name: "each mutation takes one", talk: `
			> SET path=/a rev=0 value=x
			< rev=9
			> SET path=/a rev=9 value=x
			< rev=10
			> DEL path=/missing rev=0
			<
			> REV
			< rev=11
			> DEL path=/no/where/at/all rev=-1
			<
			> REV
			< rev=12
			> SET path=/a rev=0
			< err=REV_MISMATCH
			> REV
			< rev=13
			> SET path=/ctl rev=0
			< err=ISDIR
			> REV
			< rev=14
			> SET path=/a/b rev=0
			< err=NOTDIR
			> REV
			< rev=15
			> DEL path=/a rev=1
			< err=REV_MISMATCH
			> DEL path=/ rev=-1
			< err=ISDIR
			> REV
			< rev=17
			> DEL path=/a rev=10
			<
			> SET path=/a rev=0
			< rev=19`},
		{name: "nothing else takes any", talk: `
			> NOP
			<
			> SET path=a rev=0
			< err=BAD_PATH
			> DEL path=/a/ rev=0
			< err=BAD_PATH
			> SET path=/a
			< err=MISSING_ARG
			> DEL path=/a
			< err=MISSING_ARG
			> SET path=/a rev=0 value=1048577*x
			< err=OTHER detail~"1048576"
			> GET path=/a
			< rev=0 value=""
			> STAT path=/
			< rev=-2 len=1
			> WALK path=/** offset=0
			< flags=4 rev=5 path="/ctl/cal/0" value="$ID"
			> GETDIR path=/ offset=0
			< path="ctl"
			> WAIT path=/ctl/name rev=1
			< flags=4 rev=1 path="/ctl/name" value="local"
			> SELF
			< value="$ID"
			> ACCESS
			<
			> ACCESS value=wrong
			< err=OTHER detail="permission denied"
			> CANCEL other=1
			<
			> verb=4
			< err=UNKNOWN_VERB
			> NOP
			<
			> REV
			< rev=8`},
		{name: "a refusal takes none", env: secrets("rw", ""), talk: `
			> SET path=/a rev=0
			< err=OTHER detail="permission denied"
			> DEL path=/a rev=0
			< err=OTHER detail="permission denied"
			> NOP
			< err=OTHER detail="permission denied"
			> REV
			< rev=8`},
		{name: "failures are told in /ctl/err", talk: `
			> GET path=/ctl/err
			< rev=0 value=""
			> SET path=/ctl/name rev=0
			< err=REV_MISMATCH
			> GET path=/ctl/err
			< rev=9 value="rev mismatch"
			> SET path=/ctl rev=0
			< err=ISDIR
			> GET path=/ctl/err
			< rev=10 value="is a directory"
			> SET path=/ctl/name/x rev=0
			< err=NOTDIR
			> GET path=/ctl/err
			< rev=11 value="not a directory"
			> GET path=/ctl/err rev=9
			< rev=9 value="rev mismatch"
			> DEL path=/ctl/err rev=11
			<
			> GET path=/ctl/err
			< rev=0 value=""
			> DEL path=/ctl rev=-1
			< err=ISDIR
			> GET path=/ctl/err
			< rev=13 value="is a directory"
			> SET path=/ctl/err rev=13 value=mine
			< rev=14
			> GET path=/ctl/err
			< rev=14 value="mine"`},
	})
}

func testHistory(t *testing.T) {
	hist := []string{"-hist", "3"}
	const story = `
		> SET path=/a rev=0 value=one
		< rev=9
		> SET path=/a rev=9 value=two
		< rev=10`
	converse(t, []row{
		{name: "the last revs are readable", flags: hist, talk: story + `
			> GET path=/a rev=8
			< rev=0 value=""
			> GET path=/a rev=9
			< rev=9 value="one"
			> GET path=/a rev=10
			< rev=10 value="two"
			> WAIT path=/a rev=8
			< flags=4 rev=9 path="/a" value="one"`},
		{name: "older ones are too late", flags: hist, talk: story + `
			> GET path=/a rev=7
			< err=TOO_LATE
			> STAT path=/a rev=7
			< err=TOO_LATE
			> GETDIR path=/ctl offset=0 rev=7
			< err=TOO_LATE
			> WALK path=/** offset=0 rev=7
			< err=TOO_LATE
			> WAIT path=/** rev=7
			< err=TOO_LATE
			> WAIT path=/nothing rev=7
			< err=TOO_LATE`},
		{name: "and so are revs of 0 and below", flags: hist, talk: `
			> GET path=/a rev=1
			< err=TOO_LATE
			> GET path=/a rev=0
			< err=TOO_LATE
			> STAT path=/a rev=-1
			< err=TOO_LATE
			> GETDIR path=/ctl offset=0 rev=-2
			< err=TOO_LATE
			> WALK path=/** offset=0 rev=-3
			< err=TOO_LATE
			> WAIT path=/** rev=0
			< err=TOO_LATE
			> WAIT path=/** rev=-9223372036854775808
			< err=TOO_LATE`},
		{name: "before NOENT and the like", flags: hist, talk: `
			> GETDIR path=/none offset=0 rev=1
			< err=TOO_LATE
			> GETDIR path=/ctl/name offset=0 rev=1
			< err=TOO_LATE
			> GETDIR path=/ctl offset=99 rev=1
			< err=TOO_LATE
			> GET path=/ctl rev=1
			< err=TOO_LATE`},
		{name: "history of one", flags: []string{"-hist", "1"}, talk: `
			> GET path=/ctl/name rev=8
			< rev=1 value="local"
			> GET path=/ctl/name rev=7
			< err=TOO_LATE
			> SET path=/a rev=0
			< rev=9
			> WAIT path=/** rev=9
			< flags=4 rev=9 path="/a" value=""
			> WAIT path=/** rev=8
			< err=TOO_LATE`},
		{name: "a wait under way never becomes too late", flags: hist, talk: `
			> tag=1 WAIT path=/z rev=6
			> tag=2 REV
			< tag=2 rev=8
			2> SET path=/a rev=-1
			2< rev=9
			2> SET path=/a rev=-1
			2< rev=10
			2> SET path=/a rev=-1
			2< rev=11
			2> SET path=/a rev=-1
			2< rev=12
			> tag=3 WAIT path=/z rev=9
			< tag=3 err=TOO_LATE
			2> SET path=/z rev=-1 value=x
			2< rev=13
			< tag=1 flags=4 rev=13 path="/z" value="x"`},
	})
}
