package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"
	"github.com/ha/doozerd/consensus"
	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

const testID = "AAAABBBBCCCCDDDD"

func testConfig() Config {
	return Config{
		Addr: "10.0.0.1:8046", Cluster: "local", Hostname: "host", Version: "1.2.3",
		ID: testID, NS: true,
		Pulse:  24 * time.Hour, // nothing changes by itself, however slow the machine is
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// start returns a running node, which it checks and closes in the end.
func start(t *testing.T, c Config) *Node {
	t.Helper()
	n, err := Start(c)
	assert.Equal(t, nil, err)
	t.Cleanup(func() {
		assert.Equal(t, nil, n.Close())
		assert.Equal(t, nil, n.Store().Check())
	})
	return n
}

func testCore(t *testing.T) *Core {
	t.Helper()
	c, err := Found(testConfig(), Founding{Cluster: "CLUSTER", Voters: []Voter{{testID, "10.0.0.1:8046"}}, Slots: 1})
	assert.Equal(t, nil, err)
	return c
}

// do proposes m at n and waits for what comes of it.
func do(t *testing.T, n *Node, m store.Mutation) store.Event {
	t.Helper()
	answer := make(chan store.Event, 1)
	err := n.Propose(t.Context(), m, func(e store.Event, err error) {
		assert.Equal(t, nil, err)
		answer <- e
	})
	assert.Equal(t, nil, err)
	return <-answer
}

func setting(path, body string) store.Mutation {
	return store.Mutation{Op: store.Set, Path: path, Guard: store.Clobber, Body: []byte(body)}
}

func dump(t *testing.T, s *store.Snapshot) (files []string) {
	t.Helper()
	for e := range s.All(store.MustParseGlob("/**")) {
		files = append(files, fmt.Sprintf("%d %s %s", e.Rev, e.Path, e.Body))
	}
	return files
}

func body(t *testing.T, n *Node, path string) string {
	t.Helper()
	b, _, err := n.Store().Snapshot().Get(path)
	assert.Equal(t, nil, err)
	return string(b)
}

func TestFounderWritesTheseFilesAndNoOthers(t *testing.T) {
	n := start(t, testConfig())
	assert.Equal(t, []string{
		"5 /ctl/cal/0 AAAABBBBCCCCDDDD",
		"1 /ctl/name local",
		"2 /ctl/node/AAAABBBBCCCCDDDD/addr 10.0.0.1:8046",
		"8 /ctl/node/AAAABBBBCCCCDDDD/applied 7",
		"3 /ctl/node/AAAABBBBCCCCDDDD/hostname host",
		"4 /ctl/node/AAAABBBBCCCCDDDD/version 1.2.3",
		"7 /ctl/node/AAAABBBBCCCCDDDD/writable true",
		"6 /ctl/ns/local/AAAABBBBCCCCDDDD 10.0.0.1:8046",
	}, dump(t, n.Store().Snapshot()))
	assert.Equal(t, int64(8), n.Store().Snapshot().Rev())
	assert.Equal(t, true, n.Writable())
	assert.Equal(t, testID, n.ID())
}

func TestFounderThatWasBootedIsNotInItsOwnNS(t *testing.T) {
	c := testConfig()
	c.NS = false
	n := start(t, c)
	assert.Equal(t, int64(7), n.Store().Snapshot().Rev())
	rev, _ := n.Store().Snapshot().Stat("/ctl/ns")
	assert.Equal(t, store.Missing, rev)
	assert.Equal(t, "6", body(t, n, appliedPath(testID)))
}

func TestDefaults(t *testing.T) {
	n := start(t, Config{Addr: "127.0.0.1:8046"})
	assert.Equal(t, "local", body(t, n, "/ctl/name"))
	assert.Equal(t, "unknown", body(t, n, nodeDir(n.ID())+"/hostname"))
	assert.Equal(t, true, regexp.MustCompile(`^[0-9]`).MatchString(body(t, n, nodeDir(n.ID())+"/version")))
	assert.Equal(t, true, regexp.MustCompile(`^[A-Z2-7]{16}$`).MatchString(n.ID()))
}

func TestEachProcessHasItsOwnID(t *testing.T) {
	assert.NotEqual(t, NewID(), NewID())
}

func TestValidateNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		spoil func(*Config)
		says  string
	}{
		{func(c *Config) { c.Addr = "" }, "address to be reached at"},
		{func(c *Config) { c.Addr = "no-port" }, "no-port"},
		{func(c *Config) { c.Cluster = "a/b" }, `cluster name "a/b"`},
		{func(c *Config) { c.Cluster = "a_b" }, `cluster name "a_b"`},
		{func(c *Config) { c.ID = "ä" }, `id "ä"`},
		{func(c *Config) { c.ID = strings.Repeat("I", wire.MaxPeerID+1) }, "id of 256 bytes, more than 255"},
		{func(c *Config) { c.History = -1 }, "history of -1"},
		{func(c *Config) { c.History = store.MaxHistory + 1 }, "history of"},
		{func(c *Config) { c.Pulse = -time.Second }, "pulse of -1s"},
		{func(c *Config) { c.FillDelay, c.Timeout = time.Second, 9*time.Second }, "timeout of 9s: must be at least 10 times"},
	} {
		config := testConfig()
		c.spoil(&config)
		_, err := Start(config)
		if err == nil {
			t.Fatalf("no error that says %q", c.says)
		}
		assert.T(t, regexp.MustCompile(regexp.QuoteMeta(c.says)).MatchString(err.Error()), err.Error())
	}
}

// Nobody escapes by a mistake: not another node, nor one that hears a majority, nor one that has nothing.
func TestEscapeIsRefused(t *testing.T) {
	n := start(t, testConfig())
	cluster := n.Status().Cluster
	desk := Desk{Node: n}
	err := desk.Escape("ANOTHER")
	assert.T(t, err != nil && strings.HasPrefix(err.Error(), "this is "+testID+":"), err)
	assert.Equal(t, ErrMajority, desk.Escape(testID))
	status := string(desk.Status())
	assert.T(t, strings.Contains(status, `"`+cluster+`"`), status)

	l, err := net.Listen("tcp", "127.0.0.1:0") // where nobody says anything
	assert.Equal(t, nil, err)
	t.Cleanup(func() { l.Close() }) // after the node: it may be asking still
	c := testConfig()
	c.Attach = []string{l.Addr().String()}
	seeking := start(t, c)
	assert.Equal(t, ErrReadOnly, Desk{Node: seeking}.Escape(testID))
}

func TestProposeAnswersWithTheEvent(t *testing.T) {
	n := start(t, testConfig())
	e := do(t, n, setting("/x", "1"))
	assert.Equal(t, store.Event{Rev: 9, Op: store.Set, Path: "/x", Body: []byte("1")}, e)

	e = do(t, n, store.Mutation{Op: store.Set, Path: "/x", Guard: store.Missing})
	assert.Equal(t, store.ErrRevMismatch, e.Err)
	assert.Equal(t, "/ctl/err", e.Path)
	assert.Equal(t, int64(10), e.Rev)
}

func TestAnsweredWriteIsVisible(t *testing.T) {
	n := start(t, testConfig())
	seen := make(chan string, 1)
	err := n.Propose(t.Context(), setting("/x", "1"), func(store.Event, error) {
		b, _, _ := n.Store().Snapshot().Get("/x")
		seen <- string(b)
	})
	assert.Equal(t, nil, err)
	assert.Equal(t, "1", <-seen)
}

func TestBarrierComesAfterWhatWasProposedBefore(t *testing.T) {
	n := start(t, testConfig())
	for range 100 {
		err := n.Propose(t.Context(), setting("/x", "1"), func(store.Event, error) {})
		assert.Equal(t, nil, err)
	}
	seen := make(chan int64, 1)
	err := n.Barrier(t.Context(), func(err error) {
		assert.Equal(t, nil, err)
		seen <- n.Store().Snapshot().Rev()
	})
	assert.Equal(t, nil, err)
	assert.Equal(t, int64(108), <-seen)
}

func TestBarrierConsumesNoRev(t *testing.T) {
	c := testCore(t)
	c.propose(proposal{done: func(store.Event, error) {}})
	c.Ready()
	assert.Equal(t, int64(8), c.store.Snapshot().Rev())
}

func TestOneWinnerAmongEqualProposals(t *testing.T) {
	n := start(t, testConfig())
	const rivals = 50
	var won atomic.Int32
	var all sync.WaitGroup
	all.Add(rivals)
	for range rivals {
		go func() {
			m := store.Mutation{Op: store.Set, Path: "/master", Guard: store.Missing, Body: []byte("me")}
			err := n.Propose(t.Context(), m, func(e store.Event, _ error) {
				if e.Err == nil {
					won.Add(1)
				}
				all.Done()
			})
			assert.Equal(t, nil, err)
		}()
	}
	all.Wait()
	assert.Equal(t, int32(1), won.Load())
}

func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testConfig()
		c.Pulse = 3 * time.Second
		n := start(t, c)
		for i, applied := range []string{"8", "9", "10"} {
			wait(3 * time.Second)
			assert.Equal(t, applied, body(t, n, appliedPath(testID)))
			assert.Equal(t, int64(9+i), n.Store().Snapshot().Rev())
		}
	})
}

// wait lets the bubble's clock run for d and everything due then be done.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestPulseGoesOnFromWhatSomebodyElseWrote(t *testing.T) {
	for _, m := range []store.Mutation{
		setting(appliedPath(testID), "mine"),
		{Op: store.Del, Path: appliedPath(testID), Guard: store.Clobber},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := testConfig()
			c.Pulse = DefaultPulse
			n := start(t, c)
			do(t, n, m)
			wait(DefaultPulse)
			assert.Equal(t, "9", body(t, n, appliedPath(testID)))
			rev, _ := n.Store().Snapshot().Stat("/ctl/err")
			assert.Equal(t, store.Missing, rev)
		})
	}
}

func TestPulseGivesWayToSomebodyFaster(t *testing.T) {
	c := testCore(t)
	c.propose(proposal{mutation: setting(appliedPath(testID), "mine").Append(nil), done: func(store.Event, error) {}})
	c.pulse()
	c.Ready()
	assert.Equal(t, "mine", bodyOf(c.store.Snapshot(), appliedPath(testID)))
	assert.Equal(t, store.ErrRevMismatch.Error(), bodyOf(c.store.Snapshot(), "/ctl/err"))

	c.pulse()
	c.Ready()
	assert.Equal(t, "10", bodyOf(c.store.Snapshot(), appliedPath(testID)))
}

func TestOnePulseAtATime(t *testing.T) {
	c := testCore(t)
	c.pulse()
	c.pulse()
	c.Ready()
	assert.Equal(t, int64(9), c.store.Snapshot().Rev())
}

func TestAbandonedProposalsHaveAnUnknownOutcome(t *testing.T) {
	c := testCore(t)
	var got []error
	done := func(_ store.Event, err error) { got = append(got, err) }
	c.propose(proposal{mutation: setting("/x", "1").Append(nil), done: done})
	c.propose(proposal{done: done})
	c.Abandon()
	assert.Equal(t, []error{ErrOutcomeUnknown, ErrOutcomeUnknown}, got)
}

func TestClosedNodeTakesNothing(t *testing.T) {
	n := start(t, testConfig())
	assert.Equal(t, nil, n.Close())
	<-n.Done()

	never := func(store.Event, error) { t.Error("done was called although nothing was taken") }
	assert.Equal(t, ErrClosed, n.Propose(t.Context(), setting("/x", "1"), never))
	assert.Equal(t, ErrClosed, n.Barrier(t.Context(), func(error) { never(store.Event{}, nil) }))
	assert.Equal(t, nil, n.Close())
}

// TestCloseAnswersEverything closes a node under load. Whatever was taken must
// be answered once; what was answered with an event must be in the store.
func TestCloseAnswersEverything(t *testing.T) {
	n := start(t, testConfig())
	var taken, answered, applied atomic.Int64
	var proposers sync.WaitGroup
	for range 8 {
		proposers.Go(func() {
			for {
				err := n.Propose(t.Context(), setting("/x", "1"), func(_ store.Event, err error) {
					answered.Add(1)
					if err == nil {
						applied.Add(1)
					} else if !errors.Is(err, ErrClosed) && !errors.Is(err, ErrOutcomeUnknown) {
						t.Errorf("answered with %v", err)
					}
				})
				if err != nil {
					assert.Equal(t, ErrClosed, err)
					return
				}
				taken.Add(1)
			}
		})
	}
	busy := make(chan struct{})
	_, err := n.Store().Wait(store.MustParseGlob("/x"), 1000, func(store.Event, error) { close(busy) })
	assert.Equal(t, nil, err)
	<-busy
	assert.Equal(t, nil, n.Close())
	proposers.Wait()
	assert.Equal(t, taken.Load(), answered.Load())
	assert.T(t, n.Store().Snapshot().Rev() >= 8+applied.Load())
}

func TestProposalThatConsensusDoesNotTakeIsAnsweredAtOnce(t *testing.T) {
	c := testCore(t)
	p := proposal{done: func(store.Event, error) {}, held: weight{count: 1, bytes: 2}}
	for range consensus.MaxWaiting {
		c.propose(p)
	}
	var got error
	p.done = func(_ store.Event, err error) { got = err }
	c.propose(p)
	assert.Equal(t, consensus.ErrBusy, got)
	assert.Equal(t, weight{consensus.MaxWaiting + 1, 2 * (consensus.MaxWaiting + 1)}, c.Ready().answered)
}

func TestProposeBlocksWhileTheQueueIsFull(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int // of each proposal
		count int // that fills the queue
	}{
		{"by count", 1, MaxProposals},
		{"by bytes", MaxProposalBytes / 4, 4},
		{"by one alone", MaxProposalBytes + 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue()
				p := proposal{mutation: make([]byte, c.size)}
				for range c.count {
					assert.Equal(t, nil, q.put(t.Context(), p))
				}
				brief, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				assert.Equal(t, context.DeadlineExceeded, q.put(brief, p))

				put := make(chan error, 1)
				go func() { put <- q.put(t.Context(), p) }()
				synctest.Wait()
				assert.Equal(t, 0, len(put))
				q.release(q.take()[0].held)
				assert.Equal(t, nil, <-put)
			})
		})
	}
}

func TestFullQueueThatClosesRefusesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		p := proposal{mutation: make([]byte, MaxProposalBytes)}
		assert.Equal(t, nil, q.put(t.Context(), p))
		put := make(chan error, 1)
		go func() { put <- q.put(t.Context(), p) }()
		synctest.Wait()

		q.close()
		q.release(q.take()[0].held)
		assert.Equal(t, ErrClosed, <-put)
	})
}

func TestQueueKeepsOrder(t *testing.T) {
	q := newQueue()
	for round := range 3 {
		for i := range 5 {
			assert.Equal(t, nil, q.put(t.Context(), proposal{mutation: []byte{byte(round), byte(i)}}))
		}
		taken := q.take()
		assert.Equal(t, 5, len(taken))
		for i, p := range taken {
			assert.Equal(t, []byte{byte(round), byte(i)}, p.mutation)
		}
	}
	assert.Equal(t, 0, len(q.take()))
}

// BenchmarkSet measures what a node does with writers that do not wait for
// each other's answers, and with a single one that does.
func BenchmarkSet(b *testing.B) {
	b.Run("pipelined", func(b *testing.B) {
		n := startBench(b)
		var answers sync.WaitGroup
		done := func(store.Event, error) { answers.Done() }
		for i := range b.N {
			answers.Add(1)
			m := setting(fmt.Sprintf("/dir/%d", i%10000), "a body that is neither long nor short")
			if err := n.Propose(context.Background(), m, done); err != nil {
				b.Fatal(err)
			}
		}
		answers.Wait()
	})
	b.Run("one-by-one", func(b *testing.B) {
		n := startBench(b)
		answer := make(chan struct{}, 1)
		done := func(store.Event, error) { answer <- struct{}{} }
		for range b.N {
			if err := n.Propose(context.Background(), setting("/x", "1"), done); err != nil {
				b.Fatal(err)
			}
			<-answer
		}
	})
}

func startBench(b *testing.B) *Node {
	n, err := Start(testConfig())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { n.Close() })
	b.ReportAllocs()
	return n
}

// A watch is a stage that notes when it was told the time.
type watch struct {
	stage
	now time.Duration
}

func (w *watch) tick(now time.Duration) {
	w.now = now
	w.stage.tick(now)
}

// What comes in is dated by the turn in which it comes in: round trips are measured by that.
func TestLoopTellsTheTimeBeforeEachTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, testConfig())
		var w *watch
		set := make(chan struct{})
		n.order(func() {
			w = &watch{stage: n.stage}
			n.stage = w
			close(set)
		})
		<-set
		for range 3 {
			time.Sleep(consensus.DefaultFillDelay / 33) // of the bubble's clock
			told := make(chan time.Duration)
			n.events <- func(stage) { told <- w.now }
			assert.Equal(t, time.Since(n.start), <-told)
		}
	})
}

// Whoever was started alone by mistake, or has won the founding by a DzNS, says so.
func TestFoundingAloneIsLogged(t *testing.T) {
	r := newRig(t)
	var log bytes.Buffer
	config := r.config("A", "10.0.0.1:1")
	config.Logger = slog.New(slog.NewTextHandler(&log, nil))
	_, err := Found(config, Founding{Cluster: "CLUSTER", Voters: []Voter{{"A", "10.0.0.1:1"}}})
	assert.Equal(t, nil, err)
	assert.Equal(t, 1, strings.Count(log.String(), `msg="cluster founded" cluster=CLUSTER voters=[A]`), log.String())
}
