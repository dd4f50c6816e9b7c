package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"remit"
	"remit/dialect"
)

// controlBytesMax is the largest body of a control call, in bytes.
const controlBytesMax = 1 << 20

// timeLayout is RFC 3339, always with six digits behind the point.
const timeLayout = "2006-01-02T15:04:05.000000Z07:00"

func stamp(t time.Time) string { return t.UTC().Format(timeLayout) }

// call is one call of the control API.
type call struct {
	*http.Request
	body []byte
}

// object is the call's body. A call that needs none may leave it out.
func (c *call) object() *object {
	if len(strings.TrimSpace(string(c.body))) == 0 {
		return read([]byte("{}"))
	}
	return read(c.body)
}

// query reads the parameters that a call knows; any other is refused.
func (c *call) query(known ...string) (url.Values, error) {
	q, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return nil, invalid("the query cannot be read")
	}
	for name := range q {
		if !slices.Contains(known, name) {
			return nil, invalid("there is no parameter %q", name)
		}
	}
	return q, nil
}

// bare refuses a body and a query where a call takes neither.
func (c *call) bare() error {
	_, err := c.query()
	return errors.Join(err, c.object().done())
}

// routes is the control API.
func (s *Sandbox) routes() http.Handler {
	calls := map[string]func(context.Context, *call) (any, error){
		"POST /payments":                         s.openPayment,
		"POST /payments/{external_id}/authorize": s.movePayment(remit.PaymentAuthorized),
		"POST /payments/{external_id}/fund":      s.movePayment(remit.PaymentFunded),
		"POST /payments/{external_id}/fail":      s.movePayment(remit.PaymentFailed),
		"POST /accounts":                         s.openAccount,
		"GET /disbursements":                     s.listDisbursements,
		"GET /disbursements/{id}":                s.showDisbursement,
		"POST /disbursements/{id}/outcome":       s.decideOutcome,
		"GET /clock":                             s.showClock,
		"POST /clock/advance":                    s.advanceClock,
		"POST /drain":                            s.drain,
		"GET /inbox":                             s.listInbox,
		"DELETE /inbox":                          s.emptyInbox,
		"POST /inbox/behaviour":                  s.misbehave,
		"GET /merchants/{merchant}":              s.showMerchant,
		"POST /merchants/{merchant}":             s.changeMerchant,
		"GET /bank":                              s.showBank,
		"GET /ledger/check":                      s.checkLedger,
	}
	mux, names := http.NewServeMux(), slices.Sorted(maps.Keys(calls))
	for _, pattern := range names {
		mux.Handle(pattern, s.controlled(calls[pattern]))
	}
	mux.Handle("GET /{$}", s.controlled(func(context.Context, *call) (any, error) {
		return map[string]any{"below": controlPath, "calls": names, "page": controlPage}, nil
	}))
	mux.Handle("/", s.controlled(func(_ context.Context, c *call) (any, error) {
		return nil, remit.Errorf(remit.NotFound, "", "there is no call %s %s%s: GET %s lists those that are there", c.Method, controlPath, c.URL.Path, controlPath)
	}))
	below := http.StripPrefix(controlPath, mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == controlPath {
			r = r.Clone(r.Context())
			r.URL.Path += "/"
		}
		below.ServeHTTP(w, r)
	})
}

// controlPage explains the control API.
const controlPage = "docs/reference/sandbox.md"

// controlled answers a call in JSON. What was begun is finished, even if the
// caller has gone; and it may take longer than a merchant would wait.
func (s *Sandbox) controlled(f func(context.Context, *call) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a recorder has none
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, controlBytesMax))
		var out any
		if err != nil {
			err = invalid("the body did not come whole, or has more than %d bytes", controlBytesMax)
		} else {
			out, err = f(context.WithoutCancel(r.Context()), &call{r, body})
		}
		status := http.StatusOK
		if err != nil {
			status, out = complaint(err, s.o.Log)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(out) // who has gone may ask again
	})
}

// statuses are the HTTP statuses of what a call can be refused for. Whatever
// is not here is a fault of ours.
var statuses = map[remit.Code]int{
	remit.Invalid:           http.StatusBadRequest,
	remit.NotFound:          http.StatusNotFound,
	remit.Conflict:          http.StatusConflict,
	remit.Exceeds:           http.StatusConflict,
	remit.InsufficientFunds: http.StatusConflict,
	remit.Unsupported:       http.StatusUnprocessableEntity,
	remit.Unavailable:       http.StatusServiceUnavailable,
}

// complaint is an error as the control API says it. The cause of a fault of
// ours is told too: there is nobody here to hide it from.
func complaint(err error, log *slog.Logger) (status int, body any) {
	e := remit.AsError(err)
	message := e.Detail
	status, known := statuses[e.Code]
	if !known {
		status, message = http.StatusInternalServerError, err.Error()
		log.Error("a control call failed", "error", err)
	}
	return status, map[string]any{"error": map[string]string{"code": e.Code.String(), "message": message}}
}

// merchant reads which demo merchant a body means; the first if it says none.
func merchant(o *object) remit.MerchantID {
	name := string(merchants[0])
	if o.text("merchant", &name) && !slices.Contains(merchants, remit.MerchantID(name)) {
		o.fail("there is no merchant %q", name)
	}
	return remit.MerchantID(name)
}

// dialectOf reads which dialect a body means.
func (s *Sandbox) dialectOf(o *object) string {
	var name string
	if !o.text("dialect", &name) {
		o.fail("dialect is required")
	}
	if err := s.spoken(name); err != nil {
		o.fail("%s", remit.AsError(err).Detail)
	}
	return name
}

func (s *Sandbox) spoken(name string) error {
	if slices.ContainsFunc(s.o.Dialects, func(d dialect.Dialect) bool { return d.Name() == name }) {
		return nil
	}
	return invalid("no dialect %q is spoken here", name)
}

func (s *Sandbox) showClock(_ context.Context, c *call) (any, error) {
	return s.now(), c.bare()
}

func (s *Sandbox) now() any { return map[string]string{"now": stamp(s.node.Clock.Now())} }

func (s *Sandbox) advanceClock(ctx context.Context, c *call) (any, error) {
	o := c.object()
	var by time.Duration
	if !o.duration("by", &by) {
		o.fail("by is required")
	}
	if by > aheadMax {
		o.fail("by is above %s", aheadMax)
	}
	if err := o.done(); err != nil {
		return nil, err
	}
	if err := s.advance(ctx, by); err != nil {
		return nil, err
	}
	return s.now(), nil
}

func (s *Sandbox) drain(ctx context.Context, c *call) (any, error) {
	if err := c.bare(); err != nil {
		return nil, err
	}
	ran, err := s.settle(ctx)
	return map[string]int{"ran": ran}, err
}

func (s *Sandbox) checkLedger(ctx context.Context, c *call) (any, error) {
	if err := c.bare(); err != nil {
		return nil, err
	}
	return s.node.Check(ctx)
}

// booked is an instruction in the bank's own books.
type booked struct {
	EndToEndID     string               `json:"end_to_end_id"`
	DisbursementID remit.DisbursementID `json:"disbursement_id"`
	AmountMinor    int64                `json:"amount_minor"`
	Currency       string               `json:"currency"`
	TimesSubmitted int                  `json:"times_submitted"`
	TimesPaid      int                  `json:"times_paid"`
	State          string               `json:"state"`
}

func (s *Sandbox) showBank(ctx context.Context, c *call) (any, error) {
	if err := c.bare(); err != nil {
		return nil, err
	}
	all, err := s.bank.Booked(ctx)
	list := make([]booked, 0, len(all))
	for _, b := range all {
		_, id, _ := remit.ParseEndToEndID(b.EndToEndID)
		list = append(list, booked{b.EndToEndID, id, b.Amount.Minor, string(b.Amount.Currency), b.Submitted, b.Paid, b.State})
	}
	return map[string]any{"instructions": list}, err
}
