package remit

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"remit/money"
)

// walks is how many walks a test run makes, and walkSteps how long each is. A
// soak sets REMIT_WALKS.
const (
	walks     = 1000
	walkSteps = 60
)

// TestNoWalkBreaksTheBooks walks one merchant's payments and refunds at
// random through legal and illegal commands. After every step the books must
// balance, what is held must be what is promised, no payment may give back
// more than it brought, and a refused command must have left no trace. A
// failure names its seed: run that subtest alone.
func TestNoWalkBreaksTheBooks(t *testing.T) {
	n := walks
	if s := os.Getenv("REMIT_WALKS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatalf("REMIT_WALKS: %v", err)
		}
	}
	reached, ran, expired := map[string]bool{}, 0, 0
	for seed := range n {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			w := walk{newWorld(t), rand.New(rand.NewPCG(uint64(seed), 0))}
			for range walkSteps {
				w.step()
				w.check()
			}
			w.audit()
			ran++
			for _, e := range w.events {
				reached[e.Kind] = true
			}
			for _, p := range w.payments {
				if p.Reason == ReasonExpired {
					expired++
				}
			}
		})
	}
	// A walk that never gets anywhere shows nothing.
	for _, kind := range []string{"waiting", "accepted", "sent", "settled", "failed", "canceled", "returned", "stuck", "unknown",
		"opened", "authorized", "funded", "reversed", "top_up", "settings"} {
		if ran >= walks && !reached[kind] {
			t.Errorf("no walk came to %s", kind)
		}
	}
	if ran >= walks && expired == 0 {
		t.Error("no payment expired on any walk")
	}
}

// walk is a world through which somebody stumbles.
type walk struct {
	*world
	rnd *rand.Rand
}

// step does something, or tries to.
func (w walk) step() {
	w.t.Helper()
	w.now = w.now.Add(time.Duration(w.rnd.IntN(600)) * time.Second)
	steps := []func() Command{
		w.openPayment, w.movePayment, w.movePayment, w.aRefund, w.aRefund, w.aRefund, w.cancel,
		w.markSent, w.markSent, w.outcome, w.outcome, w.topUp, w.endWindow, w.askAgain, w.settings,
		w.register, w.payout, w.payout, w.proceed, w.expire, w.spendKey,
	}
	w.do(steps[w.rnd.IntN(len(steps))]())
	// Somebody claims a piece of work now and then, also a piece that another has.
	if ids := w.workIDs(); len(ids) > 0 && w.chance(3) {
		x := w.work[pick(w, ids)]
		x.Fence, x.Lease = x.Fence+1, w.now.Add(time.Minute)
		w.work[x.ID] = x
	}
}

func pick[T any](w walk, from []T) T {
	var none T
	if len(from) == 0 {
		return none
	}
	return from[w.rnd.IntN(len(from))]
}

// chance is true once in n.
func (w walk) chance(n int) bool { return w.rnd.IntN(n) == 0 }

func (w walk) workIDs() []WorkID {
	return slices.SortedFunc(maps.Keys(w.work), func(a, b WorkID) int { return int(a.Seq - b.Seq) })
}

func (w walk) amount() money.Amount {
	return money.Amount{Minor: 1 + w.rnd.Int64N(500), Currency: pick(w, []money.Currency{"EUR", "EUR", "SEK"})}
}

func (w walk) payment() Payment {
	return w.payments[pick(w, slices.Sorted(maps.Keys(w.payments)))]
}

func (w walk) disbursement() Disbursement {
	return w.disbursements[pick(w, slices.Sorted(maps.Keys(w.disbursements)))]
}

func (w walk) openPayment() Command {
	o := OpenPayment{Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Amount: w.amount(), State: pick(w, paymentStates), PayerAccount: "s1.sealed"}
	switch w.rnd.IntN(8) {
	case 0:
		o.PayerAccount = ""
	case 1:
		o.ExternalID = w.payment().ExternalID // a name that is taken
	case 2:
		o.Amount.Minor = -o.Amount.Minor
	case 3:
		o.Attributes.SingleRefund = true
	case 4:
		o.Portions = []Portion{{Name: "a", Minor: o.Amount.Minor / 2}, {Name: "b", Minor: o.Amount.Minor - o.Amount.Minor/2}}
	case 6:
		o.Expires, o.Attributes.Lapses = time.Hour, w.chance(2)
		o.State = pick(w, []PaymentState{PaymentOpened, PaymentOpened, PaymentAuthorized, PaymentFunded})
	case 5:
		o.Names, o.Further = []Name{{"order", "7"}}, []NewName{{"long", LongNumber}} // a name that several share
	}
	return o
}

func (w walk) register() Command {
	return Register{
		Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Naming: Number, Same: pick(w, []string{"one", "two"}), Account: "s1.sealed",
		NotificationURL: pick(w, []string{"", "https://shop.example/"}),
	}
}

func (w walk) payout() Command {
	p := Payout{
		Head: w.head(), Keyed: Keyed{Dialect: "tongue"}, Rail: "slow", Naming: Number, Amount: w.amount(), EndUser: "ann",
		WhenShort: pick(w, []Policy{Refuse, FailLater}), WaitFor: pick(w, []WaitReason{"", "", WaitApproval}),
		OrderReference: fmt.Sprint("order", w.rnd.IntN(200)), OrderOnce: w.chance(2),
	}
	switch w.rnd.IntN(3) {
	case 0:
		p.Beneficiary = pick(w, slices.Sorted(maps.Keys(w.beneficiaries)))
	case 1:
		p.Payer = Name{Text: w.payment().ExternalID}
	case 2:
		p.Account = "s1.sealed"
	}
	return p
}

func (w walk) spendKey() Command {
	return SpendKey{Head: w.head(), Err: Errorf(Forbidden, ReasonFunction, "not allowed"), Keyed: Keyed{
		Dialect: "tongue", Key: fmt.Sprint("key", w.rnd.IntN(5)), Digest: fmt.Sprint("digest", w.rnd.IntN(2)), Remember: time.Hour, RefusalsBind: true,
	}}
}

func (w walk) proceed() Command {
	return Proceed{Head: w.head(), Disbursement: w.disbursement().ID, Account: pick(w, []Sealed{"", "s1.sealed"})}
}

func (w walk) movePayment() Command {
	return MovePayment{Head: w.head(), Payment: w.payment().ID, To: pick(w, append(paymentStates, PaymentFunded, PaymentFunded))}
}

func (w walk) aRefund() Command {
	p := w.payment()
	r := Refund{
		Head: w.head(), Keyed: Keyed{Dialect: "tongue", Remember: time.Hour, RefusalsBind: w.chance(2)},
		Rail: pick(w, []string{"slow", "fast"}), Payment: Name{Text: p.ExternalID}, Amount: w.amount(), OneWaiting: w.chance(2), Omitted: w.chance(5),
		WhenOmitted:  pick(w, []Policy{Refuse, TakeLeft, TakeWhole}),
		WhenUnfunded: pick(w, []Policy{Refuse, Wait}),
		WhenShort:    pick(w, []Policy{Refuse, FailLater}),
		WhenNowhere:  pick(w, []Policy{FailLater, Wait}),
		Shielded:     w.chance(2),
	}
	if len(p.Portions) > 0 {
		r.Portions = []Portion{{Name: pick(w, []string{"a", "b", "c"}), Minor: r.Amount.Minor}}
	}
	switch w.rnd.IntN(4) {
	case 0:
		r.Amount.Currency = ""
	case 1:
		r.Amount = p.Amount
	case 2:
		r.Amount.Currency = p.Amount.Currency
	}
	if w.chance(2) {
		r.Key, r.Digest = fmt.Sprint("key", w.rnd.IntN(5)), fmt.Sprint("digest", w.rnd.IntN(2))
	}
	if w.chance(20) {
		r.Faults = []Fault{{Stage(w.rnd.IntN(3)), Errorf(Invalid, "", "nonsense")}}
	}
	return r
}

func (w walk) cancel() Command {
	return Cancel{Head: w.head(), Disbursement: w.disbursement().ID, Reason: ReasonAborted}
}

// claimed is a piece of work of a kind as somebody claimed it, now and then too
// long ago.
func (w walk) claimed(kind WorkKind) Work {
	ids := slices.DeleteFunc(w.workIDs(), func(id WorkID) bool { return w.work[id].Kind != kind })
	x := w.work[pick(w, ids)]
	if w.chance(5) {
		x.Fence--
	}
	return x
}

// sendingOf is a claimed sending, with what it sends.
func (w walk) sendingOf() (Work, Disbursement) {
	x := w.claimed(WorkSend)
	return x, w.disbursements[DisbursementID(x.Subject)]
}

func (w walk) expire() Command {
	x := w.claimed(WorkExpire)
	return Expire{Head: w.head(), Payment: PaymentID(x.Subject), Work: x}
}

func (w walk) markSent() Command {
	x, d := w.sendingOf()
	return MarkSent{Head: w.head(), Disbursement: d.ID, Rails: []string{"slow"}, Work: x}
}

func (w walk) outcome() Command {
	o := Outcome{
		Head: w.head(), Disbursement: w.disbursement().ID, Reason: ReasonAccountClosed, Again: time.Minute,
		Became: pick(w, []Became{BecameSettled, BecameSettled, BecameRefused, BecameReturned, BecamePending, BecameUnknown, BecameStuck, BecameNotSent}),
	}
	if w.chance(2) {
		x, d := w.sendingOf()
		o.Work, o.Disbursement, o.Currency = &x, d.ID, d.Amount.Currency
	}
	return o
}

func (w walk) topUp() Command {
	t := TopUp{Head: w.head(), Amount: w.amount()}
	switch w.rnd.IntN(4) {
	case 0:
		t.Amount.Minor = -t.Amount.Minor
	case 1:
		target := t.Amount.Minor - 100
		t.Target = &target
	case 2:
		t.Amount.Minor = math.MinInt64
	}
	return t
}

func (w walk) endWindow() Command {
	d := w.disbursement()
	return EndWindow{Head: w.head(), Disbursement: d.ID, Work: w.sending(d).ID}
}

func (w walk) askAgain() Command { return AskAgain{Head: w.head(), Disbursement: w.disbursement().ID} }

func (w walk) settings() Command {
	return ChangeSettings{Head: w.head(), Change: func(s *Settings) {
		s.SendWindowMicros = 5_000_000 - s.SendWindowMicros
		s.Disabled = !s.Disabled && s.SendWindowMicros == 0
		s.Shield = map[Shield]Shield{ShieldOff: ShieldWarn, ShieldWarn: ShieldHold, ShieldHold: ShieldReject}[s.Shield]
	}}
}
