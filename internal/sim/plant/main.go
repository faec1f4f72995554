// Command plant shows that the simulation's checkers can fail: it breaks the engine, the node above it and the
// codec on purpose, one rule at a time, and counts the runs until the simulation notices.
//
//	plant [-seeds 10000] [-only NAME] [-in peer/] [-o doc/simulation.md]
//
// A fault is a change of the source, made in an overlay: the source itself knows nothing of faults. It exits with 1
// if a fault survives the simulation, even if a test finds it: then the simulation is too kind.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/ha/doozerd/internal/e2e/report"
)

func main() {
	var r runner
	flag.IntVar(&r.seeds, "seeds", 10000, "runs after which a fault has survived")
	flag.StringVar(&r.only, "only", "", "plant only faults whose name contains this")
	flag.StringVar(&r.in, "in", "", "plant only faults in files whose path begins with this")
	flag.StringVar(&r.dir, "C", ".", "the top of the source tree")
	out := flag.String("o", "", "a document whose section about this is made anew, or none")
	flag.Parse()
	made := report.Made(fmt.Sprintf("go run ./internal/sim/plant -seeds %d", r.seeds), report.LoadAverage())
	table, count := r.run()
	sum := fmt.Sprintf("%d faults found by the simulation, %d by tests only, %d survived", count[bySimulation], count[byTest], count[byNobody])
	fmt.Println(sum)
	if *out != "" {
		keep(*out, fmt.Sprintf("### Each rule taken out\n\n%s\n%s.\n\n%s", made, sum, table))
	}
	if count[byNobody]+count[byTest] > 0 {
		os.Exit(1)
	}
}

// runner plants faults, one after the other.
type runner struct {
	seeds    int
	only, in string // by name, and by file
	dir      string
}

// run prints what became of each, and returns it as a table, and how many were found by whom.
func (r *runner) run() (table string, count map[finder]int) {
	work, err := os.MkdirTemp("", "plant")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer os.RemoveAll(work)
	table, count = "| fault | rule | |\n|---|---|---|\n", map[finder]int{}
	for _, p := range all() {
		if !strings.Contains(p.name, r.only) || !strings.HasPrefix(p.file, r.in) {
			continue
		}
		verdict, by := p.try(r.dir, work, r.seeds)
		count[by]++
		fmt.Printf("%-32s %s\n", p.name, verdict)
		table += fmt.Sprintf("| %s | %s | %s |\n", p.name, p.rule, strings.ReplaceAll(verdict, "|", "\\|"))
	}
	return table, count
}

// keep makes text the section of a document.
func keep(file, text string) {
	if err := report.Put(file, "planted", text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// finder is who found a fault.
type finder int

const (
	byNobody finder = iota
	bySimulation
	byTest
)

// fault is a change of one file.
type fault struct {
	name     string
	rule     string // whose absence it is
	file     string // from the top of the source tree
	from, to string // from is there exactly once
}

// combination plants several faults at once, by their names.
type combination struct {
	name, rule string
	of         []string
}

// planting is what is planted at a time.
type planting struct {
	fault
	also []fault
}

// all returns each fault alone, and the combinations.
func all() (plantings []planting) {
	named := map[string]fault{}
	for _, f := range halves {
		named[f.name] = f
	}
	for _, f := range faults {
		named[f.name] = f
		plantings = append(plantings, planting{fault: f})
	}
	for _, c := range combined {
		p := planting{fault: named[c.of[0]]}
		p.name, p.rule = c.name, c.rule
		for _, name := range c.of[1:] {
			p.also = append(p.also, named[name])
		}
		plantings = append(plantings, p)
	}
	return plantings
}

// plant returns the changed sources, by file.
func (p planting) plant(dir string) (map[string]string, error) {
	sources := map[string]string{}
	for _, f := range append([]fault{p.fault}, p.also...) {
		if sources[f.file] == "" {
			source, err := os.ReadFile(filepath.Join(dir, f.file))
			if err != nil {
				return nil, err
			}
			sources[f.file] = string(source)
		}
		if n := strings.Count(sources[f.file], f.from); n != 1 {
			return nil, fmt.Errorf("%s: what it changes is %d times in %s", p.name, n, f.file)
		}
		sources[f.file] = strings.Replace(sources[f.file], f.from, f.to, 1)
	}
	return sources, nil
}

var (
	failedSeed = regexp.MustCompile(`seed (\d+) .*?: FAILED: (.*?) \(\d+ instances`)
	seedsRun   = regexp.MustCompile(`(?m)^(\d+) seeds, \d+ failures$`)
)

// try says how the simulation fared against the fault, and who found it.
func (p planting) try(dir, work string, seeds int) (verdict string, by finder) {
	program, err := p.build(dir, work)
	if err != nil {
		return err.Error(), byNobody
	}
	out, err := exec.Command(program, "-seeds", fmt.Sprint(seeds), "-until").Output()
	failed, ran := failedSeed.FindSubmatch(out), seedsRun.FindSubmatch(out)
	if failed == nil || ran == nil {
		return p.tryTests(dir, work, fmt.Sprintf("survived %d runs (%v)", seeds, err))
	}
	return fmt.Sprintf("found in %s runs, by seed %s: %.110s", ran[1], failed[1], failed[2]), bySimulation
}

var failedTest = regexp.MustCompile(`--- FAIL: (\w+)`)

// tryTests runs the tests beside the file: what other rules make up for, a cluster hardly shows.
func (p planting) tryTests(dir, work, survived string) (verdict string, by finder) {
	test := exec.Command("go", "test", "-overlay", filepath.Join(work, "overlay.json"), "./"+path.Dir(p.file))
	test.Dir = dir
	out, err := test.CombinedOutput()
	m := failedTest.FindSubmatch(out)
	if m == nil {
		return fmt.Sprintf("SURVIVED: %s; tests: %v", survived, err), byNobody
	}
	return fmt.Sprintf("%s; found by %s", survived, m[1]), byTest
}

// build makes the simulation with the fault in it.
func (p planting) build(dir, work string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	sources, err := p.plant(dir)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, source := range sources {
		changed := filepath.Join(work, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(changed, []byte(source), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(dir, file)] = changed
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return "", err
	}
	program := filepath.Join(work, "simulate")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-overlay", file, "-o", program, "./internal/sim/simulate")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s does not compile: %s", p.name, out)
	}
	return program, nil
}
