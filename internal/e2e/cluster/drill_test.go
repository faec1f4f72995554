package cluster

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bmizerany/assert"
)

// drills are the scripts of doc/firedrill.md, by heading, and the clusters in which they are run.
var drills = []struct {
	name  string
	title string
	hosts int
	flags string
	wires bool // it cuts them
	rough bool // it makes them rough
	fatal bool // there is no cluster any more in the end
}{
	{name: "kill of 3", title: "A host dies", hosts: 3},
	{name: "kill of 5", title: "A host dies", hosts: 5},
	{name: "stays away", title: "A host dies and stays away", hosts: 3},
	{name: "short pause", title: "A host stands still for a moment", hosts: 3},
	{name: "long pause", title: "A host stands still for longer than the timeout", hosts: 3},
	{name: "cut off", title: "A host is cut off", hosts: 3, wires: true},
	{name: "minority", title: "A minority is cut off", hosts: 5, wires: true},
	{name: "deaf", title: "A host hears nothing", hosts: 3, wires: true},
	{name: "mute", title: "A host is not heard", hosts: 3, wires: true},
	{name: "triangle", title: "Two hosts do not hear each other, a third hears both", hosts: 3, wires: true},
	{name: "rough", title: "A network that loses and delays", hosts: 3, wires: true, rough: true},
	{name: "rolling restart", title: "A new release, host by host", hosts: 3},
	{name: "majority lost", title: "Most hosts die at once", hosts: 3, flags: "-write-timeout 2", fatal: true},
	{name: "escape", title: "The survivor escapes", hosts: 3},
	{name: "all end", title: "All hosts are asked to end at once", hosts: 3, fatal: true},
}

// testFlags are those of every node here: as the drills have them.
const testFlags = "-w false -timeout 3 -hist 100000"

func TestDrill(t *testing.T) {
	scripts := drillScripts(t)
	for _, d := range drills {
		script, ok := scripts[d.title]
		assert.T(t, ok, "no drill "+d.title)
		t.Run(d.name, func(t *testing.T) {
			if d.wires {
				needHosts(t)
			}
			t.Parallel()
			c := newCluster(t, Options{Hosts: d.hosts, Flags: testFlags + " " + d.flags, Rough: d.rough})
			c.sh(t, "start $(seq $founders); for n in $(seq $founders); do eventually voter $n; done")
			w := c.work(t, d.hosts)
			w.progress(t)
			c.sh(t, script)
			if d.fatal {
				assert.Equal(t, nil, w.EndWithCluster())
				return
			}
			w.progress(t)
			t.Logf("longest time without a write: %v", w.Gap())
			w.end(t, upTo(d.hosts)...)
		})
	}
}

// TestWordsLeaveTheMachineAlone: who has read the words still has the commands whose names they bear, and no
// word touches the network of a host that has none of its own.
func TestWordsLeaveTheMachineAlone(t *testing.T) {
	needHosts(t)
	t.Parallel()
	c := newCluster(t, Options{Hosts: 1})
	c.sh(t, `
		yard=
		[ "$(echo abcdef | cut -c2-3)" = bc ]
		[ "$(id -u)" = "$(command id -u)" ]
		for word in cut deaf mute heal rough smooth; do
			! $word 1 2>said
			grep "no host with a network of its own: 1" said
		done
		! deaf one 2>said
		grep "no host with a network of its own: one" said
		! nft list table inet drill 2>said`)
}

// TestScriptsFail: with what must succeed and does not, and with what must not and does.
func TestScriptsFail(t *testing.T) {
	t.Parallel()
	c := newCluster(t, Options{Hosts: 1})
	for _, script := range []string{"false; true", "! true\ntrue", "for n in 1; do\n\t! true\ndone; true"} {
		_, err := c.Sh(script)
		assert.T(t, err != nil, script)
	}
	c.sh(t, "! false\ntrue")
}

// TestDrillsAreTested: every drill of the document is run.
func TestDrillsAreTested(t *testing.T) {
	for title := range drillScripts(t) {
		run := false
		for _, d := range drills {
			run = run || d.title == title
		}
		assert.T(t, run, "no test runs the drill "+title)
	}
}

func upTo(n int) (hosts []int) {
	for k := 1; k <= n; k++ {
		hosts = append(hosts, k)
	}
	return hosts
}

// drillScripts returns the scripts of the document by their headings.
func drillScripts(t *testing.T) map[string]string {
	t.Helper()
	scripts := map[string]string{}
	for _, section := range strings.Split(readDoc(t, "firedrill.md"), "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		if _, script, ok := strings.Cut(body, "```sh\n"); ok {
			scripts[title], _, _ = strings.Cut(script, "```")
		}
	}
	assert.T(t, len(scripts) > 0, "no drills in doc/firedrill.md")
	return scripts
}

// readDoc returns a document beside the words.
func readDoc(t *testing.T, name string) string {
	t.Helper()
	words, err := wordsFile()
	assert.Equal(t, nil, err)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(words), name))
	assert.Equal(t, nil, err)
	return string(text)
}

// TestStatusIsDocumented: every field of status -json is in doc/cluster.md.
func TestStatusIsDocumented(t *testing.T) {
	t.Parallel()
	c := newCluster(t, Options{Hosts: 1, Flags: testFlags})
	status := c.sh(t, "start 1; ask 1 status -json")
	text := readDoc(t, "cluster.md")
	for _, field := range regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(status, -1) {
		assert.T(t, strings.Contains(text, "`"+field[1]+"`"), "not in doc/cluster.md: "+field[1])
	}
}
