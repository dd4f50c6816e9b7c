package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"remit"
	"remit/dialect"
	"remit/internal/node"
	"remit/money"
	"remit/store"
)

// paymentCmd is what an operator can do about payments: what refunds are made
// of. Their money comes in elsewhere, and is recorded here.
type paymentCmd struct {
	Add     paymentAddCmd     `cmd:"" help:"Record a payment that came in elsewhere, so that refunds can be made of it."`
	Import  paymentImportCmd  `cmd:"" help:"Record many, from a file with one JSON object a line."`
	Fund    paymentFundCmd    `cmd:"" help:"Record that the money of one has come."`
	Fail    paymentFailCmd    `cmd:"" help:"Record that the money of one will never come."`
	Reverse paymentReverseCmd `cmd:"" help:"Record that the money of one was taken back."`
	List    paymentListCmd    `cmd:"" help:"List a merchant's payments, the newest first."`
	Show    paymentShowCmd    `cmd:"" help:"Show what happened to one, with its transfers and the evidence."`
}

// record is a payment as somebody tells of it: a line of an import.
type record struct {
	Dialect         string                     `json:"dialect"`
	Name            string                     `json:"name"`
	AmountMinor     int64                      `json:"amount_minor"`
	Currency        money.Currency             `json:"currency"`
	State           remit.PaymentState         `json:"state"`
	IBAN            string                     `json:"iban"`
	Holder          string                     `json:"holder"`
	OrderReference  string                     `json:"order_reference"`
	EndUserID       string                     `json:"end_user_id"`
	SingleRefund    bool                       `json:"single_refund"`
	NotificationURL string                     `json:"notification_url"`
	Attributes      map[string]json.RawMessage `json:"attributes"`
	Evidence        string                     `json:"evidence"`
}

// recordable are the states in which a payment can be recorded.
var recordable = []remit.PaymentState{remit.PaymentFunded, remit.PaymentAuthorized}

// spec is what the dialect makes a payment of.
func (r record) spec() (dialect.Spec, error) {
	s := dialect.Spec{
		Amount: money.Amount{Minor: r.AmountMinor, Currency: r.Currency}, State: cmp.Or(r.State, remit.PaymentFunded), ExternalID: r.Name,
		NotificationURL: r.NotificationURL, OrderReference: r.OrderReference, EndUserID: r.EndUserID, Single: r.SingleRefund, More: r.Attributes,
	}
	var err error
	if s.Payer, err = node.Payer(r.IBAN, r.Holder); err != nil {
		return s, err
	}
	switch _, known := r.Currency.Digits(); {
	case !known:
		return s, fmt.Errorf("there is no currency %q", string(r.Currency))
	case r.AmountMinor <= 0:
		return s, errors.New("the amount must be above zero")
	case !slices.Contains(recordable, s.State):
		return s, fmt.Errorf("a payment is recorded as %s or %s, and not as %q", recordable[0], recordable[1], s.State)
	case r.NotificationURL != "" && !node.Callable(r.NotificationURL):
		return s, errors.New("the notification URL must be of http or https, with a host")
	case r.Evidence == "":
		return s, errors.New("there is no evidence: say what shows that the payment is there")
	}
	return s, nil
}

// same tells whether a payment is the one that is told of. One whose money is
// said to be here, and has not come by our books, is not.
func (r record) same(p remit.Payment) bool {
	here := cmp.Or(r.State, remit.PaymentFunded) != remit.PaymentFunded || !p.Funded.IsZero()
	return here && p.Dialect == r.Dialect && p.Amount == money.Amount{Minor: r.AmountMinor, Currency: r.Currency}
}

type paymentAddCmd struct {
	Merchant        string            `arg:"" help:"The merchant's id."`
	Currency        string            `arg:"" help:"ISO 4217 code."`
	Amount          string            `arg:"" help:"In major units, such as 49.90."`
	Dialect         string            `help:"The API in which the merchant asks for refunds of it." required:"" placeholder:"NAME"`
	Name            string            `help:"What the API calls it: an order id, a payment id. Without one it is given a name." placeholder:"TEXT"`
	State           string            `help:"funded: its money is here. authorized: it is on its way." enum:"funded,authorized" default:"funded"`
	IBAN            string            `help:"The payer's account: refunds go there." name:"iban" placeholder:"IBAN"`
	Holder          string            `help:"Whose account that is." placeholder:"NAME"`
	OrderReference  string            `help:"The merchant's own name for it." placeholder:"TEXT"`
	EndUserID       string            `help:"The merchant's own name for the payer." name:"end-user-id" placeholder:"TEXT"`
	NotificationURL string            `help:"Where the merchant is told of it and of its refunds." name:"notification-url" placeholder:"URL"`
	Attribute       map[string]string `help:"What only this API knows, as JSON." placeholder:"NAME=VALUE"`
	seen
}

// Run records one.
func (c paymentAddCmd) Run(a *app) error {
	amount, err := money.ParseMajor(c.Amount, money.Currency(c.Currency))
	if err != nil {
		return misuse{err}
	}
	r := record{
		Dialect: c.Dialect, Name: c.Name, AmountMinor: amount.Minor, Currency: amount.Currency, State: remit.PaymentState(c.State), IBAN: c.IBAN, Holder: c.Holder,
		OrderReference: c.OrderReference, EndUserID: c.EndUserID, NotificationURL: c.NotificationURL, Attributes: map[string]json.RawMessage{}, Evidence: c.Evidence,
	}
	for name, v := range c.Attribute {
		if !json.Valid([]byte(v)) {
			return misuse{fmt.Errorf("--attribute %s: %s is not JSON; a text stands in quotes", name, v)}
		}
		r.Attributes[name] = json.RawMessage(v)
	}
	spec, err := r.spec()
	if err != nil {
		return misuse{err}
	}
	return a.at(func(ctx context.Context, d *desk) error {
		m, err := d.merchant(ctx, c.Merchant)
		if err != nil {
			return err
		}
		if !c.Yes {
			return misuse{hinted{fmt.Errorf("this would record a payment of %s to %s, %s", amount, m.ID, c.State), "--yes does it"}}
		}
		p, err := d.RecordPayment(ctx, d.head(m.ID, c.Evidence), c.Dialect, spec)
		if err != nil {
			return err
		}
		a.print("%s", p.ExternalID)
		a.say("payment %s of %s is %s", p.ExternalID, p.Amount, p.State)
		return nil
	})
}

// Bounds of an import.
const (
	lineBytesMax   = 64 << 10 // of one payment
	importsAtOnce  = 64       // payments that wait to be kept together
	faultsShownMax = 20       // lines that are complained of one by one
)

type paymentImportCmd struct {
	Merchant string `arg:"" help:"The merchant's id."`
	File     string `arg:"" help:"One JSON object a line, with dialect, name, amount_minor, currency, evidence, and what else is known: state, iban, holder, order_reference, end_user_id, single_refund, notification_url, attributes. - reads stdin."`
	Yes      bool   `help:"Do it. Without it the file is only read through."`
}

// Run records all of a file. What is there already is passed over, so that a
// file may be read again; a line with a fault keeps no other from being kept.
func (c paymentImportCmd) Run(a *app) error {
	in := io.Reader(a.stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	return a.at(func(ctx context.Context, d *desk) error {
		m, err := d.merchant(ctx, c.Merchant)
		if err != nil {
			return err
		}
		i := importing{desk: d, merchant: m.ID, do: c.Yes, complain: a.say}
		if err := i.all(ctx, in); err != nil {
			return err
		}
		did := "recorded"
		if !c.Yes {
			did = "to record"
		}
		a.print("%d %s, %d there already, %d with faults", i.added.Load(), did, i.there.Load(), i.faults.Load())
		switch {
		case i.faults.Load() > 0:
			return hinted{fmt.Errorf("%d lines have faults", i.faults.Load()), "mend them and read the file again: what is there already is passed over"}
		case !c.Yes:
			return misuse{hinted{errors.New("nothing was recorded"), "--yes does it"}}
		}
		return nil
	})
}

// importing is an import under way.
type importing struct {
	*desk
	merchant             remit.MerchantID
	do                   bool
	complain             func(format string, args ...any)
	added, there, faults atomic.Int64
}

func (i *importing) all(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, lineBytesMax)
	var wg sync.WaitGroup
	defer wg.Wait()
	places := make(chan struct{}, importsAtOnce)
	for n := 1; lines.Scan() && ctx.Err() == nil; n++ {
		line := bytes.Clone(bytes.TrimSpace(lines.Bytes()))
		if len(line) == 0 {
			continue
		}
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			if err := i.one(ctx, line); err != nil && i.faults.Add(1) <= faultsShownMax {
				text := err.Error()
				if e, ok := errors.AsType[*remit.Error](err); ok {
					text = cmp.Or(e.Detail, text)
				}
				i.complain("line %d: %s", n, text)
			}
		})
	}
	wg.Wait()
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("a line is longer than %d bytes", lineBytesMax)
	}
	return cmp.Or(lines.Err(), ctx.Err())
}

// one records one line.
func (i *importing) one(ctx context.Context, line []byte) error {
	var r record
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if dec.More() {
		return errors.New("there is more than one object")
	}
	if r.Name == "" {
		return errors.New("there is no name, by which the payment would be known again")
	}
	spec, err := r.spec()
	if err != nil {
		return err
	}
	p, there, err := node.Named(ctx, i.store, i.merchant, r.Name)
	switch {
	case err != nil || there:
	case !i.do:
		err = i.Recordable(r.Dialect, spec)
	default:
		_, err = i.RecordPayment(ctx, i.head(i.merchant, r.Evidence), r.Dialect, spec)
		if e, ok := errors.AsType[*remit.Error](err); ok && e.Code == remit.Conflict { // somebody was faster: another line, another import
			p, there, err = node.Named(ctx, i.store, i.merchant, r.Name)
		}
	}
	switch {
	case err != nil:
		return err
	case !there:
		i.added.Add(1)
	case r.same(p):
		i.there.Add(1)
	default:
		return fmt.Errorf("there is a payment %s already: of %s, in %s, %s", r.Name, p.Amount, p.Dialect, p.State)
	}
	return nil
}

// onePayment names one payment of a merchant.
type onePayment struct {
	Merchant string `arg:"" help:"The merchant's id."`
	Name     string `arg:"" help:"What its API calls it, or its id."`
}

// find reads it.
func (o onePayment) find(ctx context.Context, d *desk) (remit.Payment, error) {
	m, err := d.merchant(ctx, o.Merchant)
	if err != nil {
		return remit.Payment{}, err
	}
	p, ok, err := node.Named(ctx, d.store, m.ID, o.Name)
	if err != nil || ok {
		return p, err
	}
	ref := store.PaymentRef{Merchant: m.ID, ID: remit.PaymentID(o.Name)}
	have, err := d.store.Read(ctx, store.Wants{Payments: []store.PaymentRef{ref}})
	if err != nil {
		return p, err
	}
	if p, ok = have.Payments[ref]; !ok {
		return p, hinted{remit.Errorf(remit.NotFound, "", "merchant %s has no payment %q", m.ID, o.Name), "remit payment list " + o.Merchant + " shows them"}
	}
	return p, nil
}

// move takes it to another state, once --yes was given.
func (o onePayment) move(a *app, to remit.PaymentState, s seen, who dialect.Party) error {
	return a.at(func(ctx context.Context, d *desk) error {
		p, err := o.find(ctx, d)
		if err != nil {
			return err
		}
		if !s.Yes {
			return misuse{hinted{fmt.Errorf("this would make payment %s of %s, which is %s, %s", p.ExternalID, p.Amount, p.State, to), "--yes does it"}}
		}
		if p, err = d.MovePayment(ctx, d.head(p.Merchant, s.Evidence), p.ID, to, who); err != nil {
			return err
		}
		a.say("payment %s is %s", p.ExternalID, p.State)
		return nil
	})
}

type paymentFundCmd struct {
	onePayment
	seen
	IBAN   string `help:"The payer's account, where it is known only now." name:"iban" placeholder:"IBAN"`
	Holder string `help:"Whose account that is." placeholder:"NAME"`
}

// Run funds.
func (c paymentFundCmd) Run(a *app) error {
	who, err := node.Payer(c.IBAN, c.Holder)
	if err != nil {
		return misuse{err}
	}
	return c.move(a, remit.PaymentFunded, c.seen, who)
}

type paymentFailCmd struct {
	onePayment
	seen
}

// Run fails.
func (c paymentFailCmd) Run(a *app) error {
	return c.move(a, remit.PaymentFailed, c.seen, dialect.Party{})
}

type paymentReverseCmd struct {
	onePayment
	seen
}

// Run reverses.
func (c paymentReverseCmd) Run(a *app) error {
	return c.move(a, remit.PaymentReversed, c.seen, dialect.Party{})
}

type paymentListCmd struct {
	Merchant string `arg:"" help:"The merchant's id."`
	State    string `help:"Only those in this state." placeholder:"STATE"`
	Dialect  string `help:"Only those of this API." placeholder:"NAME"`
	JSON     bool   `help:"Print JSON."`
}

// Run lists.
func (c paymentListCmd) Run(a *app) error {
	if state := remit.PaymentState(c.State); c.State != "" && !slices.Contains(remit.PaymentStates(), state) {
		return misuse{fmt.Errorf("%q is no state: they are %v", c.State, remit.PaymentStates())}
	}
	return a.at(func(ctx context.Context, d *desk) error {
		m, err := d.merchant(ctx, c.Merchant)
		if err != nil {
			return err
		}
		all, err := d.store.Payments(ctx, store.PaymentFilter{Merchant: m.ID, State: remit.PaymentState(c.State), Dialect: c.Dialect, Newest: true, Max: listMax})
		if err != nil {
			return err
		}
		if c.JSON {
			return a.printJSON(views(all, viewPayment))
		}
		t := a.table("name", "dialect", "state", "amount", "left", "order", "made")
		for _, p := range all {
			left := money.Amount{Minor: p.Left(), Currency: p.Amount.Currency}
			t.AppendRow(table.Row{p.ExternalID, p.Dialect, p.State, p.Amount, left.Major(), p.OrderReference, p.Opened.Format(time.RFC3339)})
		}
		t.Render()
		return nil
	})
}

type paymentShowCmd struct {
	onePayment
	JSON bool `help:"Print JSON."`
}

// Run shows the timeline.
func (c paymentShowCmd) Run(a *app) error {
	return a.at(func(ctx context.Context, d *desk) error {
		p, err := c.find(ctx, d)
		if err != nil {
			return err
		}
		events, err := d.store.Events(ctx, p.Merchant, string(p.ID))
		if err != nil {
			return err
		}
		if c.JSON {
			return a.printJSON(views(events, viewEvent))
		}
		a.print("payment %s of %s, %s, %s of it refunded, id %s", p.ExternalID, p.Amount, p.State, money.Amount{Minor: p.RefundedMinor, Currency: p.Amount.Currency}, p.ID)
		a.timeline(events)
		return nil
	})
}
