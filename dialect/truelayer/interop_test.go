package truelayer

import (
	"bytes"
	"crypto"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/dialect/dialecttest"
)

// signingPackage is the public library, in the version that this was tried
// with.
const signingPackage = "truelayer-signing@0.2.3"

// needs ends a test where something is missing on the machine, unless all
// tests are required to run.
func needs(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("REMIT_REQUIRE_ALL") == "1" {
		t.Fatalf("%s: %v", what, err)
	}
	t.Skipf("%s: %v", what, err)
}

// message is one request, for the script.
type message struct {
	Method    string            `json:"method"`
	Path      string            `json:"path"`
	Headers   map[string]string `json:"headers"`
	Body      string            `json:"body"`
	Signature string            `json:"signature,omitempty"`
}

// TestThePublicLibraryAndWeBelieveEachOther has the provider's own package
// sign requests, which must be let through here, and verify a webhook of ours
// by our JWKS, which must hold there; and where it was changed on the way, it
// must not.
func TestThePublicLibraryAndWeBelieveEachOther(t *testing.T) {
	dir := t.TempDir()
	install := exec.Command("npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", dir, signingPackage)
	out, err := install.CombinedOutput()
	needs(t, "npm install: "+string(out), err)

	k, b := readKeys(t), bench(t)
	key := map[string]string{headerKey: "idemp-2076717c-9005-4811-a321-9e0787fa0382"}
	requests := []message{
		{Method: "POST", Path: "/payments", Headers: key, Body: `{"name":"Foo???"}`},
		{Method: "POST", Path: "/v3/payments/1/refunds", Headers: key, Body: `{"amount_in_minor":1}`},
		{Method: "POST", Path: "/v3/payouts", Headers: map[string]string{headerKey: "k", "Accept": "a/b", "x-custom": "Ä b"}, Body: "{}"},
		{Method: "POST", Path: "/test-signature", Body: ""},
		{Method: "POST", Path: "/payments/1/actions/cancel", Headers: key},
	}
	hook, ours := webhook(t, k, "https://merchant.example/hooks/tl/?key=value")
	changed := hook
	changed.Body += " "
	elsewhere := hook
	elsewhere.Path = "/hooks"
	answer := script(t, dir, map[string]any{
		"kid": testKid, "private_key": k.private, "jwks": string(ours), "sign": requests, "verify": []message{hook, changed, elsewhere},
	})

	for i, r := range requests {
		h := http.Header{headerSignature: {answer.Signed[i]}}
		request := dialect.Request{Method: r.Method, Path: r.Path, Header: h, Body: []byte(r.Body), Key: dialecttest.RequestKey}
		for name, v := range r.Headers {
			h.Set(name, v)
		}
		h.Set("Authorization", "Bearer "+testToken(request, ""))
		call := b.Dialect.Read(request)
		if _, err := call.Claim(); err != nil {
			t.Fatal(err)
		}
		keys := map[string]crypto.PublicKey{testKid: k.merchant.Public()}
		if err := call.Verify(dialect.Caller{Known: true, Admitted: true, PublicKeys: keys}); err != nil {
			t.Errorf("%s %s, signed by the library: %v", r.Method, r.Path, err)
		}
	}
	if got := answer.Verified[0]; got.Problem != "" || got.JKU != testJKU {
		t.Errorf("the library does not believe our webhook: %+v", got)
	}
	for i, what := range []string{"with another body", "at another path"} {
		if answer.Verified[i+1].Problem == "" {
			t.Errorf("the library believes a webhook %s", what)
		}
	}
}

const testJKU = "https://api.example/.well-known/jwks"

// webhook is one of ours, sealed, and the answer to who asks for our keys.
func webhook(t *testing.T, k keys, url string) (message, []byte) {
	t.Helper()
	notice := remit.Notice{Kind: "refund_executed", URL: url, Content: details(frozen{testJKU, json.RawMessage(`{"type":"refund_executed"}`)})}
	out, err := Dialect{}.Seal(notice, k, dialect.Caller{}, time.Date(2026, 3, 12, 15, 14, 18, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	m := message{Method: out.Method, Path: "/hooks/tl", Body: string(out.Body), Signature: out.Header.Get(headerSignature), Headers: map[string]string{}}
	for name := range out.Header {
		m.Headers[name] = out.Header.Get(name)
	}
	call := Dialect{}.Read(dialect.Request{Method: "GET", Path: "/.well-known/jwks"})
	return m, call.Encode(k, remit.Result{}, nil).Body
}

type scripted struct {
	Signed   []string
	Verified []struct{ Kid, JKU, Problem string }
}

func script(t *testing.T, dir string, input any) (answer scripted) {
	t.Helper()
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "testdata/interop.mjs", dir)
	cmd.Stdin = bytes.NewReader(text)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return answer
}
