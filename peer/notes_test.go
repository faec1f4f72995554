package peer

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/bmizerany/assert"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/internal/wire"
)

// aNoteOfEach is a note of each kind, as cores and assemblies send them, and each kind of message of an assembly.
func aNoteOfEach() []Note {
	founding := &Founding{Cluster: "MZXW6YTBOI2TGNBV", Voters: []Voter{{testLink.From, "10.0.0.1:8046"}, {testLink.To, "[fd00::2]:8046"}}, Slots: 3}
	list := "10.0.0.1:8046 10.0.0.3:8046 [fd00::2]:8046"
	notes := []Note{
		{Kind: Forward, Mutations: [][]byte{[]byte("one"), []byte("two")}},
		{Kind: Report, Silent: []string{testOther}, Heard: []string{"OBSERVER"}},
		{Kind: FetchPart, Fetch: Fetch{Instance: 1000, Offset: 4096, Above: 500}},
		{Kind: PartOf, Part: &Part{
			Snapshot: consensus.Snapshot{Instance: 1000, Eras: []consensus.Era{{From: 1, Voters: []string{testLink.From}}, {From: 1024, Voters: []string{testLink.From, testLink.To}}}},
			Rev:      77, Files: 4100, Offset: 4096,
			Content: []File{{"/ctl/name", 1, []byte("local")}, {"/empty", 2, nil}},
		}},
		{Kind: Assembling, Assemble: &Assemble{Kind: AssemblePrepare, Addr: "10.0.0.1:8046", List: list, Ballot: 4}},
		{Kind: Assembling, Assemble: &Assemble{Kind: AssemblePromise, Addr: "10.0.0.1:8046", List: list, Ballot: 4, Accepted: 3, Value: founding}},
		{Kind: Assembling, Assemble: &Assemble{Kind: AssembleAccept, Addr: "10.0.0.1:8046", List: list, Ballot: 4, Value: founding}},
		{Kind: Assembling, Assemble: &Assemble{Kind: AssembleAccepted, Addr: "10.0.0.1:8046", List: list, Ballot: 4}},
		{Kind: Assembling, Assemble: &Assemble{Kind: AssembleMember, Addr: "10.0.0.1:8046", Cluster: founding.Cluster}},
		{Kind: Assembling, Assemble: &Assemble{Kind: AssembleGreet, Addr: "10.0.0.1:8046", List: list}},
		{Kind: Assembling, Assemble: &Assemble{Kind: AssembleGreeted, Addr: "10.0.0.1:8046", List: list}},
	}
	for k := range notes {
		notes[k].From, notes[k].To = testLink.From, testLink.To
	}
	return notes
}

func encodeNote(t testing.TB, n Note) []byte {
	t.Helper()
	body, err := mustEncoder(t, testLink).AppendNote(nil, &n)
	if err != nil {
		t.Fatalf("%v: %v", n.Kind, err)
	}
	return body
}

func TestEveryNoteTravels(t *testing.T) {
	kinds, assembles := map[NoteKind]bool{}, map[AssembleKind]bool{}
	for _, n := range aNoteOfEach() {
		r, err := Decode(encodeNote(t, n), testLink)
		assert.Equal(t, nil, err)
		assert.Equal(t, []Note{n}, r.Notes)
		kinds[n.Kind] = true
		if n.Assemble != nil {
			assembles[n.Assemble.Kind] = true
		}
	}
	assert.Equal(t, int(noteKinds)-1, len(kinds))
	assert.Equal(t, int(assembleKinds)-1, len(assembles))
	assert.Equal(t, "?", noteKinds.String())
}

// TestGoldenNotes shows every change of what is on the wire: see TestGoldenFrames.
func TestGoldenNotes(t *testing.T) {
	const file = "testdata/notes.txt"
	var b strings.Builder
	for _, n := range aNoteOfEach() {
		fmt.Fprintf(&b, "%v\n%s\n", n.Kind, hex.Dump(encodeNote(t, n)))
	}
	if *rewrite {
		assert.Equal(t, nil, os.WriteFile(file, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	assert.Equal(t, nil, err)
	assert.Equal(t, string(want), b.String())
}

func TestNotesThatAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Note){
		"kind":                func(n *Note) { n.Kind = noteKinds },
		"no kind":             func(n *Note) { n.Kind = 0 },
		"mutations":           func(n *Note) { n.Mutations = make([][]byte, MaxForward+1) },
		"empty id":            func(n *Note) { n.Silent = []string{""} },
		"long id":             func(n *Note) { n.Heard = []string{strings.Repeat("x", wire.MaxPeerID+1)} },
		"ids":                 func(n *Note) { n.Heard = make([]string, wire.MaxPeerIDs+1) },
		"instance":            func(n *Note) { n.Fetch.Instance = consensus.MaxInstance + 1 },
		"offset":              func(n *Note) { n.Fetch.Offset = -1 },
		"part in another":     func(n *Note) { n.Part = &Part{} },
		"no part":             func(n *Note) { n.Kind = PartOf },
		"part without eras":   func(n *Note) { n.Kind, n.Part = PartOf, &Part{Files: 1} },
		"assembling nothing":  func(n *Note) { n.Kind = Assembling },
		"assemble in another": func(n *Note) { n.Assemble = &Assemble{Kind: AssemblePrepare} },
	} {
		n := Note{Kind: Report, From: testLink.From, To: testLink.To}
		spoil(&n)
		if _, err := mustEncoder(t, testLink).AppendNote(nil, &n); !errors.Is(err, ErrImpossible) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := Note{Kind: Report, From: testLink.From, To: testOther}
	_, err := mustEncoder(t, testLink).AppendNote(nil, &n)
	assert.T(t, errors.Is(err, ErrAddressee), err)
}

func TestPartsThatAreImpossible(t *testing.T) {
	good := func() *Part { return aNoteOfEach()[3].Part }
	for name, spoil := range map[string]func(*Part){
		"more files than there are": func(p *Part) { p.Files = 4097 },
		"no voters":                 func(p *Part) { p.Snapshot.Eras[0].Voters = nil },
		"too many voters":           func(p *Part) { p.Snapshot.Eras[0].Voters = strings.Split("a b c d e f g h i j", " ") },
		"rev of a file":             func(p *Part) { p.Content[0].Rev = 0 },
		"path":                      func(p *Part) { p.Content[0].Path = strings.Repeat("/x", wire.MaxPeerPath) },
	} {
		p := good()
		spoil(p)
		if partOK(p) {
			t.Error(name)
		}
	}
	assert.T(t, partOK(good()))
}

func TestFoundingsThatAreImpossible(t *testing.T) {
	for name, spoil := range map[string]func(*Assemble){
		"no voters":            func(a *Assemble) { a.Value.Voters = nil },
		"too few slots":        func(a *Assemble) { a.Value.Slots = 1 },
		"too many slots":       func(a *Assemble) { a.Value.Slots = MaxAssembly + 1 },
		"no cluster":           func(a *Assemble) { a.Value.Cluster = "" },
		"accepted later":       func(a *Assemble) { a.Accepted = a.Ballot + 1 },
		"accepted nothing":     func(a *Assemble) { a.Value = nil },
		"ballot":               func(a *Assemble) { a.Ballot = 1 << 63 },
		"member of no cluster": func(a *Assemble) { a.Kind = AssembleMember },
	} {
		a := aNoteOfEach()[5].Assemble
		spoil(a)
		if assembleOK(a) {
			t.Error(name)
		}
	}
}

// FuzzNote: whatever arrives is refused, or is a note that can be sent again and is the same.
func FuzzNote(f *testing.F) {
	for _, n := range aNoteOfEach() {
		f.Add(encodeNote(f, n)[wire.PeerOverhead:])
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := Decode(sealed(payload), testLink)
		if err != nil {
			return
		}
		for _, n := range r.Notes {
			again, err := Decode(encodeNote(t, n), testLink)
			if err != nil || len(again.Notes) != 1 || fmt.Sprintf("%+v", again.Notes[0].Kind) != fmt.Sprintf("%+v", n.Kind) {
				t.Fatalf("%v came back as %v: %v", n, again, err)
			}
		}
	})
}
