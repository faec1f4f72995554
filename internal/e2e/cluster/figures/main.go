// Command figures measures whole clusters, each node on a host of its own, and
// prints tables in Markdown.
//
//	go run ./internal/e2e/cluster/figures                        all of it, in about ten minutes
//	go run ./internal/e2e/cluster/figures -only faults           one part of it
//	go run ./internal/e2e/cluster/figures -o doc/performance.md  into the document that keeps them
//	go run ./internal/e2e/cluster/figures -profile DIR           CPU profiles of three nodes under load
//
// All hosts are on one machine, so the nodes and the clients share its
// processors: with a machine for each there would be more. Hosts are network
// namespaces where those are to be had, and addresses of the loopback interface
// where not; then nobody is cut off.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ha/doozerd/internal/e2e"
	"github.com/ha/doozerd/internal/e2e/cluster"
	"github.com/ha/doozerd/internal/e2e/report"
)

// part is measurements that make a table.
type part struct {
	name    string
	title   string
	columns string
	measure func(*figures) error
}

var parts = []part{
	{"rates", "Clusters: writes", "voters | clients | writes per second | p50 | p99", (*figures).rates},
	{"etcd", "Clusters: three nodes beside three of etcd", "clients | what | doozerd | etcd | doozerd to etcd | goal | ", (*figures).etcd},
	{"faults", "Clusters: what clients of the other nodes notice, three voters, default flags",
		"what happens to a node | clients | longest time without a write | goal | slowest write, median of the rounds | slowest write", (*figures).faults},
	{"joining", "Clusters: joining one of three", "files | time from the start of the process until it serves", (*figures).joining},
	{"returning", "Clusters: a node that was killed is started again",
		"files | time from the start of the process until it is a voter | longest", (*figures).returning},
	{"idle", "Clusters: an idle one of three", "node | processor time, of one processor, without a WebView | with one | goal", (*figures).idle},
}

type figures struct {
	bins  e2e.Binaries
	table strings.Builder // of the part that is being measured
}

func main() {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	out := flag.String("o", "-", "document whose sections are replaced; - only prints")
	only := flag.String("only", "", "measure just this part: "+strings.Join(names, ", "))
	profile := flag.String("profile", "", "write CPU profiles of three nodes under load into this directory, and nothing else")
	flag.Parse()
	err := cluster.EnterYard()
	if err == nil {
		err = run(*out, *only, *profile)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func run(out, only, profile string) error {
	dir, err := os.MkdirTemp("", "doozer-figures-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f := &figures{}
	if f.bins, err = e2e.Build(dir, false); err != nil {
		return err
	}
	if profile != "" {
		return f.profile(profile)
	}
	for _, p := range parts {
		if only != "" && only != p.name {
			continue
		}
		if err := f.make(p, out); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// make measures a part, and keeps it in the document.
func (f *figures) make(p part, out string) error {
	where := "Hosts are network namespaces."
	if !cluster.HaveHosts() {
		where = "Hosts are addresses of the loopback interface."
	}
	head := fmt.Sprintf("## %s\n\n%s%s\n\n| %s |\n|%s\n", p.title,
		report.Made("go run ./internal/e2e/cluster/figures -only "+p.name, report.LoadAverage()), where,
		p.columns, strings.Repeat("---|", strings.Count(p.columns, "|")+1))
	fmt.Print("\n", head)
	f.table.Reset()
	if err := p.measure(f); err != nil {
		return err
	}
	if out == "-" {
		return nil
	}
	return report.Put(out, p.name, head+f.table.String())
}

// row makes a row of the table, and prints it at once.
func (f *figures) row(cells ...any) {
	var texts []string
	for _, c := range cells {
		texts = append(texts, fmt.Sprint(c))
	}
	line := fmt.Sprintf("| %s |\n", strings.Join(texts, " | "))
	f.table.WriteString(line)
	fmt.Print(line)
}

// noWeb are the flags of nodes without a WebView.
const noWeb = "-w false"

// with runs a cluster of voters, with these flags, for as long as do takes. There is a spare host.
func (f *figures) with(voters int, flags string, do func(*cluster.Cluster) error) error {
	c, err := cluster.New(f.bins, cluster.Options{Hosts: voters + 1, Founders: voters, Flags: flags})
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Sh("start $(seq $founders)\nfor n in $(seq $founders); do eventually voter $n; done"); err != nil {
		return fmt.Errorf("%w\n%s", err, c.Logs())
	}
	return do(c)
}

func upTo(n int) (hosts []int) {
	for k := 1; k <= n; k++ {
		hosts = append(hosts, k)
	}
	return hosts
}

const (
	warmUp = 500 * time.Millisecond
	span   = 4 * time.Second // of one rate
)

func (f *figures) rates() error {
	for _, voters := range []int{1, 3, 5} {
		err := f.with(voters, noWeb, func(c *cluster.Cluster) error {
			for _, clients := range []int{1, 16, 64, 256} {
				if err := f.rate(c, voters, clients); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *figures) rate(c *cluster.Cluster, voters, clients int) error {
	l, err := c.NewLoad(clients, upTo(voters)...)
	if err != nil {
		return err
	}
	m, err := measure(c, l, span)
	if err != nil {
		return err
	}
	f.row(voters, clients, int(m.rate), round(m.p50), round(m.p99))
	return nil
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))]
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

// fault is what happens to a node, as a script, and how it is undone.
type fault struct {
	what  string
	begin string
	undo  string
	wires bool
	limit time.Duration // without a write, at most; 0 is none
	must  bool          // the limit is more than a goal
}

// goal says what of the longest time without a write is asked for, and whether it is met.
func (f fault) goal(gap time.Duration) string {
	switch {
	case f.limit == 0:
		return ""
	case f.must:
		return fmt.Sprintf("must be ≤ %v, %s", f.limit, met(gap <= f.limit))
	}
	return fmt.Sprintf("≤ %v, %s", f.limit, met(gap <= f.limit))
}

// What clients of other nodes are promised: the gap when a voter ends, and when it is silent, so that the fill
// delay must pass first.
const (
	limitEnded  = 250 * time.Millisecond
	limitSilent = 150 * time.Millisecond
)

var faultsToTry = []fault{
	{what: "nothing"},
	{"killed", "kill -9 $(pid %[1]d)", "ended %[1]d; start %[1]d; eventually voter %[1]d", false, limitEnded, true},
	{"stopped", "kill -STOP $(pid %[1]d)", "kill -CONT $(pid %[1]d); ask %[1]d nop", false, limitSilent, false},
	// TCP has waited longer and longer for the host that was cut off, and goes on only after as long again.
	{"cut off", "cut %[1]d", "heal %[1]d; ask %[1]d nop; sleep 4", true, limitSilent, false},
}

const (
	rounds      = 6
	beforeFault = time.Second
	afterFault  = 2 * time.Second
)

func (f *figures) faults() error {
	return f.with(3, noWeb, func(c *cluster.Cluster) error {
		for _, fault := range faultsToTry {
			for _, clients := range []int{1, 64} {
				if fault.wires && !cluster.HaveHosts() {
					continue
				}
				if err := f.suffer(c, fault, clients); err != nil {
					return fmt.Errorf("%s: %w\n%s", fault.what, err, c.Logs())
				}
			}
		}
		return nil
	})
}

// suffer prints how long nothing was written by clients of the other nodes. The victims take turns; at each is
// a third of the load.
func (f *figures) suffer(c *cluster.Cluster, fault fault, clients int) error {
	var gaps, slowest []time.Duration
	for k := range rounds {
		victim := k%3 + 1
		gap, slow, err := once(c, fault, clients, victim)
		if err != nil {
			return err
		}
		gaps, slowest = append(gaps, gap), append(slowest, slow)
	}
	slices.Sort(slowest)
	gap := slices.Max(gaps)
	f.row(fault.what, clients, round(gap), fault.goal(gap), round(quantile(slowest, 0.5)), round(slices.Max(slowest)))
	return nil
}

func once(c *cluster.Cluster, fault fault, clients, victim int) (gap, slowest time.Duration, err error) {
	others := slices.DeleteFunc(upTo(3), func(n int) bool { return n == victim })
	l, err := c.NewLoad(max(1, clients*2/3), others...)
	if err != nil {
		return 0, 0, err
	}
	beside, err := c.NewLoad(clients/3, victim)
	if err != nil {
		return 0, 0, err
	}
	time.Sleep(beforeFault)
	began := time.Now()
	if fault.begin != "" {
		if _, err := c.Sh(fmt.Sprintf(fault.begin, victim)); err != nil {
			return 0, 0, err
		}
	}
	time.Sleep(afterFault)
	last, ended := began, time.Now()
	for _, a := range l.End() {
		if a.At.Before(began) {
			continue
		}
		gap, last = max(gap, a.At.Sub(last)), a.At
		slowest = max(slowest, a.Took)
	}
	gap = max(gap, ended.Sub(last)) // nothing was written any more
	if fault.undo != "" {
		_, err = c.Sh(fmt.Sprintf(fault.undo, victim))
	}
	beside.End()
	return gap, slowest, err
}

func (f *figures) joining() error {
	for _, files := range []int{1_000, 100_000} {
		err := f.with(3, noWeb, func(c *cluster.Cluster) error {
			if err := c.Fill(context.Background(), "/many", files); err != nil {
				return err
			}
			var took []time.Duration
			for range rounds {
				t, err := join(c)
				if err != nil {
					return fmt.Errorf("%w\n%s", err, c.Logs())
				}
				took = append(took, t)
			}
			slices.Sort(took)
			f.row(files, round(quantile(took, 0.5)))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// join starts a node on host 4, and ends it when it serves.
func join(c *cluster.Cluster) (time.Duration, error) {
	began := time.Now()
	if _, err := c.Sh("run 4 -a $(addr 1); serving 4"); err != nil {
		return 0, err
	}
	served, err := loggedAt(c, 4, "msg=serving")
	if err != nil {
		return 0, err
	}
	_, err = c.Sh("kill $(pid 4); ended 4")
	return served.Sub(began), err
}

// loggedAt returns when the newest process on host n logged a line with that text.
func loggedAt(c *cluster.Cluster, n int, text string) (time.Time, error) {
	lines := strings.Split(c.Log(n), "\n")
	for _, line := range slices.Backward(lines) {
		if strings.Contains(line, text) {
			at, _, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
			return time.Parse(time.RFC3339Nano, at)
		}
	}
	return time.Time{}, fmt.Errorf("host %d has not logged %s", n, text)
}

// returning kills each voter in turn, and starts it again at once.
func (f *figures) returning() error {
	const files = 1000
	return f.with(3, noWeb, func(c *cluster.Cluster) error {
		if err := c.Fill(context.Background(), "/many", files); err != nil {
			return err
		}
		var took []time.Duration
		for k := range rounds {
			n := k%3 + 1
			if _, err := c.Sh(fmt.Sprintf("kill -9 $(pid %d); ended %[1]d", n)); err != nil {
				return err
			}
			began := time.Now()
			if _, err := c.Sh(fmt.Sprintf("start %d; from %d eventually voter %[1]d", n, n%3+1)); err != nil {
				return fmt.Errorf("%w\n%s", err, c.Logs())
			}
			voter, err := loggedAt(c, n, "this node is a voter now")
			if err != nil {
				return err
			}
			took = append(took, voter.Sub(began))
		}
		slices.Sort(took)
		f.row(files, round(quantile(took, 0.5)), round(slices.Max(took)))
		return nil
	})
}

// idleFor is how long an idle cluster is looked at.
const idleFor = 20 * time.Second

// goalIdle is how much of a processor an idle node may take.
const goalIdle = 0.01

func (f *figures) idle() error {
	without, err := f.idling(noWeb)
	if err != nil {
		return err
	}
	with, err := f.idling("-w 127.0.0.1:0")
	if err != nil {
		return err
	}
	for k := range without {
		f.row(k+1, percent(without[k]), percent(with[k]), "≤ "+percent(goalIdle)+", "+met(max(without[k], with[k]) <= goalIdle))
	}
	return nil
}

func percent(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }

// idling returns how much of a processor each node of an idle cluster takes.
func (f *figures) idling(flags string) (shares []float64, err error) {
	err = f.with(3, flags, func(c *cluster.Cluster) error {
		before, err := processorTimes(c)
		if err != nil {
			return err
		}
		time.Sleep(idleFor)
		after, err := processorTimes(c)
		for k := range after {
			shares = append(shares, (after[k]-before[k]).Seconds()/idleFor.Seconds())
		}
		return err
	})
	return shares, err
}

func processorTimes(c *cluster.Cluster) (all []time.Duration, err error) {
	for _, n := range c.Running() {
		u, err := c.Usage(n)
		if err != nil {
			return nil, err
		}
		all = append(all, u.Processor)
	}
	return all, nil
}
