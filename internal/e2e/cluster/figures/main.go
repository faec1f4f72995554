// Command figures measures whole clusters, each node on a host of its own, and
// prints tables in Markdown.
//
//	go run ./internal/e2e/cluster/figures                all of it, in about five minutes
//	go run ./internal/e2e/cluster/figures -only faults   one part: rates, faults, joining, returning or idle
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
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ha/doozerd/internal/e2e"
	"github.com/ha/doozerd/internal/e2e/cluster"
)

// part is measurements that make a table.
type part struct {
	name    string
	title   string
	columns string
	measure func(*figures) error
}

var parts = []part{
	{"rates", "Writes", "voters | clients | writes per second | p50 | p99", (*figures).rates},
	{"faults", "What clients of the other nodes notice, three voters, default flags", "what happens to a node | clients | longest time without a write | slowest write, median of the rounds | slowest write", (*figures).faults},
	{"joining", "Joining a cluster of three", "files | time from the start of the process until it serves", (*figures).joining},
	{"returning", "A node that was killed is started again", "files | time from the start of the process until it is a voter | longest", (*figures).returning},
	{"idle", "An idle cluster of three", "node | processor time, of one processor", (*figures).idle},
}

type figures struct {
	bins e2e.Binaries
}

func main() {
	only := flag.String("only", "", "measure just this part: rates, faults, joining, returning or idle")
	flag.Parse()
	err := cluster.EnterYard()
	if err == nil {
		err = run(*only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func run(only string) error {
	dir, err := os.MkdirTemp("", "doozer-figures-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f := &figures{}
	if f.bins, err = e2e.Build(dir, false); err != nil {
		return err
	}
	where := "a network namespace each"
	if !cluster.HaveHosts() {
		where = "addresses of the loopback interface"
	}
	fmt.Printf("Go %s, %d processors for all nodes and clients, hosts: %s.\n", runtime.Version(), runtime.NumCPU(), where)
	for _, p := range parts {
		if only != "" && only != p.name {
			continue
		}
		fmt.Printf("\n## %s\n\nLoad average before: %s.\n\n| %s |\n|%s\n", p.title, loadAverage(), p.columns, strings.Repeat("---|", strings.Count(p.columns, "|")+1))
		if err := p.measure(f); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// loadAverage is that of the last minute.
func loadAverage() string {
	loads, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	last, _, _ := strings.Cut(string(loads), " ")
	return last
}

// row prints a row of a table.
func row(cells ...any) {
	var texts []string
	for _, c := range cells {
		texts = append(texts, fmt.Sprint(c))
	}
	fmt.Printf("| %s |\n", strings.Join(texts, " | "))
}

// with runs a cluster for as long as do takes. All hosts found it, but for spare ones.
func (f *figures) with(voters, spare int, do func(*cluster.Cluster) error) error {
	c, err := cluster.New(f.bins, cluster.Options{Hosts: voters + spare, Founders: voters, Flags: "-w false"})
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
		err := f.with(voters, 0, func(c *cluster.Cluster) error {
			for _, clients := range []int{1, 16, 64, 256} {
				if err := rate(c, voters, clients); err != nil {
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

func rate(c *cluster.Cluster, voters, clients int) error {
	l, err := c.NewLoad(clients, upTo(voters)...)
	if err != nil {
		return err
	}
	time.Sleep(warmUp)
	began := time.Now()
	time.Sleep(span)
	ended := time.Now()
	var took []time.Duration
	for _, a := range l.End() {
		if a.At.After(began) && a.At.Before(ended) {
			took = append(took, a.Took)
		}
	}
	if len(took) == 0 {
		return fmt.Errorf("no writes with %d clients\n%s", clients, c.Logs())
	}
	slices.Sort(took)
	row(voters, clients, int(float64(len(took))/ended.Sub(began).Seconds()), round(quantile(took, 0.5)), round(quantile(took, 0.99)))
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
}

var faultsToTry = []fault{
	{"nothing", "", "", false},
	{"killed", "kill -9 $(pid %[1]d)", "ended %[1]d; start %[1]d; eventually voter %[1]d", false},
	{"stopped", "kill -STOP $(pid %[1]d)", "kill -CONT $(pid %[1]d); ask %[1]d nop", false},
	{"cut off", "cut %[1]d", "heal %[1]d; ask %[1]d nop", true},
}

const (
	rounds      = 6
	beforeFault = time.Second
	afterFault  = 2 * time.Second
)

func (f *figures) faults() error {
	return f.with(3, 0, func(c *cluster.Cluster) error {
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

// suffer prints how long nothing was written by clients of the other nodes. The victims take turns; at each is a third of the load.
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
	row(fault.what, clients, round(slices.Max(gaps)), round(quantile(slowest, 0.5)), round(slices.Max(slowest)))
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
		err := f.with(3, 1, func(c *cluster.Cluster) error {
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
			row(files, round(quantile(took, 0.5)))
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
	return f.with(3, 0, func(c *cluster.Cluster) error {
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
		row(files, round(quantile(took, 0.5)), round(slices.Max(took)))
		return nil
	})
}

// idleFor is how long an idle cluster is looked at.
const idleFor = 20 * time.Second

func (f *figures) idle() error {
	return f.with(3, 0, func(c *cluster.Cluster) error {
		before, err := processorTimes(c)
		if err != nil {
			return err
		}
		time.Sleep(idleFor)
		after, err := processorTimes(c)
		for k := range after {
			row(k+1, fmt.Sprintf("%.2f %%", 100*(after[k]-before[k]).Seconds()/idleFor.Seconds()))
		}
		return err
	})
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
