package e2e

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ha/doozerd/internal/e2e/raw"
)

// row is one promise, shown by a conversation with a node that has just been
// started: its newest rev is 8, so the first write gets 9. A ✱ at the end of a
// name marks a promise that the original of 2011 did not keep, on purpose.
//
// A talk is one line per message:
//
//	> GET path=/a        a request (package raw has the notation)
//	< rev=0 value=""     the next answer, exactly these fields in this order
//	< closed             the server has ended the connection, without an answer
//	> hex 0000           bytes as they are
//	> hangup             the client ends the connection
//	2> REV               the same on a second connection (then 3, 4, …)
//	o> REV               the same on a connection to the node called o (then o2, …)
//	# text               a remark
//
// $ID, $ADDR and $VERSION stand for what the node says of itself, $oID and $oADDR
// for what the one called o does.
type row struct {
	name  string
	flags []string
	env   []string
	talk  string
}

// converse runs each row as a test with a node of its own.
func converse(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			talk(t, startWith(t, Options{Flags: r.flags, Env: r.env}), r.talk)
		})
	}
}

// talk holds one conversation with a node.
func talk(t *testing.T, n *Node, script string) {
	t.Helper()
	talkWith(t, map[string]*Node{"": n}, script)
}

// talkWith holds one conversation with several nodes, of which one is called "".
func talkWith(t *testing.T, nodes map[string]*Node, script string) {
	t.Helper()
	conns := map[string]*raw.Conn{}
	facts := []string{"$VERSION", nodes[""].Version}
	for name, n := range nodes {
		facts = append(facts, "$"+name+"ID", n.ID, "$"+name+"ADDR", n.Addr)
	}
	fill := strings.NewReplacer(facts...)
	for line := range strings.Lines(script) {
		line = fill.Replace(strings.TrimSpace(line))
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.IndexAny(line, "<>")
		if at < 0 {
			t.Fatalf("neither < nor >: %s", line)
		}
		who := line[:at]
		if conns[who] == nil {
			conns[who] = dial(t, nodes[strings.TrimRight(who, "0123456789")].Addr)
		}
		speak := say
		if line[at] == '<' {
			speak = hear
		}
		if err := speak(conns[who], strings.TrimSpace(line[at+1:])); err != nil {
			t.Fatalf("%s\n%v", line, err)
		}
	}
}

// say carries out a > line.
func say(c *raw.Conn, text string) error {
	if text == "hangup" {
		return c.Close()
	}
	digits, ok := strings.CutPrefix(text, "hex ")
	if !ok {
		return c.Send(text)
	}
	bytes, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		return err
	}
	_, err = c.Write(bytes)
	return err
}

// hear carries out a < line.
func hear(c *raw.Conn, want string) error {
	got, err := c.Recv()
	if want == "closed" {
		return hearEnd(err)
	}
	if err != nil {
		return err
	}
	return raw.Match(want, got)
}

// hearEnd is nil if receiving failed because the server ended the connection.
func hearEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return fmt.Errorf("the server has not ended the connection: %v", err)
}
