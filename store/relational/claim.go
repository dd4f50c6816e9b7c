package relational

import (
	"cmp"
	"context"
	"slices"
	"time"

	"remit"
	"remit/store"
)

// free is the condition that a piece of work of a kind may be leased: nobody
// has it, and each earlier piece of its kind and order has been tried, or is
// gone. The earlier ones are looked for in the order's index alone: a database
// that does not know yet how long a backlog has become would make a join
// of it, and read the whole backlog for each piece of it.
const free = `w.kind = $3 AND w.lease <= $2 AND (SELECT 1 FROM work e WHERE e.merchant_id = w.merchant_id
	AND e.order_key = w.order_key AND e.kind || '' = w.kind AND e.tries = 0 AND (e.seq < w.seq OR (e.seq = w.seq AND e.n < w.n)) LIMIT 1) IS NULL`

// firstDue looks, merchant by merchant and without a lock, for the first
// piece that is free and due. -1 is none. It goes from one merchant that has
// work of the kind to the next, along the index: those that have none, most of
// many, cost nothing.
const (
	firstDue = `WITH RECURSIVE m(merchant_id) AS (
	SELECT MIN(merchant_id) FROM work WHERE kind = $3
	UNION ALL SELECT (SELECT MIN(n.merchant_id) FROM work n WHERE n.kind = $3 AND n.merchant_id > m.merchant_id) FROM m WHERE m.merchant_id IS NOT NULL
	) ` + firstOf + ` FROM m WHERE m.merchant_id IS NOT NULL`
	// firstDueEverywhere asks every merchant: a distributed PostgreSQL cannot
	// go along an index that lies in many places.
	firstDueEverywhere = firstOf + ` FROM merchants m`

	firstOf = `SELECT m.merchant_id, COALESCE((SELECT w.due FROM work w
	WHERE w.merchant_id = m.merchant_id AND w.due <= $1 AND ` + free + ` ORDER BY w.due LIMIT 1), -1)`
)

// claimable are one merchant's pieces to lease.
var claimable = `SELECT ` + prefixed("w.", workColumns) + ` FROM work w WHERE w.due <= $1 AND ` + free + `
	AND w.merchant_id = $4 ORDER BY w.due, w.seq, w.n LIMIT $5`

// forever is later than every time that is kept.
const forever = int64(1<<63 - 1)

// Claim leases work that is due: an unlocked look for merchants that have
// any, then a claim per merchant, each of a fair share.
func (s *Store) Claim(ctx context.Context, c store.Claim) ([]remit.Work, error) {
	found, err := s.due(ctx, micros(c.Now), micros(c.Real), c.Kind)
	if err != nil || len(found) == 0 || c.Max <= 0 {
		return nil, err
	}
	skip := c.Skip % len(found)
	found = append(found[skip:], found[:skip]...)
	found = found[:min(len(found), c.Max)]

	tx := s.driver.Write()
	defer tx.Close()
	text := claimable
	if s.driver.Locks() {
		text += " FOR UPDATE OF w SKIP LOCKED"
	}
	var got []remit.Work
	left := c.Max
	claims := make([]Statement, len(found))
	for i, d := range found {
		share := (left + len(found) - i - 1) / (len(found) - i)
		left -= share
		claims[i] = Statement{
			Text: text,
			Args: []any{micros(c.Now), micros(c.Real), string(d.kind), string(d.merchant), int64(share)},
			Row: func(r Row) error {
				w, err := scanWork(r)
				w.Lease, w.Fence = c.Lease, w.Fence+1
				got = append(got, w)
				return err
			},
		}
	}
	if err := tx.Run(ctx, claims); err != nil {
		return nil, s.driver.Classify(err)
	}
	if len(got) == 0 {
		return nil, nil
	}
	leased, err := put(s, work, got, workRow)
	if err != nil {
		return nil, err
	}
	if err := tx.Commit(ctx, leased); err != nil {
		return nil, s.driver.Classify(err)
	}
	return got, nil
}

// dueAt is the first piece of work of a merchant and a kind that is free.
type dueAt struct {
	merchant remit.MerchantID
	kind     remit.WorkKind
	due      int64
}

// due finds them, those first whose work has waited longest. Each kind is
// looked for by itself: a backlog of one then costs the others nothing.
func (s *Store) due(ctx context.Context, now, real int64, kind remit.WorkKind) (found []dueAt, err error) {
	kinds := []remit.WorkKind{kind}
	if kind == "" {
		kinds = remit.WorkKinds
	}
	text := firstDue
	if s.byMerchant {
		text = firstDueEverywhere
	}
	var st []Statement
	for _, k := range kinds {
		st = append(st, Statement{Text: text, Args: []any{now, real, string(k)}, Row: func(r Row) error {
			d := dueAt{kind: k}
			err := r.Scan((*string)(&d.merchant), &d.due)
			if d.due >= 0 {
				found = append(found, d)
			}
			return err
		}})
	}
	err = s.read(ctx, st...)
	slices.SortStableFunc(found, func(a, b dueAt) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.merchant, b.merchant))
	})
	return found, err
}

// NextDue is when the next piece of work of a kind that is free falls due.
func (s *Store) NextDue(ctx context.Context, kind remit.WorkKind, real time.Time) (time.Time, bool, error) {
	found, err := s.due(ctx, forever, micros(real), kind)
	if err != nil || len(found) == 0 {
		return time.Time{}, false, err
	}
	return moment(found[0].due), true, nil
}

// backlog counts the work of each kind, and what needs a person.
const backlog = `SELECT
	(SELECT COUNT(*) FROM work WHERE kind = 'send'),
	(SELECT COUNT(*) FROM work WHERE kind = 'deliver'),
	(SELECT COUNT(*) FROM work WHERE kind = 'expire'),
	(SELECT COUNT(*) FROM work WHERE due <= $1),
	(SELECT COALESCE(MIN(due), 0) FROM work WHERE due <= $1),
	(SELECT COUNT(*) FROM deliveries WHERE state = 'dead'),
	(SELECT COUNT(*) FROM disbursements WHERE stuck = 1)`

// Backlog counts what waits.
func (s *Store) Backlog(ctx context.Context, now time.Time) (b store.Backlog, err error) {
	err = s.read(ctx, Statement{Text: backlog, Args: []any{micros(now)}, Row: func(r Row) error {
		var oldest int64
		err := r.Scan(&b.Send, &b.Deliver, &b.Expire, &b.Due, &oldest, &b.Dead, &b.Stuck)
		b.OldestDue = moment(oldest)
		return err
	}})
	return b, err
}
