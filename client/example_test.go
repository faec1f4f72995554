package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"time"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/peer"
	"github.com/ha/doozerd/server"
)

// serve runs a node inside the examples, so that they need no doozerd.
func serve() (addr string, stop func()) {
	quiet := slog.New(slog.DiscardHandler)
	n, err := peer.Start(peer.Config{Addr: "127.0.0.1:8046", Logger: quiet})
	if err != nil {
		log.Fatal(err)
	}
	s, err := server.New(server.Config{Node: n, Logger: quiet})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return l.Addr().String(), func() {
		s.Close()
		<-served
		n.Close()
	}
}

// connect returns a client of a node of its own.
func connect(ctx context.Context) (c *client.Client, stop func()) {
	addr, stopServing := serve()
	c, err := client.DialConfig(ctx, client.Config{Addrs: []string{addr}, DialTimeout: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	return c, func() {
		c.Close()
		stopServing()
	}
}

func Example() {
	addr, stop := serve()
	defer stop()
	ctx := context.Background()

	c, err := client.Dial(ctx, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	if _, err := c.Set(ctx, "/message", client.Missing, []byte("hello, world")); err != nil {
		log.Fatal(err)
	}
	body, _, err := c.Get(ctx, "/message", client.Now)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", body)
	// Output: hello, world
}

// Only one of those that set a missing file gets it.
func ExampleClient_Set_election() {
	ctx := context.Background()
	c, stop := connect(ctx)
	defer stop()

	for _, host := range []string{"host-1", "host-2"} {
		_, err := c.Set(ctx, "/app/master", client.Missing, []byte(host))
		switch {
		case err == nil:
			fmt.Println(host, "is the master")
		case errors.Is(err, client.ErrRevMismatch):
			fmt.Println(host, "is not the master:", err)
		case errors.Is(err, client.ErrUnknownOutcome):
			fmt.Println(host, "has to read the file to know")
		default:
			log.Fatal(err)
		}
	}
	// Output:
	// host-1 is the master
	// host-2 is not the master: REV_MISMATCH
}

// To change a file is to read it, and to write it guarded by the rev read.
func ExampleClient_Set_update() {
	ctx := context.Background()
	c, stop := connect(ctx)
	defer stop()

	add := func(line string) error {
		for {
			body, rev, err := c.Get(ctx, "/app/hosts", client.Now)
			if err != nil {
				return err
			}
			body = append(body[:len(body):len(body)], line+"\n"...)
			_, err = c.Set(ctx, "/app/hosts", rev, body)
			if !errors.Is(err, client.ErrRevMismatch) {
				return err
			}
			// Somebody was faster: read again.
		}
	}
	for _, host := range []string{"host-1", "host-2"} {
		if err := add(host); err != nil {
			log.Fatal(err)
		}
	}
	body, _, err := c.Get(ctx, "/app/hosts", client.Now)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", body)
	// Output:
	// host-1
	// host-2
}

func ExampleClient_Watch() {
	ctx := context.Background()
	c, stop := connect(ctx)
	defer stop()

	rev, err := c.Rev(ctx)
	if err != nil {
		log.Fatal(err)
	}
	change := func() error {
		for _, path := range []string{"/app/a", "/other", "/app/b"} {
			if _, err := c.Set(ctx, path, client.Clobber, []byte("x")); err != nil {
				return err
			}
		}
		return c.Del(ctx, "/app/a", client.Clobber)
	}
	changed := make(chan error, 1)
	go func() { changed <- change() }()
	for ev, err := range c.Watch(ctx, "/app/*", rev+1) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ev.Path, ev.IsDel())
		if ev.IsDel() {
			break
		}
	}
	// An event may be here before the answer to the change that made it: a client closed now would not
	// know the outcome.
	if err := <-changed; err != nil {
		log.Fatal(err)
	}
	// Output:
	// /app/a false
	// /app/b false
	// /app/a true
}

// A listing and a watch from the rev after it miss nothing in between.
func ExampleClient_Walk() {
	ctx := context.Background()
	c, stop := connect(ctx)
	defer stop()

	for _, path := range []string{"/app/b", "/app/a/x", "/app/a-b"} {
		if _, err := c.Set(ctx, path, client.Missing, nil); err != nil {
			log.Fatal(err)
		}
	}
	rev, err := c.Rev(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for file, err := range c.Walk(ctx, "/app/**", rev) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(file.Path)
	}
	// Output:
	// /app/a/x
	// /app/a-b
	// /app/b
}

func ExampleClient_Getdir() {
	ctx := context.Background()
	c, stop := connect(ctx)
	defer stop()

	for name, err := range c.Getdir(ctx, "/ctl", client.Now) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name)
	}
	// Output:
	// cal
	// name
	// node
}

func ExampleClient_Wait() {
	ctx := context.Background()
	c, stop := connect(ctx)
	defer stop()

	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, err := c.Wait(ctx, "/app/never", client.Now)
	fmt.Println(err)
	// Output: context deadline exceeded
}

// Several addresses let the client outlive one of them.
func ExampleDialConfig() {
	addr, stop := serve()
	defer stop()
	ctx := context.Background()

	secret := "sesame"
	_, err := client.DialConfig(ctx, client.Config{
		Addrs:    []string{addr},
		Secret:   &secret,
		RetryFor: time.Minute,
	})
	fmt.Println(err, errors.Is(err, client.ErrPermission))
	// Output: OTHER: permission denied true
}

func ExampleDialURI() {
	addr, stop := serve()
	defer stop()
	ctx := context.Background()

	c, err := client.DialURI(ctx, "doozer:?ca="+addr, "", client.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	name, _, err := c.Get(ctx, "/ctl/name", client.Now)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", name)
	// Output: local
}

func ExampleParseURI() {
	u, err := client.ParseURI("doozer:?ca=10.0.0.1&ca=10.0.0.2:9000&cn=app")
	fmt.Println(u.Addrs, u.Name, u.Secret == nil, err)
	_, err = client.ParseURI("10.0.0.1:8046")
	fmt.Println(err)
	// Output:
	// [10.0.0.1:8046 10.0.0.2:9000] app true <nil>
	// invalid uri
}
