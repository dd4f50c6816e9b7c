package relational

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/ledger"
	"remit/store"
)

// all runs one query in a snapshot of its own, and gathers its rows.
func all[T any](ctx context.Context, s *Store, scan func(Row) (T, error), query string, args ...any) (ts []T, err error) {
	err = s.read(ctx, Statement{Text: query, Args: args, Row: func(r Row) error {
		t, err := scan(r)
		ts = append(ts, t)
		return err
	}})
	return ts, err
}

// add inserts one row, and tells whether it was new.
func (s *Store) add(ctx context.Context, text string, args []any) (added bool, err error) {
	err = s.write(ctx, Statement{Text: text, Args: args, Row: func(Row) error { added = true; return nil }})
	return added && err == nil, err
}

// Merchants lists all merchants by id.
func (s *Store) Merchants(ctx context.Context) ([]remit.Merchant, error) {
	return all(ctx, s, scanMerchant, "SELECT "+merchantColumns+" FROM merchants ORDER BY merchant_id")
}

// SomeMerchants lists merchants by id, from behind one, and counts all.
func (s *Store) SomeMerchants(ctx context.Context, after remit.MerchantID, max int) (some []remit.Merchant, all int, err error) {
	err = s.read(ctx,
		Statement{Text: "SELECT COUNT(*) FROM merchants", Row: func(r Row) error { return r.Scan(&all) }},
		Statement{Text: "SELECT " + merchantColumns + " FROM merchants WHERE merchant_id > $1 ORDER BY merchant_id LIMIT $2", Args: []any{string(after), int64(max)}, Row: func(r Row) error {
			m, err := scanMerchant(r)
			some = append(some, m)
			return err
		}})
	return some, all, err
}

// query is a statement in the making: conditions that are not asked for are
// left out, so that each kind of question has its own plan.
type query struct {
	text string
	args []any
}

// and adds a condition; each ? in it is the next argument.
func (q *query) and(wanted bool, condition string, args ...any) {
	if !wanted {
		return
	}
	for _, a := range args {
		q.args = append(q.args, a)
		condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(q.args)), 1)
	}
	q.text += " AND " + condition
}

// limit ends the query; an order of "" is any.
func (q *query) limit(order string, max int) {
	q.args = append(q.args, int64(max))
	if order != "" {
		q.text += " ORDER BY " + order
	}
	q.text += " LIMIT $" + strconv.Itoa(len(q.args))
}

func of(table, columns string, m remit.MerchantID) *query {
	return &query{"SELECT " + columns + " FROM " + table + " WHERE merchant_id = $1", []any{string(m)}}
}

// page goes through rows in the order of a time and the id, from behind the row
// of one id, if there is one. Few says that the conditions leave only few: they
// are found by their own index and sorted, since an index in the list's order
// would be read from one end to the other for them. The + hides it.
func (q *query) page(table, at, after string, newest, few bool, max int) {
	than, sign, down := ">", "", ""
	if newest {
		than, down = "<", " DESC"
	}
	if few {
		sign = "+"
	}
	order := sign + at + down + ", id" + down
	q.and(after != "", "("+at+", id) "+than+" (SELECT "+at+", id FROM "+table+" WHERE merchant_id = $1 AND id = ?)", after)
	q.limit(order, max)
}

// lastEvent is the kind of the last that happened to a disbursement, but for
// the notifications of it that were made once more.
const lastEvent = `(SELECT e.kind FROM events e WHERE e.merchant_id = $1 AND e.subject = disbursements.id AND e.kind <> ?
	ORDER BY +e.seq DESC LIMIT 1)` // few: see page

// Disbursements lists a merchant's. What an index is made for is said in the
// words of its definition.
func (s *Store) Disbursements(ctx context.Context, f store.Filter) ([]remit.Disbursement, error) {
	q := of("disbursements", disbursementColumns, f.Merchant)
	few := f.Payment != "" || f.External != "" || f.Underway || f.Stuck || f.Unknown || !f.Stalled.IsZero() || !f.Ended.IsZero()
	inOrder := f.Kind == remit.KindPayout && !few && !f.Held // else the payouts' index would be read whole for the few
	q.and(inOrder, "kind = 'payout'")
	q.and(!inOrder && f.Kind != "", "kind = ?", string(f.Kind))
	q.and(f.State == remit.Waiting || f.Held, "waiting_for <> ''")
	q.and(f.Held, "waiting_for <> ?", string(remit.WaitFunding))
	q.and(f.State == remit.Failed || f.State == remit.Canceled || f.State == remit.Returned, "ended <> 0")
	q.and(!f.Ended.IsZero(), "ended <> 0 AND ended >= ?", micros(f.Ended))
	q.and(f.Stuck, "stuck = 1")
	q.and(f.Underway || f.Unknown || !f.Stalled.IsZero(), `id IN (SELECT order_key FROM work WHERE merchant_id = $1 AND kind = 'send'
		UNION ALL SELECT id FROM disbursements WHERE merchant_id = $1 AND stuck = 1)`)
	q.and(f.Unknown, "state = 'sent' AND stuck = 0 AND "+lastEvent+" = ?", remit.KindRedelivered, remit.KindUnknown)
	q.and(!f.Stalled.IsZero(), "state = 'sent' AND stuck = 0 AND sent < ?", micros(f.Stalled))
	q.and(f.Payment != "", "payment = ? AND payment <> ''", string(f.Payment))
	q.and(f.External != "", `id IN (SELECT id FROM disbursements WHERE merchant_id = $1 AND external_id = ? AND external_id <> ''
		UNION ALL SELECT d.id FROM payments p JOIN disbursements d ON d.merchant_id = $1 AND d.payment = p.id AND d.payment <> ''
		WHERE p.merchant_id = $1 AND p.external_id = ?)`, f.External, f.External)
	q.and(f.State != "", "state = ?", string(f.State))
	q.and(f.Dialect != "", "dialect = ?", f.Dialect)
	q.and(!f.From.IsZero(), "created >= ?", micros(f.From))
	q.and(!f.To.IsZero(), "created < ?", micros(f.To))
	q.page("disbursements", "created", string(f.After), f.Newest, few, f.Max)
	return all(ctx, s, scanDisbursement, q.text, q.args...)
}

// Payments lists a merchant's.
func (s *Store) Payments(ctx context.Context, f store.PaymentFilter) ([]remit.Payment, error) {
	q := of("payments", paymentColumns, f.Merchant)
	q.and(f.State != "", "state = ?", string(f.State))
	q.and(f.Dialect != "", "dialect = ?", f.Dialect)
	q.and(!f.From.IsZero(), "opened >= ?", micros(f.From))
	q.and(!f.To.IsZero(), "opened < ?", micros(f.To))
	q.page("payments", "opened", string(f.After), f.Newest, false, f.Max)
	return all(ctx, s, scanPayment, q.text, q.args...)
}

// skewMax is how far two events may stand in the wrong order of time: the
// clocks of several processes differ.
const skewMax = 2 * time.Second

// EventsIn lists a merchant's events with transfers in a time. There is no
// index over time: events are numbered in its order, so that the first number
// is found by halving.
func (s *Store) EventsIn(ctx context.Context, f store.Span) ([]remit.Event, error) {
	first, err := s.firstEvent(ctx, f.Merchant, f.From.Add(-skewMax))
	if err != nil {
		return nil, err
	}
	columns, scan := eventColumns, scanEvent
	if f.Moved {
		columns, scan = movedColumns, scanMoved
	}
	q := of("events", columns, f.Merchant)
	q.and(true, "seq >= ? AND seq > ?", first, f.After)
	q.and(true, "at >= ? AND at < ? AND transfers <> ''", micros(f.From), micros(f.To))
	q.and(f.Moved, "(transfers LIKE ? OR transfers LIKE ?)", string(ledger.Post)+"%", "%"+lineEnd+string(ledger.Post)+"%")
	q.limit("seq", f.Max)
	return all(ctx, s, scan, q.text, q.args...)
}

// firstEvent is the number of the first event that is not before a time.
func (s *Store) firstEvent(ctx context.Context, m remit.MerchantID, t time.Time) (int64, error) {
	var low, high int64 = 1, 1
	err := s.read(ctx, Statement{Text: "SELECT seq + 1 FROM merchants WHERE merchant_id = $1", Args: []any{string(m)}, Row: func(r Row) error { return r.Scan(&high) }})
	for low < high && err == nil {
		middle, at := (low+high)/2, int64(0)
		err = s.read(ctx, Statement{Text: "SELECT at FROM events WHERE merchant_id = $1 AND seq = $2", Args: []any{string(m), middle}, Row: func(r Row) error { return r.Scan(&at) }})
		if at < micros(t) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, err
}

// Events lists what happened to one subject, in order.
func (s *Store) Events(ctx context.Context, m remit.MerchantID, subject string) ([]remit.Event, error) {
	return all(ctx, s, scanEvent, "SELECT "+eventColumns+" FROM events WHERE merchant_id = $1 AND subject = $2 ORDER BY +seq", string(m), subject) // few: see page
}

// Deliveries lists a merchant's deliveries with their tries, in order.
func (s *Store) Deliveries(ctx context.Context, f store.DeliveryFilter) ([]store.Delivered, error) {
	than, order := ">", "seq, n"
	if f.Newest {
		than, order = "<", "seq DESC, n DESC"
	}
	if f.Subject != "" || f.State == remit.DeliveryDead || f.Underway {
		order = "+" + order // few: see page
	}
	chosen := func(columns string) *query {
		q := of("deliveries", columns, f.Merchant)
		q.and(f.ID != remit.WorkID{}, "seq = ? AND n = ?", f.ID.Seq, f.ID.N)
		q.and(f.Subject != "", "subject = ?", f.Subject)
		q.and(f.State == remit.DeliveryDead, "state = 'dead'")
		q.and(f.State != remit.DeliveryDead && f.State != "", "state = ?", string(f.State))
		q.and(f.Underway, "(seq, n) IN (SELECT seq, n FROM work WHERE merchant_id = $1 AND kind = 'deliver')")
		q.and(f.After != remit.WorkID{}, "(seq, n) "+than+" (?, ?)", f.After.Seq, f.After.N)
		q.limit(order, f.Max)
		return q
	}
	var ds []store.Delivered
	at := map[remit.WorkID]int{}
	list, ids := chosen(deliveryColumns), chosen("seq, n")
	deliveries := Statement{Text: list.text, Args: list.args, Row: func(r Row) error {
		d, err := scanDelivery(r)
		at[d.ID] = len(ds)
		ds = append(ds, store.Delivered{Delivery: d})
		return err
	}}
	tries := Statement{
		Text: "SELECT " + tryColumns + " FROM tries WHERE merchant_id = $1 AND (seq, n) IN (SELECT seq, n FROM (" + ids.text + ") chosen) ORDER BY seq, n, i",
		Args: ids.args,
		Row: func(r Row) error {
			t, err := scanTry(r)
			if i, ok := at[t.Delivery]; ok {
				ds[i].Log = append(ds[i].Log, t)
			}
			return err
		},
	}
	return ds, s.read(ctx, deliveries, tries)
}

// Credential finds whose a principal is.
func (s *Store) Credential(ctx context.Context, dialect, principal string) (remit.Credential, bool, error) {
	if !keepable(principal) {
		return remit.Credential{}, false, nil // nobody can have it, and not every database can be asked
	}
	return first(all(ctx, s, scanCredential, "SELECT "+credentialColumns+" FROM credentials WHERE dialect = $1 AND principal = $2", dialect, principal))
}

// first is the only row of an answer, if there is one.
func first[T any](ts []T, err error) (t T, ok bool, _ error) {
	if err != nil || len(ts) == 0 {
		return t, false, err
	}
	return ts[0], true, nil
}

// Credentials lists a merchant's.
func (s *Store) Credentials(ctx context.Context, m remit.MerchantID) ([]remit.Credential, error) {
	return all(ctx, s, scanCredential, "SELECT "+credentialColumns+" FROM credentials WHERE merchant_id = $1 ORDER BY dialect, principal", string(m))
}

const secretColumns = "name, version, sealed, created"

func scanSecret(r Row) (x store.Secret, err error) {
	var created int64
	err = r.Scan(&x.Name, &x.Version, (*string)(&x.Sealed), &created)
	x.Created = moment(created)
	return x, err
}

// Secret reads a secret, the newest version if version is 0.
func (s *Store) Secret(ctx context.Context, name string, version int64) (store.Secret, bool, error) {
	return first(all(ctx, s, scanSecret, "SELECT "+secretColumns+` FROM secrets WHERE name = $1
		AND (CAST($2 AS BIGINT) = 0 OR version = $2) ORDER BY version DESC LIMIT 1`, name, version))
}

// AddSecret keeps a secret unless its name and version are taken.
func (s *Store) AddSecret(ctx context.Context, x store.Secret) (bool, error) {
	return s.add(ctx, "INSERT INTO secrets ("+secretColumns+") VALUES ($1, $2, $3, $4) ON CONFLICT (name, version) DO NOTHING RETURNING version",
		[]any{x.Name, x.Version, string(x.Sealed), micros(x.Created)})
}

// AddSlip keeps a slip unless there is a good one of its name.
func (s *Store) AddSlip(ctx context.Context, now time.Time, x store.Slip) (bool, error) {
	return s.add(ctx, `INSERT INTO slips (name, text, expires) VALUES ($1, $2, $3) ON CONFLICT (name)
		DO UPDATE SET text = excluded.text, expires = excluded.expires WHERE slips.expires <= $4 RETURNING name`,
		[]any{x.Name, x.Text, micros(x.Expires), micros(now)})
}

// SetSlip replaces a slip that is there.
func (s *Store) SetSlip(ctx context.Context, x store.Slip) (bool, error) {
	return s.add(ctx, "UPDATE slips SET text = $2, expires = $3 WHERE name = $1 RETURNING name", []any{x.Name, x.Text, micros(x.Expires)})
}

// DropSlip deletes a slip.
func (s *Store) DropSlip(ctx context.Context, name string) error {
	return s.write(ctx, Statement{Text: "DELETE FROM slips WHERE name = $1", Args: []any{name}})
}

// Slip reads a slip that is good.
func (s *Store) Slip(ctx context.Context, now time.Time, name string) (store.Slip, bool, error) {
	return first(all(ctx, s, func(r Row) (x store.Slip, err error) {
		var expires int64
		err = r.Scan(&x.Name, &x.Text, &expires)
		x.Expires = moment(expires)
		return x, err
	}, "SELECT name, text, expires FROM slips WHERE name = $1 AND expires > $2", name, micros(now)))
}

// ForgetSlips deletes slips that expired before a time.
func (s *Store) ForgetSlips(ctx context.Context, before time.Time, max int) (n int, err error) {
	err = s.write(ctx, Statement{
		Text: "DELETE FROM slips WHERE name IN (SELECT name FROM slips WHERE expires < $1 ORDER BY expires LIMIT $2) RETURNING expires",
		Args: []any{micros(before), int64(max)}, Row: func(Row) error { n++; return nil },
	})
	return n, err
}

// Cursor reads how far a rail's statements have been read.
func (s *Store) Cursor(ctx context.Context, rail string) (position string, err error) {
	err = s.read(ctx, Statement{Text: "SELECT position FROM cursors WHERE rail = $1", Args: []any{rail},
		Row: func(r Row) error { return r.Scan(&position) }})
	return position, err
}

// SetCursor keeps how far a rail's statements have been read.
func (s *Store) SetCursor(ctx context.Context, rail, position string) error {
	return s.write(ctx, Statement{
		Text: "INSERT INTO cursors (rail, position) VALUES ($1, $2) ON CONFLICT (rail) DO UPDATE SET position = excluded.position",
		Args: []any{rail, position},
	})
}

// Forget deletes answers that expired before a time: first an unlocked look
// for whose they are, then merchant by merchant, each under its lock.
func (s *Store) Forget(ctx context.Context, before time.Time, max int) (int, error) {
	type share struct {
		merchant remit.MerchantID
		answers  int64
	}
	shares, err := all(ctx, s, func(r Row) (x share, err error) {
		err = r.Scan((*string)(&x.merchant), &x.answers)
		return x, err
	},
		"SELECT merchant_id, COUNT(*) FROM (SELECT merchant_id FROM answers WHERE expires < $1 ORDER BY expires LIMIT $2) old GROUP BY merchant_id",
		micros(before), int64(max))
	if err != nil {
		return 0, err
	}
	forgotten := 0
	for _, x := range shares {
		lock := s.find(merchantsLocked, []ref{{merchant: x.merchant}}, func(Row) error { return nil })
		n := 0
		err := s.write(ctx, lock[0], Statement{
			Text: `DELETE FROM answers WHERE merchant_id = $1 AND (scope, key) IN
				(SELECT scope, key FROM answers WHERE merchant_id = $1 AND expires < $2 ORDER BY expires LIMIT $3) RETURNING expires`,
			Args: []any{string(x.merchant), micros(before), x.answers},
			Row:  func(Row) error { n++; return nil },
		})
		if err != nil {
			return forgotten, err
		}
		forgotten += n
	}
	return forgotten, nil
}

// Audit shows everything in one snapshot, row by row as it comes.
func (s *Store) Audit(ctx context.Context, v store.Visitor) error {
	tx := s.driver.Read()
	defer tx.Close()
	var ms []remit.Merchant
	list := Statement{Text: "SELECT " + merchantColumns + " FROM merchants ORDER BY merchant_id", Row: func(r Row) error {
		m, err := scanMerchant(r)
		ms = append(ms, m)
		return err
	}}
	if err := tx.Run(ctx, []Statement{list}); err != nil {
		return s.driver.Classify(err)
	}
	for _, m := range ms {
		if err := v.Merchant(m); err != nil {
			return err
		}
		var books []ledger.Account
		marks := marked{show: v.Mark}
		err := tx.Run(ctx, []Statement{
			visit(m.ID, "marks", markColumns, "seq, currency, path", scanMark, marks.next),
		})
		if err = errors.Join(err, marks.end()); err != nil {
			return s.driver.Classify(err)
		}
		err = tx.Run(ctx, []Statement{
			visit(m.ID, "events", eventColumns, "seq", scanEvent, v.Event),
			visit(m.ID, "payments", paymentColumns, "id", scanPayment, v.Payment),
			visit(m.ID, "payment_names", nameColumns, "scope, name, payment", scanName, v.Name),
			visit(m.ID, "disbursements", disbursementColumns, "id", scanDisbursement, v.Disbursement),
			visit(m.ID, "beneficiaries", beneficiaryColumns, "id", scanBeneficiary, v.Beneficiary),
			visit(m.ID, "accounts", accountColumns, "currency, path", scanAccount, func(a ownedAccount) error {
				books = append(books, a.Account)
				return nil
			}),
		})
		if err != nil {
			return s.driver.Classify(err)
		}
		if err := v.Accounts(m.ID, books); err != nil {
			return err
		}
	}
	return tx.Commit(ctx, nil)
}

// visit shows a merchant's rows of one table.
func visit[T any](m remit.MerchantID, table, columns, order string, scan func(Row) (T, error), show func(T) error) Statement {
	return Statement{
		Text: "SELECT " + columns + " FROM " + table + " WHERE merchant_id = $1 ORDER BY " + order,
		Args: []any{string(m)},
		Row: func(r Row) error {
			t, err := scan(r)
			if err != nil {
				return err
			}
			return show(t)
		},
	}
}
