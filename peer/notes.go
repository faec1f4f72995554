package peer

import (
	"fmt"
	"math"
	"slices"

	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

// Unfounded is the id of the cluster in frames that are sent before there is one: those of an [Assembly].
const Unfounded = "unfounded"

// AppendNote appends the body of a frame that holds n to dst and returns the extended slice. On an error, which wraps
// wire.ErrLimit, ErrImpossible, ErrAddressee or ErrSender, n can never be sent and dst is returned as it was.
func (e *Encoder) AppendNote(dst []byte, n *Note) (body []byte, err error) {
	if err := e.link.carries(n.From, n.To); err != nil {
		return dst, fmt.Errorf("%v note %w", n.Kind, err)
	}
	if err := checkNote(n); err != nil {
		return dst, err
	}
	f := &wire.PeerFrame{Cluster: &e.link.Cluster, From: &e.link.From, To: &e.link.To, Notes: []*wire.PeerNote{wireNote(n)}}
	return wire.AppendPeerFrame(dst, f)
}

var wireNoteKinds = [noteKinds]wire.PeerNote_Kind{
	Forward:    wire.PeerNote_FORWARD,
	Report:     wire.PeerNote_REPORT,
	FetchPart:  wire.PeerNote_FETCH,
	PartOf:     wire.PeerNote_PART,
	Assembling: wire.PeerNote_ASSEMBLE,
}

var wireAssembleKinds = [assembleKinds]wire.PeerAssemble_Kind{
	AssemblePrepare:  wire.PeerAssemble_PREPARE,
	AssemblePromise:  wire.PeerAssemble_PROMISE,
	AssembleAccept:   wire.PeerAssemble_ACCEPT,
	AssembleAccepted: wire.PeerAssemble_ACCEPTED,
	AssembleMember:   wire.PeerAssemble_MEMBER,
	AssembleGreet:    wire.PeerAssemble_GREET,
	AssembleGreeted:  wire.PeerAssemble_GREETED,
}

// placeOf returns the index at which kind stands in kinds, or 0.
func placeOf[K comparable](kinds []K, kind K) int { return slices.Index(kinds[1:], kind) + 1 }

// checkNote returns an error that wraps ErrImpossible or wire.ErrLimit if n is not even well formed.
func checkNote(n *Note) error {
	for _, rule := range []struct {
		ok   bool
		name string
	}{
		{n.Kind > 0 && n.Kind < noteKinds, "kind"},
		{len(n.Mutations) <= MaxForward, "mutations"},
		{idsOK(n.Silent) && idsOK(n.Heard), "ids"},
		{max(n.Fetch.Instance, n.Fetch.Above) <= consensus.MaxInstance && n.Fetch.Offset >= 0, "fetch"},
		{(n.Kind == PartOf) == (n.Part != nil) && (n.Part == nil || partOK(n.Part)), "part"},
		{(n.Kind == Assembling) == (n.Assemble != nil) && (n.Assemble == nil || assembleOK(n.Assemble)), "assemble"},
	} {
		if !rule.ok {
			return fmt.Errorf("%w: %v note: its %s", ErrImpossible, n.Kind, rule.name)
		}
	}
	return nil
}

func idsOK(ids []string) bool {
	if len(ids) > wire.MaxPeerIDs {
		return false
	}
	for _, id := range ids {
		if !idOK(id) {
			return false
		}
	}
	return true
}

func idOK(id string) bool { return id != "" && len(id) <= wire.MaxPeerID }

func partOK(p *Part) bool {
	if p.Snapshot.Instance >= consensus.MaxInstance || p.Rev < 0 || p.Offset < 0 || p.Files < p.Offset+len(p.Content) ||
		len(p.Content) > wire.MaxPeerFiles || len(p.Snapshot.Eras) == 0 || len(p.Snapshot.Eras) > wire.MaxPeerVotes {
		return false
	}
	for _, r := range p.Snapshot.Eras {
		if len(r.Voters) == 0 || len(r.Voters) > consensus.MaxVoters || !idsOK(r.Voters) {
			return false
		}
	}
	for _, f := range p.Content {
		if f.Rev < 1 || len(f.Path) > wire.MaxPeerPath || len(f.Body) > store.MaxBody {
			return false
		}
	}
	return true
}

func assembleOK(a *Assemble) bool {
	return a.Kind > 0 && a.Kind < assembleKinds && len(a.Addr) <= wire.MaxPeerPath && len(a.List) <= wire.MaxPeerList &&
		a.Ballot <= math.MaxInt64 && a.Accepted <= a.Ballot && (a.Accepted == 0 || a.Value != nil) &&
		len(a.Cluster) <= wire.MaxPeerID && (a.Kind == AssembleMember) == (a.Cluster != "") &&
		(a.Value == nil || foundingOK(a.Value))
}

func foundingOK(f *Founding) bool {
	if !idOK(f.Cluster) || len(f.Voters) == 0 || len(f.Voters) > consensus.MaxVoters || f.Slots < len(f.Voters) || f.Slots > MaxAssembly {
		return false
	}
	for _, v := range f.Voters {
		if !idOK(v.ID) || len(v.Addr) > wire.MaxPeerPath {
			return false
		}
	}
	return true
}

func wireNote(n *Note) *wire.PeerNote {
	w := &wire.PeerNote{
		Kind:      &wireNoteKinds[n.Kind],
		Mutations: n.Mutations,
		Silent:    n.Silent,
		Heard:     n.Heard,
		Instance:  unless0(n.Fetch.Instance),
		Offset:    unless0(uint64(n.Fetch.Offset)),
		Above:     unless0(n.Fetch.Above),
	}
	if n.Part != nil {
		w.Part = wirePart(n.Part)
	}
	if n.Assemble != nil {
		w.Assemble = wireAssemble(n.Assemble)
	}
	return w
}

func unless0(v uint64) *uint64 {
	if v == 0 {
		return nil
	}
	return &v
}

func unlessEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func wirePart(p *Part) *wire.PeerPart {
	w := &wire.PeerPart{
		Instance: unless0(p.Snapshot.Instance),
		Rev:      unless0(uint64(p.Rev)),
		Files:    unless0(uint64(p.Files)),
		Offset:   unless0(uint64(p.Offset)),
	}
	for k := range p.Snapshot.Eras {
		r := &p.Snapshot.Eras[k]
		w.Eras = append(w.Eras, &wire.PeerEra{From: unless0(r.From), Voters: r.Voters})
	}
	for k := range p.Content {
		f := &p.Content[k]
		rev := uint64(f.Rev)
		w.Content = append(w.Content, &wire.PeerFile{Path: &f.Path, Rev: &rev, Body: f.Body})
	}
	return w
}

func wireAssemble(a *Assemble) *wire.PeerAssemble {
	w := &wire.PeerAssemble{
		Kind:     &wireAssembleKinds[a.Kind],
		Addr:     unlessEmpty(a.Addr),
		List:     unlessEmpty(a.List),
		Ballot:   unless0(a.Ballot),
		Accepted: unless0(a.Accepted),
		Cluster:  unlessEmpty(a.Cluster),
	}
	if f := a.Value; f != nil {
		w.Value = &wire.PeerFounding{Cluster: &f.Cluster, Slots: unless0(uint64(f.Slots))}
		for k := range f.Voters {
			w.Value.Voters = append(w.Value.Voters, &wire.PeerVoter{Id: &f.Voters[k].ID, Addr: unlessEmpty(f.Voters[k].Addr)})
		}
	}
	return w
}

// takeNote decodes one note of a frame on link.
func (r *Received) takeNote(w *wire.PeerNote, link Link) {
	kind := NoteKind(placeOf(wireNoteKinds[:], w.GetKind()))
	if w.Kind == nil || kind == 0 {
		r.Unknown++
		return
	}
	n, ok := noteOf(w, kind)
	n.From, n.To = link.From, link.To
	if !ok || checkNote(&n) != nil {
		r.Impossible++
		return
	}
	r.Notes = append(r.Notes, n)
}

// noteOf returns the note that travels as w; false if a number in it is too large for us.
func noteOf(w *wire.PeerNote, kind NoteKind) (Note, bool) {
	n := Note{Kind: kind, Mutations: w.Mutations, Silent: w.Silent, Heard: w.Heard}
	ok := w.GetOffset() <= math.MaxInt32
	n.Fetch = Fetch{w.GetInstance(), int(w.GetOffset()), w.GetAbove()}
	if w.Part != nil {
		ok = ok && max(w.Part.GetRev(), w.Part.GetFiles(), w.Part.GetOffset()) <= math.MaxInt64/2
		n.Part = partOf(w.Part)
	}
	if w.Assemble != nil {
		ok = ok && w.Assemble.GetValue().GetSlots() <= MaxAssembly
		n.Assemble = assembleOf(w.Assemble)
	}
	return n, ok
}

func partOf(w *wire.PeerPart) *Part {
	p := &Part{Rev: int64(w.GetRev()), Files: int(w.GetFiles()), Offset: int(w.GetOffset())}
	p.Snapshot.Instance = w.GetInstance()
	for _, r := range w.Eras {
		p.Snapshot.Eras = append(p.Snapshot.Eras, consensus.Era{From: r.GetFrom(), Voters: r.Voters})
	}
	for _, f := range w.Content {
		p.Content = append(p.Content, File{f.GetPath(), int64(f.GetRev()), f.GetBody()})
	}
	return p
}

func assembleOf(w *wire.PeerAssemble) *Assemble {
	a := &Assemble{
		Kind: AssembleKind(placeOf(wireAssembleKinds[:], w.GetKind())),
		Addr: w.GetAddr(), List: w.GetList(), Ballot: w.GetBallot(), Accepted: w.GetAccepted(), Cluster: w.GetCluster(),
	}
	if w.Value != nil {
		a.Value = &Founding{Cluster: w.Value.GetCluster(), Slots: int(w.Value.GetSlots())}
		for _, v := range w.Value.Voters {
			a.Value.Voters = append(a.Value.Voters, Voter{v.GetId(), v.GetAddr()})
		}
	}
	return a
}
