package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

// usageColumn is where the text of a flag begins.
const usageColumn = 22

// usage writes what doozerd -h says.
func usage(w io.Writer) {
	fmt.Fprint(w, "Usage: doozerd [OPTIONS]\n\n"+
		"Serves a small tree of files, for processes that have to agree on something.\n\nOptions:\n")
	new(options).flags().VisitAll(func(f *flag.Flag) { flagUsage(w, f) })
	fmt.Fprint(w, usageEnd)
}

func flagUsage(w io.Writer, f *flag.Flag) {
	arg, text := flag.UnquoteUsage(f)
	if isSwitch(f) {
		arg = ""
	} else if f.DefValue != "" {
		text += " (default " + f.DefValue + ")"
	}
	head := strings.TrimSpace("-" + f.Name + " " + arg)
	fmt.Fprintf(w, "  %-*s%s\n", usageColumn, head, text)
}

// isSwitch reports whether f takes no value.
func isSwitch(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

const usageEnd = `
-w defaults to the host of -l and port ` + defaultWebPort + `. If only that port is in use, there is no
WebView; one that was asked for by address must be free.

Environment:
  DOOZER_BOOT_URI       the default of -b
  DOOZER_RWSECRET       the secret that clients must give to write
  DOOZER_ROSECRET       the secret that clients must give to read, unless they give
                        the other; the WebView asks for one of the two as well
  DOOZER_PEERSECRET     the secret that members prove to each other; by default the
                        first of the two above that is set

Examples:
  doozerd -l 127.0.0.1:8046 -w 127.0.0.1:8000
  doozerd -l A:8046 -a A:8046 -a B:8046 -a C:8046   (one of three hosts: see doozerd(1))
`
