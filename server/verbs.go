package server

import (
	"strconv"

	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

// A request is a decoded request. It shares no memory with the frame it came
// in, and copies of it are independent.
type request struct {
	verb      wire.Request_Verb
	tag       tag
	other     tag // other_tag
	path      string
	value     []byte
	offset    int32
	rev       int64
	hasPath   bool
	hasOffset bool
	hasRev    bool

	glob *store.Glob // of path, once goodGlob found it good
}

// newRequest returns the request that m is.
func newRequest(m *wire.Request) request {
	r := request{
		tag:       tag{m.GetTag(), m.Tag != nil},
		other:     tag{m.GetOtherTag(), m.OtherTag != nil},
		path:      m.GetPath(),
		value:     m.GetValue(),
		offset:    m.GetOffset(),
		rev:       m.GetRev(),
		hasPath:   m.Path != nil,
		hasOffset: m.Offset != nil,
		hasRev:    m.Rev != nil,
	}
	if m.Verb != nil { // else GetVerb says GET, the first of the enum
		r.verb = *m.Verb
	}
	return r
}

// A verb is how requests of one kind are served.
type verb struct {
	// needs are checked in order; the first that is not met is the answer.
	needs []need

	// serve answers, now or when the time has come. An error ends the
	// connection.
	serve func(*conn, *request) error
}

// A need returns why a request cannot be served, or none.
type need func(*conn, *request) refusal

// lastVerb is the highest number of a verb.
const lastVerb = wire.Request_ACCESS

// verbs is what the protocol offers. Verbs that are not in it are unknown.
var verbs = [lastVerb + 1]verb{
	wire.Request_GET:    {[]need{readAccess, givenPath, goodPath}, readBy(get)},
	wire.Request_SET:    {[]need{writeAccess, writable, givenPath, givenRev, goodPath, goodValue}, set},
	wire.Request_DEL:    {[]need{writeAccess, writable, givenPath, givenRev, goodPath}, del},
	wire.Request_REV:    {nil, newestRev},
	wire.Request_WAIT:   {[]need{readAccess, givenPath, givenRev, goodGlob}, wait},
	wire.Request_NOP:    {[]need{writeAccess, writable}, nop},
	wire.Request_WALK:   {[]need{readAccess, givenPath, givenOffset, goodGlob, goodOffset}, walk},
	wire.Request_CANCEL: {[]need{givenOtherTag}, cancel},
	wire.Request_GETDIR: {[]need{readAccess, givenPath, givenOffset, goodPath}, readBy(getdir)},
	wire.Request_STAT:   {[]need{readAccess, givenPath, goodPath}, readBy(stat)},
	wire.Request_SELF:   {nil, self},
	wire.Request_ACCESS: {nil, gainAccess},
}

// handle serves a request or answers why not. An error ends the connection.
func (c *conn) handle(r *request) error {
	c.requests.count(r.verb)
	v := unknown
	if r.verb > 0 && r.verb <= lastVerb && verbs[r.verb].serve != nil {
		v = &verbs[r.verb]
	}
	if e := c.errand(r); e != nil {
		v = e
	}
	for _, unmet := range v.needs {
		if e := unmet(c, r); e.code != 0 {
			c.put(refused(r.tag, e))
			return nil
		}
	}
	return v.serve(c, r)
}

func readAccess(c *conn, _ *request) refusal  { return c.permission(mayRead) }
func writeAccess(c *conn, _ *request) refusal { return c.permission(mayWrite) }

func (c *conn) permission(need access) refusal {
	if c.access&need == 0 {
		return other(wire.DetailPermission)
	}
	return refusal{}
}

func writable(c *conn, _ *request) refusal {
	return unless(c.node.Writable(), wire.Response_READONLY)
}

func givenPath(_ *conn, r *request) refusal     { return argument(r.hasPath) }
func givenRev(_ *conn, r *request) refusal      { return argument(r.hasRev) }
func givenOffset(_ *conn, r *request) refusal   { return argument(r.hasOffset) }
func givenOtherTag(_ *conn, r *request) refusal { return argument(r.other.present) }

func argument(given bool) refusal { return unless(given, wire.Response_MISSING_ARG) }

func goodPath(_ *conn, r *request) refusal {
	return unless(store.CheckPath(r.path) == nil, wire.Response_BAD_PATH)
}

// goodGlob also leaves the glob in the request.
func goodGlob(_ *conn, r *request) refusal {
	g, err := store.ParseGlob(r.path)
	if err != nil {
		return other(wire.DetailBadGlob + r.path)
	}
	r.glob = g
	return refusal{}
}

func goodValue(c *conn, r *request) refusal {
	if limit := c.config().MaxValue; len(r.value) > limit {
		return other("value too large: the limit is " + strconv.Itoa(limit) + " bytes")
	}
	return refusal{}
}

func goodOffset(_ *conn, r *request) refusal {
	return unless(r.offset >= 0, wire.Response_RANGE)
}

func unless(ok bool, code wire.Response_Err) refusal {
	if ok {
		return refusal{}
	}
	return refusal{code: code}
}

// unknown is how requests with a verb that does not exist are served.
var unknown = &verb{serve: func(c *conn, r *request) error {
	c.put(refused(r.tag, refusal{code: wire.Response_UNKNOWN_VERB}))
	return nil
}}

func newestRev(c *conn, r *request) error {
	c.put(answer{tag: r.tag, fields: hasRev, rev: c.node.Store().Snapshot().Rev()})
	return nil
}

func self(c *conn, r *request) error {
	c.put(answer{tag: r.tag, fields: hasValue, value: []byte(c.node.ID())})
	return nil
}

// gainAccess adds what the token gives to what the connection has.
func gainAccess(c *conn, r *request) error {
	granted := c.srv.secrets.grants(r.value)
	c.access |= granted
	if granted == 0 {
		c.put(refused(r.tag, other(wire.DetailPermission)))
	} else {
		c.put(answer{tag: r.tag})
	}
	return nil
}
