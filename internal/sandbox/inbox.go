package sandbox

import (
	"bytes"
	"context"
	"crypto"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/mail"
	"remit/internal/node"
	"remit/store"
)

// Limits of the inbox.
const (
	inboxItemsMax = 10_000  // kept, in memory; the oldest go
	inboxBodyMax  = 1 << 20 // of one notification, in bytes
	inboxDelayMax = time.Minute
	inboxTimesMax = 1_000_000
	inboxDueMax   = 10_000 // deliveries among which the owner of a notification is looked for
)

// inbox receives notifications as a correct merchant would, unless it was
// told to misbehave. What it received it keeps in memory, and loses when the
// sandbox ends.
type inbox struct {
	node     *node.Node
	dialects []dialect.Dialect
	home     *home

	mu        sync.Mutex
	received  int
	items     []received
	behaviour behaviour
}

// behaviour is what the receiver does instead, for some calls.
type behaviour struct {
	status int // 0 answers as usual, after the delay
	times  int
	delay  time.Duration // of real time
}

// received is one call as the inbox keeps it.
type received struct {
	ID             string            `json:"id"`
	Merchant       remit.MerchantID  `json:"merchant"`
	Dialect        string            `json:"dialect"`
	ReceivedAt     string            `json:"received_at"`
	Method         string            `json:"method"`
	Path           string            `json:"path"`
	Query          string            `json:"query"`
	Headers        map[string]string `json:"headers"`
	Body           string            `json:"body"`
	Verified       bool              `json:"verified"`
	Problem        string            `json:"problem"`
	ResponseStatus int               `json:"response_status"`
	ResponseBody   string            `json:"response_body"`
}

// inboxURL is where a payment's notifications go if it names no other place:
// it tells whose they are.
func (s *Sandbox) inboxURL(m remit.MerchantID, in string) string {
	return s.base + inboxPath + "/" + string(m) + "/" + in
}

func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, inboxBodyMax))
	if err != nil {
		http.Error(w, "the body did not come whole, or is too large", http.StatusBadRequest)
		return
	}
	res, problem := dialect.Response{Status: http.StatusMethodNotAllowed, Body: []byte("POST or GET\n")}, "neither GET nor POST"
	who, speaks := remit.MerchantID(""), dialect.Dialect(nil)
	if r.Method == http.MethodGet || r.Method == http.MethodPost {
		who, speaks = b.owner(r, body)
		res, problem = b.receive(r, body, who, speaks)
	}
	act := b.next()
	if act.status != 0 {
		res = dialect.Response{Status: act.status, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: []byte("the inbox was told to misbehave\n")}
	}
	b.keep(r, body, who, speaks, problem, res)
	if act.delay > 0 {
		wait := time.NewTimer(act.delay)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
			return // the caller gave up
		}
	}
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(res.Status)
	_, _ = w.Write(res.Body) // a caller that has gone will come again
}

// mail keeps a mail in the inbox instead of sending it: its path is the
// address.
func (s *Sandbox) mail(ctx context.Context, target string, out dialect.Outgoing) (dialect.Reply, time.Duration, error) {
	to, err := mail.Address(target)
	if err != nil {
		return dialect.Reply{}, 0, err
	}
	r := (&http.Request{Method: out.Method, URL: &url.URL{Path: to}, Header: out.Header}).WithContext(ctx)
	who, speaks := s.inbox.owner(r, out.Body)
	s.inbox.keep(r, out.Body, who, speaks, "", dialect.Response{Status: http.StatusOK})
	return dialect.Reply{Status: http.StatusOK}, 0, nil
}

// next is how the receiver behaves this time.
func (b *inbox) next() behaviour {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.behaviour.times == 0 {
		return behaviour{}
	}
	b.behaviour.times--
	return b.behaviour
}

// receive answers as the merchant, with the merchant's keys.
func (b *inbox) receive(r *http.Request, body []byte, m remit.MerchantID, d dialect.Dialect) (dialect.Response, string) {
	if d == nil {
		return dialect.Response{Status: http.StatusBadRequest, Body: []byte("no notification of a merchant here\n")}, "it is no notification that anybody is owed"
	}
	var ours crypto.PublicKey
	if b.node.Directory.KeyVersion(d.Name()) != 0 { // else we sign nothing there
		key, err := b.node.Directory.Signer(d.Name()).Key(0)
		if err != nil {
			return dialect.Response{Status: http.StatusInternalServerError}, err.Error()
		}
		ours = key.Public()
	}
	c, _ := b.home.credentials(m, d.Name())
	return d.Receive(dialect.Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header, Body: body, At: b.node.Clock.Now(),
	}, c, ours)
}

// owner is whose notification this is, and in which dialect. The path says
// it, as in the URLs that we give out; else it is whoever is owed just this.
func (b *inbox) owner(r *http.Request, body []byte) (remit.MerchantID, dialect.Dialect) {
	for _, m := range merchants {
		for _, d := range b.dialects {
			if below(r.URL.Path, inboxPath+"/"+string(m)+"/"+d.Name()) {
				return m, d
			}
		}
	}
	for _, m := range merchants {
		due, err := b.node.Store.Deliveries(r.Context(), store.DeliveryFilter{Merchant: m, State: remit.DeliveryDue, Max: inboxDueMax})
		if err != nil {
			return "", nil
		}
		for _, x := range due {
			if d := b.owed(r, body, m, x.Delivery); d != nil {
				return m, d
			}
		}
	}
	return "", nil
}

// owed tells whether a call is a delivery's: nil if not.
func (b *inbox) owed(r *http.Request, body []byte, m remit.MerchantID, x remit.Delivery) dialect.Dialect {
	d, ok := b.node.Dialects[x.Dialect]
	if !ok || !strings.Contains(x.Notice.URL, r.URL.EscapedPath()) {
		return nil
	}
	to, err := b.node.Directory.Merchant(r.Context(), x.Dialect, m)
	if err != nil {
		return nil
	}
	out, err := d.Seal(x.Notice, b.node.Directory.Signer(x.Dialect), to, b.node.Clock.Now())
	if err != nil || out.Method != r.Method || !bytes.Equal(out.Body, body) || !strings.HasSuffix(r.URL.RawQuery, out.Query) {
		return nil
	}
	return d
}

// keep records a call, and lets the oldest go.
func (b *inbox) keep(r *http.Request, body []byte, m remit.MerchantID, d dialect.Dialect, problem string, res dialect.Response) {
	i := received{
		Merchant: m, ReceivedAt: stamp(b.node.Clock.Now()), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
		Headers: map[string]string{}, Body: string(body), Verified: problem == "", Problem: problem,
		ResponseStatus: res.Status, ResponseBody: string(res.Body),
	}
	if d != nil {
		i.Dialect = d.Name()
	}
	for name, values := range r.Header {
		i.Headers[name] = strings.Join(values, ", ")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.received++
	i.ID = strconv.Itoa(b.received)
	b.items = append(b.items, i)
	if len(b.items) > inboxItemsMax {
		b.items = slices.Clone(b.items[len(b.items)-inboxItemsMax:])
	}
}

func (s *Sandbox) listInbox(_ context.Context, c *call) (any, error) {
	q, err := c.query("dialect")
	if err != nil {
		return nil, err
	}
	in := q.Get("dialect")
	if q.Has("dialect") {
		if err := s.spoken(in); err != nil {
			return nil, err
		}
	}
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	items := []received{}
	for _, i := range s.inbox.items {
		if in == "" || i.Dialect == in {
			items = append(items, i)
		}
	}
	return map[string]any{"items": items}, nil
}

func (s *Sandbox) emptyInbox(_ context.Context, c *call) (any, error) {
	if err := c.bare(); err != nil {
		return nil, err
	}
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	n := len(s.inbox.items)
	s.inbox.items = nil
	return map[string]int{"deleted": n}, nil
}

// misbehave tells the receiver what to do for its next calls.
func (s *Sandbox) misbehave(_ context.Context, c *call) (any, error) {
	o := c.object()
	b := behaviour{times: 1}
	answers := take(o, "status", "an HTTP status", &b.status)
	if answers && (b.status < 200 || b.status > 599) {
		o.fail("status must be from 200 to 599")
	}
	if take(o, "times", "a whole number", &b.times); b.times < 0 || b.times > inboxTimesMax {
		o.fail("times must be from 0 to %d", inboxTimesMax)
	}
	waits := o.duration("delay", &b.delay)
	if b.delay > inboxDelayMax {
		o.fail("delay is above %s", inboxDelayMax)
	}
	if !answers && !waits {
		o.fail("status or delay is required")
	}
	if err := o.done(); err != nil {
		return nil, err
	}
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	s.inbox.behaviour = b
	return map[string]any{"status": b.status, "times": b.times, "delay": b.delay.String()}, nil
}
