package engine

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

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
	numbered  bool                    // a command gave something a number
	worked    map[remit.WorkKind]bool // of these something was written or done

	merchants     map[remit.MerchantID]bool
	accounts      map[remit.MerchantID]map[ledger.AccountID]bool
	kept          map[store.AnswerRef]bool
	payments      map[store.PaymentRef]bool
	disbursements map[store.DisbursementRef]bool
	work          map[store.WorkRef]bool
	done          map[store.WorkRef]bool
	deliveries    map[store.WorkRef]bool
	credentials   []remit.Credential
	names         []store.PaymentName
	beneficiaries []remit.Beneficiary
	events        []remit.Event
	tries         []remit.Try
	had, has      []byte // what fixes compares, to be used again
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
		merchants, made, known  set[remit.MerchantID]
		answers                 set[store.AnswerRef]
		payments, waiting       set[store.PaymentRef]
		names, waitNames, taken set[store.ExternalRef]
		disbursements           set[store.DisbursementRef]
		disbursed               set[store.DisbursedRef]
		beneficiaries           set[store.BeneficiaryRef]
		accounts                set[store.AccountsRef]
		events                  set[store.EventsRef]
		work, deliveries        set[store.WorkRef]
	)
	for _, j := range g.jobs {
		m, n := j.head.Merchant, j.needs
		payment, name := store.PaymentRef{Merchant: m, ID: n.Payment}, store.ExternalRef{Merchant: m, Name: n.Name}
		named := n.Name.Text != ""
		merchants.add(true, m)
		made.add(n.New, m)
		known.add(n.Credentials, m)
		for _, k := range n.Keys {
			answers.add(true, store.AnswerRef{Merchant: m, Scope: k.Scope, Key: k.Key})
		}
		payments.add(n.Payment != "", payment)
		waiting.add(n.Payment != "" && n.Waiting, payment)
		names.add(named, name)
		waitNames.add(named && n.Waiting && n.Name.Scope == "", name)
		taken.add(named && (n.Refunds || (n.Waiting && n.Name.Scope != "")), name)
		disbursements.add(n.Disbursement != "", store.DisbursementRef{Merchant: m, ID: n.Disbursement})
		disbursed.add(n.Disbursed != "", store.DisbursedRef{Merchant: m, Name: n.Disbursed})
		beneficiaries.add(n.Beneficiary != "", store.BeneficiaryRef{Merchant: m, ID: n.Beneficiary})
		beneficiaries.add(n.Details != "", store.BeneficiaryRef{Merchant: m, Digest: n.Details})
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
		Merchants: merchants.list, New: made.list, Credentials: known.list, Block: g.block, Answers: answers.list, Payments: payments.list, Externals: names.list,
		Waiting: waiting.list, WaitingByName: waitNames.list, Refunds: taken.list, Disbursements: disbursements.list,
		Disbursed: disbursed.list, Beneficiaries: beneficiaries.list, Accounts: accounts.list, Events: events.list,
		Work: work.list, Deliveries: deliveries.list,
	}
}

// decide decides all commands in the order in which they came. It is what
// runs inside the transaction.
func (g *group) decide(have *store.Have) (w *store.Writes, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", errBroke, p, debug.Stack())
		}
	}()
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
		if j.needs.New && a.err != nil && g.have.Merchants[j.head.Merchant].Created.IsZero() {
			return nil, fmt.Errorf("%w: %w", errUnmade, a.err)
		}
	}
	return g.writes(), nil
}

// errUnmade means that a merchant was refused whose row was made for it:
// nothing of its group is kept.
var errUnmade = errors.New("engine: a merchant was not made")

func (g *group) start(have *store.Have) {
	g.have, g.now, g.real = have, g.e.now(), g.e.real()
	g.answers, g.changed = make([]*answer, len(g.jobs)), make([]bool, len(g.jobs))
	g.before, g.settings, g.worked = map[remit.MerchantID]int64{}, map[remit.MerchantID]bool{}, map[remit.WorkKind]bool{}
	g.merchants, g.accounts = map[remit.MerchantID]bool{}, map[remit.MerchantID]map[ledger.AccountID]bool{}
	g.kept, g.payments = map[store.AnswerRef]bool{}, map[store.PaymentRef]bool{}
	g.disbursements, g.deliveries = map[store.DisbursementRef]bool{}, map[store.WorkRef]bool{}
	g.work, g.done = map[store.WorkRef]bool{}, map[store.WorkRef]bool{}
	g.names, g.beneficiaries, g.credentials, g.events, g.tries = nil, nil, nil, nil, nil
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
	for _, k := range j.needs.Keys {
		if g.have.Answers[store.AnswerRef{Merchant: j.head.Merchant, Scope: k.Scope, Key: k.Key}].Cause == j.head.ID {
			return true
		}
	}
	return false
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

// errBroke means that a decision panicked: nothing of its group is kept.
var errBroke = errors.New("engine: a decision broke")

func (g *group) one(i int, j *job) answer {
	c, err := j.cmd.Decide(g.facts(j))
	if err != nil {
		return answer{err: err}
	}
	if c.Empty() {
		return answer{result: c.Result}
	}
	g.numbered = g.numbered || c.Merchant.Numbers > g.have.Merchants[j.head.Merchant].Numbers+j.passed
	if err := cmp.Or(fit(c), g.taken(c)); err != nil {
		return answer{err: err}
	}
	err = g.anew(j.head.Merchant, &c)
	if err == nil {
		err = g.apply(j, &c)
	}
	if err != nil {
		g.e.cfg.Log.Error("a decision cannot be kept", "command", j.head.ID, "merchant", j.head.Merchant, "error", err)
		return answer{err: &remit.Error{Code: remit.Internal, Detail: "internal error", Err: err}}
	}
	g.changed[i] = true
	c.Result.Changed = true
	return answer{result: c.Result}
}

// facts is what the command may look at.
func (g *group) facts(j *job) remit.Facts {
	m, n := j.head.Merchant, j.needs
	merchant := g.have.Merchants[m]
	merchant.Numbers += j.passed
	f := remit.Facts{
		Now: g.now, Merchant: merchant, Books: g.have.Books[m], Number: g.e.number(m),
		KeyVersion: g.e.cfg.Directory.KeyVersion, Mint: g.e.mint(j.head), Answers: map[remit.KeyRef]remit.Answer{},
	}
	for _, k := range n.Keys {
		if a, ok := g.have.Answers[store.AnswerRef{Merchant: m, Scope: k.Scope, Key: k.Key}]; ok {
			f.Answers[k] = a
		}
	}
	if n.Disbursed != "" {
		n.Disbursement = g.have.Disbursed[store.DisbursedRef{Merchant: m, Name: n.Disbursed}]
	}
	if d, ok := g.have.Disbursements[store.DisbursementRef{Merchant: m, ID: n.Disbursement}]; ok {
		f.Disbursement = &d
		n.Payment = d.Payment
	}
	g.findPayment(m, n, &f)
	if b, ok := g.have.Beneficiaries[store.BeneficiaryRef{Merchant: m, ID: n.Beneficiary, Digest: n.Details}]; ok {
		f.Beneficiary = &b
	}
	if n.Credentials {
		f.Credentials = slices.Clone(g.have.Credentials[m])
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

// findPayment fills in the payment that n names, and its refunds.
func (g *group) findPayment(m remit.MerchantID, n remit.Needs, f *remit.Facts) {
	if n.Name.Text != "" {
		ids := g.have.Names[store.ExternalRef{Merchant: m, Name: n.Name}]
		f.Ambiguous = len(ids) > 1
		for _, id := range ids {
			f.Named = append(f.Named, g.have.Payments[store.PaymentRef{Merchant: m, ID: id}])
		}
		slices.SortFunc(f.Named, func(a, b remit.Payment) int { return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.ID, b.ID)) })
		if len(ids) == 1 {
			n.Payment = ids[0]
		}
	}
	p, ok := g.have.Payments[store.PaymentRef{Merchant: m, ID: n.Payment}]
	if !ok {
		return
	}
	f.Payment = &p
	if n.Waiting {
		f.Waiting = g.refunds(m, p.ID, func(d remit.Disbursement) bool {
			return d.State == remit.Waiting && d.WaitingFor == remit.WaitFunding
		})
	}
	if n.Refunds {
		f.Refunds = g.refunds(m, p.ID, func(remit.Disbursement) bool { return true })
	}
}

// refunds are those of a payment that are wanted, oldest first.
func (g *group) refunds(m remit.MerchantID, p remit.PaymentID, wanted func(remit.Disbursement) bool) []remit.Disbursement {
	var ds []remit.Disbursement
	for ref, d := range g.have.Disbursements {
		if ref.Merchant == m && d.Payment == p && wanted(d) {
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
	if err := g.link(m, c); err != nil {
		return err
	}
	if err := g.post(j, c); err != nil {
		return err
	}
	g.notices(j, c, was)
	g.events = append(g.events, c.Events...)
	g.tries = append(g.tries, c.Tries...)
	for _, p := range c.Payments {
		g.keepPayment(m, p)
	}
	for _, b := range c.Beneficiaries {
		g.have.Beneficiaries[store.BeneficiaryRef{Merchant: m, ID: b.ID}] = b
		g.have.Beneficiaries[store.BeneficiaryRef{Merchant: m, Digest: b.Digest}] = b
		g.beneficiaries = append(g.beneficiaries, b)
	}
	for _, x := range c.Credentials {
		g.have.Credentials[m] = replaced(g.have.Credentials[m], x)
		g.credentials = append(g.credentials, x)
	}
	for _, d := range c.Disbursements {
		ref := store.DisbursementRef{Merchant: m, ID: d.ID}
		g.have.Disbursements[ref], g.disbursements[ref] = d, true
		g.have.Disbursed[store.DisbursedRef{Merchant: m, Name: d.ExternalID}] = d.ID
	}
	for _, w := range c.Work {
		ref := store.WorkRef{Merchant: m, ID: w.ID}
		g.have.Work[ref], g.work[ref] = w, true
		delete(g.done, ref)
		g.worked[w.Kind] = true
	}
	for _, id := range c.Done {
		ref := store.WorkRef{Merchant: m, ID: id}
		g.worked[g.have.Work[ref].Kind] = true // the next of its order may be free now
		delete(g.have.Work, ref)
		delete(g.work, ref)
		g.done[ref] = true
	}
	for _, d := range c.Deliveries {
		ref := store.WorkRef{Merchant: m, ID: d.ID}
		g.have.Deliveries[ref], g.deliveries[ref] = d, true
	}
	for _, a := range c.Answers {
		ref := store.AnswerRef{Merchant: m, Scope: a.Scope, Key: a.Key}
		g.have.Answers[ref], g.kept[ref] = a, true
	}
	if len(c.Events) > 0 || c.Merchant.Numbers != g.have.Merchants[m].Numbers {
		g.merchants[m] = true
	}
	for _, ev := range c.Events {
		if remit.Identifies(ev.Kind) {
			g.settings[m] = true
		}
	}
	g.have.Merchants[m] = c.Merchant
	return nil
}

// taken refuses a change that issues a name which another merchant was issued
// in the same group. One of an earlier group the store guards.
func (g *group) taken(c remit.Change) error {
	for _, x := range c.Credentials {
		for _, had := range g.credentials {
			if had.Dialect == x.Dialect && had.Principal == x.Principal && had.Merchant != x.Merchant {
				return remit.Errorf(remit.Conflict, "", "the name is another merchant's")
			}
		}
	}
	return nil
}

// replaced is a list of credentials with one laid over it.
func replaced(list []remit.Credential, x remit.Credential) []remit.Credential {
	same := func(c remit.Credential) bool { return c.Dialect == x.Dialect && c.Principal == x.Principal }
	return append(slices.DeleteFunc(slices.Clone(list), same), x)
}

// keepPayment lays a payment over what was read; a new one gets its names.
func (g *group) keepPayment(m remit.MerchantID, p remit.Payment) {
	ref := store.PaymentRef{Merchant: m, ID: p.ID}
	if _, known := g.have.Payments[ref]; !known {
		all := append([]remit.Name{{Text: p.ExternalID}}, p.Names...)
		for _, n := range all {
			name := store.ExternalRef{Merchant: m, Name: n}
			g.have.Names[name] = append(g.have.Names[name], p.ID)
		}
		for _, n := range p.Names {
			g.names = append(g.names, store.PaymentName{Merchant: m, Name: n, Payment: p.ID})
		}
	}
	g.have.Payments[ref], g.payments[ref] = p, true
}

// fit refuses a change whose texts no store can keep, so that it does not take
// its group with it.
func fit(c remit.Change) error {
	var texts []string
	for _, p := range c.Payments {
		texts = append(texts, p.ExternalID, p.OrderReference, p.NotificationURL, p.Details, p.Attributes.EndUserID)
		for _, n := range p.Names {
			texts = append(texts, n.Text)
		}
	}
	for _, d := range c.Disbursements {
		texts = append(texts, d.Reference, d.OrderReference, d.NotificationURL, d.Details)
	}
	for _, b := range c.Beneficiaries {
		texts = append(texts, b.Details)
	}
	for _, a := range c.Answers {
		texts = append(texts, a.Key)
	}
	for _, e := range c.Events {
		texts = append(texts, e.Evidence)
	}
	for _, text := range texts {
		if len(text) > textBytesMax || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return remit.Errorf(remit.Invalid, "", "a text is too long, is not UTF-8, or holds a zero byte")
		}
	}
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
	w := &store.Writes{Names: g.names, Beneficiaries: g.beneficiaries, Credentials: g.credentials, Events: g.events, Tries: g.tries, Accounts: map[remit.MerchantID][]ledger.Account{}}
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
