package sim

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// votersKey is the file whose body names the voters.
const votersKey = "voters"

// absent as a guard lets a write pass whatever is there.
const clobber = -1

// op is a write as a client proposes it. Number is unique in a run.
type op struct {
	Number uint64
	Key    string
	Guard  int64 // passes if at least the rev of the file, or clobber
	Value  string
}

func (o op) encode() []byte {
	return fmt.Appendf(nil, "%d|%d|%s|%s", o.Number, o.Guard, o.Key, o.Value)
}

func decodeOp(b []byte) (op, error) {
	parts := strings.SplitN(string(b), "|", 4)
	if len(parts) != 4 {
		return op{}, fmt.Errorf("mutation %q is none", b)
	}
	number, err := strconv.ParseUint(parts[0], 10, 64)
	if err != nil {
		return op{}, err
	}
	guard, err := strconv.ParseInt(parts[1], 10, 64)
	return op{number, parts[2], guard, parts[3]}, err
}

type file struct {
	value string
	rev   int64
}

// machine is the replicated state: files under revs, as a store has them.
type machine struct {
	rev   int64
	files map[string]file
}

// outcome is what became of a mutation.
type outcome struct {
	rev int64
	ok  bool // false: the guard did not pass
}

func newMachine(voters []string) *machine {
	m := &machine{files: map[string]file{}}
	m.files[votersKey] = file{strings.Join(voters, ","), 0}
	return m
}

// apply consumes one rev, whether the guard passes or not.
func (m *machine) apply(o op) outcome {
	m.rev++
	if o.Guard != clobber && o.Guard < m.files[o.Key].rev {
		return outcome{m.rev, false}
	}
	m.files[o.Key] = file{o.Value, m.rev}
	return outcome{m.rev, true}
}

func (m *machine) voters() []string { return strings.Split(m.files[votersKey].value, ",") }

func (m *machine) clone() *machine { return &machine{m.rev, maps.Clone(m.files)} }

func (m *machine) equal(o *machine) bool { return m.rev == o.rev && maps.Equal(m.files, o.files) }
