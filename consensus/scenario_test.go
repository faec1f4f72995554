package consensus

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the expected output in testdata/*.txt")

// TestScenarios plays the stories in testdata: commands, a line of four dashes, what the engines said and
// decided. With -rewrite the output is written instead of compared; then read the difference.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	assert.Equal(t, nil, err)
	assert.T(t, len(files) > 0, "no scenarios")
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			told, err := os.ReadFile(file)
			assert.Equal(t, nil, err)
			played := play(t, string(told))
			if *rewrite {
				assert.Equal(t, nil, os.WriteFile(file, []byte(played), 0o644))
				return
			}
			assert.Equal(t, string(told), played)
		})
	}
}

// What doc/consensus.md shows of a story is the beginning of one of testdata.
func TestDocumentShowsScenarios(t *testing.T) {
	text, err := os.ReadFile("../doc/consensus.md")
	assert.Equal(t, nil, err)
	files, err := filepath.Glob("testdata/*.txt")
	assert.Equal(t, nil, err)
	shown := 0
	for k, block := range strings.Split(string(text), "```\n") {
		if k%2 == 0 || !strings.Contains(block, "\n----\n") {
			continue
		}
		shown++
		assert.T(t, slices.ContainsFunc(files, func(file string) bool {
			told, err := os.ReadFile(file)
			return err == nil && strings.HasPrefix(string(told), block)
		}), block)
	}
	assert.T(t, shown > 0)
}

// play runs the commands of a story and returns it with the output that they have.
func play(t *testing.T, story string) string {
	var out bytes.Buffer
	s := &stage{t: t, engines: map[string]*Engine{}, voters: map[string][]string{}, cutOff: map[string]bool{}}
	lines := strings.Split(story, "\n")
	for k := 0; k < len(lines); k++ {
		line := lines[k]
		if line == "----" {
			out.WriteString("----\n" + s.perform())
			for k+1 < len(lines) && lines[k+1] != "" {
				k++ // the output as it was
			}
			continue
		}
		if line != "" && !strings.HasPrefix(line, "#") {
			s.commands = append(s.commands, line)
		}
		out.WriteString(line)
		if k < len(lines)-1 {
			out.WriteString("\n")
		}
	}
	return out.String()
}

// stage is a few engines and the messages between them.
type stage struct {
	t        *testing.T
	commands []string
	engines  map[string]*Engine
	voters   map[string][]string
	ids      []string
	window   int
	now      time.Duration
	tag      uint64
	mail     []Message
	cutOff   map[string]bool
	quiet    bool // do not show messages
	out      bytes.Buffer
}

func (s *stage) perform() string {
	s.out.Reset()
	for _, c := range s.commands {
		words := strings.Fields(c)
		act := acts[words[0]]
		if act == nil {
			s.t.Fatalf("no such command: %s", c)
		}
		act(s, words[1:])
	}
	s.commands = nil
	if s.out.Len() == 0 {
		return "nothing\n"
	}
	return s.out.String()
}

var acts = map[string]func(*stage, []string){
	"cluster":   (*stage).cluster,
	"propose":   (*stage).propose,
	"barrier":   (*stage).barrier,
	"deliver":   (*stage).deliver,
	"drop":      (*stage).drop,
	"settle":    (*stage).settle,
	"wait":      (*stage).wait,
	"run":       (*stage).run,
	"cut":       (*stage).cut,
	"heal":      (*stage).heal,
	"crash":     (*stage).crash,
	"join":      (*stage).join,
	"snapshot":  (*stage).snapshot,
	"positions": (*stage).positions,
}

// cluster WINDOW ID... starts the first voters; their links have been used for a while.
func (s *stage) cluster(args []string) {
	s.window, _ = strconv.Atoi(args[0])
	for _, id := range args[1:] {
		s.start(id, Founding(args[1:]...), args[1:])
	}
	for range 4 {
		s.advance(10*time.Millisecond, s.ids)
		s.exchange(func(Message) bool { return true })
	}
}

func (s *stage) start(id string, from Snapshot, voters []string) {
	e, err := New(Config{ID: id, Rand: rand.New(rand.NewPCG(1, uint64(id[0]))), Window: s.window, Retain: 16}, from)
	if err != nil {
		s.t.Fatal(err)
	}
	s.engines[id], s.voters[id] = e, voters
	s.ids = append(s.ids, id)
	slices.Sort(s.ids)
}

// propose ID MUTATION... hands in mutations; "voters=a,b" changes the voters when applied.
func (s *stage) propose(args []string) {
	for _, m := range args[1:] {
		s.tag++
		if err := s.engines[args[0]].Propose(s.tag, []byte(m)); err != nil {
			fmt.Fprintf(&s.out, "%s: %v\n", args[0], err)
		}
	}
	s.drain(args[0])
}

func (s *stage) barrier(args []string) {
	s.tag++
	if err := s.engines[args[0]].Barrier(s.tag); err != nil {
		fmt.Fprintf(&s.out, "%s: %v\n", args[0], err)
	}
	s.drain(args[0])
}

// deliver [FROM→TO|→TO|FROM→] [KIND] delivers what is under way and matches, once.
func (s *stage) deliver(args []string) { s.exchange(matching(args)) }

// drop loses what is under way and matches.
func (s *stage) drop(args []string) {
	match := matching(args)
	s.mail = slices.DeleteFunc(s.mail, match)
}

// settle delivers until nothing is under way.
func (s *stage) settle([]string) {
	for len(s.mail) > 0 {
		s.exchange(func(Message) bool { return true })
	}
}

// wait DURATION [ID...] lets time pass at these nodes, or all, in steps of ten milliseconds; a Status arrives at once.
func (s *stage) wait(args []string) {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		s.t.Fatal(err)
	}
	ids := args[1:]
	if len(ids) == 0 {
		ids = s.ids
	}
	for ; d > 0; d -= 10 * time.Millisecond {
		s.advance(10*time.Millisecond, ids)
		s.exchange(func(m Message) bool { return m.Kind == Status })
	}
}

// run DURATION lets time pass, and everything arrive, without showing the messages.
func (s *stage) run(args []string) {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		s.t.Fatal(err)
	}
	s.quiet = true
	for ; d > 0; d -= 10 * time.Millisecond {
		s.advance(10*time.Millisecond, s.ids)
		s.settle(nil)
	}
	s.quiet = false
}

// cut ID loses everything that a node sends and is sent, until heal ID.
func (s *stage) cut(args []string)  { s.cutOff[args[0]] = true }
func (s *stage) heal(args []string) { delete(s.cutOff, args[0]) }

func (s *stage) advance(d time.Duration, ids []string) {
	s.now += d
	for _, id := range ids {
		if e := s.engines[id]; e != nil {
			e.Tick(s.now)
			s.drain(id)
		}
	}
}

func (s *stage) crash(args []string) {
	delete(s.engines, args[0])
	s.ids = slices.DeleteFunc(s.ids, func(id string) bool { return id == args[0] })
	s.mail = slices.DeleteFunc(s.mail, func(m Message) bool { return m.To == args[0] })
}

// join ID FROM starts an observer from a snapshot of FROM.
func (s *stage) join(args []string) {
	s.start(args[0], s.engines[args[1]].Snapshot(), s.voters[args[1]])
}

// snapshot ID FROM lets a node take a snapshot.
func (s *stage) snapshot(args []string) {
	ok, err := s.engines[args[0]].Install(s.engines[args[1]].Snapshot())
	s.voters[args[0]] = s.voters[args[1]]
	fmt.Fprintf(&s.out, "%s installs: %v %v\n", args[0], ok, err)
	s.drain(args[0])
}

func (s *stage) positions([]string) {
	for _, id := range s.ids {
		snap := s.engines[id].Snapshot()
		fmt.Fprintf(&s.out, "%s applied %d, voters", id, snap.Instance)
		for _, r := range snap.Eras {
			fmt.Fprintf(&s.out, " from %d: %s", r.From, strings.Join(r.Voters, " "))
		}
		fmt.Fprintln(&s.out)
	}
}

// exchange delivers what is under way now and matches.
func (s *stage) exchange(match func(Message) bool) {
	var now, later []Message
	for _, m := range s.mail {
		if match(m) {
			now = append(now, m)
		} else {
			later = append(later, m)
		}
	}
	s.mail = later
	for _, m := range now {
		if e := s.engines[m.To]; e != nil {
			e.Step(m)
			s.drain(m.To)
		}
	}
}

func (s *stage) drain(id string) {
	e := s.engines[id]
	for {
		checkInvariants(s.t, e)
		r := e.Ready()
		checkInvariants(s.t, e)
		for _, m := range r.Messages {
			if !s.cutOff[m.From] && !s.cutOff[m.To] {
				s.mail = append(s.mail, m)
			}
			if m.Kind != Status && !s.quiet {
				fmt.Fprintf(&s.out, "  %v\n", m)
			}
		}
		for _, f := range r.Failures {
			fmt.Fprintf(&s.out, "%s fails %d: %v\n", id, f.Tag, f.Err)
		}
		if r.SnapshotFrom != "" {
			fmt.Fprintf(&s.out, "%s wants a snapshot from %s\n", id, r.SnapshotFrom)
		}
		if len(r.Decisions) == 0 {
			return
		}
		s.decide(id, r.Decisions)
	}
}

func (s *stage) decide(id string, decisions []Decision) {
	for _, d := range decisions {
		for _, m := range d.Batch.Mutations {
			if list, ok := strings.CutPrefix(string(m), "voters="); ok {
				s.voters[id] = strings.Split(list, ",")
			}
		}
		s.engines[id].Applied(d.Instance, s.voters[id])
		checkInvariants(s.t, s.engines[id])
		fmt.Fprintf(&s.out, "%s applies %d: %v", id, d.Instance, d.Batch)
		if len(d.Barriers) > 0 {
			fmt.Fprintf(&s.out, ", barriers %v hold", d.Barriers)
		}
		fmt.Fprintln(&s.out)
	}
}

// matching reads a link and a kind.
func matching(args []string) func(Message) bool {
	from, to, kind := "", "", ""
	for _, a := range args {
		if f, t, ok := strings.Cut(a, "→"); ok {
			from, to = f, t
		} else {
			kind = a
		}
	}
	return func(m Message) bool {
		return (from == "" || from == m.From) && (to == "" || to == m.To) && (kind == "" || kind == m.Kind.String())
	}
}
