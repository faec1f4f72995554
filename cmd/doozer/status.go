package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/ha/doozerd/client"
)

func statusCommand() command {
	return command{
		name:    "status",
		summary: "print how the cluster is, as the server sees it",
		help: `Prints a table of the members: who is a voter and in which slot, who observes, which
rev each says it has applied, by how many agreements it is behind the server that is
asked, how long a round trip to it takes, when it was last heard, and its version.
The server that is asked has a star; a dash stands for what it does not know.

An observer hears one voter only, so ask a voter.

If something is wrong, it is said below in words, and the exit status is 2.`,
		example: `$ doozer status
   ID                ADDR            ROLE      SLOT  REV  BEHIND  ROUND TRIP  HEARD     VERSION
*  4ANWTLXGE3OCDTQP  10.0.0.1:8046   voter     0     87   0       -           -         1.0.0
   6L4BQO6GQLAMWEGO  10.0.0.2:8046   voter     1     85   0       0.31ms      12ms ago  1.0.0`,
		options: []string{"json"},
		run:     func(ctx context.Context, c *call) error { return c.withClient(ctx, c.status) },
	}
}

// clusterStatus is what a server says of its cluster. There is more in it than is
// printed here.
type clusterStatus struct {
	Members []memberStatus `json:"members"`
	Trouble []string       `json:"trouble"`
}

type memberStatus struct {
	ID        string        `json:"id"`
	Addr      string        `json:"addr"`
	Version   string        `json:"version"`
	Self      bool          `json:"self"`
	Voter     bool          `json:"voter"`
	Slot      string        `json:"slot"`
	Rev       int64         `json:"rev"`
	Known     bool          `json:"known"`
	Lag       uint64        `json:"lag"`
	RoundTrip time.Duration `json:"roundTripNs"`
	Silence   time.Duration `json:"silenceNs"`
}

// errUnhealthy is why status ends with a status that is not 0.
var errUnhealthy = errors.New("the cluster is not healthy")

func (c *call) status(ctx context.Context, cl *client.Client) error {
	text, err := cl.Status(ctx)
	if err != nil {
		return err
	}
	var s clusterStatus
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("the server's status cannot be read: %w", err)
	}
	if err := c.print(s.table(), json.RawMessage(text)); err != nil {
		return err
	}
	if len(s.Trouble) > 0 {
		return errUnhealthy
	}
	return nil
}

// table is the status for people.
func (s *clusterStatus) table() []byte {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\tID\tADDR\tROLE\tSLOT\tREV\tBEHIND\tROUND TRIP\tHEARD\tVERSION")
	for _, m := range s.Members {
		m.row(w)
	}
	w.Flush()
	for _, t := range s.Trouble {
		fmt.Fprintln(&b, cell(t))
	}
	return b.Bytes()
}

func (m *memberStatus) row(w io.Writer) {
	star, role := "", "observer"
	if m.Self {
		star = "*"
	}
	if m.Voter {
		role = "voter"
	}
	rev, lag, trip, heard := "-", "-", "-", "-"
	if m.Rev > 0 {
		rev = fmt.Sprint(m.Rev)
	}
	if m.Known {
		lag = fmt.Sprint(m.Lag)
	}
	if m.RoundTrip > 0 {
		trip = fmt.Sprintf("%.2fms", float64(m.RoundTrip)/float64(time.Millisecond))
	}
	if m.Known && !m.Self {
		heard = fmt.Sprintf("%v ago", m.Silence.Round(time.Millisecond))
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
		star, cell(m.ID), cell(m.Addr), role, cell(m.Slot), rev, lag, trip, heard, cell(m.Version))
}

// cell is what anybody may have written to a file, or a server says, as one cell of a table or one line.
func cell(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		text = strconv.QuoteToGraphic(text)
	}
	return cmp.Or(text, "-")
}
