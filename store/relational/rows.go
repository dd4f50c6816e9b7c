package relational

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/ledger"
	"remit/money"
	"remit/store"
)

// Row is one row of an answer.
type Row interface{ Scan(dest ...any) error }

// A table's columns, in the order in which its row function lists them and
// its scan function reads them.
const (
	merchantColumns     = "merchant_id, settings, created, seq, head, numbers"
	accountColumns      = "merchant_id, currency, path, debits, credits, held"
	paymentColumns      = "merchant_id, id, dialect, external_id, minor, currency, state, reason, refunded_minor, refunds_live, refunds_waiting, funding, notification_url, order_reference, payer_account, payer_name, attributes, opened, updated, authorized, funded, ended, names, portions, details"
	disbursementColumns = "merchant_id, id, kind, payment, dialect, external_id, minor, created, updated, stuck, currency, state, waiting_for, reason, reference, rail, hold, paid, sent, settled, ended, portions, details, account, account_name, notification_url, order_reference"
	eventColumns        = "merchant_id, seq, at, subject, kind, actor, evidence, cause, link, transfers"
	answerColumns       = "merchant_id, scope, key, digest, code, reason, field, detail, subject, form, cause, key_version, at, expires"
	workColumns         = "merchant_id, seq, n, kind, subject, order_key, due, lease, fence, tries"
	deliveryColumns     = "merchant_id, seq, n, dialect, subject, kind, url, content, key_version, state, tries, created, updated"
	nameColumns         = "merchant_id, scope, name, payment"
	beneficiaryColumns  = "merchant_id, id, dialect, digest, account, holder, details, created"
	requestColumns      = "merchant_id, id, at, took, status, verified, replayed, dialect, operation, stage, code, reason, detail, wire, subject, named, asked"
	credentialColumns   = "dialect, principal, merchant_id, sealed, created, ended"
	tryColumns          = "merchant_id, seq, n, i, at, took, status, problem, response"
)

// micros is a time as it is kept: microseconds since 1970, and 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is the time that micros kept.
func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// bit is a truth as it is kept.
func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// text keeps v as JSON; an empty value is "".
func text(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil || string(b) == "{}" || string(b) == "null" {
		return "", err
	}
	return string(b), nil
}

// parse reads what text kept.
func parse(s string, v any) error {
	if s == "" {
		return nil
	}
	return json.Unmarshal([]byte(s), v)
}

func merchantRow(m remit.Merchant) ([]any, error) {
	settings, err := text(m.Settings)
	return []any{string(m.ID), settings, micros(m.Created), m.Seq, m.Head, m.Numbers}, err
}

func scanMerchant(r Row) (m remit.Merchant, err error) {
	var settings string
	var created int64
	if err := r.Scan((*string)(&m.ID), &settings, &created, &m.Seq, &m.Head, &m.Numbers); err != nil {
		return m, err
	}
	m.Created = moment(created)
	return m, parse(settings, &m.Settings)
}

// ownedAccount is an account with whose it is.
type ownedAccount struct {
	merchant remit.MerchantID
	ledger.Account
}

func accountRow(a ownedAccount) ([]any, error) {
	path := remit.AccountPath(a.ID)
	if remit.AccountAt(a.merchant, path) != a.ID {
		return nil, fmt.Errorf("%w: account %s is not of merchant %s", store.ErrData, a.ID, a.merchant)
	}
	return []any{string(a.merchant), string(a.Currency), path, a.Debits, a.Credits, a.Held}, nil
}

func scanAccount(r Row) (a ownedAccount, err error) {
	var path string
	err = r.Scan((*string)(&a.merchant), (*string)(&a.Currency), &path, &a.Debits, &a.Credits, &a.Held)
	a.ID = remit.AccountAt(a.merchant, path)
	a.MayGoNegative = remit.MayGoNegative(a.ID)
	return a, err
}

func paymentRow(p remit.Payment) ([]any, error) {
	attributes, err := text(p.Attributes)
	names, errNames := text(p.Names)
	portions, errPortions := text(p.Portions)
	return []any{string(p.Merchant), string(p.ID), p.Dialect, p.ExternalID, p.Amount.Minor, string(p.Amount.Currency), string(p.State),
		string(p.Reason), p.RefundedMinor, p.RefundsLive, p.RefundsWaiting, p.Funding, p.NotificationURL, p.OrderReference,
		string(p.PayerAccount), string(p.PayerName), attributes, micros(p.Opened), micros(p.Updated),
		micros(p.Authorized), micros(p.Funded), micros(p.Ended), names, portions, p.Details}, errors.Join(err, errNames, errPortions)
}

func scanPayment(r Row) (p remit.Payment, err error) {
	var attributes, names, portions string
	var opened, updated, authorized, funded, ended int64
	if err := r.Scan((*string)(&p.Merchant), (*string)(&p.ID), &p.Dialect, &p.ExternalID, &p.Amount.Minor,
		(*string)(&p.Amount.Currency), (*string)(&p.State), (*string)(&p.Reason), &p.RefundedMinor, &p.RefundsLive, &p.RefundsWaiting,
		&p.Funding, &p.NotificationURL, &p.OrderReference, (*string)(&p.PayerAccount), (*string)(&p.PayerName),
		&attributes, &opened, &updated, &authorized, &funded, &ended, &names, &portions, &p.Details); err != nil {
		return p, err
	}
	p.Opened, p.Updated = moment(opened), moment(updated)
	p.Authorized, p.Funded, p.Ended = moment(authorized), moment(funded), moment(ended)
	return p, errors.Join(parse(attributes, &p.Attributes), parse(names, &p.Names), parse(portions, &p.Portions))
}

func disbursementRow(d remit.Disbursement) ([]any, error) {
	portions, err := text(d.Portions)
	return []any{string(d.Merchant), string(d.ID), string(d.Kind), string(d.Payment), d.Dialect, d.ExternalID, d.Amount.Minor,
		micros(d.Created), micros(d.Updated), bit(d.Stuck), string(d.Amount.Currency), string(d.State), string(d.WaitingFor),
		string(d.Reason), d.Reference, d.Rail, d.Hold, d.Paid, micros(d.Sent), micros(d.Settled), micros(d.Ended), portions, d.Details,
		string(d.Account), string(d.AccountName), d.NotificationURL, d.OrderReference}, err
}

func scanDisbursement(r Row) (d remit.Disbursement, err error) {
	var created, updated, stuck, sent, settled, ended int64
	var portions string
	if err := r.Scan((*string)(&d.Merchant), (*string)(&d.ID), (*string)(&d.Kind), (*string)(&d.Payment), &d.Dialect, &d.ExternalID,
		&d.Amount.Minor, &created, &updated, &stuck, (*string)(&d.Amount.Currency), (*string)(&d.State),
		(*string)(&d.WaitingFor), (*string)(&d.Reason), &d.Reference, &d.Rail, &d.Hold, &d.Paid,
		&sent, &settled, &ended, &portions, &d.Details, (*string)(&d.Account), (*string)(&d.AccountName), &d.NotificationURL, &d.OrderReference); err != nil {
		return d, err
	}
	d.Created, d.Updated, d.Stuck = moment(created), moment(updated), stuck == 1
	d.Sent, d.Settled, d.Ended = moment(sent), moment(settled), moment(ended)
	return d, parse(portions, &d.Portions)
}

// sameID stands for an id that another column of the row has, but for the
// letter that a disbursement's or payment's begins with. No id is like it.
const sameID = "="

func eventRow(e remit.Event) ([]any, error) {
	transfers, err := writeTransfers(e)
	cause := e.Cause
	if len(e.Subject) > 1 && cause == e.Subject[1:] {
		cause = sameID
	}
	link := e.Link
	if e.Was != "" {
		link += fieldEnd + e.Was
	}
	return []any{string(e.Merchant), e.Seq, micros(e.At), e.Subject, e.Kind, e.Actor, e.Evidence, cause, link, transfers}, err
}

// scanEvent reads an event and its transfers.
func scanEvent(r Row) (e remit.Event, err error) {
	var at int64
	var transfers string
	if err := r.Scan((*string)(&e.Merchant), &e.Seq, &at, &e.Subject, &e.Kind, &e.Actor, &e.Evidence, &e.Cause, &e.Link, &transfers); err != nil {
		return e, err
	}
	e.At = moment(at)
	e.Link, e.Was, _ = strings.Cut(e.Link, fieldEnd)
	if e.Cause == sameID && len(e.Subject) > 1 {
		e.Cause = e.Subject[1:]
	}
	e.Transfers, err = readTransfers(e.Merchant, e.Seq, transfers)
	return e, err
}

// movedColumns are those of events of which only the money matters.
const movedColumns = "merchant_id, seq, at, subject, kind, transfers"

func scanMoved(r Row) (e remit.Event, err error) {
	var at int64
	var transfers string
	if err := r.Scan((*string)(&e.Merchant), &e.Seq, &at, &e.Subject, &e.Kind, &transfers); err != nil {
		return e, err
	}
	e.At = moment(at)
	e.Transfers, err = readTransfers(e.Merchant, e.Seq, transfers)
	return e, err
}

// A transfer is kept as a line of fields: step, from, to, minor, currency and
// what it cites. Its id follows from the event's number and its place. An
// account is kept as its path within the merchant without the currency, in
// which it ends.
const (
	transferFields = 6
	fieldEnd       = "\t"
	lineEnd        = "\n"
)

func writeTransfers(e remit.Event) (string, error) {
	var b strings.Builder
	for i, t := range e.Transfers {
		currency := string(t.Amount.Currency)
		from, to := strings.TrimSuffix(remit.AccountPath(t.From), currency), strings.TrimSuffix(remit.AccountPath(t.To), currency)
		fields := [transferFields]string{string(t.Step), from, to, strconv.FormatInt(t.Amount.Minor, 10), currency, t.Cites}
		whole := t.ID == remit.TransferID(e.Seq, i) && remit.AccountAt(e.Merchant, from+currency) == t.From && remit.AccountAt(e.Merchant, to+currency) == t.To
		if i > 0 {
			b.WriteString(lineEnd)
		}
		for j, f := range fields {
			whole = whole && !strings.ContainsAny(f, fieldEnd+lineEnd)
			if j > 0 {
				b.WriteString(fieldEnd)
			}
			b.WriteString(f)
		}
		if !whole {
			return "", fmt.Errorf("%w: transfer %s is not the event's, the merchant's, or in the accounts' currency", store.ErrData, t.ID)
		}
	}
	return b.String(), nil
}

func readTransfers(m remit.MerchantID, seq int64, s string) ([]ledger.Transfer, error) {
	if s == "" {
		return nil, nil
	}
	lines := strings.Split(s, lineEnd)
	ts := make([]ledger.Transfer, len(lines))
	for i, line := range lines {
		f := strings.Split(line, fieldEnd)
		if len(f) != transferFields {
			return nil, fmt.Errorf("event %d of merchant %s has a damaged transfer", seq, m)
		}
		minor, err := strconv.ParseInt(f[3], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("event %d of merchant %s has a damaged transfer: %w", seq, m, err)
		}
		ts[i] = ledger.Transfer{
			ID: remit.TransferID(seq, i), Step: ledger.Step(f[0]), From: remit.AccountAt(m, f[1]+f[4]), To: remit.AccountAt(m, f[2]+f[4]),
			Amount: money.Amount{Minor: minor, Currency: money.Currency(f[4])}, Cites: f[5],
		}
	}
	return ts, nil
}

func answerRow(a remit.Answer) ([]any, error) {
	subject := a.Subject
	if a.Cause != "" && subject == "d"+a.Cause {
		subject = sameID
	}
	return []any{string(a.Merchant), a.Scope, a.Key, a.Digest, a.Code, string(a.Reason), a.Field, a.Detail, subject, a.Form, a.Cause,
		a.KeyVersion, micros(a.At), micros(a.Expires)}, nil
}

func scanAnswer(r Row) (a remit.Answer, err error) {
	var at, expires int64
	err = r.Scan((*string)(&a.Merchant), &a.Scope, &a.Key, &a.Digest, &a.Code, (*string)(&a.Reason), &a.Field, &a.Detail, &a.Subject,
		&a.Form, &a.Cause, &a.KeyVersion, &at, &expires)
	if a.Subject == sameID && a.Cause != "" {
		a.Subject = "d" + a.Cause
	}
	a.At, a.Expires = moment(at), moment(expires)
	return a, err
}

func nameRow(n store.PaymentName) ([]any, error) {
	return []any{string(n.Merchant), n.Name.Scope, n.Name.Text, string(n.Payment)}, nil
}

func scanName(r Row) (n store.PaymentName, err error) {
	err = r.Scan((*string)(&n.Merchant), &n.Name.Scope, &n.Name.Text, (*string)(&n.Payment))
	return n, err
}

func beneficiaryRow(b remit.Beneficiary) ([]any, error) {
	return []any{string(b.Merchant), string(b.ID), b.Dialect, b.Digest, string(b.Account), string(b.Holder), b.Details, micros(b.Created)}, nil
}

func scanBeneficiary(r Row) (b remit.Beneficiary, err error) {
	var created int64
	err = r.Scan((*string)(&b.Merchant), (*string)(&b.ID), &b.Dialect, &b.Digest, (*string)(&b.Account), (*string)(&b.Holder), &b.Details, &created)
	b.Created = moment(created)
	return b, err
}

func workRow(w remit.Work) ([]any, error) {
	return []any{string(w.Merchant), w.ID.Seq, w.ID.N, string(w.Kind), w.Subject, w.Order, micros(w.Due), micros(w.Lease), w.Fence, w.Tries}, nil
}

func scanWork(r Row) (w remit.Work, err error) {
	var due, lease int64
	err = r.Scan((*string)(&w.Merchant), &w.ID.Seq, &w.ID.N, (*string)(&w.Kind), &w.Subject, &w.Order, &due, &lease, &w.Fence, &w.Tries)
	w.Due, w.Lease = moment(due), moment(lease)
	return w, err
}

func deliveryRow(d remit.Delivery) ([]any, error) {
	return []any{string(d.Merchant), d.ID.Seq, d.ID.N, d.Dialect, d.Subject, d.Notice.Kind, d.Notice.URL, d.Notice.Content,
		d.Notice.KeyVersion, string(d.State), d.Tries, micros(d.Created), micros(d.Updated)}, nil
}

func scanDelivery(r Row) (d remit.Delivery, err error) {
	var created, updated int64
	err = r.Scan((*string)(&d.Merchant), &d.ID.Seq, &d.ID.N, &d.Dialect, &d.Subject, &d.Notice.Kind, &d.Notice.URL, &d.Notice.Content,
		&d.Notice.KeyVersion, (*string)(&d.State), &d.Tries, &created, &updated)
	d.Created, d.Updated = moment(created), moment(updated)
	return d, err
}

func credentialRow(c remit.Credential) ([]any, error) {
	return []any{c.Dialect, c.Principal, string(c.Merchant), string(c.Sealed), micros(c.Created), micros(c.Ended)}, nil
}

func scanCredential(r Row) (c remit.Credential, err error) {
	var created, ended int64
	err = r.Scan(&c.Dialect, &c.Principal, (*string)(&c.Merchant), (*string)(&c.Sealed), &created, &ended)
	c.Created, c.Ended = moment(created), moment(ended)
	return c, err
}

func tryRow(t remit.Try) ([]any, error) {
	return []any{string(t.Merchant), t.Delivery.Seq, t.Delivery.N, t.N, micros(t.At), t.Took.Microseconds(), t.Status, t.Problem, t.Response}, nil
}

func scanTry(r Row) (t remit.Try, err error) {
	var at, took int64
	err = r.Scan((*string)(&t.Merchant), &t.Delivery.Seq, &t.Delivery.N, &t.N, &at, &took, &t.Status, &t.Problem, &t.Response)
	t.At, t.Took = moment(at), time.Duration(took)*time.Microsecond
	return t, err
}
