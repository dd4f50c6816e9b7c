package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"remit"
	"remit/money"
)

// controlPath is where the sandbox takes control calls.
const controlPath = "/_sandbox/"

// answer is a control call's, as the sandbox wrote it.
type answer struct {
	status int
	body   bytes.Buffer
	header http.Header
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
func (a *answer) WriteHeader(status int)      { a.status = status }

// call makes a control call within this process: the same that anybody can
// make from outside.
func (c *Console) call(ctx context.Context, method, path string, body any) ([]byte, error) {
	var in io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, controlPath+path, in)
	if err != nil {
		return nil, err
	}
	a := &answer{status: http.StatusOK, header: http.Header{}}
	c.o.Sandbox.ServeHTTP(a, r)
	if a.status == http.StatusOK {
		return a.body.Bytes(), nil
	}
	var refused struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(a.body.Bytes(), &refused); err != nil || a.status >= http.StatusInternalServerError {
		return nil, errors.Join(errors.New("console: a control call failed: "+a.body.String()), err)
	}
	code, _ := remit.ParseCode(refused.Error.Code)
	return nil, remit.Errorf(code, "", "%s", refused.Error.Message)
}

// curl is a control call as somebody would make it from outside, without its
// body: the page writes that, and keeps it to what the form beside it holds.
func (v *visit) curl(path string) string {
	scheme := "http://"
	if v.TLS != nil {
		scheme = "https://"
	}
	return "curl -s " + scheme + v.Host + controlPath + path
}

// outcomes are what the simulated bank can be told to do.
var outcomes = []struct{ Name, Label string }{
	{"settle", "Settle: the bank pays"},
	{"refuse", "Refuse: the bank says no"},
	{"return", "Return: paid, then sent back"},
	{"stall", "Stall: it stays pending"},
	{"unknown", "Unknown: paid, but nobody answers"},
	{"abort", "Abort: called back before it is sent"},
}

// bankReasons are the words that the simulated bank knows for why it refuses,
// or sends money back.
var bankReasons = []remit.Reason{remit.ReasonAccountClosed, remit.ReasonAccountUnknown, remit.ReasonAccountBlocked, remit.ReasonRefusedByBank}

// controls shows what can be done to a sandbox.
func (c *Console) controls(v *visit) error {
	m := v.merchant.ID
	balances, err := c.balances(v.Context(), m)
	if err != nil {
		return err
	}
	v.render(200, "sandbox", "sandbox", "Sandbox", map[string]any{
		"Dialects": v.dialects(), "Balances": balances, "Settings": v.merchant.Settings, "Conditions": conditions, "Asking": asking(),
		"Calls": map[string]string{
			"payment": v.curl("payments"), "clock": v.curl("clock/advance"), "merchant": v.curl("merchants/" + string(m)), "behaviour": v.curl("inbox/behaviour"),
		},
	})
	return nil
}

// paymentCall is the body of the control call that makes a payment.
type paymentCall struct {
	Merchant    remit.MerchantID `json:"merchant"`
	Dialect     string           `json:"dialect"`
	AmountMinor int64            `json:"amount_minor"`
	Currency    money.Currency   `json:"currency"`
	State       string           `json:"state"`
}

// post makes a control call, and says what came of it.
func (v *visit) post(path string, body any, message string) (outcome, error) {
	_, err := v.c.call(v.Context(), http.MethodPost, path, body)
	return outcome{message: message}, err
}

// calls are the control calls that forms make, by name.
func (c *Console) calls() map[string]func(*visit) (outcome, error) {
	return map[string]func(*visit) (outcome, error){
		"payment": c.makePayment,
		"clock": func(v *visit) (outcome, error) {
			return v.post("clock/advance", map[string]any{"by": strings.TrimSpace(v.PostFormValue("by"))}, "The clock was moved, and all that fell due was run.")
		},
		"outcome": func(v *visit) (outcome, error) {
			body := map[string]any{"outcome": v.PostFormValue("outcome")}
			for _, name := range []string{"after", "reason"} {
				if text := strings.TrimSpace(v.PostFormValue(name)); text != "" {
					body[name] = text
				}
			}
			return v.post("disbursements/"+url.PathEscape(v.PostFormValue("disbursement"))+"/outcome", body, "The simulated bank has its order.")
		},
		"merchant": func(v *visit) (outcome, error) {
			return v.post("merchants/"+string(v.merchant.ID), map[string]any{"disabled": v.PostFormValue("disabled") != ""}, "The merchant is as you set it.")
		},
		"state":     c.putInto,
		"balance":   c.setBalance,
		"behaviour": c.misbehave,
	}
}

// setBalance has a balance reach an amount.
func (c *Console) setBalance(v *visit) (outcome, error) {
	a, err := money.ParseMajor(strings.TrimSpace(v.PostFormValue("amount")), money.Currency(v.PostFormValue("currency")))
	if err != nil {
		return outcome{}, remit.Errorf(remit.Invalid, remit.ReasonAmount, "that is no amount: write it as 1204.50")
	}
	return v.post("merchants/"+string(v.merchant.ID), map[string]any{"balance_minor": map[string]int64{string(a.Currency): a.Minor}}, "The balance is "+a.String()+".")
}

// misbehave has the built-in receiver refuse what comes next.
func (c *Console) misbehave(v *visit) (outcome, error) {
	status, bad := strconv.Atoi(v.PostFormValue("status"))
	times, worse := strconv.Atoi(v.PostFormValue("times"))
	if bad != nil || worse != nil {
		return outcome{}, remit.Errorf(remit.Invalid, "", "a status and how often are whole numbers")
	}
	return v.post("inbox/behaviour", map[string]any{"status": status, "times": times}, "The receiver will misbehave.")
}

// makePayment makes a payment as if a payer had paid.
func (c *Console) makePayment(v *visit) (out outcome, err error) {
	a, err := money.ParseMajor(strings.TrimSpace(v.PostFormValue("amount")), money.Currency(v.PostFormValue("currency")))
	if err != nil {
		return out, remit.Errorf(remit.Invalid, remit.ReasonAmount, "that is no amount: write it as 1204.50")
	}
	text, err := c.call(v.Context(), http.MethodPost, "payments",
		paymentCall{v.merchant.ID, v.PostFormValue("dialect"), a.Minor, a.Currency, v.PostFormValue("state")})
	if err != nil {
		return out, err
	}
	var made struct {
		ID string `json:"payment_id"`
	}
	if err := json.Unmarshal(text, &made); err != nil {
		return out, err
	}
	return outcome{to: v.path("payments", made.ID), message: "The payment is there."}, nil
}
