package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/ha/doozerd/internal/e2e/cluster"
)

// startEtcd starts an etcd on each host, and returns when all of them serve. Their data is in memory, and
// nothing waits until it is on a disk: doozerd writes to none.
const startEtcd = `
list=
for n in 1 2 3; do list=$list,$n=http://$net.$n:2380; done
for n in 1 2 3; do
	touch "$dir/log.$n"
	echo 0 >"$dir/from.$n"
	$(host $n) etcd --name $n --data-dir "$data/$n" --unsafe-no-fsync \
		--listen-client-urls http://$net.$n:2379 --advertise-client-urls http://$net.$n:2379 \
		--listen-peer-urls http://$net.$n:2380 --initial-advertise-peer-urls http://$net.$n:2380 \
		--initial-cluster "${list#,}" >>"$dir/log.$n" 2>&1 </dev/null &
	echo $! >"$dir/pid.$n"
done
for n in 1 2 3; do logs $n 'ready to serve client requests'; done
`

// etcdVersion returns which etcd there is.
func etcdVersion() (string, error) {
	out, err := exec.Command("etcd", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("no etcd here (Debian has it as etcd-server): %w", err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(first, "etcd Version: "), nil
}

// etcd compares three nodes of doozerd with three of etcd, which take turns.
func (f *figures) etcd() error {
	version, err := etcdVersion()
	if err != nil {
		f.row("", err, "", "", "", "", "")
		return nil
	}
	f.row("", "version", "", version, "", "", "")
	return f.with(3, noWeb, func(c *cluster.Cluster) error {
		e, remove, err := f.withEtcd()
		if err != nil {
			return err
		}
		defer remove()
		for _, clients := range []int{manyClients, 1} {
			ours := contender{Cluster: c, dial: cluster.DialDoozer, addrs: c.Addrs(3)}
			theirs := contender{Cluster: e, dial: dialEtcd, addrs: etcdAddrs(e)}
			for range contestRounds {
				if err := errors.Join(ours.round(clients), theirs.round(clients)); err != nil {
					return fmt.Errorf("%w\n%s%s", err, c.Logs(), e.Logs())
				}
			}
			f.compare(clients, ours.found, theirs.found)
		}
		return nil
	})
}

// withEtcd returns a cluster of etcd, and what takes it away.
func (f *figures) withEtcd() (c *cluster.Cluster, remove func(), err error) {
	data, err := os.MkdirTemp("/dev/shm", "doozer-figures-")
	if err != nil {
		return nil, nil, err
	}
	c, err = cluster.New(f.bins, cluster.Options{Hosts: 3, Env: []string{"data=" + data}})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(data))
	}
	remove = func() {
		c.Close()
		os.RemoveAll(data)
	}
	if _, err := c.Sh(startEtcd); err != nil {
		err = fmt.Errorf("%w\n%s", err, c.Logs())
		remove()
		return nil, nil, err
	}
	return c, remove, nil
}

func etcdAddrs(c *cluster.Cluster) (addrs []string) {
	for _, addr := range c.Addrs(3) {
		host, _, _ := strings.Cut(addr, ":")
		addrs = append(addrs, host+":2379")
	}
	return addrs
}
