package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

func testFraming(t *testing.T) {
	converse(t, []row{
		{name: "size 0", talk: `
			> hex 00000000
			< err=UNKNOWN_VERB
			> REV
			< rev=8`},
		{name: "sizes 0 in a row", talk: `
			> hex 00000000 00000000 00000000
			< err=UNKNOWN_VERB
			< err=UNKNOWN_VERB
			< err=UNKNOWN_VERB`},
		{name: "top bit set ✱", talk: `
			> hex 80000000
			< closed
			2> REV
			2< rev=8`},
		{name: "all bits set ✱", talk: `
			> hex ffffffff
			< closed
			2> REV
			2< rev=8`},
		{name: "2^31-1 ✱", talk: `
			> hex 7fffffff
			< closed`},
		{name: "above 64 MiB ✱", talk: `
			> hex 04000001
			< closed`},
		{name: "64 MiB waits for the rest", talk: `
			> hex 04000000 0801
			2> REV
			2< rev=8
			> hangup`},
		{name: "an answer is not held up by the illegal size after it ✱", talk: `
			> REV
			< rev=8
			> hex 80000000
			< closed`},
		{name: "bad varint", talk: `
			2> REV
			> hex 0000000c 08 ffffffffffffffffffffff
			< closed
			2< rev=8
			2> REV
			2< rev=8`},
		{name: "varint cut short", talk: `
			> hex 00000002 08ff
			< closed`},
		{name: "field number 0", talk: `
			> hex 00000004 1005 0001
			< closed`},
		{name: "field number 0 with bytes", talk: `
			> hex 00000004 1005 0200
			< closed`},
		{name: "wire type 3 without an end", talk: `
			> hex 00000003 1005 1b
			< closed`},
		{name: "wire type 4", talk: `
			> hex 00000003 1005 1c
			< closed`},
		{name: "wire type 6", talk: `
			> hex 00000004 1005 1e00
			< closed`},
		{name: "wire type 7", talk: `
			> hex 00000004 1005 1f00
			< closed`},
		{name: "wire types 6 and 7 of known fields", talk: `
			> hex 00000004 1005 2600
			< closed
			2> hex 00000004 1005 2700
			2< closed`},
		{name: "length beyond the frame", talk: `
			> hex 00000004 1005 2205
			< closed`},
		{name: "length of 2^63", talk: `
			> hex 0000000d 1005 22 80808080808080808001
			< closed`},
		{name: "length beyond the frame in an unknown field", talk: `
			> hex 00000004 1005 1a05
			< closed`},
		{name: "undecodable: others do not notice", talk: `
			2> tag=7 WAIT path=/a rev=9
			> hex 00000004 1005 1f00
			< closed
			3> SET path=/a rev=0 value=x
			3< rev=9
			2< tag=7 flags=4 rev=9 path="/a" value="x"`},
		{name: "truncated size", talk: `
			> hex 0000
			2> REV
			2< rev=8
			> hex 0002 1005
			< rev=8`},
		{name: "truncated body", talk: `
			> hex 00000004 08
			2> REV
			2< rev=8
			> hex 01
			2> REV
			2< rev=8
			> hex 1005
			< tag=1 rev=8`},
		{name: "truncated, then hung up", talk: `
			> hex 000000ff 0801
			> hangup
			2> REV
			2< rev=8`},
		{name: "two frames in one write", talk: `
			> hex 00000004 0801 1005 00000004 0802 1006
			< tag=1 rev=8
			< tag=2 err=MISSING_ARG`},
		{name: "unknown fields of each wire type", talk: `
			> #3:varint=5 #8:bytes=x #10:fixed32=1 #100:fixed64=1 #2047:group= tag=1 verb=5 #536870911:bytes=1000*y
			< tag=1 rev=8`},
		{name: "unknown group with fields inside", talk: `
			> tag=1 #50:group="\x08\x05\x12\x00" verb=5
			< tag=1 rev=8`},
		{name: "tag of another wire type is no tag", talk: `
			> #1:bytes=x verb=5
			< rev=8`},
		{name: "verb of another wire type is no verb", talk: `
			> tag=1 #2:fixed32=5
			< tag=1 err=UNKNOWN_VERB`},
		{name: "path of another wire type is no path", talk: `
			> tag=1 GET #4:varint=5
			< tag=1 err=MISSING_ARG`},
		{name: "value of another wire type is no value", talk: `
			> SET path=/a rev=0 #5:fixed64=5
			< rev=9
			> GET path=/a
			< rev=9 value=""`},
		{name: "rev of another wire type is no rev", talk: `
			> SET path=/a #9:bytes=x value=x
			< err=MISSING_ARG`},
		{name: "offset of another wire type is no offset", talk: `
			> GETDIR path=/ctl #7:fixed32=0
			< err=MISSING_ARG`},
		{name: "other_tag of another wire type is no other_tag ✱", talk: `
			> CANCEL #6:group=
			< err=MISSING_ARG`},
		{name: "repeated fields", talk: `
			> tag=1 tag=2 verb=6 verb=2 path=/z path=/a rev=5 rev=0 value=x value=y
			< tag=2 rev=9
			> GET path=/a
			< rev=9 value="y"
			> GET path=/z
			< rev=0 value=""`},
		{name: "repeated with another wire type between", talk: `
			> tag=1 verb=5 #1:bytes=x #2:fixed64=1
			< tag=1 rev=8`},
		{name: "fields in reverse", talk: `
			> rev=0 value=x path=/a verb=2 tag=3
			< tag=3 rev=9`},
		{name: "int32: low 32 bits of an offset", talk: `
			> SET path=/d/a rev=0
			< rev=9
			> SET path=/d/b rev=0
			< rev=10
			> GETDIR path=/d #7:varint=4294967297
			< path="b"`},
		{name: "int32: negative in 10 bytes", talk: `
			> tag=-5 REV
			< tag=-5 rev=8`},
		{name: "int32: negative in 5 bytes", talk: `
			> #1:varint=4294967291 REV
			< tag=-5 rev=8`},
		{name: "int32: low 32 bits of a tag", talk: `
			> #1:varint=4294967303 REV
			< tag=7 rev=8`},
		{name: "enum: low 32 bits of a verb", talk: `
			> tag=1 #2:varint=4294967301
			< tag=1 rev=8`},
		{name: "int32: negative offset in 5 bytes", talk: `
			> GETDIR path=/ctl #7:varint=4294967295
			< err=RANGE`},
		{name: "int64: rev in full", talk: `
			> SET path=/a rev=4294967296
			< rev=9
			> SET path=/a rev=4294967297
			< rev=10
			> DEL path=/a rev=-4294967286
			< err=REV_MISMATCH`},
		{name: "varint longer than need be", talk: `
			> hex 00000006 088100 108500
			< tag=1 rev=8`},
		{name: "strings are not checked for UTF-8", talk: `
			> tag=1 GET path="/\xff\xfe"
			< tag=1 err=BAD_PATH
			> tag=2 SET path="/\xc3" rev=0 value=x
			< tag=2 err=BAD_PATH
			> tag=3 WALK path="/\xff" offset=0
			< tag=3 err=OTHER detail="invalid glob pattern: /\xff"`},
		{name: "values are any bytes", talk: `
			> SET path=/a rev=0 value="\x00\xff\n\x80 é"
			< rev=9
			> GET path=/a
			< rev=9 value="\x00\xff\n\x80 é"`},
		{name: "a wait holds up nothing", talk: `
			> tag=1 WAIT path=/a rev=9
			> tag=2 REV
			< tag=2 rev=8
			> tag=3 GET path=/a rev=10
			> tag=4 SELF
			< tag=4 value="$ID"
			2> SET path=/a rev=0 value=x
			2< rev=9
			< tag=1 flags=4 rev=9 path="/a" value="x"
			2> SET path=/a rev=9 value=y
			2< rev=10
			< tag=3 rev=10 value="y"`},
	})
}

func testUnknownVerbs(t *testing.T) {
	numbers := []int{0, 4, 8, 11, 12, 13, 15, 17, 18, 19, 100, 127, 128, 1 << 20, 1<<31 - 1, -1, -99, -1 << 31}
	for n := 21; n <= 98; n++ {
		numbers = append(numbers, n)
	}
	var script strings.Builder
	for _, n := range numbers {
		fmt.Fprintf(&script, "> tag=%d verb=%d path=/a rev=0 offset=0 other=0\n< tag=%d err=UNKNOWN_VERB\n", n, n, n)
	}
	script.WriteString("> tag=1\n< tag=1 err=UNKNOWN_VERB\n> REV\n< rev=8")
	converse(t, []row{
		{name: "with access", talk: script.String()},
		{name: "without access", env: secrets("rw", "ro"), talk: script.String()},
	})
}

func testVerbs(t *testing.T) {
	guarded := secrets("rw", "ro")
	converse(t, []row{
		{name: "GET/needs in order", env: guarded, flags: []string{"-hist", "2"}, talk: `
			> GET
			< err=OTHER detail="permission denied"
			> ACCESS value=ro
			<
			> GET
			< err=MISSING_ARG
			> GET rev=1
			< err=MISSING_ARG
			> GET path=/a_b rev=1
			< err=BAD_PATH
			> GET path=/ctl rev=1
			< err=TOO_LATE
			> GET path=/ctl
			< err=ISDIR`},
		{name: "GET/answers", talk: `
			> GET path=/a
			< rev=0 value=""
			> SET path=/a rev=0 value=hello
			< rev=9
			> SET path=/b rev=0 value=
			< rev=10
			> GET path=/a
			< rev=9 value="hello"
			> GET path=/b
			< rev=10 value=""
			> GET path=/
			< err=ISDIR
			> GET path=/a/b/c
			< rev=0 value=""
			> GET path=/no/where
			< rev=0 value=""`},
		{name: "GET/bad path ✱", talk: `
			> GET path=
			< err=BAD_PATH
			> GET path=xctl
			< err=BAD_PATH
			> GET path=/ctl/
			< err=BAD_PATH`},
		{name: "SET/needs in order", env: guarded, talk: `
			> SET
			< err=OTHER detail="permission denied"
			> ACCESS value=ro
			<
			> SET path=/a rev=0
			< err=OTHER detail="permission denied"
			> ACCESS value=rw
			<
			> SET
			< err=MISSING_ARG
			> SET path=/a
			< err=MISSING_ARG
			> SET rev=0
			< err=MISSING_ARG
			> SET path=/a_b
			< err=MISSING_ARG
			> SET path=/a_b rev=0 value=1048577*x
			< err=BAD_PATH
			> SET path=/ctl/name/x rev=0 value=1048577*x
			< err=OTHER detail~"1048576"
			> REV
			< rev=8`},
		{name: "SET/errors in order", talk: `
			> SET path=/f rev=0
			< rev=9
			> SET path=/d/x rev=0
			< rev=10
			> SET path=/f/x rev=-3
			< err=NOTDIR
			> SET path=/f/x/y rev=0
			< err=NOTDIR
			> SET path=/d rev=-3
			< err=REV_MISMATCH
			> SET path=/d rev=0
			< err=ISDIR
			> SET path=/f rev=0
			< err=REV_MISMATCH
			> REV
			< rev=15`},
		{name: "SET/without a value", talk: `
			> SET path=/a rev=0
			< rev=9
			> GET path=/a
			< rev=9 value=""
			> SET path=/a rev=9 value=x
			< rev=10
			> SET path=/a rev=10
			< rev=11
			> GET path=/a
			< rev=11 value=""`},
		{name: "DEL/needs in order", env: guarded, talk: `
			> DEL
			< err=OTHER detail="permission denied"
			> ACCESS value=ro
			<
			> DEL path=/a rev=-1
			< err=OTHER detail="permission denied"
			> ACCESS value=rw
			<
			> DEL
			< err=MISSING_ARG
			> DEL path=/a
			< err=MISSING_ARG
			> DEL path=/a_b
			< err=MISSING_ARG
			> DEL rev=0
			< err=MISSING_ARG
			> DEL path=/a_b rev=0
			< err=BAD_PATH
			> REV
			< rev=8`},
		{name: "DEL/errors in order", talk: `
			> SET path=/f rev=0
			< rev=9
			> SET path=/d/x rev=0
			< rev=10
			> DEL path=/d rev=-3
			< err=REV_MISMATCH
			> DEL path=/d rev=-2
			< err=ISDIR
			> DEL path=/f rev=8
			< err=REV_MISMATCH
			> DEL path=/f rev=9
			<
			> REV
			< rev=14`},
		{name: "DEL/below a file ✱", talk: `
			> SET path=/f rev=0
			< rev=9
			> DEL path=/f/x rev=-3
			< err=NOTDIR
			> DEL path=/f/x/y rev=-1
			< err=NOTDIR
			> GET path=/f
			< rev=9 value=""
			> GET path=/ctl/err
			< rev=11 value="not a directory"`},
		{name: "REV/needs nothing", env: guarded, talk: `
			> REV
			< rev=8
			> tag=1 REV path=a_b rev=-7 offset=-1 value=x other=5
			< tag=1 rev=8`},
		{name: "WAIT/needs in order", env: guarded, flags: []string{"-hist", "2"}, talk: `
			> WAIT
			< err=OTHER detail="permission denied"
			> ACCESS value=ro
			<
			> WAIT
			< err=MISSING_ARG
			> WAIT path=/a
			< err=MISSING_ARG
			> WAIT path=/a_b
			< err=MISSING_ARG
			> WAIT rev=1
			< err=MISSING_ARG
			> WAIT path=/a_b rev=1
			< err=OTHER detail="invalid glob pattern: /a_b"
			> WAIT path=/** rev=1
			< err=TOO_LATE
			> tag=1 WAIT path=/nothing rev=7
			> tag=2 CANCEL other=1
			< tag=1 err=OTHER detail="cancelled"
			< tag=2`},
		{name: "NOP/needs in order", env: guarded, talk: `
			> NOP
			< err=OTHER detail="permission denied"
			> ACCESS value=ro
			<
			> NOP
			< err=OTHER detail="permission denied"
			> ACCESS value=rw
			<
			> NOP
			<
			> tag=5 NOP path=a_b rev=-7 offset=-1 value=x other=5
			< tag=5`},
		{name: "NOP/consumes no rev ✱", talk: `
			> NOP
			<
			> NOP
			<
			> REV
			< rev=8`},
		{name: "NOP/is a barrier ✱", talk: `
			2> SET path=/a rev=0 value=x
			2< rev=9
			> NOP
			<
			> GET path=/a
			< rev=9 value="x"`},
		{name: "WALK/needs in order", env: guarded, flags: []string{"-hist", "2"}, talk: `
			> WALK
			< err=OTHER detail="permission denied"
			> ACCESS value=ro
			<
			> WALK
			< err=MISSING_ARG
			> WALK path=/a_b
			< err=MISSING_ARG
			> WALK offset=0
			< err=MISSING_ARG
			> WALK path=/a_b offset=-1
			< err=OTHER detail="invalid glob pattern: /a_b"
			> WALK path=/** offset=-1 rev=1
			< err=RANGE
			> WALK path=/** offset=0 rev=1
			< err=TOO_LATE
			> WALK path=/** offset=8
			< err=RANGE`},
		{name: "WALK/answers", talk: `
			> SET path=/w/a rev=0 value=x
			< rev=9
			> SET path=/w/b rev=0 value=
			< rev=10
			> WALK path=/w/* offset=0
			< flags=4 rev=9 path="/w/a" value="x"
			> WALK path=/w/* offset=1
			< flags=4 rev=10 path="/w/b" value=""
			> WALK path=/w/* offset=2
			< err=RANGE
			> WALK path=/w/* offset=1 rev=9
			< err=RANGE
			> WALK path=/nothing/** offset=0
			< err=RANGE`},
		{name: "GETDIR/needs in order", env: guarded, flags: []string{"-hist", "2"}, talk: `
			> GETDIR
			< err=OTHER detail="permission denied"
			> ACCESS value=ro
			<
			> GETDIR
			< err=MISSING_ARG
			> GETDIR path=/a_b
			< err=MISSING_ARG
			> GETDIR offset=0
			< err=MISSING_ARG
			> GETDIR path=/missing offset=-1 rev=1
			< err=TOO_LATE
			> GETDIR path=/missing offset=-1
			< err=NOENT
			> GETDIR path=/ctl/name offset=-1
			< err=NOTDIR
			> GETDIR path=/ctl offset=-1
			< err=RANGE
			> GETDIR path=/ctl offset=4
			< err=RANGE
			> GETDIR path=/ctl offset=0
			< path="cal"
			> GETDIR path=/ctl/name/x offset=0
			< err=NOENT
			> GETDIR path=/ offset=0
			< path="ctl"`},
		{name: "GETDIR/bad path ✱", talk: `
			> GETDIR path= offset=0
			< err=BAD_PATH
			> GETDIR path=ctl offset=-1
			< err=BAD_PATH
			> GETDIR path=/ctl/ offset=0
			< err=BAD_PATH`},
		{name: "STAT/needs in order ✱", env: guarded, flags: []string{"-hist", "2"}, talk: `
			> STAT
			< err=OTHER detail="permission denied"
			> ACCESS value=ro
			<
			> STAT
			< err=MISSING_ARG
			> STAT rev=1
			< err=MISSING_ARG
			> STAT path=xctl rev=1
			< err=BAD_PATH
			> STAT path=/ctl rev=1
			< err=TOO_LATE
			> STAT path=/ctl
			< rev=-2 len=4`},
		{name: "STAT/answers", talk: `
			> SET path=/a rev=0 value=hello
			< rev=9
			> SET path=/b rev=0
			< rev=10
			> STAT path=/a
			< rev=9 len=5
			> STAT path=/b
			< rev=10 len=0
			> STAT path=/
			< rev=-2 len=3
			> STAT path=/none
			< rev=0 len=0
			> STAT path=/a/b
			< rev=0 len=0
			> STAT path=/b rev=9
			< rev=0 len=0
			> STAT path=/ rev=9
			< rev=-2 len=2`},
		{name: "SELF/needs nothing", env: guarded, talk: `
			> SELF
			< value="$ID"
			> tag=1 SELF path=a_b rev=-7 offset=-1 value=x
			< tag=1 value="$ID"`},
		{name: "ACCESS/needs nothing", env: guarded, talk: `
			> ACCESS
			< err=OTHER detail="permission denied"
			> tag=2 ACCESS value=wrong path=/a rev=1
			< tag=2 err=OTHER detail="permission denied"
			> ACCESS value=rw path=a_b rev=-7 offset=-1 other=3
			<`},
		{name: "arguments that a verb does not use are ignored", talk: `
			> GET path=/a value=x offset=-1 other=-1
			< rev=0 value=""
			> SET path=/a rev=0 value=x offset=-1 other=-1
			< rev=9
			> STAT path=/a value=x offset=-1 other=-1
			< rev=9 len=1
			> GETDIR path=/ctl offset=0 value=x other=1
			< path="cal"
			> WALK path=/a offset=0 value=y other=1
			< flags=4 rev=9 path="/a" value="x"
			> WAIT path=/a rev=1 offset=-9 value=y other=1
			< flags=4 rev=9 path="/a" value="x"
			> DEL path=/a rev=9 offset=-1 value=y other=1
			<
			> CANCEL other=3 path=a_b rev=-1 offset=-1 value=y
			<`},
		{name: "errors have tag and code and no other field", talk: `
			> tag=1 GET path=/ctl
			< tag=1 err=ISDIR
			> tag=2 SET path=/ctl/name rev=0 value=x
			< tag=2 err=REV_MISMATCH
			> tag=3 WAIT path=a rev=1
			< tag=3 err=OTHER detail="invalid glob pattern: a"`},
		{name: "a write is seen by requests sent after its answer", talk: `
			> SET path=/a rev=0 value=x
			< rev=9
			> GET path=/a
			< rev=9 value="x"
			> REV
			< rev=9
			> DEL path=/a rev=9
			<
			> STAT path=/a
			< rev=0 len=0
			> REV
			< rev=10`},
	})
}

func testCancel(t *testing.T) {
	converse(t, []row{
		{name: "needs other_tag ✱", env: secrets("rw", "ro"), talk: `
			> CANCEL
			< err=MISSING_ARG
			> tag=1 CANCEL other=2
			< tag=1`},
		{name: "a wait ✱", talk: `
			> tag=1 WAIT path=/x rev=9
			> tag=2 CANCEL other=1
			< tag=1 err=OTHER detail="cancelled"
			< tag=2
			> SET path=/x rev=0
			< rev=9
			> REV
			< rev=9`},
		{name: "a read at a rev to come ✱", talk: `
			> tag=1 GET path=/x rev=100
			> tag=2 CANCEL other=1
			< tag=1 err=OTHER detail="cancelled"
			< tag=2
			> tag=3 STAT path=/x rev=9223372036854775807
			> tag=2 CANCEL other=3
			< tag=3 err=OTHER detail="cancelled"
			< tag=2
			> tag=4 GETDIR path=/x offset=0 rev=100
			> tag=2 CANCEL other=4
			< tag=4 err=OTHER detail="cancelled"
			< tag=2
			> tag=5 WALK path=/x offset=0 rev=100
			> tag=2 CANCEL other=5
			< tag=5 err=OTHER detail="cancelled"
			< tag=2`},
		{name: "what has happened is found first ✱", talk: `
			> SET path=/a rev=0 value=x
			< rev=9
			> tag=1 WAIT path=/* rev=9
			> tag=2 CANCEL other=1
			< tag=1 flags=4 rev=9 path="/a" value="x"
			< tag=2`},
		{name: "nothing waits ✱", talk: `
			> tag=2 CANCEL other=77
			< tag=2`},
		{name: "after its answer ✱", talk: `
			> tag=1 WAIT path=/ctl/name rev=1
			< tag=1 flags=4 rev=1 path="/ctl/name" value="local"
			> tag=2 CANCEL other=1
			< tag=2`},
		{name: "all that carry the tag ✱", talk: `
			> tag=1 WAIT path=/x rev=9
			> tag=1 WAIT path=/x rev=9
			> tag=1 WAIT path=/x rev=9
			> tag=2 CANCEL other=1
			< tag=1 err=OTHER detail="cancelled"
			< tag=1 err=OTHER detail="cancelled"
			< tag=1 err=OTHER detail="cancelled"
			< tag=2`},
		{name: "no other tag ✱", talk: `
			> tag=1 WAIT path=/x rev=9
			> tag=2 WAIT path=/x rev=9
			> WAIT path=/x rev=10
			> tag=3 CANCEL other=1
			< tag=1 err=OTHER detail="cancelled"
			< tag=3
			2> SET path=/x rev=0 value=a
			2< rev=9
			< tag=2 flags=4 rev=9 path="/x" value="a"
			2> SET path=/x rev=9 value=b
			2< rev=10
			< flags=4 rev=10 path="/x" value="b"`},
		{name: "no other connection's ✱", talk: `
			> tag=1 WAIT path=/x rev=9
			> REV
			< rev=8
			2> tag=2 CANCEL other=1
			2< tag=2
			2> SET path=/x rev=0 value=a
			2< rev=9
			< tag=1 flags=4 rev=9 path="/x" value="a"`},
		{name: "tags 0, negative and extreme ✱", talk: `
			> tag=0 WAIT path=/x rev=9
			> tag=0 CANCEL other=0
			< tag=0 err=OTHER detail="cancelled"
			< tag=0
			> tag=-1 WAIT path=/x rev=9
			> tag=5 CANCEL other=-1
			< tag=-1 err=OTHER detail="cancelled"
			< tag=5
			> tag=-2147483648 WAIT path=/x rev=9
			> CANCEL other=-2147483648
			< tag=-2147483648 err=OTHER detail="cancelled"
			<`},
		{name: "no tag is not tag 0 ✱", talk: `
			> WAIT path=/x rev=9
			> tag=1 CANCEL other=0
			< tag=1
			2> SET path=/x rev=0 value=a
			2< rev=9
			< flags=4 rev=9 path="/x" value="a"`},
		{name: "a write goes on ✱", talk: `
			> tag=1 SET path=/x rev=0 value=a
			< tag=1 rev=9
			> tag=2 CANCEL other=1
			< tag=2
			> GET path=/x
			< rev=9 value="a"`},
	})
}

func testTags(t *testing.T) {
	converse(t, []row{
		{name: "echoed exactly", talk: `
			> tag=0 REV
			< tag=0 rev=8
			> tag=1 REV
			< tag=1 rev=8
			> tag=-1 REV
			< tag=-1 rev=8
			> tag=2147483647 REV
			< tag=2147483647 rev=8
			> tag=-2147483648 REV
			< tag=-2147483648 rev=8
			> tag=127 REV
			< tag=127 rev=8
			> tag=128 REV
			< tag=128 rev=8`},
		{name: "absent in, absent out", talk: `
			> REV
			< rev=8
			> GET
			< err=MISSING_ARG
			> WAIT path=/a rev=9
			2> SET path=/a rev=0 value=x
			2< rev=9
			< flags=4 rev=9 path="/a" value="x"
			> NOP
			<
			> DEL path=/a rev=9
			<`},
		{name: "in every error", talk: `
			> tag=0 GET
			< tag=0 err=MISSING_ARG
			> tag=-7 verb=4
			< tag=-7 err=UNKNOWN_VERB
			> tag=3 SET path=/ctl rev=-1
			< tag=3 err=ISDIR
			> tag=0 SET path=a rev=0
			< tag=0 err=BAD_PATH
			> tag=0 SET path=/a rev=0 value=1048577*x
			< tag=0 err=OTHER detail~"1048576"`},
		{name: "served again while in use", talk: `
			> tag=0 WAIT path=/a rev=9
			> tag=0 WAIT path=/b rev=9
			> tag=0 REV
			< tag=0 rev=8
			> tag=0 GET path=/ctl/name
			< tag=0 rev=1 value="local"
			2> SET path=/b rev=0 value=x
			2< rev=9
			< tag=0 flags=4 rev=9 path="/b" value="x"
			2> SET path=/a rev=0 value=y
			2< rev=10
			< tag=0 flags=4 rev=10 path="/a" value="y"`},
	})
}

// testOneWritePerReply reads as simple clients do: a reply, or the last of
// several that shared a write, is there as a whole as soon as its size is.
func testOneWritePerReply(t *testing.T) {
	n := start(t)
	t.Run("one at a time", func(t *testing.T) {
		c := dial(t, n.Addr)
		for size := 1; size <= 16<<10; size *= 2 {
			assert.Equal(t, nil, c.Send(fmt.Sprintf("SET path=/one/s%d rev=-1 value=%d*x", size, size)))
			_, err := c.RecvByTwoReads()
			assert.Equal(t, nil, err)
			assert.Equal(t, nil, c.Send(fmt.Sprintf("GET path=/one/s%d", size)))
			_, err = c.RecvByTwoReads()
			assert.Equal(t, nil, err)
		}
	})
	t.Run("pipelined", func(t *testing.T) {
		const together, rounds = 16, 200
		c := dial(t, n.Addr)
		assert.Equal(t, "", call(t, c, "DEL path=/many rev=-1"))
		call(t, c, "SET path=/many rev=-1 value=700*x")
		gets := slices.Repeat([]string{"tag=1 GET path=/many"}, together)
		for range rounds {
			assert.Equal(t, nil, c.Send(gets...))
			for range together {
				_, err := c.RecvByTwoReads()
				assert.Equal(t, nil, err)
			}
		}
	})
}

func testEndOfConnection(t *testing.T) {
	converse(t, []row{
		{name: "what it has proposed is still decided", talk: `
			> SET path=/a rev=0 value=x
			> hangup
			2> WAIT path=/a rev=9
			2< flags=4 rev=9 path="/a" value="x"`},
		{name: "its waits end with it ✱", talk: `
			> tag=1 WAIT path=/a rev=9
			> hangup
			2> SET path=/a rev=0 value=x
			2< rev=9`},
		{name: "others go on", talk: `
			> tag=1 WAIT path=/a rev=9
			2> tag=1 WAIT path=/a rev=9
			2> hangup
			3> SET path=/a rev=0 value=x
			3< rev=9
			< tag=1 flags=4 rev=9 path="/a" value="x"`},
	})
}
