package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"remit/internal/catalog"
	"remit/money"
	"remit/rail"
)

// TestSandboxScripts runs the scripts of the sandbox.
func TestSandboxScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/sandbox", Cmds: map[string]func(*testscript.TestScript, bool, []string){"ready": ready},
	})
}

// ready DIR waits until a sandbox says in its folder that it is ready, and
// puts the URL of its control API into $CONTROL.
func ready(ts *testscript.TestScript, _ bool, args []string) {
	file := filepath.Join(ts.MkAbs(args[0]), "sandbox.json")
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var settings struct {
			Control string `json:"control_url"`
		}
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		ts.Check(json.Unmarshal(text, &settings)) // whole, whenever it is there
		ts.Setenv("CONTROL", settings.Control)
		return
	}
	ts.Fatalf("%s never came", file)
}

// TestATemporarySandboxLeavesNothing starts one without a folder of its own,
// stops it, and looks for what is left.
func TestATemporarySandboxLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	cmd, out := begin(t, []string{"TMPDIR=" + dir}, "sandbox", "--listen", "127.0.0.1:0")
	for line := ""; !strings.Contains(line, "sh "+dir); {
		var err error
		if line, err = out.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	must(t, cmd.Process.Signal(os.Interrupt))
	_, _ = io.Copy(io.Discard, out)
	must(t, cmd.Wait())
	left, err := os.ReadDir(dir)
	must(t, err)
	if len(left) > 0 {
		t.Errorf("got %v, want nothing left", left)
	}
}

// TestABankOfItsOwnPaysOnce kills the bank's process between its journal and
// its answer, hands the same instruction over again to the next one, and
// counts what was paid.
func TestABankOfItsOwnPaysOnce(t *testing.T) {
	journal, token := filepath.Join(t.TempDir(), "bank.journal"), "TOKEN=secret"
	instruction := rail.Instruction{EndToEndID: "acme-d1", Amount: money.Amount{Minor: 100, Currency: "EUR"}, Account: "FI2112345600000785"}
	args := []string{"bank", "--journal", journal, "--delay", "1ms", "--token-env", "TOKEN"}

	cmd, out := begin(t, []string{token, envCrashTests + "=1", envCrashAt + "=bank-after-journal:1"}, args...)
	if got, err := submit(t, out, instruction); err == nil {
		t.Fatalf("a bank that was killed answered %v", got)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the bank was not killed")
	}
	cmd, out = begin(t, []string{token}, args...)
	if _, err := submit(t, out, instruction); err != nil {
		t.Fatal(err)
	}
	must(t, cmd.Process.Signal(os.Interrupt))
	must(t, cmd.Wait())

	b, err := catalog.OpenBank(catalog.Simulated{Journal: journal})
	must(t, err)
	defer b.Close()
	all, err := b.Booked(t.Context())
	want := []rail.BookedInstruction{{EndToEndID: "acme-d1", Amount: instruction.Amount, Submitted: 2, Paid: 1, State: "settled"}}
	if err != nil || !slices.Equal(all, want) {
		t.Errorf("got %+v, %v, want %+v", all, err, want)
	}
}

// TestAKilledSandboxGoesOn kills a sandbox at each point at which a refund is
// half on its way, and starts it again at another port. The refund is then
// paid once, and at once: nobody waits for the lease of a process that is
// dead. When it comes back, the inbox is told where it is now.
func TestAKilledSandboxGoesOn(t *testing.T) {
	for _, point := range []string{
		"engine-marked:1", "engine-submitted:1", "bank-before-journal:1", "bank-after-journal:1", "store-before-commit:21", "store-after-commit:21",
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd, out := begin(t, []string{envCrashTests + "=1", envCrashAt + "=" + point}, "sandbox", "--seed", "1", "--data", dir, "--listen", "127.0.0.1:0")
			first := controlURL(t, dir, out)
			if text, err := exec.Command("sh", filepath.Join(dir, "refund.sh")).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			if text, err := control(first+"/clock/advance", `{"by":"15s"}`); err == nil {
				t.Fatalf("a sandbox that was killed answered %s", text)
			}
			if err := cmd.Wait(); err == nil {
				t.Fatal("the sandbox was not killed")
			}
			must(t, os.Remove(filepath.Join(dir, "sandbox.json")))

			other, err := net.Listen("tcp", strings.TrimSuffix(strings.TrimPrefix(first, "http://"), "/_sandbox"))
			must(t, err) // the port is taken by somebody else
			defer other.Close()
			cmd, out = begin(t, nil, "sandbox", "--data", dir, "--listen", "127.0.0.1:0")
			second := controlURL(t, dir, out)
			want := func(path, body, pattern string) []string {
				t.Helper()
				text, err := control(second+path, body)
				found := regexp.MustCompile(pattern).FindStringSubmatch(text)
				if err != nil || found == nil {
					t.Fatalf("%s: got %v %s, want %s", path, err, text, pattern)
				}
				return found
			}
			last := want("/disbursements", "", `.*"at":"([^"]*)"`)[1]
			if now := want("/clock", "", `"now":"(.*)"`)[1]; now < last {
				t.Errorf("it is %s, and the books have something of %s", now, last)
			}
			want("/clock/advance", `{"by":"1m"}`, `now`)
			id := want("/disbursements", "", `"id":"(\w+)".*"state":"settled","amount`)[1]
			want("/bank", "", `"times_paid":1,`)
			want("/disbursements/"+id+"/outcome", `{"outcome":"return"}`, `"state":"returned","amount`)
			want("/inbox", "", `"verified":true`)
			want("/ledger/check", "", `"ok":true`)
			must(t, cmd.Process.Signal(os.Interrupt))
			must(t, cmd.Wait())
		})
	}
}

// controlURL waits until a sandbox is ready, and has its output read on.
func controlURL(t *testing.T, dir string, out *bufio.Reader) string {
	t.Helper()
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	text, err := os.ReadFile(filepath.Join(dir, "sandbox.json"))
	must(t, err)
	var settings map[string]any
	must(t, json.Unmarshal(text, &settings))
	return settings["control_url"].(string)
}

// control makes a control call: a GET, or a POST where there is a body.
func control(url, body string) (string, error) {
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Close = true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// begin starts this binary as remit, and answers what it writes.
func begin(t *testing.T, environ []string, args ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := &exec.Cmd{Path: self, Args: append([]string{"remit"}, args...), Env: append(os.Environ(), environ...), Stderr: t.Output()}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, bufio.NewReader(out)
}

// submit hands an instruction to the bank whose URL is the next line.
func submit(t *testing.T, out *bufio.Reader, i rail.Instruction) (rail.Outcome, error) {
	t.Helper()
	url, err := out.ReadString('\n')
	must(t, err)
	rails, done, err := catalog.OpenRails(catalog.Simulated{URL: strings.TrimSpace(url), Token: "secret"})
	must(t, err)
	defer func() { must(t, done()) }()
	return rails[0].Submit(t.Context(), i)
}
