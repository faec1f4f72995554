package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ha/doozerd/store"
)

// Cluster tells what a node knows of its cluster. Status may be called from any
// goroutine, and often.
type Cluster interface{ Status() Status }

// A Role is what a member is to its cluster.
type Role string

// The roles.
const (
	Voter        Role = "voter"        // holds a slot
	Observer     Role = "observer"     // follows, and takes no writes
	Unregistered Role = "unregistered" // holds a slot, but is not listed as a member
)

// Status is what a node knows of its cluster at one moment.
type Status struct {
	Members []Member // in any order, the node itself included
	Trouble []string // what is wrong, one sentence each; none if nothing is
	CutOff  bool     // no majority is heard: nothing can be written, and the tree may be out of date
}

// A Member is a process that belongs to the cluster.
type Member struct {
	ID, Addr, Hostname, Version string

	Role Role
	Slot string // the name of its file in /ctl/cal; empty if it has none
	Self bool   // the node that tells

	Applied   int64         // the newest rev that it is known to have applied; 0 is not known
	Lag       int64         // decisions that it is behind the node that tells; negative is not known
	RoundTrip time.Duration // to it and back; 0 is not measured
	Silence   time.Duration // since it was heard; negative is not known
}

// fromTree tells what the tree says of the cluster, which is all there is to
// know where a node is alone.
type fromTree struct{ Node }

const (
	ctlDir  = "/ctl"
	nodeDir = ctlDir + "/node"
	calDir  = ctlDir + "/cal"
)

// Status reads /ctl.
func (t fromTree) Status() Status {
	snap := t.Store().Snapshot()
	slots := slotsOf(snap)
	var s Status
	for _, id := range entries(snap, nodeDir) {
		m := t.member(snap, id)
		if slot, ok := slots[id]; ok {
			m.Role, m.Slot = Voter, slot
			delete(slots, id)
		}
		s.Members = append(s.Members, m)
	}
	for id, slot := range slots {
		s.Members = append(s.Members, Member{ID: id, Role: Unregistered, Slot: slot, Lag: -1, Silence: -1})
		s.Trouble = append(s.Trouble, fmt.Sprintf("Slot %s holds %q, which is no member.", slot, id))
	}
	slices.Sort(s.Trouble)
	return s
}

// slotsOf returns the slot of each id that has one.
func slotsOf(snap *store.Snapshot) map[string]string {
	slots := make(map[string]string)
	for _, name := range entries(snap, calDir) {
		if id := text(snap, calDir+"/"+name); id != "" {
			slots[id] = name
		}
	}
	return slots
}

func (t fromTree) member(snap *store.Snapshot, id string) Member {
	dir := nodeDir + "/" + id
	m := Member{
		ID: id, Addr: text(snap, dir+"/addr"), Hostname: text(snap, dir+"/hostname"), Version: text(snap, dir+"/version"),
		Role: Observer, Self: id == t.ID(), Lag: -1, Silence: -1,
	}
	m.Applied, _ = strconv.ParseInt(text(snap, dir+"/applied"), 10, 64) // 0 if there is none
	if m.Self {
		m.Applied, m.Lag, m.Silence = snap.Rev(), 0, 0
	}
	return m
}

func entries(snap *store.Snapshot, dir string) []string {
	var names []string
	for i := 0; ; i++ {
		name, err := snap.Entry(dir, i)
		if err != nil {
			return names
		}
		names = append(names, name)
	}
}

func text(snap *store.Snapshot, p string) string {
	body, _, err := snap.Get(p)
	if err != nil || !isText(body) {
		return ""
	}
	return strings.TrimSpace(string(body))
}

// advice is what an operator may want to know although nothing is wrong.
func advice(s Status) []string {
	voters := 0
	for _, m := range s.Members {
		if m.Role == Voter {
			voters++
		}
	}
	switch {
	case voters == 1:
		return []string{"One voter alone: when its process ends, the data is gone. Three voters survive the loss of one."}
	case voters > 0 && voters%2 == 0:
		return []string{fmt.Sprintf("%d voters survive the loss of no more than %d would: an odd number is better.", voters, voters-1)}
	}
	return nil
}

// A clusterView is what the cluster page shows.
type clusterView struct {
	Rev     int64        `json:"rev"`
	Oldest  int64        `json:"oldest"`
	Waits   int          `json:"waits"`
	Streams int          `json:"streams"`
	Conns   *int         `json:"conns,omitempty"`
	Uptime  float64      `json:"uptime"` // of the view, in seconds
	Cut     bool         `json:"cut"`    // off from the majority
	Members []memberView `json:"members"`
	Trouble []string     `json:"trouble"`
	Advice  []string     `json:"advice"`
	Rates   series       `json:"rates"`
}

// A memberView is a row of it. What is not known is absent.
type memberView struct {
	ID        string   `json:"id"`
	Addr      string   `json:"addr"`
	Hostname  string   `json:"hostname"`
	Version   string   `json:"version"`
	Role      Role     `json:"role"`
	Slot      string   `json:"slot,omitempty"`
	Self      bool     `json:"self,omitempty"`
	Applied   *int64   `json:"applied,omitempty"`
	Lag       *int64   `json:"lag,omitempty"`
	RoundTrip *float64 `json:"roundTrip,omitempty"` // in seconds
	Silence   *float64 `json:"silence,omitempty"`   // in seconds
}

// status answers with what the cluster page shows.
func (v *View) status(w http.ResponseWriter, r *http.Request) {
	s := v.config.Members.Status()
	rev := v.past.Snapshot().Rev()
	view := clusterView{
		Rev: rev, Oldest: v.past.oldest(), Waits: v.past.Waits(), Streams: len(v.streams),
		Uptime: time.Since(v.rates.since).Seconds(), Cut: s.CutOff,
		Members: memberViews(s.Members, rev), Trouble: append([]string{}, s.Trouble...), Advice: append([]string{}, advice(s)...), Rates: v.rates.series(),
	}
	if v.config.Server != nil {
		view.Conns = new(v.config.Server.Traffic().Conns)
	}
	sendJSON(w, r, http.StatusOK, view)
}

// memberViews puts those with a slot first, by its name, and then the others. What
// this node has applied itself is rev; it may have told of itself before.
func memberViews(members []Member, rev int64) []memberView {
	members = slices.Clone(members)
	slices.SortFunc(members, func(a, b Member) int {
		return cmp.Or(boolCompare(a.Slot == "", b.Slot == ""), cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.ID, b.ID))
	})
	views := []memberView{}
	for _, m := range members {
		if m.Self {
			m.Applied = rev
		}
		views = append(views, m.view())
	}
	return views
}

// boolCompare orders false before true.
func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func (m Member) view() memberView {
	v := memberView{
		ID: m.ID, Addr: m.Addr, Hostname: m.Hostname, Version: m.Version,
		Role: m.Role, Slot: m.Slot, Self: m.Self,
	}
	if m.Applied > 0 {
		v.Applied = &m.Applied
	}
	if m.Lag >= 0 {
		v.Lag = &m.Lag
	}
	if m.RoundTrip > 0 {
		v.RoundTrip = new(m.RoundTrip.Seconds())
	}
	if m.Silence >= 0 {
		v.Silence = new(m.Silence.Seconds())
	}
	return v
}
