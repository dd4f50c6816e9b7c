package dialecttest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/engine"
	"remit/internal/vault"
	"remit/money"
	"remit/rail"
	"remit/store"
	"remit/store/sqlite"
	"remit/store/storetest"
)

// The one merchant of all conversations, and the rail that carries its
// money.
const (
	merchant = remit.MerchantID("acme")
	railName = "simulator"
)

// start is when conversations begin. Nothing moves the clock but "happens".
var start = time.Date(2026, time.March, 12, 15, 14, 18, 616710000, time.UTC)

// RequestKey is the secret of the installation in all conversations: see
// dialect.Request.Key.
var RequestKey = bytes.Repeat([]byte{7}, 32)

// world is what surrounds a conversation: the real engine over a real store,
// with one merchant. Its clock, its ids and its keys are fixed.
type world struct {
	t      *testing.T
	b      Bench
	now    time.Time
	caller dialect.Caller

	engine   *engine.Engine
	store    store.Store
	vault    *vault.Vault
	commands int
	told     map[remit.WorkID]bool // notices that were written down
	last     remit.Notice
}

func newWorld(t *testing.T, b Bench) *world {
	t.Helper()
	w := &world{t: t, b: b, now: start, caller: b.caller(t), told: map[remit.WorkID]bool{}}
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "remit.db"))
	fine(t, err)
	t.Cleanup(func() { s.Close() })
	fine(t, s.Migrate(t.Context()))
	w.store = s
	w.vault, err = vault.New(make([]byte, vault.MasterKeyBytes), rand.Reader)
	fine(t, err)
	w.engine = engine.New(engine.Config{
		Store: s, Vault: w.vault, Directory: keys{w}, Rails: map[string]rail.Rail{}, Rail: railName,
		Dialects: map[string]dialect.Dialect{b.Dialect.Name(): b.Dialect}, Key: func(string) []byte { return RequestKey },
		Now: func() time.Time { return w.now }, Real: func() time.Time { return w.now },
		NewID: func(remit.MerchantID) string { w.commands++; return fmt.Sprintf("%019d", w.commands) },
	})
	t.Cleanup(w.engine.Close)
	err = storetest.AddMerchant(t.Context(), s, remit.Merchant{ID: merchant, Created: start})
	fine(t, err)
	return w
}

func fine(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// keys is a directory of one merchant.
type keys struct{ w *world }

func (k keys) Signer(string) dialect.Signer { return k.w.b.Signer }
func (k keys) KeyVersion(string) int64      { return 1 }
func (k keys) Merchant(context.Context, string, remit.MerchantID) (dialect.Caller, error) {
	return k.w.caller, nil
}

// Facts is what a conversation says of the world before it goes on. What it
// leaves out stays as it is: a merchant in good standing, without money.
type Facts struct {
	Unknown   bool            `json:"unknown"`   // nobody knows the caller
	Elsewhere bool            `json:"elsewhere"` // the caller's address is not on the merchant's list
	NoKeys    bool            `json:"no_keys"`   // the merchant's public keys were withdrawn
	Settings  *remit.Settings `json:"settings"`
	Payments  []struct {
		ExternalID      string                     `json:"external_id"` // "" has one given
		AmountMinor     int64                      `json:"amount_minor"`
		Currency        money.Currency             `json:"currency"`
		State           remit.PaymentState         `json:"state"`
		OrderReference  string                     `json:"order_reference"`
		NotificationURL string                     `json:"notification_url"`
		Nowhere         bool                       `json:"nowhere"` // nobody knows the payer's account
		Attributes      map[string]json.RawMessage `json:"attributes"`
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
		w.caller.Settings = *f.Settings
		w.must(remit.ChangeSettings{Head: w.head("sandbox"), Change: func(s *remit.Settings) { *s = *f.Settings }})
	}
	for _, p := range f.Payments {
		spec := dialect.Spec{
			Amount: money.Amount{Minor: p.AmountMinor, Currency: p.Currency}, State: p.State, NotificationURL: p.NotificationURL,
			OrderReference: p.OrderReference, Payer: dialect.Party{Account: "FI2112345600000785", Name: "Demo Payer"}, More: map[string]json.RawMessage{},
		}
		for name, v := range p.Attributes {
			switch name {
			case "end_user_id":
				fine(w.t, json.Unmarshal(v, &spec.EndUserID))
			case "single_refund":
				fine(w.t, json.Unmarshal(v, &spec.Single))
			default:
				spec.More[name] = v
			}
		}
		if p.Nowhere {
			spec.Payer = dialect.Party{}
		}
		w.stage(spec, p.ExternalID)
	}
	for _, currency := range slices.Sorted(maps.Keys(f.BalanceMinor)) {
		minor := f.BalanceMinor[currency]
		w.must(remit.TopUp{Head: w.head("sandbox"), Amount: money.Amount{Currency: currency}, Target: &minor})
	}
}

// stage makes a payment as the sandbox does.
func (w *world) stage(spec dialect.Spec, name string) {
	w.t.Helper()
	spec.Demo = true
	open, err := w.b.Dialect.(dialect.Stager).Stage(spec)
	fine(w.t, err)
	open.Head, open.Dialect = w.head("sandbox"), w.b.Dialect.Name()
	if name != "" {
		open.ExternalID = name
	}
	open.PayerAccount, open.PayerName = w.seal(open.PaymentID().Owner(), spec.Payer.Account), w.seal(open.PaymentID().Owner(), spec.Payer.Name)
	w.must(open)
}

func (w *world) seal(of remit.Owner, text string) remit.Sealed {
	w.t.Helper()
	sealed, err := w.vault.Seal(text, engine.AccountBinding(merchant, of))
	fine(w.t, err)
	return sealed
}

func (w *world) head(actor string) remit.Head { return w.engine.Head(merchant, actor, "") }

// must runs a command that the conversation takes for granted.
func (w *world) must(c remit.Command) remit.Result {
	w.t.Helper()
	res, err := w.engine.Do(w.t.Context(), c)
	if err != nil {
		w.t.Fatalf("%T: %v", c, err)
	}
	return res
}

// moves are the states to which "happens" takes a payment.
var moves = map[string]remit.PaymentState{
	"authorize": remit.PaymentAuthorized, "fund": remit.PaymentFunded, "fail": remit.PaymentFailed,
	"abandon": remit.PaymentCanceled, "reverse": remit.PaymentReversed,
}

// ends are what "happens" lets a rail say of a disbursement.
var ends = map[string]remit.Became{
	"settle": remit.BecameSettled, "refuse": remit.BecameRefused, "return": remit.BecameReturned,
}

// happen lets one thing happen beside the conversation, and adds the
// notifications that it owes the merchant:
//
//	authorize|fund|fail|abandon|reverse PAYMENT   by its external id, or #N: the N-th
//	send N                                        the N-th disbursement, from 1, goes to its rail
//	settle N
//	refuse|return N REASON
//	cancel N
//	proceed N [ACCOUNT]                           what it waited for has come
//	pass DURATION                                 and payments whose time is up end
func (w *world) happen(words []string, add func(name, text string)) {
	w.t.Helper()
	if len(words) < 2 {
		w.t.Fatalf("happens: %q", words)
	}
	verb, what := words[0], words[1]
	rest := append(words[2:], "")
	switch {
	case moves[verb] != "":
		w.must(remit.MovePayment{Head: w.head("sandbox"), Payment: w.payment(what), To: moves[verb]})
	case verb == "send":
		w.send(w.disbursement(what))
	case ends[verb] != "":
		d := w.send(w.disbursement(what))
		w.must(remit.Outcome{Head: w.head("rail:" + railName), Disbursement: d.ID, Became: ends[verb], Reason: remit.Reason(rest[0])})
	case verb == "cancel":
		w.must(remit.Cancel{Head: w.head("operator:test"), Disbursement: w.disbursement(what).ID, Reason: remit.ReasonAborted})
	case verb == "proceed":
		head := w.head("operator:test")
		w.must(remit.Proceed{Head: head, Disbursement: w.disbursement(what).ID, Account: w.seal(head.Owner(), rest[0])})
	case verb == "pass":
		d, err := time.ParseDuration(what)
		fine(w.t, err)
		w.now = w.now.Add(d)
		w.runTimers()
	default:
		w.t.Fatalf("happens: there is no %q", verb)
	}
	w.tell(add)
}

// runTimers ends the payments whose time is up.
func (w *world) runTimers() {
	w.t.Helper()
	timers, err := w.store.Claim(w.t.Context(), store.Claim{
		Now: w.now, Real: w.now, Lease: w.now.Add(time.Minute), Max: dialect.QueryMax, Kind: remit.WorkExpire,
	})
	fine(w.t, err)
	for _, x := range timers {
		fine(w.t, w.engine.Run(w.t.Context(), x))
	}
}

// send hands an accepted disbursement to its rail, by our books.
func (w *world) send(d remit.Disbursement) remit.Disbursement {
	w.t.Helper()
	if d.State != remit.Accepted {
		return d
	}
	id, _ := d.SendWork()
	ref := store.WorkRef{Merchant: merchant, ID: id}
	have, err := w.store.Read(w.t.Context(), store.Wants{Work: []store.WorkRef{ref}})
	fine(w.t, err)
	return *w.must(remit.MarkSent{Head: w.head("engine"), Disbursement: d.ID, Rails: []string{railName}, Work: have.Work[ref]}).Disbursement
}

// payment finds a payment by its external id, or by its place.
func (w *world) payment(name string) remit.PaymentID {
	w.t.Helper()
	all, err := w.store.Payments(w.t.Context(), store.PaymentFilter{Merchant: merchant, Max: dialect.QueryMax})
	fine(w.t, err)
	for i, p := range all {
		if p.ExternalID == name || name == "#"+strconv.Itoa(i+1) {
			return p.ID
		}
	}
	w.t.Fatalf("there is no payment %q", name)
	return ""
}

func (w *world) disbursement(n string) remit.Disbursement {
	w.t.Helper()
	all, err := w.store.Disbursements(w.t.Context(), store.Filter{Merchant: merchant, Max: dialect.QueryMax})
	fine(w.t, err)
	i, err := strconv.Atoi(n)
	if err != nil || i < 1 || i > len(all) {
		w.t.Fatalf("there is no disbursement %q", n)
	}
	slices.SortFunc(all, func(a, b remit.Disbursement) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all[i-1]
}

// tell adds the notifications that have come to be owed. Each is sealed twice,
// and must be the same; a correct merchant must believe it, and its answer
// must count.
func (w *world) tell(add func(name, text string)) {
	w.t.Helper()
	owed, err := w.store.Deliveries(w.t.Context(), store.DeliveryFilter{Merchant: merchant, Max: dialect.QueryMax})
	fine(w.t, err)
	for _, d := range owed {
		if w.told[d.ID] {
			continue
		}
		w.told[d.ID], w.last = true, d.Notice
		out := w.sealed(d.Notice, w.now)
		if again := w.sealed(d.Notice, w.now); !reflect.DeepEqual(out, again) {
			w.t.Errorf("%s is sealed in two ways at the same time:\n%+v\n%+v", d.Notice.Kind, out, again)
		}
		if later := w.sealed(d.Notice, w.now.Add(time.Hour)); !bytes.Equal(out.Body, later.Body) || out.Query != later.Query {
			w.t.Errorf("%s is another an hour later:\n%s\n%s", d.Notice.Kind, out.Body, later.Body)
		}
		add("notice", formatNotice(d.Notice, out))
		path, _, _ := strings.Cut(strings.TrimPrefix(d.Notice.URL, "https://"), "?")
		_, path, _ = strings.Cut(path, "/")
		arrived := dialect.Request{Method: out.Method, Path: "/" + path, Query: out.Query, Header: out.Header, Body: out.Body, At: w.now, Key: RequestKey}
		reply, problem := w.b.Dialect.Receive(arrived, w.b.Credentials, w.b.Server)
		if problem != "" {
			w.t.Errorf("a merchant does not believe %s: %s", d.Notice.Kind, problem)
		}
		if err := w.b.Dialect.Acknowledged(d.Notice, dialect.Reply{Status: reply.Status, Header: reply.Header, Body: reply.Body}, w.b.caller(w.t)); err != nil {
			w.t.Errorf("a correct reply to %s does not count: %v", d.Notice.Kind, err)
		}
	}
}

func (w *world) sealed(n remit.Notice, at time.Time) dialect.Outgoing {
	w.t.Helper()
	out, err := w.b.Dialect.Seal(n, w.b.Signer, w.b.caller(w.t), at)
	fine(w.t, err)
	return out
}

// acknowledge adds whether the merchant's reply to the last notice counts, and
// carries out what it asks for.
func (w *world) acknowledge(text []byte, add func(name, text string)) {
	w.t.Helper()
	if w.last.Kind == "" {
		w.t.Fatal("there is a reply, and no notice")
	}
	status, header, body := parseReply(w.t, text)
	r := dialect.Request{Header: header, Body: body}
	w.b.Prove(w.t, &r)
	reply := dialect.Reply{Status: status, Header: header, Body: r.Body}
	if err := w.b.Dialect.Acknowledged(w.last, reply, w.caller); err != nil {
		add("acknowledged", "no: "+err.Error())
		return
	}
	add("acknowledged", "yes")
	l, ok := w.b.Dialect.(dialect.Listener)
	if !ok {
		return
	}
	if op := l.Heard(w.last, reply, w.caller); op != (dialect.Operation{}) {
		add("operation", formatOperation(op))
		res, err := w.engine.Ask(w.t.Context(), merchant, w.b.Dialect.Name(), "", op)
		add("outcome", formatOutcome(res, "the decision", err))
		w.tell(add)
	}
}

// converse answers one request, and adds what became of it on its way.
func (w *world) converse(r dialect.Request, add func(name, text string)) {
	w.t.Helper()
	r.At, r.Key, r.Trace = w.now, RequestKey, fmt.Sprintf("%016d", w.commands+1)
	w.b.Prove(w.t, &r)
	call := w.b.Dialect.Read(r)
	op, stage, err := ask(call, w.caller)
	if stage == "" {
		add("operation", formatOperation(op))
	}
	var res remit.Result
	if err == nil {
		stage = "the decision"
		res, err = w.engine.Ask(w.t.Context(), merchant, w.b.Dialect.Name(), "", op)
	}
	add("outcome", formatOutcome(res, stage, err))
	w.checked(stage, err)
	if res.Refusal != nil {
		err = res.Refusal
	}
	answer := call.Encode(w.b.Signer, res, err)
	again := w.b.Dialect.Read(r)
	ask(again, w.caller)
	if again := again.Encode(w.b.Signer, res, err); !bytes.Equal(answer.Body, again.Body) || answer.Status != again.Status {
		w.t.Errorf("the answer is encoded in two ways:\n%s\n%s", answer.Body, again.Body)
	}
	add("response", formatResponse(answer))
	w.tell(add)
}

// stages are the dialect's own, by the method of a call.
var stages = map[string]dialect.Stage{"Claim": dialect.StageClaim, "Verify": dialect.StageVerify, "Decode": dialect.StageDecode}

// checked sees that a refusal of the dialect's own is that of a check which
// the dialect names.
func (w *world) checked(method string, err error) {
	w.t.Helper()
	at, its := stages[method]
	if !its {
		return
	}
	if reason := remit.AsError(err).Reason; dialect.Refusing(w.b.Dialect.Checks(), at, reason) < 0 {
		w.t.Errorf("no check at %s refuses for %q: %v", at, reason, err)
	}
}

// ask takes a call through its steps up to the operation, and names the one
// that refused it.
func ask(call dialect.Call, who dialect.Caller) (op dialect.Operation, stage string, err error) {
	p, err := call.Claim()
	if err != nil {
		return op, "Claim", err
	}
	if p != "" {
		if err := call.Verify(who); err != nil {
			return op, "Verify", err
		}
	}
	if op, err = call.Decode(); err != nil {
		return op, "Decode", err
	}
	return op, "", nil
}
