package web

import (
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Server tells what the client port has to do. Traffic may be called from any
// goroutine.
type Server interface{ Traffic() Traffic }

// Traffic is what a client port has to do, and has done since it started.
type Traffic struct {
	Conns    int               // connections open
	Refused  uint64            // closed at once, because too many were open
	Cut      uint64            // ended because the client did not read
	Requests map[string]uint64 // requests, by the name of the verb
}

func (t Traffic) reads() uint64 {
	return t.Requests["GET"] + t.Requests["GETDIR"] + t.Requests["STAT"] + t.Requests["WALK"]
}

func (t Traffic) writes() uint64 { return t.Requests["SET"] + t.Requests["DEL"] }

// Consensus tells what it took to agree. Agreement may be called from any
// goroutine.
type Consensus interface{ Agreement() Agreement }

// Agreement is what consensus has done at this node since it started.
type Agreement struct {
	Decisions uint64 // instances decided and applied

	// What a healthy cluster does little of.
	Fills     uint64 // attempts to close the instances of a silent owner
	Rejected  uint64 // of these, given up for another voter's
	Lost      uint64 // own batches that were proposed again
	Pulls     uint64 // requests for what was missed
	Resends   uint64 // messages sent again
	Dropped   uint64 // messages that broke a rule
	Conflicts uint64 // of these, claims of another decision: somebody is broken

	Unknown uint64            // messages of kinds that only a later release knows
	Frames  map[string]uint64 // frames of messages that were lost here, by cause
}

// Latencies counts and times what a node is asked to agree on. The zero
// Latencies is of no use: see NewLatencies.
type Latencies struct {
	proposals *prometheus.CounterVec
	writes    prometheus.Histogram
	barriers  prometheus.Histogram
}

// buckets are the upper bounds of the histograms, in seconds: from what one node
// alone takes to what a wide network and a silent owner do.
var buckets = []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}

// NewLatencies returns one that has counted nothing.
func NewLatencies() *Latencies {
	return &Latencies{
		proposals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "doozerd_proposals_total",
			Help: "Mutations proposed by this node's clients, by outcome: applied, failed (a guard, a path), or unknown.",
		}, []string{"outcome"}),
		writes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "doozerd_write_seconds", Buckets: buckets,
			Help: "Time from a client's mutation to its being decided and applied here.",
		}),
		barriers: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "doozerd_barrier_seconds", Buckets: buckets,
			Help: "Time from a client's NOP to everything before it being applied here.",
		}),
	}
}

// Wrote counts a mutation that was proposed at begin. failed is why the tree
// refused it, unknown why nobody knows what became of it.
func (l *Latencies) Wrote(begin time.Time, failed, unknown error) {
	outcome := "applied"
	switch {
	case unknown != nil:
		outcome = "unknown"
	case failed != nil:
		outcome = "failed"
	}
	l.proposals.WithLabelValues(outcome).Inc()
	if unknown == nil {
		l.writes.Observe(time.Since(begin).Seconds())
	}
}

// Passed counts a barrier that was proposed at begin.
func (l *Latencies) Passed(begin time.Time, err error) {
	if err == nil {
		l.barriers.Observe(time.Since(begin).Seconds())
	}
}

// metrics serves what Prometheus asks for.
func (v *View) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &gauges{v})
	if l := v.config.Latencies; l != nil {
		r.MustRegister(l.proposals, l.writes, l.barriers)
	}
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// gauges reads the node at each scrape: nothing is counted twice, and nothing
// costs anything while nobody asks.
type gauges struct{ *View }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("doozerd_"+name, help, labels, nil)
}

var (
	descInfo    = desc("info", "1; the labels say what this is.", "version", "id", "cluster", "addr")
	descRev     = desc("rev", "The newest rev applied here. Its rate is the rate of changes.")
	descOldest  = desc("history_oldest_rev", "The oldest rev that can be read here.")
	descWaits   = desc("waits", "Waits under way, those of the WebView included.")
	descStreams = desc("web_streams", "Pages and scripts that follow the tree.")

	descConns    = desc("connections", "Client connections open.")
	descRefused  = desc("connections_refused_total", "Client connections closed at once, because too many were open.")
	descCut      = desc("connections_cut_total", "Client connections ended because the client did not read.")
	descRequests = desc("requests_total", "Requests of clients, by verb.", "verb")

	descDecisions = desc("decisions_total", "Instances decided and applied.")
	descFills     = desc("fills_total", "Attempts to close the instances of a silent owner.")
	descRejected  = desc("fills_rejected_total", "Fills given up for another voter's.")
	descLost      = desc("batches_lost_total", "Own batches that were proposed again, their instance being decided otherwise.")
	descPulls     = desc("pulls_total", "Requests for decisions that were missed.")
	descResends   = desc("resends_total", "Messages sent again.")
	descDropped   = desc("messages_dropped_total", "Messages that broke a rule of the protocol.")
	descConflicts = desc("conflicts_total", "Claims of another decision than the one known: somebody is broken.")
	descUnknown   = desc("messages_unknown_total", "Messages of kinds that only a later release knows.")
	descFrames    = desc("frames_lost_total", "Frames between members that could not be read here, or not be sent, by cause.", "cause")

	descMembers   = desc("members", "Members of the cluster, by role.", "role")
	descTrouble   = desc("troubles", "Things that the cluster page calls wrong.")
	descApplied   = desc("member_applied_rev", "The newest rev that a member is known to have applied.", "member")
	descLag       = desc("member_lag", "Decisions that a member is behind this node.", "member")
	descSilence   = desc("member_silence_seconds", "Time since a member was heard.", "member")
	descRoundTrip = desc("member_round_trip_seconds", "Round trip to a member.", "member")
)

// Describe leaves it to Collect: what there is depends on the node.
func (g *gauges) Describe(chan<- *prometheus.Desc) {}

// Collect sends the values of the moment.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	s, c := scrape(ch), g.config
	s.gauge(descInfo, 1, c.Version, c.Node.ID(), c.Name, c.Addr)
	s.gauge(descRev, float64(g.past.Snapshot().Rev()))
	s.gauge(descOldest, float64(g.past.oldest()))
	s.gauge(descWaits, float64(g.past.Waits()))
	s.gauge(descStreams, float64(len(g.streams)))
	if c.Server != nil {
		s.traffic(c.Server.Traffic())
	}
	if c.Consensus != nil {
		s.agreement(c.Consensus.Agreement())
	}
	s.status(c.Members.Status())
}

// A scrape takes the values of one moment.
type scrape chan<- prometheus.Metric

func (s scrape) gauge(d *prometheus.Desc, value float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (s scrape) counter(d *prometheus.Desc, value uint64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}

func (s scrape) traffic(t Traffic) {
	s.gauge(descConns, float64(t.Conns))
	s.counter(descRefused, t.Refused)
	s.counter(descCut, t.Cut)
	for verb, n := range t.Requests {
		s.counter(descRequests, n, verb)
	}
}

func (s scrape) agreement(a Agreement) {
	s.counter(descDecisions, a.Decisions)
	s.counter(descFills, a.Fills)
	s.counter(descRejected, a.Rejected)
	s.counter(descLost, a.Lost)
	s.counter(descPulls, a.Pulls)
	s.counter(descResends, a.Resends)
	s.counter(descDropped, a.Dropped)
	s.counter(descConflicts, a.Conflicts)
	s.counter(descUnknown, a.Unknown)
	for cause, n := range a.Frames {
		s.counter(descFrames, n, cause)
	}
}

func (s scrape) status(told Status) {
	roles := map[Role]int{Voter: 0, Observer: 0, Unregistered: 0}
	for _, m := range told.Members {
		roles[m.Role]++
		s.member(m)
	}
	for role, n := range roles {
		s.gauge(descMembers, float64(n), string(role))
	}
	s.gauge(descTrouble, float64(len(told.Trouble)))
}

// member leaves out what is not known.
func (s scrape) member(m Member) {
	if m.Applied > 0 {
		s.gauge(descApplied, float64(m.Applied), m.ID)
	}
	if m.Lag >= 0 {
		s.gauge(descLag, float64(m.Lag), m.ID)
	}
	if m.Silence >= 0 {
		s.gauge(descSilence, m.Silence.Seconds(), m.ID)
	}
	if m.RoundTrip > 0 {
		s.gauge(descRoundTrip, m.RoundTrip.Seconds(), m.ID)
	}
}

// profile serves what `go tool pprof` asks for.
func profile(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}
