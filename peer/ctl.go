package peer

import "strconv"

// A file of /ctl, as a node writes it.
type file struct {
	path string
	body string
}

// foundingFiles returns what the founder writes, in this order, each as the
// first write of its file. The applied file follows them: its body is the rev
// that was applied before it.
func foundingFiles(c Config) []file {
	node := nodeDir(c.ID)
	files := []file{
		{"/ctl/name", c.Cluster},
		{node + "/addr", c.Addr},
		{node + "/hostname", c.Hostname},
		{node + "/version", c.Version},
		{"/ctl/cal/0", c.ID},
	}
	if c.NS {
		files = append(files, file{"/ctl/ns/" + c.Cluster + "/" + c.ID, c.Addr})
	}
	return append(files, file{node + "/writable", "true"})
}

func nodeDir(id string) string     { return "/ctl/node/" + id }
func appliedPath(id string) string { return nodeDir(id) + "/applied" }

// appliedBody returns the body of the applied file: rev in decimal.
func appliedBody(rev int64) []byte { return strconv.AppendInt(nil, rev, 10) }
