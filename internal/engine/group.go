package engine

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"remit"
	"remit/ledger"
	"remit/store"
)

// group is one transaction's worth of commands: what was read for them, and
// what they have changed of it so far. Each command sees what those before it
// decided.
type group struct {
	e     *Engine
	chain *ledger.Chain
	jobs  []*job
	block bool

	have      *store.Have
	now, real time.Time
	answers   []*answer // by job; nil where the merchant was locked
	changed   []bool    // by job: something is written
	before    map[remit.MerchantID]int64
	settings  map[remit.MerchantID]bool
	worked    bool

	merchants     map[remit.MerchantID]bool
	accounts      map[remit.MerchantID]map[ledger.AccountID]bool
	kept          map[store.AnswerRef]bool
	payments      map[store.PaymentRef]bool
	disbursements map[store.DisbursementRef]bool
	work          map[store.WorkRef]bool
	done          map[store.WorkRef]bool
	deliveries    map[store.WorkRef]bool
	events        []remit.Event
	tries         []remit.Try
}

// set is a list that holds each thing once.
type set[T comparable] struct {
	list []T
	seen map[T]bool
}

func (s *set[T]) add(wanted bool, ref T) {
	if !wanted || s.seen[ref] {
		return
	}
	if s.seen == nil {
		s.seen = map[T]bool{}
	}
	s.seen[ref] = true
	s.list = append(s.list, ref)
}

// wants lists what the commands need to be read, each thing once.
func (g *group) wants() store.Wants {
	var (
		merchants         set[remit.MerchantID]
		answers           set[store.AnswerRef]
		payments, waiting set[store.PaymentRef]
		names, waitNames  set[store.ExternalRef]
		disbursements     set[store.DisbursementRef]
		accounts          set[store.AccountsRef]
		events            set[store.EventsRef]
		work, deliveries  set[store.WorkRef]
	)
	for _, j := range g.jobs {
		m, n := j.head.Merchant, j.needs
		payment, name := store.PaymentRef{Merchant: m, ID: n.Payment}, store.ExternalRef{Merchant: m, Name: n.ExternalID}
		merchants.add(true, m)
		answers.add(n.Key != "", store.AnswerRef{Merchant: m, Scope: n.KeyScope, Key: n.Key})
		payments.add(n.Payment != "", payment)
		waiting.add(n.Payment != "" && n.Waiting, payment)
		names.add(n.ExternalID != "", name)
		waitNames.add(n.ExternalID != "" && n.Waiting, name)
		disbursements.add(n.Disbursement != "", store.DisbursementRef{Merchant: m, ID: n.Disbursement})
		accounts.add(!n.NoBooks, store.AccountsRef{Merchant: m, Currency: n.Currency})
		for _, id := range n.Work {
			work.add(true, store.WorkRef{Merchant: m, ID: id})
		}
		if n.Delivery != nil {
			deliveries.add(true, store.WorkRef{Merchant: m, ID: *n.Delivery})
		}
		if j.doubt != nil {
			events.add(true, store.EventsRef{Merchant: m, After: j.doubt.after})
		}
	}
	return store.Wants{
		Merchants: merchants.list, Block: g.block, Answers: answers.list, Payments: payments.list, Externals: names.list,
		Waiting: waiting.list, WaitingByName: waitNames.list, Disbursements: disbursements.list, Accounts: accounts.list,
		Events: events.list, Work: work.list, Deliveries: deliveries.list,
	}
}

// decide decides all commands in the order in which they came. It is what
// runs inside the transaction.
func (g *group) decide(have *store.Have) (*store.Writes, error) {
	g.start(have)
	for i, j := range g.jobs {
		if _, locked := have.Merchants[j.head.Merchant]; !locked {
			continue
		}
		if j.doubt != nil {
			if g.happened(j) {
				g.answers[i] = &j.doubt.answer
				continue
			}
			j.doubt = nil
		}
		a := g.one(i, j)
		g.answers[i] = &a
	}
	return g.writes(), nil
}

func (g *group) start(have *store.Have) {
	g.have, g.now, g.real = have, g.e.now(), g.e.real()
	g.answers, g.changed = make([]*answer, len(g.jobs)), make([]bool, len(g.jobs))
	g.before, g.settings, g.worked = map[remit.MerchantID]int64{}, map[remit.MerchantID]bool{}, false
	g.merchants, g.accounts = map[remit.MerchantID]bool{}, map[remit.MerchantID]map[ledger.AccountID]bool{}
	g.kept, g.payments = map[store.AnswerRef]bool{}, map[store.PaymentRef]bool{}
	g.disbursements, g.deliveries = map[store.DisbursementRef]bool{}, map[store.WorkRef]bool{}
	g.work, g.done = map[store.WorkRef]bool{}, map[store.WorkRef]bool{}
	g.events, g.tries = nil, nil
	for id, m := range have.Merchants {
		g.before[id] = m.Seq
		for a, account := range have.Books[id] {
			account.MayGoNegative = remit.MayGoNegative(a)
			have.Books[id][a] = account
		}
	}
}

// happened looks for what an earlier try of the command would have written.
func (g *group) happened(j *job) bool {
	for _, ev := range g.have.Events[j.head.Merchant] {
		if ev.Cause == j.head.ID {
			return true
		}
	}
	a, ok := g.have.Answers[store.AnswerRef{Merchant: j.head.Merchant, Scope: j.needs.KeyScope, Key: j.needs.Key}]
	return ok && a.Cause == j.head.ID
}

// cast puts every command that wrote something in doubt: the commit that
// carried it may have happened.
func (g *group) cast() {
	for i, j := range g.jobs {
		if j.doubt == nil && i < len(g.changed) && g.changed[i] {
			j.doubt = &doubt{after: g.before[j.head.Merchant], answer: *g.answers[i]}
		}
	}
}

func (g *group) one(i int, j *job) answer {
	c, err := j.cmd.Decide(g.facts(j))
	if err != nil {
		return answer{err: err}
	}
	if c.Empty() {
		return answer{result: c.Result}
	}
	if err := g.apply(j, &c); err != nil {
		g.e.cfg.Log.Error("a decision does not fit the books", "command", j.head.ID, "merchant", j.head.Merchant, "error", err)
		return answer{err: &remit.Error{Code: remit.Internal, Detail: "internal error", Err: err}}
	}
	g.changed[i] = true
	c.Result.Changed = true
	return answer{result: c.Result}
}

// facts is what the command may look at.
func (g *group) facts(j *job) remit.Facts {
	m, n := j.head.Merchant, j.needs
	f := remit.Facts{
		Now: g.now, Merchant: g.have.Merchants[m], Books: g.have.Books[m],
		Number: g.e.number(m), KeyVersion: g.e.cfg.Directory.KeyVersion,
	}
	if a, ok := g.have.Answers[store.AnswerRef{Merchant: m, Scope: n.KeyScope, Key: n.Key}]; ok && n.Key != "" {
		f.Answer = &a
	}
	if d, ok := g.have.Disbursements[store.DisbursementRef{Merchant: m, ID: n.Disbursement}]; ok && n.Disbursement != "" {
		f.Disbursement = &d
		n.Payment = d.Payment
	}
	if n.ExternalID != "" {
		n.Payment = g.have.Names[store.ExternalRef{Merchant: m, Name: n.ExternalID}]
	}
	if p, ok := g.have.Payments[store.PaymentRef{Merchant: m, ID: n.Payment}]; ok && n.Payment != "" {
		f.Payment = &p
	}
	if n.Waiting && n.Payment != "" {
		f.Waiting = g.waiting(m, n.Payment)
	}
	if len(n.Work) > 0 {
		f.Work = map[remit.WorkID]remit.Work{}
		for _, id := range n.Work {
			if w, ok := g.have.Work[store.WorkRef{Merchant: m, ID: id}]; ok {
				f.Work[id] = w
			}
		}
	}
	if n.Delivery != nil {
		if d, ok := g.have.Deliveries[store.WorkRef{Merchant: m, ID: *n.Delivery}]; ok {
			f.Delivery = &d
		}
	}
	return f
}

func (g *group) waiting(m remit.MerchantID, p remit.PaymentID) []remit.Disbursement {
	var ds []remit.Disbursement
	for ref, d := range g.have.Disbursements {
		if ref.Merchant == m && d.Payment == p && d.State == remit.Waiting && d.WaitingFor == remit.WaitFunding {
			ds = append(ds, d)
		}
	}
	slices.SortFunc(ds, func(a, b remit.Disbursement) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return ds
}

// apply lays a change over what the group has read: the books, the notices
// that its events owe, the chain, the rows. It does all of it or nothing.
func (g *group) apply(j *job, c *remit.Change) error {
	m := j.head.Merchant
	was := g.states(m, c)
	if err := g.post(j, c); err != nil {
		return err
	}
	g.notices(j, c, was)
	for i := range c.Events {
		c.Events[i].Link = g.chain.Link(c.Merchant.Head, c.Events[i].ChainFields()...)
		c.Merchant.Head = c.Events[i].Link
	}
	g.events = append(g.events, c.Events...)
	g.tries = append(g.tries, c.Tries...)
	for _, p := range c.Payments {
		ref := store.PaymentRef{Merchant: m, ID: p.ID}
		g.have.Payments[ref], g.payments[ref] = p, true
		g.have.Names[store.ExternalRef{Merchant: m, Name: p.ExternalID}] = p.ID
	}
	for _, d := range c.Disbursements {
		ref := store.DisbursementRef{Merchant: m, ID: d.ID}
		g.have.Disbursements[ref], g.disbursements[ref] = d, true
	}
	for _, w := range c.Work {
		ref := store.WorkRef{Merchant: m, ID: w.ID}
		g.have.Work[ref], g.work[ref] = w, true
		delete(g.done, ref)
		g.worked = true
	}
	for _, id := range c.Done {
		ref := store.WorkRef{Merchant: m, ID: id}
		delete(g.have.Work, ref)
		delete(g.work, ref)
		g.done[ref] = true
		g.worked = true // work of the same order may be free now
	}
	for _, d := range c.Deliveries {
		ref := store.WorkRef{Merchant: m, ID: d.ID}
		g.have.Deliveries[ref], g.deliveries[ref] = d, true
	}
	if a := c.Answer; a != nil {
		ref := store.AnswerRef{Merchant: m, Scope: a.Scope, Key: a.Key}
		g.have.Answers[ref], g.kept[ref] = *a, true
	}
	if len(c.Events) > 0 || c.Merchant.Numbers != g.have.Merchants[m].Numbers {
		g.merchants[m] = true
	}
	for _, ev := range c.Events {
		if ev.Kind == remit.KindSettings {
			g.settings[m] = true
		}
	}
	g.have.Merchants[m] = c.Merchant
	return nil
}

// states are the disbursements' states before the change.
func (g *group) states(m remit.MerchantID, c *remit.Change) map[string]remit.State {
	was := map[string]remit.State{}
	for _, d := range c.Disbursements {
		was[string(d.ID)] = g.have.Disbursements[store.DisbursementRef{Merchant: m, ID: d.ID}].State
	}
	return was
}

// post carries out the transfers of a change on the books. Accounts that were
// never used come into being here.
func (g *group) post(j *job, c *remit.Change) error {
	var ts []ledger.Transfer
	for _, ev := range c.Events {
		ts = append(ts, ev.Transfers...)
	}
	if len(ts) == 0 {
		return nil
	}
	m := j.head.Merchant
	books := g.have.Books[m]
	if books == nil {
		books = ledger.Books{}
		g.have.Books[m] = books
	}
	for _, t := range ts {
		if j.needs.NoBooks || (j.needs.Currency != "" && j.needs.Currency != t.Amount.Currency) {
			return fmt.Errorf("transfer %s moves %s, whose accounts were not read", t.ID, t.Amount.Currency)
		}
		for _, id := range []ledger.AccountID{t.From, t.To} {
			if _, ok := books[id]; !ok {
				books[id] = ledger.Account{ID: id, Currency: t.Amount.Currency, MayGoNegative: remit.MayGoNegative(id)}
			}
		}
	}
	if err := books.ApplyAll(ts); err != nil {
		return err
	}
	touched := g.accounts[m]
	if touched == nil {
		touched = map[ledger.AccountID]bool{}
		g.accounts[m] = touched
	}
	for _, t := range ts {
		touched[t.From], touched[t.To] = true, true
	}
	return nil
}

// writes is what is to be kept, in the order of its keys.
func (g *group) writes() *store.Writes {
	w := &store.Writes{Events: g.events, Tries: g.tries, Accounts: map[remit.MerchantID][]ledger.Account{}}
	for _, m := range slices.Sorted(maps.Keys(g.merchants)) {
		w.Merchants = append(w.Merchants, g.have.Merchants[m])
	}
	for m, touched := range g.accounts {
		for _, id := range slices.Sorted(maps.Keys(touched)) {
			w.Accounts[m] = append(w.Accounts[m], g.have.Books[m][id])
		}
	}
	w.Answers = rows(g.kept, g.have.Answers)
	w.Payments = rows(g.payments, g.have.Payments)
	w.Disbursements = rows(g.disbursements, g.have.Disbursements)
	w.Work = rows(g.work, g.have.Work)
	w.Deliveries = rows(g.deliveries, g.have.Deliveries)
	for ref := range g.done {
		w.Done = append(w.Done, ref)
	}
	return w
}

func rows[K comparable, V any](changed map[K]bool, have map[K]V) []V {
	list := make([]V, 0, len(changed))
	for k := range changed {
		list = append(list, have[k])
	}
	return list
}
