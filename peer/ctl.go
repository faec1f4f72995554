package peer

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/store"
)

// What the members keep of themselves in the tree.
const (
	namePath = "/ctl/name"
	calDir   = "/ctl/cal/"
	nodeDirs = "/ctl/node/"
	nsDirs   = "/ctl/ns/"
)

// The files of a member in its directory.
const (
	addrFile     = "addr"
	hostnameFile = "hostname"
	versionFile  = "version"
	writableFile = "writable"
	appliedFile  = "applied"
)

// A file of /ctl, as a node writes it.
type file struct {
	path string
	body string
}

// create returns the mutation that makes f, which must be missing.
func (f file) create() store.Mutation {
	return store.Mutation{Op: store.Set, Path: f.path, Guard: store.Missing, Body: []byte(f.body)}
}

func slotPath(k int) string            { return calDir + strconv.Itoa(k) }
func nodeDir(id string) string         { return nodeDirs + id }
func nodePath(id, name string) string  { return nodeDirs + id + "/" + name }
func appliedPath(id string) string     { return nodePath(id, appliedFile) }
func nsPath(cluster, id string) string { return nsDirs + cluster + "/" + id }

// appliedBody returns the body of the applied file: rev in decimal.
func appliedBody(rev int64) []byte { return strconv.AppendInt(nil, rev, 10) }

// registration returns the files by which a member makes itself known, in the order in which they are written.
func registration(c Config) []file {
	return []file{
		{nodePath(c.ID, addrFile), c.Addr},
		{nodePath(c.ID, hostnameFile), c.Hostname},
		{nodePath(c.ID, versionFile), c.Version},
	}
}

// foundingFiles returns what the founder of a cluster of one writes, in this order. The applied file follows them: its
// body is the rev that was applied before it.
func foundingFiles(c Config) []file {
	files := append([]file{{namePath, c.Cluster}}, registration(c)...)
	files = append(files, file{slotPath(0), c.ID})
	if c.NS {
		files = append(files, file{nsPath(c.Cluster, c.ID), c.Addr})
	}
	return append(files, file{nodePath(c.ID, writableFile), "true"})
}

// Limits of what is read of /ctl, whatever else somebody puts there.
const (
	// MaxSlots is how many files of /ctl/cal count, the first ones in directory order.
	MaxSlots = 256

	// MaxMembers is how many directories of /ctl/node count, the first ones in directory order.
	MaxMembers = 1024
)

// roster is who takes part, as /ctl of one snapshot has it.
type roster struct {
	slots   []slot
	members []member // the registered processes, by id
	// voters are the registered ids in slots, sorted by slot, each once, and no more than can vote. They are
	// what the cluster agreed on, or, if there are none, the set before them stands.
	voters []string
}

// majority is how many of so many voters decide: any two majorities share one.
func majority(voters int) int { return voters/2 + 1 }

// slot is a file of /ctl/cal.
type slot struct {
	path string
	rev  int64
	id   string // "" is free
}

// A member is a registered process.
type member struct {
	id, addr string
	addrRev  int64
}

var (
	slotGlob = store.MustParseGlob(calDir + "*")
	addrGlob = store.MustParseGlob(nodeDirs + "*/" + addrFile)
)

// isApplied reports whether path may be the applied file of a node.
func isApplied(path string) bool {
	return strings.HasPrefix(path, nodeDirs) && strings.HasSuffix(path, "/"+appliedFile)
}

// concernsRoster reports whether a change of path may change the roster.
func concernsRoster(path string) bool {
	return strings.HasPrefix(path, calDir) || strings.HasPrefix(path, nodeDirs) && strings.HasSuffix(path, "/"+addrFile)
}

// rosterOf reads the roster. It depends on nothing but s, for all members must come to the same.
func rosterOf(s *store.Snapshot) roster {
	var r roster
	for e := range s.All(slotGlob) {
		if len(r.slots) == MaxSlots {
			break
		}
		r.slots = append(r.slots, slot{e.Path, e.Rev, string(bytes.TrimSpace(e.Body))})
	}
	r.members = membersOf(s)
	for _, l := range r.slots {
		if len(r.voters) < consensus.MaxVoters && l.id != "" && isRegistered(s, l.id) && !slices.Contains(r.voters, l.id) {
			r.voters = append(r.voters, l.id)
		}
	}
	return r
}

// isRegistered reports whether s has a member called id.
func isRegistered(s *store.Snapshot, id string) bool {
	return !strings.Contains(id, "/") && revOf(s, nodePath(id, addrFile)) > store.Missing
}

func revOf(s *store.Snapshot, path string) int64 {
	rev, _ := s.Stat(path)
	return rev
}

func bodyOf(s *store.Snapshot, path string) string {
	body, _, _ := s.Get(path) // a directory has none
	return string(body)
}

// membersOf returns who is registered, by id.
func membersOf(s *store.Snapshot) []member {
	var members []member
	for e := range s.All(addrGlob) {
		if len(members) == MaxMembers {
			break
		}
		id := e.Path[len(nodeDirs) : len(e.Path)-len("/"+addrFile)]
		members = append(members, member{id, string(e.Body), e.Rev})
	}
	return members
}

// slotOf returns the slot that holds id, if one does.
func (r *roster) slotOf(id string) (slot, bool) {
	for _, l := range r.slots {
		if l.id == id {
			return l, true
		}
	}
	return slot{}, false
}

// free returns the slots that hold nobody.
func (r *roster) free() []slot {
	var free []slot
	for _, l := range r.slots {
		if l.id == "" {
			free = append(free, l)
		}
	}
	return free
}

// filesOf returns the files that tell of member id: those in its directory, and its entries in /ctl/ns.
func filesOf(s *store.Snapshot, id string) []store.Event {
	var files []store.Event
	for _, pattern := range []string{nodeDir(id) + "/*", nsDirs + "*/" + id} {
		g, err := store.ParseGlob(pattern)
		if err != nil {
			continue // no id of ours
		}
		for e := range s.All(g) {
			if len(files) == maxFilesOfMember {
				return files
			}
			files = append(files, e)
		}
	}
	return files
}

// maxFilesOfMember is how many files of a member are deleted at once.
const maxFilesOfMember = 64
