package server

import "github.com/ha/doozerd/internal/wire"

// Desk answers for the node itself. The protocol has no verbs for that; a GET or
// SET of a path that no file can have (wire.StatusPath, wire.EscapePath) asks it.
// A server without one, or of an earlier release, answers these BAD_PATH.
type Desk interface {
	// Status returns how the node sees itself and its cluster, as JSON.
	Status() []byte

	// Escape makes the node with this id a cluster of one, with its data. The
	// error says why it does not.
	Escape(id string) error
}

// An errand is a request to the desk.
type errand struct {
	verb wire.Request_Verb
	path string
}

var errands = map[errand]*verb{
	{wire.Request_GET, wire.StatusPath}: {[]need{readAccess}, status},
	{wire.Request_SET, wire.EscapePath}: {[]need{writeAccess, givenRev}, escape},
}

// errand returns how a request to the desk is served, nil if it is none.
func (c *conn) errand(r *request) *verb {
	if c.config().Desk == nil || r.path == "" || r.path[0] != '@' {
		return nil
	}
	return errands[errand{r.verb, r.path}]
}

func status(c *conn, r *request) error {
	c.put(answer{tag: r.tag, fields: hasRev | hasValue, rev: c.node.Store().Snapshot().Rev(), value: c.config().Desk.Status()})
	return nil
}

func escape(c *conn, r *request) error {
	if err := c.config().Desk.Escape(string(r.value)); err != nil {
		c.put(refused(r.tag, other(err.Error())))
		return nil
	}
	return newestRev(c, r)
}
