package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"remit"
	"remit/store"
)

// deliveryCmd is what an operator can do about notifications.
type deliveryCmd struct {
	List   deliveryListCmd   `cmd:"" help:"List a merchant's notifications: those given up, unless another state is asked for."`
	Replay deliveryReplayCmd `cmd:"" help:"Make one once more, with the same body."`
}

type deliveryListCmd struct {
	Merchant string `arg:"" help:"The merchant's id."`
	State    string `help:"due, delivered or dead." enum:"due,delivered,dead" default:"dead"`
	JSON     bool   `help:"Print JSON."`
}

// Run lists.
func (c deliveryListCmd) Run(a *app) error {
	return a.at(func(ctx context.Context, d *desk) error {
		m, err := d.merchant(ctx, c.Merchant)
		if err != nil {
			return err
		}
		all, err := d.store.Deliveries(ctx, store.DeliveryFilter{Merchant: m.ID, State: remit.DeliveryState(c.State), Max: listMax})
		if err != nil {
			return err
		}
		if c.JSON {
			return a.printJSON(views(all, viewDelivery))
		}
		t := a.table("id", "dialect", "kind", "about", "tries", "last problem", "since")
		for _, x := range all {
			problem := ""
			if n := len(x.Log); n > 0 {
				problem = x.Log[n-1].Problem
			}
			t.AppendRow(table.Row{x.ID, x.Dialect, x.Notice.Kind, x.Subject, x.Tries, problem, x.Created.Format(time.RFC3339)})
		}
		t.Render()
		return nil
	})
}

type deliveryReplayCmd struct {
	Merchant string `arg:"" help:"The merchant's id."`
	ID       string `arg:"" help:"The delivery's id, such as 17.1."`
}

// Run replays.
func (c deliveryReplayCmd) Run(a *app) error {
	seq, n, _ := strings.Cut(c.ID, ".")
	first, err := strconv.ParseInt(seq, 10, 64)
	second, errN := strconv.ParseInt(n, 10, 64)
	if err != nil || errN != nil {
		return misuse{fmt.Errorf("%q is no delivery's id", c.ID)}
	}
	return a.at(func(ctx context.Context, d *desk) error {
		m, err := d.merchant(ctx, c.Merchant)
		if err != nil {
			return err
		}
		_, err = d.Engine.Do(ctx, remit.Redeliver{
			Head: d.Engine.Head(m.ID, operator(), "remit delivery replay"), Delivery: remit.WorkID{Seq: first, N: second},
		})
		if err != nil {
			return err
		}
		a.say("delivery %s will be made again by whichever process serves", c.ID)
		return nil
	})
}
