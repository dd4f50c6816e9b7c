package console_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// shots are the pictures that docs show: a page, how wide and high, and in
// which theme.
var shots = []struct {
	name, path, theme string
	width, height     int64
}{
	{"overview", "m/acme/", "light", 1440, 1100},
	{"overview-dark", "m/acme/", "dark", 1440, 1100},
	{"refund", "m/acme/out/{refund}", "light", 1440, 1250},
	{"refund-dark", "m/acme/out/{refund}", "dark", 1440, 1250},
	{"refund-phone", "m/acme/out/{refund}", "light", 390, 1200},
	{"requests", "m/acme/requests", "light", 1440, 900},
	{"request", "m/acme/requests/{request}", "light", 1440, 900},
	{"refunds", "m/acme/refunds", "light", 1440, 900},
	{"deliveries", "m/acme/deliveries", "light", 1440, 900},
	{"inbox", "m/acme/inbox", "light", 1440, 900},
	{"ledger", "m/acme/ledger", "light", 1440, 900},
	{"sandbox", "m/acme/sandbox", "light", 1440, 900},
	{"settings", "m/acme/settings", "light", 1440, 1000},
	{"login", "login", "light", 1440, 900},
}

// TestScreenshots writes the pictures into docs/img, where REMIT_SCREENSHOTS=1
// asks for that: make screenshots.
func TestScreenshots(t *testing.T) {
	if os.Getenv("REMIT_SCREENSHOTS") != "1" {
		t.Skip("no pictures are wanted: make screenshots takes them")
	}
	w := begin(t)
	b := open(t, w.base)
	f := w.month()
	for _, s := range shots {
		b.visit("/console/merchants")
		b.theme(s.theme)
		b.size(s.width, s.height)
		b.visit("/console/" + strings.NewReplacer("{refund}", string(f.returned), "{request}", f.refused).Replace(s.path))
		if s.path == "m/acme/" {
			b.await(`document.querySelector(".chart canvas")`)
		}
		time.Sleep(300 * time.Millisecond) // fonts
		picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		must(t, err)
		must(t, os.MkdirAll("../../docs/img", 0o755))
		must(t, os.WriteFile(filepath.Join("../../docs/img", s.name+".png"), picture, 0o644))
	}
}

// month is a world with a month behind it, on each day of which money came
// and went. One refund comes back six days after it was paid.
func (w *world) month() furnished {
	w.Helper()
	f := w.furnish()
	for day := range 30 {
		for i := range 3 + day%4 {
			order, _ := w.pay("trustly", int64(9_900+3_370*((day*7+i*5)%23)), "funded")
			if (day+i)%2 == 0 {
				w.refund(order, fmt.Sprintf("%d.50", 22+8*((day*5+i)%9)))
			}
		}
		if day == 23 {
			order, _ := w.pay("trustly", 120_450, "funded")
			f.returned = w.refund(order, "401.50")
			w.outcome(f.returned, `{"outcome":"return","after":"144h","reason":"account_closed"}`)
			w.control("clock/advance", `{"by":"1h"}`)
			w.outcome(w.refund(order, "300.00"), `{"outcome":"settle"}`)
		}
		w.control("clock/advance", `{"by":"24h"}`)
	}
	w.control("inbox/behaviour", `{"status":503,"times":2}`)
	third, _ := w.pay("trustly", 64_000, "funded")
	w.outcome(w.refund(third, "55.00"), `{"outcome":"refuse","reason":"account_closed"}`)
	w.outcome(w.refund(third, "19.00"), `{"outcome":"unknown"}`)
	w.refund(third, "40.00")
	w.ask(third, "40.00", w.word)
	w.uuid++
	w.ask(third, "900.00", w.word)
	f.refused = w.lastRequest().ID
	w.uuid++
	w.ask(third, "40.00", "not the password")
	fourth, _ := w.pay("trustly", 9_000, "authorized")
	w.refund(fourth, "90.00")
	w.control("clock/advance", `{"by":"3s"}`)
	return f
}
