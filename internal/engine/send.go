package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"remit"
	"remit/internal/vault"
	"remit/rail"
)

// What became of an instruction is asked again after these times, on the
// business clock, the last of them over and over.
var (
	unknownAgain = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}
	pendingAgain = []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
)

// Limits of sending.
const (
	unknownTriesMax = 12               // look-ups that could not tell, before an operator is called
	pendingTriesMax = 24 * 30          // look-ups that found it pending: about a month
	railTimeout     = 20 * time.Second // of real time, for one call
)

func again(schedule []time.Duration, tries int64) time.Duration {
	return schedule[min(int(tries), len(schedule)-1)]
}

// Run carries out one claimed piece of work. Nil means that what came of it is
// kept, or that the work is somebody else's by now.
func (e *Engine) Run(ctx context.Context, w remit.Work) error {
	var err error
	switch w.Kind {
	case remit.WorkSend:
		err = e.send(ctx, w)
	case remit.WorkDeliver:
		err = e.deliver(ctx, w)
	case remit.WorkExpire:
		err = e.expire(ctx, w)
	default:
		err = fmt.Errorf("work %s of %s is of no known kind: %q", w.ID, w.Merchant, w.Kind)
	}
	if lost(err) {
		return nil
	}
	return err
}

// expire ends a payment whose time is up, unless somebody has finished it.
func (e *Engine) expire(ctx context.Context, w remit.Work) error {
	_, err := e.Do(ctx, remit.Expire{
		Head: e.Head(w.Merchant, "engine", "work:"+w.ID.String()), Payment: remit.PaymentID(w.Subject), Work: w,
	})
	return err
}

// send hands a disbursement to its rail, or asks what became of it. That the
// rail may have it is committed first. After that the same instruction is
// handed over again only if the rail certainly never had it.
func (e *Engine) send(ctx context.Context, w remit.Work) error {
	res, err := e.Do(ctx, remit.MarkSent{
		Head: e.Head(w.Merchant, "engine", "work:"+w.ID.String()), Disbursement: remit.DisbursementID(w.Subject), Rails: slices.Collect(maps.Keys(e.cfg.Rails)), Work: w,
	})
	if err != nil || res.Disbursement.State != remit.Sent {
		return err
	}
	r, ok := e.cfg.Rails[res.Disbursement.Rail]
	if !ok {
		return fmt.Errorf("disbursement %s was sent over %q, which is not configured any more", res.Disbursement.ID, res.Disbursement.Rail)
	}
	e.cfg.Hook(PointMarked)
	out, err := e.handOver(ctx, r, *res.Disbursement, res.Payment, res.Changed)
	e.cfg.Hook(PointSubmitted)
	return e.record(ctx, w, *res.Disbursement, r.Name(), out, err)
}

// handOver submits a disbursement that has just been marked, and looks up one
// that was marked before.
func (e *Engine) handOver(ctx context.Context, r rail.Rail, d remit.Disbursement, p *remit.Payment, first bool) (rail.Outcome, error) {
	ctx, stop := context.WithTimeout(ctx, railTimeout)
	defer stop()
	if !first {
		out, err := e.call(r.Name(), "lookup", func() (rail.Outcome, error) { return r.Lookup(ctx, d.EndToEndID()) })
		if !errors.Is(err, rail.ErrNotSent) {
			return out, err
		}
	}
	in, err := e.instruction(d, p)
	if err != nil {
		return rail.Outcome{}, err
	}
	return e.call(r.Name(), "submit", func() (rail.Outcome, error) { return r.Submit(ctx, in) })
}

func (e *Engine) call(name, what string, f func() (rail.Outcome, error)) (rail.Outcome, error) {
	start := e.cfg.Real()
	out, err := f()
	status := out.Status.String()
	switch {
	case errors.Is(err, rail.ErrNotSent):
		status = "not_sent"
	case err != nil:
		out, status = rail.Outcome{}, "error"
	}
	e.cfg.Observer.Rail(name, what, status, e.cfg.Real().Sub(start))
	return out, err
}

// instruction is the same for a disbursement however often it is made.
func (e *Engine) instruction(d remit.Disbursement, p *remit.Payment) (rail.Instruction, error) {
	to := d.Payee(p)
	account, err := e.open(d.Merchant, to.Owner, to.Account)
	if err != nil {
		return rail.Instruction{}, err
	}
	name, err := e.open(d.Merchant, to.Owner, to.Name)
	if err != nil {
		return rail.Instruction{}, err
	}
	return rail.Instruction{
		EndToEndID: d.EndToEndID(), Amount: d.Amount, Account: account, Beneficiary: name, Remittance: d.Reference,
	}, nil
}

// record writes what a rail answered.
func (e *Engine) record(ctx context.Context, w remit.Work, d remit.Disbursement, name string, out rail.Outcome, err error) error {
	o := remit.Outcome{
		Head: e.Head(w.Merchant, "rail:"+name, text(evidence(out, err))), Disbursement: d.ID, Currency: d.Amount.Currency, Work: &w,
	}
	switch {
	case errors.Is(err, vault.ErrSealed):
		o.Became = remit.BecameStuck // no rail can tell whom it is for, nor can trying again
		e.cfg.Log.Error("a payee's account does not open: nothing was sent", "merchant", d.Merchant, "disbursement", d.ID, "error", err)
	case errors.Is(err, rail.ErrNotSent):
		o.Became, o.Again = remit.BecameNotSent, again(unknownAgain, w.Tries)
	case err != nil || out.Status == rail.Unknown:
		o.Became, o.Again = remit.BecameUnknown, again(unknownAgain, w.Tries)
		if w.Tries+1 >= unknownTriesMax {
			o.Became = remit.BecameStuck
		}
	case out.Status == rail.Settled:
		o.Became = remit.BecameSettled
	case out.Status == rail.Refused:
		o.Became, o.Reason = remit.BecameRefused, ReasonOf(out.Reason)
	default:
		o.Became, o.Again = remit.BecamePending, out.Again
		if o.Again <= 0 {
			o.Again = again(pendingAgain, w.Tries)
		}
		if w.Tries+1 >= pendingTriesMax {
			o.Became = remit.BecameStuck
		}
	}
	_, err = e.Do(ctx, o)
	return err
}

// Unreadable is the evidence of a disbursement that is stuck because the
// account or the name that it goes to does not open: it was altered, or is
// another's. Whoever has put that right can have it asked again.
const Unreadable = "payee:unreadable"

// evidence is what an event says of a rail's answer. Nothing in it is
// personal.
func evidence(out rail.Outcome, err error) string {
	switch {
	case errors.Is(err, vault.ErrSealed):
		return Unreadable
	case errors.Is(err, rail.ErrNotSent):
		return "answer:not_sent"
	case err != nil:
		return "answer:none"
	}
	s := "answer:" + out.Status.String()
	if out.Reason != "" {
		s += " reason:" + out.Reason
	}
	if out.Reference != "" {
		s += " reference:" + out.Reference
	}
	return s
}

// bankReasons are the ISO 20022 codes for which we have a word of our own.
var bankReasons = map[string]remit.Reason{
	"AC01": remit.ReasonAccountUnknown, "AC04": remit.ReasonAccountClosed, "AC06": remit.ReasonAccountBlocked,
}

// ReasonOf is our word for an ISO 20022 code.
func ReasonOf(code string) remit.Reason {
	if r, ok := bankReasons[code]; ok {
		return r
	}
	return remit.ReasonRefusedByBank
}
