// Command bench measures Remit on the machine at hand, and writes what it saw
// into bench/README.md. Every figure stands beside a bare one of the same run:
// read the ratios, not the rates. It measures; it holds nothing to a goal.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// options are what a run can be given.
type options struct {
	rounds  int
	seconds time.Duration // of each measurement
	refunds int           // of the run that weighs memory and disk
	only    string
	write   string
	binary  string
	dir     string
}

func main() {
	testing.Init()
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "how often each row is measured; the median counts")
	flag.DurationVar(&o.seconds, "for", 4*time.Second, "how long each measurement takes")
	flag.IntVar(&o.refunds, "refunds", 200_000, "how many refunds the server has taken when it is weighed")
	flag.StringVar(&o.only, "only", "", "http, truelayer, engine, console or process; empty is all")
	flag.StringVar(&o.write, "write", "bench/README.md", "the page whose tables are written anew; empty writes none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if o.dir, err = os.MkdirTemp("", "remit-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.dir)
	o.binary = filepath.Join(o.dir, "remit")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", o.binary, "remit/cmd/remit").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	var page strings.Builder
	fmt.Fprintf(&page, "Seen on %s: %d cores, %s, load %s before the run; median [least, most] of %d rounds of %s.\n",
		time.Now().Format("2006-01-02"), runtime.NumCPU(), runtime.Version(), loadAverage(), o.rounds, o.seconds)
	parts := []struct {
		name string
		run  func(context.Context, options) (string, error)
	}{{"http", trustlyOverHTTP}, {"truelayer", trueLayerOverHTTP}, {"engine", throughEngine}, {"console", pages}, {"process", weigh}}
	for _, p := range parts {
		if o.only != "" && o.only != p.name {
			continue
		}
		fmt.Fprintln(os.Stderr, "bench:", p.name)
		text, err := p.run(ctx, o)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		page.WriteString("\n" + text)
	}
	fmt.Print(page.String())
	if o.write == "" || o.only != "" {
		return nil
	}
	return replace(o.write, page.String())
}

// The tables stand between these lines of the page.
const (
	begin = "<!-- written by make bench -->\n"
	end   = "<!-- end -->\n"
)

func replace(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no place for the tables", path)
	}
	return os.WriteFile(path, []byte(before+begin+text+end+after), 0o644)
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// series is one row's figures, one a round.
type series []float64

func (s series) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[len(sorted)/2]
}

func (s series) String() string {
	return fmt.Sprintf("%.0f [%.0f, %.0f]", s.median(), slices.Min(s), slices.Max(s))
}

// ratio is the median of what each round's figure was of the other's.
func (s series) ratio(of series) string {
	var r series
	for i := range s {
		r = append(r, s[i]/of[i])
	}
	return fmt.Sprintf("%.2f", r.median())
}
