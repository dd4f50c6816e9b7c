package server

import (
	"time"

	"remit"
	"remit/dialect"
	"remit/internal/requestlog"
	"remit/store"
)

// keep has the request log keep a request: each command of a merchant, a
// question only if it was refused, and some of what came in a merchant's name
// from somebody who did not show that he was it. A payer's page is no request
// of a merchant: its bytes are the payer's.
func (s *Server) keep(x *exchange, res dialect.Response, result remit.Result, err error, took time.Duration) {
	m, verified := x.merchant, true
	if m == "" {
		m, verified = x.claimed, false
	}
	refused := err != nil || res.Code != ""
	if s.o.Requests == nil || x.page || m == "" || (x.asks.Question() && !refused) {
		return
	}
	k := store.Request{
		Merchant: m, Took: took, Status: int64(res.Status), Verified: verified, Replayed: result.Replayed, Dialect: x.d.Name(),
		Operation: x.asks.Kind(), Wire: res.Code,
	}
	stage := x.stage
	if x.asks.SpendKey != nil {
		stage = dialect.StageDecode // where it was refused; only the key was left to decide
	}
	switch {
	case err != nil:
		e := remit.AsError(err)
		k.Stage, k.Reason, k.Detail = string(stage), e.Reason, e.Detail
		k.Code, _ = outcome(err)
	case refused: // by the dialect, once it saw what there is
		k.Stage, k.Code = string(stage), remit.Invalid.String()
	}
	if k.Subject = subject(result); k.Subject == "" {
		k.Named = x.asks.Named()
	}
	s.o.Requests.Add(requestlog.Record{Request: x.request, Kept: k})
}

// subject is what a request made, or is about, where that is ours.
func subject(r remit.Result) string {
	switch {
	case r.Disbursement != nil:
		return string(r.Disbursement.ID)
	case r.Payment != nil:
		return string(r.Payment.ID)
	}
	return ""
}
