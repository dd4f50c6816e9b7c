package relational

import (
	"context"
	"strings"
	"time"

	"remit"
	"remit/store"
)

func requestRow(r store.Request) ([]any, error) {
	return []any{string(r.Merchant), r.ID, micros(r.At), r.Took.Microseconds(), r.Status, bit(r.Verified), bit(r.Replayed), r.Dialect, r.Operation,
		r.Stage, r.Code, string(r.Reason), r.Detail, r.Wire, r.Subject, r.Named, string(r.Asked)}, nil
}

func scanRequest(row Row) (r store.Request, err error) {
	var at, took, verified, replayed int64
	err = row.Scan((*string)(&r.Merchant), &r.ID, &at, &took, &r.Status, &verified, &replayed, &r.Dialect, &r.Operation,
		&r.Stage, &r.Code, (*string)(&r.Reason), &r.Detail, &r.Wire, &r.Subject, &r.Named, (*string)(&r.Asked))
	r.At, r.Took, r.Verified, r.Replayed = moment(at), time.Duration(took)*time.Microsecond, verified != 0, replayed != 0
	return r, err
}

// AddRequests keeps requests: those of one call in one transaction.
func (s *Store) AddRequests(ctx context.Context, rs []store.Request) error {
	st, err := put(s, requests, rs, requestRow)
	if err != nil || len(st) == 0 {
		return err
	}
	return s.write(ctx, st...)
}

// Requests lists a merchant's, or looks one up among all merchants'.
func (s *Store) Requests(ctx context.Context, f store.RequestFilter) ([]store.Request, error) {
	q := of("requests", requestColumns, f.Merchant)
	if f.Merchant == "" && f.ID != "" {
		q = among("requests", requestColumns, "")
	}
	q.and(f.ID != "", "id = ?", f.ID)
	q.and(f.Refused, "code <> ''")
	q.about(f.About)
	q.and(f.Dialect != "", "dialect = ?", f.Dialect)
	q.and(!f.From.IsZero(), "at >= ?", micros(f.From))
	q.and(!f.To.IsZero(), "at < ?", micros(f.To))
	q.page("requests", "at", f.After, f.Newest, f.ID != "" || len(f.About) > 0, f.Max)
	return all(ctx, s, scanRequest, q.text, q.args...)
}

// about chooses the requests about things: by the indexes of both columns.
func (q *query) about(things []string) {
	if len(things) == 0 {
		return
	}
	list := strings.TrimSuffix(strings.Repeat("?, ", len(things)), ", ")
	args := make([]any, 0, 2*len(things))
	for range 2 {
		for _, x := range things {
			args = append(args, x)
		}
	}
	q.and(true, `id IN (SELECT id FROM requests WHERE merchant_id = $1 AND subject IN (`+list+`) AND subject <> ''
		UNION ALL SELECT id FROM requests WHERE merchant_id = $1 AND named IN (`+list+`) AND named <> '')`, args...)
}

// ForgetRequests deletes a merchant's oldest. They are nobody's but the log's:
// the merchant need not be locked.
func (s *Store) ForgetRequests(ctx context.Context, m remit.MerchantID, before time.Time, max int) (n int, err error) {
	err = s.write(ctx, Statement{
		Text: `DELETE FROM requests WHERE merchant_id = $1 AND id IN
			(SELECT id FROM requests WHERE merchant_id = $1 AND at < $2 ORDER BY at, id LIMIT $3) RETURNING at`,
		Args: []any{string(m), micros(before), int64(max)},
		Row:  func(Row) error { n++; return nil },
	})
	return n, err
}
