package peer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Assembly is how processes that were all started with the same list of addresses, each with its own among
// them, find out whether there is a cluster to join, and if not, found one. It is pure, like [Core], which
// comes after it.
//
// A founding is one Paxos decision among the listed addresses. Its acceptors are the processes there, which
// remember nothing of those before them at the same address, so two things are different from the Paxos of
// consensus:
//
//   - A founding is decided when every one of its voters has accepted it, who are a majority of the list, and it is learned
//     from the one that proposed it, as long as that has not promised a higher ballot. So if a founding has a voter that is
//     gone, and all others promise a higher ballot, then none of them has learned it, no write was ever acknowledged in it,
//     and another may be proposed in its place. Gone is who was replaced, or where nobody listens; not who is out of reach.
//   - Who has learned it is a member, and says so to everybody who asks. So nobody proposes anything before each listed
//     address has answered, or has refused the connection, or was out of reach for long: it may be a member with the data. And
//     nobody proposes a new founding before each has promised, has refused, or has owed its promise for long. Who only attaches owes none.
//
// Each says what its list is to whom it meets. Where one that is listed has another list, nobody who has met it
// proposes: a majority of the one list need not know of a majority of the other.
type Assembly struct {
	config AssemblyConfig
	now    time.Duration // time while the loop ran
	raw    time.Duration // the newest time that Tick was told
	listed []listed      // sorted by address; one of them is us

	promised uint64
	accepted ballotValue

	ballot   uint64 // ours under way; 0 is none
	value    *Founding
	promises map[string]ballotValue // by address
	accepts  map[string]bool        // by id
	begun    time.Duration          // when it was
	tried    int                    // ballots of ours
	resendAt time.Duration
	retryAt  time.Duration
	enough   time.Duration // when a majority was first present; 0 is not yet
	greetAt  time.Duration

	out    []Note
	result *Outcome
	warned map[string]bool
}

// AssemblyConfig says who assembles.
type AssemblyConfig struct {
	ID    string
	Addr  string   // our own; one of Addrs
	Addrs []string // at most MaxAssembly

	// Patience is how long an address that neither answers nor refuses may hold the data of a running cluster. 0 is
	// DefaultPatience.
	Patience time.Duration

	NewCluster func() string // draws the id of a cluster; nil is NewID
	Logger     *slog.Logger  // nil is slog.Default()
}

// Limits and times of an assembly.
const (
	MaxAssembly     = 9               // addresses: more could not be voters
	DefaultPatience = 2 * time.Minute // see AssemblyConfig.Patience

	settleTime    = 1500 * time.Millisecond // to wait, once a majority is there, for the rest, and to be dialled by members that are not listed: they try once a second
	assembleAgain = 300 * time.Millisecond  // after which a message is sent again
	yieldTime     = 3 * time.Second         // for which each process leaves the proposing to those before it
	maxDoublings  = 4                       // of the time that a ballot gets, for slow networks
	greetTime     = 10 * time.Second        // for which somebody who was met may keep its list to itself: a broken link is noticed before
	quietTime     = 5 * time.Second         // for which nothing is said of somebody who does not answer
	maxWarned     = 64                      // things that are warned of
)

// ErrAssembly is wrapped by what is wrong with an AssemblyConfig.
var ErrAssembly = errors.New("bad list of addresses")

// Validate names what is wrong with c.
func (c AssemblyConfig) Validate() error {
	switch n := len(c.Addrs); {
	case !slices.Contains(c.Addrs, c.Addr):
		return fmt.Errorf("%w: %s is not in it", ErrAssembly, c.Addr)
	case n > MaxAssembly:
		return fmt.Errorf("%w: %d addresses, more than %d", ErrAssembly, n, MaxAssembly)
	}
	return nil
}

// listed is an address of the list, and what is known of it.
type listed struct {
	addr    string
	id      string        // of the process there, "" while none is known
	list    opinion       // of that process
	since   time.Duration // when that was met
	owes    time.Duration // since when a promise is missing that we need of it; 0 is not
	debtor  string        // the process that owes it; "" is not known
	refused bool          // nobody listens there
	missing time.Duration // since when it neither answers nor refuses
	cause   error         // why; nil is not known
}

// An opinion is how another process's list compares with ours.
type opinion int

const (
	unsaid opinion = iota
	agrees
	differs
	hasNone // it only attaches, and founds nothing
)

// ballotValue is what was accepted at a ballot; ballot 0 is nothing.
type ballotValue struct {
	ballot uint64
	value  *Founding
}

// Outcome is how an assembly ends.
type Outcome struct {
	Found   *Founding // to begin with, if it is not nil
	Cluster string    // or else to join
	Via     string    // the id of a member
}

// NewAssembly returns the assembly of one process. The error is that of Validate.
func NewAssembly(c AssemblyConfig) (*Assembly, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Patience = cmp.Or(c.Patience, DefaultPatience)
	if c.NewCluster == nil {
		c.NewCluster = NewID
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	addrs := slices.Clone(c.Addrs)
	slices.Sort(addrs)
	a := &Assembly{config: c, warned: map[string]bool{}}
	for _, addr := range slices.Compact(addrs) {
		l := listed{addr: addr}
		if addr == c.Addr {
			l.id, l.list = c.ID, agrees
		}
		a.listed = append(a.listed, l)
	}
	return a, nil
}

// Result returns how the assembly ended, or nil.
func (a *Assembly) Result() *Outcome { return a.result }

// Resume goes on with an assembly whose cluster could not be joined, with what was promised and accepted. Whoever is
// there must be met again.
func (a *Assembly) Resume() {
	a.result, a.ballot, a.enough = nil, 0, 0
	for k := range a.listed {
		if l := &a.listed[k]; l.addr != a.config.Addr {
			*l = listed{addr: l.addr}
		}
	}
}

// Ready returns what is to be sent, and forgets it.
func (a *Assembly) Ready() []Note {
	out := a.out
	a.out = nil
	return out
}

// Met says that the process at addr proved to be id: a member of cluster, if that is not "".
func (a *Assembly) Met(addr, id, cluster string) {
	l := a.at(addr)
	if l == nil || id == a.config.ID {
		return
	}
	a.there(l, id)
	if cluster != "" {
		a.member(id, cluster)
	}
}

// Hailed says that the process id, which others reach at addr and which is a member of cluster, has dialled us:
// there, this address is a member's. Whoever is listed is dialled by us, and met. Anyone else may be the last
// one to have the data of those that were here before us, so we join it; unless we have accepted a founding,
// which others may have learned.
func (a *Assembly) Hailed(addr, id, cluster string) {
	if a.at(addr) == nil && a.accepted.value == nil {
		a.member(id, cluster)
	}
}

// there notes that the process id is at an address of the list, and greets it soon if it is a new one: not at
// once, for two may say that they are there.
func (a *Assembly) there(l *listed, id string) {
	if l.id != id {
		l.id, l.list, l.since = id, unsaid, a.now
		a.greetAt = a.now
	}
	if l.debtor != id {
		l.debtor, l.owes = id, 0
	}
	l.refused, l.missing, l.cause = false, 0, nil
}

// Refused says that nobody listens at addr.
func (a *Assembly) Refused(addr string) {
	if l := a.at(addr); l != nil && addr != a.config.Addr {
		l.id, l.refused, l.missing = "", true, 0
	}
}

// Failed says that who is at addr cannot be asked, and why; nil is not known.
func (a *Assembly) Failed(addr string, cause error) {
	if l := a.at(addr); l != nil && addr != a.config.Addr && l.missing == 0 {
		l.id, l.refused, l.missing, l.cause = "", false, max(a.now, 1), cause
	}
}

// met returns who is at the addresses of the list, as far as that is known.
func (a *Assembly) met() (present []Voter) {
	for _, l := range a.listed {
		if l.id != "" {
			present = append(present, Voter{l.id, l.addr})
		}
	}
	return present
}

func (a *Assembly) at(addr string) *listed {
	k := slices.IndexFunc(a.listed, func(l listed) bool { return l.addr == addr })
	if k < 0 {
		return nil
	}
	return &a.listed[k]
}

// member ends the assembly: there is a cluster. If it is the one that we accepted, we are one of its first
// voters and did not know it yet.
func (a *Assembly) member(via, cluster string) {
	if a.result != nil {
		return
	}
	a.result = &Outcome{Cluster: cluster, Via: via}
	if v := a.accepted.value; v != nil && v.Cluster == cluster && v.has(a.config.ID) {
		a.result = &Outcome{Found: v}
	}
}

func (f *Founding) has(id string) bool {
	return slices.ContainsFunc(f.Voters, func(v Voter) bool { return v.ID == id })
}

// Tick tells the time. A step longer than assembleAgain counts as that: while our own loop stood still, nobody
// could answer.
func (a *Assembly) Tick(now time.Duration) {
	if now > a.raw {
		a.now += min(now-a.raw, assembleAgain)
		a.raw = now
	}
	switch {
	case a.result != nil:
	case a.ballot > 0 && a.now >= a.retryAt:
		a.ballot = 0
		a.retryAt = a.now + a.yield()
	case a.ballot > 0 && a.value == nil:
		a.propose()
		a.resend()
	case a.ballot > 0:
		a.resend()
	case a.mayPropose():
		a.prepare()
	}
	a.greet()
}

// greet asks again whose list we do not know, or know to be another one: by now it may be a member.
func (a *Assembly) greet() {
	if a.now < a.greetAt || a.result != nil {
		return
	}
	a.greetAt = a.now + assembleAgain
	for _, l := range a.listed {
		if l.id != "" && l.list != agrees {
			a.send(l.id, Assemble{Kind: AssembleGreet})
		}
	}
}

func (a *Assembly) send(to string, m Assemble) {
	m.Addr, m.List = a.config.Addr, a.list()
	a.out = append(a.out, Note{Kind: Assembling, From: a.config.ID, To: to, Assemble: &m})
}

// list is the list in one string, to be compared.
func (a *Assembly) list() string {
	var addrs []string
	for _, l := range a.listed {
		addrs = append(addrs, l.addr)
	}
	return strings.Join(addrs, " ")
}

// Take takes in a note of another process that assembles, or was asked by us and is a member.
func (a *Assembly) Take(n Note) {
	m := n.Assemble
	if a.result != nil || n.Kind != Assembling || m == nil || n.To != a.config.ID {
		return
	}
	if m.Kind == AssembleMember {
		a.member(n.From, m.Cluster)
		return
	}
	l := a.at(m.Addr)
	if l == nil {
		a.disagree(n.From, m)
		return
	}
	a.there(l, n.From)
	switch m.List {
	case "":
		l.list = hasNone
		return
	case a.list():
		l.list = agrees
	default:
		l.list = differs
		a.disagree(n.From, m)
		return
	}
	if m.Value != nil && !a.sound(m.Value) {
		a.tellOnce(slog.LevelError, n.From, "another process proposes what no process of this list can found", "addr", m.Addr, "voters", m.Value.Voters)
		return
	}
	if handle := assembleHandlers[m.Kind]; handle != nil {
		handle(a, n.From, m)
	}
}

// disagree answers another process that has another list, and says so once.
func (a *Assembly) disagree(from string, m *Assemble) {
	if m.Kind == AssembleGreet {
		a.onGreet(from, m)
	}
	a.tellOnce(slog.LevelError, from, "another process was started with another list of addresses: no cluster can be founded with it",
		"addr", m.Addr, "its", m.List, "ours", a.list())
}

// tellOnce logs what is wrong with a process or a cluster, by its id, unless something was said of it.
func (a *Assembly) tellOnce(level slog.Level, id, what string, args ...any) {
	if !a.warned[id] && len(a.warned) < maxWarned {
		a.warned[id] = true
		a.config.Logger.Log(context.Background(), level, what, args...)
	}
}

var assembleHandlers = [assembleKinds]func(*Assembly, string, *Assemble){
	AssemblePrepare:  (*Assembly).onPrepare,
	AssemblePromise:  (*Assembly).onPromise,
	AssembleAccept:   (*Assembly).onAccept,
	AssembleAccepted: (*Assembly).onAccepted,
	AssembleGreet:    (*Assembly).onGreet,
}

func (a *Assembly) onGreet(from string, _ *Assemble) { a.send(from, Assemble{Kind: AssembleGreeted}) }
