package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"remit"
	"remit/store"
)

// listMax is how many rows a listing shows at most.
const listMax = 10_000

// disbursementCmd is what an operator can do about refunds and payouts.
type disbursementCmd struct {
	List   disbursementListCmd   `cmd:"" help:"List a merchant's refunds and payouts."`
	Show   disbursementShowCmd   `cmd:"" help:"Show what happened to one, with its transfers and the evidence."`
	Ask    disbursementAskCmd    `cmd:"" help:"Have the rail asked again about one that is stuck."`
	Settle disbursementSettleCmd `cmd:"" help:"Record that one which is stuck has been paid, by what you have seen."`
	Fail   disbursementFailCmd   `cmd:"" help:"Record that one which is stuck was never paid and never will be, by what you have seen."`
	Cancel disbursementCancelCmd `cmd:"" help:"Call one back that has not been sent."`
	Accept disbursementAcceptCmd `cmd:"" help:"Let one go on that waits for approval or review."`
}

type disbursementListCmd struct {
	Merchant string `arg:"" help:"The merchant's id."`
	State    string `help:"Only those in this state." placeholder:"STATE"`
	Stuck    bool   `help:"Only those about which no rail could tell."`
	JSON     bool   `help:"Print JSON."`
}

// Run lists.
func (c disbursementListCmd) Run(a *app) error {
	if state := remit.State(c.State); c.State != "" && !slices.Contains(remit.States(), state) {
		return misuse{fmt.Errorf("%q is no state: they are %v", c.State, remit.States())}
	}
	return a.at(func(ctx context.Context, d *desk) error {
		m, err := d.merchant(ctx, c.Merchant)
		if err != nil {
			return err
		}
		all, err := d.store.Disbursements(ctx, store.Filter{Merchant: m.ID, State: remit.State(c.State), Max: listMax})
		if err != nil {
			return err
		}
		var shown []remit.Disbursement
		for _, x := range all {
			if !c.Stuck || x.Stuck {
				shown = append(shown, x)
			}
		}
		if c.JSON {
			return a.printJSON(views(shown, viewDisbursement))
		}
		t := a.table("id", "kind", "state", "amount", "reference", "made")
		for _, x := range shown {
			state := string(x.State)
			if x.Stuck {
				state += ", stuck"
			}
			t.AppendRow(table.Row{x.ID, x.Kind, state, x.Amount, x.Reference, x.Created.Format(time.RFC3339)})
		}
		t.Render()
		return nil
	})
}

// one names one disbursement of a merchant.
type one struct {
	Merchant string `arg:"" help:"The merchant's id."`
	ID       string `arg:"" help:"The disbursement's id."`
}

// find reads it.
func (o one) find(ctx context.Context, d *desk) (remit.Disbursement, error) {
	m, err := d.merchant(ctx, o.Merchant)
	if err != nil {
		return remit.Disbursement{}, err
	}
	ref := store.DisbursementRef{Merchant: m.ID, ID: remit.DisbursementID(o.ID)}
	have, err := d.store.Read(ctx, store.Wants{Disbursements: []store.DisbursementRef{ref}})
	if err != nil {
		return remit.Disbursement{}, err
	}
	x, ok := have.Disbursements[ref]
	if !ok {
		return x, hinted{remit.Errorf(remit.NotFound, "", "merchant %s has no disbursement %q", m.ID, o.ID), "remit disbursement list " + o.Merchant + " shows them"}
	}
	return x, nil
}

// act carries out an operator's command about one disbursement, once --yes
// was given.
func (o one) act(a *app, yes bool, what string, cmd func(remit.Head, remit.Disbursement) remit.Command, evidence string) error {
	return a.at(func(ctx context.Context, d *desk) error {
		x, err := o.find(ctx, d)
		if err != nil {
			return err
		}
		if !yes {
			return misuse{hinted{fmt.Errorf("this would %s %s of %s, which is %s", what, x.ID, x.Amount, x.State), "--yes does it"}}
		}
		res, err := d.Engine.Do(ctx, cmd(d.head(x.Merchant, evidence), x))
		if err != nil {
			return err
		}
		if res.Disbursement != nil {
			x = *res.Disbursement
		}
		a.say("disbursement %s is %s", x.ID, x.State)
		return nil
	})
}

type disbursementShowCmd struct {
	one
	JSON bool `help:"Print JSON."`
}

// Run shows the timeline.
func (c disbursementShowCmd) Run(a *app) error {
	return a.at(func(ctx context.Context, d *desk) error {
		x, err := c.find(ctx, d)
		if err != nil {
			return err
		}
		events, err := d.store.Events(ctx, x.Merchant, string(x.ID))
		if err != nil {
			return err
		}
		if c.JSON {
			return a.printJSON(views(events, viewEvent))
		}
		a.print("%s %s of %s, %s, end-to-end id %s", x.Kind, x.ID, x.Amount, x.State, x.EndToEndID())
		a.timeline(events)
		return nil
	})
}

// timeline shows what happened to one thing.
func (a *app) timeline(events []remit.Event) {
	t := a.table("when", "what", "who", "evidence", "transfers")
	for _, e := range events {
		var moved []string
		for _, tr := range e.Transfers {
			moved = append(moved, fmt.Sprintf("%s %s", tr.Step, tr.Amount))
		}
		t.AppendRow(table.Row{e.At.Format(time.RFC3339), e.Kind, e.Actor, e.Evidence, fmt.Sprint(moved)})
	}
	t.Render()
}

// seen is what an operator's act goes by: it is kept as the evidence.
type seen struct {
	Evidence string `help:"What you have seen: a statement's line, a bank's letter, a ticket. It is kept." required:"" placeholder:"TEXT"`
	Yes      bool   `help:"Do it. Without it nothing is changed."`
}

type disbursementAskCmd struct{ one }

// Run asks again.
func (c disbursementAskCmd) Run(a *app) error {
	return c.act(a, true, "ask about", func(h remit.Head, x remit.Disbursement) remit.Command {
		return remit.AskAgain{Head: h, Disbursement: x.ID, Currency: x.Amount.Currency}
	}, "asked by hand")
}

type disbursementSettleCmd struct {
	one
	seen
}

// Run settles.
func (c disbursementSettleCmd) Run(a *app) error {
	return c.act(a, c.Yes, "settle", outcome(remit.BecameSettled, ""), c.Evidence)
}

type disbursementFailCmd struct {
	one
	seen
}

// Run fails.
func (c disbursementFailCmd) Run(a *app) error {
	return c.act(a, c.Yes, "fail", outcome(remit.BecameRefused, remit.ReasonRefusedByBank), c.Evidence)
}

func outcome(became remit.Became, why remit.Reason) func(remit.Head, remit.Disbursement) remit.Command {
	return func(h remit.Head, x remit.Disbursement) remit.Command {
		return remit.Outcome{Head: h, Disbursement: x.ID, Currency: x.Amount.Currency, Became: became, ByHand: true, Reason: why}
	}
}

type disbursementCancelCmd struct {
	one
	seen
}

// Run cancels.
func (c disbursementCancelCmd) Run(a *app) error {
	return c.act(a, c.Yes, "cancel", func(h remit.Head, x remit.Disbursement) remit.Command {
		return remit.Cancel{Head: h, Disbursement: x.ID, Reason: remit.ReasonAborted}
	}, c.Evidence)
}

type disbursementAcceptCmd struct {
	one
	seen
}

// Run accepts.
func (c disbursementAcceptCmd) Run(a *app) error {
	return c.act(a, c.Yes, "accept", func(h remit.Head, x remit.Disbursement) remit.Command {
		return remit.Proceed{Head: h, Disbursement: x.ID}
	}, c.Evidence)
}
