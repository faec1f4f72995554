// Shots takes the pictures of the WebView in doc/screenshots, of a daemon of its
// own with a tree that shows what there is to see: `make screenshots`.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ha/doozerd/internal/e2e"
	"github.com/ha/doozerd/internal/e2e/browser"
	"github.com/ha/doozerd/internal/e2e/raw"
)

func main() {
	dir := flag.String("o", "doc/screenshots", "the `DIR` to put the pictures in")
	only := flag.String("only", "", "take the picture of this `NAME` only")
	flag.Parse()
	if err := run(*dir, *only); err != nil {
		fmt.Fprintln(os.Stderr, "shots:", err)
		os.Exit(1)
	}
}

func run(dir, only string) error {
	temp, err := os.MkdirTemp("", "doozer-shots-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	bins, err := e2e.Build(temp, false)
	if err != nil {
		return err
	}
	b, err := browser.Start()
	if err != nil {
		return err
	}
	defer b.Close()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, s := range shots {
		if only != "" && s.name != only {
			continue
		}
		if err := s.take(bins, b, dir); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// A shot is one picture.
type shot struct {
	name  string
	path  string
	env   []string
	flags []string
	look  browser.Options
	pose  func(*scene) error // what is done before the picture is taken
}

var (
	laptop = browser.Options{Width: 1200, Height: 720, Scale: 1}
	night  = browser.Options{Width: 1200, Height: 720, Scale: 1, Dark: true}
	phone  = browser.Options{Width: 390, Height: 780, Scale: 2, Phone: true}
	nightP = browser.Options{Width: 390, Height: 780, Scale: 2, Phone: true, Dark: true}
)

var edit = []string{"-web-edit"}

// shots are all pictures.
var shots = []shot{
	{name: "tree", path: "/", look: laptop, pose: change},
	{name: "dark", path: "/app/web/config", look: night},
	{name: "file", path: "/app/web/config", look: laptop, flags: edit},
	{name: "history", path: "/app/web/config", look: laptop, pose: clicks(`[data-key="tab-history"]`, ".diff")},
	{name: "time", path: "/?rev=20", look: laptop, pose: waits(".happened a")},
	{name: "binary", path: "/keys/signing", look: laptop},
	{name: "search", path: "/", look: laptop, pose: types("#search", "/**/config", ".found li")},
	{name: "cluster", path: "/_/cluster", look: laptop, pose: three},
	{name: "cluster-dark", path: "/_/cluster", look: night, pose: three},
	{name: "lost", path: "/", look: laptop, pose: kill},
	{name: "edit", path: "/motd", look: laptop, flags: edit, pose: clicks(`[data-key="edit"]`, "textarea")},
	{name: "delete", path: "/motd", look: laptop, flags: edit, pose: clicks(`[data-key="delete"]`, "dialog[open]")},
	{name: "signin", path: "/", look: laptop, env: []string{"DOOZER_RWSECRET=w", "DOOZER_ROSECRET=r"}, pose: nil},
	{name: "many", path: "/", look: laptop, pose: scroll},
	{name: "phone", path: "/", look: phone},
	{name: "phone-file", path: "/app/web/config", look: phone},
	{name: "phone-cluster", path: "/_/cluster", look: nightP, pose: three},
}

// A scene is what a picture is taken of.
type scene struct {
	bins e2e.Binaries
	node *e2e.Node
	page *browser.Page
	conn *raw.Conn
	more []*e2e.Node
}

func (s *scene) end() {
	for _, n := range s.more {
		n.Kill()
	}
}

func (s *shot) take(bins e2e.Binaries, b *browser.Browser, dir string) error {
	flags := append([]string{"-w", "127.0.0.1:0", "-c", "prod"}, s.flags...)
	n, err := bins.Start(e2e.Options{Flags: flags, Env: s.env})
	if err != nil {
		return err
	}
	defer n.Kill()
	c, err := raw.Dial(n.Addr, e2e.Patience)
	if err != nil {
		return err
	}
	defer c.Close()
	if s.env == nil {
		if err := fill(c); err != nil {
			return err
		}
	}
	p, err := b.Open(n.Web, s.look)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.Go(s.path); err != nil {
		return err
	}
	ready := `document.querySelector("#state.live, #state.past") || document.querySelector(".signin")`
	if err := p.WaitFor(ready); err != nil {
		return err
	}
	at := &scene{bins: bins, node: n, page: p, conn: c}
	defer at.end()
	if s.pose != nil {
		if err := s.pose(at); err != nil {
			return err
		}
	}
	for _, e := range p.Errors() {
		fmt.Fprintf(os.Stderr, "%s: %s\n", s.name, e)
	}
	png, err := p.Picture()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, s.name+".png"), png, 0o644)
}

func waits(selector string) func(*scene) error {
	return func(s *scene) error { return s.page.WaitFor(`document.querySelector('` + selector + `')`) }
}

func clicks(selector, then string) func(*scene) error {
	return func(s *scene) error {
		if err := s.page.Click(selector); err != nil {
			return err
		}
		return waits(then)(s)
	}
}

func types(selector, text, then string) func(*scene) error {
	return func(s *scene) error {
		if err := s.page.Type(selector, text); err != nil {
			return err
		}
		return waits(then)(s)
	}
}
