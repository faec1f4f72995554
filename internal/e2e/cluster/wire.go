package cluster

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// kernelIsRough reports whether the kernel has netem, which the words rough and smooth use.
func kernelIsRough() bool {
	dir, err := os.MkdirTemp("", "doozer-netem-")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	c := &Cluster{yard: "netem-", net: "10.77.251", dir: dir}
	if c.words, err = wordsFile(); err != nil {
		return false
	}
	_, err = c.Sh("hosts 1; rough 1; nohosts 1")
	if err != nil {
		_, _ = c.Sh("nohosts 1")
	}
	return err == nil
}

// A wire connects hosts in place of a bridge where the kernel has no netem: each host has an interface of which
// this process is the other end, and passes on, late or never, what comes in.
type wire struct {
	dir   string
	mu    sync.Mutex
	ends  map[[4]byte]*os.File // by the address of a host; this machine has one, too
	rough map[[4]byte]bool     // hosts of which what they send is lost or late
	work  sync.WaitGroup
	order *os.File
}

// What netem does, as the word rough asks for it.
const (
	roughLoss  = 0.3
	roughDelay = 200 * time.Millisecond // at most; evenly spread
)

const maxPacket = 64 << 10

// newWire makes the hosts of c.
func newWire(c *Cluster) (*wire, error) {
	w := &wire{dir: c.dir, ends: map[[4]byte]*os.File{}, rough: map[[4]byte]bool{}}
	var k int
	if _, err := fmt.Sscanf(c.net, "10.77.%d", &k); err != nil {
		return nil, err
	}
	script := ""
	for n := 0; n <= c.Hosts; n++ {
		host, device, ns := n, fmt.Sprintf("%s%d", c.yard, n), ""
		if n == 0 {
			host = 254
		}
		end, err := openTun(device)
		if err != nil {
			w.close()
			return nil, err
		}
		w.ends[[4]byte{10, 77, byte(k), byte(host)}] = end
		if n > 0 {
			ns = "-n " + device
			script += fmt.Sprintf("ip netns add %s; ip link set %s netns %[1]s; ip %[3]s link set lo up; ip %[3]s link set %[1]s name eth0\n", device, device, ns)
			device = "eth0"
		}
		script += fmt.Sprintf("ip %s addr add %s.%d/24 dev %s; ip %[1]s link set %[4]s up\n", ns, c.net, host, device)
	}
	if err := syscall.Mkfifo(filepath.Join(c.dir, "wire"), 0o600); err != nil {
		w.close()
		return nil, err
	}
	if _, err := c.Sh(script); err != nil {
		w.close()
		return nil, err
	}
	return w, w.begin()
}

// begin passes on packets, and takes orders.
func (w *wire) begin() (err error) {
	// Opened for both, it neither blocks nor ends when nobody writes.
	if w.order, err = os.OpenFile(filepath.Join(w.dir, "wire"), os.O_RDWR, 0); err != nil {
		return err
	}
	for from, end := range w.ends {
		w.work.Go(func() { w.pass(from, end) })
	}
	w.work.Go(w.obey)
	return nil
}

// words are what a drill says in place of the words for netem.
func (w *wire) words() string {
	return `
nohosts() { local n; for n in $(seq "$1"); do ip netns del "$yard$n"; done; }
rough() { local n; for n; do echo "rough $net.$n" >"$dir/wire"; done; }
smooth() { local n; for n; do echo "smooth $net.$n" >"$dir/wire"; done; }
`
}

// obey takes orders from the words.
func (w *wire) obey() {
	for lines := bufio.NewScanner(w.order); lines.Scan(); {
		word, text, _ := strings.Cut(lines.Text(), " ")
		var a [4]byte
		if n, _ := fmt.Sscanf(text, "%d.%d.%d.%d", &a[0], &a[1], &a[2], &a[3]); n == len(a) {
			w.mu.Lock()
			w.rough[a] = word == "rough"
			w.mu.Unlock()
		}
	}
}

// pass passes on what one host sends.
func (w *wire) pass(from [4]byte, end *os.File) {
	for {
		packet := make([]byte, maxPacket)
		n, err := end.Read(packet)
		if err != nil {
			return
		}
		const destination = 16 // in the header of IPv4
		if n < destination+4 || packet[0]>>4 != 4 {
			continue
		}
		to := w.ends[[4]byte(packet[destination:])]
		if to == nil {
			continue
		}
		w.mu.Lock()
		rough := w.rough[from]
		w.mu.Unlock()
		switch {
		case !rough:
			_, _ = to.Write(packet[:n])
		case rand.Float64() >= roughLoss:
			time.AfterFunc(rand.N(roughDelay), func() { _, _ = to.Write(packet[:n]) })
		}
	}
}

func (w *wire) close() {
	for _, end := range w.ends {
		end.Close()
	}
	if w.order != nil {
		w.order.Close()
	}
	w.work.Wait()
}
