package dialecttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/ledger"
	"remit/money"
)

// The one merchant of all conversations, and the rail that carries its
// money.
const (
	merchant = remit.MerchantID("acme")
	railName = "simulator"
)

// start is when conversations begin. Nothing moves the clock but "happens".
var start = time.Date(2026, time.March, 12, 15, 14, 18, 616710000, time.UTC)

// world is what surrounds a conversation: one merchant and its money, decided
// upon as the engine does, kept in memory.
type world struct {
	t      *testing.T
	b      Bench
	now    time.Time
	caller dialect.Caller

	merchant      remit.Merchant
	payments      []remit.Payment
	disbursements []remit.Disbursement // in the order of acceptance
	answers       map[remit.KeyRef]remit.Answer
	beneficiaries []remit.Beneficiary
	work          map[remit.WorkID]remit.Work
	books         ledger.Books
	commands      int
	uuids         int
	last          remit.Notice
}

func newWorld(t *testing.T, b Bench) *world {
	return &world{
		t: t, b: b, now: start, caller: b.caller(t), merchant: remit.Merchant{ID: merchant, Created: start},
		answers: map[remit.KeyRef]remit.Answer{}, work: map[remit.WorkID]remit.Work{}, books: ledger.Books{},
	}
}

// Facts is what a conversation says of the world before it goes on. What it
// leaves out stays as it is: a merchant in good standing, without money.
type Facts struct {
	Unknown   bool            `json:"unknown"`   // nobody knows the caller
	Elsewhere bool            `json:"elsewhere"` // the caller's address is not on the merchant's list
	NoKeys    bool            `json:"no_keys"`   // the merchant's public keys were withdrawn
	Settings  *remit.Settings `json:"settings"`
	Payments  []struct {
		ExternalID      string                  `json:"external_id"`
		AmountMinor     int64                   `json:"amount_minor"`
		Currency        money.Currency          `json:"currency"`
		State           remit.PaymentState      `json:"state"`
		OrderReference  string                  `json:"order_reference"`
		NotificationURL string                  `json:"notification_url"`
		Attributes      remit.PaymentAttributes `json:"attributes"`
	} `json:"payments"` // a funded one brings its money into the balance
	BalanceMinor map[money.Currency]int64 `json:"balance_minor"` // after the payments
}

// learn takes facts in.
func (w *world) learn(text []byte) {
	w.t.Helper()
	var f Facts
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		w.t.Fatalf("facts: %v", err)
	}
	if f.Unknown {
		w.caller = dialect.Caller{}
	}
	if f.Elsewhere {
		w.caller.Admitted = false
	}
	if f.NoKeys {
		w.caller.PublicKeys = nil
	}
	if f.Settings != nil {
		w.merchant.Settings = *f.Settings
		w.caller.Settings = *f.Settings
	}
	for _, p := range f.Payments {
		w.must(remit.OpenPayment{
			Head: w.head("sandbox"), Keyed: remit.Keyed{Dialect: w.b.Dialect.Name()}, ExternalID: p.ExternalID,
			Amount: money.Amount{Minor: p.AmountMinor, Currency: p.Currency}, State: p.State, NotificationURL: p.NotificationURL,
			OrderReference: p.OrderReference, PayerAccount: "sealed", Attributes: p.Attributes,
		})
	}
	for currency, minor := range f.BalanceMinor {
		w.must(remit.TopUp{Head: w.head("sandbox"), Amount: money.Amount{Currency: currency}, Target: &minor})
	}
}

func (w *world) head(actor string) remit.Head {
	w.commands++
	return remit.Head{ID: fmt.Sprintf("%019d", w.commands), Merchant: merchant, Actor: actor}
}

// must runs a command that the conversation takes for granted.
func (w *world) must(c remit.Command) remit.Change {
	w.t.Helper()
	change, err := w.do(c)
	if err != nil {
		w.t.Fatalf("%T: %v", c, err)
	}
	return change
}

// do decides a command, and keeps what that writes.
func (w *world) do(c remit.Command) (remit.Change, error) {
	w.t.Helper()
	change, err := c.Decide(w.facts(c.Needs()))
	if err != nil || change.Empty() {
		return change, err
	}
	w.merchant = change.Merchant
	for _, p := range change.Payments {
		w.payments = put(w.payments, p, func(x remit.Payment) bool { return x.ID == p.ID })
	}
	for _, d := range change.Disbursements {
		w.disbursements = put(w.disbursements, d, func(x remit.Disbursement) bool { return x.ID == d.ID })
	}
	for _, x := range change.Work {
		w.work[x.ID] = x
	}
	for _, id := range change.Done {
		delete(w.work, id)
	}
	for _, a := range change.Answers {
		w.answers[remit.KeyRef{Scope: a.Scope, Key: a.Key}] = a
	}
	for _, b := range change.Beneficiaries {
		w.beneficiaries = append(w.beneficiaries, b)
	}
	for _, e := range change.Events {
		for _, transfer := range e.Transfers {
			w.open(transfer)
			if err := w.books.Apply(transfer); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return change, nil
}

// open makes the accounts of a transfer that are not there yet.
func (w *world) open(t ledger.Transfer) {
	for _, id := range []ledger.AccountID{t.From, t.To} {
		if _, ok := w.books[id]; !ok {
			w.books[id] = ledger.Account{ID: id, Currency: t.Amount.Currency, MayGoNegative: remit.MayGoNegative(id)}
		}
	}
}

func put[T any](all []T, x T, same func(T) bool) []T {
	if i := slices.IndexFunc(all, same); i >= 0 {
		all[i] = x
		return all
	}
	return append(all, x)
}

// facts finds what a command looks at.
func (w *world) facts(n remit.Needs) remit.Facts {
	f := remit.Facts{
		Now: w.now, Merchant: w.merchant, Work: w.work, Books: w.books,
		Number:     func(n int64) string { return strconv.FormatInt(1_000_000_000+n, 10) },
		KeyVersion: func(string) int64 { return 1 }, Mint: w.mint, Answers: map[remit.KeyRef]remit.Answer{},
	}
	for _, k := range n.Keys {
		if a, ok := w.answers[k]; ok {
			f.Answers[k] = a
		}
	}
	for _, b := range w.beneficiaries {
		if (n.Beneficiary != "" && b.ID == n.Beneficiary) || (n.Details != "" && b.Digest == n.Details) {
			f.Beneficiary = &b
		}
	}
	for _, d := range w.disbursements {
		if d.ID == n.Disbursement || (n.Disbursed != "" && d.ExternalID == n.Disbursed) {
			f.Disbursement = &d
			n.Payment = d.Payment
		}
	}
	found := 0
	for _, p := range w.payments {
		if (n.Payment != "" && p.ID == n.Payment) || (n.Name.Text != "" && called(p, n.Name)) {
			f.Payment = &p
			found++
		}
	}
	if found > 1 {
		f.Payment, f.Ambiguous = nil, true
	}
	for _, d := range w.disbursements {
		if f.Payment == nil || d.Payment != f.Payment.ID {
			continue
		}
		if n.Waiting && d.State == remit.Waiting && d.WaitingFor == remit.WaitFunding {
			f.Waiting = append(f.Waiting, d)
		}
		if n.Refunds {
			f.Refunds = append(f.Refunds, d)
		}
	}
	return f
}

// called tells whether a payment has a name.
func called(p remit.Payment, n remit.Name) bool {
	return (n.Scope == "" && p.ExternalID == n.Text) || slices.Contains(p.Names, n)
}

// mint makes names that are told apart at a glance.
func (w *world) mint(form remit.Naming, n int) string {
	if form == remit.UUID {
		return fmt.Sprintf("00000000-0000-4000-8%03d-%012d", n, w.commands)
	}
	return fmt.Sprintf("%s%0*d", form, 36-len(form), 100*w.commands+n)
}

// happen lets one thing happen beside the conversation, and adds the
// notifications that it owes the merchant:
//
//	authorize|fund|fail PAYMENT          by its external id
//	settle N                             the N-th disbursement, from 1
//	refuse|return N REASON
//	cancel N
//	pass DURATION
func (w *world) happen(words []string, add func(name, text string)) {
	w.t.Helper()
	if len(words) < 2 {
		w.t.Fatalf("happens: %q", words)
	}
	var c remit.Command
	switch verb := words[0]; verb {
	case "authorize", "fund", "fail":
		to := map[string]remit.PaymentState{
			"authorize": remit.PaymentAuthorized, "fund": remit.PaymentFunded, "fail": remit.PaymentFailed,
		}
		c = remit.MovePayment{Head: w.head("sandbox"), Name: remit.Name{Text: words[1]}, To: to[verb]}
	case "settle", "refuse", "return":
		became := map[string]remit.Became{
			"settle": remit.BecameSettled, "refuse": remit.BecameRefused, "return": remit.BecameReturned,
		}
		d := w.disbursement(words[1])
		if d.State == remit.Accepted {
			id, _ := d.SendWork()
			w.must(remit.MarkSent{Head: w.head("engine"), Disbursement: d.ID, Work: w.work[id]})
		}
		o := remit.Outcome{Head: w.head("rail:" + railName), Disbursement: d.ID, Became: became[verb]}
		if len(words) > 2 {
			o.Reason = remit.Reason(words[2])
		}
		c = o
	case "cancel":
		c = remit.Cancel{Head: w.head("operator:test"), Disbursement: w.disbursement(words[1]).ID, Reason: remit.ReasonAborted}
	case "pass":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			w.t.Fatal(err)
		}
		w.now = w.now.Add(d)
		return
	default:
		w.t.Fatalf("happens: there is no %q", verb)
	}
	was := map[string]remit.State{}
	for _, d := range w.disbursements {
		was[string(d.ID)] = d.State
	}
	w.tell(w.must(c), was, add)
}

func (w *world) disbursement(n string) remit.Disbursement {
	w.t.Helper()
	i, err := strconv.Atoi(n)
	if err != nil || i < 1 || i > len(w.disbursements) {
		w.t.Fatalf("there is no disbursement %q", n)
	}
	return w.disbursements[i-1]
}

// tell adds the notifications that a change owes. Each is sealed twice, and
// must be the same; a correct merchant must believe it, and its answer must
// count.
func (w *world) tell(c remit.Change, was map[string]remit.State, add func(name, text string)) {
	w.t.Helper()
	for _, e := range c.Events {
		for _, n := range w.b.Dialect.Notices(w.occurrence(e, c, was)) {
			w.last = n
			out := w.seal(n)
			if again := w.seal(n); !bytes.Equal(out.Body, again.Body) || out.Query != again.Query {
				w.t.Errorf("%s is sealed in two ways:\n%s\n%s", n.Kind, out.Body, again.Body)
			}
			add("notice", formatNotice(n, out))
			arrived := dialect.Request{Method: out.Method, Query: out.Query, Header: out.Header, Body: out.Body, At: w.now}
			reply, problem := w.b.Dialect.Receive(arrived, w.b.Credentials, w.b.Server)
			if problem != "" {
				w.t.Errorf("a merchant does not believe %s: %s", n.Kind, problem)
			}
			if err := w.b.Dialect.Acknowledged(n, dialect.Reply(reply), w.b.caller(w.t)); err != nil {
				w.t.Errorf("a correct reply to %s does not count: %v", n.Kind, err)
			}
		}
	}
}

func (w *world) seal(n remit.Notice) dialect.Outgoing {
	w.t.Helper()
	out, err := w.b.Dialect.Seal(n, w.b.Signer)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) occurrence(e remit.Event, c remit.Change, was map[string]remit.State) dialect.Occurrence {
	o := dialect.Occurrence{
		Event: e, Merchant: c.Merchant, KeyVersion: 1,
		Number: func() string {
			w.merchant.Numbers++
			return strconv.FormatInt(1_000_000_000+w.merchant.Numbers, 10)
		},
		UUID: func() string {
			w.uuids++
			return fmt.Sprintf("00000000-0000-4000-8000-%012d", w.uuids)
		},
	}
	for _, d := range w.disbursements {
		if string(d.ID) == e.Subject {
			o.Was, d.State = was[e.Subject], remit.State(e.Kind)
			was[e.Subject] = d.State
			o.Disbursement = &d
		}
	}
	for _, p := range w.payments {
		if string(p.ID) == e.Subject || (o.Disbursement != nil && p.ID == o.Disbursement.Payment) {
			o.Payment = &p
		}
	}
	return o
}

// acknowledge tells whether the merchant's reply to the last notice counts.
func (w *world) acknowledge(text []byte) string {
	w.t.Helper()
	if w.last.Kind == "" {
		w.t.Fatal("there is a reply, and no notice")
	}
	status, header, body := parseReply(w.t, text)
	r := dialect.Request{Header: header, Body: body}
	w.b.Prove(w.t, &r)
	if err := w.b.Dialect.Acknowledged(w.last, dialect.Reply{Status: status, Header: header, Body: r.Body}, w.caller); err != nil {
		return "no: " + err.Error()
	}
	return "yes"
}

// converse answers one request, and adds what became of it on its way.
func (w *world) converse(r dialect.Request, add func(name, text string)) {
	w.t.Helper()
	r.At = w.now
	w.b.Prove(w.t, &r)
	call := w.b.Dialect.Read(r)
	op, stage, err := ask(call, w.caller)
	if stage == "" {
		add("operation", formatOperation(op))
	}
	var res remit.Result
	if err == nil {
		stage = "the decision"
		res, err = w.decide(op)
	}
	add("outcome", formatOutcome(res, stage, err))
	answer := call.Encode(w.b.Signer, res, err)
	if again := w.b.Dialect.Read(r).Encode(w.b.Signer, res, err); !bytes.Equal(answer.Body, again.Body) || answer.Status != again.Status {
		w.t.Errorf("the answer is encoded in two ways:\n%s\n%s", answer.Body, again.Body)
	}
	add("response", formatResponse(answer))
}

// ask takes a call through its steps up to the operation, and names the one
// that refused it.
func ask(call dialect.Call, who dialect.Caller) (op dialect.Operation, stage string, err error) {
	if _, err := call.Claim(); err != nil {
		return op, "Claim", err
	}
	if err := call.Verify(who); err != nil {
		return op, "Verify", err
	}
	if op, err = call.Decode(); err != nil {
		return op, "Decode", err
	}
	return op, "", nil
}

// decide does with an operation what the engine would.
func (w *world) decide(op dialect.Operation) (remit.Result, error) {
	r := op.Refund.Refund
	r.Head, r.Dialect, r.Rail = w.head("merchant"), w.b.Dialect.Name(), railName
	r.Digest = string(op.Refund.Content)
	change, err := w.do(r)
	return change.Result, err
}
