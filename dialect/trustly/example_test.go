package trustly

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"remit"
	"remit/dialect"
)

// TestTheNodeExampleUnderstandsUs runs the example for integrators, which has
// nothing in common with our code, against this dialect: its signature must
// hold here, ours must hold there, and where ours is spoiled it must notice.
func TestTheNodeExampleUnderstandsUs(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("REMIT_REQUIRE_ALL") == "1" {
			t.Fatal("node is not installed")
		}
		t.Skip("node is not installed")
	}
	for _, c := range []struct {
		name   string
		err    error
		spoil  bool
		amount string
		want   string
	}{
		{name: "accepted", amount: "30.00", want: "refunded 30.00 EUR of order 1187741486: result 1"},
		{name: "refused", amount: "120.00", err: remit.Errorf(remit.Exceeds, "", "too much"), want: "670 ERROR_REFUND_EXCEED_DEPOSIT_VOLUME"},
		{name: "spoiled", amount: "30.00", spoil: true, want: "is not the server's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := readKeys(t)
			server := httptest.NewServer(playServer(t, k, c.err, c.spoil))
			defer server.Close()
			out, err := exec.Command(node, "../../examples/trustly/refund.mjs", writeSandbox(t, k, server.URL), c.amount).CombinedOutput()
			if !strings.Contains(string(out), c.want) || (err == nil) != (c.name == "accepted") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// playServer answers as the sandbox would: one deposit, and every verified
// request with the same outcome.
func playServer(t *testing.T, k keys, outcome error, spoil bool) http.Handler {
	who := dialect.Caller{Known: true, Admitted: true, PublicKeys: map[string]crypto.PublicKey{keyName: k.merchant.Public()},
		Secret: func(_, candidate string) bool { return candidate == testPassword }}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /_sandbox/payments", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"payment_id":"p1","external_id":"1187741486"}`)
	})
	mux.HandleFunc("/api/1", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		call := Dialect{}.Read(dialect.Request{Method: r.Method, Path: r.URL.Path, Header: r.Header, Body: body})
		if _, err := call.Claim(); err != nil {
			t.Error(err)
		}
		if err := call.Verify(who); err != nil {
			t.Errorf("the example's signature: %v\n%s", err, body)
		}
		op, err := call.Decode()
		if err != nil {
			t.Error(err)
		} else if op.Refund.Payment.Text != "1187741486" || op.Refund.Reference != "return-42" || len(op.Refund.Faults) > 0 {
			t.Errorf("decoded %+v", op.Refund)
		}
		res := call.Encode(k, remit.Result{}, outcome)
		if spoil {
			res.Body = []byte(strings.Replace(string(res.Body), `"result":"1"`, `"result":"2"`, 1))
		}
		w.Write(res.Body)
	})
	return mux
}

// writeSandbox writes what the example reads.
func writeSandbox(t *testing.T, k keys, url string) string {
	t.Helper()
	dir := t.TempDir()
	public, err := x509.MarshalPKIXPublicKey(k.server.Public())
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text, err := json.Marshal(map[string]any{
		"control_url": url + "/_sandbox",
		"trustly": map[string]string{
			"url": url + "/api/1", "username": "acme", "password": testPassword,
			"merchant_private_key": write("merchant.pem", k.private),
			"server_public_key":    write("server.pem", armor("PUBLIC KEY", public)),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return write("sandbox.json", string(text))
}
