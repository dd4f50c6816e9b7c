package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/internal/engine"
	"remit/internal/evidence"
	"remit/internal/requestlog"
	"remit/ledger"
	"remit/money"
	"remit/store"
)

// dossier is all that is known of the visit's disbursement.
func (c *Console) dossier(v *visit) (evidence.Dossier, error) {
	id := remit.DisbursementID(v.PathValue("id"))
	d, ok, err := evidence.Gather(v.Context(), c.store, c.o.Node.Vault, v.merchant.ID, id)
	if err == nil && !ok {
		err = remit.Errorf(remit.NotFound, "", "There is no refund or payout %q.", string(id))
	}
	return d, err
}

// disbursement shows the whole life of one refund or payout.
func (c *Console) disbursement(v *visit) error {
	d, err := c.dossier(v)
	if err != nil {
		return err
	}
	x := d.Disbursement
	data := map[string]any{
		"D": x, "Payment": d.Payment, "Steps": c.timeline(v, d), "Acts": actsOn(x), "Account": c.masked(x.Merchant, x.Payee(d.Payment)),
		"Order": x.OrderReference, "Outcomes": outcomes, "Reasons": bankReasons, "Call": v.curl("disbursements/" + string(x.ID) + "/outcome"),
	}
	if d.Payment != nil {
		data["Bar"], data["Order"] = barOf(*d.Payment, d.Refunds, x.ID), d.Payment.OrderReference
	}
	v.render(200, "disbursement", string(x.Kind)+"s", string(x.Kind)+" "+cmp.Or(x.ExternalID, string(x.ID)), data)
	return nil
}

// bar shows how much of a payment was given back, and what is left.
type bar struct {
	Whole, Left money.Amount
	Parts       []part
	Gone        *part // the refund that is shown, where it does not count any more
}

type part struct {
	ID      remit.DisbursementID
	Amount  money.Amount
	State   remit.State
	This    bool
	Percent int64
}

// left is what may still be refunded of a payment.
func left(p remit.Payment) money.Amount {
	if goneForGood(p.State) {
		return money.Amount{Currency: p.Amount.Currency}
	}
	return money.Amount{Minor: p.Left(), Currency: p.Amount.Currency}
}

func barOf(p remit.Payment, refunds []remit.Disbursement, this remit.DisbursementID) bar {
	b := bar{Whole: p.Amount, Left: left(p)}
	for _, d := range refunds {
		x := part{d.ID, d.Amount, d.State, d.ID == this, percent(d.Amount.Minor, p.Amount.Minor)}
		switch {
		case d.Live():
			b.Parts = append(b.Parts, x)
		case x.This:
			b.Gone = &x
		}
	}
	return b
}

// LeftPercent is the share that is left.
func (b bar) LeftPercent() int64 { return percent(b.Left.Minor, b.Whole.Minor) }

// entry is one thing of a timeline.
type entry struct {
	At              time.Time
	Title, Tone     string
	Actor, Evidence string
	Note            string
	Transfers       []ledger.Transfer
	Try             *remit.Try
	Request         *request
	Asked           *asked
	Checks          []question
	Link            string
	To              string // of a try: the URL that was called
	Later           bool   // it has not happened yet
}

// timeline puts everything in the order in which it happened: the request,
// what was decided, the rail, each attempt to tell the merchant, and what is
// still to come.
func (c *Console) timeline(v *visit, d evidence.Dossier) []entry {
	var all []entry
	for _, e := range d.PaymentEvents {
		if e.Kind == string(remit.PaymentFunded) || e.Kind == string(remit.PaymentReversed) {
			all = append(all, entry{At: e.At, Title: "The payment was " + e.Kind, Tone: tones[e.Kind], Actor: actorWords(e.Actor), Evidence: e.Evidence,
				Transfers: e.Transfers, Link: v.path("payments", string(d.Payment.ID))})
		}
	}
	all = append(all, c.askedAbout(v, d)...)
	for _, e := range d.Events {
		all = append(all, happened(d.Disbursement, e))
	}
	for _, x := range d.Deliveries {
		for i, t := range x.Log {
			if n := len(x.Log) - 2*triesShown; n > 1 && i >= triesShown && i < triesShown+n {
				if i == triesShown {
					all = append(all, folded(v, x, x.Log[i:i+n]))
				}
				continue
			}
			all = append(all, attempted(v, x, t, c.request(v, x.Delivery, t.At)))
		}
		if x.State == remit.DeliveryDead {
			all = append(all, entry{At: x.Updated, Title: "Given up: " + x.Notice.Kind + " is a dead letter", Tone: "bad", Link: v.path("deliveries", x.ID.String()),
				Note: "Nobody acknowledged it as long as it was tried. It can be replayed with the same body."})
		}
	}
	slices.SortStableFunc(all, func(a, b entry) int { return a.At.Compare(b.At) })
	return append(all, expected(v, d)...)
}

// askedAbout are the requests about a disbursement, the one that made it
// first, with what that was checked for.
func (c *Console) askedAbout(v *visit, d evidence.Dossier) (all []entry) {
	in := dialectName(d.Disbursement.Dialect)
	made := ""
	if len(d.Events) > 0 {
		made, _ = strings.CutPrefix(d.Events[0].Evidence, "request:")
	}
	for _, r := range d.Requests {
		a := askedOf(r)
		e := entry{At: r.At, Tone: a.Tone(), Asked: &a, Link: v.path("requests", r.ID)}
		switch {
		case r.ID == made:
			e.Title, e.Tone = "The merchant asked, in "+in, "quiet"
			checks := entry{At: r.At, Title: "Checked", Tone: "good", Checks: c.checks(r.Request)}
			all = append([]entry{e, checks}, all...)
			made = ""
			continue
		case r.Code != "":
			e.Title = "A " + a.What() + " was " + a.Came()
		case r.Replayed:
			e.Title = "The merchant asked again, and got the same answer"
		default:
			e.Title = "The merchant asked to " + a.What() + ", in " + in
		}
		all = append(all, e)
	}
	if made != "" && made != d.Events[0].Evidence {
		all = append([]entry{{At: d.Events[0].At, Title: "Somebody asked, in " + in, Tone: "quiet", Evidence: "trace " + made,
			Note: "Its checks passed. Its bytes are not kept: it came from a payer's page, or is older than the request log goes back, " +
				"or the process was killed before it wrote them. The log names the request by this trace."}}, all...)
	}
	return all
}

// happened is an event in words.
func happened(d remit.Disbursement, e remit.Event) entry {
	x := entry{At: e.At, Tone: tones[e.Kind], Actor: actorWords(e.Actor), Evidence: e.Evidence, Transfers: e.Transfers}
	switch e.Kind {
	case string(remit.Waiting):
		x.Title = "It waits"
		if d.WaitingFor != "" {
			x.Title = "It waits for " + words(d.WaitingFor)
		}
	case string(remit.Accepted):
		x.Title = "Accepted: the money is held"
	case string(remit.Sent):
		x.Title, x.Note = "Handed over to rail "+d.Rail, "End-to-end id "+d.EndToEndID()
	case string(remit.Settled):
		x.Title = "Paid: the rail says that the money has left"
	case string(remit.Failed), string(remit.Canceled), string(remit.Returned):
		x.Title = map[string]string{"failed": "Failed", "canceled": "Canceled", "returned": "The bank sent it back"}[e.Kind]
		if reason := why(d); reason != "" {
			x.Title += ": " + reason
		}
	case remit.KindStuck:
		x.Title = "Stuck: the last look-up could not tell what became of it"
		if e.Evidence == engine.Unreadable {
			x.Title = "Stuck: whom it goes to cannot be read, and nothing was handed over"
		}
	case remit.KindUnknown:
		x.Title = "The rail could not tell; it will be asked again"
	case remit.KindHurried:
		x.Title = "An operator had it sent at once, before its send window was over"
	case remit.KindRedelivered:
		x.Title = "An operator had the merchant told once more"
	default:
		x.Title = words(e.Kind)
	}
	return x
}

// triesShown is how many of the first and of the last tries of a notification a
// timeline shows, each; those between are one entry.
const triesShown = 3

// folded is what a timeline shows instead of the tries in the middle.
func folded(v *visit, x store.Delivered, tries []remit.Try) entry {
	first, last := tries[0], tries[len(tries)-1]
	return entry{
		At: first.At, Title: plural(int64(len(tries)), "more attempt") + ": " + x.Notice.Kind, Tone: "quiet", Link: v.path("deliveries", x.ID.String()),
		Note: "Numbers " + strconv.FormatInt(first.N, 10) + " to " + strconv.FormatInt(last.N, 10) + ", until " + last.At.UTC().Format("2 Jan 15:04:05") + " UTC. Its own page lists each.",
	}
}

// attempted is one try of a notification.
func attempted(v *visit, x store.Delivered, t remit.Try, r *request) entry {
	e := entry{At: t.At, Title: "The merchant was told: " + x.Notice.Kind, Tone: "good", Try: &t, To: x.Notice.URL, Request: r, Link: v.path("deliveries", x.ID.String())}
	if t.Problem != "" {
		e.Title, e.Tone, e.Note = "The merchant could not be told: "+x.Notice.Kind, "bad", t.Problem
	}
	return e
}

// expected is what is still to come.
func expected(v *visit, d evidence.Dossier) (all []entry) {
	if id, ok := d.Disbursement.SendWork(); ok {
		if w, open := d.Work[id]; open {
			title := "It will be handed over to rail " + d.Disbursement.Rail
			if d.Disbursement.State == remit.Sent {
				title = "Rail " + d.Disbursement.Rail + " will be asked what became of it"
			}
			all = append(all, entry{At: w.Due, Title: title, Tone: "quiet", Later: true})
		}
	}
	for _, x := range d.Deliveries {
		if w, open := d.Work[x.ID]; open {
			all = append(all, entry{At: w.Due, Title: "The merchant will be told: " + x.Notice.Kind, Tone: "quiet", Later: true, Link: v.path("deliveries", x.ID.String())})
		}
	}
	return all
}

// request is the HTTP request of a notification as it goes out, masked.
type request struct {
	Method, URL string
	Header      http.Header
	Body        string
}

// request makes a notification's bytes again, as a try had them at its time. Nil
// where they cannot be made now.
func (c *Console) request(v *visit, d remit.Delivery, at time.Time) *request {
	speaks, ok := c.o.Node.Dialects[d.Dialect]
	if !ok {
		return nil
	}
	to, err := c.o.Node.Directory.Merchant(v.Context(), d.Dialect, d.Merchant)
	if err != nil {
		return nil
	}
	out, err := speaks.Seal(d.Notice, c.o.Node.Directory.Signer(d.Dialect), to, at)
	if err != nil {
		return nil
	}
	return &request{out.Method, host(d.Notice.URL), out.Header, mask(string(out.Body))}
}

// accountNumber is what an IBAN looks like, wherever it stands.
var accountNumber = regexp.MustCompile(`\b[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}\b`)

// mask hides all but the ends of the account numbers in a text.
func mask(text string) string { return accountNumber.ReplaceAllStringFunc(text, maskOne) }

// shownDigits is how much of each end of an account number is shown.
const shownDigits = 4

func maskOne(number string) string {
	if len(number) <= 2*shownDigits {
		return "····"
	}
	return number[:shownDigits] + " ···· " + number[len(number)-shownDigits:]
}

// masked is a payee's account number, but for its ends.
func (c *Console) masked(m remit.MerchantID, p remit.Payee) string {
	text, err := c.o.Node.Vault.Open(p.Account, engine.AccountBinding(m, p.Owner))
	switch {
	case err != nil:
		return "unreadable: it was altered, belongs to another, or is sealed under another master key"
	case text == "":
		return ""
	}
	return maskOne(text)
}

// choice is something that an operator can do about a disbursement.
type choice struct {
	Act, Label, Hint string
	Danger           bool
	Asks             string // for what the operator must write down; "" asks nothing
}

// The acts on a disbursement, as their forms' addresses end.
const (
	actProceed = "proceed"
	actCancel  = "cancel"
	actAsk     = "ask"
	actSettle  = "settle"
	actFail    = "fail"
)

// actsOn are the choices that a disbursement's state leaves.
func actsOn(d remit.Disbursement) (all []choice) {
	held := d.State == remit.Waiting && (d.WaitingFor == remit.WaitApproval || d.WaitingFor == remit.WaitReview)
	if held {
		all = append(all, choice{Act: actProceed, Label: "Let it go on", Hint: "The money leaves as soon as its send window is over."})
	}
	if d.State == remit.Waiting || d.State == remit.Accepted {
		all = append(all, choice{Act: actCancel, Label: "Cancel it", Danger: true, Hint: "What is held goes back into the balance, and the merchant is told."})
	}
	if d.State == remit.Sent && d.Stuck {
		all = append(all,
			choice{Act: actAsk, Label: "Ask the rail again", Hint: "It begins with a look-up: nothing is sent twice."},
			choice{Act: actSettle, Label: "It was paid", Danger: true, Asks: "What shows it: a line of the bank's statement", Hint: "The held money is moved."},
			choice{Act: actFail, Label: "It was not paid", Danger: true, Asks: "What shows it: the bank's word", Hint: "The held money goes back into the balance."})
	}
	return all
}

// actOnDisbursement has the engine do what an operator decided.
func (c *Console) actOnDisbursement(v *visit, act string) (out outcome, err error) {
	d, err := c.dossier(v)
	if err != nil {
		return out, err
	}
	x := d.Disbursement
	out.to = v.path("out", string(x.ID))
	known := slices.IndexFunc(actsOn(x), func(a choice) bool { return a.Act == act })
	if known < 0 {
		return out, remit.Errorf(remit.Conflict, remit.ReasonTerminal, "a %s that is %s does not allow it", x.Kind, x.State)
	}
	shows := strings.TrimSpace(v.PostFormValue("evidence"))
	if actsOn(x)[known].Asks != "" && shows == "" {
		return out, remit.Errorf(remit.Invalid, "", "write down what shows it")
	}
	if len(shows) > evidenceBytesMax {
		return out, remit.Errorf(remit.Invalid, "", "what shows it is too long")
	}
	head := v.head(act + cmp.Or(" "+requestlog.Accounts(shows), ""))
	head.Evidence = strings.TrimSpace(head.Evidence)
	out.message, err = c.decide(v.Context(), head, x, act)
	if err == nil {
		err = v.settle()
	}
	return out, err
}

// evidenceBytesMax is how much an operator can write down, in bytes.
const evidenceBytesMax = 500

func (c *Console) decide(ctx context.Context, h remit.Head, d remit.Disbursement, act string) (message string, err error) {
	var cmd remit.Command
	switch act {
	case actProceed:
		cmd, message = remit.Proceed{Head: h, Disbursement: d.ID}, "It goes on."
	case actCancel:
		cmd, message = remit.Cancel{Head: h, Disbursement: d.ID, Reason: remit.ReasonAborted}, "It is canceled."
	case actAsk:
		cmd, message = remit.AskAgain{Head: h, Disbursement: d.ID, Currency: d.Amount.Currency}, "The rail is asked again."
	case actSettle:
		cmd, message = remit.Outcome{Head: h, Disbursement: d.ID, Currency: d.Amount.Currency, Became: remit.BecameSettled, ByHand: true}, "It is settled by your word."
	case actFail:
		cmd = remit.Outcome{Head: h, Disbursement: d.ID, Currency: d.Amount.Currency, Became: remit.BecameRefused, ByHand: true, Reason: remit.ReasonRefusedByBank}
		message = "It is failed by your word."
	default:
		return "", errors.New("console: no such act: " + act)
	}
	_, err = c.o.Node.Engine.Do(ctx, cmd)
	return message, err
}
