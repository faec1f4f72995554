package peer

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bmizerany/assert"
)

// A hall is where processes assemble: addresses, of which some have a process, and a network between them that
// loses and delays.
type hall struct {
	t        *testing.T
	rand     *rand.Rand
	now      time.Duration
	addrs    []string
	at       map[string]*attendee // by address
	loss     float64
	hasty    float64         // the chance, at each turn, that a process does not yield
	slow     time.Duration   // the most that a message takes
	mute     map[string]bool // addresses that do not answer, and do not refuse
	cuts     map[string]bool // "from to" addresses between which nothing goes, that way, in the first minute
	mail     []letter
	born     int
	members  map[string][]string // ids that learned it, by cluster
	accepted map[string]bool     // by id and cluster
	log      *slog.Logger
}

type attendee struct {
	id, addr string
	assembly *Assembly
	cluster  string // once it is a member
	value    *Founding
	listless bool // it only attaches
}

type letter struct {
	at   time.Duration
	addr string
	note Note
}

const hallTurn = 20 * time.Millisecond

func newHall(t *testing.T, seed uint64, n int) *hall {
	h := &hall{
		t: t, rand: rand.New(rand.NewPCG(seed, 7)), at: map[string]*attendee{}, mute: map[string]bool{},
		slow: 200 * time.Millisecond, cuts: map[string]bool{}, members: map[string][]string{}, accepted: map[string]bool{}, log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for k := range n {
		h.addrs = append(h.addrs, fmt.Sprintf("host%d:1", k))
	}
	return h
}

// start starts a process at an address, instead of the one that was there.
func (h *hall) start(addr string) *attendee { return h.startWith(addr, h.addrs) }

// startWith starts one with a list of its own.
func (h *hall) startWith(addr string, list []string) *attendee {
	h.born++
	p := &attendee{id: fmt.Sprintf("P%d", h.born), addr: addr}
	a, err := NewAssembly(AssemblyConfig{
		ID: p.id, Addr: addr, Addrs: list, Logger: h.log,
		NewCluster: func() string { return fmt.Sprint("cluster-", p.id, "-", h.rand.Uint32()) },
	})
	assert.Equal(h.t, nil, err)
	p.assembly = a
	h.at[addr] = p
	return p
}

func (h *hall) turn() {
	h.now += hallTurn
	due := h.mail
	h.mail = nil
	for _, l := range due {
		switch p := h.at[l.addr]; {
		case l.at > h.now:
			h.mail = append(h.mail, l)
		case p == nil || h.mute[l.addr]:
		case p.listless:
			h.post(p.addr, l.note.Assemble.Addr, Note{Kind: Assembling, From: p.id, To: l.note.From, Assemble: &Assemble{Kind: AssembleGreeted, Addr: p.addr}})
		case p.cluster == "":
			p.assembly.Take(l.note)
			h.noteAccepted(p)
		case l.note.To == p.id && l.note.Assemble.Kind != AssembleMember:
			h.post(p.addr, l.note.Assemble.Addr, Note{Kind: Assembling, From: p.id, To: l.note.From, Assemble: &Assemble{Kind: AssembleMember, Addr: p.addr, Cluster: p.cluster}})
		}
	}
	for _, addr := range h.addrs {
		if p := h.at[addr]; p != nil && !p.listless && p.cluster == "" {
			h.act(p)
		}
	}
}

func (h *hall) act(p *attendee) {
	for _, addr := range h.addrs {
		switch other := h.at[addr]; {
		case other == p || h.rand.IntN(10) > 0 || h.now > time.Second && (h.cut(addr, p.addr) || h.cut(p.addr, addr)):
		case h.mute[addr] || h.mute[p.addr]:
			p.assembly.Failed(addr, nil)
		case other == nil:
			p.assembly.Refused(addr)
		case other.cluster != "" && h.rand.IntN(50) > 0: // only a new connection would tell
		default:
			p.assembly.Met(addr, other.id, other.cluster)
		}
	}
	if p.assembly.ballot == 0 && h.now < time.Minute && h.rand.Float64() < h.hasty {
		p.assembly.retryAt = 0
	}
	p.assembly.Tick(h.now)
	for _, n := range p.assembly.Ready() {
		for addr, to := range h.at {
			if to.id == n.To && !h.mute[p.addr] {
				h.post(p.addr, addr, n)
			}
		}
	}
	if o := p.assembly.Result(); o != nil {
		p.cluster = o.Cluster
		if p.value = o.Found; p.value != nil {
			p.cluster = o.Found.Cluster
			h.learned(p)
			h.members[p.cluster] = append(h.members[p.cluster], p.id)
		}
	}
}

// learned holds that all voters of what p learned have accepted it, and that it is the only one, unless one of the
// voters of another is gone.
func (h *hall) learned(p *attendee) {
	for _, v := range p.value.Voters {
		if v.ID != p.id && !h.accepted[v.ID+p.cluster] {
			h.t.Errorf("%s learned %s, which %s has not accepted", p.id, p.cluster, v.ID)
		}
	}
	for _, q := range h.at {
		if q.value == nil || q.cluster == p.cluster {
			continue
		}
		gone := false
		for _, v := range append(slices.Clone(p.value.Voters), q.value.Voters...) {
			gone = gone || h.at[v.Addr].id != v.ID
		}
		if !gone {
			h.t.Errorf("%s learned %s, %s learned %s", p.id, p.cluster, q.id, q.cluster)
		}
	}
}

// noteAccepted keeps who has accepted what.
func (h *hall) noteAccepted(p *attendee) {
	if v := p.assembly.accepted.value; v != nil {
		h.accepted[p.id+v.Cluster] = true
	}
}

func (h *hall) post(from, addr string, n Note) {
	if !h.cut(from, addr) && h.rand.Float64() >= h.loss {
		h.mail = append(h.mail, letter{h.now + time.Duration(h.rand.Int64N(int64(h.slow))), addr, n})
	}
}

func (h *hall) cut(from, to string) bool { return h.now < time.Minute && h.cuts[from+" "+to] }

// cutSome cuts some ways between addresses.
func (h *hall) cutSome() {
	for range h.rand.IntN(4) {
		h.cuts[h.addrs[h.rand.IntN(len(h.addrs))]+" "+h.addrs[h.rand.IntN(len(h.addrs))]] = true
	}
}

func (h *hall) settled() bool {
	for _, p := range h.at {
		if p.cluster == "" {
			return false
		}
	}
	return true
}

func (h *hall) until(limit time.Duration, ok func() bool) bool {
	for end := h.now + limit; !ok(); h.turn() {
		if h.now > end {
			return false
		}
	}
	return true
}

// seeds is how many are run: fewer where each takes long.
func seeds(n uint64) uint64 {
	if testing.Short() {
		return n / 6
	}
	return n
}

// slowness is how slow networks are: so slow that several propose at a time, and beyond what a ballot takes.
var slowness = []time.Duration{200 * time.Millisecond, 2 * time.Second, 5 * time.Second}

// haste makes processes duel.
var haste = []float64{0, 0.01, 0.05}

func TestAssemblyOfAllFoundsOneCluster(t *testing.T) {
	for seed := range seeds(162) {
		n := 1 + int(seed%MaxAssembly)
		h := newHall(t, seed, n)
		h.loss = []float64{0, 0.1, 0.3}[seed%3]
		h.slow = slowness[seed/9%3]
		h.hasty = haste[seed/27%3]
		h.cutSome()
		for _, addr := range h.addrs {
			h.start(addr)
		}
		if !h.until(10*time.Minute, h.settled) {
			t.Fatalf("seed %d: no cluster in ten minutes", seed)
		}
		if len(h.members) != 1 {
			t.Fatalf("seed %d: %v", seed, h.members)
		}
		for _, p := range h.at {
			if p.value != nil {
				assert.Equal(t, n, p.value.Slots)
				assert.T(t, p.value.has(p.id))
				assert.T(t, len(p.value.Voters) > n/2)
			}
		}
	}
}

func TestMinorityFoundsNothing(t *testing.T) {
	h := newHall(t, 1, 3)
	h.start(h.addrs[0])
	assert.T(t, !h.until(10*time.Minute, h.settled))
	h.start(h.addrs[2])
	assert.T(t, h.until(10*time.Second, h.settled))
	assert.Equal(t, 1, len(h.members))
}

func TestAddressThatDoesNotAnswerMayHoldTheData(t *testing.T) {
	h := newHall(t, 1, 3)
	h.mute[h.addrs[2]] = true
	h.start(h.addrs[0])
	h.start(h.addrs[1])
	assert.T(t, !h.until(DefaultPatience-time.Second, h.settled))
	assert.T(t, h.until(20*time.Second, h.settled))
}

func TestMemberIsJoinedInsteadOfFounding(t *testing.T) {
	h := newHall(t, 1, 3)
	for _, addr := range h.addrs {
		h.start(addr)
	}
	assert.T(t, h.until(time.Minute, h.settled))
	old := h.at[h.addrs[0]].cluster
	h.start(h.addrs[1])
	h.start(h.addrs[2])
	assert.T(t, h.until(time.Minute, h.settled))
	assert.Equal(t, old, h.at[h.addrs[1]].cluster)
	assert.Equal(t, old, h.at[h.addrs[2]].cluster)
	assert.Equal(t, 1, len(h.members))
}

// Lists are of five addresses. Whoever meets a process at an address of its list that has another list founds nothing.
func TestListsThatDiffer(t *testing.T) {
	few, more, crossing, elsewhere := []int{0, 1, 2}, []int{0, 1, 2, 3, 4}, []int{2, 3, 4}, []int{1, 7}
	for _, c := range []struct {
		name     string
		lists    [][]int // by address
		clusters int
	}{
		{"one has another", [][]int{few, elsewhere}, 0},
		{"two and one", [][]int{few, few, {0, 2, 3}}, 0},
		{"grown", [][]int{few, few, more, more, more}, 0},
		{"grown, and all of the old ones are there", [][]int{few, few, few, more, more}, 1}, // those of the new one do not know that
		{"crossing", [][]int{few, few, crossing, crossing, crossing}, 1},
	} {
		for seed := range seeds(24) {
			h := newHall(t, seed, 5)
			h.loss = []float64{0, 0.1, 0.2}[seed%3]
			h.hasty = haste[seed/3%3]
			for k, list := range c.lists {
				var addrs []string
				for _, l := range list {
					addrs = append(addrs, fmt.Sprintf("host%d:1", l))
				}
				h.startWith(h.addrs[k], addrs)
			}
			h.until(2*time.Minute, func() bool { return false })
			if len(h.members) != c.clusters {
				t.Errorf("%s, seed %d: %v", c.name, seed, h.members)
			}
		}
	}
}

// A process at an address of the list that has no list, because it only attaches, keeps nobody waiting for long.
func TestProcessWithoutAList(t *testing.T) {
	h := newHall(t, 1, 3)
	h.start(h.addrs[0])
	h.start(h.addrs[1])
	h.start(h.addrs[2]).listless = true
	assert.T(t, h.until(20*time.Second, func() bool { return h.at[h.addrs[0]].cluster != "" && h.at[h.addrs[1]].cluster != "" }))
}

func TestBadLists(t *testing.T) {
	many := []string{"a"}
	for k := range MaxAssembly {
		many = append(many, fmt.Sprint(k))
	}
	for _, addrs := range [][]string{nil, {"b"}, many} {
		_, err := NewAssembly(AssemblyConfig{ID: "P", Addr: "a", Addrs: addrs})
		assert.T(t, err != nil)
	}
}

// TestAssembliesWithRestarts lets processes die and others come at their addresses while they assemble. Where a
// founding was learned by a majority of its voters, who live, no other may be founded; all that live end in one
// cluster.
func TestAssembliesWithRestarts(t *testing.T) {
	for seed := range seeds(96) {
		h := newHall(t, seed, 3+2*int(seed%2))
		h.loss = []float64{0, 0.2}[seed/2%2]
		h.slow = slowness[seed/4%3]
		h.hasty = haste[seed/12%3]
		h.cutSome()
		for _, addr := range h.addrs {
			h.start(addr)
		}
		for range 1 + h.rand.IntN(3) {
			h.until(time.Duration(h.rand.IntN(4000))*time.Millisecond, func() bool { return false })
			addr := h.addrs[h.rand.IntN(len(h.addrs))]
			if h.at[addr].cluster == "" { // what a member may lose is for others to test
				h.start(addr)
			}
		}
		h.until(10*time.Minute, h.settled)
		h.inUse(seed)
	}
}

// inUse holds that no two clusters have a majority of their voters running them.
func (h *hall) inUse(seed uint64) {
	var used []string
	for cluster := range h.members {
		running, voters := 0, 0
		for _, p := range h.at {
			if p.cluster == cluster && p.value != nil && p.value.has(p.id) {
				running++
				voters = len(p.value.Voters)
			}
		}
		if voters > 0 && running > voters/2 {
			used = append(used, cluster)
		}
	}
	if len(used) > 1 {
		slices.Sort(used)
		h.t.Errorf("seed %d: two clusters: %v", seed, used)
	}
	if !h.settled() {
		h.t.Errorf("seed %d: not all have come to a cluster", seed)
	}
}

// A meeting is one assembly of five, and its others, who answer what the test lets them answer.
type meeting struct {
	*Assembly
	t     *testing.T
	addrs []string
	drawn int
}

func newMeeting(t *testing.T) *meeting {
	m := &meeting{t: t, addrs: []string{"a:1", "b:1", "c:1", "d:1", "e:1"}}
	a, err := NewAssembly(AssemblyConfig{
		ID: "A", Addr: "a:1", Addrs: m.addrs, Patience: time.Minute, Logger: slog.New(slog.DiscardHandler),
		NewCluster: func() string { m.drawn++; return fmt.Sprint("drawn", m.drawn) },
	})
	assert.Equal(t, nil, err)
	m.Assembly = a
	for _, addr := range m.addrs[1:] {
		m.says(addr, Assemble{Kind: AssembleGreeted})
	}
	return m
}

// says takes in what the process at addr says: B is at b:1, and so on.
func (m *meeting) says(addr string, s Assemble) {
	s.Addr, s.List = addr, m.list()
	m.Take(Note{Kind: Assembling, From: strings.ToUpper(addr[:1]), To: "A", Assemble: &s})
}

// until lets time pass until A says something of this kind, or a while has passed, and returns that.
func (m *meeting) until(kind AssembleKind) *Assemble {
	for range 1000 {
		for _, n := range m.Ready() {
			if n.Assemble.Kind == kind {
				return n.Assemble
			}
		}
		m.Tick(m.raw + hallTurn)
	}
	return nil
}

// Those who found a cluster are a majority of the list: whoever is out of reach by the time that enough have
// promised may be about to found another with the rest.
func TestWhoIsOutOfReachFoundsNothingWithUs(t *testing.T) {
	m := newMeeting(t)
	ballot := m.until(AssemblePrepare).Ballot
	m.says("b:1", Assemble{Kind: AssemblePromise, Ballot: ballot})
	m.Failed("b:1", nil)
	m.Failed("c:1", nil)
	m.says("c:1", Assemble{Kind: AssemblePromise, Ballot: ballot})
	m.Failed("c:1", nil)
	assert.Equal(t, (*Assemble)(nil), m.until(AssembleAccept))
	assert.Equal(t, (*Outcome)(nil), m.Result())
}

// Who is there and says nothing may have learned what somebody who was restarted has forgotten.
func TestWhoIsQuietIsWaitedFor(t *testing.T) {
	m := newMeeting(t)
	for _, patient := range []bool{true, false} {
		ballot := m.until(AssemblePrepare).Ballot
		m.says("b:1", Assemble{Kind: AssemblePromise, Ballot: ballot})
		m.says("c:1", Assemble{Kind: AssemblePromise, Ballot: ballot})
		put := m.until(AssembleAccept)
		assert.Equal(t, patient, put == nil)
		if !patient {
			assert.Equal(t, []Voter{{"A", "a:1"}, {"B", "b:1"}, {"C", "c:1"}}, put.Value.Voters)
		}
		m.now += 2 * time.Minute // beyond all patience
	}
}

// Who says something and does not answer may not hear us: it is waited for as one that says nothing, and no longer.
func TestWhoDoesNotHearUsIsWaitedForNoLonger(t *testing.T) {
	m := newMeeting(t)
	for n := 0; m.raw < 2*time.Minute; n++ {
		m.Tick(m.raw + hallTurn)
		m.says("e:1", Assemble{Kind: AssembleGreet})
		if n%100 == 0 {
			m.Failed("e:1", io.ErrUnexpectedEOF)
		}
		for _, note := range m.Ready() {
			switch {
			case note.To == "E":
			case note.Assemble.Kind == AssemblePrepare:
				m.says(strings.ToLower(note.To)+":1", Assemble{Kind: AssemblePromise, Ballot: note.Assemble.Ballot})
			case note.Assemble.Kind == AssembleAccept:
				assert.T(t, m.raw > m.config.Patience, m.raw)
				return
			}
		}
	}
	t.Fatal("nothing is founded")
}

// Who was met and then stands still has not said what its list is, and may have learned a founding all the same.
func TestWhoWasMetAndStandsStillIsWaitedFor(t *testing.T) {
	m := newMeeting(t)
	m.Met("b:1", "NEW", "")
	ballot := m.until(AssemblePrepare).Ballot
	for _, addr := range []string{"c:1", "d:1", "e:1"} {
		m.says(addr, Assemble{Kind: AssemblePromise, Ballot: ballot})
	}
	assert.Equal(t, (*Assemble)(nil), m.until(AssembleAccept))
	assert.T(t, m.raw < m.config.Patience && m.raw > 2*greetTime, m.raw)
}

// A founding that somebody has accepted may have been learned by those who are out of reach, however long that
// lasts. Where nobody listens any more, it has ended.
func TestAcceptedFoundingOfThoseOutOfReachStands(t *testing.T) {
	m := newMeeting(t)
	theirs := &Founding{Cluster: "theirs", Slots: 5, Voters: []Voter{{"C", "c:1"}, {"D", "d:1"}, {"E", "e:1"}}}
	m.Failed("d:1", nil)
	m.Failed("e:1", nil)
	for range 2 {
		m.now += 2 * time.Minute // beyond all patience
		ballot := m.until(AssemblePrepare).Ballot
		m.says("b:1", Assemble{Kind: AssemblePromise, Ballot: ballot})
		m.says("c:1", Assemble{Kind: AssemblePromise, Ballot: ballot, Accepted: 3, Value: theirs})
		assert.Equal(t, (*Assemble)(nil), m.until(AssembleAccept))
	}
	m.Refused("d:1")
	for _, there := range []bool{false, true} {
		ballot := m.until(AssemblePrepare).Ballot
		m.says("b:1", Assemble{Kind: AssemblePromise, Ballot: ballot})
		m.says("c:1", Assemble{Kind: AssemblePromise, Ballot: ballot, Accepted: 3, Value: theirs})
		if there { // and has not learned it
			m.says("e:1", Assemble{Kind: AssemblePromise, Ballot: ballot})
		}
		put := m.until(AssembleAccept)
		assert.Equal(t, there, put != nil)
		if there {
			assert.Equal(t, []Voter{{"A", "a:1"}, {"B", "b:1"}, {"C", "c:1"}, {"E", "e:1"}}, put.Value.Voters)
		}
	}
}

// That one of its voters has ended does not end a founding which another, who is out of reach since a moment
// ago, may have learned.
func TestFoundingThatOneOutOfReachMayHaveLearned(t *testing.T) {
	m := newMeeting(t)
	theirs := &Founding{Cluster: "theirs", Slots: 5, Voters: []Voter{{"C", "c:1"}, {"D", "d:1"}, {"E", "e:1"}}}
	ballot := m.until(AssemblePrepare).Ballot
	m.Failed("d:1", nil)
	m.Refused("e:1")
	m.says("b:1", Assemble{Kind: AssemblePromise, Ballot: ballot})
	m.says("c:1", Assemble{Kind: AssemblePromise, Ballot: ballot, Accepted: 3, Value: theirs})
	assert.Equal(t, (*Assemble)(nil), m.until(AssembleAccept))
}

// One of a founding's voters is gone, but had told others that all have accepted. They have promised, and may
// yet hear that: nothing is founded without them.
func TestFoundingThatMayStillBeLearned(t *testing.T) {
	for _, far := range []bool{false, true} {
		m := newMeeting(t)
		theirs := &Founding{Cluster: "theirs", Slots: 5, Voters: []Voter{{"B", "b:1"}, {"C", "c:1"}, {"OLD", "d:1"}}}
		ballot := m.until(AssemblePrepare).Ballot
		m.says("b:1", Assemble{Kind: AssemblePromise, Ballot: ballot, Accepted: 3, Value: theirs})
		if far {
			m.Failed("b:1", nil)
		}
		m.says("c:1", Assemble{Kind: AssemblePromise, Ballot: ballot, Accepted: 3, Value: theirs})
		m.says("d:1", Assemble{Kind: AssemblePromise, Ballot: ballot})
		m.says("e:1", Assemble{Kind: AssemblePromise, Ballot: ballot})
		put := m.until(AssembleAccept)
		assert.Equal(t, far, put == nil)
		if !far {
			assert.Equal(t, []Voter{{"A", "a:1"}, {"B", "b:1"}, {"C", "c:1"}, {"D", "d:1"}, {"E", "e:1"}}, put.Value.Voters)
		}
	}
}

// What no process of this list would propose is neither accepted nor taken over.
func TestFoundingThatIsNoneIsRefused(t *testing.T) {
	sound := []Voter{{"A", "a:1"}, {"B", "b:1"}, {"C", "c:1"}}
	for name, f := range map[string]*Founding{
		"a minority":      {Cluster: "theirs", Slots: 5, Voters: sound[:2]},
		"not in the list": {Cluster: "theirs", Slots: 5, Voters: []Voter{{"A", "a:1"}, {"B", "b:1"}, {"X", "x:1"}}},
		"one address":     {Cluster: "theirs", Slots: 5, Voters: []Voter{{"A", "a:1"}, {"B", "b:1"}, {"C", "b:1"}}},
		"one process":     {Cluster: "theirs", Slots: 5, Voters: []Voter{{"A", "a:1"}, {"B", "b:1"}, {"B", "c:1"}}},
		"other slots":     {Cluster: "theirs", Slots: 4, Voters: sound},
	} {
		m := newMeeting(t)
		m.says("b:1", Assemble{Kind: AssembleAccept, Ballot: 1001, Value: f})
		assert.Equal(t, (*Assemble)(nil), m.until(AssembleAccepted), name)
		m.says("b:1", Assemble{Kind: AssemblePromise, Ballot: m.ballot, Accepted: 1, Value: f})
		assert.Equal(t, 1, len(m.promises), name)
		m.says("b:1", Assemble{Kind: AssembleAccept, Ballot: 1001, Value: &Founding{Cluster: "theirs", Slots: 5, Voters: sound}})
		assert.T(t, m.until(AssembleAccepted) != nil, name)
	}
}

// A member that is at no address of the list dials us, since others of its cluster were here: it may be the
// last one that has their data.
func TestWhoIsHailedByAMemberElsewhereJoinsIt(t *testing.T) {
	m := newMeeting(t)
	m.Hailed("b:1", "OTHER", "theirs") // listed, so it is dialled and met
	assert.Equal(t, (*Outcome)(nil), m.Result())
	m.Hailed("f:1", "F", "theirs")
	assert.Equal(t, &Outcome{Cluster: "theirs", Via: "F"}, m.Result())
}

// Whoever has accepted a founding may be needed by those who have learned it.
func TestWhoHasAcceptedAFoundingJoinsNobodyWhoHailsIt(t *testing.T) {
	m := newMeeting(t)
	f := &Founding{Cluster: "theirs", Slots: 5, Voters: []Voter{{"A", "a:1"}, {"B", "b:1"}, {"C", "c:1"}}}
	m.says("b:1", Assemble{Kind: AssembleAccept, Ballot: 1001, Value: f})
	m.Hailed("f:1", "F", "former")
	assert.Equal(t, (*Outcome)(nil), m.Result())
}

// While our own loop stood still nobody could answer.
func TestPatienceCountsOnlyWhileOurLoopRan(t *testing.T) {
	m := newMeeting(t)
	m.Failed("e:1", nil)
	m.Tick(m.raw + time.Hour)
	assert.Equal(t, (*Assemble)(nil), m.until(AssemblePrepare))
}

// What was promised binds whoever promised, until something higher comes.
func TestWhoPromisedAcceptsNothingLower(t *testing.T) {
	m := newMeeting(t)
	f := &Founding{Cluster: "theirs", Slots: 5, Voters: []Voter{{"A", "a:1"}, {"B", "b:1"}, {"C", "c:1"}}}
	m.says("b:1", Assemble{Kind: AssemblePrepare, Ballot: 11})
	assert.Equal(t, uint64(11), m.until(AssemblePromise).Ballot)
	m.says("c:1", Assemble{Kind: AssembleAccept, Ballot: 7, Value: f})
	assert.Equal(t, (*Assemble)(nil), m.until(AssembleAccepted))
	m.says("b:1", Assemble{Kind: AssembleAccept, Ballot: 1001, Value: f})
	assert.Equal(t, uint64(1001), m.until(AssembleAccepted).Ballot)
}
