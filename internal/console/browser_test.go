package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Limits of one test in a browser, of real time.
const (
	browserTimeout = 4 * time.Minute
	settleTimeout  = 20 * time.Second // for a page to become what it should
)

// browser is one tab of a real Chromium. It keeps what no page may do: write
// an error, or call anybody but the console.
type browser struct {
	*testing.T
	ctx  context.Context
	base string

	mu     sync.Mutex
	faults []string
}

// open starts Chromium. Without one the test is skipped, or fails where
// REMIT_REQUIRE_ALL=1.
func open(t *testing.T, base string) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("REMIT_REQUIRE_ALL") == "1" {
			t.Fatal("there is no chromium")
		}
		t.Skip("there is no chromium: Debian's package is chromium")
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.WindowSize(1440, 900),
	}
	ctx, stop := context.WithTimeout(context.Background(), browserTimeout)
	t.Cleanup(stop)
	ctx, free := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(free)
	ctx, leave := chromedp.NewContext(ctx)
	t.Cleanup(leave)
	b := &browser{T: t, ctx: ctx, base: base}
	must(t, chromedp.Listen(ctx, b.hear))
	_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	must(t, err)
	_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	must(t, err)
	return b
}

// posted are the addresses to which browsers have sent forms, in all tests.
var posted sync.Map

// hear keeps what should not be.
func (b *browser) hear(event any) {
	var fault string
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if e.Request.Method == http.MethodPost {
			posted.Store(strings.TrimPrefix(e.Request.URL, b.base), true)
		}
		if !strings.HasPrefix(e.Request.URL, b.base+"/console") && !strings.HasPrefix(e.Request.URL, "data:") && e.Request.URL != "about:blank" {
			fault = "a request to " + e.Request.URL
		}
	case *runtime.EventExceptionThrown:
		fault = fmt.Sprintf("an exception: %v", e.ExceptionDetails)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			fault = fmt.Sprintf("the console says: %v", e.Args)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			fault = "the log says: " + e.Entry.Text + " " + fmt.Sprint(e.Entry.URL)
		}
	}
	if fault != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.faults = append(b.faults, fault)
	}
}

// blameless fails for what should not have been since it was last asked.
func (b *browser) blameless(where string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.Errorf("%s: %s", where, f)
	}
	b.faults = nil
}

// visit loads a page.
func (b *browser) visit(path string) {
	b.Helper()
	must(b, chromedp.Do(b.ctx, chromedp.Navigate(b.base+path)))
}

// at loads a page, and answers with the browser.
func (b *browser) at(path string) *browser {
	b.Helper()
	b.visit(path)
	return b
}

// ask evaluates an expression in the page.
func ask[T any](b *browser, expression string) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return v
}

// await waits until an expression is true in the page, also across loads.
func (b *browser) await(expression string) {
	b.Helper()
	for end := time.Now().Add(settleTimeout); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && ok {
			return
		}
	}
	b.Fatalf("it never came to %s; the page says: %.600s", expression, ask[string](b, "document.body.innerText"))
}

// press sends a form twice, as a double click does, and waits for what came
// of it.
func (b *browser) press(form string) (flash string) {
	b.Helper()
	quoted, err := json.Marshal(form)
	must(b, err)
	if !ask[bool](b, fmt.Sprintf("document.querySelector(%s) !== null", quoted)) {
		b.Fatalf("there is no form %s; the page says: %.600s", form, ask[string](b, "document.body.innerText"))
	}
	ask[bool](b, fmt.Sprintf(`(() => { const f = document.querySelector(%s); document.body.dataset.old = "yes";
		f.querySelectorAll("details").forEach((d) => d.open = true); const press = f.querySelector("button"); press.click(); press.click(); return true })()`, quoted))
	b.await(`!document.body.dataset.old && document.querySelector(".flash")`)
	return ask[string](b, `document.querySelector(".flash").innerText`)
}

// fill sets a field of the page.
func (b *browser) fill(selector, value string) {
	b.Helper()
	ask[bool](b, fmt.Sprintf(`(() => { document.querySelector(%q).value = %q; return true })()`, selector, value))
}

// violation is one of what axe found.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// accessible has axe judge the page.
func (b *browser) accessible(where string) {
	b.Helper()
	source, err := os.ReadFile("testdata/axe/axe.min.js")
	must(b, err)
	_, err = chromedp.Run(b.ctx, chromedp.Evaluate[chromedp.Void](string(source)+";0"))
	must(b, err)
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]violation]("axe.run().then((r) => r.violations)", chromedp.EvalAwaitPromise))
	must(b, err)
	for _, v := range found {
		for _, n := range v.Nodes[:min(len(v.Nodes), 3)] {
			b.Errorf("%s: %s (%s): %s\n%s", where, v.ID, v.Help, n.HTML, n.Summary)
		}
	}
}

// theme shows pages light or dark.
func (b *browser) theme(name string) {
	b.Helper()
	ask[string](b, `document.cookie = "remit_theme=`+name+`; path=/console"`)
}

// size makes the window as wide as a phone, or a desk.
func (b *browser) size(width, height int64) {
	b.Helper()
	must(b, chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height)))
}

// narrow tells whether the page is no wider than its window, and nothing wider
// than its card: what is cut off is not seen.
func (b *browser) narrow(where string) {
	b.Helper()
	over := ask[[]string](b, `document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 3).map((e) => e.outerHTML.slice(0, 120))`)
	if len(over) > 0 {
		b.Errorf("%s is wider than its window: %s", where, slices.Compact(over))
	}
	for _, cut := range ask[[]string](b, `[...document.querySelectorAll(".card")].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => (e.querySelector("tr") || e).innerText.slice(0, 120) + " is " + (e.scrollWidth - e.clientWidth) + " px too wide")`) {
		b.Errorf("%s: a card is cut off in a window of %d px: %q", where, ask[int](b, "innerWidth"), cut)
	}
}
