package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"remit"
)

// received is a notification as the inbox keeps it.
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

// Subject is what a notification is about, as far as its bytes say.
func (r received) Subject() string {
	var body struct {
		Method string `json:"method"`
		Type   string `json:"type"`
	}
	if json.Unmarshal([]byte(r.Body), &body) == nil {
		if name := body.Method + body.Type; name != "" {
			return name
		}
	}
	return r.Method + " " + r.Path
}

// spokenOf finds the amount, the currency and the names in a notification's
// body, whatever the dialect.
var spokenOf = []*regexp.Regexp{
	regexp.MustCompile(`"(?i:amount)":\s*"?([0-9.]+)`), regexp.MustCompile(`"(?i:currency)":\s*"([A-Z]{3})"`),
	regexp.MustCompile(`"(?i:(?:order|refund|payment|transaction)_?id)":\s*"([^"]+)"`),
}

// Snippet is what a list shows of the body: the amount and the name that it
// speaks of.
func (r received) Snippet() string {
	var parts []string
	for _, x := range spokenOf {
		if m := x.FindStringSubmatch(r.Body); m != nil {
			parts = append(parts, short(m[1]))
		}
	}
	return strings.Join(parts, " ")
}

// Answered tells whether the receiver said that it is well.
func (r received) Answered() bool { return r.ResponseStatus < http.StatusMultipleChoices }

// Bad tells whether the receiver did not believe it, or did not say that it is
// well.
func (r received) Bad() bool { return !r.Verified || !r.Answered() }

// number is how many had come with it; the sandbox counts them from 1.
func (r received) number() int {
	n, err := strconv.Atoi(r.ID)
	if err != nil {
		return 0
	}
	return n
}

// frozen is what all tries of one notification have in common.
type frozen struct{ dialect, method, path, query, body string }

func (r received) frozen() frozen { return frozen{r.Dialect, r.Method, r.Path, r.Query, r.Body} }

// Pretty is the body laid out for reading, its account numbers masked.
func (r received) Pretty() string { return mask(pretty(r.Body)) }

// PrettyResponse is the same of the answer.
func (r received) PrettyResponse() string { return mask(pretty(r.ResponseBody)) }

// pretty lays JSON out; what is none stays as it is.
func pretty(text string) string {
	var out bytes.Buffer
	if json.Indent(&out, []byte(text), "", "  ") != nil {
		return text
	}
	return out.String()
}

// Limits of the inbox's page.
const (
	lettersShown = 50  // notifications of one page, the newest first
	timesShown   = 20  // of one notification, the newest
	readKeptMax  = 100 // notifications that an address says were read, the newest
)

// letter is one notification, with each time that it came, the newest first.
type letter struct {
	Tries []received
	New   bool // it came since the visitor last looked, and was not opened
}

// Newest is how it came last.
func (l letter) Newest() received { return l.Tries[0] }

// Shown are the tries that a page lists, and Earlier how many it does not.
func (l letter) Shown() []received { return l.Tries[:min(len(l.Tries), timesShown)] }
func (l letter) Earlier() int      { return len(l.Tries) - len(l.Shown()) }

// bad tells whether something was wrong with one of the tries.
func (l letter) bad() bool { return slices.ContainsFunc(l.Tries, received.Bad) }

// try finds one of the tries; nil if it is none of them.
func (l letter) try(id string) *received {
	i := slices.IndexFunc(l.Tries, func(r received) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return &l.Tries[i]
}

// lettersOf puts the tries of one notification together. Both lists begin with
// the newest.
func lettersOf(list []received) (all []letter) {
	at := map[frozen]int{}
	for _, r := range list {
		i, known := at[r.frozen()]
		if !known {
			i = len(all)
			at[r.frozen()] = i
			all = append(all, letter{})
		}
		all[i].Tries = append(all[i].Tries, r)
	}
	return all
}

// look is how somebody looks at the inbox, as it stands in the page's address.
type look struct {
	Dialect  string
	Problems bool     // only what was not believed, or not answered well
	Before   int      // only what last came before this one; 0 begins with the newest
	Since    int      // what came after this one is new
	Read     []string // the ids of new ones that were opened since
}

// Opened are the ids of Read as the address has them.
func (l look) Opened() string { return strings.Join(l.Read, readParts) }

// Narrowed tells whether the inbox is not seen whole.
func (l look) Narrowed() bool { return l.Dialect != "" || l.Problems }

// shows tells whether a letter is one of those that are looked at.
func (l look) shows(x letter) bool {
	newest := x.Newest()
	return (l.Dialect == "" || newest.Dialect == l.Dialect) && (!l.Problems || x.bad()) && (l.Before == 0 || newest.number() < l.Before)
}

// inboxCookie holds the number of the newest notification that a visitor has
// seen.
const inboxCookie = "remit_inbox"

// readParts parts the ids of what was read, in an address.
const readParts = "."

// look reads the address. Where it does not say since when all is new, it is
// since the visitor last looked: the cookie knows, and the address keeps it
// from then on, so that a page that is fetched again shows the same as new.
// Numbers above the newest are of a sandbox that is no more.
func (v *visit) look(newest int) (l look, err error) {
	l = look{Dialect: v.FormValue("dialect"), Problems: v.FormValue("problems") != "", Read: listed(v.FormValue("read"), readParts)}
	if text := v.FormValue("before"); text != "" {
		if l.Before, err = strconv.Atoi(text); err != nil {
			return l, remit.Errorf(remit.Invalid, "", "This is no page of the inbox.")
		}
	}
	since := v.FormValue("since")
	if c, err := v.Cookie(inboxCookie); err == nil && since == "" {
		since = c.Value
	}
	if n, err := strconv.Atoi(since); err == nil && n > 0 && n <= newest {
		l.Since = n
	}
	if id := v.FormValue("open"); id != "" && !slices.Contains(l.Read, id) {
		l.Read = append(l.Read, id)
	}
	l.Read = l.Read[max(0, len(l.Read)-readKeptMax):]
	q := v.URL.Query()
	q.Set("since", strconv.Itoa(l.Since))
	q.Set("read", l.Opened())
	v.URL.RawQuery = q.Encode()
	if !l.Narrowed() && l.Before == 0 {
		http.SetCookie(v.w, &http.Cookie{
			Name: inboxCookie, Value: strconv.Itoa(newest), Path: v.path("inbox"), HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: !local(v.Host),
		})
	}
	return l, nil
}

// mail lists what reached the visit's merchant, the newest first.
func (c *Console) mail(v *visit) ([]received, error) {
	text, err := c.call(v.Context(), http.MethodGet, "inbox", nil)
	if err != nil {
		return nil, err
	}
	var all struct{ Items []received }
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(all.Items, func(r received) bool { return r.Merchant != v.merchant.ID && r.Merchant != "" })
	slices.Reverse(list)
	return list, nil
}

// inbox reads like a mail client: a list, and the one that is open.
func (c *Console) inbox(v *visit) error {
	list, err := c.mail(v)
	if err != nil {
		return err
	}
	newest := 0
	if len(list) > 0 {
		newest = list[0].number()
	}
	l, err := v.look(newest)
	if err != nil {
		return err
	}
	all, fresh := lettersOf(list), 0
	for i := range all {
		all[i].New = all[i].Newest().number() > l.Since && !slices.ContainsFunc(l.Read, func(id string) bool { return all[i].try(id) != nil })
		if all[i].New {
			fresh++
		}
	}
	shown, older := slices.DeleteFunc(slices.Clone(all), func(x letter) bool { return !l.shows(x) }), 0
	if len(shown) > lettersShown {
		shown = shown[:lettersShown]
		older = shown[lettersShown-1].Newest().number()
	}
	open, try := opened(v.FormValue("open"), all, shown)
	v.render(200, "inbox", "inbox", "Inbox", map[string]any{
		"List": shown, "Open": open, "Try": try, "Look": l, "Older": older, "New": fresh, "Newest": newest, "Dialects": v.dialects(), "Call": v.curl("inbox"),
	})
	return nil
}

// opened is the letter that was asked for, with the try; else the first of
// those that are shown. Nil where there is none.
func opened(id string, all, shown []letter) (*letter, *received) {
	for i := range all {
		if try := all[i].try(id); try != nil {
			return &all[i], try
		}
	}
	if id != "" || len(shown) == 0 {
		return nil, nil
	}
	return &shown[0], &shown[0].Tries[0]
}
