package main

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"remit"
	"remit/dialect"
	"remit/internal/pgtest"
	"remit/store"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestMain makes this binary the programs that scripts call.
func TestMain(m *testing.M) {
	testscript.Main(tidy{m}, map[string]func(){
		"remit": main, "ask": program(ask), "refund": program(refund), "eventually": program(eventually), "disbursements": program(disbursements),
		"tamper": program(tamper), "login": program(login),
	})
}

// tidy runs the tests, and sees that nothing of them still runs.
type tidy struct{ m *testing.M }

func (t tidy) Run() int {
	if code := t.m.Run(); code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func program(f func(args []string) error) func() {
	return func() {
		if err := f(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// TestScripts runs every script on SQLite. A script is a life of the whole
// binary; what it promises stands on its first lines.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", Setup: func(e *testscript.Env) error {
			e.Setenv("REMIT_STORE", "sqlite:"+filepath.Join(e.WorkDir, "remit.db"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"listening": listening},
	})
}

// TestScriptsOnPostgres runs the scripts that need several processes on one
// database.
func TestScriptsOnPostgres(t *testing.T) {
	dsn := pgtest.DSN(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/postgres", Setup: func(e *testscript.Env) error {
			e.Setenv("REMIT_STORE", "postgres:"+dsn)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"listening": listening},
	})
}

// patience is how long a script waits for what must come. It bounds a failure,
// and decides nothing.
const patience = time.Minute

var listens = regexp.MustCompile(`msg=listening url=(\S+)(?: admin=(\S+))?`)

// listening NAME waits until the log file NAME.log says where a process
// listens, and puts it into $NAME_URL and $NAME_ADMIN.
func listening(ts *testscript.TestScript, _ bool, args []string) {
	name := args[0]
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		raw, _ := os.ReadFile(ts.MkAbs(name + ".log"))
		if m := listens.FindSubmatch(raw); m != nil {
			ts.Setenv(name+"_URL", string(m[1]))
			ts.Setenv(name+"_ADMIN", string(m[2]))
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s never listened:\n%s", name, raw)
		}
	}
}

// ask METHOD URL [BODY] makes one call, and prints the status and the body.
func ask(args []string) error {
	r, err := http.NewRequest(args[0], args[1], strings.NewReader(strings.Join(args[2:], " ")))
	if err != nil {
		return err
	}
	return call(r)
}

var formToken = regexp.MustCompile(`name="token" value="([^"]+)"`)

// login ADMIN NAME PASSWORD FORWARDED TIMES tries to log in to the console, as through a
// proxy that says where from, and prints the last status.
func login(args []string) error {
	times, err := strconv.Atoi(args[4])
	if err != nil {
		return err
	}
	h := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(method string, form url.Values) (int, []byte, error) {
		r, err := http.NewRequest(method, args[0]+"/console/login", strings.NewReader(form.Encode()))
		if err != nil {
			return 0, nil, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Forwarded-For", args[3])
		res, err := h.Do(r)
		if err != nil {
			return 0, nil, err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return res.StatusCode, body, err
	}
	status := 0
	for range times {
		_, page, err := ask(http.MethodGet, nil)
		if err != nil {
			return err
		}
		m := formToken.FindSubmatch(page)
		if m == nil {
			return fmt.Errorf("no form in %s", page)
		}
		if status, _, err = ask(http.MethodPost, url.Values{"token": {string(m[1])}, "name": {args[1]}, "password": {args[2]}}); err != nil {
			return err
		}
	}
	fmt.Println(status)
	return nil
}

func call(r *http.Request) error {
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	fmt.Println(res.StatusCode)
	_, err = io.Copy(os.Stdout, res.Body)
	return err
}

// refund URL CREDENTIALS ORDER AMOUNT UUID asks for a refund as Trustly's
// libraries do.
func refund(args []string) error {
	raw, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	var c dialect.Credentials
	if err := json.Unmarshal(raw, &c); err != nil {
		return err
	}
	block, _ := pem.Decode([]byte(c.Private["merchant"]))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return err
	}
	data := map[string]string{
		"Username": string(c.Principal), "Password": c.Secrets["password"], "OrderID": args[2], "Amount": args[3], "Currency": "EUR",
	}
	text := "Refund" + args[4]
	for _, k := range slices.Sorted(maps.Keys(data)) {
		text += k + data[k]
	}
	sum := sha1.Sum([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA1, sum[:])
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"method": "Refund", "version": "1.1", "params": map[string]any{
		"Signature": base64.StdEncoding.EncodeToString(signature), "UUID": args[4], "Data": data,
	}})
	if err != nil {
		return err
	}
	return ask([]string{http.MethodPost, args[0] + "/api/1", string(body)})
}

func outside() *app {
	return &app{config: os.Getenv("REMIT_CONFIG"), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ()}
}

// disbursements MERCHANT prints a merchant's, one a line.
func disbursements(args []string) error {
	return outside().at(func(ctx context.Context, d *desk) error {
		all, err := d.store.Disbursements(ctx, store.Filter{Merchant: remit.MerchantID(args[0]), Max: 1000})
		for _, x := range all {
			fmt.Println(x.State, x.Amount)
		}
		return err
	})
}

// tamper SQL does to the database what nobody may.
func tamper(args []string) error {
	db, err := sql.Open("sqlite", strings.TrimPrefix(os.Getenv("REMIT_STORE"), "sqlite:"))
	if err != nil {
		return err
	}
	_, err = db.Exec(args[0])
	return errors.Join(err, db.Close())
}

// eventually PATTERN PROGRAM ARGS... runs a program until it prints what is
// wanted.
func eventually(args []string) error {
	want, err := regexp.Compile(args[0])
	if err != nil {
		return err
	}
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		out, err := exec.Command(args[1], args[2:]...).CombinedOutput()
		switch {
		case err == nil && want.Match(out):
			return nil
		case time.Now().After(end):
			return fmt.Errorf("no %s in: %s (%v)", want, out, err)
		}
	}
}
