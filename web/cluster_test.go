package web

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bmizerany/assert"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// register writes what a member writes.
func (tr *tree) register(id, addr, slot string) {
	tr.set("/ctl/node/"+id+"/addr", addr)
	tr.set("/ctl/node/"+id+"/hostname", "host-of-"+id)
	tr.set("/ctl/node/"+id+"/version", "1.2.3")
	if slot != "" {
		tr.set("/ctl/cal/"+slot, id)
	}
}

func TestMembersFromTheTree(t *testing.T) {
	tr := newTree(t, 100)
	tr.register(nodeID, "10.0.0.1:8046", "0")
	tr.register("OBSERVER", "10.0.0.2:8046", "")
	tr.register("VOTER", "10.0.0.3:8046", "2")
	tr.set("/ctl/node/VOTER/applied", "7")
	tr.set("/ctl/cal/1", "GHOST")
	tr.set("/ctl/cal/3", "")
	s := getJSON[clusterView](t, viewOf(t, Config{Node: tr}), "/_/status")
	var told []string
	for _, m := range s.Members {
		told = append(told, strings.Join([]string{m.Slot, m.ID, string(m.Role), m.Addr}, " "))
	}
	assert.Equal(t, []string{
		"0 " + nodeID + " voter 10.0.0.1:8046", "1 GHOST unregistered ", "2 VOTER voter 10.0.0.3:8046", " OBSERVER observer 10.0.0.2:8046",
	}, told)
	assert.Equal(t, []string{`Slot 1 holds "GHOST", which is no member.`}, s.Trouble)
	self, voter := s.Members[0], s.Members[2]
	assert.T(t, self.Self)
	assert.Equal(t, tr.store.Snapshot().Rev(), *self.Applied)
	assert.Equal(t, 0.0, *self.Silence)
	assert.Equal(t, int64(7), *voter.Applied)
	assert.T(t, voter.Lag == nil && voter.RoundTrip == nil && voter.Silence == nil) // what is not known is not told
	assert.Equal(t, 1, len(s.Advice))                                               // two voters
}

// A page goes through these lists: one that is empty is still one.
func TestNoListIsNull(t *testing.T) {
	three := told{Members: []Member{{ID: "A", Role: Voter}, {ID: "B", Role: Voter}, {ID: "C", Role: Voter}}}
	for _, members := range []Cluster{three, told{}} {
		v := viewOf(t, Config{Node: newTree(t, 10), Members: members})
		for _, url := range []string{"/_/status", "/_/list?dir=/none", "/_/find?glob=/none", "/_/history?path=/none"} {
			lacks(t, get(v, url).Body.String(), "null")
		}
	}
}

// told is a cluster that says what a test wants.
type told Status

func (s told) Status() Status { return Status(s) }

func TestMembersAsTheNodeKnowsThem(t *testing.T) {
	tr := newTree(t, 10)
	v := viewOf(t, Config{Node: tr, Members: told{
		Members: []Member{{ID: "A", Role: Voter, Slot: "0", Applied: 5, Lag: 3, RoundTrip: 1500 * time.Microsecond, Silence: 2 * time.Second}},
		Trouble: []string{"something"},
	}})
	s := getJSON[clusterView](t, v, "/_/status")
	m := s.Members[0]
	assert.Equal(t, int64(3), *m.Lag)
	assert.Equal(t, 0.0015, *m.RoundTrip)
	assert.Equal(t, 2.0, *m.Silence)
	assert.Equal(t, []string{"something"}, s.Trouble)
	metrics := get(v, "/metrics").Body.String()
	for _, line := range []string{
		`doozerd_members{role="voter"} 1`, `doozerd_member_lag{member="A"} 3`, `doozerd_member_round_trip_seconds{member="A"} 0.0015`,
		`doozerd_member_silence_seconds{member="A"} 2`, `doozerd_troubles 1`,
	} {
		contains(t, metrics, "\n"+line+"\n")
	}
}

// counters is a client port, and consensus, that a test counts for.
type counters struct {
	mu        sync.Mutex
	traffic   Traffic
	agreement Agreement
}

// Traffic is what was last set.
func (c *counters) Traffic() Traffic {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.traffic
}

func (c *counters) setRequests(requests map[string]uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.traffic.Requests = requests
}

// Agreement is what was set.
func (c *counters) Agreement() Agreement { return c.agreement }

func TestMetrics(t *testing.T) {
	tr := newTree(t, 10)
	tr.set("/a", "1")
	c := &counters{
		traffic:   Traffic{Conns: 3, Refused: 4, Cut: 5, Requests: map[string]uint64{"GET": 6}},
		agreement: Agreement{Decisions: 7, Fills: 8, Rejected: 9, Lost: 10, Pulls: 11, Resends: 12, Dropped: 13, Conflicts: 14, Unknown: 15, Frames: map[string]uint64{"version": 16}},
	}
	times := NewLatencies()
	times.Wrote(time.Now(), nil, nil)
	times.Wrote(time.Now(), context.Canceled, nil)
	times.Wrote(time.Now(), nil, context.Canceled)
	times.Passed(time.Now(), nil)
	times.Passed(time.Now(), context.Canceled)
	v := viewOf(t, Config{Node: tr, Server: c, Consensus: c, Latencies: times, Name: "n", Addr: "a", Version: "v"})
	metrics := get(v, "/metrics").Body.String()
	for _, line := range []string{
		`doozerd_info{addr="a",cluster="n",id="` + nodeID + `",version="v"} 1`,
		"doozerd_rev 1", "doozerd_history_oldest_rev 1", "doozerd_connections 3", "doozerd_connections_refused_total 4", "doozerd_connections_cut_total 5",
		`doozerd_requests_total{verb="GET"} 6`, "doozerd_decisions_total 7", "doozerd_fills_total 8", "doozerd_fills_rejected_total 9",
		"doozerd_batches_lost_total 10", "doozerd_pulls_total 11", "doozerd_resends_total 12", "doozerd_messages_dropped_total 13", "doozerd_conflicts_total 14",
		"doozerd_messages_unknown_total 15", `doozerd_frames_lost_total{cause="version"} 16`,
		`doozerd_proposals_total{outcome="applied"} 1`, `doozerd_proposals_total{outcome="failed"} 1`, `doozerd_proposals_total{outcome="unknown"} 1`,
		"doozerd_write_seconds_count 2", "doozerd_barrier_seconds_count 1", "doozerd_web_streams 0",
	} {
		contains(t, metrics, "\n"+line+"\n")
	}
	for _, histogram := range []string{"write", "barrier"} { // as fine as one node alone needs it
		contains(t, metrics, fmt.Sprintf("\ndoozerd_%s_seconds_bucket{le=\"5e-05\"} ", histogram))
	}
	contains(t, metrics, "\ngo_goroutines ")
	contains(t, metrics, "\nprocess_open_fds ")
}

// TestDashboardAndRules holds the files in doc/ that name metrics to those there
// are, and those there are to the list in metrics.md.
func TestDashboardAndRules(t *testing.T) {
	times := NewLatencies()
	times.Wrote(time.Now(), nil, nil)
	c := &counters{traffic: Traffic{Requests: map[string]uint64{"GET": 1}}, agreement: Agreement{Frames: map[string]uint64{"version": 1}}}
	v := viewOf(t, Config{Node: newTree(t, 10), Server: c, Consensus: c, Latencies: times, Members: told{
		Members: []Member{{ID: "A", Role: Voter, Applied: 5, Lag: 3, RoundTrip: time.Millisecond, Silence: time.Second}},
	}})
	metrics := get(v, "/metrics").Body.String()
	problems, err := promlint.New(strings.NewReader(metrics)).Lint()
	assert.Equal(t, nil, err)
	assert.Equal(t, 0, len(problems), problems)
	there := make(map[string]bool)
	for _, line := range strings.Split(metrics, "\n") {
		if name, kind, ok := strings.Cut(strings.TrimPrefix(line, "# TYPE "), " "); ok && strings.HasPrefix(line, "# TYPE ") {
			there[name] = true
			if kind == "histogram" {
				there[name+"_bucket"] = true
			}
		}
	}
	names := regexp.MustCompile(`\b(doozerd|go|process)(_[a-z]+)+\b`)
	for _, file := range []string{"grafana.json", "prometheus-rules.yml"} {
		found := 0
		for _, line := range strings.Split(readDoc(t, file), "\n") {
			if _, expr, ok := strings.Cut(line, "expr"); ok {
				for _, name := range names.FindAllString(expr, -1) {
					found++
					assert.T(t, there[name], file, name)
				}
			}
		}
		assert.T(t, found > 5, file)
	}
	list := readDoc(t, "metrics.md")
	for name := range there {
		base, _, _ := strings.Cut(strings.TrimPrefix(name, "doozerd_member_"), "_bucket")
		if strings.HasPrefix(name, "doozerd_") && !strings.HasPrefix(name, "doozerd_connections_") {
			contains(t, list, base)
		}
	}
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../doc/" + name)
	assert.Equal(t, nil, err)
	return string(text)
}

func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t, 10)
		c := &counters{traffic: Traffic{Requests: map[string]uint64{}}}
		v := viewOf(t, Config{Node: tr, Server: c})
		for range 5 {
			tr.set("/a", "x")
		}
		c.setRequests(map[string]uint64{"GET": 10, "WALK": 10, "SET": 8, "WAIT": 99})
		time.Sleep(2*sampleEvery + sampleEvery/2) // of the bubble's clock
		s := v.rates.series()
		assert.Equal(t, []float64{2.5, 0}, s.Revs)
		assert.Equal(t, []float64{10, 0}, s.Reads)
		assert.Equal(t, []float64{4, 0}, s.Writes)
		time.Sleep(2 * samples * sampleEvery)
		assert.Equal(t, samples, len(v.rates.series().Revs))
		v.Close()
	})
}
