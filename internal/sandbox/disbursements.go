package sandbox

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"remit"
	"remit/ledger"
	"remit/rail"
	"remit/store"
)

// item is a disbursement as the control API shows it.
type item struct {
	ID                remit.DisbursementID `json:"id"`
	Merchant          remit.MerchantID     `json:"merchant"`
	Kind              remit.Kind           `json:"kind"`
	State             remit.State          `json:"state"`
	AmountMinor       int64                `json:"amount_minor"`
	Currency          string               `json:"currency"`
	PaymentExternalID string               `json:"payment_external_id"`
	ExternalID        string               `json:"external_id"`
	Reason            remit.Reason         `json:"reason"`
	Timeline          []moment             `json:"timeline"`
	Transfers         []transfer           `json:"transfers"`

	created time.Time
	first   int64 // the number of its first event
}

// before puts items in the order in which they were made, also where the
// clock stood still meanwhile.
func (i item) before(j item) int {
	return cmp.Or(i.created.Compare(j.created), cmp.Compare(i.Merchant, j.Merchant), cmp.Compare(i.first, j.first))
}

// moment is one thing that happened, and the state after it.
type moment struct {
	At       string      `json:"at"`
	State    remit.State `json:"state"`
	Evidence string      `json:"evidence"`
}

type transfer struct {
	ID          string           `json:"id"`
	From        ledger.AccountID `json:"from"`
	To          ledger.AccountID `json:"to"`
	AmountMinor int64            `json:"amount_minor"`
	Currency    string           `json:"currency"`
	Step        ledger.Step      `json:"step"`
}

func (s *Sandbox) listDisbursements(ctx context.Context, c *call) (any, error) {
	q, err := c.query("external_id")
	if err != nil {
		return nil, err
	}
	var filters []store.Filter
	for _, m := range merchants {
		filters = append(filters, store.Filter{Merchant: m, External: q.Get("external_id")})
	}
	if q.Get("external_id") != "" {
		of, err := s.named(ctx, q.Get("external_id"))
		if err != nil {
			return nil, err
		}
		for _, p := range of {
			filters = append(filters, store.Filter{Merchant: p.Merchant, Payment: p.ID})
		}
	}
	found := map[store.DisbursementRef]remit.Disbursement{}
	for _, f := range filters {
		f.Max = math.MaxInt32
		ds, err := s.node.Store.Disbursements(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, d := range ds {
			found[store.DisbursementRef{Merchant: d.Merchant, ID: d.ID}] = d
		}
	}
	items := make([]item, 0, len(found))
	for _, d := range found {
		i, err := s.item(ctx, d)
		if err != nil {
			return nil, err
		}
		items = append(items, i)
	}
	slices.SortFunc(items, item.before)
	return map[string]any{"items": items}, nil
}

func (s *Sandbox) showDisbursement(ctx context.Context, c *call) (any, error) {
	if err := c.bare(); err != nil {
		return nil, err
	}
	return s.show(ctx, remit.DisbursementID(c.PathValue("id")))
}

func (s *Sandbox) show(ctx context.Context, id remit.DisbursementID) (any, error) {
	d, err := s.disbursement(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.item(ctx, d)
}

// disbursement finds a disbursement of any merchant.
func (s *Sandbox) disbursement(ctx context.Context, id remit.DisbursementID) (remit.Disbursement, error) {
	var refs []store.DisbursementRef
	for _, m := range merchants {
		refs = append(refs, store.DisbursementRef{Merchant: m, ID: id})
	}
	have, err := s.node.Store.Read(ctx, store.Wants{Disbursements: refs})
	if err != nil {
		return remit.Disbursement{}, err
	}
	for _, ref := range refs {
		if d, ok := have.Disbursements[ref]; ok {
			return d, nil
		}
	}
	return remit.Disbursement{}, remit.Errorf(remit.NotFound, "", "there is no disbursement %q", string(id))
}

// item gathers what is known of a disbursement.
func (s *Sandbox) item(ctx context.Context, d remit.Disbursement) (item, error) {
	i := item{
		ID: d.ID, Merchant: d.Merchant, Kind: d.Kind, State: d.State, AmountMinor: d.Amount.Minor, Currency: string(d.Amount.Currency),
		ExternalID: d.ExternalID, Reason: d.Reason, Timeline: []moment{}, Transfers: []transfer{}, created: d.Created,
	}
	if d.Payment != "" {
		ref := store.PaymentRef{Merchant: d.Merchant, ID: d.Payment}
		have, err := s.node.Store.Read(ctx, store.Wants{Payments: []store.PaymentRef{ref}})
		if err != nil {
			return item{}, err
		}
		i.PaymentExternalID = have.Payments[ref].ExternalID
	}
	events, err := s.node.Store.Events(ctx, d.Merchant, string(d.ID))
	if err != nil {
		return item{}, err
	}
	var state remit.State
	for n, ev := range events {
		if n == 0 {
			i.first = ev.Seq
		}
		evidence := cmp.Or(ev.Evidence, ev.Actor)
		if remit.IsState(ev.Kind) {
			state = remit.State(ev.Kind)
		} else {
			evidence = ev.Kind + " " + evidence
		}
		i.Timeline = append(i.Timeline, moment{stamp(ev.At), state, evidence})
		for _, t := range ev.Transfers {
			i.Transfers = append(i.Transfers, transfer{t.ID, t.From, t.To, t.Amount.Minor, string(t.Amount.Currency), t.Step})
		}
	}
	return i, nil
}

// outcomes are the words that an outcome is asked for by. What they are to
// the bank, rail.Order says; abort is ours.
var outcomes = []string{"settle", "refuse", "return", "stall", "unknown", abort}

const abort = "abort"

// afterMax is the furthest away that an outcome can be ordered.
const afterMax = 10 * 365 * 24 * time.Hour

// decideOutcome has the bank do something with a disbursement, or calls it
// back before it is sent. What is due already counts first: the order comes
// after it.
func (s *Sandbox) decideOutcome(ctx context.Context, c *call) (any, error) {
	o := c.object()
	var order rail.Order
	if !o.text("outcome", &order.Outcome) {
		o.fail("outcome is required")
	}
	if !slices.Contains(outcomes, order.Outcome) {
		o.fail("outcome must be one of %s", strings.Join(outcomes, ", "))
	}
	o.duration("after", &order.After)
	o.text("reason", &order.Reason)
	if order.After > afterMax {
		o.fail("after is above %s", afterMax)
	}
	if order.Outcome == abort && (order.After > 0 || order.Reason != "") {
		o.fail("abort is done at once, and needs no reason")
	}
	if err := o.done(); err != nil {
		return nil, err
	}
	if _, err := s.settle(ctx); err != nil {
		return nil, err
	}
	id := remit.DisbursementID(c.PathValue("id"))
	d, err := s.disbursement(ctx, id)
	if err != nil {
		return nil, err
	}
	if order.Outcome == abort {
		_, err = s.node.Engine.Do(ctx, remit.Cancel{Head: s.head(d.Merchant, "outcome:abort"), Disbursement: d.ID, Reason: remit.ReasonAborted})
	} else {
		err = s.steer(ctx, d, order)
	}
	if err != nil {
		return nil, err
	}
	if _, err := s.settle(ctx); err != nil {
		return nil, err
	}
	return s.show(ctx, id)
}

// steer orders an outcome, and ends the send window.
func (s *Sandbox) steer(ctx context.Context, d remit.Disbursement, order rail.Order) error {
	tooLate := remit.Errorf(remit.Conflict, remit.ReasonTerminal, "a disbursement that is %s can no longer end by %s", d.State, order.Outcome)
	if !d.Live() || (d.State == remit.Settled && order.Outcome != "return") {
		return tooLate
	}
	switch err := s.bank.Steer(ctx, d.EndToEndID(), order); {
	case errors.Is(err, rail.ErrOrder):
		return invalid("%v", err)
	case errors.Is(err, rail.ErrTooLate):
		return tooLate
	case err != nil:
		return err
	}
	work, held := d.SendWork()
	if d.State != remit.Accepted || !held {
		return nil
	}
	_, err := s.node.Engine.Do(ctx, remit.EndWindow{Head: s.head(d.Merchant, "outcome:"+order.Outcome), Disbursement: d.ID, Work: work})
	if errors.Is(err, remit.Conflict) {
		return nil // it was sent meanwhile, and the bank has its order
	}
	return err
}
