package main

import (
	"fmt"
	"strings"

	"github.com/ha/doozerd/internal/e2e/report"
)

// row is one figure, and whether it is as good as was promised.
type row struct {
	what   string
	goal   string // "" is for orientation only
	figure string
	met    bool
}

// atMost is a row whose figure must not be above the goal.
func atMost(what string, goal, figure float64, format, detail string) row {
	return row{what, "≤ " + fmt.Sprintf(format, goal), fmt.Sprintf(format, figure) + detail, figure <= goal}
}

// atLeast is a row whose figure must not be below the goal.
func atLeast(what string, goal, figure float64, format, detail string) row {
	return row{what, "≥ " + fmt.Sprintf(format, goal), fmt.Sprintf(format, figure) + detail, figure >= goal}
}

// forOrientation is a row without a goal.
func forOrientation(what, figure string) row { return row{what: what, figure: figure} }

func (r row) markdown() string {
	verdict := ""
	if r.goal != "" {
		verdict = "NOT MET"
		if r.met {
			verdict = "ok"
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %s |", r.what, r.goal, r.figure, verdict)
}

// markdown is the table of rows.
func markdown(rows []row) string {
	var b strings.Builder
	b.WriteString("| what | goal | figure | |\n|---|---|---|---|\n")
	for _, r := range rows {
		b.WriteString(r.markdown() + "\n")
	}
	return b.String()
}

// interleave takes each measurement once per round, in turns, so that what
// disturbs the machine disturbs all of them.
func interleave(rounds int, measurements ...func() (float64, error)) ([][]float64, error) {
	series := make([][]float64, len(measurements))
	for range rounds {
		for i, measure := range measurements {
			figure, err := measure()
			if err != nil {
				return nil, err
			}
			series[i] = append(series[i], figure)
		}
	}
	return series, nil
}

// ratio is the median of a round's figure in a over the same round's in b.
func ratio(a, b []float64) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	return report.Median(ratios)
}
