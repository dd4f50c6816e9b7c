// Package evidence gathers all that is known of one disbursement, and signs
// it: what an auditor, or a customer who disputes, can be given, and can check
// without us.
package evidence

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"time"

	"remit"
	"remit/internal/requestlog"
	"remit/internal/vault"
	"remit/store"
)

// deliveriesMax is how many deliveries of one subject are gathered.
const deliveriesMax = 1_000

// requestsMax is how many requests about one disbursement are gathered.
const requestsMax = 200

// Dossier is all that the store knows of one disbursement.
type Dossier struct {
	Disbursement  remit.Disbursement
	Payment       *remit.Payment       // of a refund
	Refunds       []remit.Disbursement // all of that payment, this one among them, oldest first
	Events        []remit.Event        // of the disbursement, in order
	PaymentEvents []remit.Event
	Deliveries    []store.Delivered // that tell of the disbursement, in order
	Requests      []Asked           // of the merchant about it, as far as they were kept, oldest first
	Work          map[remit.WorkID]remit.Work
}

// Asked is a request with what came, masked; "" where that was not kept.
type Asked struct {
	store.Request
	Text string
}

// Gather reads a dossier; false if there is no such disbursement.
func Gather(ctx context.Context, s store.Store, v *vault.Vault, m remit.MerchantID, id remit.DisbursementID) (d Dossier, ok bool, err error) {
	ref := store.DisbursementRef{Merchant: m, ID: id}
	have, err := s.Read(ctx, store.Wants{Disbursements: []store.DisbursementRef{ref}})
	if err != nil {
		return d, false, err
	}
	if d.Disbursement, ok = have.Disbursements[ref]; !ok {
		return d, false, nil
	}
	if p, ok := have.Payments[store.PaymentRef{Merchant: m, ID: d.Disbursement.Payment}]; ok {
		d.Payment = &p
	}
	var errs [5]error
	d.Events, errs[0] = s.Events(ctx, m, string(id))
	d.Deliveries, errs[1] = s.Deliveries(ctx, store.DeliveryFilter{Merchant: m, Subject: string(id), Max: deliveriesMax})
	if d.Payment != nil {
		d.PaymentEvents, errs[2] = s.Events(ctx, m, string(d.Payment.ID))
		d.Refunds, errs[3] = s.Disbursements(ctx, store.Filter{Merchant: m, Payment: d.Payment.ID, Max: deliveriesMax})
	}
	d.Requests, errs[4] = requests(ctx, s, v, d.Disbursement)
	if err := errors.Join(errs[:]...); err != nil {
		return d, true, err
	}
	return d, true, d.pending(ctx, s)
}

// requests reads what the merchant asked about a disbursement. What was sealed
// under another master key stays closed.
func requests(ctx context.Context, s store.Store, v *vault.Vault, d remit.Disbursement) (all []Asked, err error) {
	about := []string{string(d.ID)}
	if d.ExternalID != "" {
		about = append(about, d.ExternalID)
	}
	list, err := s.Requests(ctx, store.RequestFilter{Merchant: d.Merchant, About: about, Max: requestsMax})
	for _, r := range list {
		text, closed := requestlog.Asked(v, r)
		if closed != nil {
			text = ""
		}
		all = append(all, Asked{r, text})
	}
	return all, err
}

// pending reads the work that is still to be done.
func (d *Dossier) pending(ctx context.Context, s store.Store) error {
	var w store.Wants
	if id, ok := d.Disbursement.SendWork(); ok {
		w.Work = append(w.Work, store.WorkRef{Merchant: d.Disbursement.Merchant, ID: id})
	}
	for _, x := range d.Deliveries {
		w.Work = append(w.Work, store.WorkRef{Merchant: x.Merchant, ID: x.ID})
	}
	have, err := s.Read(ctx, w)
	d.Work = map[remit.WorkID]remit.Work{}
	for ref, x := range have.Work {
		d.Work[ref.ID] = x
	}
	return err
}

// Format names the form of a bundle. Another form gets another name.
const Format = "remit-evidence/1"

// Bundle is a dossier for people outside. It holds no account number, no
// holder's name, and no secret: what was asked is masked.
type Bundle struct {
	Format        string       `json:"format"`
	Issued        time.Time    `json:"issued"`
	By            string       `json:"by"` // the operator who asked for it
	Merchant      string       `json:"merchant"`
	Disbursement  Disbursement `json:"disbursement"`
	Payment       *Payment     `json:"payment,omitempty"`
	Requests      []Request    `json:"requests"`
	Events        []Event      `json:"events"`
	Notifications []Notified   `json:"notifications"`
}

// Parts of a bundle. Amounts are in minor units.
type (
	// Disbursement is what was asked for.
	Disbursement struct {
		ID          string    `json:"id"`
		Kind        string    `json:"kind"`
		State       string    `json:"state"`
		Reason      string    `json:"reason,omitempty"`
		AmountMinor int64     `json:"amount_minor"`
		Currency    string    `json:"currency"`
		Dialect     string    `json:"dialect"`
		ExternalID  string    `json:"external_id,omitempty"`
		EndToEndID  string    `json:"end_to_end_id"`
		Reference   string    `json:"reference,omitempty"`
		Rail        string    `json:"rail"`
		Created     time.Time `json:"created"`
	}
	// Payment is what a refund gives back of.
	Payment struct {
		ID            string `json:"id"`
		ExternalID    string `json:"external_id"`
		State         string `json:"state"`
		AmountMinor   int64  `json:"amount_minor"`
		RefundedMinor int64  `json:"refunded_minor"`
		LeftMinor     int64  `json:"left_minor"`
		Currency      string `json:"currency"`
	}
	// Request is what the merchant asked, and what came of it.
	Request struct {
		Trace     string    `json:"trace"`
		At        time.Time `json:"at"`
		TookUS    int64     `json:"took_us"`
		Dialect   string    `json:"dialect"`
		Operation string    `json:"operation,omitempty"`
		Verified  bool      `json:"verified"` // it came from the merchant; else somebody only said so
		Replayed  bool      `json:"replayed,omitempty"`
		Status    int64     `json:"status"`
		Refused   string    `json:"refused,omitempty"` // our code
		Reason    string    `json:"reason,omitempty"`
		Code      string    `json:"code,omitempty"`  // the provider's
		Asked     string    `json:"asked,omitempty"` // the request as it came, masked
	}
	// Event is one fact, with its link in the merchant's chain.
	Event struct {
		Seq       int64      `json:"seq"`
		At        time.Time  `json:"at"`
		Subject   string     `json:"subject"`
		Kind      string     `json:"kind"`
		Actor     string     `json:"actor"`
		Evidence  string     `json:"evidence"`
		Transfers []Transfer `json:"transfers,omitempty"`
		Link      string     `json:"link"`
	}
	// Transfer is one movement between two accounts.
	Transfer struct {
		ID          string `json:"id"`
		Step        string `json:"step"`
		From        string `json:"from"`
		To          string `json:"to"`
		AmountMinor int64  `json:"amount_minor"`
		Currency    string `json:"currency"`
		Cites       string `json:"cites,omitempty"`
	}
	// Notified is one notification, with every attempt.
	Notified struct {
		ID       string    `json:"id"`
		Kind     string    `json:"kind"`
		To       string    `json:"to"` // without its query
		State    string    `json:"state"`
		Attempts []Attempt `json:"attempts"`
	}
	// Attempt is one HTTP call.
	Attempt struct {
		N       int64     `json:"n"`
		At      time.Time `json:"at"`
		TookUS  int64     `json:"took_us"`
		Status  int64     `json:"status"`
		Problem string    `json:"problem,omitempty"`
	}
)

// Bundle makes a dossier fit to be handed out.
func (d Dossier) Bundle(issued time.Time, by string) Bundle {
	x := d.Disbursement
	b := Bundle{
		Format: Format, Issued: issued, By: by, Merchant: string(x.Merchant), Requests: []Request{}, Events: []Event{}, Notifications: []Notified{},
		Disbursement: Disbursement{
			ID: string(x.ID), Kind: string(x.Kind), State: string(x.State), Reason: string(x.Reason), AmountMinor: x.Amount.Minor,
			Currency: string(x.Amount.Currency), Dialect: x.Dialect, ExternalID: x.ExternalID, EndToEndID: x.EndToEndID(),
			Reference: x.Reference, Rail: x.Rail, Created: x.Created,
		},
	}
	if p := d.Payment; p != nil {
		b.Payment = &Payment{string(p.ID), p.ExternalID, string(p.State), p.Amount.Minor, p.RefundedMinor, p.Left(), string(p.Amount.Currency)}
	}
	for _, r := range d.Requests {
		b.Requests = append(b.Requests, Request{
			Trace: r.ID, At: r.At, TookUS: r.Took.Microseconds(), Dialect: r.Dialect, Operation: r.Operation, Verified: r.Verified, Replayed: r.Replayed,
			Status: r.Status, Refused: r.Code, Reason: string(r.Reason), Code: r.Wire, Asked: r.Text,
		})
	}
	for _, e := range d.History() {
		out := Event{Seq: e.Seq, At: e.At, Subject: e.Subject, Kind: e.Kind, Actor: e.Actor, Evidence: e.Evidence, Link: e.Link}
		for _, t := range e.Transfers {
			out.Transfers = append(out.Transfers, Transfer{t.ID, string(t.Step), string(t.From), string(t.To), t.Amount.Minor, string(t.Amount.Currency), t.Cites})
		}
		b.Events = append(b.Events, out)
	}
	for _, x := range d.Deliveries {
		n := Notified{ID: x.ID.String(), Kind: x.Notice.Kind, To: place(x.Notice.URL), State: string(x.State), Attempts: []Attempt{}}
		for _, t := range x.Log {
			n.Attempts = append(n.Attempts, Attempt{t.N, t.At, t.Took.Microseconds(), t.Status, t.Problem})
		}
		b.Notifications = append(b.Notifications, n)
	}
	return b
}

// History is what happened to the disbursement and to its payment, in order.
func (d Dossier) History() []remit.Event {
	all := slices.Concat(d.PaymentEvents, d.Events)
	slices.SortFunc(all, func(a, b remit.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return all
}

// place is a URL without what may be secret in it.
func place(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// signed is a bundle's file. What is signed is the evidence without the
// spaces between its parts, so that a file may be laid out anew.
type signed struct {
	Evidence  json.RawMessage `json:"evidence"`
	Signature signature       `json:"signature"`
}

type signature struct {
	Algorithm string `json:"algorithm"`
	PublicKey string `json:"public_key"` // base64
	Value     string `json:"value"`      // base64
}

const algorithm = "Ed25519"

// Key is the installation's key for evidence, made from its master key.
func Key(v *vault.Vault) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(v.Derive("evidence")) }

// Sign makes the file of a bundle.
func Sign(b Bundle, k ed25519.PrivateKey) ([]byte, error) {
	text, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	public, _ := k.Public().(ed25519.PublicKey)
	return json.MarshalIndent(signed{text, signature{
		algorithm, base64.StdEncoding.EncodeToString(public), base64.StdEncoding.EncodeToString(ed25519.Sign(k, text)),
	}}, "", "  ")
}

// ErrAltered means that a file is no bundle as it was signed.
var ErrAltered = errors.New("evidence: the signature does not hold: the file was altered, or is no evidence")

// Verify reads a bundle, and answers by whose key it is signed. Whether that
// key is to be believed, the caller must know.
func Verify(file []byte) (b Bundle, by ed25519.PublicKey, err error) {
	var s signed
	if err := json.Unmarshal(file, &s); err != nil || s.Signature.Algorithm != algorithm {
		return b, nil, ErrAltered
	}
	key, errKey := base64.StdEncoding.DecodeString(s.Signature.PublicKey)
	value, errValue := base64.StdEncoding.DecodeString(s.Signature.Value)
	var text bytes.Buffer
	if errKey != nil || errValue != nil || len(key) != ed25519.PublicKeySize || json.Compact(&text, s.Evidence) != nil {
		return b, nil, ErrAltered
	}
	if !ed25519.Verify(key, text.Bytes(), value) {
		return b, nil, ErrAltered
	}
	if err := json.Unmarshal(text.Bytes(), &b); err != nil || b.Format != Format {
		return b, nil, ErrAltered
	}
	return b, key, nil
}
