// Package browser drives a real browser for tests and screenshots: Chromium,
// through its own protocol. It knows nothing of what it looks at.
//
// A page keeps account of what a reader would not see and has to be wrong:
// errors on the console, exceptions, requests to anywhere but its own server.
package browser

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
)

// patience is how long a thing that must happen may take before it counts as
// never happening.
const patience = 60 * time.Second

// names of the program, by distribution.
var names = []string{"chromium", "chromium-browser", "google-chrome"}

// Browser is a running browser.
type Browser struct {
	ctx  context.Context
	stop []context.CancelFunc
}

// Start runs a browser without a window.
func Start() (*Browser, error) {
	path := ""
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		return nil, errors.New("no chromium: .ci/install installs one")
	}
	allocator, stop1 := chromedp.NewExecAllocator(context.Background(), append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("hide-scrollbars", false), chromedp.Flag("enable-precise-memory-info", true))...)
	ctx, stop2 := chromedp.NewContext(allocator)
	b := &Browser{ctx: ctx, stop: []context.CancelFunc{stop2, stop1}}
	if err := chromedp.Do(ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return b, nil
}

// Close ends the browser.
func (b *Browser) Close() {
	for _, stop := range b.stop {
		stop()
	}
}

// Options of a page. The zero value is a laptop's light window.
type Options struct {
	Width, Height int64
	Phone         bool // a finger instead of a mouse
	Dark          bool
	Scale         float64 // pixels of the picture for one of the page; 0 is 1
	Insecure      bool    // take any certificate
}

// Page is a tab that has its own cookies and memory.
type Page struct {
	ctx    context.Context
	cancel context.CancelFunc
	origin string

	mu       sync.Mutex
	errors   []string
	requests []*Request
	byID     map[network.RequestID]*Request
}

// Request is what a page asked for.
type Request struct {
	URL   string
	Bytes int64 // that came over the network, headers included
}

// Open returns an empty page that is meant for one origin, such as
// http://127.0.0.1:8080.
func (b *Browser) Open(origin string, o Options) (*Page, error) {
	if o.Width == 0 {
		o.Width, o.Height = 1280, 800
	}
	if o.Scale == 0 {
		o.Scale = 1
	}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	p := &Page{ctx: ctx, cancel: cancel, origin: strings.TrimSuffix(origin, "/"), byID: make(map[network.RequestID]*Request)}
	if err := p.begin(o); err != nil {
		cancel()
		return nil, err
	}
	return p, nil
}

// begin makes the tab what the options say, and listens to it.
func (p *Page) begin(o Options) error {
	scheme := "light"
	if o.Dark {
		scheme = "dark"
	}
	if err := chromedp.Do(p.ctx); err != nil { // makes the tab
		return err
	}
	if err := chromedp.Listen(p.ctx, p.hear); err != nil {
		return err
	}
	return errors.Join(
		call(p.ctx, network.Enable, network.EnableParams{}),
		call(p.ctx, log.Enable, cdp.Empty{}),
		call(p.ctx, runtime.Enable, cdp.Empty{}),
		call(p.ctx, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: o.Insecure}),
		call(p.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: o.Width, Height: o.Height, DeviceScaleFactor: o.Scale, Mobile: o.Phone,
		}),
		call(p.ctx, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: o.Phone}),
		call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}),
	)
}

func call[P, R any](ctx context.Context, c cdp.Command[P, R], params P) error {
	_, err := chromedp.Call(ctx, c, params)
	return err
}

// Close closes the page.
func (p *Page) Close() { p.cancel() }

// hear keeps account of what happens in the page.
func (p *Page) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, e.ExceptionDetails.Text+" "+describe(e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		switch e.Type {
		case "error", "warning", "assert":
			p.errors = append(p.errors, "console: "+arguments(e.Args))
		}
	case *log.EventEntryAdded:
		switch e.Entry.Level {
		case "error", "warning":
			p.errors = append(p.errors, fmt.Sprintf("log: %s %s", e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		r := &Request{URL: e.Request.URL}
		p.byID[e.RequestID] = r
		p.requests = append(p.requests, r)
		if !p.isOwn(e.Request.URL) {
			p.errors = append(p.errors, "a request elsewhere: "+e.Request.URL)
		}
	case *network.EventResponseReceived:
		if r := p.byID[e.RequestID]; r != nil {
			r.Bytes = int64(e.Response.EncodedDataLength)
		}
	case *network.EventLoadingFinished:
		if r := p.byID[e.RequestID]; r != nil {
			r.Bytes = int64(e.EncodedDataLength)
		}
	}
}

func arguments(args []*runtime.RemoteObject) string {
	var texts []string
	for _, a := range args {
		texts = append(texts, describe(a))
	}
	return strings.Join(texts, " ")
}

func describe(o *runtime.RemoteObject) string {
	if o == nil {
		return ""
	}
	return string(o.Value) + o.Description
}

func (p *Page) isOwn(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme+"://"+u.Host == p.origin || u.Scheme == "about" || u.Scheme == "data")
}

// Errors returns what went wrong in the page since it was last asked.
func (p *Page) Errors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	errs := p.errors
	p.errors = nil
	return errs
}

// Requests returns what the page has asked for so far.
func (p *Page) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Request
	for _, r := range p.requests {
		all = append(all, *r)
	}
	return all
}

// Do does what the steps say, with patience.
func (p *Page) Do(steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// Go loads a path of the origin.
func (p *Page) Go(path string) error { return p.Do(chromedp.Navigate(p.origin + path)) }

// Click clicks on the first element that a CSS selector names, once it is there.
func (p *Page) Click(selector string) error {
	return p.onElement(chromedp.Click(chromedp.CSS(selector)))
}

// Type types into it.
func (p *Page) Type(selector, text string) error {
	return p.onElement(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// onElement does a step that looks for an element, asks where it is, and only
// then sends input. If the element was gone when it was asked for, nothing was
// sent: then it is looked for again.
func (p *Page) onElement(step chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for {
		err := chromedp.Do(ctx, step)
		if err == nil || !vanished(err) || ctx.Err() != nil {
			return err
		}
	}
}

// vanished reports whether err is that an element is no longer in the page, or
// no longer drawn. Input itself goes to a place or to the focus, never to an
// element, and does not fail in this way.
func vanished(err error) bool {
	if errors.Is(err, chromedp.ErrInvalidDimensions) {
		return true
	}
	var e *cdproto.Error
	return errors.As(err, &e) && slices.Contains([]string{
		"Could not find node with given id",
		"Node is detached from document",
		"Node does not have a layout object",
		"Could not compute content quads.",
		"Element is not focusable",
	}, e.Message)
}

// Key presses a key, wherever the focus is.
func (p *Page) Key(key string) error { return p.Do(chromedp.KeyEvent(key)) }

// Eval evaluates an expression in a page; if that is a promise, what it is kept
// with.
func Eval[T any](p *Page, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		err = fmt.Errorf("%s: %w", expression, err)
	}
	return value, err
}

// lookEvery is how often a page looks for what is waited for, in milliseconds.
const lookEvery = 5

// WaitFor returns when an expression is true in the page. One that throws is not
// true yet. Nothing is compiled from strings in the page, which may forbid that.
func (p *Page) WaitFor(expression string) error {
	const form = `new Promise((done) => {
		const end = Date.now() + %d;
		const look = () => {
			let found = false;
			try { found = Boolean(%s); } catch { }
			if (found || Date.now() > end) done(found);
			else setTimeout(look, %d);
		};
		look();
	})`
	look := fmt.Sprintf(form, patience.Milliseconds()/2, expression, lookEvery)
	found, err := Eval[bool](p, look)
	for range maxMoves {
		if err == nil || !moved(err) {
			break
		}
		found, err = Eval[bool](p, look)
	}
	if err == nil && !found {
		body, _ := Eval[string](p, "document.body.innerText.slice(0, 3000)")
		err = fmt.Errorf("never true: %s; the page says:\n%s\n%s", expression, body, strings.Join(p.Errors(), "\n"))
	}
	return err
}

// maxMoves bounds how often a page may go elsewhere while something is waited for.
const maxMoves = 5

// moved reports whether err is that the page went elsewhere meanwhile.
func moved(err error) bool {
	return strings.Contains(err.Error(), "navigated") || strings.Contains(err.Error(), "context")
}

// Picture returns what the page looks like, as PNG.
func (p *Page) Picture() ([]byte, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.CaptureScreenshot())
}
