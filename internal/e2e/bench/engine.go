package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ha/doozerd/internal/e2e/report"
)

// benchmarked is a line of go test about batches.
var benchmarked = regexp.MustCompile(`(?m)^BenchmarkBatch/(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op\s+(\d+) B/op\s+(\d+) allocs/op`)

// found is what it says.
type found struct{ ns, bytes, allocs []float64 }

// measureEngine measures engines without anything around them, wired in memory: package consensus has the benchmark.
func measureEngine(b *bench) error {
	out, err := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkBatch$", "-count", "5", "./consensus").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	all, names := map[string]*found{}, []string(nil)
	for _, m := range benchmarked.FindAllStringSubmatch(string(out), -1) {
		name := strings.ReplaceAll(m[1], "_", " ")
		if all[name] == nil {
			all[name] = &found{}
			names = append(names, name)
		}
		f := all[name]
		for k, to := range []*[]float64{&f.ns, &f.bytes, &f.allocs} {
			v, err := strconv.ParseFloat(m[2+k], 64)
			if err != nil {
				return err
			}
			*to = append(*to, v)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("no benchmark in what go test says:\n%s", out)
	}
	slices.Sort(names)
	for _, name := range names {
		f := all[name]
		b.add(forOrientation("batches per second, from proposal to applied at every engine; allocated for each: "+name,
			fmt.Sprintf("%.0f; %.0f bytes in %.0f pieces", 1e9/report.Median(f.ns), report.Median(f.bytes), report.Median(f.allocs))))
	}
	return nil
}
