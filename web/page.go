package web

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/ha/doozerd/store"
)

// A shell is the page that every path answers with: it holds the data that its
// scripts begin with, so that they need not ask before they show something.
type shell struct {
	Name, Addr, Version, Hash, Title string

	Boot  boot
	Plain *listing // for a browser without scripts
}

// boot is what scripts begin with.
type boot struct {
	ClusterID string `json:"clusterID"`
	Name      string `json:"name"`
	Node      string `json:"node"`
	Addr      string `json:"addr"`
	Version   string `json:"version"`

	Rev    int64  `json:"rev"`    // the newest
	Oldest int64  `json:"oldest"` // that can be read
	At     string `json:"at"`     // the rev asked for; empty is now
	Gone   bool   `json:"gone"`   // it cannot be read

	Path string `json:"path"` // in the tree; empty on the cluster page
	Bad  string `json:"bad"`  // why that is none

	Edit     bool `json:"edit"`     // the tree can be edited here
	MayWrite bool `json:"mayWrite"` // by this reader
	Secrets  bool `json:"secrets"`  // there are any
	MaxValue int  `json:"maxValue"`

	Lists []*listing `json:"lists"`
	File  *fileView  `json:"file"`
}

// page answers with a page of the tree, or that of the cluster.
func (v *View) page(w http.ResponseWriter, r *http.Request) {
	now := v.past.Snapshot()
	b := boot{
		ClusterID: v.config.ClusterID(), Name: v.config.Name, Node: v.config.Node.ID(), Addr: v.config.Addr, Version: v.config.Version,
		Rev: now.Rev(), Oldest: v.past.oldest(), At: r.URL.Query().Get("rev"),
		Edit: v.config.Writer != nil, MayWrite: v.gate.of(r) >= mayWrite, Secrets: v.config.RWSecret != "",
		MaxValue: v.config.MaxValue,
	}
	status := http.StatusOK
	if r.URL.Path != "/_/cluster" {
		status = v.fill(&b, r, now)
	}
	s := shell{
		Name: v.config.Name, Addr: v.config.Addr, Version: v.config.Version, Hash: v.assets.hash,
		Title: cmp.Or(b.Path, "cluster"), Boot: b, Plain: &listing{},
	}
	if len(b.Lists) > 0 {
		s.Plain = b.Lists[0]
	}
	v.render(w, r, status, "page", s)
}

// fill adds what the path and the rev of r lead to, and returns the status.
func (v *View) fill(b *boot, r *http.Request, snap *store.Snapshot) int {
	b.Path = treePath(r)
	if err := store.CheckPath(b.Path); err != nil {
		b.Bad = err.Error()
		return http.StatusNotFound
	}
	if b.At != "" {
		old, err := v.version(b.At)
		if err != nil {
			b.Gone = true
			return http.StatusGone
		}
		snap = old
	}
	dir := b.Path
	if rev, _ := snap.Stat(dir); rev != store.Dir {
		b.File = fileAt(snap, b.Path)
		dir = parent(b.Path)
	}
	b.Lists = openAt(snap, dir)
	if b.File != nil && b.File.Rev == store.Missing && b.Path != "/" {
		return http.StatusNotFound
	}
	return http.StatusOK
}

// treePath returns the path in the tree that a request names.
func treePath(r *http.Request) string {
	if p := r.URL.Query().Get("path"); p != "" {
		return p
	}
	return "/" + strings.Trim(r.PathValue("path"), "/")
}

// Link returns where the page of an entry of l is.
func (l *listing) Link(name string) string { return "/?path=" + join(l.Dir, name) }
