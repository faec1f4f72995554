package server

import (
	"math"
	"strings"
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/internal/wire"
)

// Shorter names for tables.
const (
	GET, SET, DEL, REV = wire.Request_GET, wire.Request_SET, wire.Request_DEL, wire.Request_REV
	WAIT, NOP, WALK    = wire.Request_WAIT, wire.Request_NOP, wire.Request_WALK
	CANCEL, GETDIR     = wire.Request_CANCEL, wire.Request_GETDIR
	STAT, SELF, ACCESS = wire.Request_STAT, wire.Request_SELF, wire.Request_ACCESS
)

// plant gives the node a small tree: rev 1 /f, 2 /e (empty), 3 /d/x, 4 /d/y,
// 5 /g, 6 without /g.
func plant(n *fakeNode) {
	n.set("/f", "body")
	n.set("/e", "")
	n.set("/d/x", "1")
	n.set("/d/y", "2")
	n.set("/g", "gone")
	n.del("/g")
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name string
		req  *wire.Request
		want *wire.Response
	}{
		{"get", req(GET, withPath("/f")), &wire.Response{Rev: ptr[int64](1), Value: []byte("body")}},
		{"get empty", req(GET, withPath("/e")), &wire.Response{Rev: ptr[int64](2), Value: []byte{}}},
		{"get missing", req(GET, withPath("/m")), &wire.Response{Rev: ptr[int64](0), Value: []byte{}}},
		{"get below a file", req(GET, withPath("/f/a")), &wire.Response{Rev: ptr[int64](0), Value: []byte{}}},
		{"get directory", req(GET, withPath("/d")), fails(wire.Response_ISDIR)},
		{"get root", req(GET, withPath("/")), fails(wire.Response_ISDIR)},
		{"get then", req(GET, withPath("/g"), withRev(5)), &wire.Response{Rev: ptr[int64](5), Value: []byte("gone")}},
		{"get at rev 0", req(GET, withPath("/e"), withRev(0)), &wire.Response{Rev: ptr[int64](0), Value: []byte{}}},
		{"get ignores the rest", req(GET, withPath("/f"), withOffset(-1), withOther(4), withValue("v")),
			&wire.Response{Rev: ptr[int64](1), Value: []byte("body")}},

		{"set", req(SET, withPath("/n"), withRev(0), withValue("v")), &wire.Response{Rev: ptr[int64](7)}},
		{"set without value", req(SET, withPath("/n"), withRev(0)), &wire.Response{Rev: ptr[int64](7)}},
		{"set guarded", req(SET, withPath("/f"), withRev(1), withValue("v")), &wire.Response{Rev: ptr[int64](7)}},
		{"set with a huge guard", req(SET, withPath("/f"), withRev(math.MaxInt64)), &wire.Response{Rev: ptr[int64](7)}},
		{"set mismatch", req(SET, withPath("/f"), withRev(0)), fails(wire.Response_REV_MISMATCH)},
		{"set directory", req(SET, withPath("/d"), withRev(-1)), fails(wire.Response_ISDIR)},
		{"set below a file", req(SET, withPath("/f/a"), withRev(-3)), fails(wire.Response_NOTDIR)},

		{"del", req(DEL, withPath("/f"), withRev(1)), &wire.Response{}},
		{"del missing", req(DEL, withPath("/m/n"), withRev(0)), &wire.Response{}},
		{"del mismatch", req(DEL, withPath("/f"), withRev(0)), fails(wire.Response_REV_MISMATCH)},
		{"del directory", req(DEL, withPath("/d"), withRev(-1)), fails(wire.Response_ISDIR)},
		{"del below a file", req(DEL, withPath("/f/a"), withRev(-1)), fails(wire.Response_NOTDIR)},

		{"rev", req(REV), &wire.Response{Rev: ptr[int64](6)}},
		{"self", req(SELF), &wire.Response{Value: []byte(fakeID)}},
		{"nop", req(NOP), &wire.Response{}},
		{"access", req(ACCESS), &wire.Response{}},
		{"cancel nothing", req(CANCEL, withOther(9)), &wire.Response{}},

		{"wait set", req(WAIT, withPath("/f"), withRev(1)),
			&wire.Response{Flags: ptr[int32](4), Rev: ptr[int64](1), Path: ptr("/f"), Value: []byte("body")}},
		{"wait empty", req(WAIT, withPath("/e"), withRev(-7)),
			&wire.Response{Flags: ptr[int32](4), Rev: ptr[int64](2), Path: ptr("/e"), Value: []byte{}}},
		{"wait delete", req(WAIT, withPath("/**"), withRev(6)),
			&wire.Response{Flags: ptr[int32](8), Rev: ptr[int64](6), Path: ptr("/g"), Value: []byte{}}},

		{"walk", req(WALK, withPath("/**"), withOffset(1)),
			&wire.Response{Flags: ptr[int32](4), Rev: ptr[int64](4), Path: ptr("/d/y"), Value: []byte("2")}},
		{"walk then", req(WALK, withPath("/*"), withOffset(1), withRev(5)),
			&wire.Response{Flags: ptr[int32](4), Rev: ptr[int64](1), Path: ptr("/f"), Value: []byte("body")}},
		{"walk beyond", req(WALK, withPath("/*"), withOffset(2)), fails(wire.Response_RANGE)},
		{"walk a directory", req(WALK, withPath("/d"), withOffset(0)), fails(wire.Response_RANGE)},

		{"getdir", req(GETDIR, withPath("/"), withOffset(2)), &wire.Response{Path: ptr("f")}},
		{"getdir then", req(GETDIR, withPath("/"), withOffset(3), withRev(5)), &wire.Response{Path: ptr("g")}},
		{"getdir beyond", req(GETDIR, withPath("/"), withOffset(3)), fails(wire.Response_RANGE)},
		{"getdir before", req(GETDIR, withPath("/"), withOffset(-1)), fails(wire.Response_RANGE)},
		{"getdir of a file", req(GETDIR, withPath("/f"), withOffset(-1)), fails(wire.Response_NOTDIR)},
		{"getdir of nothing", req(GETDIR, withPath("/m"), withOffset(-1)), fails(wire.Response_NOENT)},
		{"getdir below a file", req(GETDIR, withPath("/f/a"), withOffset(0)), fails(wire.Response_NOENT)},

		{"stat", req(STAT, withPath("/f")), &wire.Response{Rev: ptr[int64](1), Len: ptr[int32](4)}},
		{"stat empty", req(STAT, withPath("/e")), &wire.Response{Rev: ptr[int64](2), Len: ptr[int32](0)}},
		{"stat directory", req(STAT, withPath("/d")), &wire.Response{Rev: ptr[int64](-2), Len: ptr[int32](2)}},
		{"stat missing", req(STAT, withPath("/m")), &wire.Response{Rev: ptr[int64](0), Len: ptr[int32](0)}},
	} {
		rig := newRig(t)
		plant(rig.node)
		tt.want.Tag = ptr[int32](1)
		rig.dial().roundTrip(tt.req, tt.want, tt.name)
	}
}

// Each request lacks all that its verb needs. As the needs are met one by one,
// the next one is the answer.
func TestNeedsAreCheckedInOrder(t *testing.T) {
	permission := failsOther("permission denied")
	readOnly, missing := fails(wire.Response_READONLY), fails(wire.Response_MISSING_ARG)
	badPath, tooLate := fails(wire.Response_BAD_PATH), fails(wire.Response_TOO_LATE)
	badGlob := failsOther("invalid glob pattern: /_")
	done := &wire.Response{Tag: ptr[int32](1)}

	type step struct {
		want *wire.Response
		meet func(*conditions)
	}
	access := step{permission, func(c *conditions) { c.client.sendAccess("rw") }}
	voter := step{readOnly, func(c *conditions) { c.node.readOnly.Store(false) }}
	givePath := step{missing, func(c *conditions) { c.req.Path = ptr("/_") }}
	giveRev := step{missing, func(c *conditions) { c.req.Rev = ptr[int64](1) }}
	giveOffset := step{missing, func(c *conditions) { c.req.Offset = ptr[int32](-1) }}
	giveOther := step{missing, func(c *conditions) { c.req.OtherTag = ptr[int32](0) }}
	mendPath := step{badPath, func(c *conditions) { c.req.Path = ptr("/f") }}
	mendGlob := step{badGlob, func(c *conditions) { c.req.Path = ptr("/f") }}
	mendValue := step{failsOther("value too large: the limit is 10 bytes"), func(c *conditions) { c.req.Value = nil }}
	mendOffset := step{fails(wire.Response_RANGE), func(c *conditions) { c.req.Offset = ptr[int32](0) }}
	askLate := step{nil, func(c *conditions) { c.req.Rev = ptr[int64](1) }}
	askNow := step{tooLate, func(c *conditions) { c.req.Rev = ptr[int64](106) }}

	for verb, steps := range map[wire.Request_Verb][]step{
		GET:    {access, givePath, mendPath, askLate, askNow},
		SET:    {access, voter, givePath, giveRev, mendPath, mendValue, {fails(wire.Response_REV_MISMATCH), nil}},
		DEL:    {access, voter, givePath, giveRev, mendPath, {fails(wire.Response_REV_MISMATCH), nil}},
		REV:    {{&wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](107)}, nil}},
		WAIT:   {access, givePath, giveRev, mendGlob, askNow},
		NOP:    {access, voter, {done, nil}},
		WALK:   {access, givePath, giveOffset, mendGlob, askLate, mendOffset, askNow},
		CANCEL: {giveOther, {done, nil}},
		GETDIR: {access, givePath, giveOffset, mendPath, askLate, askNow, {fails(wire.Response_NOTDIR), nil}},
		STAT:   {access, givePath, mendPath, askLate, askNow},
		SELF:   {{&wire.Response{Tag: ptr[int32](1), Value: []byte(fakeID)}, nil}},
		ACCESS: {{permission, nil}},
		77:     {{fails(wire.Response_UNKNOWN_VERB), nil}},
	} {
		rig := newRig(t, func(c *Config) { c.RWSecret, c.ROSecret, c.MaxValue = "rw", "ro", 10 })
		plant(rig.node)
		for range 101 { // rev 7 and more are in history
			rig.node.set("/f", "late")
		}
		rig.node.readOnly.Store(true)
		c := &conditions{node: rig.node, client: rig.dial(), req: req(verb, withValue("eleven bytes"))}
		for i, s := range steps {
			if s.want != nil {
				c.client.roundTrip(c.req, s.want, verb, "step", i)
			}
			if s.meet != nil {
				s.meet(c)
			}
		}
	}
}

// conditions are what a request's needs are about.
type conditions struct {
	node   *fakeNode
	client *testClient
	req    *wire.Request
}

// sendAccess gains access by a token.
func (c *testClient) sendAccess(token string) {
	c.t.Helper()
	c.roundTrip(req(ACCESS, withTag(-99), withValue(token)), &wire.Response{Tag: ptr[int32](-99)})
}

func TestUnknownVerbs(t *testing.T) {
	for _, secret := range []string{"", "rw"} {
		rig := newRig(t, func(c *Config) { c.RWSecret, c.ROSecret = secret, secret })
		client := rig.dial()
		for _, v := range []int32{0, 4, 8, 11, 12, 13, 15, 17, 18, 19, 21, 50, 98, 100, 127, -1, math.MaxInt32, math.MinInt32} {
			client.roundTrip(req(wire.Request_Verb(v)), fails(wire.Response_UNKNOWN_VERB), v)
		}
		client.roundTrip(&wire.Request{Tag: ptr[int32](1)}, fails(wire.Response_UNKNOWN_VERB))
		client.roundTrip(&wire.Request{}, &wire.Response{ErrCode: wire.Response_UNKNOWN_VERB.Enum()})
	}
}

// Tags come back as they went, in answers of every kind.
func TestTags(t *testing.T) {
	rig := newRig(t)
	plant(rig.node)
	client := rig.dial()
	for _, set := range []func(*wire.Request){noTag, withTag(0), withTag(-1), withTag(5), withTag(math.MaxInt32), withTag(math.MinInt32)} {
		for _, r := range []*wire.Request{
			req(REV, set), req(GET, set), req(GET, set, withPath("/f")), req(GET, set, withPath("/d")),
			req(NOP, set), req(SET, set, withPath("/s"), withRev(-1)), req(SET, set, withPath("/d"), withRev(-1)),
			req(WAIT, set, withPath("/**"), withRev(3)), req(WAIT, set, withPath("**"), withRev(3)),
			req(CANCEL, set, withOther(1234)), req(77, set),
		} {
			got := client.call(r)
			assert.Equal(t, r.Tag, got.Tag, r)
		}
	}
}

// A tag in use is served like any other.
func TestTagInUse(t *testing.T) {
	rig := newRig(t)
	client := rig.dial()
	wait := req(WAIT, withTag(0), withPath("/a"), withRev(1))
	client.send(wait, wait, req(REV, withTag(0)))
	client.expect(&wire.Response{Tag: ptr[int32](0), Rev: ptr[int64](0)})
	client.roundTrip(req(SET, withTag(5), withPath("/b"), withRev(0)), &wire.Response{Tag: ptr[int32](5), Rev: ptr[int64](1)})
	rig.node.set("/a", "v")
	for range 2 {
		client.expect(&wire.Response{Tag: ptr[int32](0), Flags: ptr[int32](4), Rev: ptr[int64](2), Path: ptr("/a"), Value: []byte("v")})
	}
}

// The pattern of a bad glob comes back byte for byte, UTF-8 or not.
func TestBadGlobIsEchoed(t *testing.T) {
	client := newRig(t).dial()
	for _, glob := range []string{"", "**", "/w/", "/[a]", "/\xff\xfe", "/" + strings.Repeat("a", 5000)} {
		want := failsOther("invalid glob pattern: " + glob)
		client.roundTrip(req(WAIT, withPath(glob), withRev(1)), want)
		client.roundTrip(req(WALK, withPath(glob), withOffset(0)), want)
	}
}

func TestBadPaths(t *testing.T) {
	client := newRig(t).dial()
	for _, path := range []string{"", "a", "/a/", "//", "/a_b", "/a b", "/*", "/a\n", "/\x00", "/\xff", "/" + strings.Repeat("a", 4096)} {
		for _, verb := range []wire.Request_Verb{GET, SET, DEL, GETDIR, STAT} {
			client.roundTrip(req(verb, withPath(path), withRev(1), withOffset(0)), fails(wire.Response_BAD_PATH), verb, path)
		}
	}
}

// Access depends on the secrets
// set and the token given, what is answered and what is open then.
func TestAccess(t *testing.T) {
	const none, reads, all = access(0), mayRead, mayRead | mayWrite
	for _, tt := range []struct {
		rw, ro  string
		token   *string // nil: no ACCESS at all
		granted bool
		open    access
	}{
		{"", "", nil, true, all},
		{"", "", ptr(""), true, all},
		{"", "", ptr("x"), false, all},

		{"rw", "", nil, true, reads},
		{"rw", "", ptr(""), true, reads},
		{"rw", "", ptr("rw"), true, all},
		{"rw", "", ptr("x"), false, reads},

		{"rw", "ro", nil, true, none},
		{"rw", "ro", ptr(""), false, none},
		{"rw", "ro", ptr("ro"), true, reads},
		{"rw", "ro", ptr("rw"), true, all},
		{"rw", "ro", ptr("x"), false, none},
		{"rw", "ro", ptr("rw "), false, none},

		{"both", "both", nil, true, none},
		{"both", "both", ptr(""), false, none},
		{"both", "both", ptr("both"), true, all},
		{"both", "both", ptr("x"), false, none},
	} {
		rig := newRig(t, func(c *Config) { c.RWSecret, c.ROSecret = tt.rw, tt.ro })
		client := rig.dial()
		if tt.token != nil {
			want := &wire.Response{Tag: ptr[int32](1)}
			if !tt.granted {
				want = failsOther("permission denied")
			}
			client.roundTrip(req(ACCESS, withValue(*tt.token)), want, tt)
		}
		client.checkAccess(tt.open)
	}
}

// checkAccess checks what the connection may do.
func (c *testClient) checkAccess(open access) {
	c.t.Helper()
	denied := failsOther("permission denied").String()
	for verb, need := range map[wire.Request_Verb]access{
		GET: mayRead, STAT: mayRead, WAIT: mayRead, WALK: mayRead, GETDIR: mayRead,
		SET: mayWrite, DEL: mayWrite, NOP: mayWrite, REV: 0, SELF: 0, CANCEL: 0,
	} {
		got := c.call(req(verb)).String()
		if (got == denied) != (open&need != need) {
			c.t.Fatalf("%v with access %b: %s", verb, open, got)
		}
	}
}

func TestAccessOnlyGrows(t *testing.T) {
	rig := newRig(t, func(c *Config) { c.RWSecret, c.ROSecret = "rw", "ro" })
	client := rig.dial()
	client.sendAccess("ro")
	client.checkAccess(mayRead)
	client.sendAccess("rw")
	client.sendAccess("ro")
	client.roundTrip(req(ACCESS, withValue("wrong")), failsOther("permission denied"))
	client.checkAccess(mayRead | mayWrite)
	rig.dial().checkAccess(0) // of this connection, that is
}

// One client puts its token into the path.
func TestAccessTakesNoPath(t *testing.T) {
	newRig(t).dial().roundTrip(req(ACCESS, withPath("x")), &wire.Response{Tag: ptr[int32](1)})
	closed := newRig(t, func(c *Config) { c.RWSecret, c.ROSecret = "rw", "ro" })
	closed.dial().roundTrip(req(ACCESS, withPath("rw")), failsOther("permission denied"))
}

// READONLY is as the node is at the moment, not as it was when the connection
// began.
func TestReadOnlyIsAsTheNodeIsNow(t *testing.T) {
	rig := newRig(t)
	rig.node.readOnly.Store(true)
	client := rig.dial()
	client.roundTrip(req(SET), fails(wire.Response_READONLY))
	rig.node.readOnly.Store(false)
	client.roundTrip(req(NOP), &wire.Response{Tag: ptr[int32](1)})
	rig.node.readOnly.Store(true)
	client.roundTrip(req(NOP), fails(wire.Response_READONLY))
}

func TestValueLimit(t *testing.T) {
	rig := newRig(t)
	client := rig.dial()
	fits := strings.Repeat("v", wire.DefaultMaxValue)
	client.roundTrip(req(SET, withPath("/a"), withRev(0), withValue(fits)), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](1)})
	client.roundTrip(req(SET, withPath("/b"), withRev(0), withValue(fits+"v")), failsOther("value too large: the limit is 1048576 bytes"))
	got := client.call(req(GET, withPath("/a")))
	assert.T(t, string(got.Value) == fits)
	client.roundTrip(req(GET, withPath("/b"), withValue(fits+"v")), &wire.Response{Tag: ptr[int32](1), Rev: ptr[int64](0), Value: []byte{}})
}
