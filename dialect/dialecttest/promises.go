package dialecttest

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"remit"
	"remit/dialect"
)

// reasons are those of refusals, as remit lists them, and one that it does
// not.
var reasons = []remit.Reason{"", remit.ReasonPaymentFailed, remit.ReasonSingleRefund, remit.ReasonRefundWaiting,
	remit.ReasonRefundedWhole, remit.ReasonNotFunded, remit.ReasonCurrency, remit.ReasonAmount, remit.ReasonMalformedID,
	remit.ReasonSecret, remit.ReasonSignature, remit.ReasonNoPublicKey, remit.ReasonDisabled, remit.ReasonAddress,
	remit.ReasonFunction, remit.ReasonEnvelope, remit.ReasonTooLarge, remit.ReasonUnknownMethod, remit.ReasonTerminal,
	remit.ReasonShuttingDown, remit.ReasonQueueFull, remit.ReasonOtherMerchants, "a reason of tomorrow"}

// Total shows that the dialect has words for every error, and gives none of
// its cause away: to the given request, and to one of which nothing can be
// read.
func Total(t *testing.T, b Bench, sample dialect.Request) {
	const secret = "dial tcp 10.0.0.5:5432"
	b.Prove(t, &sample)
	for _, r := range []dialect.Request{sample, {Method: sample.Method, Path: sample.Path, Body: []byte("\xff")}} {
		check := func(what string, err error) {
			res := b.Dialect.Read(r).Encode(b.Signer, remit.Result{}, err)
			if res.Status == 0 || len(res.Body) == 0 {
				t.Errorf("no words for %s", what)
			}
			if bytes.Contains(res.Body, []byte(secret)) {
				t.Errorf("%s tells the caller of %q: %s", what, secret, res.Body)
			}
		}
		for _, code := range remit.Codes() {
			for _, reason := range reasons {
				check(code.String()+"/"+string(reason), &remit.Error{Code: code, Reason: reason, Detail: "a detail", Err: errors.New(secret)})
			}
		}
		check("a bare error", errors.New(secret))
	}
}

// Fuzz shows that whatever comes is answered, and that no stranger comes
// through. It begins with the bodies of all recorded
// requests.
func Fuzz(f *testing.F, b Bench, path string) {
	for _, file := range conversations(f) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range txtar.Parse(text).Files {
			if section.Name == "request" {
				f.Add(parseRequest(f, section.Data).Body)
			}
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := dialect.Request{Method: "POST", Path: path, Body: body, At: start}
		b.Prove(t, &r)
		call := b.Dialect.Read(r)
		op, _, err := ask(call, b.caller(t))
		if err == nil && op == (dialect.Operation{}) {
			t.Fatal("neither an operation nor an error")
		}
		if err == nil {
			err = remit.Internal // what it would come to is not the dialect's
		}
		res := call.Encode(b.Signer, remit.Result{}, err)
		if res.Status == 0 || len(res.Body) == 0 {
			t.Fatal("no answer")
		}
		if _, _, err := ask(b.Dialect.Read(r), dialect.Caller{}); err == nil {
			t.Fatal("a stranger came through")
		}
	})
}
