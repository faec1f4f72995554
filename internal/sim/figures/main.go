// Command figures prints what a write costs in simulated clusters.
package main

import (
	"os"

	"github.com/ha/doozerd/internal/sim"
)

func main() { sim.Figures(os.Stdout) }
