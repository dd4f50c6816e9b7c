package console

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/evidence"
	"remit/internal/requestlog"
	"remit/store"
)

// requestFilters are what the list of requests is narrowed to, as they stand in
// its address.
type requestFilters struct {
	Text     string // a trace, or what a payment or a disbursement is called
	Dialect  string
	Refused  string
	From, To string // days
	After    string
}

// Any tells whether the list is narrowed at all.
func (f requestFilters) Any() bool { f.After = ""; return f != requestFilters{} }

func (v *visit) requestFilters() requestFilters {
	get := v.URL.Query().Get
	return requestFilters{strings.TrimSpace(get("about")), get("dialect"), get("refused"), get("from"), get("to"), get("after")}
}

// traceForm is what a trace looks like.
var traceForm = regexp.MustCompile(`^[0-9a-f]{16}$`)

// requestFilter is a filter of the store for the visit's address.
func (c *Console) requestFilter(v *visit) (f store.RequestFilter, err error) {
	in := v.requestFilters()
	from, to, _, err := filters{From: in.From, To: in.To}.times()
	f = store.RequestFilter{
		Merchant: v.merchant.ID, Dialect: in.Dialect, Refused: in.Refused != "", From: from, To: to, After: in.After, Newest: true, Max: rowsMax + 1,
	}
	switch {
	case err != nil || in.Text == "":
	case traceForm.MatchString(in.Text):
		f.ID = in.Text
	default:
		f.About, err = c.called(v, in.Text)
	}
	return f, err
}

// aboutMax is how many things of one name are looked for among requests.
const aboutMax = 20

// called are the ids of all that has a name, and the name itself: a request
// that was refused has nothing else.
func (c *Console) called(v *visit, name string) ([]string, error) {
	all := []string{name}
	ps, ds, err := c.store.Find(v.Context(), store.Search{Merchant: v.merchant.ID, Text: name, Max: aboutMax})
	if err != nil {
		return nil, err
	}
	for _, p := range ps {
		refunds, err := c.store.Disbursements(v.Context(), store.Filter{Merchant: p.Merchant, Payment: p.ID, Newest: true, Max: aboutMax})
		if err != nil {
			return nil, err
		}
		all = append(all, string(p.ID), p.ExternalID)
		ds = append(ds, refunds...)
	}
	for _, d := range ds {
		all = append(all, string(d.ID), d.ExternalID)
	}
	slices.Sort(all)
	all = slices.DeleteFunc(slices.Compact(all), func(s string) bool { return s == "" })
	return all, nil
}

// requests lists what a merchant asked.
func (c *Console) requests(v *visit) error {
	f, err := c.requestFilter(v)
	if err != nil {
		return err
	}
	list, err := c.store.Requests(v.Context(), f)
	if err != nil {
		return err
	}
	list, last := most(list, func(r store.Request) string { return r.ID })
	v.render(200, "requests", "requests", "Requests", map[string]any{
		"List": c.opened(list), "Last": last, "Filters": v.requestFilters(), "Dialects": v.dialects(), "Off": c.o.Node.Requests == nil,
	})
	return nil
}

// opened adds what was asked.
func (c *Console) opened(list []store.Request) (all []asked) {
	for _, r := range list {
		text, err := requestlog.Asked(c.o.Node.Vault, r)
		if err != nil {
			text = ""
		}
		all = append(all, askedOf(evidence.Asked{Request: r, Text: text}))
	}
	return all
}

// asked is a request for a page. What came is taken apart.
type asked struct {
	store.Request
	Line, Head, Body string // the first line, the headers, and the masked body
}

func askedOf(r evidence.Asked) asked {
	head, body, _ := strings.Cut(r.Text, "\n\n")
	first, headers, _ := strings.Cut(head, "\n")
	return asked{Request: r.Request, Line: first, Head: headers, Body: body}
}

// bodyShownMax is how long a body is, in bytes, that is shown without being
// asked for.
const bodyShownMax = 1500

// Long tells whether what came would push away what stands below it.
func (a asked) Long() bool { return len(a.Body) > bodyShownMax }

// What is what the request asks for, and Title the same at a beginning.
func (a asked) What() string { return cmp.Or(a.Operation, "request") }
func (a asked) Title() string {
	return strings.ToUpper(a.What()[:1]) + a.What()[1:]
}

// Came is what came of it, in words.
func (a asked) Came() string {
	switch {
	case a.Code == "gone":
		return "the caller did not wait"
	case a.Code != "":
		return "refused: " + refusalWords(a.Request)
	case a.Replayed:
		return "answered as before"
	}
	return "accepted"
}

// Tone is the colour of what came of it.
func (a asked) Tone() string {
	switch {
	case a.Code == "gone":
		return "wait"
	case a.Code != "":
		return "bad"
	case a.Replayed:
		return "quiet"
	}
	return "good"
}

// Link is where what it is about is shown; "" where that is nothing of ours.
func (a asked) Link() string {
	switch {
	case strings.HasPrefix(a.Subject, "p"):
		return merchantPath(a.Merchant, "payments", a.Subject)
	case strings.HasPrefix(a.Subject, "d"):
		return merchantPath(a.Merchant, "out", a.Subject)
	}
	return ""
}

// refusals are the codes of refusals in words, and refusalReasons what says it
// better.
var (
	refusals = map[string]string{
		"internal": "a fault of ours", "invalid": "it makes no sense", "unauthenticated": "the caller is not believed", "forbidden": "it is not allowed",
		"not_found": "what it names is not there", "conflict": "the state does not allow it", "key_reused": "the key was used for another request",
		"in_flight": "the same request is being decided", "exceeds": "over what is left", "insufficient_funds": "the balance is too low",
		"unsupported": "there is no such thing here", "rate_limited": "too many at once", "unavailable": "we could not answer",
	}
	refusalReasons = map[remit.Reason]string{
		remit.ReasonPaymentFailed: "the payment's money never came", remit.ReasonSingleRefund: "the payment can be refunded once only",
		remit.ReasonRefundWaiting: "another refund of the payment waits", remit.ReasonRefundedWhole: "the whole was given back already",
		remit.ReasonNotFunded: "the payment's money has not come yet", remit.ReasonCurrency: "the currency is wrong", remit.ReasonAmount: "the amount is wrong",
		remit.ReasonPortion: "over what is left of a portion", remit.ReasonAmbiguous: "several payments have this name",
		remit.ReasonBeneficiary: "there is no such account to pay to", remit.ReasonEndUser: "the end user is blocked",
		remit.ReasonDuplicate: "an equal refund was made a moment ago", remit.ReasonMalformedID: "that can be nobody's id",
		remit.ReasonSecret: "unknown caller, or a wrong secret", remit.ReasonSignature: "the signature does not hold",
		remit.ReasonNoPublicKey: "there is no key to check the signature with", remit.ReasonDisabled: "the merchant is switched off",
		remit.ReasonAddress: "the address is not on the list", remit.ReasonFunction: "the merchant may not call it",
		remit.ReasonEnvelope: "it cannot be read", remit.ReasonTooLarge: "it is too large", remit.ReasonUnknownMethod: "there is no such method",
		remit.ReasonTerminal: "it is too late for that",
	}
)

// refusalWords are why a request was refused, with the provider's own code.
func refusalWords(r store.Request) string {
	why := cmp.Or(refusalReasons[r.Reason], refusals[r.Code], words(r.Code))
	if r.Wire != "" {
		why += " (" + r.Wire + ")"
	}
	return why
}

// oneRequest is the visit's request.
func (c *Console) oneRequest(v *visit) (asked, error) {
	list, err := c.store.Requests(v.Context(), store.RequestFilter{Merchant: v.merchant.ID, ID: v.PathValue("id"), Max: 1})
	if err != nil {
		return asked{}, err
	}
	if len(list) == 0 {
		return asked{}, remit.Errorf(remit.NotFound, "", "The request log holds no request %q.", v.PathValue("id"))
	}
	return c.opened(list)[0], nil
}

// showRequest shows one request, and all that came of it.
func (c *Console) showRequest(v *visit) error {
	r, err := c.oneRequest(v)
	if err != nil {
		return err
	}
	v.render(200, "request", "requests", "Request "+r.ID, map[string]any{"R": r, "Checks": c.checks(r.Request)})
	return nil
}

// question is one thing that a request was checked for, and what came of that.
type question struct{ Name, Came string }

// What a check came to.
const (
	checkPassed  = "passed"
	checkRefused = "refused"
	checkNever   = "not reached"
	checkSeen    = "seen before"
)

// checks are those of a request in their order: the dialect's own, then the
// decision's.
func (c *Console) checks(r store.Request) (all []question) {
	speaks, ok := c.o.Node.Dialects[r.Dialect]
	if !ok {
		return nil
	}
	its, at := speaks.Checks(), dialect.Stage(r.Stage)
	for _, x := range its {
		all = append(all, question{x.Name, checkPassed})
	}
	own := len(all)
	for _, name := range decisionChecks(r.Operation) {
		all = append(all, question{name, checkPassed})
	}
	switch {
	case r.Replayed: // nothing was looked at behind the key
		key := min(own+remit.RefundCheck(remit.KeyReused, ""), len(all)-1)
		all = reached(all, key, own)
		all[key].Came = checkSeen
		return all
	case r.Code == "":
		return all
	}
	code, known := remit.ParseCode(r.Code)
	refusing := -1
	switch {
	case !known || code.Transient():
	case at != dialect.StageDecide:
		refusing = dialect.Refusing(its, at, r.Reason)
	case r.Operation == "refund":
		refusing = own + remit.RefundCheck(code, r.Reason)
	default:
		refusing = own
	}
	return reached(all, refusing, firstOf(its, at, own))
}

// decisionChecks are what is checked once a request is understood.
func decisionChecks(operation string) []string {
	if operation == "refund" {
		return remit.RefundChecks()
	}
	return []string{"decision"}
}

// firstOf is where a stage's checks begin.
func firstOf(its []dialect.Check, at dialect.Stage, otherwise int) int {
	if i := slices.IndexFunc(its, func(x dialect.Check) bool { return x.Stage == at }); i >= 0 {
		return i
	}
	return otherwise
}

// reached says of each check whether it was reached. Where none refused the
// request broke at some check of the stage that begins at first.
func reached(all []question, refusing, first int) []question {
	for i := range all {
		switch {
		case refusing < 0 && i >= first, refusing >= 0 && i > refusing:
			all[i].Came = checkNever
		case i == refusing:
			all[i].Came = checkRefused
		}
	}
	return all
}

// requestsCSV is the list as a file.
func (c *Console) requestsCSV(v *visit) error {
	f, err := c.requestFilter(v)
	if err != nil {
		return err
	}
	f.After, f.Max = "", csvRowsMax
	columns := []string{"trace", "at", "dialect", "operation", "request", "verified", "replayed", "status", "code", "reason", "provider_code", "detail", "subject", "named", "took_us"}
	return v.table("requests.csv", columns, func(after string) (rows [][]string, last string, err error) {
		f.After = after
		list, err := c.store.Requests(v.Context(), f)
		for _, r := range c.opened(list) {
			rows = append(rows, []string{r.ID, stamp(r.At), r.Dialect, r.Operation, r.Line, strconv.FormatBool(r.Verified), strconv.FormatBool(r.Replayed),
				strconv.FormatInt(r.Status, 10), r.Code, string(r.Reason), r.Wire, r.Detail, r.Subject, r.Named, strconv.FormatInt(r.Took.Microseconds(), 10)})
		}
		if len(list) == csvRowsMax {
			last = list[len(list)-1].ID
		}
		return rows, last, err
	})
}

// refusedShown is how many refused requests of one payment are shown with it.
const refusedShown = 10

// refusedAbout are the newest refused requests that name a payment.
func (c *Console) refusedAbout(v *visit, p remit.Payment) ([]asked, error) {
	about := []string{string(p.ID), p.ExternalID}
	for _, n := range p.Names {
		about = append(about, n.Text)
	}
	list, err := c.store.Requests(v.Context(), store.RequestFilter{
		Merchant: p.Merchant, About: slices.DeleteFunc(about, func(s string) bool { return s == "" }), Refused: true, Newest: true, Max: refusedShown,
	})
	return c.opened(list), err
}

// refusedCountMax is how far the refused requests of a day are counted.
const refusedCountMax = 100

// refusedToday counts the merchant's requests that were refused since midnight.
func (c *Console) refusedToday(v *visit) (int, error) {
	list, err := c.store.Requests(v.Context(), store.RequestFilter{
		Merchant: v.merchant.ID, Refused: true, From: v.now.UTC().Truncate(24 * time.Hour), Newest: true, Max: refusedCountMax,
	})
	return len(list), err
}
