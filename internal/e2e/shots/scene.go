package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/ha/doozerd/internal/e2e"
	"github.com/ha/doozerd/internal/e2e/browser"
	"github.com/ha/doozerd/internal/e2e/raw"
)

// files are what the tree of the pictures holds, in the order they are set.
var files = [][2]string{
	{"/app/web/config", `{"listen":":8080","workers":8,"tls":{"cert":"/etc/ssl/web.pem","min":"1.2"},"features":["search"],"limits":{"body":1048576,"rate":200}}`},
	{"/app/web/replicas", "3"},
	{"/app/api/config", `{"listen":":9090","pool":32,"timeout":"5s"}`},
	{"/app/api/replicas", "5"},
	{"/app/api/feature.search", "on"},
	{"/keys/signing", "\x00\x01\x9a\xf3PEM-less key, binary\x00\xde\xad\xbe\xef" + strings.Repeat("\x17\x2a\xfe\x80", 24)},
	{"/lock/deploy", "10.0.3.17:5120"},
	{"/lock/migrate", ""},
	{"/motd", "Deploys are frozen until Monday 09:00.\nAsk in #ops before touching /app/web.\n"},
	{"/service/master", "10.0.1.2:8080"},
	{"/service/web/10.0.1.1", "up since 2026-11-21T08:14:00Z"},
	{"/service/web/10.0.1.2", "up since 2026-11-21T08:14:02Z"},
	{"/service/web/10.0.1.3", "up since 2026-11-23T17:40:51Z"},
	{"/app/web/config", `{"listen":":8080","workers":12,"tls":{"cert":"/etc/ssl/web.pem","min":"1.2"},"features":["search"],"limits":{"body":1048576,"rate":200}}`},
	{"/app/web/config", `{"listen":":8080","workers":12,"tls":{"cert":"/etc/ssl/web.pem","min":"1.3"},"features":["search","export"],"limits":{"body":1048576,"rate":500}}`},
	{"/app/web/replicas", "4"},
}

func set(c *raw.Conn, path, value string) error {
	_, err := c.Callf("SET path=%s rev=-1 value=%q", path, value)
	return err
}

func fill(c *raw.Conn) error {
	for _, f := range files {
		if err := set(c, f[0], f[1]); err != nil {
			return err
		}
	}
	return nil
}

// change changes two files while the page looks on.
func change(s *scene) error {
	if err := set(s.conn, "/app/api/feature.export", "canary"); err != nil {
		return err
	}
	if err := set(s.conn, "/app/api/replicas", "6"); err != nil {
		return err
	}
	return s.page.WaitFor(`document.querySelectorAll(".row.hot").length >= 2`)
}

// busy gives the plots something to show: load that swells and ebbs, until they
// have some points.
func busy(s *scene) error {
	end := time.Now().Add(26 * time.Second)
	for i := 0; time.Now().Before(end); i++ {
		round := 1 + (i/8%7)*(i/8%5)
		for range round {
			if err := set(s.conn, "/app/web/replicas", fmt.Sprint(i%5)); err != nil {
				return err
			}
			for range 3 {
				if _, err := s.conn.Call("GET path=/app/web/config"); err != nil {
					return err
				}
			}
		}
		if _, err := browser.Eval[bool](s.page, "new Promise((done) => setTimeout(done, 60, true))"); err != nil {
			return err
		}
	}
	return s.page.WaitFor(`document.querySelector(".plot .line")`)
}

// three makes it a cluster of three, and busy.
func three(s *scene) error {
	for i := range 2 {
		n, err := s.bins.Start(e2e.Options{Flags: []string{"-c", "prod", "-a", s.node.Addr, "-pulse", "1"}})
		if err != nil {
			return err
		}
		s.more = append(s.more, n)
		if err := set(s.conn, fmt.Sprintf("/ctl/cal/%d", i+1), ""); err != nil {
			return err
		}
		if err := s.page.WaitFor(fmt.Sprintf(`document.querySelectorAll(".role.voter").length === %d`, i+2)); err != nil {
			return fmt.Errorf("%w\n%s", err, n.Stderr())
		}
	}
	return busy(s)
}

// kill ends the server and waits until the page says so.
func kill(s *scene) error {
	if err := s.node.Kill(); err != nil {
		return err
	}
	return s.page.WaitFor(`document.querySelector("#state.lost")`)
}

// scroll makes a large directory and goes to its middle.
func scroll(s *scene) error {
	const files = 100000
	done := make(chan error, 1)
	go func() {
		for range files {
			if _, err := s.conn.Recv(); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range files {
		if err := s.conn.Send(fmt.Sprintf("SET path=/many/%06d rev=-1 value=%q", i, fmt.Sprintf("the value of %d", i))); err != nil {
			return err
		}
	}
	if err := <-done; err != nil {
		return err
	}
	if err := s.page.Go("/many"); err != nil {
		return err
	}
	if err := s.page.WaitFor(`document.querySelector("#state.live") && document.querySelector(".rows").scrollHeight > 2e6`); err != nil {
		return err
	}
	if _, err := browser.Eval[float64](s.page, `document.querySelector(".rows").scrollTop = 1.35e6`); err != nil {
		return err
	}
	return s.page.WaitFor(`document.querySelector(".row[data-path='/many/050000']") && !document.querySelector(".row.waiting")`)
}
