package store

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// model is the store as the documentation tells it, as dumb as can be: all
// files of all revs, and lists gone through from end to end.
type model struct {
	history   int
	installed int64                  // the rev that history was made to begin at, without its event; 0 if none
	revs      []map[string]modelFile // by rev
	events    []Event                // by rev, from 1
}

type modelFile struct {
	rev  int64
	body string
}

func newModel(history int) *model {
	return &model{history: history, revs: []map[string]modelFile{{}}, events: []Event{{}}}
}

func (m *model) newest() int64 { return int64(len(m.revs) - 1) }

// oldest returns the first rev that can be read, if any can.
func (m *model) oldest() int64 { return max(1, m.installed, m.newest()-int64(m.history)+1) }

func (m *model) apply(mut Mutation) Event {
	rev := m.newest() + 1
	files := maps.Clone(m.revs[rev-1])
	e := Event{Rev: rev, Op: mut.Op, Path: mut.Path, Body: mut.Body, Err: m.fails(mut)}
	if e.Err != nil {
		e = Event{Rev: rev, Op: Set, Path: "/ctl/err", Body: []byte(e.Err.Error()), Err: e.Err}
	}
	if e.Op == Set {
		files[e.Path] = modelFile{rev: rev, body: string(e.Body)}
	} else {
		delete(files, e.Path)
	}
	m.revs = append(m.revs, files)
	m.events = append(m.events, e)
	return e
}

func (m *model) fails(mut Mutation) error {
	files := m.revs[m.newest()]
	for _, dir := range parents(mut.Path) {
		if _, isFile := files[dir]; isFile || dir == "/ctl/err" {
			return ErrNotDir
		}
	}
	isDir := isModelDir(files, mut.Path) || mut.Path == "/ctl"
	rev := files[mut.Path].rev
	switch {
	case mut.Guard <= -3, mut.Guard == -2 && !isDir, mut.Guard >= 0 && mut.Guard < rev:
		return ErrRevMismatch
	case isDir:
		return ErrIsDir
	}
	return nil
}

// parents returns the directories above path, but for the root.
func parents(path string) []string {
	var dirs []string
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			dirs = append(dirs, path[:i])
		}
	}
	return dirs
}

func isModelDir(files map[string]modelFile, path string) bool {
	return path == "/" || len(modelEntries(files, path)) > 0
}

// modelEntries returns the listing of a directory.
func modelEntries(files map[string]modelFile, dir string) []string {
	dir = strings.TrimSuffix(dir, "/") + "/"
	names := map[string]bool{}
	for path := range files {
		if below, ok := strings.CutPrefix(path, dir); ok {
			name, _, _ := strings.Cut(below, "/")
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// modelWalk returns the files that match, in directory order.
func modelWalk(files map[string]modelFile, glob *regexp.Regexp) []Event {
	paths := slices.SortedFunc(maps.Keys(files), func(a, b string) int {
		return strings.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
	})
	var events []Event
	for _, path := range paths {
		if glob.MatchString(path) {
			events = append(events, Event{Rev: files[path].rev, Op: Set, Path: path, Body: []byte(files[path].body)})
		}
	}
	return events
}

// globRegexp translates a good glob.
func globRegexp(glob string) *regexp.Regexp {
	var b strings.Builder
	for glob != "" {
		switch {
		case strings.HasPrefix(glob, "**"):
			b.WriteString(`.*`)
			glob = glob[1:]
		case glob[0] == '*':
			b.WriteString(`[^/]*`)
		case glob[0] == '?':
			b.WriteString(`[^/]`)
		default:
			b.WriteString(regexp.QuoteMeta(glob[:1]))
		}
		glob = glob[1:]
	}
	return regexp.MustCompile(`\A(?s:` + b.String() + `)\z`)
}

// find returns the first event from rev on that matches, if it has happened.
func (m *model) find(glob *regexp.Regexp, rev int64) (Event, bool) {
	for _, e := range m.events[min(max(rev, 1), m.newest()+1):] {
		if glob.MatchString(e.Path) {
			return e, true
		}
	}
	return Event{}, false
}
