package report

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	pagecdp "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// reader is a real browser with one page open.
type reader struct {
	t         *testing.T
	ctx       context.Context
	dir       string // of pages and downloads
	mu        sync.Mutex
	problems  []string
	completed chan struct{} // a download has ended
}

// openBrowser starts Chromium without a window, or skips and says so.
func openBrowser(t *testing.T) *reader {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser is not started in short tests")
	}
	path := chromium()
	if path == "" {
		fmt.Fprintln(os.Stderr, "NOT TESTED: pages in a real browser, as no Chromium is installed (apt-get install chromium)")
		t.Skip("NOT TESTED: no Chromium is installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.Flag("disable-dev-shm-usage", true))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	r := &reader{t: t, ctx: ctx, dir: t.TempDir(), completed: make(chan struct{}, 8)}
	if err := chromedp.Listen(ctx, r.watch); err != nil {
		t.Fatal(err)
	}
	yes := true
	call(r, network.Enable, network.EnableParams{})
	call(r, cdplog.Enable, cdp.Empty{})
	call(r, accessibility.Enable, cdp.Empty{})
	call(r, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: r.dir, EventsEnabled: &yes})
	r.do(chromedp.EmulateViewport(1280, 900))
	return r
}

// chromium is the browser's program; "" without one.
func chromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// watch notes errors and requests for anything but the page itself.
func (r *reader) watch(event any) {
	problem := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = "exception: " + e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		problem = fmt.Sprintf("console: %s %v", e.Type, e.Args)
	case *cdplog.EventEntryAdded:
		problem = fmt.Sprintf("log: %s %s", e.Entry.Level, e.Entry.Text)
	case *pagecdp.EventJavascriptDialogOpening:
		problem = "dialog: " + e.Message
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, "file:///") && !strings.HasPrefix(url, "data:,") && !strings.HasPrefix(url, "blob:") {
			problem = "request: " + url
		}
	case *browser.EventDownloadProgress:
		if e.State == browser.DownloadProgressStateCompleted {
			r.completed <- struct{}{}
		}
	}
	if problem != "" {
		r.mu.Lock()
		r.problems = append(r.problems, problem)
		r.mu.Unlock()
	}
}

// clean fails the test on what the browser complained of.
func (r *reader) clean() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.problems {
		r.t.Error(p)
	}
}

func (r *reader) do(actions ...chromedp.Action[chromedp.Void]) {
	r.t.Helper()
	if err := chromedp.Do(r.ctx, actions...); err != nil {
		r.t.Fatal(err)
	}
}

// call sends one command of the browser's protocol.
func call[P, R any](r *reader, command cdp.Command[P, R], params P) R {
	r.t.Helper()
	out, err := chromedp.Call(r.ctx, command, params)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// open loads a page from a file, as its reader would.
func (r *reader) open(p Page) {
	r.t.Helper()
	path := filepath.Join(r.dir, "page.html")
	if err := os.WriteFile(path, page(r.t, p), 0o666); err != nil {
		r.t.Fatal(err)
	}
	r.do(chromedp.Navigate("file://" + path))
}

// ask evaluates an expression in the page.
func ask[T any](r *reader, expression string) T {
	r.t.Helper()
	out, err := chromedp.Run(r.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		r.t.Fatalf("%s: %v", expression, err)
	}
	return out
}

func (r *reader) want(expression, want string) {
	r.t.Helper()
	if got := ask[string](r, expression); got != want {
		r.t.Errorf("%s\n got %q\nwant %q", expression, got, want)
	}
}

func (r *reader) press(keys string, modifiers ...chromedp.Modifier) {
	r.t.Helper()
	r.do(chromedp.KeyEvent(keys, chromedp.KeyModifiers(modifiers...)))
}

// hover moves the pointer onto an element, which it scrolls into sight first.
func (r *reader) hover(element string) {
	r.t.Helper()
	at := ask[[]float64](r, `(async () => {
		const e = `+element+`;
		e.scrollIntoView({block: 'center'});
		await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
		const b = e.getBoundingClientRect();
		return [b.x + b.width / 2, b.y + b.height / 2];
	})()`)
	r.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1]))
}

// download clicks a link and reads what was saved.
func (r *reader) download(id string) []byte {
	r.t.Helper()
	name := ask[string](r, `document.getElementById('`+id+`').download`)
	r.do(chromedp.Click(chromedp.CSS("#" + id)))
	select {
	case <-r.completed:
	case <-time.After(10 * time.Second):
		r.t.Fatalf("%s was not saved", name)
	}
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// records reads a downloaded table: each line by the names of its columns.
func (r *reader) records() []map[string]string {
	r.t.Helper()
	lines, err := csv.NewReader(strings.NewReader(string(r.download("csv")))).ReadAll()
	if err != nil {
		r.t.Fatal(err)
	}
	var out []map[string]string
	for _, line := range lines[1:] {
		record := map[string]string{}
		for i, column := range lines[0] {
			record[column] = line[i]
		}
		out = append(out, record)
	}
	return out
}
