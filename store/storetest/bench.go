package storetest

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"remit"
	"remit/ledger"
	"remit/money"
	"remit/store"
	"remit/store/relational"
)

// GroupSize is how many refunds a group of a benchmark or a life has.
const GroupSize = 64

// act runs commands as one group, one after another upon what those before
// them left: what the engine does, and no more.
func act(ctx context.Context, s store.Store, cs []remit.Command) error {
	var w store.Wants
	for _, c := range cs {
		m, n := c.Header().Merchant, c.Needs()
		w.Merchants = append(w.Merchants, m)
		for _, k := range n.Keys {
			w.Answers = append(w.Answers, store.AnswerRef{Merchant: m, Scope: k.Scope, Key: k.Key})
		}
		if n.Name.Text != "" {
			w.Externals = append(w.Externals, store.ExternalRef{Merchant: m, Name: n.Name})
		}
		if n.Disbursement != "" {
			w.Disbursements = append(w.Disbursements, store.DisbursementRef{Merchant: m, ID: n.Disbursement})
		}
		for _, id := range n.Work {
			w.Work = append(w.Work, store.WorkRef{Merchant: m, ID: id})
		}
		w.Accounts = append(w.Accounts, store.AccountsRef{Merchant: m, Currency: n.Currency})
	}
	w.Block = true
	return s.Update(ctx, w, func(h *store.Have) (*store.Writes, error) { return decideAll(h, cs) })
}

func decideAll(h *store.Have, cs []remit.Command) (*store.Writes, error) {
	w := &store.Writes{Accounts: map[remit.MerchantID][]ledger.Account{}}
	for _, c := range cs {
		m := c.Header().Merchant
		change, err := c.Decide(factsOf(h, c))
		if err != nil {
			return nil, err
		}
		for i, e := range change.Events {
			change.Events[i].Link = "0123456789012345678901"
			for _, t := range e.Transfers {
				if _, ok := h.Books[m][t.To]; !ok {
					h.Books[m][t.To] = ledger.Account{ID: t.To, Currency: t.Amount.Currency}
				}
				if err := h.Books[m].Apply(t); err != nil {
					return nil, err
				}
				w.Accounts[m] = append(w.Accounts[m], h.Books[m][t.From], h.Books[m][t.To])
			}
		}
		h.Merchants[m] = change.Merchant
		w.Merchants = append(w.Merchants, change.Merchant)
		w.Payments = append(w.Payments, change.Payments...)
		w.Disbursements = append(w.Disbursements, change.Disbursements...)
		w.Events = append(w.Events, change.Events...)
		w.Work = append(w.Work, change.Work...)
		for _, id := range change.Done {
			w.Done = append(w.Done, store.WorkRef{Merchant: m, ID: id})
		}
		w.Answers = append(w.Answers, change.Answers...)
	}
	return w, nil
}

func factsOf(h *store.Have, c remit.Command) remit.Facts {
	m, n := c.Header().Merchant, c.Needs()
	f := remit.Facts{Now: timeOf(c), Merchant: h.Merchants[m], Books: h.Books[m], Work: map[remit.WorkID]remit.Work{},
		KeyVersion: func(string) int64 { return 1 }}
	var payment remit.PaymentID
	for _, id := range h.Names[store.ExternalRef{Merchant: m, Name: n.Name}] {
		payment = id
	}
	if d, ok := h.Disbursements[store.DisbursementRef{Merchant: m, ID: n.Disbursement}]; ok {
		f.Disbursement, payment = &d, d.Payment
	}
	if p, ok := h.Payments[store.PaymentRef{Merchant: m, ID: payment}]; ok {
		f.Payment = &p
	}
	for _, id := range n.Work {
		f.Work[id] = h.Work[store.WorkRef{Merchant: m, ID: id}]
	}
	return f
}

// mint is the n-th id: of 19 letters and digits, as the engine's are.
func mint(n int) string {
	return fmt.Sprintf("%0*d%08s", mintDigits, n, strconv.FormatInt(int64(n)*2654435761%2821109907456, 36))
}

const mintDigits = 11

// timeOf is when a command is decided: each at a time of its own, as where
// there is little to do. Nothing can then be saved by rows of the same time.
func timeOf(c remit.Command) time.Time {
	n, err := strconv.Atoi(c.Header().ID[:mintDigits])
	if err != nil {
		panic(err) // every id here was minted
	}
	return epoch.Add(time.Duration(n) * time.Millisecond)
}

// price is what the i-th payment was of, and what is given back of it.
func price(i int) money.Amount { return cents(1_000 + int64(i)*7919%90_000) }

// shops makes merchants with money, and n payments in all, in turn.
func shops(ctx context.Context, s store.Store, merchants, n int) error {
	w, wants := &store.Writes{Accounts: map[remit.MerchantID][]ledger.Account{}}, store.Wants{Block: true}
	for i := range merchants {
		m := shop(i)
		wants.Merchants = append(wants.Merchants, m)
		w.Merchants = append(w.Merchants, remit.Merchant{ID: m})
		w.Accounts[m] = []ledger.Account{{ID: remit.BalanceAccount(m, "EUR"), Currency: "EUR", Credits: 1 << 40}}
	}
	for i := range n {
		w.Payments = append(w.Payments, remit.Payment{ID: remit.PaymentID("p" + mint(i)), Merchant: shop(i % merchants), Dialect: "trustly",
			ExternalID: strconv.Itoa(1_000_000_000 + i), Amount: price(i), State: remit.PaymentFunded, PayerAccount: "sealed", OrderReference: mint(i)})
	}
	return tryUpdate(ctx, s, wants, w)
}

func shop(i int) remit.MerchantID { return remit.MerchantID(fmt.Sprintf("s%d", i)) }

// refundOf is a whole refund of the i-th payment.
func refundOf(i, merchants int) remit.Refund {
	return remit.Refund{
		Head:    remit.Head{ID: mint(i), Merchant: shop(i % merchants), Actor: "merchant", Evidence: "request " + mint(i)},
		Keyed:   remit.Keyed{Dialect: "trustly", Key: "258a2184-2842-b485-25ca-" + mint(i)[7:], Digest: "0123456789012345678901"},
		Rail:    "simulator",
		Payment: remit.Name{Text: strconv.Itoa(1_000_000_000 + i)}, Amount: price(i), Reference: mint(i),
	}
}

func refunds(from, merchants int) (cs []remit.Command) {
	for i := range GroupSize {
		cs = append(cs, refundOf(from+i, merchants))
	}
	return cs
}

// Live takes n times GroupSize refunds of one merchant through their whole
// lives: accepted, sent, settled. After each group of them it calls between.
func Live(ctx context.Context, s store.Store, n int, between func(group int)) error {
	if err := shops(ctx, s, 1, n*GroupSize); err != nil {
		return err
	}
	for g := range n {
		accepted := refunds(g*GroupSize, 1)
		if err := act(ctx, s, accepted); err != nil {
			return err
		}
		work, err := s.Claim(ctx, store.Claim{Now: epoch.AddDate(1, 0, 0), Real: epoch, Lease: epoch.AddDate(1, 0, 0), Max: GroupSize})
		if err != nil || len(work) != GroupSize {
			return fmt.Errorf("claimed %d: %w", len(work), err)
		}
		var sent, settled []remit.Command
		for i, w := range work {
			h := remit.Head{ID: mint(1_000_000 + g*GroupSize + i), Merchant: w.Merchant, Actor: "engine", Evidence: "send"}
			sent = append(sent, remit.MarkSent{Head: h, Disbursement: remit.DisbursementID(w.Subject), Rails: []string{"simulator"}, Work: w})
			h = remit.Head{ID: mint(2_000_000 + g*GroupSize + i), Merchant: w.Merchant, Actor: "rail:simulator", Evidence: "statement line"}
			settled = append(settled, remit.Outcome{Head: h, Disbursement: remit.DisbursementID(w.Subject), Currency: "EUR", Became: remit.BecameSettled, Work: &w})
		}
		for _, cs := range [][]remit.Command{sent, settled} {
			if err := act(ctx, s, cs); err != nil {
				return err
			}
		}
		between(g)
	}
	return nil
}

// Bench measures groups of refunds through a store and, for comparison, the
// same statements sent bare.
func Bench(b *testing.B, open func(b *testing.B) relational.Driver) {
	for _, merchants := range []int{1, 1000} {
		name := fmt.Sprintf("merchants=%d", merchants)
		b.Run("store/"+name, func(b *testing.B) {
			_, s := stocked(b, open, merchants)
			b.ResetTimer()
			groups(b, s, merchants)
			rate(b)
		})
		b.Run("bare/"+name, func(b *testing.B) { BenchBare(b, open, merchants) })
	}
}

func stocked(b *testing.B, open func(b *testing.B) relational.Driver, merchants int) (relational.Driver, *relational.Store) {
	d := open(b)
	s := relational.New(d, relational.Options{})
	b.Cleanup(func() { fine(b, s.Close()) })
	fine(b, s.Migrate(b.Context()))
	fine(b, shops(b.Context(), s, merchants, b.N*GroupSize))
	return d, s
}

func groups(b *testing.B, s store.Store, merchants int) {
	for g := range b.N {
		fine(b, act(b.Context(), s, refunds(g*GroupSize, merchants)))
	}
}

// BenchBare measures the statements of b.N groups sent bare: recorded before,
// with no decision, no row made into a value. It reports refunds/s.
func BenchBare(b *testing.B, open func(b *testing.B) relational.Driver, merchants int) {
	d, _ := stocked(b, open, merchants)
	tape := &recorder{Driver: d}
	groups(b, relational.New(tape, relational.Options{}), merchants)
	d, _ = stocked(b, open, merchants)
	b.ResetTimer()
	for _, group := range tape.groups {
		tx := d.Write()
		for _, st := range group[:len(group)-1] {
			fine(b, tx.Run(b.Context(), st))
		}
		fine(b, tx.Commit(b.Context(), group[len(group)-1]))
		tx.Close()
	}
	rate(b)
}

func fine(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func rate(b *testing.B) { b.ReportMetric(float64(b.N*GroupSize)/b.Elapsed().Seconds(), "refunds/s") }

// recorder is a driver that remembers what each transaction sent, flight by
// flight.
type recorder struct {
	relational.Driver
	groups [][][]relational.Statement
}

func (r *recorder) Write() relational.Tx { return &taped{Tx: r.Driver.Write(), to: r} }

type taped struct {
	relational.Tx
	to      *recorder
	flights [][]relational.Statement
}

func (t *taped) Run(ctx context.Context, st []relational.Statement) error {
	t.flights = append(t.flights, bare(st))
	return t.Tx.Run(ctx, st)
}

func (t *taped) Commit(ctx context.Context, st []relational.Statement) error {
	t.to.groups = append(t.to.groups, append(t.flights, bare(st)))
	return t.Tx.Commit(ctx, st)
}

// bare is statements whose rows are read past.
func bare(st []relational.Statement) []relational.Statement {
	out := make([]relational.Statement, len(st))
	for i, s := range st {
		out[i] = relational.Statement{Text: s.Text, Args: s.Args}
		if s.Row != nil {
			out[i].Row = func(relational.Row) error { return nil }
		}
	}
	return out
}
