package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ha/doozerd/internal/e2e/cluster"
)

// profileSpan is how long nodes are profiled.
const profileSpan = 10 * time.Second

// profile writes CPU profiles of three nodes under the load of many clients.
func (f *figures) profile(dir string) error {
	if !cluster.HaveHosts() {
		return errors.New("profiles take a host for each node: there are no namespaces here")
	}
	return f.with(3, "-w :8080 -web-pprof", func(c *cluster.Cluster) error {
		l, err := c.NewLoad(manyClients, upTo(3)...)
		if err != nil {
			return err
		}
		failed := make(chan error)
		for n := range 3 {
			go func() { failed <- fetchProfile(c, n+1, filepath.Join(dir, fmt.Sprintf("node%d.prof", n+1))) }()
		}
		err = errors.Join(<-failed, <-failed, <-failed)
		fmt.Printf("%d writes\n", len(l.End()))
		return err
	})
}

func fetchProfile(c *cluster.Cluster, n int, file string) error {
	host, _, _ := strings.Cut(c.Addr(n), ":")
	answer, err := http.Get(fmt.Sprintf("http://%s:8080/debug/pprof/profile?seconds=%d", host, int(profileSpan.Seconds())))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("profile of node %d: %s", n, answer.Status)
	}
	to, err := os.Create(filepath.Clean(file))
	if err != nil {
		return err
	}
	_, err = io.Copy(to, answer.Body)
	return errors.Join(err, to.Close())
}
